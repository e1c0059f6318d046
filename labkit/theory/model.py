"""The same check on a real model: the mean over shards of the gradient of all its parameters."""

import torch
from torch.nn.functional import cross_entropy

__all__ = ["cut", "largest_gap", "mean_gradient"]


def cut(inputs, labels, *, workers):
    """Cut a batch into `workers` shards of rows: a list of pairs (inputs, labels) like the given ones.

    >>> [labels.tolist() for _, labels in cut({"input_ids": torch.zeros(4, 9)}, [0, 1, 2, 1], workers=2)]
    [[0, 1], [2, 1]]
    """
    parts = {name: torch.tensor_split(tensor, workers) for name, tensor in inputs.items()}
    labels = torch.tensor_split(torch.as_tensor(labels), workers)
    return [({name: part[k] for name, part in parts.items()}, labels[k]) for k in range(workers)]


def mean_gradient(model, shards):
    """Mean over the shards of each shard's mean gradient: a list with a tensor for each parameter.

    `shards` are pairs: the keyword arguments of a Transformers classifier, and one integer label a row. The
    model is in evaluation mode: dropout would draw other neurons for each shard, and no two results could agree.
    """
    model.eval()
    model.zero_grad(set_to_none=True)
    for inputs, labels in shards:
        loss = cross_entropy(model(**inputs).logits, torch.as_tensor(labels))
        # PyTorch adds to the gradients that are there, so no more than one copy of them is ever held.
        (loss / len(shards)).backward()
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    return gradient


def largest_gap(some, others):
    """Largest absolute difference between two lists of tensors with the same shapes.

    >>> largest_gap([torch.tensor([1.0, 2.0])], [torch.tensor([1.0, 2.5])])
    0.5
    """
    return max(float((a - b).abs_().max()) for a, b in zip(some, others, strict=True))
