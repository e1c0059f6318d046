"""What the teacher's scores tell the student's: the gradient of the first term, by hand."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def imitation_gradient(student, teacher, temperature):
    """The derivative of T² · KL(teacher ‖ student) by each of the student's logits, for one text."""

    def softmax(logits):
        powers = np.exp((logits - np.max(logits)) / temperature)
        return powers / powers.sum()

    return temperature * (softmax(student) - softmax(teacher))  # T² of the loss, 1/T of the chain rule


def _by_torch(student, teacher, temperature):
    import torch
    from torch.nn import functional

    student = torch.as_tensor(np.asarray(student, dtype=float)).requires_grad_()
    target = torch.softmax(torch.as_tensor(np.asarray(teacher, dtype=float)) / temperature, dim=0)
    loss = (target * (target.log() - functional.log_softmax(student / temperature, dim=0))).sum()
    (temperature**2 * loss).backward()
    return student.grad


def _by_the_chain_rule(student, teacher, temperature):
    q, p = (np.exp(np.asarray(z) / temperature) for z in (student, teacher))
    q, p = q / q.sum(), p / p.sum()
    slope_of_q = (np.diag(q) - np.outer(q, q)) / temperature  # how each probability moves with each logit
    return slope_of_q @ (-p / q) * temperature**2


def _by_differences(student, teacher, temperature):
    from scipy.special import log_softmax, softmax

    def loss(logits):
        p, q = softmax(np.asarray(teacher) / temperature), log_softmax(logits / temperature)
        return temperature**2 * (p * (np.log(p) - q)).sum()

    step, found = 1e-5, []
    for place in np.eye(len(student)):
        found.append((loss(student + step * place) - loss(student - step * place)) / (2 * step))
    return found


def _by_torch_in_single_precision(student, teacher, temperature):
    import torch
    from torch.nn import functional

    student = torch.tensor(student, dtype=torch.float32, requires_grad=True)
    target = torch.log_softmax(torch.tensor(teacher, dtype=torch.float32) / temperature, dim=0)
    own = functional.log_softmax(student / temperature, dim=0)
    (temperature**2 * functional.kl_div(own, target, reduction="sum", log_target=True)).backward()
    return student.grad.tolist()


def _softmax(logits, temperature):
    powers = np.exp((np.asarray(logits) - np.max(logits)) / temperature)
    return powers / powers.sum()


def _times(student, teacher, temperature, factor):
    return factor * (_softmax(student, temperature) - _softmax(teacher, temperature))


def _of_cold_probabilities(student, teacher, temperature):
    return temperature * (_softmax(student, 1.0) - _softmax(teacher, 1.0))


def _the_limit(student, teacher, temperature):
    gap = np.asarray(student) - np.asarray(teacher)
    return (gap - gap.mean()) / len(gap)


def _student_cold(student, teacher, temperature):
    return temperature * (_softmax(student, 1.0) - _softmax(teacher, temperature))


def _teacher_cold(student, teacher, temperature):
    return temperature * (_softmax(student, temperature) - _softmax(teacher, 1.0))


def _first_choice(student, teacher, temperature):
    return temperature * (_softmax(student, temperature) - np.eye(len(teacher))[np.argmax(teacher)])


def _by_the_probabilities(student, teacher, temperature):
    return -(temperature**2) * _softmax(teacher, temperature) / _softmax(student, temperature)


def _by_the_softened_probabilities(student, teacher, temperature):
    return _by_the_probabilities(student, teacher, temperature) / temperature


def _not_centred(student, teacher, temperature):
    return (np.asarray(student) - np.asarray(teacher)) / len(student)


def _mean_over_classes(student, teacher, temperature):
    return _times(student, teacher, temperature, temperature / len(student))


def _cases(rng):
    return tuple(
        Case(args=(3 * rng.normal(size=n), 3 * rng.normal(size=n), float(rng.uniform(1.5, 6)))) for n in (2, 3, 5, 8)
    )


register(
    Exercise(
        id="distillation.imitation_gradient",
        lesson="10_distillation",
        title="What the teacher tells each score",
        difficulty=3,
        minutes=10,
        question="Give the derivative of T² · KL(teacher ‖ student) by each of the student's logits, for one text.",
        reference=imitation_gradient,
        tolerance=1e-3,
        public=(
            Case(args=(np.array([0.0, 0.0]), np.array([2.0, 0.0]), 2.0), note="student 50 : 50, teacher 73 : 27"),
            Case(args=(np.array([1.0, 0.0, 0.0]), np.array([3.0, 2.0, 0.0]), 4.0), note="three classes, temperature 4"),
            # Not quite its teacher: the tolerance is a share, and who differentiates numerically has no exact zero.
            Case(args=(np.array([1.0, -1.0]), np.array([1.5, -1.5]), 3.0), note="the student is nearly its teacher"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="that of the divergence alone",
                answer=lambda student, teacher, temperature: _times(student, teacher, temperature, 1 / temperature),
                hint="That is the gradient of KL. The loss has T² in front of it.",
            ),
            Misconception(
                name="forgets the chain rule",
                answer=lambda student, teacher, temperature: _times(student, teacher, temperature, temperature**2),
                hint="The softmax sees z/T and not z. What does the chain rule make of that?",
            ),
            Misconception(
                name="no factor at all",
                answer=lambda student, teacher, temperature: _times(student, teacher, temperature, 1.0),
                hint="Right at temperature 1. Otherwise two factors come in, T² from the loss and another from z/T; "
                "you have let them cancel.",
            ),
            Misconception(
                name="the sign",
                answer=lambda student, teacher, temperature: _times(student, teacher, temperature, -temperature),
                hint="The sign is turned round. Where the student gives a class too much, its logit should fall in a "
                "step *against* the gradient.",
            ),
            Misconception(
                name="probabilities at temperature 1",
                answer=_of_cold_probabilities,
                hint="You compare probabilities at temperature 1. The loss compares those at T.",
            ),
            Misconception(
                name="only the teacher is softened",
                answer=_student_cold,
                hint="The student's probabilities in the loss are softened too. A student that is its teacher should "
                "get a gradient of zero: try it.",
            ),
            Misconception(
                name="only the student is softened",
                answer=_teacher_cold,
                hint="The teacher's probabilities in the loss are softened too. A student that is its teacher should "
                "get no gradient: does it?",
            ),
            Misconception(
                name="the teacher's first choice for a label",
                answer=_first_choice,
                hint="Your target is the teacher's first choice alone, as if it were a label. The target is all that "
                "the teacher says, softened.",
            ),
            Misconception(
                name="by the probabilities",
                answer=_by_the_probabilities,
                hint="That is the derivative by the student's probabilities. The question is about its logits: the "
                "softmax lies between the two.",
            ),
            Misconception(
                name="past the division and not past the softmax",
                answer=_by_the_softened_probabilities,
                hint="You went from the probabilities through the division by T, but not through the softmax: there "
                "each logit moves all the probabilities.",
            ),
            Misconception(
                name="a mean over the classes",
                answer=_mean_over_classes,
                hint="You divide by the number of classes. The divergence of a text is a sum over them.",
            ),
            Misconception(
                name="differences of the logits",
                answer=_not_centred,
                hint="You give the differences of the logits over their number. Only at a very high temperature does "
                "the gradient come to that, and only if both are centred.",
            ),
            Misconception(
                name="the limit of high temperature",
                answer=_the_limit,
                hint="You give the differences of centred logits over their number. That is what the gradient comes to "
                "at a very high temperature, not what it is at this one.",
            ),
        ),
        alternatives=(_by_torch, _by_the_chain_rule, _by_differences, _by_torch_in_single_precision),
        hints=(
            "For cross-entropy with a label, the derivative by the logits is: own probabilities minus target. What is "
            "the target here?",
            "Only the cross-entropy depends on the student. At temperature T: softened student minus softened teacher, "
            "times what the chain rule gives for z/T.",
            "The chain rule gives 1/T, the loss has T². What is left of the two?",
        ),
    )
)
