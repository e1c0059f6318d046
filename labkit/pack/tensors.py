"""How one parameter is stored: as integers with scales, as a pattern of zeros with values, as float16, or as it is."""

from math import ceil, prod

import numpy as np
import torch

from labkit.coding import sparse_bits
from labkit.pack.alike import Alike, find
from labkit.pack.streams import misfit
from labkit.steps.quantize import Encoding, dequantize

__all__ = ["KINDS", "SHARED", "restore", "restore_shared", "store"]

KINDS = ("float32", "float64", "float16", "int64", "int32", "int16", "int8", "uint8", "bool")
SHARED = "half, shared"
SMALL = 4096  # float16 numbers, below which a parameter shares a table with others


def store(name, parameter, code, writer, halves):
    """Write a parameter in the cheapest way that gives back its bits; returns its note for the header.

    `code` is its Encoding or None, `halves` a list that collects what is stored as float16 together with others.
    """
    array = np.ascontiguousarray(parameter.detach().numpy())
    note = {"name": name, "shape": list(array.shape)}
    # Integers that a later step has made stale, by pruning or training on, must not replace the weights.
    if code is not None and _fits(code, array) and _same(dequantize(code).numpy().reshape(array.shape), array):
        return note | {"stored": "integers"} | _integers(code, writer)
    if array.dtype == np.float32:
        with np.errstate(over="ignore"):
            half = array.astype(np.float16)
        if _same(half.astype(np.float32), array):
            if array.size < SMALL:
                halves.append(half.ravel())
                return note | {"stored": SHARED}
            return note | {"stored": "half", "planes": writer.planes(half)}
        if _pays(array):
            used = array != 0
            pattern = writer.code(used)
            writer.bytes(array[used])
            return note | {"stored": "sparse", "code": pattern, "used": int(used.sum())}
    writer.bytes(array)
    return note | {"stored": "dense", "kind": str(array.dtype)}


def restore(note, reader):
    """Read a parameter back that shares nothing: a tensor, and its Encoding or None."""
    shape, size = tuple(note["shape"]), prod(note["shape"])
    stored = note["stored"]
    if stored == "integers":
        code = _encoding(note, reader)
        return dequantize(code).reshape(shape), code
    if stored == "half":
        return _tensor(reader.planes(note["planes"], shape).astype(np.float32)), None
    if stored == "sparse":
        used = reader.code(note["code"], [size]).reshape(shape) != 0
        array = np.zeros(shape, np.float32)
        array[used] = reader.bytes(note["used"], np.float32)
        return _tensor(array), None
    if stored != "dense" or note["kind"] not in KINDS:
        raise misfit("a parameter that is stored in a known way", str(stored)[:40])
    return _tensor(reader.bytes(size, note["kind"]).reshape(shape)), None


def restore_shared(notes, planes, reader):
    """Read back all the parameters that share a table: a dictionary of tensors by name."""
    sizes = [prod(note["shape"]) for note in notes]
    if not sizes:
        return {}
    whole = reader.planes(planes, (sum(sizes),)).astype(np.float32)
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    return {note["name"]: _tensor(part.reshape(note["shape"]).copy()) for note, part in zip(notes, parts, strict=True)}


def _integers(code, writer):
    integers, scales = code.integers.numpy(), code.scales.numpy()
    alike, note = find(integers), {"group": code.group, "scales": list(scales.shape)}
    if alike is None:
        note["code"] = writer.code(integers)
    else:
        cells = alike.cells()
        note["code"] = writer.code(*(integers[cells == part] for part in range(alike.count)))
        sides = [bool(side.any()) for side in (alike.rows, alike.columns)]
        note["alike"] = [*sides, alike.low, alike.high]
        for side, there in zip((alike.rows, alike.columns), sides, strict=True):
            if there:
                writer.side(side)
    note["planes"] = writer.planes(scales)
    if code.zeros is not None:
        note["zeros"] = writer.code(code.zeros.numpy())
    return note


def _encoding(note, reader):
    matrix = rows, columns = _matrix(note["shape"])
    group, grid = note["group"], tuple(note["scales"])
    if grid not in ((1, 1), (rows, ceil(columns / group))) or not _fits_memory(matrix, group):
        raise misfit(f"scales that fit a matrix of {matrix}", f"{grid}, groups of {group}")
    symbols = _by_class(note, matrix, reader) if "alike" in note else reader.code(note["code"], [rows * columns])
    scales = _tensor(reader.planes(note["planes"], grid))
    zeros = _small(reader.code(note["zeros"], [prod(grid)]), grid) if "zeros" in note else None
    return Encoding(_small(symbols, matrix), scales, group, zeros)


def _by_class(note, matrix, reader):
    *sides, low, high = note["alike"]
    sides = [reader.side(n) if there else np.zeros(n, np.int8) for n, there in zip(matrix, sides, strict=True)]
    alike = Alike(*sides, low, high)
    if not 0 < alike.count <= 100:
        raise misfit("some classes of cells", str(alike.count))
    cells = alike.cells()
    sizes = np.bincount(cells.ravel(), minlength=alike.count).tolist()
    found, symbols, at = reader.code(note["code"], sizes), np.empty(matrix, np.int8), 0
    for part, size in enumerate(sizes):
        symbols[cells == part] = found[at : at + size]
        at += size
    return symbols


def _matrix(shape):
    # A vector is a matrix of one row.
    return prod(shape[:-1]), shape[-1]


def _fits(code, array):
    return code.integers.numel() == array.size and _fits_memory(tuple(code.integers.shape), code.group)


def _fits_memory(matrix, group):
    # The last group of a row is filled up for a moment; a forged group could ask for any memory.
    rows, columns = matrix
    return type(group) is int and group >= 1 and rows * ceil(columns / group) * group <= 8 * rows * columns + 2**20


def _small(symbols, shape):
    return torch.from_numpy(symbols.astype(np.int8, copy=False).reshape(shape))


def _tensor(array):
    return torch.from_numpy(array).clone()  # where torch wants it in memory, so that sums have the same order


def _same(first, second):
    # Bit for bit: a negative zero is another number here, and a NaN is the same as itself.
    return first.shape == second.shape and first.dtype == second.dtype and first.tobytes() == second.tobytes()


def _pays(array):
    # A negative zero is not nothing: as a plain zero it would no longer be the same bits.
    if array.size < 1024 or np.signbit(array[array == 0]).any():
        return False
    return sparse_bits(array.size, float((array == 0).mean())) < 32 * array.size
