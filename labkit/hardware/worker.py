"""A process of its own that runs a model once and reports its memory: `python -m labkit.hardware.worker`.

It reads one JSON object from standard input and writes one JSON line to standard output.
"""

import json
import sys
import time


def resident_bytes():
    """Memory of this process now, in bytes."""
    import psutil

    return psutil.Process().memory_info().rss


def peak_bytes():
    """Highest memory of this process since it started, in bytes.

    On Linux from /proc: what getrusage says there includes the process that started this one.
    """
    if sys.platform == "linux":
        with open("/proc/self/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    import psutil

    used = psutil.Process().memory_info()
    if hasattr(used, "peak_wset"):
        return used.peak_wset
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def build(config, *, labels):
    """A model with random weights, and a function `loss(batch, length)` on random words."""
    import torch
    from transformers import BertForSequenceClassification, BertModel, GPT2LMHeadModel

    if config.model_type == "gpt2":
        model = GPT2LMHeadModel(config)
    elif labels:
        config.num_labels = labels
        model = BertForSequenceClassification(config)
    else:
        model = BertModel(config)

    def loss(batch, length):
        words = torch.randint(0, config.vocab_size, (batch, length))
        if config.model_type == "gpt2":
            return model(input_ids=words, labels=words).loss
        given = {"input_ids": words, "attention_mask": torch.ones_like(words)}
        return model(**given, labels=words[:, 0] % labels).loss if labels else model(**given).pooler_output.sum()

    return model, loss


def kept_for_backward(model, run):
    """Bytes of all tensors that autograd keeps while `run()` makes a loss, each storage counted once."""
    import torch

    own = {tensor.untyped_storage().data_ptr() for tensor in [*model.parameters(), *model.buffers()]}
    kept = {}

    def note(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            # Held on to, so that no address is used twice.
            kept[storage.data_ptr()] = (storage.nbytes(), tensor.detach())
        return tensor.detach()

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        run()
    return sum(size for size, _ in kept.values())


def run(job):
    """Do one job, train or predict, and return what was measured (dict)."""
    import torch
    from transformers import BertConfig, GPT2Config
    from transformers.utils import logging

    logging.set_verbosity_error()
    torch.set_num_threads(job["threads"])
    torch.manual_seed(0)
    kinds = {"bert": BertConfig, "gpt2": GPT2Config}
    config = kinds[job["config"].pop("model_type")].from_dict(job["config"])
    size = (job["batch"], job["length"])
    _warm_up(config, job)
    before = resident_bytes()
    model, loss = build(config, labels=job["labels"])
    step = _stepper(model, loss, job)
    times = []
    # Two training steps, because the optimizer's moments are there from the second on; a prediction is
    # short, so it is repeated for a second.
    while len(times) < 2 or (not job["train"] and len(times) < 50 and sum(times) < 1):
        started = time.perf_counter()
        step(*size)
        times.append(time.perf_counter() - started)
    found = {
        "static_bytes": resident_bytes() - before,
        "peak_bytes": peak_bytes() - before,
        "seconds": min(times),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "activation_bytes": None,
    }
    if job["train"] and job["count_activations"]:
        model.zero_grad()
        found["activation_bytes"] = kept_for_backward(model, lambda: loss(*size))
    return found


def _stepper(model, loss, job):
    """A function that does one training step, or one prediction, on `(batch, length)`."""
    import torch

    if not job["train"]:
        model.eval()
        return torch.inference_mode()(loss)
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    optimizer = kinds[job["optimizer"]](model.train().parameters(), lr=1e-6)

    def step(batch, length):
        optimizer.zero_grad()
        loss(batch, length).backward()
        optimizer.step()

    return step


def _warm_up(config, job):
    """Let a tiny model do the same first, so that libraries load before the memory is looked at."""
    import torch

    sizes = {"num_hidden_layers": 1, "hidden_size": 32, "num_attention_heads": 2, "vocab_size": 50}
    model, loss = build(type(config)(**sizes, intermediate_size=64), labels=job["labels"])
    for _ in range(2):
        _stepper(model, loss, job)(2, 8)
    # On some processors the library that multiplies keeps its working space, some megabytes for a large product: the
    # feed-forward part's is the largest of a layer.
    hidden = config.hidden_size
    torch.ones(job["batch"] * job["length"], hidden) @ torch.ones(hidden, 4 * hidden)


if __name__ == "__main__":
    print(json.dumps(run(json.load(sys.stdin))))
