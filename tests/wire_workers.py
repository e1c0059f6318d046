"""What the workers of test_distributed_wire do; a file of its own, because workers import it."""

import time

import numpy as np
import torch

from labkit.distributed.collectives import all_gather, all_reduce, broadcast, reduce
from labkit.distributed.wire import Wire
from labkit.errors import SettingError


def talk():
    """Be one of three workers."""
    wire = Wire()
    told = {"rank": wire.rank}
    _one_way(wire, told)
    _ring(told)
    _gaps(told)
    _slow(told)
    _collectives(told)
    told["refused"] = [_refused(lambda to=to: wire.send(np.ones(1), to=to)) for to in (3, wire.rank)]
    told["refused"].append(_refused(lambda: Wire(rate=0)))
    return told


def _one_way(wire, told):
    array, tensor = np.arange(6, dtype=np.float32).reshape(2, 3), torch.arange(4, dtype=torch.float64)
    half = torch.full((3,), 0.5, dtype=torch.bfloat16)
    if wire.rank == 0:
        for one in (array, tensor, half):
            wire.send(one, to=1)
    if wire.rank == 1:
        told["array"] = wire.receive(np.zeros_like(array), of=0)
        told["tensor"] = wire.receive(torch.zeros_like(tensor), of=0)
        told["half"] = wire.receive(torch.zeros_like(half), of=0)
    told["kept"] = array
    told["counts"] = (wire.sent, wire.received, wire.messages)


def _ring(told):
    wire = Wire()
    large = np.full(1_000_000, float(wire.rank))  # too large to wait in a buffer
    (came,) = wire.exchange([((wire.rank + 1) % 3, large)], [((wire.rank - 1) % 3, large)])
    assert (came == came[0]).all()
    told["ring"] = float(came[0])
    told["ring counts"] = (wire.sent, wire.received, wire.messages)


def _gaps(told):
    wire = Wire()
    if wire.rank == 0:
        wire.send(np.arange(6.0)[::2], to=1)
        wire.send(np.zeros((0, 3)), to=1)
    if wire.rank == 1:
        told["every second"] = wire.receive(np.zeros(3), of=0)
        told["empty"] = wire.receive(np.zeros((0, 3)), of=0)
    told["gap counts"] = (wire.sent, wire.received, wire.messages)


def _slow(told):
    wire = Wire(rate=1e6)
    large = np.zeros(25_000)
    torch.distributed.barrier()
    start = time.perf_counter()
    wire.exchange([((wire.rank + 1) % 3, large)], [((wire.rank - 1) % 3, large)])
    told["slow"] = time.perf_counter() - start


def _collectives(told):
    wire = Wire()
    told["all gathered"] = all_gather(torch.arange(7.0).tensor_split(3)[wire.rank], wire=wire, count=7)
    told["misfit"] = _refused(lambda: all_gather(torch.ones(3), wire=wire, count=7)) if wire.rank else ""
    told["from root 2"] = broadcast(np.full(2, float(wire.rank)), wire=wire, root=2)
    told["at root 1"] = reduce(np.full(2, float(wire.rank)), wire=wire, root=1)
    x = np.full(2, wire.rank)
    told["whole numbers"] = all_reduce(x, wire=wire, how="ring")
    told["unchanged"] = bool((x == wire.rank).all())


def _refused(call):
    try:
        call()
    except SettingError as error:
        return str(error)
    return "not refused"


def send_words():
    """Be a worker that sends what is no number."""
    wire = Wire()
    if wire.rank == 0:
        wire.send(np.array(["words"]), to=1)
    else:
        wire.receive(np.zeros(1), of=0)
