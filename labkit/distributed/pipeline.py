"""Splitting the model instead of the rows: worker 0 has the first layers, worker 1 the others and the head.

Each batch goes through in micro-batches, so that worker 0 computes the next one while worker 1 has the last. What
travels is the activations between two layers, and on the way back their gradient. The loop is `labkit.training.fit`
as ever: what a stage gives it looks like a model. Huang et al., GPipe, arXiv 1811.06965.
"""

import torch
import torch.distributed as dist
from torch import nn

from labkit.callbacks import Callback, Progress, Timer
from labkit.distributed.data_parallel import OwnDropout, rank_and_size
from labkit.distributed.memory import held_bytes, peak_bytes
from labkit.distributed.news import report
from labkit.errors import SettingError
from labkit.statistics import macro_f1
from labkit.training import fit

__all__ = ["join_stages", "split_stages", "train_pipeline"]


class _Link:
    """The way to the other stage: what is sent does not wait, what is received does; bytes sent are counted."""

    def __init__(self, other):
        self.other, self.sent, self._under_way = other, 0, []

    def send(self, values, *, tag):
        values = values.detach().contiguous()
        self._under_way.append((dist.isend(values, self.other, tag=tag), values))  # keeps them alive until they left
        self.sent += values.nbytes

    def receive(self, shape, *, tag):
        values = torch.empty(shape)
        dist.recv(values, self.other, tag=tag)
        return values

    def flush(self):
        for work, _ in self._under_way:
            work.wait()
        self._under_way.clear()


class _Sent(torch.autograd.Function):
    """Sends activations on; when backward comes to them, receives their gradient."""

    @staticmethod
    def forward(ctx, hidden, link, tag):
        ctx.link, ctx.shape, ctx.tag = link, hidden.shape, tag
        link.send(hidden, tag=tag)
        return hidden.new_zeros(())

    @staticmethod
    def backward(ctx, _):
        return ctx.link.receive(ctx.shape, tag=ctx.tag), None, None


class _Given(nn.Module):
    """Stands where the embeddings were: what comes in is embedded already."""

    def forward(self, *, inputs_embeds, **_):
        return inputs_embeds


class _Output:
    def __init__(self, logits):
        self.logits = logits


class FirstStage(nn.Module):
    """The embeddings and the first layers; its "logits" are a zero whose backward fetches the gradients."""

    def __init__(self, model, link, *, rows):
        super().__init__()
        self.body, self.link, self.rows = model.base_model, link, rows

    def forward(self, input_ids, attention_mask):
        parts = zip(input_ids.split(self.rows), attention_mask.split(self.rows), strict=True)
        sent = []
        for tag, (ids, mask) in enumerate(parts):
            hidden = self.body(input_ids=ids, attention_mask=mask).last_hidden_state
            sent.append(_Sent.apply(hidden, self.link, tag))
        return _Output(torch.stack(sent).sum())


class LastStage(nn.Module):
    """The other layers and the head; as soon as the gradient of a micro-batch is there, it goes back."""

    def __init__(self, model, link, *, rows):
        super().__init__()
        self.model, self.link, self.rows = model, link, rows

    def forward(self, input_ids, attention_mask):
        logits = []
        for tag, mask in enumerate(attention_mask.split(self.rows)):
            hidden = self.link.receive((*mask.shape, self.model.config.hidden_size), tag=tag).requires_grad_()
            hidden.register_hook(lambda gradient, tag=tag: self.link.send(gradient, tag=tag))
            logits.append(self.model(inputs_embeds=hidden, attention_mask=mask).logits)
        return _Output(torch.cat(logits))


class _WholeGradient(Callback):
    """Clips by the norm of the gradient of both stages, as one process would."""

    def __init__(self, clip, link):
        self.clip, self.link = clip, link

    def after_backward(self, state):
        gradients = [p.grad for p in state.model.parameters() if p.grad is not None]
        total = torch.stack(torch._foreach_norm(gradients)).square().sum()
        dist.all_reduce(total)
        torch._foreach_mul_(gradients, min(1.0, self.clip / (total.sqrt().item() + 1e-6)))
        self.link.flush()


def split_stages(model, at):
    """Cut a BERT classifier in two, in place: layers before `at` for worker 0, the rest for worker 1.

    Returns this worker's part, a Transformers model that lacks what the other has.

    Raises SettingError for a cut that leaves one of them without a layer.
    """
    layers = model.base_model.encoder.layer
    if type(at) is not int or not 0 < at < len(layers):
        raise SettingError(
            f"a cut after layer 1 to {len(layers) - 1}", received=repr(at), do="at=3 halves a BERT of six layers."
        )
    if rank_and_size()[0] == 0:
        model.base_model.encoder.layer, model.base_model.pooler = layers[:at], None
        model.classifier = None
    else:
        model.base_model.encoder.layer, model.base_model.embeddings = layers[at:], _Given()
    return model


def join_stages(first, last, *, at):
    """Put the weights of both stages together, dictionaries by name; the later layers get their old numbers back.

    >>> last = {"bert.encoder.layer.0.output.dense.bias": 2, "classifier.bias": 3}
    >>> join_stages({"bert.encoder.layer.0.output.dense.bias": 1}, last, at=4)
    {'bert.encoder.layer.0.output.dense.bias': 1, 'bert.encoder.layer.4.output.dense.bias': 2, 'classifier.bias': 3}
    """
    joined = dict(first)
    for name, tensor in last.items():
        before, mark, after = name.partition("encoder.layer.")
        if mark:
            number, rest = after.split(".", 1)
            name = f"{before}{mark}{int(number) + at}.{rest}"
        joined[name] = tensor
    return joined


def train_pipeline(job, *, at=3, micro_batches=4):
    """Be one of two workers that train a `labkit.distributed.jobs.Job` as two stages; returns what was measured.

    `at` is the number of layers that worker 0 takes, `micro_batches` how many parts a batch goes through in. The
    facts are named as those of `labkit.distributed.jobs.train`; `state` is the whole model's weights, on worker 0,
    and f1 is there as well.

    Raises SettingError unless there are two workers and a layer for each.
    """
    rank, world_size = rank_and_size()
    if world_size != 2:
        raise SettingError("two workers, one for each stage", received=str(world_size), do="Launch two.")
    if type(micro_batches) is not int or micro_batches < 1:
        raise SettingError("at least one micro-batch", received=repr(micro_batches), do="Write micro_batches=4.")
    classifier, link = job.classifier(), _Link(other=1 - rank)
    batches = job.batches(classifier.tokenizer)
    rows = -(-job.training.batch_size // micro_batches)
    part = split_stages(classifier.model, at)
    stage = (FirstStage if rank == 0 else LastStage)(part, link, rows=rows)
    timer = Timer()
    callbacks = [_WholeGradient(job.training.clip, link), OwnDropout(seed=job.seed, rank=rank),
                 Progress("two stages", report=report), timer]  # fmt: skip
    settings = {"loss": lambda zero, batch: zero} if rank == 0 else {"loss": job.loss}
    state = fit(stage, batches, training=job.training, callbacks=callbacks, seed=job.seed, **settings)
    found = {
        "steps": state.step, "seconds_per_step": sorted(timer.seconds)[len(timer.seconds) // 2],
        "sent_per_step": link.sent / state.step, "held_bytes": held_bytes(state), "peak_bytes": peak_bytes(),
    }  # fmt: skip
    parts = [None, None] if rank == 0 else None
    dist.gather_object((part.state_dict(), state.losses), parts)
    if rank == 0:
        found |= {"losses": parts[1][1], "state": join_stages(parts[0][0], parts[1][0], at=at)}
        classifier = job.classifier()
        classifier.model.load_state_dict(found["state"])
        found["predictions"] = classifier.predict(job.test_texts)
        found["f1"] = macro_f1(job.test_truth, found["predictions"])
    return found
