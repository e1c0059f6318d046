"""Going on together from a checkpoint that only worker 0 reads and writes: the others need not see its disk."""

import tempfile
from dataclasses import replace
from pathlib import Path

import torch.distributed as dist

from labkit.checkpoint import Checkpoint
from labkit.distributed.data_parallel import mean_of_workers, rank_and_size, unwrap

__all__ = ["SharedCheckpoint"]


class SharedCheckpoint(Checkpoint):
    """Saves every `every` steps on worker 0; at the start every worker takes up what worker 0 has.

    All workers hold the same weights and the same optimizer state, so one copy is enough. It goes to
    `labkit.training.fit` as `checkpoint=partial(SharedCheckpoint, path, every=50)`.
    """

    def __init__(self, path, schedule, others, *, every=50):
        super().__init__(path, schedule, others)
        self.every, self.rank = every, rank_and_size()[0]

    def restore(self, state):
        """Take up what worker 0 has saved, where there is something."""
        found = [self.path.read_bytes() if self.rank == 0 and self.path.exists() else None]
        if dist.is_initialized():
            dist.broadcast_object_list(found, src=0)
        if found[0] is None:
            return
        with tempfile.TemporaryDirectory(prefix="labkit-checkpoint-") as folder:
            copy = Checkpoint(Path(folder) / "training.pt", self.schedule, self.others)
            copy.path.write_bytes(found[0])
            inner = replace(state, model=unwrap(state.model))
            copy.restore(inner)
        state.step, state.losses = inner.step, inner.losses

    def after_step(self, state):
        if state.step % self.every == 0 and state.step < state.steps:
            state.losses = mean_of_workers(state.losses)  # those of the others are lost otherwise
            self.save(state)

    def save(self, state):
        """Write the checkpoint, on worker 0."""
        if self.rank == 0:
            # Without DDP's prefix of every name: one worker alone may go on with it.
            super().save(replace(state, model=unwrap(state.model)))
