"""Narrowing the feed-forward part: fewer columns between its two matrices."""

from dataclasses import dataclass

from labkit import structure
from labkit.importance import check_choices, column_scores, keep_best
from labkit.steps.base import Step

__all__ = ["PruneFFN"]


@dataclass(frozen=True)
class PruneFFN(Step):
    """Keep the most important columns of each layer's feed-forward part, and remove the others for real.

    width       how many a layer keeps, of 1,536 in our model; with scope "global" the mean over the layers
    criterion   "first-order": what the loss on training rows says · "magnitude": the size of the weights
    scope       "layer": the same number everywhere · "global": wherever they are worth most, at least one a layer

    The judge is the model as this step finds it: put it before KeepLayers, and the whole model judges.

    Source: Molchanov et al., arXiv 1906.10771.
    """

    width: int = 768
    criterion: str = "first-order"
    scope: str = "layer"

    code = ("labkit.structure", "labkit.importance")

    def __post_init__(self):
        check_choices(self)

    def prepare(self, classifier, task=None):
        """Choose and remove.

        Raises SettingError for more columns than there are, or for "first-order" without a task.
        """
        scores = column_scores(classifier, task, criterion=self.criterion)
        structure.keep_columns(classifier.model, keep_best(scores, self.width, scope=self.scope))
