"""The pictures of lesson 10: what a teacher says of a headline, how warmth changes it, and what the student is told."""

from textwrap import fill

import numpy as np
from matplotlib.ticker import NullLocator

from labkit.plots.style import COLOURS, figure, ticks

__all__ = ["answers", "doubts", "gradients", "pull", "temperature_curves"]

TEACHER, STUDENT, LABEL = COLOURS["blue"], COLOURS["vermillion"], COLOURS["orange"]
WIDE = 0.38  # of a bar, where two stand beside each other
SCORES, LOSSES, POINTS = (0.5, 1, 2, 5, 10, 20), (0.1, 0.5, 2, 10, 50, 500), (5, 10, 20, 50, 100)


def answers(headlines, probabilities, truth, labels):
    """Draw what the teacher says of some headlines, one panel each; the bar of the label is dark.

    `probabilities` has shape (headlines, classes), `truth` shape (headlines,). Returns a Figure.
    """
    fig, axes = figure(8.2, 2.9, columns=len(headlines), sharey=True)
    places = np.arange(len(labels))[::-1]
    for ax, headline, shares, label in zip(np.atleast_1d(axes), headlines, probabilities, truth, strict=True):
        own = places == places[label]
        ax.barh(places[own], 100 * shares[own], color=TEACHER, height=0.65, label="the label")
        ax.barh(places[~own], 100 * shares[~own], color=COLOURS["sky"], height=0.65)
        for place, share in zip(places, 100 * shares, strict=True):
            ax.annotate(f"{share:.0f}", (share, place), xytext=(4, 0), textcoords="offset points", va="center")
        ax.set(xlabel="probability (%)", xlim=(0, 118))
        ax.set_title(fill(headline, 30), fontsize=9)
        ticks(ax.xaxis, (0, 50, 100))
        ticks(ax.yaxis, places, labels)
        ax.grid(axis="y", visible=False)
        ax.legend(loc="lower right", fontsize=8)
    return fig


def doubts(series):
    """Draw which share of the texts leaves at least so much probability to other topics than the first choice.

    `series` maps a kind of text to the probability that is left in each text, shape (texts,). Returns a Figure.
    """
    fig, ax = figure(6.8, 3.5)
    for (name, left), style in zip(series.items(), ("-", "--", "-.", ":"), strict=False):
        left = np.sort(np.asarray(left, dtype=float))
        ax.plot(100 * left, 100 * (1 - np.arange(len(left)) / len(left)), linestyle=style, label=name)
    ax.set_xscale("log")
    least = max(80 * min(map(np.min, series.values())), 0.05)
    places = [place for place in (0.1, 0.2, 0.5, 1, 2, 3, 5, 10, 20, 50) if place >= least]
    ticks(ax.xaxis, places, [f"{place:g}" for place in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="left for the other topics, at least (%)", ylabel="share of the texts (%)")
    ax.set(xlim=(least, 80), ylim=(0, 103))
    ax.set_title("How much does the teacher say beside its first choice?")
    ax.legend(loc="upper right", fontsize=9)
    return fig


def temperature_curves(temperatures, probabilities, labels, *, marks=()):
    """Draw one text's probabilities against the temperature, one line a topic; `marks` are vertical lines.

    `temperatures` has shape (points,), `probabilities` shape (points, classes). Returns a Figure.
    """
    fig, ax = figure(6.8, 3.4)
    for number, name in enumerate(labels):
        style = ("-", "--", "-.", ":", (0, (5, 1, 1, 1, 1, 1)))[number % 5]
        ax.plot(temperatures, 100 * probabilities[:, number], linestyle=style, label=name)
    for mark in marks:
        ax.axvline(mark, color=COLOURS["grey"], linewidth=1)
    ax.set_xscale("log")
    places = [place for place in (0.2, 0.5, 1, 2, 5, 10, 20, 50) if temperatures[0] <= place <= temperatures[-1]]
    ticks(ax.xaxis, places, [f"{place:g}" for place in places])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(xlabel="temperature", ylabel="probability (%)", ylim=(0, 103), xlim=(temperatures[0], temperatures[-1]))
    ax.set_title("Warmer: the order stays, the distances go")
    ax.legend(fontsize=9)
    return fig


def gradients(temperatures, plain, scaled, share):
    """Draw the gradient's size against the temperature, with and without T²; beside it T²·KL over its limit.

    All have shape (points,): sizes of the gradient of KL and of T²·KL, and the share of T²·KL in what it comes to as T
    grows. Returns a Figure.
    """
    fig, (left, right) = figure(7.8, 3.1, columns=2)
    left.plot(temperatures, scaled, marker="o", label="of T²·KL")
    left.plot(temperatures, plain, marker="s", linestyle="--", label="of KL alone")
    guide = plain[-1] * (temperatures[-1] / np.asarray(temperatures)) ** 2
    left.plot(temperatures, guide, color=COLOURS["grey"], linestyle=":", label="falling as 1/T²")
    left.set_yscale("log")
    left.set(title="Size of the gradient", ylabel="mean length, by the logits")
    left.legend(loc="lower left", fontsize=9)
    right.plot(temperatures, share, marker="o")
    right.axhline(1, color=COLOURS["grey"], linestyle=":")
    right.set(title="T²·KL against matching logits", ylabel="share of the limit")
    right.set_ylim(0, max(1.15, 1.05 * max(share)))
    for ax in (left, right):
        ax.set_xscale("log")
        places = [place for place in (1, 2, 5, 10, 20, 50, 100) if temperatures[0] <= place <= temperatures[-1]]
        ticks(ax.xaxis, places, [f"{place:g}" for place in places])
        ax.xaxis.set_minor_locator(NullLocator())
        ax.set_xlabel("temperature")
    return fig


def pull(teacher, student, label, *, pushes, terms, labels, temperature, points=()):
    """Draw what the teacher and the label tell a student about one text, and what that was worth in students' F1.

    `teacher` and `student` are softened probabilities, shape (classes,), `label` a class. `pushes` are minus the
    gradients of both terms by the logits, shape (2, classes), `terms` the two terms of the loss: the teacher's first.
    `points` are (temperature, mix, Interval of F1 gained over labels alone, measured by the reader). Returns a Figure.
    """
    fig, axes = figure(8.0, 5.2, rows=2, columns=2, height_ratios=(1.3, 1))
    (said, told), (loss, gained) = axes
    places = np.arange(len(labels))[::-1]
    # Few artists, and ends that move in steps: a slider redraws this many times a second.
    said.barh(places + WIDE / 2, 100 * teacher, height=WIDE, color=TEACHER, label="teacher")
    said.barh(places - WIDE / 2, 100 * student, height=WIDE, color=STUDENT, label="student")
    # The star is no probability: it stands outside, at the right of the label's bars.
    said.plot(
        [1.05], [places[label]], marker="*", markersize=12, linestyle="", color=COLOURS["black"], label="the label",
        transform=said.get_yaxis_transform(), clip_on=False,
    )  # fmt: skip
    said.set(title="At this temperature", xlabel="probability (%)", xlim=(0, 100))
    told.barh(places + WIDE / 2, pushes[0], height=WIDE, color=TEACHER, label="by the teacher")
    told.barh(places - WIDE / 2, pushes[1], height=WIDE, color=LABEL, label="by the label")
    told.plot(pushes.sum(axis=0), places, marker="D", linestyle="", color=COLOURS["black"], label="together")
    reach = _step(np.abs([*pushes.ravel(), *pushes.sum(axis=0)]).max(), SCORES)
    told.axvline(0, color=COLOURS["grey"], linewidth=1)
    told.set(title="Pushed up (right) or down", xlabel="minus the gradient, by the score", xlim=(-reach, reach))
    for ax in (said, told):
        ticks(ax.yaxis, places, labels)
        ax.grid(axis="y", visible=False)
        # Below: inside, some bar would always lie under it.
        ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.22), ncols=3, fontsize=8, columnspacing=1)
    ticks(said.xaxis, (0, 25, 50, 75, 100))
    loss.barh([1, 0], terms, color=[TEACHER, LABEL], height=0.6)
    loss.set(title="The two terms of the loss", xlabel="nats, weighted by the mix")
    loss.set(xlim=(0, _step(max(terms), LOSSES)), ylim=(-0.6, 1.6))
    ticks(loss.yaxis, (1, 0), ("teacher", "label"))
    loss.grid(axis="y", visible=False)
    _gains(gained, points, temperature)
    return fig


def _gains(ax, points, temperature):
    for own, marker, colour in ((False, "o", COLOURS["blue"]), (True, "D", COLOURS["green"])):
        chosen = [(warm, gain) for warm, _, gain, mine in points if mine is own]
        if chosen:
            spread = [[100 * (g.value - g.low) for _, g in chosen], [100 * (g.high - g.value) for _, g in chosen]]
            x, y = zip(*((warm, 100 * gain.value) for warm, gain in chosen), strict=True)
            name = "measured by you" if own else "measured"
            ax.errorbar(x, y, yerr=spread, marker=marker, color=colour, linestyle="", capsize=3, label=name)
    for warm, mix, gain, _ in points:
        ax.annotate(f"mix {mix:g}", (warm, 100 * gain.value), xytext=(6, 3), textcoords="offset points", fontsize=8)
    ax.axvline(temperature, color=COLOURS["vermillion"], linewidth=1.5, zorder=1, label="your setting")
    ax.axhline(0, color=COLOURS["grey"], linewidth=1)
    ends = [100 * abs(end) for _, _, gain, _ in points for end in (gain.low, gain.high)]
    reach = _step(max(ends, default=0), POINTS)
    ax.set(title="F1 gained over labels alone", xlabel="temperature", ylabel="points")
    ax.set(xlim=(0, 21), ylim=(-reach, reach))
    ticks(ax.xaxis, (0, 5, 10, 15, 20))
    ax.legend(loc="lower right", fontsize=8)


def _step(value, steps):
    """The first of the steps that is not below the value, else the last: ends that do not move with every key."""
    return next((step for step in steps if value <= step), steps[-1])
