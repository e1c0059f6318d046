"""The mathematics of lesson 02: the loss, the projection, the rounding, the update of several workers.

That of lesson 10, the softened probabilities, is in `labkit.theory.softening`.
"""

from labkit.theory.loss import combine_means, cross_entropy, shard_means, shard_sizes
from labkit.theory.projection import distance, largest, masks, project_sparse
from labkit.theory.rounding import Grid, Rounding, affine_grid, round_weights, symmetric_grid
from labkit.theory.sharding import (
    UPDATES,
    article_scale,
    article_step,
    averaged_step,
    mean_node_loss,
    softmax_gradient,
    softmax_loss,
    spread,
    train_nodes,
)

__all__ = [
    "UPDATES",
    "Grid",
    "Rounding",
    "affine_grid",
    "article_scale",
    "article_step",
    "averaged_step",
    "combine_means",
    "cross_entropy",
    "distance",
    "largest",
    "masks",
    "mean_node_loss",
    "project_sparse",
    "round_weights",
    "shard_means",
    "shard_sizes",
    "softmax_gradient",
    "softmax_loss",
    "spread",
    "symmetric_grid",
    "train_nodes",
]
