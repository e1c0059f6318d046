"""Low rank: a matrix as the product of two thin ones, by singular value decomposition."""

from dataclasses import dataclass

import torch
from torch import nn

from labkit import structure
from labkit.errors import SettingError
from labkit.steps.base import Step

__all__ = ["Factorize", "factors", "pays"]

PARTS = ("embeddings", "encoder", "both")


def factors(matrix, rank):
    """Split a matrix, shape (rows, columns), into `left`, shape (rows, rank), and `right`, shape (rank, columns).

    Their product is the nearest matrix of that rank. `left` holds the lengths, the rows of `right` are orthonormal.

    >>> left, right = factors(torch.tensor([[3.0, 0.0], [0.0, 1.0]]), 1)
    >>> (left @ right).abs().tolist()
    [[3.0, 0.0], [0.0, 0.0]]

    Source: Eckart and Young, The approximation of one matrix by another of lower rank, Psychometrika 1936.
    """
    u, s, v = torch.linalg.svd(matrix.detach().double(), full_matrices=False)
    return (u[:, :rank] * s[:rank]).to(matrix.dtype), v[:rank].to(matrix.dtype)


def pays(shape, rank):
    """Whether two factors of a rank have fewer weights than a matrix of that shape.

    >>> pays((384, 384), 128), pays((384, 384), 192)
    (True, False)
    """
    rows, columns = shape
    return rank * (rows + columns) < rows * columns


@dataclass(frozen=True)
class Factorize(Step):
    """Replace matrices by two thin factors each.

    rank   numbers in the middle
    what   "embeddings": the table of words · "encoder": every matrix of it for which it saves weights · "both"

    Source: the embedding as in Lan et al., ALBERT, arXiv 1909.11942, there from the start and not by decomposition.
    """

    rank: int = 128
    what: str = "embeddings"

    code = ("labkit.structure",)

    def __post_init__(self):
        if self.what not in PARTS:
            raise SettingError(f"what to be one of {PARTS}", received=repr(self.what), do="Choose.")
        if type(self.rank) is not int or self.rank < 1:
            raise SettingError("a rank of at least 1", received=repr(self.rank), do="128 is a good start.")

    def prepare(self, classifier, task=None):
        """Put the factors in place.

        Raises SettingError where no matrix would become smaller, or where the table is factorized already.
        """
        model, found = classifier.model, 0
        if self.what != "encoder":
            found += self._embeddings(model)
        if self.what != "embeddings":
            for name, part in list(model.base_model.encoder.named_modules()):
                if isinstance(part, nn.Linear) and pays(part.weight.shape, self.rank):
                    model.base_model.encoder.set_submodule(name, _low_rank(part, self.rank))
                    found += 1
        if not found:
            raise SettingError(
                "a rank at which two factors are smaller than a matrix", received=f"rank={self.rank}",
                do="Of a square matrix, less than half of its side.",
            )  # fmt: skip
        structure.record(model)

    def _embeddings(self, model):
        old = model.base_model.embeddings
        table = old.word_embeddings.weight
        if isinstance(old, structure.FactorizedEmbeddings):
            raise SettingError("a whole table of words", received="one of two factors", do="Factorize it once.")
        if not pays(table.shape, self.rank):
            return 0
        new = structure.FactorizedEmbeddings(model.config, self.rank).train(old.training)
        for name in ("position_embeddings", "token_type_embeddings", "LayerNorm", "dropout"):
            setattr(new, name, getattr(old, name))
        left, right = factors(table, self.rank)
        with torch.no_grad():
            new.word_embeddings.weight.copy_(left)
            new.word_projection.weight.copy_(right.T)
        model.base_model.embeddings = new
        return 1


def _low_rank(linear, rank):
    new = structure.LowRank(linear.in_features, rank, linear.out_features, bias=linear.bias is not None)
    left, right = factors(linear.weight, rank)
    root = left.norm(dim=0).sqrt()  # the lengths, half to each side, so that both train alike
    with torch.no_grad():
        new.up.weight.copy_(left / root.clamp_min(1e-30))
        new.down.weight.copy_(right * root[:, None])
        if linear.bias is not None:
            new.up.bias.copy_(linear.bias)
    return new.train(linear.training)
