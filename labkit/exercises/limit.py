"""A time limit for code that may never end, without harm to the kernel it runs in."""

import signal
import sys
import threading
import time

__all__ = ["TooSlow", "call_within"]


class TooSlow(BaseException):
    """The time is up. Not an Exception, so that `except Exception` in a reader's loop does not swallow it."""


def call_within(seconds, call):
    """Call `call()` and give back its result; raises TooSlow when it takes longer than `seconds`.

    In the main thread an alarm rings, which also ends a long `time.sleep`; elsewhere, and on Windows, a trace
    looks at the clock on each line. Ctrl-C works as ever; handler, timer and trace are put back.

    >>> call_within(1.0, lambda: 6 * 7)
    42
    >>> def endless():
    ...     while True: pass
    >>> try: call_within(0.05, endless)
    ... except TooSlow: print("stopped")
    stopped
    """
    main = threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer")
    return _with_alarm(seconds, call) if main else _with_trace(seconds, call)


def _with_alarm(seconds, call):
    armed = True
    here = sys._getframe()
    old_trace = sys.gettrace()

    def ring(signum, frame):
        if not armed:
            return
        # A bare `except:` in a loop would swallow one TooSlow, so the next lines of the reader's frames
        # (those below ours) raise it again.
        sys.settrace(_raise_on_each_line)
        while frame is not None and frame is not here:
            frame.f_trace = _raise_on_each_line
            frame = frame.f_back
        raise TooSlow

    started = time.monotonic()
    old_handler = signal.signal(signal.SIGALRM, ring)
    old_delay, old_interval = signal.setitimer(signal.ITIMER_REAL, seconds, 0.1)
    try:
        try:
            return call()
        finally:
            armed = False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        sys.settrace(old_trace)
        signal.signal(signal.SIGALRM, signal.SIG_DFL if old_handler is None else old_handler)
        if old_delay:  # somebody else's alarm goes on with what is left of it
            left = old_delay - (time.monotonic() - started)
            signal.setitimer(signal.ITIMER_REAL, max(left, 0.001), old_interval)


def _with_trace(seconds, call):
    deadline = time.monotonic() + seconds
    old_trace = sys.gettrace()

    def look_at_the_clock(frame, event, arg):
        if time.monotonic() > deadline:
            raise TooSlow
        return look_at_the_clock

    sys.settrace(look_at_the_clock)
    try:
        return call()
    finally:
        sys.settrace(old_trace)


def _raise_on_each_line(frame, event, arg):
    if event == "line":
        raise TooSlow
    return _raise_on_each_line
