"""Collectives on paper: who sends what to whom, round by round, and how many bytes that makes.

A schedule is a list of rounds, a round a list of moves that go on at the same time. `collectives` carries schedules out
between real processes; here they are only written down, looked at and counted, which needs no torch.
"""

from dataclasses import dataclass

from labkit.errors import SettingError

__all__ = [
    "WAYS",
    "Move",
    "all_gather",
    "all_reduce",
    "broadcast",
    "bytes_on_the_wire",
    "bytes_sent",
    "check_root",
    "chunk_sizes",
    "held",
    "reduce",
    "reduce_scatter",
]


@dataclass(frozen=True)
class Move:
    """One message: `source` sends to `target` one chunk (or everything, where it is None), to add or to replace.

    >>> Move(0, 1, chunk=3, adds=True)
    Move(source=0, target=1, chunk=3, adds=True)
    """

    source: int
    target: int
    chunk: int | None = None
    adds: bool = False


def broadcast(workers, *, root=0):
    """Plan a broadcast as a tree: in each round, everyone who has it tells one who has not.

    >>> [[(move.source, move.target) for move in moves] for moves in broadcast(4)]
    [[(0, 2)], [(0, 1), (2, 3)]]
    """
    check_root(root, workers)
    rounds, distance = [], 1
    while distance < workers:
        # Counted from the root: the multiples of 2 x distance have it, and tell the one `distance` further on.
        tellers = range(0, workers - distance, 2 * distance)
        rounds.append([Move((k + root) % workers, (k + distance + root) % workers) for k in tellers])
        distance *= 2
    return rounds[::-1]


def reduce(workers, *, root=0):
    """Plan a reduce as a tree: a broadcast backwards, where what arrives is added.

    >>> [[(move.source, move.target) for move in moves] for moves in reduce(4)]
    [[(1, 0), (3, 2)], [(2, 0)]]
    """
    return [
        [Move(move.target, move.source, adds=True) for move in moves] for moves in broadcast(workers, root=root)[::-1]
    ]


def reduce_scatter(workers):
    """Plan a reduce-scatter as a ring: each chunk goes around once, is added to at every stop, and ends at its owner.

    Worker r owns chunk r. So chunk r starts at its right neighbour, worker r + 1, and goes to the right.

    >>> [[(move.source, move.chunk) for move in moves] for moves in reduce_scatter(3)]
    [[(0, 2), (1, 0), (2, 1)], [(0, 1), (1, 2), (2, 0)]]
    """
    return [
        [Move(r, (r + 1) % workers, chunk=(r - 1 - step) % workers, adds=True) for r in range(workers)]
        for step in range(workers - 1)
    ]


def all_gather(workers):
    """Plan an all-gather as a ring: each chunk goes around once, from its owner, and is copied at every stop.

    >>> [[(move.source, move.chunk) for move in moves] for moves in all_gather(3)]
    [[(0, 0), (1, 1), (2, 2)], [(0, 2), (1, 0), (2, 1)]]
    """
    return [
        [Move(r, (r + 1) % workers, chunk=(r - step) % workers) for r in range(workers)] for step in range(workers - 1)
    ]


def _server(workers):
    others = range(1, workers)
    return [[Move(r, 0, adds=True) for r in others], [Move(0, r) for r in others]] if workers > 1 else []


def _tree(workers):
    return reduce(workers) + broadcast(workers)


def _ring(workers):
    return reduce_scatter(workers) + all_gather(workers)


WAYS = {"server": _server, "tree": _tree, "ring": _ring}
"""Three all-reduces. All end the same: everyone has the sum of everything."""


def all_reduce(workers, *, how):
    """Plan an all-reduce: "server" (all to worker 0 and back), "tree", or "ring" (reduce-scatter, then all-gather).

    >>> {how: len(all_reduce(8, how=how)) for how in WAYS}
    {'server': 2, 'tree': 6, 'ring': 14}

    Raises SettingError for another way, and for fewer than one worker.
    """
    if how not in WAYS:
        raise SettingError(f"one of the ways {list(WAYS)}", received=repr(how), do="Choose one of these.")
    check_root(0, workers)
    return WAYS[how](workers)


def chunk_sizes(count, workers):
    """Cut `count` numbers into one chunk a worker, as evenly as possible; a chunk may be empty.

    >>> chunk_sizes(10, 4), chunk_sizes(2, 3)
    ([3, 3, 2, 2], [1, 1, 0])
    """
    return [count // workers + (k < count % workers) for k in range(workers)]


def held(rounds, workers):
    """Say whose numbers are in the sum that each worker holds of each chunk, when these rounds are over.

    Returns a table of sets, `table[worker][chunk]`.

    >>> held(all_reduce(3, how="ring")[:1], 3)[0]   # worker 2 has sent chunk 1 to worker 0
    [{0}, {0, 2}, {0}]
    """
    table = [[{worker} for _ in range(workers)] for worker in range(workers)]
    for moves in rounds:
        before = [[set(cell) for cell in row] for row in table]  # all moves of a round go on at the same time
        for move in moves:
            for chunk in range(workers) if move.chunk is None else [move.chunk]:
                sent = before[move.source][chunk]
                table[move.target][chunk] = table[move.target][chunk] | sent if move.adds else sent
    return table


def bytes_sent(rounds, count, *, workers, itemsize=4):
    """Count the bytes that each worker sends in these rounds, for a vector of `count` numbers.

    >>> bytes_sent(all_reduce(4, how="ring"), 1000, workers=4)
    [6000, 6000, 6000, 6000]
    """
    sent, sizes = [0] * workers, chunk_sizes(count, workers)
    for moves in rounds:
        for move in moves:
            sent[move.source] += itemsize * (count if move.chunk is None else sizes[move.chunk])
    return sent


def bytes_on_the_wire(size, workers, how, *, itemsize=4):
    """Give the bytes that each worker sends in an all-reduce of `size` bytes, by formula; the largest is the busiest.

    For K workers: with a server it sends K - 1 times the vector and everyone else once. In a tree a worker sends once
    up, and once to each below it. In a ring everyone sends 2(K - 1)/K times the vector (Patarasuk and Yuan 2009); what
    a worker does not send is two of the 2K chunks, so the formula is exact for chunks of any size.

    >>> bytes_on_the_wire(4000, 4, "server"), bytes_on_the_wire(4000, 4, "tree"), bytes_on_the_wire(4000, 4, "ring")
    ([12000, 4000, 4000, 4000], [8000, 4000, 8000, 4000], [6000, 6000, 6000, 6000])

    Raises SettingError for another way, and for a size that is no whole number of numbers.
    """
    if how not in WAYS or workers < 1 or size < 0 or size % itemsize:
        raise SettingError(
            f"one of the ways {list(WAYS)}, a worker or more, and whole numbers of {itemsize} bytes",
            received=f"{how!r}, {workers} workers, {size} bytes", do="Choose one of these.",
        )  # fmt: skip
    if how == "server":
        return [(workers - 1) * size] + [size if workers > 1 else 0] * (workers - 1)
    if how == "tree":
        return [size * ((r > 0) + _below(r, workers)) for r in range(workers)]
    sizes = [itemsize * chunk for chunk in chunk_sizes(size // itemsize, workers)]
    # Never sent in the first half: a worker's own chunk. In the second: the one that its right neighbour owns.
    return [2 * size - sizes[r] - sizes[(r + 1) % workers] for r in range(workers)]


def _below(r, workers):
    """How many workers r tells in the tree: r + 1, r + 2, r + 4, ... as long as r is a multiple of twice that."""
    steps = [2**power for power in range(workers.bit_length()) if r % 2 ** (power + 1) == 0]
    return sum(r + step < workers for step in steps)


def check_root(root, workers):
    """Refuse a root that is not one of the workers; raises SettingError."""
    if workers < 1 or not 0 <= root < workers:
        raise SettingError(
            f"a rank from 0 to {max(workers - 1, 0)} of at least one worker", received=f"{root} of {workers}",
            do="Ranks count from 0.",
        )  # fmt: skip
