"""An ordered list of compression steps: what is applied, cached, compared, and stored in the packed file."""

import json
from dataclasses import dataclass
from functools import partial

from labkit import pack
from labkit.batches import Batches, encode
from labkit.cache import code_version, default_cache
from labkit.callbacks import Progress
from labkit.classifier import Stored
from labkit.errors import SettingError
from labkit.steps import Step, step_from_dict
from labkit.training import fit

__all__ = ["Policy"]

CODE = ("labkit.policy", "labkit.training", "labkit.batches", "labkit.fine_tuning", "labkit.steps.base")


@dataclass(frozen=True)
class Policy:
    """Steps in order. All prepare, then the model is trained once under the constraints of all, then all finish.

    >>> from labkit.steps import KeepLayers, Quantize
    >>> policy = Policy([KeepLayers(3), Quantize(bits=4)])
    >>> Policy.from_json(policy.to_json()) == policy
    True

    Raises SettingError when a step needs training and none of the steps trains, or comes before one that it has to
    come after.
    """

    steps: tuple

    def __post_init__(self):
        if not isinstance(self.steps, (tuple, list)):
            raise SettingError("a list of steps", received=repr(self.steps), do="Write Policy([KeepLayers(3)]).")
        object.__setattr__(self, "steps", tuple(self.steps))
        for step in self.steps:
            if not isinstance(step, Step):
                raise SettingError("steps such as KeepLayers(3)", received=repr(step), do="Give a list of steps.")
        trainers = [step for step in self.steps if step.trains]
        needy = [type(step).__name__ for step in self.steps if step.needs_training]
        if len(trainers) > 1:
            raise SettingError("one training step at most", received=f"{len(trainers)}", do="Keep one Distill.")
        if needy and not trainers:
            raise SettingError(
                f"a training step beside {needy[0]}, which acts during training", received="none",
                do="Add Distill(epochs=4) to the policy.",
            )  # fmt: skip

        for number, step in enumerate(self.steps):
            late = [type(other).__name__ for other in self.steps[number + 1 :] if other.needs_training]
            if step.needs_training and (wrong := [name for name in late if name in step.comes_after]):
                raise SettingError(
                    f"{wrong[0]} before {type(step).__name__}, as both act during training", received="it after it",
                    do="Change places.",
                )  # fmt: skip

    def to_json(self):
        """Write the policy as JSON text."""
        return json.dumps([step.to_dict() for step in self.steps])

    @classmethod
    def from_json(cls, text):
        """Read a policy from JSON text; raises SettingError for what is no policy."""
        try:
            values = json.loads(text)
        except ValueError as error:
            raise SettingError("a policy as JSON", received=str(error), do="Copy it from `to_json()`.") from None
        if not isinstance(values, list):
            raise SettingError("a policy as a JSON list", received=text[:80], do="Copy it from `to_json()`.")
        return cls([step_from_dict(value) for value in values])

    def apply(self, teacher, task, *, seed=0, cache=None, callbacks=(), progress=None):
        """Compress a copy of the teacher and return it as it comes back from its packed file.

        The packed file is kept: the same policy, teacher, task and seed come at once the next time. Ctrl-C keeps
        the training that was done; the next call goes on from there. `progress(fraction, text)` replaces the bar.

        Raises Interrupted on Ctrl-C.
        """
        path = self.packed(teacher, task, seed=seed, cache=cache, callbacks=callbacks, progress=progress)
        return Stored(path.with_name("fingerprint").read_text(), partial(pack.load, path))

    def packed(self, teacher, task, *, seed=0, cache=None, callbacks=(), progress=None):
        """Compress a copy of the teacher and return the path of its packed file; see `apply`."""
        cache = cache or default_cache()
        key = self.key(teacher, task, seed=seed)

        def make(folder):
            student = teacher.copy()
            for step in self.steps:
                step.prepare(student, task)
            checkpoint = cache.work(key) / "training.pt"
            self._train(
                student, teacher, task, seed=seed, cache=cache, checkpoint=checkpoint, callbacks=callbacks,
                progress=progress,
            )  # fmt: skip
            for step in self.steps:
                step.finish(student)
            pack.save(student, folder / "model.pack", policy=[step.to_dict() for step in self.steps])
            (folder / "fingerprint").write_text(student.fingerprint)  # a pack gives back the same, bit for bit

        return cache.get(key, make) / "model.pack"

    def key(self, teacher, task, *, seed):
        """Name all that the result depends on."""
        modules = [name for step in self.steps for name in (type(step).__module__, *step.code)]
        return {
            "what": "policy", "policy": [step.to_dict() for step in self.steps], "teacher": teacher.fingerprint,
            "task": task.fingerprint, "seed": seed, "code": code_version(*CODE, *modules), "format": pack.VERSION,
        }  # fmt: skip

    def _train(self, student, teacher, task, *, seed, cache, checkpoint, callbacks, progress):
        trainer = next((step for step in self.steps if step.trains), None)
        if trainer is None:
            return
        texts, labels = trainer.rows(task, seed=seed)
        batches = Batches(
            encode(student.tokenizer, texts), batch_size=trainer.batch_size, seed=seed, labels=labels,
            padding=student.tokenizer.pad_token_id,
            **trainer.targets(teacher, task, texts, cache=cache),
        )  # fmt: skip
        constraints = [callback for step in self.steps for callback in step.constrain(student)]
        bar = Progress(f"{type(trainer).__name__.lower()}, fold {task.fold}", report=progress)
        fit(
            student.model, batches, training=trainer.training, loss=trainer.loss, forward=trainer.forward, seed=seed,
            checkpoint=checkpoint, callbacks=[*constraints, *callbacks, bar],
        )  # fmt: skip
