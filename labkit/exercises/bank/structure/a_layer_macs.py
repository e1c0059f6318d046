"""Where the work goes: the multiply-adds of one layer."""

from labkit.exercises import Case, Exercise, Misconception, register


def layer_macs(tokens, hidden, heads, head_size, width):
    """The multiply-adds of one layer for one text."""
    inside = heads * head_size  # numbers that all heads together have for a token
    projections = 4 * tokens * hidden * inside  # query, key, value, output
    attention = 2 * tokens * tokens * inside  # each token with each: the scores, then the weighted sum
    feed_forward = 2 * tokens * hidden * width  # up and down
    return projections + attention + feed_forward


def _matrix_by_matrix(tokens, hidden, heads, head_size, width):
    products = [(tokens, hidden, heads * head_size)] * 3 + [(tokens, heads * head_size, hidden)]
    products += [(tokens, head_size, tokens), (tokens, tokens, head_size)] * heads
    products += [(tokens, hidden, width), (tokens, width, hidden)]
    return sum(rows * middle * columns for rows, middle, columns in products)


def _token_by_token(tokens, hidden, heads, head_size, width):
    total = 0
    for _ in range(tokens):
        total += heads * (4 * hidden * head_size + 2 * tokens * head_size) + 2 * hidden * width
    return total


def _forgets_the_output_matrix(tokens, hidden, heads, head_size, width):
    return layer_macs(tokens, hidden, heads, head_size, width) - tokens * hidden * heads * head_size


def _weights_only(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * heads * head_size + 2 * hidden * width)


def _square_matrices(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * hidden + 2 * tokens * hidden + 2 * hidden * width)


def _only_up(tokens, hidden, heads, head_size, width):
    return layer_macs(tokens, hidden, heads, head_size, width) - tokens * hidden * width


def _counts_operations(tokens, hidden, heads, head_size, width):
    return 2 * layer_macs(tokens, hidden, heads, head_size, width)


def _each_head_in_full_width(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * heads * head_size + 2 * tokens * heads * hidden + 2 * hidden * width)


def _one_attention_product(tokens, hidden, heads, head_size, width):
    return layer_macs(tokens, hidden, heads, head_size, width) - tokens * tokens * heads * head_size


def _attention_of_one_head(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * heads * head_size + 2 * tokens * head_size + 2 * hidden * width)


def _counts_parameters(tokens, hidden, heads, head_size, width):
    return 4 * hidden * heads * head_size + 2 * hidden * width


def _forgets_the_tokens_of_the_matrices(tokens, hidden, heads, head_size, width):
    return _counts_parameters(tokens, hidden, heads, head_size, width) + 2 * tokens * tokens * heads * head_size


def _square_output_matrix(tokens, hidden, heads, head_size, width):
    inside = heads * head_size
    return layer_macs(tokens, hidden, heads, head_size, width) + tokens * hidden * (hidden - inside)


def _projections_of_one_head(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * head_size + 2 * tokens * heads * head_size + 2 * hidden * width)


def _square_projections(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * hidden + 2 * tokens * heads * head_size + 2 * hidden * width)


def _projections_between_heads(tokens, hidden, heads, head_size, width):
    inside = heads * head_size
    return tokens * (4 * inside * inside + 2 * tokens * inside + 2 * hidden * width)


def _attention_as_wide_as_a_token(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * heads * head_size + 2 * tokens * hidden + 2 * hidden * width)


def _feed_forward_from_the_heads(tokens, hidden, heads, head_size, width):
    inside = heads * head_size
    return tokens * (4 * hidden * inside + 2 * tokens * inside + 2 * inside * width)


def _one_for_each_pair(tokens, hidden, heads, head_size, width):
    return tokens * (4 * hidden * heads * head_size + 2 * tokens * heads + 2 * hidden * width)


def _random(rng):
    return tuple(
        Case(args=(int(rng.integers(2, 40)), 64 * int(rng.integers(2, 9)), int(rng.integers(1, 4)), 32,
                   128 * int(rng.integers(1, 9))))
        for _ in range(8)
    )  # fmt: skip


register(
    Exercise(
        id="structure.layer_macs",
        lesson="04_bert_structure",
        title="The multiply-adds of one layer",
        difficulty=2,
        minutes=10,
        question="Count the multiply-adds of one layer for one text: four projections, attention, feed-forward part.",
        reference=layer_macs,
        public=(
            Case(args=(3, 4, 2, 2, 8), note="three tokens of four numbers: the table of the lesson"),
            Case(args=(12, 384, 12, 32, 1536), note="a whole layer of our model, a headline of 12 tokens"),
            Case(args=(12, 384, 6, 32, 1536), note="half of the heads are gone"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="forgets the output matrix",
                answer=_forgets_the_output_matrix,
                hint="You count query, key and value. A fourth matrix brings what the heads found back to the hidden "
                "size.",
            ),
            Misconception(
                name="counts the weights only",
                answer=_weights_only,
                hint="Products of weights with tokens are all there. But two products in attention have no weights: "
                "tokens with tokens, once for the scores and once for the weighted sum.",
            ),
            Misconception(
                name="takes every matrix as square",
                answer=_square_matrices,
                hint="You take the hidden size on both sides, which is right only while no head is missing. How many "
                "numbers do the heads that are there have together?",
            ),
            Misconception(
                name="goes up and never down",
                answer=_only_up,
                hint="The feed-forward part has two matrices: one to its width, and one back.",
            ),
            Misconception(
                name="counts operations",
                answer=_counts_operations,
                hint="Your number is twice the right one. A multiplication and the addition after it are one "
                "multiply-add, and two FLOPs.",
            ),
            Misconception(
                name="gives every head the full width",
                answer=_each_head_in_full_width,
                hint="Each head compares tokens by its own few numbers, not by all of the hidden size.",
            ),
            Misconception(
                name="one product in attention",
                answer=_one_attention_product,
                hint="You count tokens with tokens once. It happens twice: each token is scored against each, and then "
                "the weights that come of it are multiplied with something, too.",
            ),
            Misconception(
                name="the attention of one head",
                answer=_attention_of_one_head,
                hint="You count the two products of attention for a single head. Each of the heads makes both.",
            ),
            Misconception(
                name="counts parameters",
                answer=_counts_parameters,
                hint="That is how many weights the layer has, and a longer text does not change it. Every token passes "
                "through each of these weights.",
            ),
            Misconception(
                name="forgets the tokens of the matrices",
                answer=_forgets_the_tokens_of_the_matrices,
                hint="The two products without weights are right. The six matrices you count for one token only.",
            ),
            Misconception(
                name="leaves the output matrix square",
                answer=_square_output_matrix,
                hint="Three of the four projections are as narrow as the heads. The output matrix reads what the heads "
                "give: is that still the hidden size when some are missing?",
            ),
            Misconception(
                name="projections of one head",
                answer=_projections_of_one_head,
                hint="Your four projections serve a single head. Every head needs its query, its key and its value, "
                "and the output matrix reads them all.",
            ),
            Misconception(
                name="takes the projections as square",
                answer=_square_projections,
                hint="Your two products of attention shrink when heads are missing, and your four projections do not. "
                "How wide are they on the side of the heads?",
            ),
            Misconception(
                name="projections between heads",
                answer=_projections_between_heads,
                hint="Your projections have the heads' numbers on both sides. A token comes in and goes out with all "
                "of its hidden size, whatever heads there are.",
            ),
            Misconception(
                name="attention as wide as a token",
                answer=_attention_as_wide_as_a_token,
                hint="Your projections are right. But scores and weighted sums are made of the numbers that the heads "
                "have, and these are fewer than the hidden size when heads are missing.",
            ),
            Misconception(
                name="feed-forward from the heads",
                answer=_feed_forward_from_the_heads,
                hint="The feed-forward part comes after the output matrix. How many numbers does a token have there?",
            ),
            Misconception(
                name="one for each pair of tokens",
                answer=_one_for_each_pair,
                hint="In attention you count one multiply-add for each pair of tokens and head. A score is made of "
                "two rows of numbers: how many multiply-adds does that take?",
            ),
        ),
        alternatives=(_matrix_by_matrix, _token_by_token),
        hints=(
            "A product of shapes (a, b) and (b, c) takes a·b·c multiply-adds.",
            "Write down six kinds of products: three projections in, scores, weighted sum, projection out, up, down.",
            "The heads have heads · head_size numbers a token between them. With I for that: projections 4·T·H·I, "
            "attention 2·T·T·I.",
        ),
    )
)
