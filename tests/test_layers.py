"""Imports point one way, and a command starts without loading what it does not use."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import labkit

PACKAGE = Path(__file__).parent.parent / "labkit"
LAYERS = [
    "errors connection",
    "fork_server forked provisioner task readers cache asked machine hardware theory statistics lessons",
    "batches callbacks checkpoint quantization vocabulary training structure importance classifier outputs baselines fine_tuning",
    "augment policy steps measure counting cost latency folds coding pack reference recipes pages distributed runtime",
    "plots exercises predictions results claims",
    "execution running report widgets",
    "notebooks lab commands bench",
    "cli",
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names.split()}
# The first runs before anything is installed, the second holds names alone.
APART = {"bootstrap", "__init__"}
# One look for all figures: it knows nothing of the workbook, so any layer may draw with it.
EVERYWHERE = {"labkit.plots.style"}
MODULES = sorted(PACKAGE.rglob("*.py"))


def name_of(path):
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """All modules of labkit that a file imports, at its top or inside a function."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("labkit"))
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: write the whole name"
            if node.module == "labkit":
                yield from (f"labkit.{alias.name}" for alias in node.names)
            elif (node.module or "").startswith("labkit."):
                yield node.module


def test_every_module_has_its_layer():
    assert {name_of(path) for path in MODULES} - APART <= set(LEVEL)


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_nothing_imports_upward(path):
    if name_of(path) in APART:
        return
    for module in imports_of(path):
        other = module.split(".")[1]
        if module in EVERYWHERE or other in labkit._HOME_OF:
            continue
        assert LEVEL[other] <= LEVEL[name_of(path)], f"{name_of(path)} imports {module}, which is above it"


def test_no_two_modules_import_each_other():
    edges = {}
    for path in MODULES:
        top = imports_at_the_top(path)
        edges.setdefault(name_of(path), set()).update(module.split(".")[1] for module in top)
    for one, others in edges.items():
        for other in others - {one}:
            assert one not in edges.get(other, ()), f"{one} and {other} import each other"


def imports_at_the_top(path):
    tree = ast.parse(path.read_text(encoding="utf8"))
    tree.body = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("labkit."):
            yield node.module


def loaded_after(program):
    words = [sys.executable, "-c", f"{program}\nimport sys\nprint(*sorted(sys.modules))"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=240)
    return set(done.stdout.splitlines()[-1].split())


def test_importing_the_package_loads_almost_nothing():
    heavy = {"torch", "transformers", "numpy", "pandas", "matplotlib", "IPython", "typer"}
    assert loaded_after("import labkit") & heavy == set()


@pytest.mark.parametrize("words", ["--help", "exercises", "progress", "cache path", "run --help"])
def test_light_commands_do_not_load_torch(words):
    program = f"from labkit.cli import app\ntry:\n    app({words.split()!r})\nexcept SystemExit:\n    pass"
    assert loaded_after(program) & {"torch", "transformers", "matplotlib", "papermill"} == set()


def test_names_of_the_package_are_there_and_shadow_no_module():
    for name in labkit._HOME_OF:
        assert not (PACKAGE / f"{name}.py").exists()
        assert not (PACKAGE / name).is_dir()
        assert getattr(labkit, name).__name__ == name
    assert set(labkit.__all__) <= set(dir(labkit))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = labkit.nothing
