"""A sum in the place of a mean: what it does to each optimizer."""

from labkit.exercises import Case, Exercise, Misconception, register


def rate_for_sum(rate, workers, optimizer):
    """The learning rate that makes the same steps from the summed gradient as `rate` makes from the averaged one."""
    if optimizer == "adam":
        return rate  # a step is a mean gradient over the root of a mean square: a common factor cancels
    return rate / workers  # "sgd" and "momentum": the step is proportional to the gradient


def _by_the_length_of_a_step(rate, workers, optimizer):
    """Try it out on a slope of 1, 20 steps: how far does the summed gradient go, and how far should it go?"""

    def distance(slope):
        place = speed = mean = square = 0.0
        for step in range(1, 21):
            speed = 0.9 * speed + slope
            mean, square = 0.9 * mean + 0.1 * slope, 0.999 * square + 0.001 * slope**2
            corrected = mean / (1 - 0.9**step), (square / (1 - 0.999**step)) ** 0.5
            place += {"sgd": slope, "momentum": speed, "adam": corrected[0] / corrected[1]}[optimizer]
        return place

    return rate * distance(1.0) / distance(float(workers))


def _by_powers(rate, workers, optimizer):
    power = {"sgd": 1, "momentum": 1, "adam": 0}[optimizer]  # how the step grows with the gradient
    return rate * workers**-power


def _divides_always(rate, workers, optimizer):
    return rate / workers


def _never(rate, workers, optimizer):
    return rate


def _multiplies(rate, workers, optimizer):
    return rate if optimizer == "adam" else rate * workers


def _root(rate, workers, optimizer):
    return rate if optimizer == "adam" else rate / workers**0.5


def _momentum_cancels(rate, workers, optimizer):
    return rate / workers if optimizer == "sgd" else rate


def _adam_by_the_root(rate, workers, optimizer):
    return rate / workers**0.5 if optimizer == "adam" else rate / workers


def _random(rng):
    return tuple(
        Case(args=(float(rng.uniform(0.001, 2.0)), int(workers), optimizer))
        for optimizer in ("sgd", "momentum", "adam")
        for workers in rng.choice([2, 3, 5, 8, 16, 64], size=3, replace=False)
    )


register(
    Exercise(
        id="collectives.rate_for_sum",
        lesson="07_collectives",
        title="Sum or mean?",
        difficulty=2,
        minutes=8,
        question="A program adds gradients up over K workers and forgets to divide. Which learning rate makes the same "
        "steps as `rate` would with the mean, for the optimizer 'sgd', 'momentum' or 'adam'?",
        reference=rate_for_sum,
        public=(
            Case(args=(0.8, 4, "sgd"), note="the gradient is four times as long"),
            Case(args=(0.8, 4, "momentum"), note="a running sum of gradients"),
            Case(args=(0.001, 4, "adam"), note="a mean gradient over the root of a mean square"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="divides for every optimizer",
                answer=_divides_always,
                hint="You divide for Adam too. Its step is one average of gradients divided by another: what becomes "
                "of a factor that all gradients share?",
            ),
            Misconception(
                name="never changes the rate",
                answer=_never,
                hint="You leave the rate of gradient descent as it is. Its step is the rate times the gradient, and "
                "the gradient is K times as long.",
            ),
            Misconception(
                name="multiplies by the workers",
                answer=_multiplies,
                hint="You multiply. That is a rule of thumb for *larger batches* with a mean gradient; here the step "
                "is too long already.",
            ),
            Misconception(
                name="by the square root",
                answer=_root,
                hint="You divide by the root of K. Noise grows with the root of the number of rows, but here every "
                "gradient is exactly K times as long.",
            ),
            Misconception(
                name="momentum cancels the factor",
                answer=_momentum_cancels,
                hint="You leave the rate of momentum as it is. Momentum adds up gradients, each of them K times as "
                "long; nothing is divided there.",
            ),
            Misconception(
                name="Adam, by the square root",
                answer=_adam_by_the_root,
                hint="You divide Adam's rate by the root of K. Its second average is one of squares, K² times as "
                "large, but then the root is taken.",
            ),
        ),
        alternatives=(_by_the_length_of_a_step, _by_powers),
        hints=(
            "Write down a step of each optimizer, with Kg in the place of g.",
            "In SGD and in momentum the step is K times as long. In Adam, K stands above and below the line.",
            "Where the step is K times as long, the rate must be a K-th; where K cancels, nothing has to change.",
        ),
    )
)
