"""Removing attention heads: which rows, which columns, which biases."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def narrow_heads(query, query_bias, output, output_bias, head_size, kept):
    """Query and output matrices with their biases, cut to the heads `kept`."""
    places = np.concatenate([np.arange(head * head_size, (head + 1) * head_size) for head in kept])
    return query[places], query_bias[places], output[:, places], output_bias.copy()


def _by_shape(query, query_bias, output, output_bias, head_size, kept):
    kept = list(kept)
    rows = query.reshape(-1, head_size, query.shape[1])[kept].reshape(-1, query.shape[1])
    bias = query_bias.reshape(-1, head_size)[kept].ravel()
    columns = output.reshape(output.shape[0], -1, head_size)[:, kept].reshape(output.shape[0], -1)
    return rows, bias, columns, output_bias.copy()


def _by_mask(query, query_bias, output, output_bias, head_size, kept):
    mask = np.isin(np.arange(len(query)) // head_size, kept)
    return query[mask], query_bias[mask], output.T[mask].T, output_bias


def _rows_of_the_output(query, query_bias, output, output_bias, head_size, kept):
    rows, bias, _, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    places = [head * head_size + i for head in kept for i in range(head_size)]
    return rows, bias, output[places], output_bias


def _forgets_the_bias(query, query_bias, output, output_bias, head_size, kept):
    rows, _, columns, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    return rows, query_bias, columns, output_bias


def _cuts_the_output_bias(query, query_bias, output, output_bias, head_size, kept):
    rows, bias, columns, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    places = [head * head_size + i for head in kept for i in range(head_size)]
    return rows, bias, columns, output_bias[places]


def _columns_of_the_query(query, query_bias, output, output_bias, head_size, kept):
    _, bias, columns, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    places = [head * head_size + i for head in kept for i in range(head_size)]
    return query[:, places], bias, columns, output_bias


def _the_wrong_way_round(query, query_bias, output, output_bias, head_size, kept):
    places = [head * head_size + i for head in kept for i in range(head_size)]
    return query[:, places], query_bias[places], output[places], output_bias


def _rows_of_everything(query, query_bias, output, output_bias, head_size, kept):
    places = [head * head_size + i for head in kept for i in range(head_size)]
    return query[places], query_bias[places], output[places], output_bias[places]


def _interleaved(query, query_bias, output, output_bias, head_size, kept):
    heads = len(query) // head_size
    places = np.array([i for i in range(len(query)) if i % heads in kept])
    return query[places], query_bias[places], output[:, places], output_bias.copy()


def _one_row_a_head(query, query_bias, output, output_bias, head_size, kept):
    places = np.array(kept)
    return query[places], query_bias[places], output[:, places], output_bias.copy()


def _removes_the_kept(query, query_bias, output, output_bias, head_size, kept):
    others = [head for head in range(len(query) // head_size) if head not in kept]
    return narrow_heads(query, query_bias, output, output_bias, head_size, others)


def _zeros_instead(query, query_bias, output, output_bias, head_size, kept):
    mask = np.isin(np.arange(len(query)) // head_size, kept)
    return query * mask[:, None], query_bias * mask, output * mask, output_bias


def _the_first_ones(query, query_bias, output, output_bias, head_size, kept):
    return narrow_heads(query, query_bias, output, output_bias, head_size, range(len(kept)))


def _output_as_it_was(query, query_bias, output, output_bias, head_size, kept):
    rows, bias, _, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    return rows, bias, output.copy(), output_bias.copy()


def _blocks_overlap(query, query_bias, output, output_bias, head_size, kept):
    places = [head + i for head in kept for i in range(head_size)]
    return query[places], query_bias[places], output[:, places], output_bias.copy()


def _heads_as_an_axis(query, query_bias, output, output_bias, head_size, kept):
    blocks = [slice(head * head_size, (head + 1) * head_size) for head in kept]
    parts = [[query[one] for one in blocks], [query_bias[one] for one in blocks], [output[:, one] for one in blocks]]
    return (*map(np.array, parts), output_bias.copy())


def _output_on_its_side(query, query_bias, output, output_bias, head_size, kept):
    rows, bias, columns, _ = narrow_heads(query, query_bias, output, output_bias, head_size, kept)
    return rows, bias, columns.T, output_bias.copy()


def _layer(rng, hidden, heads, head_size):
    inside = heads * head_size
    return (rng.normal(size=(inside, hidden)), rng.normal(size=inside), rng.normal(size=(hidden, inside)),
            rng.normal(size=hidden), head_size)  # fmt: skip


def _random(rng):
    sizes = ((8, 4, 2, [1, 2]), (6, 3, 2, [0]), (6, 5, 3, [0, 1, 4]), (12, 4, 3, [3]), (8, 2, 4, [0, 1]))
    return tuple(Case(args=(*_layer(rng, *size), kept)) for *size, kept in sizes)


register(
    Exercise(
        id="structure.narrow_heads",
        lesson="04_bert_structure",
        title="Cutting heads out of the matrices",
        difficulty=3,
        minutes=12,
        question="Cut the query and output matrices of PyTorch layers, and their biases, down to the heads `kept`.",
        reference=narrow_heads,
        public=(
            Case(
                args=(
                    np.arange(16.0).reshape(4, 4),
                    np.array([0.1, 0.2, 0.3, 0.4]),
                    -np.arange(16.0).reshape(4, 4),
                    np.array([1.0, 2.0, 3.0, 4.0]),
                    2,
                    [1],
                ),
                note="two heads of two numbers; the second stays",
            ),
            Case(
                args=(
                    np.arange(18.0).reshape(6, 3),
                    np.arange(6.0) / 10,
                    np.arange(18.0).reshape(3, 6) / 100,
                    np.array([1.0, 2.0, 3.0]),
                    2,
                    [0, 2],
                ),
                note="three heads; the middle one goes",
            ),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="rows of the output matrix",
                answer=_rows_of_the_output,
                hint="You cut rows out of the output matrix. A head gives numbers *to* that matrix; where in a "
                "PyTorch weight of shape (outputs, inputs) do they arrive?",
            ),
            Misconception(
                name="forgets the bias of the query",
                answer=_forgets_the_bias,
                hint="The matrices fit together, but the query's bias still has an entry for every old row.",
            ),
            Misconception(
                name="cuts the bias of the output",
                answer=_cuts_the_output_bias,
                hint="The output bias is added after all heads are summed up: it belongs to the hidden size, not to "
                "a head.",
            ),
            Misconception(
                name="columns of the query",
                answer=_columns_of_the_query,
                hint="You cut the side of the query that reads the token. The token keeps all its numbers; it is the "
                "results that become fewer.",
            ),
            Misconception(
                name="weights as (inputs, outputs)",
                answer=_the_wrong_way_round,
                hint="You take a weight as (inputs, outputs), in both matrices. PyTorch keeps it the other way round.",
            ),
            Misconception(
                name="rows of everything",
                answer=_rows_of_everything,
                hint="You cut all four arrays along their first axis. On the query's side a head is what comes out; "
                "on the output's side it is what goes in. And to which of the two does the output's bias belong?",
            ),
            Misconception(
                name="takes the heads as interleaved",
                answer=_interleaved,
                hint="You take every so manyth row. The rows of a head lie next to each other: head 0 has the first "
                "`head_size` of them.",
            ),
            Misconception(
                name="one row a head",
                answer=_one_row_a_head,
                hint="You keep one row for each head. A head has `head_size` of them.",
            ),
            Misconception(
                name="removes the heads to keep",
                answer=_removes_the_kept,
                hint="What should stay is gone, and what should go is there.",
            ),
            Misconception(
                name="zeros instead of fewer",
                answer=_zeros_instead,
                hint="Your matrices are as large as before, with zeros in them. That was the last lesson: nothing "
                "gets faster by it.",
            ),
            Misconception(
                name="as many, but the first",
                answer=_the_first_ones,
                hint="You keep as many heads as asked for, but the first ones. `kept` says which.",
            ),
            Misconception(
                name="the output matrix as it was",
                answer=_output_as_it_was,
                hint="The query's side is right. The output matrix still waits for the numbers of heads that are gone.",
            ),
            Misconception(
                name="blocks that overlap",
                answer=_blocks_overlap,
                hint="Your block of head h begins at place h. How many places do the heads before it take?",
            ),
            Misconception(
                name="heads as an axis of their own",
                answer=_heads_as_an_axis,
                hint="The places are the right ones, but you stacked the heads along a new axis. A matrix stays a "
                "matrix: lay the blocks one after the other.",
            ),
            Misconception(
                name="the output matrix on its side",
                answer=_output_on_its_side,
                hint="The right columns, but your output matrix is turned: it has the heads' numbers along its first "
                "axis. PyTorch keeps (outputs, inputs).",
            ),
        ),
        alternatives=(_by_shape, _by_mask),
        hints=(
            "PyTorch keeps the weight of a layer as (outputs, inputs). A head is a block of outputs of the query.",
            "Head h has `head_size` places, from h · head_size on. List those of all kept heads, one after the other.",
            "With that list: rows of the query, entries of its bias, columns of the output. The output's bias stays.",
        ),
    )
)
