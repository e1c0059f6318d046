"""The same check on a real model: the gradient of all its parameters, as one vector."""

import torch
from torch.nn.functional import cross_entropy

__all__ = ["cut", "flat_gradient"]


def cut(inputs, labels, *, workers):
    """Cut a batch into `workers` shards of rows: a list of pairs (inputs, labels) like the given ones.

    >>> [labels.tolist() for _, labels in cut({"input_ids": torch.zeros(4, 9)}, [0, 1, 2, 1], workers=2)]
    [[0, 1], [2, 1]]
    """
    parts = {name: torch.tensor_split(tensor, workers) for name, tensor in inputs.items()}
    labels = torch.tensor_split(torch.as_tensor(labels), workers)
    return [({name: part[k] for name, part in parts.items()}, labels[k]) for k in range(workers)]


def flat_gradient(model, inputs, labels):
    """Gradient of the mean cross-entropy over the rows of a batch: one vector, an entry for each parameter.

    `inputs` are the keyword arguments of a Transformers classifier, `labels` has one integer a row. The model
    is in evaluation mode: dropout would draw other neurons for each shard, and no two results could agree.
    """
    model.eval()
    model.zero_grad(set_to_none=True)
    cross_entropy(model(**inputs).logits, torch.as_tensor(labels)).backward()
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    return torch.cat([g.flatten() for g in gradient])
