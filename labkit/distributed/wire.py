"""The wire between workers: sends and receives, and counts what goes over it."""

import time

import numpy as np
import torch
import torch.distributed as dist

from labkit.errors import SettingError

__all__ = ["Wire", "as_tensor"]


class Wire:
    """What one worker sends to the others and receives from them, counted.

    It needs a process group, which `launch` sets up. `rank` is this worker's number of `world_size`; `sent` and
    `received` are bytes, `messages` the messages sent. With a `rate`, in bytes a second, the wire behaves like a link
    of that speed: what a worker sends in one exchange takes its time, and so does what it receives; both directions go
    on at once. Without one, it is as fast as this machine copies memory from process to process.

    >>> wire = Wire()   # doctest: +SKIP
    >>> wire.send(gradient, to=1)   # doctest: +SKIP
    >>> wire.sent   # doctest: +SKIP
    4000
    """

    def __init__(self, *, rate=None):
        if rate is not None and not rate > 0:
            raise SettingError("a rate above zero bytes a second", received=repr(rate), do="1 Gbit/s is 125e6.")
        self.rank, self.world_size = dist.get_rank(), dist.get_world_size()
        self.rate = rate
        self.sent = self.received = self.messages = 0

    def send(self, array, *, to):
        """Send an array to worker `to`; returns when it is gone."""
        self.exchange([(to, array)], [])

    def receive(self, like, *, of):
        """Wait for an array from worker `of` and return it; it has the shape and type of `like`."""
        return self.exchange([], [(of, like)])[0]

    def exchange(self, outgoing, incoming):
        """Send and receive at the same time: `outgoing` are (to, array), `incoming` (of, like); returns what came.

        At the same time matters: if all workers of a ring first sent and then received, all would wait for ever.

        Raises SettingError for a partner that is not there, and for an array that cannot be sent.
        """
        start = time.perf_counter()
        self._check([partner for partner, _ in (*outgoing, *incoming)])
        out = [(to, as_tensor(array)) for to, array in outgoing]
        came = [(of, torch.empty_like(as_tensor(like))) for of, like in incoming]
        # An empty array needs no message: both sides know its size.
        pending = [dist.irecv(tensor, src=of) for of, tensor in came if tensor.numel()]
        pending += [dist.isend(tensor, dst=to) for to, tensor in out if tensor.numel()]
        for work in pending:
            work.wait()
        sent, received = _bytes(out), _bytes(came)
        self.sent, self.received = self.sent + sent, self.received + received
        self.messages += sum(tensor.numel() > 0 for _, tensor in out)
        if self.rate:
            time.sleep(max(0.0, start + max(sent, received) / self.rate - time.perf_counter()))
        arrays = zip((tensor for _, tensor in came), (like for _, like in incoming), strict=True)
        return [tensor if isinstance(like, torch.Tensor) else tensor.numpy() for tensor, like in arrays]

    def _check(self, partners):
        for partner in partners:
            if not 0 <= partner < self.world_size or partner == self.rank:
                raise SettingError(
                    f"another worker from 0 to {self.world_size - 1}", received=f"{partner} at worker {self.rank}",
                    do="Nobody sends to themselves or to a worker that is not there.",
                )  # fmt: skip


def as_tensor(array):
    """See a numpy array or a tensor as a tensor without gradient that lies in one piece; copied only where it does not.

    >>> as_tensor(np.arange(3.0))
    tensor([0., 1., 2.], dtype=torch.float64)

    Raises SettingError for what is not made of numbers, and for a tensor that is not on the CPU.
    """
    if isinstance(array, torch.Tensor):
        tensor = array.detach()
    else:
        array = np.asarray(array)
        if array.dtype.kind not in "fiu":
            raise SettingError("an array of numbers", received=f"one of {array.dtype}", do="Use float32 or float64.")
        tensor = torch.from_numpy(np.ascontiguousarray(array).reshape(array.shape))
    if tensor.device.type != "cpu":
        raise SettingError("a tensor on the CPU", received=f"one on {tensor.device}", do="Call .cpu() first.")
    return tensor.contiguous()


def _bytes(pairs):
    return sum(tensor.numel() * tensor.element_size() for _, tensor in pairs)
