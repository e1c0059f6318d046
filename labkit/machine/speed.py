"""How fast this computer is: bytes a second from memory, and operations a second in a matrix product."""

import time
from contextlib import contextmanager

__all__ = ["best_seconds", "copy_gb_s", "matmul_gflop_s", "read_gb_s", "torch_threads"]


@contextmanager
def torch_threads(number):
    """Let torch use `number` threads inside, and what it had before after.

    >>> import torch
    >>> with torch_threads(1):
    ...     torch.get_num_threads()
    1
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_seconds(run, *, seconds=0.15, least=3, most=200):
    """Time `run()` again and again for about `seconds`, and give the shortest time in seconds.

    The shortest, because another program can make a run slower and nothing can make it faster.

    >>> 0.002 <= best_seconds(lambda: time.sleep(0.002), seconds=0.01) < 0.05
    True
    """
    run()  # the first call reserves memory and wakes threads up
    times, started = [], time.perf_counter()
    while len(times) < least or (time.perf_counter() - started < seconds and len(times) < most):
        before = time.perf_counter()
        run()
        times.append(time.perf_counter() - before)
    return min(times)


def copy_gb_s(*, megabytes=128, seconds=0.15):
    """Measure the bandwidth of copying: GB a second, counting the bytes read and the bytes written.

    The array is larger than any cache, so its bytes come from memory. This is how STREAM counts
    its "copy" (McCalpin 1995, https://www.cs.virginia.edu/stream/).
    """
    import torch

    source = torch.ones(megabytes * 2**18)
    target = torch.zeros_like(source)
    return 2 * source.nbytes / best_seconds(lambda: target.copy_(source), seconds=seconds) / 1e9


def read_gb_s(*, megabytes=128, seconds=0.15):
    """Measure the bandwidth of reading alone: GB a second while summing an array larger than any cache.

    Weights are only read when a model predicts, so this is the limit for them.
    """
    import torch

    source = torch.ones(megabytes * 2**18)
    return source.nbytes / best_seconds(source.sum, seconds=seconds) / 1e9


def matmul_gflop_s(*, size=None, dtype="float32", seconds=0.15):
    """Measure a product of two `size` x `size` matrices: GFLOP a second, 2·size³ operations each.

    Without a `size`, it is as small as still keeps all threads busy: a short run is more likely to end
    before another program takes a core away. `dtype` is "float32", "bfloat16" or "int8" (whose products
    are summed in 32-bit integers).
    """
    import torch

    threads = torch.get_num_threads()
    size = size or (512 if threads <= 4 else 1024 if threads <= 16 else 2048)
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(size, size, generator=generator) for _ in range(2))
    if dtype == "int8":
        a, b = (x.mul(20).clamp(-127, 127).to(torch.int8) for x in (a, b))
        multiply = torch._int_mm  # torch has no public name for the integer product
    else:
        a, b = (x.to(getattr(torch, dtype)) for x in (a, b))
        multiply = torch.mm
    with torch.inference_mode():
        return 2 * size**3 / best_seconds(lambda: multiply(a, b), seconds=seconds) / 1e9
