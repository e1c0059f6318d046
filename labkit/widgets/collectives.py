"""The widget of lesson 07: an all-reduce step by step, and a button that lets real workers do it."""

from dataclasses import dataclass
from functools import lru_cache, partial

from labkit.distributed import schedules
from labkit.errors import SettingError
from labkit.plots.collectives import workers_and_bytes
from labkit.widgets.controls import choice, slider
from labkit.widgets.panel import Panel, View

__all__ = ["MOST", "SIZES", "Point", "measure_point", "panel", "view"]

MOST = 8  # workers; more do not fit into a picture
MEASURED = 10.0  # megabytes; eight workers with more could fill a small machine's memory
SIZES = {"1 kB": 0.001, "10 kB": 0.01, "100 kB": 0.1, "1 MB": 1.0, "10 MB": 10.0, "91 MB (our model)": 91.0}
"""Sizes of the vector, in megabytes."""
WORDS = {"server": "through worker 0 (parameter server)", "tree": "along a tree", "ring": "around a ring"}


@dataclass(frozen=True)
class Point:
    """One all-reduce that real workers have done on this machine, with what was counted."""

    how: str
    workers: int
    megabytes: float
    milliseconds: float
    sent: tuple
    """Bytes sent by each worker."""


def view(*, workers, how, step, megabytes, times=(), measured=()):
    """What everyone holds when `step` rounds of an all-reduce are over, and what they send next.

    `how` is "server", "tree" or "ring", `megabytes` the size of each worker's vector; `times` maps ways to lists of
    (megabytes, milliseconds), `measured` are Points. A step beyond the last shows the end.

    >>> print(view(workers=4, how="ring", step=0, megabytes=1.0).readout[:63])
    4 workers, 1 MB each, around a ring: nothing has been sent yet.

    Raises SettingError for more workers than fit into the picture, and for another way.
    """
    if not 1 <= workers <= MOST:
        raise SettingError(f"1 to {MOST} workers", received=repr(workers), do="More do not fit into the picture.")
    rounds = _rounds(workers, how)
    done = min(max(step, 0), len(rounds))
    sent, moves = _sent(workers, how, done), rounds[done] if done < len(rounds) else []
    where = _over(done, len(rounds)) if done < len(rounds) else f"the end, after {len(rounds)} rounds"
    fig = workers_and_bytes(
        _held(workers, how, done), moves, sent, most=max(workers - 1, 2), step=where, whole=how != "ring",
        times=times, mine=[(point.how, point.megabytes, point.milliseconds) for point in measured], size=megabytes,
    )  # fmt: skip
    return View(fig, _words(workers, how, done, megabytes, measured))


@lru_cache(maxsize=256)
def _rounds(workers, how):
    return schedules.all_reduce(workers, how=how)


@lru_cache(maxsize=1024)
def _held(workers, how, done):
    return schedules.held(_rounds(workers, how)[:done], workers)


@lru_cache(maxsize=1024)
def _sent(workers, how, done):
    """What each worker has sent after so many rounds, in vectors."""
    count = 840  # every number of workers up to 8 divides it
    return [n / count for n in schedules.bytes_sent(_rounds(workers, how)[:done], count, workers=workers, itemsize=1)]


def _words(workers, how, done, megabytes, measured):
    rounds, sent = _rounds(workers, how), _sent(workers, how, done)
    complete = sum(len(cell) == workers for row in _held(workers, how, done) for cell in row)
    head = f"{workers} worker{'s' if workers > 1 else ''}, {_size(megabytes)} each, {WORDS[how]}: "
    if workers == 1:
        lines = [head + "there is nobody to send anything to."]
    elif done == 0:
        lines = [head + "nothing has been sent yet.", _next(rounds[0], how, workers)]
    elif done == len(rounds):
        busiest = max(sent)
        lines = [
            f"{head}everyone holds the whole sum after {done} rounds.",
            f"The busiest worker has sent {_factor(busiest)} its vector, {_size(busiest * megabytes)}; all together "
            f"{_size(sum(sent) * megabytes)}.",
        ]
    else:
        parts = f"{complete} of {workers * workers} chunks hold"
        whole = f"{complete // workers} of {workers} workers hold"
        lines = [
            f"{head}{_over(done, len(rounds))}, {parts if how == 'ring' else whole} the whole sum.",
            _next(rounds[done], how, workers),
        ]
    if measured:
        last = measured[-1]
        lines.append(
            f"Measured on {last.workers} real workers, {WORDS[last.how]}, {_size(last.megabytes)}: "
            f"{last.milliseconds:.3g} ms; the busiest sent {max(last.sent):,} bytes (by the formula "
            f"{max(_formula(last)):,})."
        )
    return " ".join(lines)


def _over(done, all_of_them):
    return f"{done} of {all_of_them} rounds {'is' if done == 1 else 'are'} over"


def _next(moves, how, workers):
    """One round in words."""
    verb = "to be added" if moves[0].adds else "to be copied"
    if how == "ring":
        each = ", ".join(f"{move.source} sends chunk {move.chunk}" for move in moves)
        return f"Next, all at once, to the right neighbour, {verb}: {each}."
    pairs = ", ".join(f"{move.source} to {move.target}" for move in moves)
    return f"Next, everything, {verb}: {pairs}."


def _factor(number):
    return f"{number:.3g} times"


def _size(megabytes):
    return f"{megabytes:,.4g} MB" if megabytes >= 0.1 else f"{1000 * megabytes:.4g} kB"


def _formula(point):
    return schedules.bytes_on_the_wire(4 * _count(point.megabytes), point.workers, point.how)


def _count(megabytes):
    return round(megabytes * 1e6 / 4)


def measure_point(params, progress, should_stop):
    """Let real workers do the chosen all-reduce on this machine, with MEASURED megabytes at most; returns a Point.

    Raises Interrupted when stopped, WorkerError when a worker fails.
    """
    from labkit.distributed import launch
    from labkit.distributed.demos import timings

    megabytes = min(params["megabytes"], MEASURED)
    progress(0.05, f"starting {params['workers']} workers")
    found = launch(
        timings, params["workers"], [_count(megabytes)], [params["how"]], progress=progress,
        should_stop=should_stop,
    )  # fmt: skip
    seconds = max(rows[0][2] for rows in found)
    sent = tuple(rows[0][3] for rows in found)
    return Point(params["how"], params["workers"], megabytes, 1000 * seconds, sent)


def panel(times=(), *, workers=4):
    """Make the widget; `times` maps ways to lists of (megabytes, milliseconds) that the lesson has measured."""
    controls = {
        "workers": slider("Workers", low=2, high=MOST, value=workers),
        "how": choice("All-reduce", [(words, how) for how, words in WORDS.items()], value="ring"),
        "step": slider("Rounds that are over", low=0, high=2 * (workers - 1), value=0),
        "megabytes": choice("Vector of each worker", list(SIZES.items()), value=1.0),
    }

    def fit(_):
        controls["step"].max = len(_rounds(controls["workers"].value, controls["how"].value))

    # Before the panel looks at them, so that no picture is drawn of a round that is not there.
    for name in ("workers", "how"):
        controls[name].observe(fit, names="value")
    return Panel(partial(view, times=dict(times)), controls, measure=measure_point)
