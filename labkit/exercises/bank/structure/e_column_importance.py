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
        question="Score each column by the size of its mask's derivative, mean over the batches.",
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
        ),
        alternatives=(_by_einsum, _by_loop),
        hints=(
            "The derivative by a column's mask, in one batch, is the sum of weight times gradient down that column.",
            "`weight * gradients` has the shape (batches, outputs, columns). Sum over the outputs.",
            "Then the size of each number, and then the mean over the batches: in this order.",
        ),
    )
)
