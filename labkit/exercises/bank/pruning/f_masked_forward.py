"""A model is more than the list of its parameters: pruning must keep its own forward pass."""

import copy
from functools import cache

import numpy as np

from labkit.exercises import Case, Exercise, Misconception, register


@cache
def _block_class():
    # torch takes a second to import, and listing the exercises should not; so the class is made when it is needed.
    import torch

    class Block(torch.nn.Module):
        """A little of BERT's build: two layers inside another module, and a shortcut around them."""

        def __init__(self, up, down):
            super().__init__()
            self.inner = torch.nn.ModuleDict({"up": torch.nn.Linear(2, 3), "down": torch.nn.Linear(3, 2)})
            self.head = torch.nn.Linear(2, 2)
            with torch.no_grad():
                self.inner["up"].weight.copy_(torch.as_tensor(up))
                self.inner["down"].weight.copy_(torch.as_tensor(down))
                self.head.weight.copy_(torch.eye(2))
                for layer in (*self.inner.values(), self.head):
                    layer.bias.fill_(0.1)

        def forward(self, x):
            """Add what the inner layers make of x to x itself."""
            return self.head(x + self.inner["down"](torch.relu(self.inner["up"](x))))

        def __repr__(self):
            return "Block(up 2→3, down 3→2, a shortcut around both, head 2→2)"

    return Block


def _block(up, down):
    """Make the little model with these two weight matrices."""
    return _block_class()(up, down)


def masked_forward(model, masks, x):
    """What the model gives for x with its named parameters masked."""
    import torch

    pruned = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            pruned.get_parameter(name).mul_(mask)  # the parameter inside the model, wherever it sits
        return pruned(x)


def _by_functional_call(model, masks, x):
    import torch

    weights = {name: weight * masks.get(name, 1) for name, weight in model.named_parameters()}
    with torch.no_grad():
        return torch.func.functional_call(model, weights, (x,))


def _by_state_dict(model, masks, x):
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for name in masks:
        state[name] = state[name] * masks[name]
    pruned = copy.deepcopy(model)
    pruned.load_state_dict(state)
    return pruned(x).detach()


def _runs_layers_in_a_row(model, masks, x):
    import torch

    pruned = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            pruned.get_parameter(name).mul_(mask)
        for layer in pruned.modules():
            if isinstance(layer, torch.nn.Linear):
                x = layer(x)
        return x


def _attribute_with_dots(model, masks, x):
    import torch

    pruned = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            setattr(pruned, name, model.get_parameter(name) * mask)  # an attribute that nobody reads
        return pruned(x)


def _add_module_with_parameter(model, masks, x):
    import torch

    pruned = torch.nn.Sequential()
    for name, mask in masks.items():
        pruned.add_module(name, torch.nn.Parameter(model.get_parameter(name) * mask))
    return pruned(x)


def _masks_the_input(model, masks, x):
    import torch

    with torch.no_grad():
        return model(x * next(iter(masks.values())).float().mean())


def _case(rng, note=""):
    import torch

    up, down = rng.normal(size=(3, 2)).astype(np.float32), rng.normal(size=(2, 3)).astype(np.float32)
    masks = {
        "inner.up.weight": torch.as_tensor(rng.random((3, 2)) < 0.5),
        "inner.down.weight": torch.as_tensor(rng.random((2, 3)) < 0.5),
    }
    return Case(args=(_block(up, down), masks, torch.as_tensor(rng.normal(size=(4, 2)).astype(np.float32))), note=note)


def _public():
    import torch

    mask = torch.tensor([[True, False], [False, False], [False, True]])
    model = _block([[1.0, 0], [0, 1], [1, 1]], [[1.0, 0, 0], [0, 1, 0]])
    return (Case(args=(model, {"inner.up.weight": mask}, torch.tensor([[1.0, 2.0]])), note="one mask, one text"),)


register(
    Exercise(
        id="pruning.masked_forward",
        lesson="03_pruning",
        title="The listing, mended: a model keeps its forward",
        difficulty=3,
        minutes=12,
        question="Compute what the model gives for x with its named parameters masked, and leave the model as it is.",
        reference=masked_forward,
        public=_public,
        hidden=lambda rng: tuple(_case(rng) for _ in range(4)),
        misconceptions=(
            Misconception(
                name="adds parameters as modules",
                answer=_add_module_with_parameter,
                hint="`add_module` takes modules, and a Parameter is none; nor may a module's name hold a dot. The "
                "article's listing fails at this line. The parameters already have a place: inside the model.",
            ),
            Misconception(
                name="strings the layers in a row",
                answer=_runs_layers_in_a_row,
                hint="You run the layers one after another. The model's own forward does more than that: here an "
                "activation and a shortcut, in BERT attention. Call the model itself.",
            ),
            Misconception(
                name="sets an attribute with dots in its name",
                answer=_attribute_with_dots,
                hint="`setattr(model, 'inner.up.weight', …)` makes a new attribute with dots in its name, and nobody "
                "reads it. The parameter sits two modules deeper.",
            ),
            Misconception(
                name="masks the input instead",
                answer=_masks_the_input,
                hint="You changed x. The masks belong to the weights whose names they carry.",
            ),
        ),
        alternatives=(_by_functional_call, _by_state_dict),
        hints=(
            "Work on a copy: copy.deepcopy(model).",
            "model.get_parameter('inner.up.weight') finds a parameter by its full name.",
            "Multiply each named parameter of the copy in place, under torch.no_grad(), then call the copy with x.",
        ),
        tolerance=1e-5,
    )
)
