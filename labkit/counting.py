"""Counting what a model is made of and what it computes: parameters, zeros, multiply-adds."""

import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["macs", "nonzeros", "parameters", "training_bytes"]


def parameters(model):
    """Count the parameters of a model.

    >>> parameters(torch.nn.Linear(3, 2))
    8
    """
    return sum(parameter.numel() for parameter in model.parameters())


def nonzeros(model):
    """Count the parameters that are not zero.

    >>> layer = torch.nn.Linear(3, 2)
    >>> _ = torch.nn.init.zeros_(layer.bias)
    >>> nonzeros(layer)
    6
    """
    return sum(int(torch.count_nonzero(parameter)) for parameter in model.parameters())


def macs(model, *, batch=1, length=12):
    """Count the multiply-adds of one forward pass over `batch` texts of `length` tokens; zeros count like others."""
    ids = torch.ones(batch, length, dtype=torch.int64)
    fast = torch.backends.mha.get_fastpath_enabled()
    # The counter sees attention only where it is spelled out as matrix products.
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
            model.eval()(input_ids=ids, attention_mask=torch.ones_like(ids))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    return counter.get_total_flops() // 2


def training_bytes(model, *, batch=2, length=12):
    """Train a model for one step with AdamW and count the bytes of weights, gradients and moments afterwards.

    Activations come on top; parameters that are frozen (`requires_grad` is False) have weights only.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(trained, lr=0.0, weight_decay=0.0)  # nothing moves: we only count
    ids = torch.ones(batch, length, dtype=torch.int64)
    model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.sum().backward()
    optimizer.step()
    moments = [tensor for state in optimizer.state.values() for tensor in state.values()]
    gradients = [parameter.grad for parameter in trained if parameter.grad is not None]
    total = sum(tensor.numel() * tensor.element_size() for tensor in [*model.parameters(), *gradients, *moments])
    optimizer.zero_grad()
    return total
