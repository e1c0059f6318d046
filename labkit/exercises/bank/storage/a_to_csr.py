"""Compressed sparse rows: the values that are not zero, their columns, and where each row starts."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def to_csr(matrix):
    """Three lists: the values that are not zero, row by row, their columns, and where each row starts among them."""
    values, columns, starts = [], [], [0]
    for row in matrix:
        for column, value in enumerate(row):
            if value != 0:
                values.append(value)
                columns.append(column)
        starts.append(len(values))  # the next row starts where this one ends; the last entry is the number of all
    return values, columns, starts


def _by_numpy(matrix):
    matrix = np.asarray(matrix)
    rows, columns = np.nonzero(matrix)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(matrix)))])
    return matrix[rows, columns].tolist(), columns.tolist(), starts.tolist()


def _by_scipy(matrix):
    from scipy.sparse import csr_array

    found = csr_array(np.asarray(matrix))
    return found.data, found.indices, found.indptr


def _row_numbers(matrix):
    rows, columns = np.nonzero(matrix)
    return [matrix[i][j] for i, j in zip(rows, columns, strict=True)], columns.tolist(), rows.tolist()


def _without_the_end(matrix):
    values, columns, starts = to_csr(matrix)
    return values, columns, starts[:-1]


def _without_the_beginning(matrix):
    values, columns, starts = to_csr(matrix)
    return values, columns, starts[1:]


def _none_for_an_empty_row(matrix):
    values, columns, starts = to_csr(matrix)
    for place, row in enumerate(matrix):
        starts[place] = starts[place] if any(row) else None
    return values, columns, starts


def _first_place_of_each_value(matrix):
    values, _, starts = to_csr(matrix)
    return values, [row.index(value) for row in matrix for value in row if value], starts


def _counts(matrix):
    values, columns, starts = to_csr(matrix)
    return values, columns, np.diff(starts).tolist()


def _by_columns(matrix):
    return to_csr(np.asarray(matrix).T.tolist())


def _flat_places(matrix):
    values, _, starts = to_csr(matrix)
    return values, np.flatnonzero(matrix).tolist(), starts


def _starts_in_the_whole_matrix(matrix):
    values, columns, _ = to_csr(matrix)
    return values, columns, [row * len(matrix[0]) for row in range(len(matrix) + 1)]


def _forgets_empty_rows(matrix):
    return to_csr([row for row in matrix if any(row)])


def _random(rng):
    def one(rows, columns, share):
        matrix = rng.integers(-7, 8, (rows, columns)) * (rng.random((rows, columns)) < share)
        matrix[rng.integers(0, rows)] = 0
        matrix[0, -1] = 5
        return Case(args=(matrix.tolist(),))

    return one(3, 5, 0.4), one(5, 3, 0.6), one(4, 6, 0.2), one(6, 6, 0.5)


register(
    Exercise(
        id="storage.to_csr",
        lesson="09_storage",
        title="Write down where the others are",
        difficulty=2,
        minutes=10,
        question="Give the values that are not zero, row by row, the column of each, and where each row starts.",
        reference=to_csr,
        public=(
            Case(args=([[0, 3, 0, 0], [0, 0, 0, 0], [5, 0, 0, -2]],), note="the matrix of the table"),
            Case(args=([[2, 2], [0, 4]],), note="few zeros, and a value that comes twice in its row"),
            Case(args=([[0, 0, 0], [0, 0, 6]],), note="the first row is empty"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="a row number for each value",
                answer=_row_numbers,
                hint="You write a row number beside each value. That is the list of coordinates, another format. Rows "
                "come in order here: say once for each row where it begins.",
            ),
            Misconception(
                name="the end is missing",
                answer=_without_the_end,
                hint="Your starts stop at the last row. Whoever reads a row goes up to the start of the next: where "
                "does the last row end?",
            ),
            Misconception(
                name="the beginning is missing",
                answer=_without_the_beginning,
                hint="Your list says where rows end. The first row starts at 0.",
            ),
            Misconception(
                name="no start for an empty row",
                answer=_none_for_an_empty_row,
                hint="An empty row has no start in your list. A reader takes the values from one start to the next, "
                "so every row needs a number: for which one does that give nothing?",
            ),
            Misconception(
                name="the first place of a value",
                answer=_first_place_of_each_value,
                hint="You look each value up in its row, and always find the first place where it stands. A value can "
                "come twice in a row.",
            ),
            Misconception(
                name="counts instead of starts",
                answer=_counts,
                hint="You give how many values each row has. To find row 1,000 a reader would have to add up a "
                "thousand counts: add them up once, when you write.",
            ),
            Misconception(
                name="column by column",
                answer=_by_columns,
                hint="You walk down the columns. That format exists too (CSC), but the question asks for rows.",
            ),
            Misconception(
                name="places in the flat array",
                answer=_flat_places,
                hint="Your columns go on counting from one row to the next. A column number starts at 0 in each row, "
                "so it is small and takes few bits.",
            ),
            Misconception(
                name="leaves empty rows out",
                answer=_forgets_empty_rows,
                hint="A row of zeros has no values, but it has a start all the same: without it later rows move up.",
            ),
            Misconception(
                name="starts among all numbers",
                answer=_starts_in_the_whole_matrix,
                hint="Your starts count all numbers of the matrix. The zeros are not written: where does a row start "
                "among the values that are left?",
            ),
        ),
        alternatives=(_by_numpy, _by_scipy),
        hints=(
            "Walk through the matrix row by row, and keep three lists.",
            "The starts begin with a 0. After each row, what is the place at which the next one begins?",
            "After each row add the number of values that you have so far to the starts: one entry more than rows.",
        ),
    )
)
