"""The same check on a real PyTorch model: all its gradients, and all its parameters, as one vector."""

import torch
from torch.nn.functional import cross_entropy

__all__ = ["flat_gradient", "flat_parameters"]


def flat_parameters(model):
    """All parameters of a model as one vector of float64, in the order of `model.parameters()`.

    >>> flat_parameters(torch.nn.Linear(3, 2)).shape   # 3 * 2 weights and 2 biases
    torch.Size([8])
    """
    return torch.cat([p.detach().flatten().double() for p in model.parameters()])


def flat_gradient(model, inputs, labels):
    """Gradient of the mean cross-entropy over the rows of a batch, as one vector like `flat_parameters`.

    `inputs` are the keyword arguments of a Transformers classifier, `labels` has one integer a row. The model
    stays in evaluation mode: dropout would draw other neurons for each shard, and no two results could agree.
    """
    model.eval()
    model.zero_grad(set_to_none=True)
    cross_entropy(model(**inputs).logits, torch.as_tensor(labels)).backward()
    gradient = [torch.zeros_like(p) if p.grad is None else p.grad for p in model.parameters()]
    model.zero_grad(set_to_none=True)
    return torch.cat([g.flatten().double() for g in gradient])
