"""Who holds what: memory of each worker when the rows are split, and when the model is."""

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


def worker_bytes(parts, cuts, way):
    """Bytes that each worker holds to train with Adam: weights, gradients and two moments, 4 bytes each."""
    if way == "data":
        return [16 * sum(parts)] * (len(cuts) + 1)  # every worker has the whole model
    starts, ends = [0, *cuts], [*cuts, len(parts)]
    return [16 * sum(parts[start:end]) for start, end in zip(starts, ends, strict=True)]


def _by_numpy(parts, cuts, way):
    stages = np.split(np.asarray(parts), cuts)
    held = [np.sum(stage) for stage in stages]
    return 16 * np.array(held if way == "pipeline" else [np.sum(held)] * len(stages))


def _by_counting(parts, cuts, way):
    held = [0] * (len(cuts) + 1)
    for place, size in enumerate(parts):
        stage = sum(place >= cut for cut in cuts)
        for worker in range(len(held)):
            if way == "data" or worker == stage:
                held[worker] += 4 * size + 4 * size + 8 * size
    return held


def _data_parallel_splits(parts, cuts, way):
    workers = len(cuts) + 1
    return [16 * sum(parts) / workers] * workers if way == "data" else worker_bytes(parts, cuts, way)


def _pipeline_holds_all(parts, cuts, way):
    return [16 * sum(parts)] * (len(cuts) + 1)


def _equal_stages(parts, cuts, way):
    workers = len(cuts) + 1
    return worker_bytes(parts, cuts, way) if way == "data" else [16 * sum(parts) / workers] * workers


def _weights_only(parts, cuts, way):
    return [held // 4 for held in worker_bytes(parts, cuts, way)]


def _upside_down(parts, cuts, way):
    return worker_bytes(parts, cuts, "pipeline" if way == "data" else "data")


def _moments_are_shared(parts, cuts, way):
    workers = len(cuts) + 1
    return [held // 2 + 8 * sum(parts) / workers for held in worker_bytes(parts, cuts, way)]


def _no_moments(parts, cuts, way):
    return [held // 2 for held in worker_bytes(parts, cuts, way)]


def _one_moment(parts, cuts, way):
    return [3 * held // 4 for held in worker_bytes(parts, cuts, way)]


def _cuts_behind(parts, cuts, way):
    return worker_bytes(parts, [cut + 1 for cut in cuts], way)


def _random(rng):
    made = []
    for way in ("data", "pipeline", "data", "pipeline"):
        parts = [int(n) for n in rng.integers(1, 50, size=int(rng.integers(5, 9)))]
        cuts = sorted(int(n) for n in rng.choice(np.arange(1, len(parts)), size=int(rng.integers(1, 4)), replace=False))
        made.append(Case(args=(parts, cuts, way)))
    return tuple(made)


register(
    Exercise(
        id="ddp.worker_bytes",
        lesson="08_bert_ddp",
        title="Split the rows, or split the model",
        difficulty=2,
        minutes=8,
        question="List the bytes that each worker holds to train with Adam in float32, data parallel or as a pipeline.",
        reference=worker_bytes,
        public=(
            Case(args=([12, 2, 2, 2, 1], [1], "data"), note="two workers, each with its share of the rows"),
            Case(args=([12, 2, 2, 2, 1], [1], "pipeline"), note="the first part on worker 0, the rest on worker 1"),
            Case(args=([4, 4, 4, 4], [1, 3], "pipeline"), note="three workers, cut before parts 1 and 3"),
        ),
        hidden=_random,
        misconceptions=(
            Misconception(
                name="data parallel splits the model",
                answer=_data_parallel_splits,
                hint="You give each data-parallel worker its share of the *model*. The article says so of DataParallel "
                "and of Horovod. Which worker could then do a forward pass on its rows?",
            ),
            Misconception(
                name="a pipeline holds the whole model everywhere",
                answer=_pipeline_holds_all,
                hint="Your pipeline stages each hold all parts. A stage needs only what it computes.",
            ),
            Misconception(
                name="all stages are equal",
                answer=_equal_stages,
                hint="You divided the total by the workers. Parts are not cut in two: a stage holds whole ones, and "
                "the one with the word embedding is heavier.",
            ),
            Misconception(
                name="weights only",
                answer=_weights_only,
                hint="These are the bytes of the weights. Training with Adam holds more for each parameter: see lesson "
                "01.",
            ),
            Misconception(
                name="no moments",
                answer=_no_moments,
                hint="You count 8 bytes a parameter, enough for a weight and its gradient. What else does Adam keep?",
            ),
            Misconception(
                name="one moment",
                answer=_one_moment,
                hint="You count 12 bytes a parameter, three numbers. Adam keeps more than one beside weight and "
                "gradient: see lesson 01.",
            ),
            Misconception(
                name="cuts behind the part",
                answer=_cuts_behind,
                hint="Your cuts lie one part too late. Parts count from 0, and a cut *before* part 1 leaves worker 0 "
                "with part 0 alone.",
            ),
            Misconception(
                name="the two ways exchanged",
                answer=_upside_down,
                hint="You have the two the other way round: which one splits the rows, which one the model?",
            ),
            Misconception(
                name="the workers share the moments",
                answer=_moments_are_shared,
                hint="You split Adam's moments over the workers. That can be done (ZeRO, Rajbhandari et al. 2020), but "
                "neither DDP nor a plain pipeline does it.",
            ),
        ),
        alternatives=(_by_numpy, _by_counting),
        hints=(
            "A parameter that is trained with Adam takes 4 bytes of weight, 4 of gradient and 8 of moments.",
            "Data parallel: every worker computes whole forward passes, so it holds everything.",
            "Pipeline: the cuts, with 0 in front and the number of parts at the end, are the edges of the stages.",
        ),
    )
)
