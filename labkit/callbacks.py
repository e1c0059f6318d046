"""What can be hung on the training loop: every method does nothing until you override it."""

import sys
import time
from dataclasses import dataclass, field

__all__ = ["Callback", "Progress", "State", "Stop", "somebody_watches"]


@dataclass
class State:
    """Where training stands; callbacks read it and may change the model's weights.

    `step` counts optimizer steps from 0 to `steps`; `losses` has one number a step; `clip` is the largest norm that
    the gradient may have.
    """

    model: object
    optimizer: object
    steps: int
    step: int = 0
    epoch: int = 0
    clip: float = 1.0
    losses: list = field(default_factory=list)


class Callback:
    """The protocol of the loop: start, then for each step after_backward and after_step, then end.

    `state_dict` and `load_state_dict` carry what must survive an interruption. `clips` says that this callback clips
    the gradients itself, so that the loop leaves them alone.
    """

    clips = False

    def on_start(self, state):
        """Called once before the first step, also after a resume."""

    def after_backward(self, state):
        """Called when the gradients are there and the weights have not moved yet."""

    def after_step(self, state):
        """Called when the optimizer has moved the weights."""

    def on_end(self, state):
        """Called once after the last step."""

    def state_dict(self):
        """Give what has to be saved, a dictionary of tensors and plain values."""
        return {}

    def load_state_dict(self, saved):
        """Take back what `state_dict` gave."""


class Progress(Callback):
    """A progress bar with the loss and the time left, or a call of `report(fraction, text)` at each step."""

    def __init__(self, title, *, report=None):
        self.title, self.report, self._bar = title, report, None

    def on_start(self, state):
        if self.report is None:
            from tqdm.auto import tqdm

            self._bar = tqdm(total=state.steps, initial=state.step, desc=self.title, unit="step", leave=False,
                             disable=not somebody_watches())  # fmt: skip

    def after_step(self, state):
        if self._bar is not None:
            self._bar.update(1)
            if state.step % 10 == 0:
                self._bar.set_postfix(loss=f"{sum(state.losses[-10:]) / len(state.losses[-10:]):.3f}")
        if self.report is not None:
            self.report(state.step / state.steps, f"{self.title}: step {state.step} of {state.steps}")

    def on_end(self, state):
        if self._bar is not None:
            self._bar.close()


def somebody_watches():
    """Whether there is a person to show a bar to, in a terminal or a notebook: in a log file it is noise."""
    ipython = sys.modules.get("IPython")
    return sys.stderr.isatty() or (ipython is not None and hasattr(ipython.get_ipython(), "kernel"))


class Stop(Callback):
    """Ends training when `should_stop()` says so, as Ctrl-C would: what was done is kept."""

    def __init__(self, should_stop):
        self.should_stop = should_stop

    def after_step(self, state):
        if self.should_stop():
            raise KeyboardInterrupt


class Timer(Callback):
    """Measures the seconds of each step, for `labkit bench training`."""

    def __init__(self):
        self.seconds, self._last = [], None

    def on_start(self, state):
        self._last = time.perf_counter()

    def after_step(self, state):
        now = time.perf_counter()
        self.seconds.append(now - self._last)
        self._last = now
