# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation: {extension: .py, format_name: percent}
#   kernelspec: {display_name: Python 3, language: python, name: python3}
# ---

# %% [markdown]
# # Demo
#
# A small panel that has everything, for the tests of the harness itself.

# %%
import time

import numpy as np

from labkit.plots import style
from labkit.widgets.controls import slider
from labkit.widgets.panel import Panel, View


# %%
def view(waves, height, measured=()):
    """Draw a sine beside bars, with the measured points."""
    fig, (left, right) = style.figure(8, 3.6, columns=2)
    x = np.linspace(0, 1, 200)
    left.plot(x, height * np.sin(waves * x), label="a wave")
    left.plot([p[0] for p in measured], [p[1] for p in measured], "o", label="measured")
    # Limits that no setting moves, as in the lessons: an axis that jumps is hard to read and slow to draw.
    left.set(title="A wave", xlabel="time (s)", ylabel="height (m)", xlim=(0, 1), ylim=(-2.1, 2.1))
    left.legend(loc="upper right")
    right.barh(["first", "second", "third"], [waves, height, len(measured)])
    right.set(title="Bars", xlabel="size", xlim=(0, 200))
    return View(fig, f"{waves} waves of height {height:.2f}, {len(measured)} measured points.")


def measure(params, progress, should_stop):
    """Wait for four seconds, or until stopped."""
    for step in range(40):
        if should_stop():
            return None
        progress(step / 40, f"step {step} of 40")
        time.sleep(0.1)
    return 0.5, params["height"]


# %%
Panel(
    view,
    {
        "waves": slider("Number of waves", low=1, high=200, value=10),
        "height": slider("Height in metres", low=0.0, high=2.0, value=1.0, step=0.01),
    },
    measure=measure,
)
