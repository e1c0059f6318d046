"""Which weights stay: the mask that keeps the largest."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def magnitude_mask(weight, sparsity):
    """True for the weights that stay: all but the share `sparsity` of smallest size."""
    remove = round(sparsity * weight.size)
    order = np.argsort(np.abs(weight), axis=None)  # positions, smallest size first
    mask = np.ones(weight.size, dtype=bool)
    mask[order[:remove]] = False
    return mask.reshape(weight.shape)


def _by_ranks(weight, sparsity):
    ranks = np.abs(weight).ravel().argsort().argsort().reshape(weight.shape)
    return ranks >= round(sparsity * weight.size)


def _by_topk(weight, sparsity):
    import torch

    size = torch.as_tensor(weight).abs().flatten()
    mask = torch.zeros(size.numel(), dtype=torch.bool)
    mask[size.topk(size.numel() - round(sparsity * size.numel())).indices] = True
    return mask.view(weight.shape)


def _keeps_the_small(weight, sparsity):
    return ~magnitude_mask(weight, 1 - sparsity)


def _ignores_size(weight, sparsity):
    ranks = weight.ravel().argsort().argsort().reshape(weight.shape)
    return ranks >= round(sparsity * weight.size)


def _sparsity_as_share_kept(weight, sparsity):
    return magnitude_mask(weight, 1 - sparsity)


def _sparsity_as_threshold(weight, sparsity):
    return np.abs(weight) > sparsity


def _row_by_row(weight, sparsity):
    rows = np.atleast_2d(weight)
    return np.stack([magnitude_mask(row, sparsity) for row in rows]).reshape(weight.shape)


def _quantile_above(weight, sparsity):
    return np.abs(weight) > np.quantile(np.abs(weight), sparsity)


def _quantile_from(weight, sparsity):
    return np.abs(weight) >= np.quantile(np.abs(weight), sparsity)


def _random(rng):
    return tuple(
        Case(args=(rng.normal(size=shape) * rng.uniform(0.1, 3, size=(shape[0], 1)), s))
        for shape, s in (((4, 5), 0.4), ((10, 10), 0.8), ((3, 4), 0.0), ((6, 2), 1.0), ((1, 20), 0.25))
    )


register(
    Exercise(
        id="pruning.magnitude_mask",
        lesson="03_pruning",
        title="The mask that keeps the largest",
        difficulty=2,
        minutes=8,
        question="Make a mask, True where a weight stays, so that the share `sparsity` with the smallest size goes.",
        reference=magnitude_mask,
        public=(
            Case(args=(np.array([0.31, -0.02, 0.07, -0.44]), 0.5), note="four weights, half of them go"),
            Case(args=(np.array([[3.0, -2.0], [0.5, -0.1]]), 0.5), note="a matrix; the large row stays whole"),
            Case(args=(np.array([1.0, -3.0, 2.0, -4.0, 0.5]), 0.2), note="one of five goes"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="keeps the small ones",
                answer=_keeps_the_small,
                hint="Your mask is True for the smallest weights: the article's listing does this too. Which side of "
                "the order should stay?",
            ),
            Misconception(
                name="compares signed values",
                answer=_ignores_size,
                hint="You sort the weights with their signs, so −0.44 counts as the smallest. What says how much a "
                "weight can do, its value or its size?",
            ),
            Misconception(
                name="takes sparsity as the share that stays",
                answer=_sparsity_as_share_kept,
                hint="Sparsity is the share of zeros. At 0.2, how many of five weights should go?",
            ),
            Misconception(
                name="takes sparsity as a threshold",
                answer=_sparsity_as_threshold,
                hint="You compare sizes with the sparsity itself. It is a share of the weights, not a size: first "
                "find out how many weights it stands for.",
            ),
            Misconception(
                name="prunes every row by the same share",
                answer=_row_by_row,
                hint="You take the same share from every row. The question asks for the smallest of the whole array.",
            ),
            Misconception(
                name="loses a weight at sparsity 0",
                answer=_quantile_above,
                hint="Between the ends your mask is right. At sparsity 0 nothing should go: is the smallest size above "
                "itself?",
            ),
            Misconception(
                name="keeps a weight at sparsity 1",
                answer=_quantile_from,
                hint="Between the ends your mask is right. At sparsity 1 everything should go: which weight is as "
                "large as the largest size?",
            ),
        ),
        alternatives=(_by_ranks, _by_topk),
        hints=(
            "How many weights have to go? Write that number down first.",
            "np.argsort of the sizes lists the positions from the smallest to the largest.",
            "Start from a mask of True for all positions, set the first ones of that list to False, and give the "
            "mask the shape of the weights.",
        ),
    )
)
