"""The first term of distillation by hand: T² times the divergence of the student from the teacher."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def imitation_loss(student, teacher, temperature):
    """The mean over the rows of T² · KL(teacher ‖ student), both softened."""

    def log_softmax(logits):
        scaled = np.asarray(logits, dtype=float) / temperature
        scaled = scaled - scaled.max(axis=1, keepdims=True)
        return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))

    p, q = log_softmax(teacher), log_softmax(student)
    return temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean()


def _by_torch(student, teacher, temperature):
    import torch
    from torch.nn import functional

    student, teacher = (torch.as_tensor(np.asarray(one, dtype=float)) / temperature for one in (student, teacher))
    own, wanted = functional.log_softmax(student, dim=1), functional.softmax(teacher, dim=1)
    return functional.kl_div(own, wanted, reduction="batchmean") * temperature**2


def _by_scipy(student, teacher, temperature):
    from scipy.special import softmax
    from scipy.stats import entropy

    student, teacher = (softmax(np.asarray(one, dtype=float) / temperature, axis=1) for one in (student, teacher))
    return temperature**2 * entropy(teacher, student, axis=1).mean()


def _cross_entropy_minus_entropy(student, teacher, temperature):
    total = 0.0
    for own, wanted in zip(student, teacher, strict=True):
        p, q = (np.exp(np.asarray(z) / temperature - np.max(z) / temperature) for z in (wanted, own))
        p, q = p / p.sum(), q / q.sum()
        total += float(-(p * np.log(q)).sum() + (p * np.log(p)).sum())
    return temperature * temperature * total / len(student)


def _logs(logits, temperature):
    scaled = np.asarray(logits, dtype=float) / temperature
    scaled = scaled - scaled.max(axis=1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(axis=1, keepdims=True))


def _one_softmax_for_all(student, teacher, temperature):
    def log_softmax(logits):
        scaled = np.asarray(logits, dtype=float) / temperature
        return scaled - np.log(np.exp(scaled).sum())

    p, q = log_softmax(teacher), log_softmax(student)
    return temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean()


def _variant(student, teacher, temperature, *, own=None, wanted=None, factor=None, swap=False, target=1.0, mean=None):
    q = _logs(student, temperature if own is None else own)
    p = _logs(teacher, temperature if wanted is None else wanted)
    p, q = (q, p) if swap else (p, q)
    rows = (np.exp(p) * (target * p - q)).sum(axis=1)
    return (temperature**2 if factor is None else factor) * (rows.mean() if mean is None else mean(rows))


def _no_logarithm_of_the_student(student, teacher, temperature):
    p, q = _logs(teacher, temperature), np.exp(_logs(student, temperature))  # what kl_div makes of two probabilities
    return temperature**2 * (np.exp(p) * (p - q)).sum(axis=1).mean()


def _cases(rng):
    made = []
    for rows, classes in ((1, 3), (4, 5), (6, 2), (5, 4)):
        student, teacher = rng.normal(size=(2, rows, classes)) * 3
        made.append(Case(args=(student, teacher, float(rng.uniform(1.5, 6)))))
    return tuple(made)


register(
    Exercise(
        id="distillation.imitation_loss",
        lesson="10_distillation",
        title="How far from the teacher?",
        difficulty=3,
        minutes=12,
        question="Give the mean over the rows of T² · KL(teacher ‖ student), with both softened by T.",
        reference=imitation_loss,
        public=(
            Case(args=([[0.4, 0.0]], [[2.2, 0.0]], 1.0), note="one row: about the 60 : 40 and 90 : 10 of the table"),
            Case(args=([[0.0, 0.0]], [[2.0, 0.0]], 2.0), note="temperature 2"),
            Case(
                args=([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], [[1.0, 0.0, 0.0], [0.0, 0.0, 4.0]], 3.0),
                note="two rows; the first student is its teacher already",
            ),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="the divergence the other way round",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, swap=True),
                hint="You weigh the logarithms with the student's probabilities. The teacher says what matters: its "
                "probabilities stand in front.",
            ),
            Misconception(
                name="without T²",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, factor=1.0),
                hint="The divergence is right, and a factor is missing: the one that the text puts in front of it.",
            ),
            Misconception(
                name="T instead of T²",
                answer=lambda student, teacher, temperature: _variant(
                    student, teacher, temperature, factor=temperature
                ),
                hint="Your factor is T; the text says T². The next section says why.",
            ),
            Misconception(
                name="cross-entropy",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, target=0.0),
                hint="That is the cross-entropy: it is not zero where the student is its teacher. The teacher's "
                "entropy has to be taken away.",
            ),
            Misconception(
                name="the student is not softened",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, own=1.0),
                hint="You softened the teacher only. The student would have to be undecided itself to match it.",
            ),
            Misconception(
                name="the teacher is not softened",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, wanted=1.0),
                hint="You softened the student only. The loss compares it with the teacher's answer at the same "
                "temperature.",
            ),
            Misconception(
                name="nothing is softened",
                answer=lambda student, teacher, temperature: _variant(
                    student, teacher, temperature, own=1.0, wanted=1.0
                ),
                hint="Your probabilities are those at temperature 1, and T is in the factor only. Both answers are "
                "softened before they are compared.",
            ),
            Misconception(
                name="no logarithm of the student",
                answer=_no_logarithm_of_the_student,
                hint="A divergence is never negative, and yours is. It needs the logarithm of the student's "
                "probabilities. (torch's kl_div takes no logarithm of the student: it wants to be given it.)",
            ),
            Misconception(
                name="the fraction turned round",
                answer=lambda student, teacher, temperature: -_variant(student, teacher, temperature),
                hint="A divergence is never negative, and yours is. Look at the fraction in the logarithm: whose "
                "probability is above?",
            ),
            Misconception(
                name="the student in front",
                answer=lambda student, teacher, temperature: -_variant(student, teacher, temperature, swap=True),
                hint="A divergence is never negative, and yours is. The probability in front of the logarithm and the "
                "one above in it should be the same one's: whose?",
            ),
            Misconception(
                name="logarithm to base 2",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature) / np.log(2),
                hint="Your logarithm has base 2, and gives bits. The text counts in nats: the natural logarithm.",
            ),
            Misconception(
                name="one softmax for all rows",
                answer=_one_softmax_for_all,
                hint="All your rows together have probabilities that add up to 1. Each row is a text with "
                "probabilities of its own.",
            ),
            Misconception(
                name="mean over all numbers",
                answer=lambda student, teacher, temperature: _variant(
                    student, teacher, temperature, mean=lambda rows: rows.mean() / np.shape(student)[1]
                ),
                hint="You divide by the number of classes as well: add up over the classes, and take the mean over the "
                "rows. (torch's kl_div does what you did unless it is told reduction='batchmean'.)",
            ),
            Misconception(
                name="sum over the rows",
                answer=lambda student, teacher, temperature: _variant(student, teacher, temperature, mean=np.sum),
                hint="You add up the rows: a larger batch would have a larger loss. Take their mean.",
            ),
        ),
        alternatives=(_by_torch, _by_scipy, _cross_entropy_minus_entropy),
        hints=(
            "First the probabilities of both at temperature T. Then one number for each row. Then the mean, and T².",
            "The number of a row is the sum over the classes of p · (log p − log q): p is the teacher's.",
            "Work with logarithms of the softmax: z/T minus the log of the row's sum of exponentials.",
        ),
    )
)
