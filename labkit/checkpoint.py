"""Where training stands, on disk: saved now and then and on Ctrl-C, taken up again at the next start."""

import time
from pathlib import Path

import torch

from labkit.callbacks import Callback
from labkit.errors import CacheError

__all__ = ["Checkpoint"]


class Checkpoint(Callback):
    """Saves where training stands, every `seconds` and on Ctrl-C, and takes it up again at the next start."""

    def __init__(self, path, schedule, others, *, seconds=20.0):
        self.path, self.schedule, self.others, self.seconds = Path(path), schedule, others, seconds
        self._saved = time.monotonic()
        self._with_memory()  # what cannot be saved says so before anything is computed

    def restore(self, state):
        """Take up what was saved, where there is something; a damaged checkpoint is as good as none."""
        if not self.path.exists():
            return
        try:
            saved = torch.load(self.path, weights_only=True)
        except Exception:  # zip, pickle and torch each raise their own
            return
        state.model.load_state_dict(saved["model"])
        state.optimizer.load_state_dict(saved["optimizer"])
        self.schedule.load_state_dict(saved["schedule"])
        torch.set_rng_state(saved["random"])
        state.step, state.losses = saved["step"], saved["losses"]
        for callback, memory in zip(self._with_memory(), saved["callbacks"], strict=True):
            callback.load_state_dict(memory)

    def _with_memory(self):
        # A bar or a stop button has nothing to keep, and need not be there again at the next start.
        return [callback for callback in self.others if callback.state_dict()]

    def after_step(self, state):
        if time.monotonic() - self._saved > self.seconds and state.step < state.steps:
            self.save(state)

    def save(self, state):
        """Write the checkpoint; an interruption while writing leaves the one before intact.

        Raises CacheError when there is no room for it.
        """
        whole = {
            "model": state.model.state_dict(), "optimizer": state.optimizer.state_dict(),
            "schedule": self.schedule.state_dict(), "random": torch.get_rng_state(), "step": state.step,
            "losses": state.losses, "callbacks": [callback.state_dict() for callback in self._with_memory()],
        }  # fmt: skip
        part = self.path.with_suffix(".part")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(whole, part)
            part.replace(self.path)
        except (OSError, RuntimeError) as error:  # torch says RuntimeError when the disk is full
            part.unlink(missing_ok=True)
            raise CacheError(
                f"room for the checkpoint of step {state.step}", received=str(error).splitlines()[0],
                do="Make room, or set the environment variable LABKIT_CACHE to another folder, and run it again.",
            ) from error  # fmt: skip
        self._saved = time.monotonic()
