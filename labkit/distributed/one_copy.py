"""Workers on one machine need no network: one copy of the weights, which all see, and each moves its share of them."""

import math

import torch
import torch.distributed as dist

from labkit.callbacks import Callback
from labkit.distributed.pages import shared_pages
from labkit.errors import SettingError

__all__ = ["OneCopy", "shares"]


def shares(sizes, workers):
    """Deal parameters of these `sizes` out to workers, largest first, each to the one that has least.

    Returns the worker of each parameter.

    >>> shares([5, 3, 1, 1], 2)   # 5 to worker 0; 3, 1 and 1 to worker 1
    [0, 1, 1, 1]
    """
    held, owner = [0] * workers, [0] * len(sizes)
    for number in sorted(range(len(sizes)), key=lambda number: -sizes[number]):
        owner[number] = held.index(min(held))
        held[owner[number]] += sizes[number]
    return owner


class OneCopy(Callback):
    """Averages gradients through memory that all workers see, and lets each worker move only its share of the weights.

    Every worker writes down the gradients of what others move, waits, and adds up those of its own share. Its optimizer
    passes over the rest, which has no gradient, and keeps no state for it. Then it waits until all have moved theirs.
    So each gradient is copied at most once, and the optimizer's work is shared out, which in plain data parallel
    training every worker does in whole. Of the `table`, the word embedding, only rows that a batch has touched are
    handed over. It needs no DDP around the model.

    Raises SettingError when the workers are not on one machine, or a checkpoint is asked for.

    Source: Rajbhandari et al., ZeRO, arXiv 1910.02054, stage 1; there gradients and weights travel over a network.
    """

    clips = True  # the norm is that of all workers' shares together

    def __init__(self, model, *, group):
        self.rank, self.workers, self.group = dist.get_rank(group), dist.get_world_size(group), group
        self.parameters = list(model.parameters())
        self.table = model.base_model.get_input_embeddings()
        owner = shares([p.numel() if p.requires_grad else 0 for p in self.parameters], self.workers)
        trained = [number for number, parameter in enumerate(self.parameters) if parameter.requires_grad]
        self.own = [number for number in trained if owner[number] == self.rank]
        self.others = [number for number in trained if owner[number] != self.rank]
        self.weights = self._places(1)[0]
        self.gradients = self._places(self.workers)
        self.touched = shared_pages((self.workers, len(self.table.weight)), group=group)
        self.squares = shared_pages((self.workers,), group=group)
        self.table.register_forward_pre_hook(self._mark)

    def _places(self, copies):
        """Views of shared memory in the shapes of the parameters, for each of so many copies."""
        sizes = [parameter.numel() for parameter in self.parameters]
        pages = shared_pages((copies, sum(sizes)), group=self.group)
        return [
            [part.view_as(own) for part, own in zip(copy.split(sizes), self.parameters, strict=True)] for copy in pages
        ]

    def _mark(self, embedding, inputs):
        if embedding.training and torch.is_grad_enabled():
            self.touched[self.rank, inputs[0].flatten()] = 1

    def on_start(self, state):
        for parameter, place in zip(self.parameters, self.weights, strict=True):
            if self.rank == 0:
                place.copy_(parameter.detach())
            parameter.data = place
        dist.barrier(group=self.group)

    def after_backward(self, state):
        for number in self.others:
            parameter, place = self.parameters[number], self.gradients[self.rank][number]
            rows = self._rows(parameter, self.rank)
            place[rows] = parameter.grad[rows]
            parameter.grad = None
        dist.barrier(group=self.group)
        for number in self.own:
            parameter = self.parameters[number]
            for worker in range(self.workers):
                if worker != self.rank:
                    rows = self._rows(parameter, worker)
                    parameter.grad[rows] += self.gradients[worker][number][rows]
        self._scale(state.clip)

    def _rows(self, parameter, worker):
        return self.touched[worker].nonzero().squeeze(1) if parameter is self.table.weight else slice(None)

    def _scale(self, clip):
        """Divide the sums by the workers, and clip what is then the gradient of all by its norm."""
        own = [self.parameters[number].grad for number in self.own]
        self.squares[self.rank] = sum(norm**2 for norm in torch._foreach_norm(own)) / self.workers**2
        dist.barrier(group=self.group)
        self.touched[self.rank] = 0
        norm = math.sqrt(self.squares.sum())
        torch._foreach_mul_(own, min(1.0, clip / (norm + 1e-6)) / self.workers)

    def after_step(self, state):
        dist.barrier(group=self.group)

    def on_end(self, state):
        for parameter in self.parameters:
            parameter.data = parameter.data.clone()

    def state_dict(self):
        """Refuse: no worker has the whole of the optimizer's state.

        Raises SettingError.
        """
        raise SettingError(
            "training without a checkpoint: each worker has a share of the optimizer's state only",
            received="a checkpoint", do='Write through="network" to train with checkpoints.',
        )  # fmt: skip
