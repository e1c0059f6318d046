"""Who shares a scale: a matrix seen as blocks, each a group of neighbours in a row, a whole row, or everything."""

from torch.nn.functional import pad

__all__ = ["blocks_of", "in_groups", "matrix"]


def blocks_of(weight, group):
    """See a matrix (rows, columns) as blocks that share a scale: shape (rows, groups, weights of a group).

    `group` is a number of neighbours, "row", or "tensor"; for "tensor" the shape is (1, 1, rows · columns). Where the
    last group of a row is shorter, zeros fill it up: they round to zero, and count for nothing.

    >>> import torch
    >>> weight = torch.arange(1.0, 7.0).view(2, 3)
    >>> blocks_of(weight, 2).tolist()
    [[[1.0, 2.0], [3.0, 0.0]], [[4.0, 5.0], [6.0, 0.0]]]
    >>> blocks_of(weight, "row").shape, blocks_of(weight, "tensor").shape
    (torch.Size([2, 1, 3]), torch.Size([1, 1, 6]))
    """
    if group == "tensor":
        return weight.reshape(1, 1, -1)
    return in_groups(weight, weight.shape[1] if group == "row" else group)


def in_groups(weight, group):
    """As `blocks_of`, for a number of neighbours."""
    rows, columns = weight.shape
    missing = -columns % group
    if missing:
        weight = pad(weight, (0, missing))
    return weight.reshape(rows, (columns + missing) // group, group)


def matrix(blocks, shape):
    """Put blocks together again, without what filled them up.

    >>> import torch
    >>> weight = torch.arange(1.0, 7.0).view(2, 3)
    >>> torch.equal(matrix(blocks_of(weight, 2), weight.shape), weight)
    True
    """
    rows, columns = shape
    return blocks.reshape(rows, -1)[:, :columns].contiguous()
