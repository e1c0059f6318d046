"""What a column is worth: the loss, to first order."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def column_importance(weight, gradients):
    """The score of each column: how much the loss would change, to first order, without it."""
    change = (weight * gradients).sum(axis=1)  # (batches, columns): the derivative by each column's mask
    return np.abs(change).mean(axis=0)


def _by_einsum(weight, gradients):
    return abs(np.einsum("oc,boc->bc", weight, gradients)).sum(0) / len(gradients)


def _by_loop(weight, gradients):
    scores = np.zeros(weight.shape[1])
    for gradient in gradients:
        for column in range(weight.shape[1]):
            scores[column] += abs(float(weight[:, column] @ gradient[:, column])) / len(gradients)
    return scores


def _size_of_each_product(weight, gradients):
    return np.abs(weight * gradients).sum(axis=1).mean(axis=0)


def _batches_cancel(weight, gradients):
    return np.abs((weight * gradients).sum(axis=1).mean(axis=0))


def _keeps_the_sign(weight, gradients):
    return (weight * gradients).sum(axis=1).mean(axis=0)


def _rows(weight, gradients):
    return np.abs((weight * gradients).sum(axis=2)).mean(axis=0)


def _gradient_alone(weight, gradients):
    return np.abs(gradients.sum(axis=1)).mean(axis=0)


def _weight_alone(weight, gradients):
    return np.sqrt((weight**2).sum(axis=0))


def _one_number_a_batch(weight, gradients):
    return np.abs((weight * gradients).sum(axis=1)).mean(axis=1)


def _sum_over_batches(weight, gradients):
    return np.abs((weight * gradients).sum(axis=1)).sum(axis=0)


def _mean_down_the_column(weight, gradients):
    return np.abs((weight * gradients).mean(axis=1)).mean(axis=0)


def _squares(weight, gradients):
    return np.square((weight * gradients).sum(axis=1)).mean(axis=0)


def _root_mean_square(weight, gradients):
    return np.sqrt(_squares(weight, gradients))


def _still_by_batch(weight, gradients):
    return np.abs((weight * gradients).sum(axis=1))


def _size_of_the_weights(weight, gradients):
    return np.abs((np.abs(weight) * gradients).sum(axis=1)).mean(axis=0)


def _random(rng):
    return tuple(
        Case(args=(rng.normal(size=shape[1:]), rng.normal(size=shape)))
        for shape in ((2, 3, 5), (6, 4, 4), (4, 2, 7), (5, 6, 3))
    )


register(
    Exercise(
        id="structure.column_importance",
        lesson="04_bert_structure",
        title="What a column is worth to the loss",
        difficulty=2,
        minutes=10,
        question="Score each column by the size of the loss's derivative by the column's factor, mean over the "
        "batches.",
        reference=column_importance,
        public=(
            Case(
                args=(np.array([[1.0, 2.0], [-1.0, 2.0]]), np.array([[[3.0, 1.0], [3.0, 0.0]]])),
                note="one batch: what is in column 0 cancels, what is in column 1 does not",
            ),
            Case(
                args=(
                    np.array([[1.0, 1.0, 0.5], [2.0, -1.0, 0.0]]),
                    np.array([[[1.0, 1.0, 2.0], [0.0, 0.0, 9.0]], [[-1.0, 2.0, -2.0], [0.0, 1.0, 9.0]]]),
                ),
                note="two batches that pull column 0 in opposite directions",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="takes the size of each product",
                answer=_size_of_each_product,
                hint="You take sizes before you add up a column. The column goes as a whole: what its weights do to "
                "the loss together may cancel.",
            ),
            Misconception(
                name="lets the batches cancel",
                answer=_batches_cancel,
                hint="You average over the batches first, so a column that one batch needs and another hates scores "
                "nothing. Take the size in each batch.",
            ),
            Misconception(
                name="keeps the sign",
                answer=_keeps_the_sign,
                hint="Some of your scores are negative. A column that lowers the loss and one that raises it both "
                "do something; take the size.",
            ),
            Misconception(
                name="scores the rows",
                answer=_rows,
                hint="You have one score for each row of the weight. Its shape is (outputs, columns); which axis has "
                "to be summed away?",
            ),
            Misconception(
                name="looks at the gradient alone",
                answer=_gradient_alone,
                hint="Your scores ignore the weights. A steep slope under a weight that is zero already costs nothing.",
            ),
            Misconception(
                name="looks at the weights alone",
                answer=_weight_alone,
                hint="That is magnitude: nothing of the loss is in it. The question asks for the derivative.",
            ),
            Misconception(
                name="one number a batch",
                answer=_one_number_a_batch,
                hint="The last mean is over the columns. One score for each column is wanted, mean over the batches.",
            ),
            Misconception(
                name="sum over the batches",
                answer=_sum_over_batches,
                hint="You add up over the batches, so your scores grow with their number. Asked for is the mean.",
            ),
            Misconception(
                name="mean down the column",
                answer=_mean_down_the_column,
                hint="You take the mean over the outputs. The derivative is a sum: look at its formula again.",
            ),
            Misconception(
                name="squares",
                answer=_squares,
                hint="You square what the batches say. Take its size, as it is.",
            ),
            Misconception(
                name="root of the mean square",
                answer=_root_mean_square,
                hint="With one batch your scores are right. Over several you take the root of the mean square, in "
                "which one loud batch counts for more. Take the mean of the sizes.",
            ),
            Misconception(
                name="still one score a batch",
                answer=_still_by_batch,
                hint="You have a score for each batch and column. The mean over the batches is missing.",
            ),
            Misconception(
                name="the size of each weight",
                answer=_size_of_the_weights,
                hint="You take the weights without their sign. A weight's sign decides whether its product with the "
                "gradient adds or cancels: multiply first.",
            ),
        ),
        alternatives=(_by_einsum, _by_loop),
        hints=(
            "The derivative by a column's factor, in one batch, is the sum of weight times gradient down that column.",
            "`weight * gradients` has the shape (batches, outputs, columns). Sum over the outputs.",
            "Then the size of each number, and then the mean over the batches: in this order.",
        ),
    )
)
