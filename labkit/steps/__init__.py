"""One compression idea a file; each is a frozen dataclass with the same three verbs."""

from labkit.steps.base import Step, step_from_dict
from labkit.steps.distill import Distill
from labkit.steps.keep_layers import KeepLayers
from labkit.steps.merge_vocabulary import MergeVocabulary
from labkit.steps.prune_magnitude import PruneMagnitude
from labkit.steps.quantize import Quantize

__all__ = ["Distill", "KeepLayers", "MergeVocabulary", "PruneMagnitude", "Quantize", "Step", "step_from_dict"]
