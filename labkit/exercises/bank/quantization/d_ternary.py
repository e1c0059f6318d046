"""Three levels: which weights become zero, and what the others become."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def ternary(weights):
    """The scale and the signs (−1, 0, 1) with the least squared error."""
    weights = np.asarray(weights, dtype=float)
    sizes = np.sort(np.abs(weights))[::-1]
    counts = np.arange(1, len(sizes) + 1)
    gains = np.cumsum(sizes) ** 2 / counts  # how much the squared error falls if so many are kept
    kept = counts[gains.argmax()]
    smallest = sizes[kept - 1]
    return sizes[:kept].mean(), np.where(np.abs(weights) >= smallest, np.sign(weights), 0)


def _by_trying(weights):
    weights, best = np.asarray(weights, dtype=float), None
    for threshold in np.abs(weights):
        signs = np.sign(weights) * (np.abs(weights) >= threshold)
        scale = np.abs(weights)[signs != 0].mean()
        error = ((weights - scale * signs) ** 2).sum()
        if best is None or error < best[0]:
            best = error, scale, signs
    return best[1], best[2]


def _by_torch(weights):
    import torch

    weights = torch.as_tensor(np.asarray(weights, dtype=float))
    sizes, _ = weights.abs().sort(descending=True)
    means = sizes.cumsum(0) / torch.arange(1, len(sizes) + 1)
    errors = [float((weights.abs() - m * (weights.abs() > m / 2)).square().sum()) for m in means]
    scale = means[int(np.argmin(errors))]
    return scale, (weights / scale).round().clamp(-1, 1)


def _cut(weights, threshold, scale=None):
    weights = np.asarray(weights, dtype=float)
    signs = np.where(np.abs(weights) > threshold, np.sign(weights), 0)
    return (np.abs(weights)[signs != 0].mean() if scale is None else scale), signs


def _largest(weights):
    largest = np.abs(np.asarray(weights, dtype=float)).max()
    return _cut(weights, largest / 2, largest)


def _mean_of_all(weights):
    mean = np.abs(np.asarray(weights, dtype=float)).mean()
    return _cut(weights, mean / 2, mean)


def _rule_of_thumb(weights):
    return _cut(weights, 0.7 * np.abs(np.asarray(weights, dtype=float)).mean())


def _half_of_the_largest(weights):
    return _cut(weights, np.abs(np.asarray(weights, dtype=float)).max() / 2)


def _mean_as_threshold(weights):
    return _cut(weights, np.abs(np.asarray(weights, dtype=float)).mean())


def _until_it_settles(weights, *, start=np.max):
    scale = start(np.abs(np.asarray(weights, dtype=float)))
    for _ in range(100):
        scale, signs = _cut(weights, scale / 2)
    return scale, signs


def _keeps_one(weights):
    weights = np.asarray(weights, dtype=float)
    sizes = np.abs(weights)
    return sizes.max(), np.where(sizes == sizes.max(), np.sign(weights), 0)


def _keeps_half(weights):
    return _cut(weights, np.median(np.abs(np.asarray(weights, dtype=float))))


def _keeps_all(weights):
    return _cut(weights, 0.0)


def _keeps_a_third(weights):
    return _cut(weights, np.quantile(np.abs(np.asarray(weights, dtype=float)), 2 / 3))


def _mean_with_zeros(weights):
    scale, signs = ternary(weights)
    return scale * np.mean(signs != 0), signs


def _from_a_list(weights):
    weights, best = np.asarray(weights, dtype=float), None
    for share in range(1, 21):
        scale = 0.05 * share * np.abs(weights).max()
        signs = np.clip(np.round(weights / scale), -1, 1)
        error = ((scale * signs - weights) ** 2).sum()
        if best is None or error < best[0]:
            best = error, scale, signs
    return best[1], best[2]


def _cases(rng):
    wide = rng.standard_t(2, size=60)
    return (
        Case(args=(rng.normal(size=40),)), Case(args=(wide,)), Case(args=(rng.uniform(-1, 1, size=30),)),
        Case(args=(np.concatenate([rng.normal(size=5) * 3, rng.normal(size=40) * 0.1]),)),
    )  # fmt: skip


register(
    Exercise(
        id="quantization.ternary",
        lesson="05_quantization",
        title="Three levels by least squares",
        difficulty=3,
        minutes=12,
        question="Return the scale, and a sign (−1, 0 or 1) for each weight, whose product has the least squared "
        "distance to the weights.",
        reference=ternary,
        public=(
            Case(args=([0.9, -1.1, 0.1, 0.02],), note="two large, two small"),
            Case(args=([3.0, 0.5, -0.5, 0.45, -0.4],), note="one weight far out"),
            Case(args=([0.5, -0.52, 0.48, 0.01],), note="three alike"),
            Case(args=([1.1, 0.1, -2.5, 0.3, -1.2, -1.0],), note="one large, three of middle size"),
            Case(args=([1.2, -0.9, -4.2, -1.1, -1.5, 0.3, 0.8],), note="one far out, the others spread"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="the largest weight is the scale",
                answer=_largest,
                hint="You took the largest weight as the scale, so everything below half of it is lost. Whatever you "
                "keep becomes one number: which number is closest to all of them?",
            ),
            Misconception(
                name="the mean of all weights is the scale",
                answer=_mean_of_all,
                hint="Your scale is the mean size of *all* weights, also of those that become zero. They have no say "
                "in it: they are zero anyway.",
            ),
            Misconception(
                name="the zeros are in the mean",
                answer=_mean_with_zeros,
                hint="You keep the right weights. Their mean is too small: you divided by the number of all weights, "
                "as a mean of a list with zeros in it does.",
            ),
            Misconception(
                name="the scale comes from a list",
                answer=_from_a_list,
                hint="You tried the shares of the exercise before and took the best. The best scale of all need not "
                "be among them. And it need not be searched: for weights that are kept it can be computed.",
            ),
            Misconception(
                name="the rule of thumb",
                answer=_rule_of_thumb,
                hint="A threshold of 0.7 times the mean size is a rule of thumb (it comes from uniform and Gaussian "
                "weights). Here the best threshold is asked for: try each number of weights to keep.",
            ),
            Misconception(
                name="half of the largest decides",
                answer=_half_of_the_largest,
                hint="You keep what is above half of the largest weight. So a single weight decides which others "
                "go, though the scale is a mean and lies below it. Is the error smaller if you keep one weight more?",
            ),
            Misconception(
                name="the mean size is the threshold",
                answer=_mean_as_threshold,
                hint="You keep what is above the mean size. No fixed threshold is best for every list: how many "
                "weights to keep has to come from the error itself.",
            ),
            Misconception(
                name="repeats from the largest until it settles",
                answer=_until_it_settles,
                hint="You cut at half of the scale and take the mean, beginning with the largest weight, until nothing "
                "changes. That settles, but not always at the least error. There are only as many candidates as "
                "weights, so compare them all.",
            ),
            Misconception(
                name="repeats from the mean until it settles",
                answer=lambda weights: _until_it_settles(weights, start=np.mean),
                hint="You cut at half of the scale and take the mean, beginning with the mean size, until nothing "
                "changes. Where that ends depends on where it began: another start may end at a smaller error.",
            ),
            Misconception(
                name="nothing becomes zero",
                answer=_keeps_all,
                hint="No weight of yours becomes zero: that is two levels. A small weight is closer to zero than to "
                "the scale.",
            ),
            Misconception(
                name="keeps one weight only",
                answer=_keeps_one,
                hint="You keep the largest weight and nothing else. Of all means of the k largest that is the largest, "
                "but a large scale is not what is asked for: how much does the squared error fall for each k?",
            ),
            Misconception(
                name="half of the weights become zero",
                answer=_keeps_half,
                hint="You keep the larger half, whatever the weights are. In some lists one weight stands out, in "
                "others most are alike: the number to keep is not always the same.",
            ),
            Misconception(
                name="a third for each level",
                answer=_keeps_a_third,
                hint="You share the weights out evenly among the levels. Nothing asks for that; the error does.",
            ),
        ),
        alternatives=(_by_trying, _by_torch),
        hints=(
            "If you knew which weights to keep: which scale would be best for them?",
            "The best scale is the mean size of those that are kept. And those to keep are the k largest, for some k.",
            "Sort by size. Keeping the k largest lowers the squared error by (their sum)² / k. Take the best k.",
        ),
    )
)
