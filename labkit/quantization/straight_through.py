"""Training with rounded weights: forward and backward see them rounded, the optimizer moves them unrounded."""

import torch

from labkit.callbacks import Callback
from labkit.quantization.fitting import fit
from labkit.quantization.grid import Grid, round_into

__all__ = ["StraightThrough"]

EVERY = 8  # steps after which scales are fitted again
SEARCH_EVERY = 32  # where fitting means a search


class StraightThrough(Callback):
    """Holds rounded weights in the model while gradients are computed, and the exact ones for the optimizer.

    Rounding has a slope of zero almost everywhere, so no gradient would come through it. The straight-through estimator
    takes the gradient at the rounded weights and applies it to the exact ones, as if rounding had slope one: small
    moves add up there, until a weight crosses to the next level.

    `weights` are the parameters by name, `schemes` their Scheme. Scales are fitted again every few steps and at the
    last, so that rounding the trained weights once more gives what was trained.

    Source: Bengio, Léonard, Courville, arXiv 1308.3432, for the estimator; Jacob et al., CVPR 2018, arXiv 1712.05877,
    for training with it.
    """

    def __init__(self, weights, schemes):
        self.weights, self.schemes = weights, schemes
        self.exact, self.grids, self._rounded = {}, {}, {}

    def on_start(self, state):
        """Keep the exact weights aside, and put the rounded ones in their place."""
        if self.exact:  # resumed: the model was saved with its rounded weights
            self._rounded = {name: weight.data for name, weight in self.weights.items()}
            return
        for name, weight in self.weights.items():
            self.exact[name], self._rounded[name] = weight.data, _like(weight.data)
            self.grids[name] = fit(weight.data, self.schemes[name])
        self._round()

    def after_backward(self, state):
        """Give the exact weights back to the optimizer; the gradients were taken at the rounded ones."""
        self._put(self.exact)

    def after_step(self, state):
        """Round what the optimizer made, on grids that are fitted again now and then."""
        for name, scheme in self.schemes.items():
            search = scheme.clip == "mse" or scheme.ternary
            if state.step % (SEARCH_EVERY if search else EVERY) == 0 or state.step == state.steps:
                self.grids[name] = fit(self.exact[name], scheme)
        self._round()

    def on_end(self, state):
        """Leave the exact weights in the model, with zeros where something else has put them."""
        for name, exact in self.exact.items():
            weight = self.weights[name]
            # Pruning that comes after this callback sees the rounded weights only: what it zeroed is zero for good.
            back = round_into(exact, self.grids[name], _like(exact))
            exact.masked_fill_((weight.data == 0) & (back != 0), 0.0)
        self._put(self.exact)

    def _round(self):
        for name, exact in self.exact.items():
            round_into(exact, self.grids[name], self._rounded[name])
        self._put(self._rounded)

    def _put(self, tensors):
        # The parameter stays, and points at other numbers: nothing is copied.
        for name, tensor in tensors.items():
            self.weights[name].data = tensor

    def state_dict(self):
        """Save the exact weights and their grids."""
        return {
            "exact": self.exact,
            "grids": {name: (grid.scales, grid.zeros) for name, grid in self.grids.items()},
        }

    def load_state_dict(self, saved):
        """Take exact weights and grids back."""
        self.exact = saved["exact"]
        self.grids = {
            name: Grid(scales, zeros, *self.schemes[name].levels, self.schemes[name].group)
            for name, (scales, zeros) in saved["grids"].items()
        }


def _like(weight):
    return torch.empty_like(weight, memory_format=torch.contiguous_format)
