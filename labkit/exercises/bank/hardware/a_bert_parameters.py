"""Count the parameters of a BERT from its configuration."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads):
    """All parameters of a BERT with its pooler, from the sizes in its configuration."""
    norm = 2 * hidden
    embeddings = (vocabulary + positions + 2) * hidden + norm
    attention = 4 * (hidden * hidden + hidden)  # query, key, value, output; the heads share them out
    feed_forward = hidden * intermediate + intermediate + intermediate * hidden + hidden
    pooler = hidden * hidden + hidden
    return embeddings + layers * (attention + norm + feed_forward + norm) + pooler


def _from_a_list_of_shapes(vocabulary, positions, layers, hidden, intermediate, heads):
    h, i = hidden, intermediate
    layer = [(h, h), (h,)] * 4 + [(h,)] * 4 + [(i, h), (i,), (h, i), (h,)]
    outside = [(vocabulary, h), (positions, h), (2, h), (h,), (h,), (h, h), (h,)]
    return sum(int(np.prod(shape)) for shape in outside + layers * layer)


def _head_by_head(vocabulary, positions, layers, hidden, intermediate, heads):
    def dense(inputs, outputs):
        return (inputs + 1) * outputs

    total = dense(hidden, hidden) + hidden * (vocabulary + positions + 4)
    for _ in range(layers):
        per_head = 3 * dense(hidden, hidden // heads)
        total += heads * per_head + dense(hidden, hidden) + 4 * hidden
        total += dense(hidden, intermediate) + dense(intermediate, hidden)
    return total


def _no_biases(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - layers * (5 * hidden + intermediate) - hidden


def _no_norms(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - 2 * hidden - layers * 4 * hidden


def _words_only(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - (positions + 2) * hidden


def _two_rows_short(vocabulary, positions, layers, hidden, intermediate, heads):
    return bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads) - 2 * hidden


def _norms_only_scale(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - hidden - layers * 2 * hidden


def _no_pooler(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - hidden * hidden - hidden


def _each_head_has_its_own(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right + layers * (heads - 1) * 3 * (hidden * hidden + hidden)


def _three_projections(vocabulary, positions, layers, hidden, intermediate, heads):
    right = bert_parameters(vocabulary, positions, layers, hidden, intermediate, heads)
    return right - layers * (hidden * hidden + hidden)


def _one_layer_only(vocabulary, positions, layers, hidden, intermediate, heads):
    return bert_parameters(vocabulary, positions, 1, hidden, intermediate, heads)


def _cases(rng):
    cases = []
    for _ in range(4):
        heads = int(rng.integers(2, 9))
        hidden = heads * int(rng.integers(2, 65))
        sizes = {
            "vocabulary": int(rng.integers(100, 30_000)),
            "positions": int(rng.integers(16, 600)),
            "layers": int(rng.integers(2, 25)),
            "hidden": hidden,
            "intermediate": int(rng.integers(hidden, 5 * hidden)),
            "heads": heads,
        }
        cases.append(Case(kwargs=sizes))
    return tuple(cases)


register(
    Exercise(
        id="hardware.bert_parameters",
        lesson="01_hardware_limits",
        title="Count a BERT",
        difficulty=2,
        minutes=12,
        question="Count all parameters of a BERT (two segment types, with pooler) from its configuration.",
        reference=bert_parameters,
        public=(
            Case(args=(10, 6, 2, 4, 8, 2), note="small enough for paper: 444"),
            Case(args=(30_522, 512, 12, 768, 3072, 12), note="BERT-base"),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="no biases",
                answer=_no_biases,
                hint="Your matrices are right. A dense layer also adds one number to each of its outputs.",
            ),
            Misconception(
                name="no layer norms",
                answer=_no_norms,
                hint="The layer norms are missing: each scales and shifts every one of its inputs. There "
                "is one after the embeddings, and there are two in each layer.",
            ),
            Misconception(
                name="words are all that is embedded",
                answer=_words_only,
                hint="You embedded the words. BERT also adds a vector for the place of a token, and one "
                "for the segment it is in.",
            ),
            Misconception(
                name="no segments, or no norm after the embeddings",
                answer=_two_rows_short,
                hint="You are 2 · hidden short. Around the layers two things have that many parameters: the "
                "vectors of the two segments, and the norm after the embeddings. Which of them is missing?",
            ),
            Misconception(
                name="norms that only scale",
                answer=_norms_only_scale,
                hint="Your norms have one parameter for each input. A norm scales each of its inputs and "
                "shifts it as well.",
            ),
            Misconception(
                name="no pooler",
                answer=_no_pooler,
                hint="The layers are right. What does BERT do with the first token, after the last layer?",
            ),
            Misconception(
                name="each head has matrices of full size",
                answer=_each_head_has_its_own,
                hint="You multiplied by the number of heads. The heads share the hidden size among them: "
                "each works on its own slice of one projection.",
            ),
            Misconception(
                name="three projections in the attention",
                answer=_three_projections,
                hint="Query, key and value are there. One more dense layer mixes the heads' results.",
            ),
            Misconception(
                name="one layer only",
                answer=_one_layer_only,
                hint="Every layer has weights of its own. How many times did you count them?",
            ),
        ),
        alternatives=(_from_a_list_of_shapes, _head_by_head),
        hints=(
            "Go through the model in the order a token does: embeddings and their norm, the layers, the pooler.",
            "A dense layer from m to n numbers has (m + 1)·n parameters, a norm over h numbers has 2h.",
            "A layer: four dense layers h to h, one h to i, one i to h, two norms. The number of heads is "
            "not needed at all.",
        ),
    )
)
