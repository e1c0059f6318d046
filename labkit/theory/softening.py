"""Softened probabilities, how far a student's are from a teacher's, and what that tells the student's scores."""

import numpy as np

from labkit.errors import SettingError

__all__ = ["divergence", "entropy", "imitation_gradient", "label_gradient", "matching", "soften", "undecided"]


def soften(logits, temperature):
    """Probabilities at a temperature, softmax(logits / T); shape (rows, classes), as the logits.

    >>> soften([[4.0, 2.0, 0.0]], 1).round(3).tolist(), soften([[4.0, 2.0, 0.0]], 2).round(3).tolist()
    ([[0.867, 0.117, 0.016]], [[0.665, 0.245, 0.09]])

    Raises SettingError unless the temperature is above 0. Source: Hinton, Vinyals, Dean, arXiv 1503.02531, section 2.
    """
    return np.exp(_log_soften(logits, temperature))


def entropy(probabilities):
    """How undecided each row is, in nats: 0 for one sure class, ln(classes) for all alike; shape (rows,).

    >>> entropy([[0.5, 0.5], [1.0, 0.0]]).round(3).tolist()
    [0.693, 0.0]
    """
    p = np.asarray(probabilities, dtype=float)
    return (p * np.log(1 / np.where(p > 0, p, 1))).sum(axis=1)


def divergence(student, teacher, *, temperature=1.0):
    """KL(teacher ‖ student) of each row's softened probabilities, in nats; logits (rows, classes), result (rows,).

    It is the cross-entropy of the two minus the teacher's entropy, which no student can change.

    >>> divergence([[0.0, 0.0]], [[2.0, 0.0]], temperature=1).round(4).tolist()   # 0.881 ln(0.881/0.5) + …
    [0.3278]

    Raises SettingError for shapes that differ.
    """
    q, p = _pair(student, teacher, temperature)
    return (np.exp(p) * (p - q)).sum(axis=1)


def imitation_gradient(student, teacher, *, temperature=1.0, scaled=True):
    """Derivative of T²·KL by each of the student's logits: T·(q − p), shape (rows, classes).

    Not `scaled`, that of KL alone, (q − p) / T: it shrinks as 1/T², since q and p come closer as T grows.

    >>> imitation_gradient([[0.0, 0.0]], [[2.0, 0.0]], temperature=2).round(3).tolist()   # 2 · (0.5 − 0.731)
    [[-0.462, 0.462]]
    """
    q, p = (np.exp(part) for part in _pair(student, teacher, temperature))
    return (q - p) * (temperature if scaled else 1 / temperature)


def label_gradient(student, labels):
    """Derivative of each row's cross-entropy with its label by the student's logits: q − 1 at the label, q elsewhere.

    A row with label −1 has no label, and no gradient. `student` has shape (rows, classes), `labels` shape (rows,).

    >>> label_gradient([[0.0, 0.0], [0.0, 0.0]], [0, -1]).tolist()
    [[-0.5, 0.5], [0.0, 0.0]]
    """
    q, labels = soften(student, 1.0), np.asarray(labels)
    gradient = q - np.eye(q.shape[1])[labels]
    return np.where((labels >= 0)[:, None], gradient, 0.0)


def matching(student, teacher):
    """What T²·KL becomes as T grows: the squared distance of centred logits over twice the classes; shape (rows,).

    >>> matching([[0.0, 0.0]], [[2.0, 0.0]]).tolist()   # centred: 0 0 and 1 −1; (1 + 1) / (2 · 2)
    [0.5]

    Source: Hinton, Vinyals, Dean, arXiv 1503.02531, section 2.1.
    """
    student, teacher = _alike(student, teacher)
    gap = student - teacher
    return np.square(gap - gap.mean(axis=1, keepdims=True)).sum(axis=1) / (2 * gap.shape[1])


def undecided(logits, count):
    """Find the `count` rows whose first and second choice are closest, the closest first; shape (count,).

    >>> undecided([[5.0, 0.0, 0.0], [3.0, 2.9, 0.0], [1.0, 0.0, 0.5]], 2).tolist()
    [1, 2]
    """
    best = np.sort(_checked(logits), axis=1)[:, -2:]
    return np.argsort(best[:, 1] - best[:, 0], kind="stable")[:count]


def _log_soften(logits, temperature):
    if not temperature > 0:
        raise SettingError("a temperature above 0", received=str(temperature), do="2 is usual.")
    scaled = _checked(logits) / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)  # exp of a large number would overflow; the shares stay
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _pair(student, teacher, temperature):
    return [_log_soften(logits, temperature) for logits in _alike(student, teacher)]


def _alike(student, teacher):
    student, teacher = _checked(student), _checked(teacher)
    if student.shape != teacher.shape:
        raise SettingError(
            "as many logits of the student as of the teacher", received=f"shapes {student.shape} and {teacher.shape}",
            do="Give both for the same texts and classes.",
        )  # fmt: skip
    return student, teacher


def _checked(logits):
    logits = np.asarray(logits, dtype=float)
    if logits.ndim != 2 or logits.shape[1] < 2:
        raise SettingError(
            "logits of shape (rows, classes), two classes at least", received=f"shape {logits.shape}",
            do="Put one row into a list: [row].",
        )  # fmt: skip
    return logits
