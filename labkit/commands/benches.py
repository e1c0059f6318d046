"""Finds a benchmark by its name."""

import importlib
import pkgutil

from labkit.errors import SettingError

__all__ = ["main_of"]


def main_of(name):
    """Return the `main(words)` of labkit.bench.<name>; raises SettingError with the names that there are."""
    from labkit import bench

    names = sorted(module.name for module in pkgutil.iter_modules(bench.__path__) if module.name[0] != "_")
    if name not in names:
        raise SettingError("the name of a benchmark", received=repr(name), do=f"There are: {', '.join(names)}.")
    return importlib.import_module(f"labkit.bench.{name}").main
