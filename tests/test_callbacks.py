"""What hangs on the loop: the order of calls, progress, stopping."""

from types import SimpleNamespace

import pytest

from labkit.callbacks import Callback, Progress, State, Stop, Timer


def run(callback, *, steps=25, step=0):
    state = State(model=None, optimizer=None, steps=steps, step=step)
    callback.on_start(state)
    while state.step < steps:
        callback.after_backward(state)
        state.step += 1
        state.losses.append(1 / state.step)
        callback.after_step(state)
    callback.on_end(state)
    return state


def test_a_callback_that_overrides_nothing_does_nothing():
    callback = Callback()
    run(callback)
    assert callback.state_dict() == {}
    callback.load_state_dict({})


def test_progress_reports_every_step_in_words():
    told = []
    run(Progress("fold 0", report=lambda fraction, words: told.append((fraction, words))), steps=4, step=1)
    assert told == [(0.5, "fold 0: step 2 of 4"), (0.75, "fold 0: step 3 of 4"), (1.0, "fold 0: step 4 of 4")]


def test_the_bar_starts_where_training_goes_on_and_shows_the_mean_of_ten_losses(monkeypatch):
    made = []

    class Bar:
        def __init__(self, **options):
            self.options, self.done, self.shown, self.closed = options, options["initial"], [], False
            made.append(self)

        def update(self, steps):
            self.done += steps

        def set_postfix(self, **values):
            self.shown.append(values["loss"])

        def close(self):
            self.closed = True

    monkeypatch.setattr("tqdm.auto.tqdm", Bar)
    run(Progress("fine-tuning"), steps=30, step=5)
    bar = made[0]
    assert (bar.options["total"], bar.options["initial"], bar.options["desc"]) == (30, 5, "fine-tuning")
    assert bar.done == 30
    assert bar.closed
    # The first ten losses kept are those of steps 6 to 15; the bar speaks at steps 10, 20 and 30.
    assert bar.shown[1] == f"{sum(1 / step for step in range(11, 21)) / 10:.3f}"
    assert len(bar.shown) == 3


def test_in_a_log_file_there_is_no_bar(capsys):
    import ipykernel  # noqa: F401 - widgets load it in any process

    run(Progress("fine-tuning"))
    assert capsys.readouterr() == ("", "")


def test_in_a_notebook_there_is_one(capsys, monkeypatch):
    monkeypatch.setattr("IPython.get_ipython", lambda: SimpleNamespace(kernel=object()))
    run(Progress("fine-tuning"))
    assert "fine-tuning:   0%" in capsys.readouterr().err


def test_stop_raises_when_it_is_told_to():
    answers = iter([False, False, True])
    seen = []

    class Seen(Stop):
        def after_step(self, state):
            seen.append(state.step)
            super().after_step(state)

    with pytest.raises(KeyboardInterrupt):
        run(Seen(lambda: next(answers)))
    assert seen == [1, 2, 3]


def test_the_timer_has_one_time_a_step():
    timer = Timer()
    run(timer, steps=7)
    assert len(timer.seconds) == 7
    assert min(timer.seconds) >= 0
