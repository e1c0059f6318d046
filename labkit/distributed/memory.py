"""What a worker holds while it trains, in bytes."""

from labkit.hardware.worker import peak_bytes

__all__ = ["held_bytes", "peak_bytes"]


def held_bytes(state):
    """Count the parameters, gradients and optimizer state that a worker holds after `fit`: a dictionary of bytes.

    AdamW keeps two numbers for each parameter, so all of it is four times the parameters, and a few bytes more.
    Activations are not in it: they depend on the batch. `peak_bytes` has everything in it, Python and torch too.

    >>> import torch
    >>> from labkit.callbacks import State
    >>> layer = torch.nn.Linear(10, 10, bias=False)
    >>> held_bytes(State(model=layer, optimizer=torch.optim.AdamW(layer.parameters()), steps=0))
    {'parameters': 400, 'gradients': 0, 'optimizer': 0, 'all': 400}
    """
    parameters = [p for group in state.optimizer.param_groups for p in group["params"]]
    memory = [value for kept in state.optimizer.state.values() for value in kept.values() if hasattr(value, "nbytes")]
    held = {
        "parameters": sum(p.nbytes for p in parameters),
        "gradients": sum(p.grad.nbytes for p in parameters if p.grad is not None),
        "optimizer": sum(value.nbytes for value in memory),
    }
    return held | {"all": sum(held.values())}
