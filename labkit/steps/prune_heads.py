"""Removing attention heads: query, key, value and output matrices become smaller."""

from dataclasses import dataclass

from labkit import structure
from labkit.importance import check_choices, head_scores, keep_best
from labkit.steps.base import Step

__all__ = ["PruneHeads"]


@dataclass(frozen=True)
class PruneHeads(Step):
    """Keep the most important attention heads of each layer, and remove the others for real.

    heads       how many a layer keeps; with scope "global" the mean over the layers
    criterion   "first-order": what the loss on training rows says · "magnitude": the size of the weights
    scope       "layer": the same number everywhere · "global": wherever they are worth most, at least one a layer

    The judge is the model as this step finds it: put it before KeepLayers, and the whole model judges.

    Source: Michel, Levy, Neubig, arXiv 1905.10650.
    """

    heads: int = 6
    criterion: str = "first-order"
    scope: str = "layer"

    code = ("labkit.structure", "labkit.importance")

    def __post_init__(self):
        check_choices(self)

    def prepare(self, classifier, task=None):
        """Choose and remove.

        Raises SettingError for more heads than there are, or for "first-order" without a task.
        """
        scores = head_scores(classifier, task, criterion=self.criterion)
        structure.keep_heads(classifier.model, keep_best(scores, self.heads, scope=self.scope))
