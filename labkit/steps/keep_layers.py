"""Dropping whole layers: the model that is left is an ordinary, shallower BERT."""

from dataclasses import dataclass

from torch import nn

from labkit import structure
from labkit.errors import SettingError
from labkit.steps.base import Step

__all__ = ["KeepLayers"]


@dataclass(frozen=True)
class KeepLayers(Step):
    """Keep some layers of the encoder and drop the others.

    layers   a number keeps the first that many; a tuple names the layers to keep, counted from 0

    >>> KeepLayers((0, 2, 5)).kept(6)
    (0, 2, 5)
    >>> KeepLayers(3).kept(6)
    (0, 1, 2)

    Source: Sajjad et al., On the effect of dropping layers of pre-trained Transformer models, arXiv 2004.03844.
    """

    layers: int | tuple = 3

    def kept(self, count):
        """Name the layers that stay of `count`.

        Raises SettingError when a layer is not there or none would stay.
        """
        kept = tuple(range(self.layers)) if type(self.layers) is int else self.layers
        kept = tuple(kept) if isinstance(kept, (tuple, list)) else ()
        if not kept or len(set(kept)) < len(kept) or not set(kept) <= set(range(count)):
            raise SettingError(
                f"at least one of the layers 0 to {count - 1}, each once",
                received=repr(self.layers),
                do=f"KeepLayers(3) keeps the first three of {count}.",
            )
        return kept

    def prepare(self, classifier, task=None):
        """Take the other layers out of the model."""
        encoder = classifier.model.base_model.encoder
        kept = self.kept(len(encoder.layer))
        encoder.layer = nn.ModuleList(encoder.layer[layer] for layer in kept)
        classifier.model.config.num_hidden_layers = len(kept)
        structure.record(classifier.model)
