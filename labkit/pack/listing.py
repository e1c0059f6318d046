"""Where every byte of a packed file goes."""

from math import prod
from pathlib import Path

import numpy as np

from labkit.pack.file import making_sense, read
from labkit.pack.tensors import SHARED

__all__ = ["KINDS", "inspect", "totals"]

KINDS = ("word embedding", "other embeddings", "encoder", "head", "vocabulary", "header")


def inspect(path):
    """List where the bytes go: one dictionary for each parameter and for the rest of the file, largest first.

    The keys are `name`, `kind` (one of KINDS), `stored` (integers, sparse, half, dense; else text, map, tables),
    `bytes`, `scale_bytes` (those of them that hold scales and zero points), `values` and `bits_per_value`. The bytes
    add up to the size of the file.

    Raises PackError as `load` does.
    """
    with making_sense(path):
        header, streams = read(path)
        notes = header["tensors"]
        shared = [prod(note["shape"]) for note in notes if note["stored"] == SHARED]
        parts = iter(_shares(_planes(header["halves"]), shared))
        rows = [_parameter(note, parts) for note in notes]
        if "rows" in header:
            size = sum(_coded(note) for note in header["rows"].values() if isinstance(note, list))
            rows.append(_row("rows of tokens", "vocabulary", "map", size))
        rows.append(_row("words", "vocabulary", "text", streams["vocabulary"].nbytes))
        rows.append(_row("tables of frequencies", "header", "tables", 4 * (header["tables"][1] + header["sides"][1])))
        rest = Path(path).stat().st_size - sum(row["bytes"] for row in rows)
        rows.append(_row("header", "header", "text", rest))
    return sorted(rows, key=lambda row: -row["bytes"])


def totals(rows):
    """Add up the bytes of an inspected file by kind, in the order of KINDS, without the kinds that it has not.

    >>> totals([{"kind": "encoder", "bytes": 3}, {"kind": "header", "bytes": 1}, {"kind": "encoder", "bytes": 2}])
    {'encoder': 5, 'header': 1}
    """
    found = {kind: sum(row["bytes"] for row in rows if row["kind"] == kind) for kind in KINDS}
    return {kind: size for kind, size in found.items() if size}


def _parameter(note, parts):
    values, scales = prod(note["shape"]), 0
    if note["stored"] == "integers":
        scales = _planes(note["planes"]) + (_coded(note["zeros"]) if "zeros" in note else 0)
        size = _coded(note["code"]) + scales
    elif note["stored"] == "half":
        size = _planes(note["planes"])
    elif note["stored"] == SHARED:
        size = next(parts)
    elif note["stored"] == "sparse":
        size = _coded(note["code"]) + 4 * note["used"]
    else:
        size = values * np.dtype(note["kind"]).itemsize
    return _row(note["name"], _kind(note["name"]), note["stored"].partition(",")[0], size, values, scales)


def _kind(name):
    if "embeddings." in name:
        return "word embedding" if ".word_" in name else "other embeddings"
    return "encoder" if "encoder." in name else "head"


def _row(name, kind, stored, size, values=0, scales=0):
    bits = 8 * size / values if values else float("nan")
    return {"name": name, "kind": kind, "stored": stored, "bytes": size, "scale_bytes": scales, "values": values,
            "bits_per_value": bits}  # fmt: skip


def _coded(note):
    return 4 * note[0]


def _planes(note):
    return sum(_coded(plane) if isinstance(plane, list) else plane for plane in note)


def _shares(total, sizes):
    # Whole numbers that add up to the total.
    ends = [total * end // max(sum(sizes), 1) for end in np.cumsum(sizes, dtype=np.int64).tolist()]
    return [end - start for start, end in zip([0, *ends], ends, strict=False)]
