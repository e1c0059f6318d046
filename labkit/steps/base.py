"""What a compression step is: it prepares a classifier, constrains its training, and finishes it."""

from dataclasses import asdict, dataclass, fields

from labkit.errors import SettingError

__all__ = ["Step", "check_share", "encoder_weights", "step_from_dict"]


@dataclass(frozen=True)
class Step:
    """A compression step; each verb does nothing until a step overrides it.

    A policy prepares with all steps, trains once under the constraints of all, then finishes with all.
    `needs_training` says that a step makes no sense without the training in between. `comes_after` names the
    steps that have to stand before this one where both act during training. `code` names the modules that the result
    depends on, besides the step's own.
    """

    code = ()
    comes_after = ()
    needs_training = False
    trains = False

    def prepare(self, classifier, task=None):
        """Change the structure of the classifier, in place, before training; `task` is what it will be trained on."""

    def constrain(self, classifier):
        """List the callbacks that hold the constraint while the classifier is trained."""
        return []

    def finish(self, classifier):
        """Bake the result into the classifier's weights, in place, after training."""

    def to_dict(self):
        """Give the step as plain values, for JSON.

        >>> from labkit.steps import KeepLayers
        >>> KeepLayers(3).to_dict()
        {'step': 'KeepLayers', 'layers': 3}
        """
        return {"step": type(self).__name__} | asdict(self)


def step_from_dict(values):
    """Make a step from what `to_dict` gave.

    >>> step_from_dict({"step": "KeepLayers", "layers": 3})
    KeepLayers(layers=3)

    Raises SettingError for an unknown step or field.
    """
    kinds = {kind.__name__: kind for kind in Step.__subclasses__()}
    if not isinstance(values, dict):
        raise SettingError(
            'a step such as {"step": "KeepLayers", "layers": 3}', received=repr(values), do="Write it so."
        )
    values = dict(values)
    name = values.pop("step", None)
    if name not in kinds:
        raise SettingError(f"one of the steps {sorted(kinds)}", received=repr(name), do="Check the name.")
    known = [field.name for field in fields(kinds[name])]
    if unknown := sorted(set(values) - set(known)):
        raise SettingError(f"fields of {name}: {known}", received=str(unknown), do="Leave these out.")
    return kinds[name](**{key: tuple(v) if isinstance(v, list) else v for key, v in values.items()})


def check_share(name, value):
    """Raise SettingError unless `value` is a number from 0 to 1.

    >>> check_share("sparsity", 0.6)
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        hint = f"Did you mean {value / 100:g}?" if isinstance(value, (int, float)) and 2 <= value <= 100 else ""
        raise SettingError(
            f"{name} as a share from 0 to 1", received=repr(value), do=hint or "0.6 stands for sixty percent."
        )


def encoder_weights(model, *, layers=None):
    """Find the weight matrices of the encoder by name: 6 a layer in BERT (query, key, value, output, up, down).

    `layers` chooses some of them by number; None takes all. Biases, embeddings, LayerNorm and head are left out:
    they are few, or looked up and not multiplied.

    Raises SettingError for a layer that is not there.
    """
    count = model.config.num_hidden_layers
    chosen = range(count) if layers is None else layers
    if not isinstance(chosen, (tuple, list, range)):
        raise SettingError("layers as a tuple such as (0, 1)", received=repr(layers), do="One layer is (0,).")
    for layer in chosen:
        if layer not in range(count):
            raise SettingError(
                f"layers from 0 to {count - 1}", received=repr(layer), do=f"This model has {count} layers."
            )
    marks = tuple(f"encoder.layer.{layer}." for layer in chosen)
    return {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim == 2 and any(mark in name for mark in marks)
    }
