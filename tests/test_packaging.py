"""pyproject.toml, constraints.txt, environment.yml and what is installed say the same."""

import re
import tomllib
from importlib.metadata import distribution, version
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf8"))["project"]
LINES = (ROOT / "constraints.txt").read_text(encoding="utf8").splitlines()
PINS = {
    canonicalize_name(name): pin
    for name, pin in (line.split("==") for line in LINES if line and not line.startswith("#"))
}
WANTED = [Requirement(text) for text in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]]


@pytest.mark.parametrize("wanted", WANTED, ids=lambda wanted: wanted.name)
def test_every_dependency_is_pinned_and_installed_as_pinned(wanted):
    pin = PINS[canonicalize_name(wanted.name)]
    assert wanted.specifier.contains(pin)
    assert version(wanted.name).partition("+")[0] == pin


def test_what_the_dependencies_need_is_pinned_too():
    missing, seen, ahead = set(), set(), [wanted.name for wanted in WANTED]
    while ahead:
        name = canonicalize_name(ahead.pop())
        if name in seen:
            continue
        seen.add(name)
        if name not in PINS:
            missing.add(name)
            continue
        for text in distribution(name).requires or []:
            needed = Requirement(text)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                ahead.append(needed.name)
    # setuptools comes with torch's own requirement and with every build; any version will do.
    assert missing - {"setuptools"} == set()


def test_constraints_hold_for_any_build_and_name_no_place():
    text = "\n".join(LINES)
    assert not re.search(r"\+|@|://|/", text)
    assert PINS["torch"] == "2.13.0"


def test_conda_gets_the_same():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf8"))
    *conda, pip = environment["dependencies"]
    assert conda == ["python=3.11", "pip"]
    assert pip == {"pip": ["-c constraints.txt", "-e ."]}
    assert PROJECT["requires-python"] == ">=3.11"
    assert environment["name"] == PROJECT["name"]


def test_the_version_is_said_once_more_and_the_same():
    import labkit

    assert labkit.__version__ == PROJECT["version"]


def test_licences_are_whole():
    assert "END OF TERMS AND CONDITIONS" in (ROOT / "LICENSE").read_text(encoding="utf8")
    text = (ROOT / "LICENSE-text").read_text(encoding="utf8")
    assert text.startswith("Attribution 4.0 International")
    assert "Creative Commons may be contacted" in text


def test_the_makefile_is_thin_and_names_its_targets():
    text = (ROOT / "Makefile").read_text(encoding="utf8")
    rules = dict(re.findall(r"^(\w+):\n((?:\t.*\n)+)", text, re.MULTILINE))
    assert set(rules) == {"lab", "test", "run", "notebooks", "bench"}
    assert all(len(recipe.splitlines()) <= 3 for recipe in rules.values())
    assert all(recipe.startswith("\t$(SETUP)") for recipe in rules.values())
    for name in rules:
        assert f"# make {name}" in text


def test_no_registry_is_named_but_the_public_cpu_builds():
    names = "Makefile .ci/run environment.yml constraints.txt pyproject.toml labkit/bootstrap.py"
    for name in names.split():
        text = (ROOT / name).read_text(encoding="utf8")
        assert set(re.findall(r"https?://[^\s\"')]+", text)) <= {"https://download.pytorch.org/whl/cpu"}
        assert "/work" not in text
