"""Bytes to train: what is kept for each parameter, and what for each text."""

import math

from labkit.exercises import Case, Exercise, Misconception, register


def training_bytes(parameters, optimizer, batch, activations):
    """Bytes to train in fp32; `activations` are the numbers that the forward pass keeps for one text."""
    remembered = {"sgd": 0, "momentum": 1, "adam": 2}[optimizer]
    numbers = parameters * (1 + 1 + remembered) + batch * activations  # weight, gradient, optimizer
    return 4 * numbers


def _by_bytes_each(parameters, optimizer, batch, activations):
    each = 8
    if optimizer == "momentum":
        each += 4
    elif optimizer == "adam":
        each += 8
    return each * parameters + 4 * batch * activations


def _by_adding_up(parameters, optimizer, batch, activations):
    tensors = ["weight", "gradient"] + ["velocity"] * (optimizer == "momentum")
    tensors += ["mean", "square"] * (optimizer == "adam")
    return math.fsum([4 * parameters for _ in tensors] + [4 * activations] * batch)


def _weights_and_activations(parameters, optimizer, batch, activations):
    return 4 * (parameters + batch * activations)


def _no_gradient(parameters, optimizer, batch, activations):
    return training_bytes(parameters, optimizer, batch, activations) - 4 * parameters


def _one_moment(parameters, optimizer, batch, activations):
    optimizer = "momentum" if optimizer == "adam" else optimizer
    return training_bytes(parameters, optimizer, batch, activations)


def _adam_always(parameters, optimizer, batch, activations):
    return training_bytes(parameters, "adam", batch, activations)


def _one_text(parameters, optimizer, batch, activations):
    return training_bytes(parameters, optimizer, 1, activations)


def _all_for_every_text(parameters, optimizer, batch, activations):
    return batch * training_bytes(parameters, optimizer, 1, activations)


def _activations_as_bytes(parameters, optimizer, batch, activations):
    return training_bytes(parameters, optimizer, batch, activations) - 3 * batch * activations


def _no_activations(parameters, optimizer, batch, activations):
    return training_bytes(parameters, optimizer, batch, 0)


def _numbers_not_bytes(parameters, optimizer, batch, activations):
    return training_bytes(parameters, optimizer, batch, activations) // 4


register(
    Exercise(
        id="hardware.training_bytes",
        lesson="01_hardware_limits",
        title="Sixteen bytes, and then the batch",
        difficulty=2,
        minutes=8,
        question="Count the bytes to train in 32-bit floats with 'sgd', 'momentum' or 'adam', when the "
        "forward pass keeps `activations` numbers for each text of the batch.",
        reference=training_bytes,
        public=(
            Case(args=(100, "adam", 2, 30), note="sixteen bytes for each of a hundred, and two texts"),
            Case(args=(100, "sgd", 2, 30), note="plain gradient descent remembers nothing"),
            Case(args=(100, "momentum", 3, 30), note="momentum remembers one number a parameter"),
        ),
        hidden=lambda rng: tuple(
            Case(
                args=(
                    int(rng.integers(10**3, 10**6)),
                    kind,
                    int(rng.integers(2, 64)),
                    int(rng.integers(1, 10**4)),
                )
            )
            for kind in ("adam", "momentum", "sgd", "adam")
        ),
        misconceptions=(
            Misconception(
                name="weights and activations only",
                answer=_weights_and_activations,
                hint="This is what the article names: parameters and intermediate results. What does the "
                "backward pass produce, and what does the optimizer remember?",
            ),
            Misconception(
                name="no gradient",
                answer=_no_gradient,
                hint="You are one number a parameter short. There is the weight itself, what the backward pass gives "
                "for it, and what the optimizer remembers. Which did you leave out?",
            ),
            Misconception(
                name="Adam remembers one number",
                answer=_one_moment,
                hint="Adam keeps a running mean of the gradient, and something else besides. Look at its two betas.",
            ),
            Misconception(
                name="Adam always",
                answer=_adam_always,
                hint="You counted Adam's two moments for every optimizer. Plain SGD remembers nothing.",
            ),
            Misconception(
                name="one text's activations",
                answer=_one_text,
                hint="You counted the activations of one text. Are they shared by all texts of a batch?",
            ),
            Misconception(
                name="weights for every text",
                answer=_all_for_every_text,
                hint="You multiplied everything by the batch. All its texts use the same weights.",
            ),
            Misconception(
                name="activations counted in numbers",
                answer=_activations_as_bytes,
                hint="What belongs to the parameters is in bytes, as it should be. The activations are floats too.",
            ),
            Misconception(
                name="no activations",
                answer=_no_activations,
                hint="What is kept for the parameters is right. What the forward pass computed for each text is "
                "kept too, until the backward pass has used it.",
            ),
            Misconception(
                name="numbers instead of bytes",
                answer=_numbers_not_bytes,
                hint="You counted numbers. How many bytes does a 32-bit float take?",
            ),
        ),
        alternatives=(_by_bytes_each, _by_adding_up),
        hints=(
            "Two sums: what there is once for each parameter, and what there is once for each text.",
            "A parameter has a weight and a gradient, and what the optimizer remembers: nothing, one, or two numbers.",
            "With Adam that is four numbers a parameter. Add batch times activations, and turn numbers into bytes.",
        ),
    )
)
