"""Which row of a merged table each token uses, in few bytes: the tokens that keep one, and the choice of the others."""

import numpy as np

from labkit.pack.streams import misfit

__all__ = ["keepers", "pack_rows", "unpack_rows"]

REACH = 4  # rows to both sides that count as near
FAR, SAME, NEAR = 0, 1, 2  # told by its number · as the token before · so many rows from the kept token before


def keepers(rows):
    """Find, for row 0, 1, 2 …, a token each that uses it, in rising order; None where there is no such choice.

    Such a list exists where each row belongs to a token that keeps it: then one bit a token says which those are, and
    which row is whose needs no telling.

    >>> keepers(np.array([0, 0, 1, 0, 2])).tolist()
    [0, 2, 4]
    >>> keepers(np.array([1, 0])) is None
    True
    """
    found, wanted = [], 0
    for token, row in enumerate(rows.tolist()):
        if row == wanted:
            found.append(token)
            wanted += 1
    return np.array(found) if wanted == int(rows.max(initial=-1)) + 1 else None


def pack_rows(rows, writer):
    """Store the map, shape (tokens,); returns its note.

    In alphabetical order many a token uses the row of the kept token before it, or the row that its predecessor
    uses. So it is said first whether that is so, and only what is far is told by its number.
    """
    kept = keepers(rows)
    if kept is None:
        return {"rows": writer.code(rows)}
    keeps = np.zeros(len(rows), bool)
    keeps[kept] = True
    others = rows[~keeps]
    step = others - _before(keeps)
    near = np.where(np.abs(step) <= REACH, step + REACH + NEAR, FAR)
    near[1:][others[1:] == others[:-1]] = SAME
    note = {"keeps": writer.code(keeps)} | ({"near": writer.code(near)} if near.any() else {})
    return note | {"others": writer.code(others[near == FAR])}


def unpack_rows(note, reader, *, tokens, count):
    """Read the map of so many tokens back, int64.

    Raises PackError for a row that is not one of `count`.
    """
    if "rows" in note:
        rows = reader.code(note["rows"], [tokens]).astype(np.int64)
    else:
        keeps = reader.code(note["keeps"], [tokens]) != 0
        rows = np.empty(tokens, np.int64)
        rows[keeps] = np.arange(keeps.sum())
        rows[~keeps] = _others(note, reader, _before(keeps))
    if rows.min(initial=0) < 0 or rows.max(initial=0) >= count:
        raise misfit(f"rows below {count}", str(rows.max()))
    return rows


def _before(keeps):
    # For each token that lost its row: the row of the kept token before it, −1 where there is none.
    return np.cumsum(keeps)[~keeps] - 1


def _others(note, reader, before):
    near = reader.code(note["near"], [len(before)]) if "near" in note else np.zeros(len(before), np.int32)
    found = before + near - REACH - NEAR
    found[near == FAR] = reader.code(note["others"], [int((near == FAR).sum())])
    first = np.maximum.accumulate(np.where(near == SAME, 0, np.arange(len(near))))  # where this row was last told
    return found[first]
