"""What a head or a column of the feed-forward part is worth: by the size of its weights, or by what its loss costs."""

from itertools import pairwise

import numpy as np
import torch
from torch.nn import functional

from labkit.batches import encode, pad
from labkit.errors import SettingError
from labkit.structure import dense, entry

__all__ = ["CRITERIA", "SCOPES", "check_choices", "column_scores", "head_scores", "keep_best"]

CRITERIA = ("first-order", "magnitude")
SCOPES = ("layer", "global")
ROWS = 128  # training rows that first-order importance looks at, always the same
BATCH = 8  # few rows at a time: in a large batch the gradients of different rows cancel


def head_scores(classifier, task=None, *, criterion):
    """Score the attention heads of each layer; a list of tensors, shape (heads,).

    "magnitude" is the root of the sum of the squares of a head's weights. "first-order" imagines a factor of 1 before
    the head's output: the size of the loss's derivative by that factor, mean over batches of training rows, says
    how much the loss would change, to first order, if the factor became 0.

    Raises SettingError for "first-order" without a task.

    Source: Michel, Levy, Neubig, Are Sixteen Heads Really Better than One?, arXiv 1905.10650, section 4.1.
    """
    attentions = [layer.attention for layer in classifier.model.base_model.encoder.layer]
    count = [one.self.num_attention_heads for one in attentions]
    if criterion == "magnitude":
        parts = [
            [dense(part).square().sum(dim=1) for part in (one.self.query, one.self.key, one.self.value)]
            + [dense(one.output.dense).square().sum(dim=0)]
            for one in attentions
        ]
        return [sum(part).detach().view(n, -1).sum(dim=1).sqrt() for part, n in zip(parts, count, strict=True)]
    return _mask_gradients(classifier, task, [one.output.dense for one in attentions], count)


def column_scores(classifier, task=None, *, criterion):
    """Score the columns of each layer's feed-forward part; a list of tensors, shape (width,). See `head_scores`.

    Source: Molchanov et al., Importance Estimation for Neural Network Pruning, arXiv 1906.10771.
    """
    layers = classifier.model.base_model.encoder.layer
    if criterion == "magnitude":
        return [
            (dense(one.intermediate.dense).square().sum(dim=1) + dense(one.output.dense).square().sum(dim=0))
            .sqrt().detach()
            for one in layers
        ]  # fmt: skip
    downs = [one.output.dense for one in layers]
    return _mask_gradients(classifier, task, downs, [entry(down).shape[1] for down in downs])


def keep_best(scores, count, *, scope="layer"):
    """Choose what stays: the `count` best of each layer, or with scope "global" as many in all, wherever they are best.

    `scores` holds one tensor a layer. Between layers the scores are compared in units of their layer's norm, and no
    layer loses everything. Returns a list of positions a layer, in rising order.

    >>> scores = [torch.tensor([3.0, 1.0, 2.0]), torch.tensor([9.0, 1.0, 1.0])]
    >>> keep_best(scores, 2), keep_best(scores, 2, scope="global")
    ([[0, 2], [0, 1]], [[0, 1, 2], [0]])

    Raises SettingError for more than a layer has, or for none.
    """
    sizes = [len(score) for score in scores]
    most = min(sizes) if scope == "layer" else sum(sizes) // len(sizes)
    if type(count) is not int or not 1 <= count <= most:
        raise SettingError(f"from 1 to {most} a layer", received=repr(count), do=f"The layers have {sizes}.")
    if scope == "layer":
        return [_best(score, count) for score in scores]
    flat = torch.cat([score / score.norm().clamp_min(1e-30) for score in scores])
    starts = np.cumsum([0, *sizes])
    first = [start + _best(score, 1)[0] for start, score in zip(starts, scores, strict=False)]
    flat[first] = torch.inf
    chosen = np.array(_best(flat, count * len(scores)))
    return [(chosen[(chosen >= low) & (chosen < high)] - low).tolist() for low, high in pairwise(starts)]


def check_choices(step):
    """Raise SettingError unless a step's criterion and scope are known ones."""
    for field, allowed in (("criterion", CRITERIA), ("scope", SCOPES)):
        if getattr(step, field) not in allowed:
            raise SettingError(f"{field} to be one of {allowed}", received=repr(getattr(step, field)), do="Choose.")


def _best(scores, count):
    return sorted(torch.argsort(scores, descending=True, stable=True)[:count].tolist())


def _mask_gradients(classifier, task, linears, groups):
    """The mean over batches of |Σ weight · gradient| over the columns of a group, which is the mask's gradient.

    y = Σ mask_j · w_j · x_j, so the derivative by mask_j is the sum of w · ∂L/∂w over column j: no mask is needed.
    """
    if task is None:
        raise SettingError(
            "the task on whose rows a loss can be computed", received="none", do="Use the step in a policy."
        )
    texts, labels = task.texts("train"), task.truth("train")
    rows = np.random.default_rng(0).permutation(len(texts))[:ROWS]
    ids = encode(classifier.tokenizer, [texts[row] for row in rows])
    weights, totals = [entry(linear) for linear in linears], [0.0] * len(linears)
    classifier.model.eval()
    for start in range(0, len(rows), BATCH):
        batch = pad(ids[start : start + BATCH], padding=classifier.tokenizer.pad_token_id)
        truth = torch.as_tensor(labels[rows[start : start + BATCH]])
        loss = functional.cross_entropy(classifier.model(**batch).logits, truth)
        for i, gradient in enumerate(torch.autograd.grad(loss, weights)):
            products = (weights[i].detach() * gradient).sum(dim=0)
            totals[i] = totals[i] + products.view(groups[i], -1).sum(dim=1).abs()
    return [total * BATCH / len(rows) for total in totals]
