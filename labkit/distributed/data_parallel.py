"""Data parallel training: every worker holds the whole model, computes on its rows, and all average their gradients."""

from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from labkit.callbacks import Callback
from labkit.distributed.hooks import HOOKS, in_turn, smaller
from labkit.distributed.one_copy import OneCopy
from labkit.distributed.rows import SharedRows
from labkit.distributed.traffic import Traffic, bytes_per_step
from labkit.errors import SettingError

__all__ = ["OwnDropout", "Parallel", "bytes_per_step", "mean_of_workers", "rank_and_size", "unwrap", "wrap"]


@dataclass(frozen=True)
class Parallel:
    """How workers exchange their gradients.

    hook        "none", "fp16", "bf16" or "powersgd": how gradients are made smaller, see `labkit.distributed.hooks`
    rank        of PowerSGD's matrices
    bucket_mb   mebibytes of gradients that travel together; a bucket leaves as soon as all of it is computed
    share_rows  exchange only those rows of the word embedding that a batch has touched
    through     "network", or "memory" for workers on one machine: they have one copy of the weights, and each moves a
                share of it, see `labkit.distributed.one_copy`

    Raises SettingError for a hook that is not one of these, a rank below 1, a bucket of nothing, or a hook that makes
    gradients smaller for memory.
    """

    hook: str = "none"
    rank: int = 4
    bucket_mb: float = 25.0
    share_rows: bool = True
    through: str = "network"

    def __post_init__(self):
        if self.hook not in HOOKS:
            raise SettingError(f"a hook, one of {tuple(HOOKS)}", received=repr(self.hook), do='Write hook="none".')
        if type(self.rank) is not int or self.rank < 1:
            raise SettingError("a rank of at least 1", received=repr(self.rank), do="PowerSGD often takes 1 to 4.")
        if not self.bucket_mb > 0:
            raise SettingError("buckets of some size", received=repr(self.bucket_mb), do="25 mebibytes are usual.")
        if self.through not in ("network", "memory") or (self.through == "memory" and self.hook != "none"):
            raise SettingError(
                'through="network", or through="memory" and hook="none"',
                received=f"through={self.through!r}, hook={self.hook!r}",
                do="A hook saves bytes on the wire; in memory there is none.",
            )


def rank_and_size():
    """Tell this worker's number and how many there are; (0, 1) in a process that is no worker.

    >>> rank_and_size()
    (0, 1)
    """
    return (dist.get_rank(), dist.get_world_size()) if dist.is_initialized() else (0, 1)


def mean_of_workers(numbers):
    """Average a list of numbers over the workers, place by place.

    A worker's loss counts its rows as often as there are workers, so the mean is the loss of the whole batch.

    >>> mean_of_workers([0.5, 0.25])   # one worker
    [0.5, 0.25]
    """
    total = torch.tensor(numbers, dtype=torch.float64)
    if dist.is_initialized() and len(numbers):
        dist.all_reduce(total)
    return (total / rank_and_size()[1]).tolist()


def wrap(model, parallel):
    """Make a Transformers model train together with those of the other workers: returns (module, callbacks).

    Both go to `labkit.training.fit`, with this worker's `Shard` of the batches. All workers start from the weights
    of worker 0. A worker alone gets its model back, and no callbacks.
    """
    if rank_and_size()[1] == 1:
        return model, []
    if parallel.through == "memory":
        return model, [Traffic(), OneCopy(model, group=_own_group())]
    table = model.base_model.get_input_embeddings()
    if parallel.share_rows:
        name = next(name for name, parameter in model.named_parameters() if parameter is table.weight)
        DistributedDataParallel._set_params_and_buffers_to_ignore_for_model(model, [name])
    module = DistributedDataParallel(
        model, bucket_cap_mb=parallel.bucket_mb, gradient_as_bucket_view=True, forward_sync_buffers=False
    )
    exchanged = [p for p in model.parameters() if not (parallel.share_rows and p is table.weight)]
    plain = parallel.hook == "none"
    traffic = Traffic(steady=sum(p.nbytes for p in exchanged) if plain else 0)
    if not plain:  # DDP's own path, in C++, is the fastest for what is plain
        less = smaller(parallel.hook, rank=parallel.rank, group=_own_group(), traffic=traffic)
        module.register_comm_hook(None, in_turn(less))
    callbacks = [traffic]
    if parallel.share_rows:
        syncing = lambda: module.require_backward_grad_sync  # noqa: E731 - False inside no_sync()
        dtype = HOOKS[parallel.hook]
        callbacks.append(SharedRows(table, group=_own_group(), syncing=syncing, traffic=traffic, dtype=dtype))
    return module, callbacks


def _own_group():
    """All workers once more: messages of this group are matched among themselves, whatever else is under way."""
    # torch gives new groups half an hour; these shall wait as long as the group that all are in.
    timeout = dist.group.WORLD._get_backend(torch.device("cpu")).options._timeout
    return dist.new_group(timeout=timeout)


def unwrap(module):
    """Give the model inside of what `wrap` returned."""
    return module.module if isinstance(module, DistributedDataParallel) else module


class OwnDropout(Callback):
    """Gives each worker other dropout in each step, and the same ones again when the step is made again.

    Without it all workers would drop the same places of their rows, and training that goes on from a checkpoint would
    drop others than training that was never stopped.
    """

    def __init__(self, *, seed, rank):
        self.seed, self.rank = seed, rank

    def on_start(self, state):
        torch.manual_seed(hash((self.seed, self.rank, state.step)) % 2**63)

    def after_step(self, state):
        self.on_start(state)
