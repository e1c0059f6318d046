"""Sentences cut into pieces as short as headlines."""

from labkit.exercises import Case, Exercise, Misconception, register


def pieces(sentences, words):
    """The sentences cut into pieces of so many words; a single word that is left stays with the piece before it."""
    cut = []
    for sentence in sentences:
        row = sentence.split()
        while len(row) > words + 1:
            cut.append(" ".join(row[:words]))
            row = row[words:]
        cut.append(" ".join(row))
    return cut


def _by_slices(sentences, words):
    cut = []
    for sentence in sentences:
        row = sentence.split()
        parts = [row[start : start + words] for start in range(0, len(row), words)]
        if len(parts) > 1 and len(parts[-1]) == 1:
            last = parts.pop()
            parts[-1] = parts[-1] + last
        cut += [" ".join(part) for part in parts]
    return cut


def _by_recursion(sentences, words):
    def halves(row):
        return [row] if len(row) <= words + 1 else [row[:words], *halves(row[words:])]

    return [" ".join(part) for sentence in sentences for part in halves(sentence.split())]


def _chunks(row, words):
    return [" ".join(row[start : start + words]) for start in range(0, len(row), words)]


def _leaves_a_word_alone(sentences, words):
    return [piece for sentence in sentences for piece in _chunks(sentence.split(), words)]


def _drops_a_single_word(sentences, words):
    return [piece for piece in _leaves_a_word_alone(sentences, words) if " " in piece]


def _drops_the_rest(sentences, words):
    return [piece for piece in _leaves_a_word_alone(sentences, words) if len(piece.split()) == words]


def _joins_every_rest(sentences, words):
    cut = []
    for sentence in sentences:
        parts = _chunks(sentence.split(), words)
        if len(parts) > 1 and len(parts[-1].split()) < words:
            parts[-2:] = [" ".join(parts[-2:])]
        cut += parts
    return cut


def _takes_a_word(sentences, words):
    cut = []
    for sentence in sentences:
        parts = [part.split() for part in _chunks(sentence.split(), words)]
        if len(parts) > 1 and len(parts[-1]) == 1:
            parts[-1].insert(0, parts[-2].pop())
        cut += [" ".join(part) for part in parts]
    return cut


def _first_words_only(sentences, words):
    return [" ".join(sentence.split()[:words]) for sentence in sentences]


def _across_sentences(sentences, words):
    return pieces([" ".join(sentences)], words)


def _characters(sentences, words):
    return [sentence[start : start + words] for sentence in sentences for start in range(0, len(sentence), words)]


def _overlapping(sentences, words):
    return [
        " ".join(row[start : start + words])
        for row in map(str.split, sentences)
        for start in range(max(len(row) - words + 1, 1))
    ]


def _nested(sentences, words):
    return [pieces([sentence], words) for sentence in sentences]


def _cases(rng):
    bank = ["profits", "shares", "oil", "film", "award", "vote", "minister", "match", "goal", "phone", "network"]

    def sentence(length):
        return " ".join(rng.choice(bank, size=length))

    def case(words):
        lengths = [words + 1, 2 * words + 1, 3 * words, 2 * words + 2, int(rng.integers(2, 30))]
        return Case(args=([sentence(n) for n in rng.permutation(lengths)], words))

    return tuple(case(words) for words in (3, 4, 7, 10))


register(
    Exercise(
        id="distillation.pieces",
        lesson="10_distillation",
        title="As short as headlines",
        difficulty=2,
        minutes=8,
        question="Cut each sentence into pieces of `words` words. The last piece may be shorter, but a single word "
        "that is left over stays with the piece before it.",
        reference=pieces,
        public=(
            Case(args=(["shares fall as oil price rises again"], 3), note="seven words: three, and four"),
            Case(args=(["shares fall as oil price"], 3), note="five words: three, and two"),
            Case(args=(["shares fall", "minister wins the vote"], 3), note="a short sentence, and one of four words"),
            Case(
                args=(["the new phone sells well", "the match ends in a draw"], 3),
                note="a piece ends where its sentence ends",
            ),
        ),
        hidden=_cases,
        misconceptions=(
            Misconception(
                name="leaves a word alone",
                answer=_leaves_a_word_alone,
                hint="A single word is left as a piece of its own. What should the teacher make of “again”? It "
                "stays with the piece before it.",
            ),
            Misconception(
                name="drops a single word",
                answer=_drops_a_single_word,
                hint="Some words are gone: those that were left alone at the end. Keep them with the piece before.",
            ),
            Misconception(
                name="drops the rest",
                answer=_drops_the_rest,
                hint="You keep full pieces only. What is left at the end of a sentence is text too.",
            ),
            Misconception(
                name="joins every rest",
                answer=_joins_every_rest,
                hint="You join every shorter rest to the piece before it. Two words or more are a piece of their own; "
                "only a single word is not.",
            ),
            Misconception(
                name="takes a word from the piece before",
                answer=_takes_a_word,
                hint="You give a single word the last word of the piece before for company. It should be the other "
                "way round: the single word goes to the piece before it.",
            ),
            Misconception(
                name="first words only",
                answer=_first_words_only,
                hint="You keep the beginning of each sentence. That is the other way to cut, which labkit calls "
                '"start"; here no word is thrown away.',
            ),
            Misconception(
                name="across sentences",
                answer=_across_sentences,
                hint="A piece of yours has the end of one sentence and the beginning of the next. They may come from "
                "different articles.",
            ),
            Misconception(
                name="counts characters",
                answer=_characters,
                hint="You count characters. `split` gives the words of a sentence.",
            ),
            Misconception(
                name="overlapping",
                answer=_overlapping,
                hint="Your pieces overlap: each begins one word after the one before. Begin where the last one ended.",
            ),
            Misconception(
                name="a list for each sentence",
                answer=_nested,
                hint="You give a list of pieces for each sentence. The student wants one list of texts.",
            ),
        ),
        alternatives=(_by_slices, _by_recursion),
        hints=(
            "Take one sentence. Split it into words, and cut off so many words at a time.",
            "When do you stop cutting? When what is left is no longer than a piece, or just one word longer.",
            "While more than `words` + 1 words are left: take the first `words` off. Then the rest is the last piece.",
        ),
    )
)
