"""Ways to make gradients smaller before they travel: DDP's communication hooks, one bucket at a time."""

from concurrent.futures import ThreadPoolExecutor

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook

__all__ = ["HOOKS", "in_turn", "smaller"]

HOOKS = {"none": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16, "powersgd": torch.float16}
"""The hooks by name, and what rows of an embedding travel as beside them."""

PIECE = 2**18  # numbers in a message of 16-bit numbers: half a megabyte
POWERSGD_AFTER = 10  # steps that are exchanged whole: the first gradients matter most, and DDP arranges its buckets


def smaller(hook, *, rank, group, traffic):
    """Give a function that replaces the gradient in a DDP bucket by its mean over the workers, sent in fewer bytes.

    fp16       16-bit numbers: half of the bytes; below 6e-8 there is only zero
    bf16       16-bit numbers with the range of 32 bits and 8 bits of precision
    powersgd   a product of two thin matrices, n × rank and rank × m, instead of each n × m matrix; what that leaves
               out is added to the next step's gradient. Vogels et al., PowerSGD, arXiv 1905.13727

    `traffic` is told the bytes of each bucket.
    """
    if hook == "powersgd":
        state = PowerSGDState(group, matrix_approximation_rank=rank, start_powerSGD_iter=POWERSGD_AFTER)
        return _power_sgd(state, traffic)
    return _sixteen_bits(HOOKS[hook], group, traffic)


def in_turn(work):
    """Turn `work(bucket) -> tensor` into a hook: one thread does one bucket after the other while backward goes on.

    Two buckets at once would wait for each other: PowerSGD begins its next all-reduce in the thread that ended the
    one before, and gloo has two of those.
    """
    thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="gradients")

    def finish(bucket, future):
        try:
            future.set_result(work(bucket))
        except Exception as error:
            future.set_exception(error)

    def hook(_, bucket):
        future = torch.futures.Future()
        thread.submit(finish, bucket, future)
        return future

    return hook


def _sixteen_bits(dtype, group, traffic):
    """Send 16-bit numbers and add 32-bit ones: each worker adds up one part of the bucket and hands the sum round.

    gloo's own sum of 16-bit numbers would round after every addition, and is slower than sending 32 bits.
    """
    workers, rank = dist.get_world_size(group), dist.get_rank(group)

    def work(bucket):
        whole = bucket.buffer()
        part = -(-len(whole) // workers)
        packed = torch.zeros(workers, part, dtype=dtype)
        packed.view(-1)[: len(whole)] = whole
        parts = torch.empty_like(packed)
        parts[rank] = packed[rank]
        _swap(packed, parts, group)
        # Number by number of different types, torch is forty times slower than converting first.
        packed[rank] = parts.to(whole.dtype).sum(dim=0).div_(workers)
        _swap(packed[rank].expand(workers, part), packed, group)
        traffic.add(packed.nbytes)
        return whole.copy_(packed.view(-1)[: len(whole)])

    return work


def _swap(outgoing, incoming, group):
    """Send row k of `outgoing` to worker k and receive row k of `incoming` from it, for all k but oneself.

    In pieces, since over a slow link gloo's all-to-all of megabytes uses one direction after the other half of the
    time: small messages that go both ways at once keep the link full.
    """
    pending = []
    for worker in range(len(outgoing)):
        if worker != dist.get_rank(group):
            other = dist.get_global_rank(group, worker)
            pending += [dist.irecv(piece, src=other, group=group) for piece in incoming[worker].split(PIECE)]
            pending += [dist.isend(piece, dst=other, group=group) for piece in outgoing[worker].split(PIECE)]
    for one in pending:
        one.wait()


def _power_sgd(state, traffic):
    def work(bucket):
        whole = state.iter < state.start_powerSGD_iter
        shapes = [tuple(gradient.shape) for gradient in bucket.gradients()]
        numbers = len(bucket.buffer()) if whole else _power_sgd_numbers(shapes, state.matrix_approximation_rank)
        traffic.add(numbers * bucket.buffer().element_size())
        return powerSGD_hook(state, bucket).wait()

    return work


def _power_sgd_numbers(shapes, rank):
    """Count the numbers that PowerSGD exchanges for gradients of such shapes; small matrices and vectors stay whole.

    >>> _power_sgd_numbers([(384, 1536), (384,)], rank=4)   # 4 · (384 + 1536) + 384
    8064
    """
    total = 0
    for first, *others in shapes:
        rest = 1
        for size in others:
            rest *= size
        thin = (first + rest) * min(first, rest, rank)
        total += thin if 2 * thin < first * rest else first * rest
    return total
