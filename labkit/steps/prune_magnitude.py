"""Setting weights to zero: which ones, how many at which moment, and how they are kept at zero."""

from dataclasses import dataclass

import torch

from labkit.callbacks import Callback
from labkit.errors import SettingError
from labkit.steps.base import Step, check_share, encoder_weights

__all__ = ["Masking", "PruneMagnitude", "gradual_sparsity", "keep_largest"]


def keep_largest(scores, sparsity):
    """Make the mask that keeps the largest scores: True where a weight stays; shape of `scores`.

    Exactly round(sparsity · n) entries are False. Among equal scores, those that come first go first.

    >>> keep_largest(torch.tensor([0.31, 0.02, 0.07, 0.44]), 0.5).tolist()
    [True, False, False, True]
    """
    check_share("sparsity", sparsity)
    flat, gone = scores.flatten(), round(sparsity * scores.numel())
    if gone == 0:
        return torch.ones_like(scores, dtype=torch.bool)
    edge = flat.kthvalue(gone).values  # to sort all of them would take ten times as long
    mask = flat >= edge
    equal = (flat == edge).nonzero().squeeze(1)
    mask[equal[: gone - int((~mask).sum())]] = False
    return mask.view_as(scores)


def gradual_sparsity(progress, *, target, begin=0.0, end=0.5):
    """The sparsity at a moment of training: target · (1 − (1 − t)³), where t runs from 0 at `begin` to 1 at `end`.

    Fast at first, when there is much to spare, slow towards the end. `progress` is the share of training done.

    >>> [round(gradual_sparsity(p, target=0.8, end=1.0), 3) for p in (0, 0.5, 1)]
    [0.0, 0.7, 0.8]

    Source: Zhu and Gupta, To prune, or not to prune, arXiv 1710.01878, equation 1.
    """
    moment = min(max((progress - begin) / (end - begin), 0.0), 1.0)
    return target * (1 - (1 - moment) ** 3)


# How a criterion adds to the score of a weight w at each step of training, g being its gradient. A step makes w larger
# in size where −w·g is positive; without w the loss would change by w·g, to first order, up or down.
_ADD = {
    "movement": lambda score, w, g: score.addcmul_(w, g, value=-1.0),
    "first-order": lambda score, w, g: score.add_((w * g).square()),
}


@dataclass(frozen=True)
class PruneMagnitude(Step):
    """Set the least important share of the encoder's weights to zero, and of the word embedding's where asked to.

    sparsity    share of the weights that become zero, 0 to 1
    schedule    "one-shot": all at once, before training · "gradual": during the first half of training
    scope       "matrix": the same share of every matrix · "global": wherever the scores are smallest
    criterion   "magnitude": |w| · "movement": how far training pushed a weight away from zero · "first-order": how much
                the loss would change without a weight; these two add up w·gradient (gradual only)
    layers      numbers of the layers to prune; None for all
    embeddings  whether the word embedding, half of our model, is pruned like a matrix of the encoder

    Sources: Han et al., NeurIPS 2015, arXiv 1506.02626 (magnitude); Sanh et al., NeurIPS 2020, arXiv 2005.07683
    (movement); Molchanov et al., CVPR 2019, arXiv 1906.10771 (first-order).
    """

    sparsity: float = 0.5
    schedule: str = "one-shot"
    scope: str = "matrix"
    criterion: str = "magnitude"
    layers: tuple | None = None
    embeddings: bool = False

    def __post_init__(self):
        check_share("sparsity", self.sparsity)
        choices = {"schedule": ("one-shot", "gradual"), "scope": ("matrix", "global"),
                   "criterion": ("magnitude", *_ADD)}  # fmt: skip
        for field, allowed in choices.items():
            if getattr(self, field) not in allowed:
                raise SettingError(f"{field} to be one of {allowed}", received=repr(getattr(self, field)), do="Choose.")
        if self.criterion in _ADD and self.schedule == "one-shot":
            raise SettingError(
                f'schedule="gradual" with criterion="{self.criterion}"', received='schedule="one-shot"',
                do="Before the first training step nothing has been added up, so there is nothing to judge by.",
            )  # fmt: skip

    @property
    def needs_training(self):
        """A gradual schedule happens during training."""
        return self.schedule == "gradual"

    def masks(self, weights, *, sparsity=None, scores=None):
        """Make one mask for each of the `weights`, a dictionary of tensors; `scores` default to magnitudes."""
        sparsity = self.sparsity if sparsity is None else sparsity
        scores = scores or {name: weight.detach().abs() for name, weight in weights.items()}
        if self.scope == "matrix":
            return {name: keep_largest(score, sparsity) for name, score in scores.items()}
        flat = keep_largest(torch.cat([score.flatten() for score in scores.values()]), sparsity)
        parts = flat.split([score.numel() for score in scores.values()])
        return {name: part.view_as(scores[name]) for name, part in zip(scores, parts, strict=True)}

    def weights(self, model):
        """Find the matrices to prune, by name."""
        found = encoder_weights(model, layers=self.layers)
        if self.embeddings:
            found |= {name: p for name, p in model.named_parameters() if name.endswith("word_embeddings.weight")}
        return found

    def prepare(self, classifier, task=None):
        """Prune at once, where the schedule says so."""
        weights = self.weights(classifier.model)
        if self.schedule == "one-shot":
            _apply(self.masks(weights), weights)

    def constrain(self, classifier):
        """Keep zeros at zero while training, and add to them on a gradual schedule."""
        return [Masking(self, self.weights(classifier.model))]


class Masking(Callback):
    """Holds masks on weights during training; on a gradual schedule the masks grow every `every` steps."""

    def __init__(self, step, weights, *, every=8):
        self.step, self.weights, self.every = step, weights, every
        self.masks = {name: weight.detach() != 0 for name, weight in weights.items()}
        self.added = {name: torch.zeros_like(weight) for name, weight in weights.items()}

    def after_backward(self, state):
        """Add this step's part to the scores, where the criterion wants it."""
        if self.step.criterion in _ADD:
            for name, weight in self.weights.items():
                _ADD[self.step.criterion](self.added[name], weight.detach(), weight.grad)

    def after_step(self, state):
        """Grow the masks when it is time, then put the pruned weights back to zero."""
        if self.step.schedule == "gradual" and (state.step % self.every == 0 or state.step == state.steps):
            self._grow(gradual_sparsity(state.step / state.steps, target=self.step.sparsity))
        _apply(self.masks, self.weights)

    def _grow(self, sparsity):
        scores = {}
        for name, mask in self.masks.items():
            score = self.added[name] if self.step.criterion in _ADD else self.weights[name].detach().abs()
            scores[name] = torch.where(mask, score, -torch.inf)  # what is gone stays gone
        larger = self.step.masks(self.weights, sparsity=sparsity, scores=scores)
        # The schedule may still be below what was pruned before training: nothing comes back for that.
        self.masks = {name: mask & larger[name] for name, mask in self.masks.items()}

    def state_dict(self):
        """Save the masks and what the scores have added up to."""
        return {"masks": self.masks, "added": self.added}

    def load_state_dict(self, saved):
        """Take masks and scores back."""
        self.masks, self.added = saved["masks"], saved["added"]


def _apply(masks, weights):
    with torch.no_grad():
        for name, weight in weights.items():
            weight.masked_fill_(~masks[name], 0.0)  # a product with 0 would leave negative zeros behind
