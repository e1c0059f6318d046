"""The time limit, also in a real kernel: endless answers stop, Ctrl-C works, the kernel lives on."""

import os
import signal
import sys
import threading
import time

import nbformat
import pytest
from nbclient import NotebookClient

from labkit.exercises.limit import TooSlow, call_within


def endless():
    while True:
        pass


def swallows_exceptions():
    while True:
        try:
            time.sleep(0.001)
        except Exception:
            continue


def swallows_everything():
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722
            continue


def sleeps():
    time.sleep(60)


@pytest.mark.parametrize("answer", [endless, swallows_exceptions, swallows_everything, sleeps])
def test_an_endless_answer_is_stopped(answer):
    before = signal.getsignal(signal.SIGALRM), sys.gettrace()
    started = time.monotonic()
    with pytest.raises(TooSlow):
        call_within(0.1, answer)
    assert time.monotonic() - started < 2
    assert (signal.getsignal(signal.SIGALRM), sys.gettrace()) == before


def test_another_alarm_rings_later():
    rung = []
    timer = signal.setitimer(signal.ITIMER_REAL, 0)
    handler = signal.signal(signal.SIGALRM, lambda *_: rung.append(time.monotonic()))
    try:
        started = time.monotonic()
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        with pytest.raises(TooSlow):
            call_within(0.1, endless)
        assert not rung
        time.sleep(0.4)
        assert len(rung) == 1
        assert rung[0] - started >= 0.29
    finally:
        signal.signal(signal.SIGALRM, handler)
        signal.setitimer(signal.ITIMER_REAL, *timer)


def test_in_another_thread():
    outcome = []

    def work():
        try:
            call_within(0.1, endless)
        except TooSlow:
            outcome.append("stopped")
        outcome.append(call_within(5, lambda: 42))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join(timeout=10)
    assert outcome == ["stopped", 42]


def test_errors_and_ctrl_c_come_through():
    with pytest.raises(ZeroDivisionError):
        call_within(1, lambda: 1 / 0)
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        call_within(5, endless)


CELLS = (
    "from labkit.exercises import exercise",
    """@exercise("start.slowdown")
def slowdown(before, after):
    while True: pass
""",
    """print(slowdown([2.0], [3.0]), slowdown.outcome)""",
    """@exercise("start.slowdown")
def slowdown(before, after):
    ratio = before
    return ratio[99]
""",
    """import os, signal, threading
threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT)).start()
try:
    @exercise("start.slowdown")
    def slowdown(before, after):
        while True: pass
except KeyboardInterrupt:
    print("interrupted")
""",
    """import time
time.sleep(3)
print("alive")""",
)


def test_in_a_real_kernel(tmp_path, monkeypatch):
    monkeypatch.setenv("LABKIT_HOME", str(tmp_path))
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    # In a plain kernel: what is tested is the main thread's alarm there, not pytest's.
    NotebookClient(notebook, timeout=60, kernel_name="python3").execute()
    outputs = [cell.outputs for cell in notebook.cells]
    data = outputs[1][0].data
    assert "✘ wrong" in data["text/plain"]
    assert "Stopped after 2 seconds" in data["text/plain"]
    assert "Stopped after 2 seconds" in data["text/html"]
    assert data["application/vnd.labkit.exercise+json"]["outcome"] == "wrong"
    assert "using the reference" in outputs[2][0].data["text/plain"]
    assert "1.5 wrong" in outputs[2][1].text
    assert "(line 4: return ratio[99])" in outputs[3][0].data["text/plain"]
    assert outputs[4][0].text == "interrupted\n"
    assert outputs[5][0].text == "alive\n"
