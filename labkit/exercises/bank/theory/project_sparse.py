"""Exercise 2.2: the nearest vector with few non-zeros."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def project_sparse(theta, keep):
    """Nearest vector with at most `keep` non-zeros: the largest magnitudes stay, the earlier of equals."""
    theta = np.asarray(theta, dtype=float)
    order = np.argsort(-np.abs(theta), kind="stable")
    result = np.zeros_like(theta)
    result[order[:keep]] = theta[order[:keep]]
    return result


def _project_sorted(theta, keep):
    ranked = sorted(range(len(theta)), key=lambda i: (-abs(theta[i]), i))
    kept = set(ranked[:keep])
    return [float(x) if i in kept else 0.0 for i, x in enumerate(theta)]


def _project_one_by_one(theta, keep):
    left, result = np.abs(np.asarray(theta, dtype=float)), np.zeros(len(theta))
    for _ in range(keep):
        largest = int(left.argmax())
        result[largest], left[largest] = theta[largest], -1.0
    return result


def _keep_mask(theta, order, keep):
    result = np.zeros(len(theta))
    result[order[:keep]] = np.asarray(theta, dtype=float)[order[:keep]]
    return result


def _project_ties_stay(theta, keep):
    magnitude = np.abs(theta)
    threshold = np.sort(magnitude)[::-1][keep - 1] if keep else np.inf
    return np.where(magnitude >= threshold, theta, 0.0)


def _project_ties_go(theta, keep):
    magnitude = np.abs(theta)
    return np.where(magnitude > np.sort(magnitude)[::-1][max(keep - 1, 0)], theta, 0.0)


def _project_minus_zero(theta, keep):
    theta = np.asarray(theta, dtype=float)
    chosen = np.sort(np.argsort(np.abs(theta)[::-1], kind="stable")[-keep:])
    result = np.zeros_like(theta)
    result[len(theta) - 1 - chosen] = theta[len(theta) - 1 - chosen]
    return result


def _project_cases(rng):
    """Both signs, nothing kept, everything kept, ties, a vector of zeros."""
    theta = rng.normal(size=30)
    return (
        Case(args=(theta, 7)),
        Case(args=(theta * 100, 20)),
        Case(args=(theta, 0)),
        Case(args=(theta, 30)),
        Case(args=(np.array([1.0, -2.0, 2.0, -1.0, 1.0, 0.25]), 3)),
        Case(args=([0.0, 0.0, 0.0, 0.0], 2)),
    )


register(
    Exercise(
        id="theory.project_sparse",
        lesson="02_the_math",
        title="The nearest sparse vector",
        difficulty=2,
        minutes=8,
        question="Give the vector with at most `keep` non-zeros that is nearest to `theta`; "
        "of two equal magnitudes the earlier one stays.",
        reference=project_sparse,
        public=(
            Case(args=([0.3, -1.2, 0.1, 0.8], 2), note="both signs"),
            Case(args=([1.0, -1.0, 0.5, 1.0], 2), note="three of the same size: keep the first two"),
        ),
        hidden=_project_cases,
        misconceptions=(
            Misconception(
                name="keeps the small ones",
                answer=lambda theta, keep: _keep_mask(theta, np.argsort(np.abs(theta), kind="stable"), keep),
                hint="You keep the smallest magnitudes, as the article's listing does with its `<`. "
                "What you set to zero is the error: should it be large or small?",
            ),
            Misconception(
                name="fixed threshold of 0.5",
                answer=lambda theta, keep: np.where(np.abs(theta) >= 0.5, theta, 0.0),
                hint="A fixed threshold keeps as many weights as happen to lie above it, and does not look "
                "at `keep`. The threshold must come from the weights.",
            ),
            Misconception(
                name="forgets the sign",
                answer=lambda theta, keep: _keep_mask(theta, np.argsort(-np.asarray(theta), kind="stable"), keep),
                hint="You rank by value, so large negative weights go first. How far from zero is −1.2?",
            ),
            Misconception(
                name="removes `keep` weights",
                answer=lambda theta, keep: _keep_mask(
                    theta, np.argsort(-np.abs(theta), kind="stable"), len(theta) - keep
                ),
                hint="You set the `keep` smallest weights to zero; `keep` says how many stay.",
            ),
            Misconception(
                name="all ties stay",
                answer=_project_ties_stay,
                hint="Your threshold lets all weights of the same magnitude through, so more than `keep` "
                "stay where there are ties. Choose places, not values.",
            ),
            Misconception(
                name="the threshold itself goes",
                answer=_project_ties_go,
                hint="Your threshold is one of the magnitudes that should stay, and `>` drops it: too few are "
                "left. Changing the sign alone will not do where there are ties.",
            ),
            Misconception(
                name="the later of equals stays",
                answer=lambda theta, keep: _keep_mask(
                    theta, len(theta) - 1 - np.argsort(-np.abs(theta)[::-1], kind="stable"), keep
                ),
                hint="Of equal magnitudes you keep the later one. Its distance is the same, but the rule makes "
                "the answer unique: look for a stable sort, from large to small.",
            ),
            Misconception(
                name="keep=0 keeps everything",
                answer=_project_minus_zero,
                hint="With keep=0 everything stays: a slice [-0:] is the whole array. "
                "Slice from the front, or treat 0 by itself.",
            ),
        ),
        alternatives=(_project_sorted, _project_one_by_one),
        hints=(
            "The squared distance is the sum of the squares of what you set to zero. Which entries to lose?",
            "Rank the places by magnitude, from large to small, equal ones in their order.",
            "np.argsort of minus the magnitude, kind='stable', gives the places; copy the first `keep`.",
        ),
    )
)
