"""One row of numbers about a classifier: all of it counted, and scored after a reload in a fresh process."""

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np
from safetensors.torch import save as serialize

from labkit import pack
from labkit.counting import macs, nonzeros, parameters
from labkit.errors import LabError
from labkit.machine import machine_label, versions
from labkit.statistics import Interval, compare, f1_interval

__all__ = ["Measurement", "compare_classifiers", "file_size", "measure", "size_on_disk"]


@dataclass(frozen=True)
class Measurement:
    """What was measured of one classifier.

    f1, accuracy         of the test rows; macro-F1 with its 95 % bootstrap interval
    bytes                of the packed file: weights, scales, tokenizer, labels, all that predicting needs
    parameters, nonzeros counted in the model
    macs                 multiply-adds for one text of 12 tokens
    latency_b1, _b32     milliseconds for a batch of 1 and of 32 real texts, model alone: p50 and p95
    peak_memory          bytes that the fresh process had resident at most
    seconds              to make the classifier, where known
    batch_flips          test texts whose label changes between a batch of 1 and of 32
    machine, versions    where it was measured
    """

    f1: Interval
    accuracy: float
    bytes: int
    parameters: int
    nonzeros: int
    macs: int
    latency_b1_p50_ms: float
    latency_b1_p95_ms: float
    latency_b32_p50_ms: float
    latency_b32_p95_ms: float
    peak_memory: int
    batch_flips: int
    machine: str
    versions: dict
    seconds: float | None = None
    predicted: np.ndarray = field(repr=False, default=None, compare=False)

    def row(self):
        """Give the measurement as a flat dictionary, for a table or JSON."""
        values = {key: value for key, value in asdict(self).items() if key not in ("f1", "predicted", "versions")}
        return {"f1": self.f1.value, "f1_low": self.f1.low, "f1_high": self.f1.high} | values


def measure(classifier, task, *, seconds=None):
    """Pack a classifier, load the file in a fresh process, and measure it there on the task's test rows.

    Takes about ten seconds. Raises LabError with the process's own words when the fresh process fails.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.pack"
        size = pack.save(classifier, path)
        found = _in_fresh_process(path, task.texts("test"))
    predicted, truth = np.array(found.pop("predicted")), task.truth("test")
    return Measurement(
        f1=f1_interval(truth, predicted), accuracy=float((truth == predicted).mean()), bytes=size,
        parameters=parameters(classifier.model), nonzeros=nonzeros(classifier.model), macs=macs(classifier.model),
        machine=machine_label(), versions=versions(), seconds=seconds, predicted=predicted, **found,
    )  # fmt: skip


def compare_classifiers(first, second, task, *, part="test"):
    """The F1 of `second` minus that of `first` on the same rows, with its paired 95 % interval."""
    texts = task.texts(part)
    return compare(task.truth(part), first.predict(texts), second.predict(texts))


def size_on_disk(classifier):
    """Count the bytes of a classifier's packed file, everything that predicting needs."""
    with tempfile.TemporaryDirectory() as folder:
        return pack.save(classifier, Path(folder) / "model.pack")


def file_size(model):
    """Count the bytes of a model's weights in a plain safetensors file, where every weight is stored as it is.

    >>> import torch
    >>> file_size(torch.nn.Linear(256, 256)) // 1000
    263
    """
    return len(serialize({name: tensor.detach().contiguous() for name, tensor in model.state_dict().items()}))


def _in_fresh_process(path, texts):
    (path.parent / "texts.json").write_text(json.dumps(texts))
    done = subprocess.run(
        [sys.executable, "-m", "labkit.measure", str(path)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise LabError(
            "a fresh process that loads the packed file", received=done.stderr.strip()[-500:] or "no word from it",
            do="Free some memory, or pack the classifier again.",
        )  # fmt: skip
    return json.loads((path.parent / "found.json").read_text())


def _fresh_process(path):
    import psutil

    from labkit.batches import encode, pad
    from labkit.latency import race

    texts = json.loads((path.parent / "texts.json").read_text())
    classifier = pack.load(path)
    predicted = classifier.predict(texts, batch_size=32)
    alone = np.array([classifier.predict([text])[0] for text in texts])
    ids = encode(classifier.tokenizer, texts)

    def call(rows):
        import torch

        batch = pad(rows, padding=classifier.tokenizer.pad_token_id)
        with torch.inference_mode():
            classifier.model(**batch)

    middle = sorted(ids, key=len)[len(ids) // 2]
    times = race({"b1": lambda: call([middle]), "b32": lambda: call(ids[:32])}, rounds=30)
    memory = psutil.Process().memory_info()
    found = {
        "predicted": predicted.tolist(), "batch_flips": int((alone != predicted).sum()),
        "peak_memory": int(getattr(memory, "peak_wset", 0)) or _peak_resident(),
    }  # fmt: skip
    for name, time in times.items():
        found |= {f"latency_{name}_p50_ms": time.p50, f"latency_{name}_p95_ms": time.p95}
    (path.parent / "found.json").write_text(json.dumps(found))


def _peak_resident():
    status = Path("/proc/self/status")
    if status.is_file():
        # Linux hands the peak of the starting process down in ru_maxrss; this one counts from our own start.
        return int(status.read_text().split("VmHWM:")[1].split()[0]) * 1024
    import resource

    unit = 1 if sys.platform == "darwin" else 1024  # the one system that counts in bytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


if __name__ == "__main__":
    _fresh_process(Path(sys.argv[1]))
