"""Jobs so small that real workers do them in seconds, and what workers are told to do in tests."""

import os
from pathlib import Path

import numpy as np
import small
import torch
import torch.distributed as dist
from torch.utils.data import DistributedSampler

from labkit.batches import Batches, Shard, encode, pad
from labkit.classifier import Classifier
from labkit.distributed.data_parallel import Parallel, rank_and_size, wrap
from labkit.distributed.evaluation import gather_rows, logits_together
from labkit.distributed.jobs import Job, train
from labkit.distributed.pipeline import train_pipeline
from labkit.errors import SettingError
from labkit.training import Training, fit

LABELS = ("fruit", "metal")


def start(folder, *, dropout=0.0, layers=2):
    """Save a tiny classifier and return where."""
    classifier = small.classifier(LABELS, dropout=dropout, layers=layers)
    for layer in classifier.model.bert.encoder.layer:
        # The bias of the keys has no gradient, since softmax does not see it, only rounding noise in proportion to the
        # queries. AdamW makes steps of it where it is not far below its epsilon of 1e-8, as in a model of real size.
        layer.attention.self.query.weight.data *= 0.02
    classifier.save(folder)
    return str(folder)


def texts(count, *, seed=0):
    """So many texts of fruit and metal words, and what they are."""
    random, names = np.random.default_rng(seed), sorted(small.WORDS)[:2]
    truth = np.arange(count) % 2
    words = [random.choice(small.WORDS[names[label]].split(), size=random.integers(2, 9)) for label in truth]
    return [" ".join(line) for line in words], truth


def job(place, *, rows=64, batch=32, epochs=25, optimizer="adamw", rate=1e-4, micro_batch=0, **settings):
    """A job on the classifier in `place`: 50 steps as it stands."""
    (train_texts, truth), (test_texts, test_truth) = texts(rows), texts(33, seed=1)
    training = Training(
        epochs=epochs, batch_size=batch, learning_rate=rate, optimizer=optimizer, micro_batch=micro_batch
    )
    return Job(LABELS, train_texts, truth, test_texts, test_truth, start=place, training=training, **settings)


def train_all(jobs):
    """Be one worker for several jobs, one after the other."""
    return [train(job) for job in jobs]


def exchanges(place, parallels, *, steps=14):
    """Be one worker that computes the same gradient again and again and exchanges it in each of several ways.

    Returns for each: the worker's own gradient, those after the exchange of every step, by name, the bytes counted a
    step, and the bytes that all workers sent over the loopback interface in all steps.
    """
    rank, world_size = rank_and_size()
    lines, truth = texts(8 * world_size)
    found = []
    for parallel in parallels:
        classifier = Classifier.load(place)
        batch = pad(encode(classifier.tokenizer, lines[rank::world_size]))
        labels = torch.from_numpy(truth[rank::world_size])

        def backward(model, batch=batch, labels=labels):
            model.zero_grad()
            torch.nn.functional.cross_entropy(model.train()(**batch).logits, labels).backward()

        backward(classifier.model)
        own = gradients(classifier.model)
        module, callbacks = wrap(classifier.model, parallel)
        averaged, before = [], 0
        for step in range(steps):
            if step == 1:  # after the first step, DDP says once how it arranges its buckets from now on
                before = loopback_bytes()
            backward(module)
            for callback in callbacks:
                callback.after_backward(None)
            for callback in callbacks:
                callback.after_step(None)
            averaged.append(gradients(classifier.model))
        found.append(
            {
                "own": own, "averaged": averaged, "counted": callbacks[0].steps[1:],
                "measured": loopback_bytes() - before,
            }
        )  # fmt: skip
    return found


FROZEN = "bert.embeddings.position_embeddings.weight"


def one_copy(place, parallel, *, steps=6):
    """Be one worker that trains some steps with one frozen parameter, exchanging gradients as `parallel` says.

    Returns the weights before and after, the numbers in the optimizer's moments, the bytes on the loopback interface,
    what one weight is when each worker has put its own rank there, and how a checkpoint is refused.
    """
    rank, world_size = rank_and_size()
    lines, truth = texts(16 * steps)
    model = Classifier.load(place).model
    model.get_parameter(FROZEN).requires_grad = False
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    batches = Batches(encode(Classifier.load(place).tokenizer, lines), batch_size=16, labels=truth)
    batches = Shard(batches, rank=rank, world_size=world_size)
    module, callbacks = wrap(model, parallel)
    sent = loopback_bytes()
    state = fit(module, batches, training=Training(epochs=1, batch_size=16, learning_rate=2e-5), callbacks=callbacks)
    wire = loopback_bytes() - sent
    weights = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    moments = sum(kept["exp_avg"].numel() for kept in state.optimizer.state.values())
    place_of_own = next(model.parameters()).data.flatten()
    place_of_own[0] = rank
    dist.barrier()
    return {
        "before": before, "weights": weights, "moments": moments, "wire": wire, "own": place_of_own[0].item(),
        "refused": _checkpoint_refused(model, batches, parallel, place),
    }  # fmt: skip


def _checkpoint_refused(model, batches, parallel, place):
    if parallel.through == "network":
        return ""
    module, callbacks = wrap(model, parallel)
    try:
        fit(module, batches, training=Training(epochs=1), callbacks=callbacks, checkpoint=Path(place) / "training.pt")
    except SettingError as error:
        return str(error)


def gradients(model):
    return {name: parameter.grad.numpy().copy() for name, parameter in model.named_parameters()}


def loopback_bytes():
    """Bytes sent over the loopback interface since the machine started, when all workers have come here."""
    if dist.is_initialized():
        dist.barrier()
    lines = Path("/proc/net/dev").read_text().splitlines()
    return int(next(line for line in lines if line.strip().startswith("lo:")).split(":")[1].split()[8])


def tables_and_looks(place):
    """Be one worker that comes with a table of its own, then one that predicts something before every step.

    Returns (that table, the one after `wrap`, that of worker 0), the bytes of the steps without and with a look, and
    how memory is refused to workers that do not see each other's.
    """
    rank, _ = rank_and_size()
    model = Classifier.load(place).model
    weight = model.bert.embeddings.word_embeddings.weight
    first = weight.detach().numpy().copy()
    weight.data += rank
    own = weight.detach().numpy().copy()
    wrap(model, Parallel())
    tables = own, weight.detach().numpy().copy(), first

    counted = []
    lines, truth = texts(16)
    rows = [[0], [1, 2]][rank]
    for look in (False, True):
        classifier = Classifier.load(place)
        batch = pad(encode(classifier.tokenizer, [lines[row] for row in rows]))
        module, callbacks = wrap(classifier.model, Parallel())
        for _ in range(3):
            if look:
                classifier.predict(lines)
            logits = module.train()(**batch).logits
            torch.nn.functional.cross_entropy(logits, torch.from_numpy(truth[rows])).backward()
            for callback in callbacks:
                callback.after_backward(None)
            for callback in callbacks:
                callback.after_step(None)
        counted.append(callbacks[0].steps)
    return tables, counted, _from_afar(model)


def _from_afar(model):
    """How memory is refused where worker 1 cannot see that of worker 0."""
    see = os.open

    def blind(path, *rest):
        if str(path).startswith("/proc/"):
            raise FileNotFoundError(path)
        return see(path, *rest)

    os.open = blind if rank_and_size()[0] == 1 else see
    try:
        wrap(model, Parallel(through="memory"))
    except SettingError as error:
        return str(error)
    finally:
        os.open = see


def logits_of(place, counts):
    """Be one worker: the logits of so many texts each, and how rows of a sampler that pads are refused."""
    classifier = Classifier.load(place)
    found = {count: logits_together(classifier, texts(count)[0]) for count in counts}
    rank, workers = rank_and_size()
    padded = list(DistributedSampler(range(7), workers, rank, shuffle=False))
    try:
        gather_rows(padded, np.zeros((len(padded), 2)), count=7)
    except SettingError as error:
        return found, str(error)


def pipelines(jobs, settings):
    """Be one stage for several jobs, one after the other."""
    return [train_pipeline(job, **stages) for job, stages in zip(jobs, settings, strict=True)]


def swaps(*, piece=5):
    """Be one worker of several that swap rows in pieces: what it holds afterwards, before filled with -1."""
    from labkit.distributed import hooks

    hooks.PIECE = piece
    rank, workers = rank_and_size()
    mine = (torch.arange(12.0).repeat(workers, 1) + 20 * rank + 100 * torch.arange(workers)[:, None]).half()
    came = torch.full_like(mine, -1.0)
    hooks._swap(mine, came, dist.group.WORLD)
    return came
