"""Exercises of lesson 02, one module each, in the order of the lesson."""

from labkit.exercises.bank.theory import shard_mean, project_sparse, affine_quantize, distributed_step  # noqa: I001

__all__ = ["affine_quantize", "distributed_step", "project_sparse", "shard_mean"]
