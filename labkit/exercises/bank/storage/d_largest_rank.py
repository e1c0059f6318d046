"""When do two thin matrices have fewer weights than one?"""

from labkit.exercises import Case, Exercise, Misconception, register


def largest_rank(rows, columns):
    """The largest rank at which two factors have fewer weights than the matrix itself."""
    return (rows * columns - 1) // (rows + columns)  # rank · (rows + columns) must stay below rows · columns


def _by_search(rows, columns):
    rank = 0
    while (rank + 1) * rows + (rank + 1) * columns < rows * columns:
        rank += 1
    return rank


def _by_list(rows, columns):
    return max((r for r in range(min(rows, columns) + 1) if r * (rows + columns) < rows * columns), default=0)


def _all_that_there_is(rows, columns):
    return min(rows, columns) - 1


def _the_full_rank(rows, columns):
    return min(rows, columns)


def _one_less(rows, columns):
    return rows * columns // (rows + columns) - 1


def _half_of_the_side(rows, columns):
    return min(rows, columns) // 2


def _as_many_is_enough(rows, columns):
    return rows * columns // (rows + columns)


def _one_factor_only(rows, columns):
    return columns - 1


def _square_factors(rows, columns):
    return int((rows * columns - 1) ** 0.5)


def _random(rng):
    shapes = [(384, 384), (1536, 384), (30522, 384), (7, 42), (12, 4)]
    shapes += [(int(a), int(b)) for a, b in rng.integers(5, 3000, size=(5, 2))]
    return tuple(Case(args=shape) for shape in shapes)


register(
    Exercise(
        id="storage.largest_rank",
        lesson="09_storage",
        title="The rank at which it pays",
        difficulty=2,
        minutes=8,
        question="Give the largest rank at which the two factors together have fewer weights than the matrix.",
        reference=largest_rank,
        public=(
            Case(args=(4, 4), note="4 × 4: at rank 2 the factors have as many weights as the matrix"),
            Case(args=(6, 3), note="6 × 3"),
            Case(args=(100, 20), note="100 × 20"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="every rank below the full one",
                answer=_all_that_there_is,
                hint="A rank below the full one makes the product simpler, but not smaller: count the weights of both "
                "factors.",
            ),
            Misconception(
                name="half of the smaller side",
                answer=_half_of_the_side,
                hint="Half of the side is the border for a square matrix. Try 100 × 20.",
            ),
            Misconception(
                name="as many is fewer",
                answer=_as_many_is_enough,
                hint="At your rank the factors can have just as many weights as the matrix. Where is the gain?",
            ),
            Misconception(
                name="counts one factor",
                answer=_one_factor_only,
                hint="You compare one of the factors with the matrix. The other has to be stored as well.",
            ),
            Misconception(
                name="a square factor",
                answer=_square_factors,
                hint="You look for a rank whose square is small enough. They are rows × rank and rank × columns.",
            ),
            Misconception(
                name="the full rank",
                answer=_the_full_rank,
                hint="At the full rank the factors can make any matrix of that shape, and hold more weights than it "
                "does. Count those of both.",
            ),
            Misconception(
                name="always one less",
                answer=_one_less,
                hint="You take one off in every case. That is right where both have just as many weights, but not at "
                "100 × 20: try the next rank there.",
            ),
        ),
        alternatives=(_by_search, _by_list),
        hints=(
            "One factor has rows × rank weights, the other rank × columns.",
            "Together they have rank times (rows + columns). That has to be less than rows times columns.",
            "The largest whole number below rows · columns / (rows + columns): mind the case where that is whole.",
        ),
    )
)
