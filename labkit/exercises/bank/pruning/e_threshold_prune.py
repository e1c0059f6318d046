"""The article's pruning function, mended: weights are judged one by one, and names and shapes stay."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def threshold_prune(weights, threshold):
    """The same weights by name, with those of a matrix below the threshold in size at zero."""
    pruned = {}
    for name, weight in weights.items():
        if weight.ndim == 2:
            pruned[name] = np.where(np.abs(weight) < threshold, 0.0, weight)
        else:  # biases and LayerNorm are few, and each of them matters
            pruned[name] = weight
    return pruned


def _by_comprehension(weights, threshold):
    return {n: w * (abs(w) >= threshold) if w.ndim > 1 else w.copy() for n, w in weights.items()}


def _by_assignment(weights, threshold):
    pruned = {name: np.array(weight) for name, weight in weights.items()}
    for weight in pruned.values():
        if len(weight.shape) == 2:
            weight[np.abs(weight) < threshold] = 0
    return pruned


def _keeps_tensors_of_small_norm(weights, threshold):
    return {name: weight for name, weight in weights.items() if np.linalg.norm(weight) < threshold}


def _zeroes_tensors_of_small_norm(weights, threshold):
    return {
        name: weight if weight.ndim < 2 or np.linalg.norm(weight) >= threshold else np.zeros_like(weight)
        for name, weight in weights.items()
    }


def _zeroes_the_large(weights, threshold):
    return {n: np.where(np.abs(w) < threshold, w, 0.0) if w.ndim == 2 else w for n, w in weights.items()}


def _prunes_biases_too(weights, threshold):
    return {name: np.where(np.abs(weight) < threshold, 0.0, weight) for name, weight in weights.items()}


def _compares_signed_values(weights, threshold):
    return {n: np.where(w < threshold, 0.0, w) if w.ndim == 2 else w for n, w in weights.items()}


def _layer(rng):
    return {
        "query.weight": rng.normal(size=(4, 3)), "query.bias": rng.normal(size=4) * 0.2,
        "norm.weight": rng.normal(size=4) * 0.3, "small.weight": rng.normal(size=(2, 2)) * 0.1,
    }  # fmt: skip


register(
    Exercise(
        id="pruning.threshold_prune",
        lesson="03_pruning",
        title="The listing, mended: one weight at a time",
        difficulty=2,
        minutes=10,
        question="Set every weight below the threshold in size to zero, in the matrices only; names and shapes stay.",
        reference=threshold_prune,
        public=(
            Case(
                args=({"a.weight": np.array([[0.9, -0.1], [0.2, -0.8]]), "a.bias": np.array([0.1, -0.2])}, 0.5),
                note="a matrix and its bias",
            ),
            Case(
                args=({"a.weight": np.array([[0.2, -0.1], [0.2, -0.1]]), "b.weight": np.array([[2.0]])}, 0.5),
                note="one matrix is small throughout",
            ),
        ),
        hidden=lambda rng: tuple(Case(args=(_layer(rng), float(t))) for t in rng.uniform(0.3, 1.5, size=6)),
        misconceptions=(
            Misconception(
                name="keeps whole tensors of small norm",
                answer=_keeps_tensors_of_small_norm,
                hint="You kept the tensors whose norm is *below* the threshold and dropped all others: this is what "
                "the article's listing does, and hardly anything of BERT is left. Look at single weights.",
            ),
            Misconception(
                name="judges a whole tensor by its norm",
                answer=_zeroes_tensors_of_small_norm,
                hint="A norm grows with the number of weights, so a large matrix of tiny weights passes and a small "
                "one goes as a whole. Compare each weight with the threshold.",
            ),
            Misconception(
                name="zeroes the large ones",
                answer=_zeroes_the_large,
                hint="Each weight is judged by itself, as it should be, but it is the large ones that you removed.",
            ),
            Misconception(
                name="prunes biases and LayerNorm",
                answer=_prunes_biases_too,
                hint="You pruned the vectors too. A bias or a LayerNorm weight stands for a whole row: leave what is "
                "not a matrix as it is.",
            ),
            Misconception(
                name="compares signed values",
                answer=_compares_signed_values,
                hint="All your negative weights are gone. Compare the size of a weight, not its value.",
            ),
        ),
        alternatives=(_by_comprehension, _by_assignment),
        hints=(
            "Go through the dictionary name by name, and give back a dictionary with the same names.",
            "`weight.ndim == 2` tells a matrix from a bias.",
            "np.where(condition, 0.0, weight) has zeros where the condition holds. The condition compares sizes.",
        ),
    )
)
