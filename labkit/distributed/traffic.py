"""How many bytes a worker hands to the network in each step, and how many of them leave it."""

import statistics

from labkit.callbacks import Callback
from labkit.hardware.wire import ring_share

__all__ = ["Traffic", "bytes_per_step", "sent_by_ring"]


class Traffic(Callback):
    """Adds up what a worker hands to the all-reduces of a step, in bytes.

    `steady` is what goes out in every step without anybody telling; the rest is told with `add`.

    >>> traffic = Traffic(steady=100)
    >>> traffic.add(20); traffic.after_step(None); traffic.after_step(None)
    >>> traffic.steps
    [120, 100]
    """

    def __init__(self, *, steady=0):
        self.steady, self.steps, self._open = steady, [], 0

    def add(self, count):
        """Note `count` bytes for the step that is being made."""
        self._open += count

    def after_step(self, state):
        self.steps.append(self.steady + self._open)
        self._open = 0


def bytes_per_step(callbacks, *, settling=0):
    """Tell the bytes that this worker handed to the network in a step, the median; 0 where it trained alone.

    `callbacks` are those that `wrap` returned, after training; the first `settling` steps do not count. How many bytes
    leave the worker for it depends on the number of workers: see `sent_by_ring`.
    """
    steps = [count for callback in callbacks if isinstance(callback, Traffic) for count in callback.steps[settling:]]
    return statistics.median(steps) if steps else 0


def sent_by_ring(count, world_size):
    """Tell how many of `count` bytes each worker sends when a ring adds them up: 2(K-1)/K of them.

    >>> sent_by_ring(100, 2), sent_by_ring(100, 4), sent_by_ring(100, 1)
    (100.0, 150.0, 0.0)
    """
    return ring_share(world_size) * count
