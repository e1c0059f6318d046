"""Who trains on what: each row on one worker, once an epoch, in an order that all workers know."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def shard_rows(rows, rank, workers, epoch, seed):
    """The row numbers that worker `rank` sees in this epoch, in order."""
    order = np.random.default_rng([seed, epoch]).permutation(rows)  # the same on every worker, another each epoch
    return order[rank::workers]


def _by_loop(rows, rank, workers, epoch, seed):
    random = np.random.default_rng([seed, epoch])
    return [int(row) for place, row in enumerate(random.permutation(rows)) if place % workers == rank]


def _by_mask(rows, rank, workers, epoch, seed):
    order = np.random.default_rng((seed, epoch)).permutation(np.arange(rows))
    return order[np.arange(rows) % workers == rank]


def _no_sampler(rows, rank, workers, epoch, seed):
    return np.random.default_rng([seed, epoch]).permutation(rows)


def _same_order_each_epoch(rows, rank, workers, epoch, seed):
    return np.random.default_rng([seed, 0]).permutation(rows)[rank::workers]


def _own_shuffle(rows, rank, workers, epoch, seed):
    return np.random.default_rng([seed + rank, epoch]).permutation(rows)[rank::workers]


def _pads(rows, rank, workers, epoch, seed):
    order = np.random.default_rng([seed, epoch]).permutation(rows)
    return np.concatenate([order, order[: -rows % workers]])[rank::workers]


def _drops_the_tail(rows, rank, workers, epoch, seed):
    return shard_rows(rows, rank, workers, epoch, seed)[: rows // workers]


def _no_shuffle(rows, rank, workers, epoch, seed):
    return np.arange(rows)[rank::workers]


def _cuts_the_deck(rows, rank, workers, epoch, seed):
    return np.array_split(np.random.default_rng([seed, epoch]).permutation(rows), workers)[rank]


def _sorts(rows, rank, workers, epoch, seed):
    return np.sort(shard_rows(rows, rank, workers, epoch, seed))


def _adds_epoch_and_seed(rows, rank, workers, epoch, seed):
    return np.random.default_rng(seed + epoch).permutation(rows)[rank::workers]


def _random(rng):
    return tuple(
        Case(args=(workers * int(rng.integers(4, 9)) + workers - 1, rank, workers, int(rng.integers(1, 9)), seed))
        for workers in (2, 3, 5)
        for rank in (0, workers - 1)
        for seed in (int(rng.integers(0, 100)),)
    )


register(
    Exercise(
        id="ddp.shard_rows",
        lesson="08_bert_ddp",
        title="Each row once",
        difficulty=2,
        minutes=8,
        question="List the rows of one worker in one epoch: shuffled by default_rng([seed, epoch]), then dealt out in "
        "turn, so that all workers together see each row once.",
        reference=shard_rows,
        public=(
            Case(args=(6, 0, 2, 0, 0), note="six rows, two workers: the first one"),
            Case(args=(7, 1, 3, 0, 0), note="seven rows, three workers: shards cannot be equal"),
            Case(args=(7, 1, 3, 1, 0), note="the next epoch: another order"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="no sampler: every worker sees all rows",
                answer=_no_sampler,
                hint="Your worker gets all rows, as in the article's listing. All workers then compute the same "
                "gradient, and their mean is that of one.",
            ),
            Misconception(
                name="the same order in every epoch",
                answer=_same_order_each_epoch,
                hint="The epoch makes no difference to your order. (PyTorch's sampler does the same unless somebody "
                "calls set_epoch.)",
            ),
            Misconception(
                name="every worker shuffles for itself",
                answer=_own_shuffle,
                hint="Your workers deal out different decks: some rows are seen twice, some never. What must be the "
                "same on all workers?",
            ),
            Misconception(
                name="repeats rows so that shards are equal",
                answer=_pads,
                hint="You fill the last round with rows from the start, as PyTorch's DistributedSampler does. These "
                "rows count twice. Shards may be unequal here.",
            ),
            Misconception(
                name="drops what does not divide",
                answer=_drops_the_tail,
                hint="Your shards are equal because some rows are left out. Each row should be seen.",
            ),
            Misconception(
                name="cuts the deck instead of dealing",
                answer=_cuts_the_deck,
                hint="Each row is seen once, but you cut the deck into blocks. It is to be dealt: one card to each "
                "worker in turn, so worker 0 does not get the first two.",
            ),
            Misconception(
                name="sorts its rows",
                answer=_sorts,
                hint="These are the right rows, but sorted. The worker should go through them in the order in which it "
                "was dealt them: it was shuffled for that.",
            ),
            Misconception(
                name="adds epoch and seed up",
                answer=_adds_epoch_and_seed,
                hint="With the sum as seed, epoch 1 of seed 0 is epoch 0 of seed 1. Give the generator both numbers, "
                "as a list.",
            ),
            Misconception(
                name="does not shuffle",
                answer=_no_shuffle,
                hint="You deal the rows out as they lie in the file. If they lie class by class, so do your batches.",
            ),
        ),
        alternatives=(_by_loop, _by_mask),
        hints=(
            "Two steps: an order of all rows that every worker computes alike, then the part that is this worker's.",
            "np.random.default_rng([seed, epoch]).permutation(rows) is the order.",
            "From that order take the places rank, rank + workers, rank + 2 workers, and so on: a slice with a step.",
        ),
    )
)
