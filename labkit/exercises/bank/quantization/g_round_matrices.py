"""The listing's loop, mended: which tensors are rounded, each on its own scale."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def round_matrices(parameters):
    """The parameters by name, the matrices rounded to 8 bits and back, each on its own scale."""
    rounded = {}
    for name, weight in parameters.items():
        if weight.ndim == 2:
            scale = np.abs(weight).max() / 127 or 1.0
            rounded[name] = scale * np.round(weight / scale)
        else:  # biases and LayerNorm: a thousandth of the model, nothing to save
            rounded[name] = weight
    return rounded


def _by_comprehension(parameters):
    def back(weight):
        step = max(float(abs(weight).max()), 1e-30) / 127
        return np.clip(np.rint(weight / step), -127, 127) * step

    return {name: back(weight) if len(weight.shape) == 2 else weight for name, weight in parameters.items()}


def _by_torch(parameters):
    import torch

    found = {}
    for name, weight in parameters.items():
        tensor = torch.as_tensor(weight)
        if tensor.dim() == 2:
            scale = float(tensor.abs().max()) / 127
            tensor = (tensor / scale).round() * scale if scale else tensor
        found[name] = tensor.numpy()
    return found


def _variant(parameters, *, scale=None, chosen=lambda weight: weight.ndim == 2, zero=1.0):
    found = {}
    with np.errstate(all="ignore"):
        for name, weight in parameters.items():
            if chosen(weight):
                step = scale or np.abs(weight).max() / 127 or np.float64(zero)
                found[name] = step * np.clip(np.round(weight / step), -127, 127)
            else:
                found[name] = weight
    return found


def _matrices(parameters, back):
    return {name: back(weight) if weight.ndim == 2 else weight for name, weight in parameters.items()}


def _over_128(parameters):
    def back(weight):
        step = np.abs(weight).max() / 128 or 1.0
        return step * np.clip(np.round(weight / step), -128, 127)

    return _matrices(parameters, back)


def _affine(parameters):
    def back(weight):
        bottom, top = min(weight.min(), 0.0), max(weight.max(), 0.0)
        step = (top - bottom) / 255 or 1.0
        zero = np.round(-128 - bottom / step)
        return step * (np.clip(np.round(weight / step) + zero, -128, 127) - zero)

    return _matrices(parameters, back)


def _on_scale(parameters, size, *, clip=True, rounding=np.round, back=True):
    def rounded(weight):
        step = size(weight) / 127
        step = np.where(step == 0, 1.0, step)
        integers = rounding(weight / step)
        integers = np.clip(integers, -127, 127) if clip else integers
        return integers * step if back else integers

    return _matrices(parameters, rounded)


def _largest(weight):
    return np.abs(weight).max()


def _a_scale_a_row(parameters):
    return _on_scale(parameters, lambda weight: np.abs(weight).max(axis=1, keepdims=True))


def _cuts_off(parameters):
    return _on_scale(parameters, _largest, rounding=np.trunc)


def _integers(parameters):
    return _on_scale(parameters, _largest, back=False)


def _largest_value(parameters, *, clip=True):
    return _on_scale(parameters, np.max, clip=clip)


def _one_scale(parameters):
    return _variant(parameters, scale=max(np.abs(weight).max() for weight in parameters.values()) / 127)


def _matrices_only(parameters):
    return {name: weight for name, weight in _variant(parameters).items() if weight.ndim == 2}


def _model(rng):
    return {
        "query.weight": rng.normal(size=(4, 6)) * 0.05, "query.bias": rng.normal(size=4) * 0.3,
        "LayerNorm.weight": 1 + 0.1 * rng.normal(size=4), "up.weight": rng.normal(size=(3, 4)) * rng.uniform(1, 3),
        "unused.weight": np.zeros((2, 2)),
    }  # fmt: skip


register(
    Exercise(
        id="quantization.round_matrices",
        lesson="05_quantization",
        title="The listing, mended: which tensors, which scale",
        difficulty=2,
        minutes=8,
        question="Round every matrix to the integers −127 to 127 and back, symmetrically, each on its own scale; leave "
        "biases and LayerNorm as they are.",
        reference=round_matrices,
        public=(
            Case(
                args=({"a.weight": np.array([[0.02, -0.0127], [0.0, 0.0044]]), "a.bias": np.array([0.013, -0.2])},),
                note="small weights and a bias",
            ),
            Case(
                args=({"a.weight": np.array([[2.54, 0.03]]), "b.weight": np.array([[0.01], [-0.0043]])},),
                note="a matrix of large weights, one of small ones",
            ),
            Case(args=({"a.weight": np.array([[0.013, -0.0381], [0.02, 0.0055]])},), note="the largest is negative"),
            Case(
                args=({"a.weight": np.zeros((1, 2)), "norm.weight": np.array([0.91, 1.1])},), note="a matrix of zeros"
            ),
        ),
        hidden=lambda rng: tuple(Case(args=(_model(rng),)) for _ in range(4)),
        misconceptions=(
            Misconception(
                name="scale 0.1 for every tensor",
                answer=lambda parameters: _variant(parameters, scale=0.1, chosen=lambda weight: True),
                hint="A step of 0.1 for all tensors is what the article's listing has: most weights of BERT are "
                "smaller than half of it, and become zero.",
            ),
            Misconception(
                name="one scale for the whole model",
                answer=_one_scale,
                hint="You made one scale from the largest number of the model. A matrix of small weights is left with "
                "two or three levels.",
            ),
            Misconception(
                name="rounds biases and LayerNorm too",
                answer=lambda parameters: _variant(parameters, chosen=lambda weight: True),
                hint="You rounded the vectors as well. They are a thousandth of the model: little is gained, and each "
                "of their numbers acts on a whole column of activations.",
            ),
            Misconception(
                name="the largest size over 128",
                answer=_over_128,
                hint="Your largest integer is 128. A signed byte ends at 127, and a symmetric grid has the same "
                "largest integer on both sides.",
            ),
            Misconception(
                name="the affine scheme",
                answer=_affine,
                hint="You ran the grid from the smallest weight to the largest, as in the exercise before. Here it is "
                "symmetric: zero in the middle, no zero point.",
            ),
            Misconception(
                name="the largest value instead of the largest size",
                answer=_largest_value,
                hint="You take the largest weight with its sign. Where the weight that sticks out is negative, the "
                "grid does not reach it, and clips it.",
            ),
            Misconception(
                name="the largest value, not clipped",
                answer=lambda parameters: _largest_value(parameters, clip=False),
                hint="You take the largest weight with its sign. Where the weight that sticks out is negative, your "
                "integers run on below −127.",
            ),
            Misconception(
                name="a scale for each row",
                answer=_a_scale_a_row,
                hint="You gave each row a scale of its own. That would be closer, but here one scale for each matrix "
                "is asked for.",
            ),
            Misconception(
                name="cuts the fraction off",
                answer=_cuts_off,
                hint="You cut off what comes after the point (a cast to an integer does that). Take the nearest "
                "integer.",
            ),
            Misconception(
                name="gives the integers",
                answer=_integers,
                hint="These are the integers. The way back is missing: the model computes with weights.",
            ),
            Misconception(
                name="drops the vectors",
                answer=_matrices_only,
                hint="Some names are missing. Whatever is not rounded is still a part of the model.",
            ),
            Misconception(
                name="NaN for a matrix of zeros",
                answer=lambda parameters: _variant(parameters, zero=0.0),
                hint="A matrix of zeros has scale zero, and zero over zero is NaN.",
            ),
        ),
        alternatives=(_by_comprehension, _by_torch),
        hints=(
            "One loop over names and tensors; a matrix is what has two dimensions.",
            "The scale of a matrix is its largest size over 127.",
            "Divide, round, multiply. Mind a matrix of zeros. Vectors go into the result unchanged.",
        ),
    )
)
