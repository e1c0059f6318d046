"""What this machine was asked, and answered once: measurements that later runs find in the cache."""

from labkit.cache import code_version
from labkit.machine import machine_label

__all__ = ["asked_once"]


def asked_once(what, ask, *, cache, code, **facts):
    """Give what `ask()` returns: numbers, texts, lists, dictionaries; with a `cache`, this machine is asked once.

    `facts` are all that the answer depends on besides the machine, and `code` names the modules that measure. `cache`
    None asks anew.

    >>> asked_once("cores", lambda: 2, cache=None, code=["labkit.asked"])
    2
    """
    if cache is None:
        return ask()
    return cache.value({"what": what, "machine": machine_label(), "code": code_version(*code)} | facts, ask)
