"""One compression idea a file; each is a frozen dataclass with the same three verbs."""

from labkit.steps.base import Step, step_from_dict
from labkit.steps.cut_vocabulary import CutVocabulary
from labkit.steps.distill import Distill
from labkit.steps.factorize import Factorize
from labkit.steps.keep_layers import KeepLayers
from labkit.steps.merge_vocabulary import MergeVocabulary
from labkit.steps.prune_ffn import PruneFFN
from labkit.steps.prune_heads import PruneHeads
from labkit.steps.prune_magnitude import PruneMagnitude
from labkit.steps.quantize import Quantize
from labkit.steps.sort_vocabulary import SortVocabulary

__all__ = [
    "CutVocabulary", "Distill", "Factorize", "KeepLayers", "MergeVocabulary", "PruneFFN", "PruneHeads",
    "PruneMagnitude", "Quantize", "SortVocabulary", "Step", "step_from_dict",
]  # fmt: skip
