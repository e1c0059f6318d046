"""What a merged vocabulary takes: the table that is left, and the map to it."""

import math

from labkit.exercises import Case, Exercise, Misconception, register


def merged_bytes(tokens, rows, width, bits):
    """The bytes of a table of so many rows, and of the map that gives each token its row, with whole bits."""
    table = rows * width * bits
    choice = math.ceil(math.log2(rows))  # bits that tell one row from the others
    return (table + tokens * choice) / 8


def _by_bit_length(tokens, rows, width, bits):
    return (rows * width * bits + tokens * (rows - 1).bit_length()) / 8


def _by_search(tokens, rows, width, bits):
    choice = 0
    while 2**choice < rows:
        choice += 1
    return rows * width * bits / 8 + tokens * choice / 8


def _without_the_map(tokens, rows, width, bits):
    return rows * width * bits / 8


def _a_row_for_each_token(tokens, rows, width, bits):
    return (tokens * width * bits + tokens * math.ceil(math.log2(rows))) / 8


def _the_map_has_the_bits_of_the_table(tokens, rows, width, bits):
    return (rows * width * bits + tokens * bits) / 8


def _a_map_of_the_rows(tokens, rows, width, bits):
    return (rows * width * bits + rows * math.ceil(math.log2(tokens))) / 8


def _four_bytes_each(tokens, rows, width, bits):
    return rows * width * bits / 8 + 4 * tokens


def _two_bytes_each(tokens, rows, width, bits):
    return rows * width * bits / 8 + 2 * tokens


def _whole_bytes_each(tokens, rows, width, bits):
    return rows * width * bits / 8 + tokens * math.ceil(math.log2(rows) / 8)


def _fractions_of_a_bit(tokens, rows, width, bits):
    return (rows * width * bits + tokens * math.log2(rows)) / 8


def _rounded_down(tokens, rows, width, bits):
    return (rows * width * bits + tokens * int(math.log2(rows))) / 8


def _to_the_nearest(tokens, rows, width, bits):
    return (rows * width * bits + tokens * round(math.log2(rows))) / 8


def _without_the_table(tokens, rows, width, bits):
    return tokens * math.ceil(math.log2(rows)) / 8


def _a_number_too_many(tokens, rows, width, bits):
    return (rows * width * bits + tokens * rows.bit_length()) / 8


def _tells_the_tokens_apart(tokens, rows, width, bits):
    return (rows * width * bits + tokens * math.ceil(math.log2(tokens))) / 8


def _merged_tokens_only(tokens, rows, width, bits):
    return (rows * width * bits + (tokens - rows) * math.ceil(math.log2(rows))) / 8


def _two_numbers(tokens, rows, width, bits):
    return rows * width * bits / 8, tokens * math.ceil(math.log2(rows)) / 8


def _bits_not_bytes(tokens, rows, width, bits):
    return rows * width * bits + tokens * math.ceil(math.log2(rows))


def _random(rng):
    # Tokens and width in eights, so that nothing depends on how a part of a byte is rounded.
    def one(rows):
        tokens, width = 8 * int(rng.integers(1_250, 5_000)), 8 * int(rng.integers(4, 50))
        return Case(args=(tokens, int(rows), width, int(rng.integers(2, 33))))

    return tuple(one(rows) for rows in (4096, 1100, 3000, *rng.integers(500, 9_000, size=4)))


register(
    Exercise(
        id="storage.merged_bytes",
        lesson="09_storage",
        title="A smaller table and its map",
        difficulty=1,
        minutes=6,
        question="Count the bytes of both together: the table that is left, and the map, which gives every token a row "
        "number of the same whole number of bits.",
        reference=merged_bytes,
        public=(
            Case(args=(8, 4, 2, 16), note="8 tokens, 4 rows of 2 weights with 16 bits: 16 bytes and 2 bytes"),
            Case(args=(30522, 4096, 384, 4), note="our vocabulary, merged to 4,096 rows"),
            Case(args=(1000, 70, 10, 8), note="a number of rows that is no power of two"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="forgets the map",
                answer=_without_the_map,
                hint="The table is right. But how does a token find its row? Whoever loads the file must know it too.",
            ),
            Misconception(
                name="a row for each token",
                answer=_a_row_for_each_token,
                hint="Your table still has a row for each token. Only the rows that were kept are stored.",
            ),
            Misconception(
                name="gives the map the bits of the weights",
                answer=_the_map_has_the_bits_of_the_table,
                hint="The map holds no weights but numbers of rows. How many bits does it take to tell the rows apart?",
            ),
            Misconception(
                name="maps the rows and not the tokens",
                answer=_a_map_of_the_rows,
                hint="You store a token for each row. But many tokens use a row: it is each token that needs one.",
            ),
            Misconception(
                name="four bytes for each number",
                answer=_four_bytes_each,
                hint="You spend 32 bits on a row number. A number below 4,096 fits into 12.",
            ),
            Misconception(
                name="two bytes for each number",
                answer=_two_bytes_each,
                hint="You spend 16 bits on a row number, however few rows there are. A number below 4,096 needs fewer.",
            ),
            Misconception(
                name="whole bytes for each number",
                answer=_whole_bytes_each,
                hint="You give each token whole bytes. The map is written without gaps, so whole bits are enough.",
            ),
            Misconception(
                name="fractions of a bit",
                answer=_fractions_of_a_bit,
                hint="You spend fractions of a bit. Here each token has a number of its own, and that has whole bits: "
                "round up.",
            ),
            Misconception(
                name="rounds the bits down",
                answer=_rounded_down,
                hint="Your row numbers are a bit too short: with 6 bits one can tell 64 rows apart, but not 70.",
            ),
            Misconception(
                name="a bit too many at a power of two",
                answer=_a_number_too_many,
                hint="Row numbers begin with 0. The last of 4 rows has the number 3: how many bits does that have?",
            ),
            Misconception(
                name="tells the tokens apart",
                answer=_tells_the_tokens_apart,
                hint="Your numbers are long enough to tell all tokens apart. The map names rows, and there are fewer.",
            ),
            Misconception(
                name="only tokens that lost their row",
                answer=_merged_tokens_only,
                hint="Your map leaves out the tokens that kept their row. But then somebody has to know which those "
                "are: here every token gets a number.",
            ),
            Misconception(
                name="two numbers",
                answer=_two_numbers,
                hint="You give the table and the map apart. The question asks for the bytes of both together.",
            ),
            Misconception(
                name="bits, not bytes",
                answer=_bits_not_bytes,
                hint="Everything is counted, but in bits. The question asks for bytes.",
            ),
            Misconception(
                name="rounds to the nearest number of bits",
                answer=_to_the_nearest,
                hint="You round the bits of a row number to the nearest whole number, which is sometimes the lower "
                "one. Then there are more rows than numbers.",
            ),
            Misconception(
                name="forgets the table",
                answer=_without_the_table,
                hint="The map is right. The rows that were kept are in the file too.",
            ),
        ),
        alternatives=(_by_bit_length, _by_search),
        hints=(
            "Two things are in the file: the rows that were kept, and for each token the number of its row.",
            "To tell one of 4 rows takes 2 bits, one of 5 rows takes 3.",
            "rows · width · bits for the table, tokens times the bits of a row number for the map; then to bytes.",
        ),
    )
)
