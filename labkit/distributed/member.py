"""One worker of `launch`: join the others, do the job, hand back the result or the error, stay until all are done.

Nothing heavy is imported before the worker listens to whoever started it.
"""

import os
import pickle
import signal
import sys
import threading
import time
import traceback
from pathlib import Path

from labkit.distributed.group import join_at_file
from labkit.distributed.news import News

__all__ = ["main"]

# What gloo and the sockets under it say when the other side has gone.
LOST = ("closed by peer", "reset by peer", "Broken pipe", "Connection refused", "Socket closed", "connectFullMesh")


def main():
    """Be one worker, as the command line says: folder, rank, number of workers, threads, backend."""
    folder, *numbers, backend = sys.argv[1:]
    folder, (rank, world_size, threads) = Path(folder), map(int, numbers)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the starter decides
    # Standard output becomes the log; what the starter listens to, nothing that prints can disturb.
    news = News(os.dup(1))
    os.dup2(2, 1)
    news.reports()
    threading.Thread(target=_obey, args=(os.dup(0), news, threading.get_ident()), daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    try:
        _work(folder, rank, world_size, threads, backend, news=news)
    except BaseException as error:
        news.say("raised", error=_sentence(error, folder), traceback=_traceback(error), time=time.monotonic(),
                 lost=any(words in str(error) for words in LOST))  # fmt: skip
    else:
        news.say("finished")
    # Stay until all are done: what this worker has sent last may still be on its way, and if it closed its
    # connections now, the others would fail for no reason of their own.
    threading.Event().wait()


def _work(folder, rank, world_size, threads, backend, *, news):
    with (folder / "job").open("rb") as stream:
        fn, args, kwargs = pickle.load(stream)

    import torch

    torch.set_num_threads(threads)
    if backend == "nccl":
        torch.cuda.set_device(rank)
    news.say("loaded")
    join_at_file(folder / "rendezvous", rank=rank, world_size=world_size, backend=backend)
    news.say("joined")
    result = fn(*args, **kwargs)
    with (folder / f"result-{rank}").open("wb") as stream:
        try:
            pickle.dump(result, stream, protocol=pickle.HIGHEST_PROTOCOL)
        except OSError:
            raise
        except Exception as error:  # pickle raises its own kinds, and whatever the objects raise
            raise TypeError(f"the result, a {type(result).__name__}, cannot be sent back: {error}") from error


def _obey(descriptor, news, main_thread):
    """Answer where the work stands when asked; leave, with all that it started, when the starter closes the line."""
    with os.fdopen(descriptor, "rb") as orders:
        for _ in orders:
            frames = traceback.extract_stack(sys._current_frames()[main_thread])
            ours = [number for number, frame in enumerate(frames) if frame.filename == __file__]
            news.say("here", stack="".join(traceback.format_list(frames[ours[-1] + 1 :])))
    if hasattr(os, "killpg"):
        os.killpg(os.getpgrp(), signal.SIGKILL)
    os._exit(0)


def _sentence(error, folder):
    """Say what was raised in one line, without the name of a folder that is gone when it is read."""
    words = " ".join(str(error).replace(str(folder), "").split())
    return f"{type(error).__name__}: {words}" if words else type(error).__name__


def _traceback(error):
    """Give the traceback without our own frames at its top."""
    trace = error.__traceback__
    while trace.tb_next is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)).rstrip()
