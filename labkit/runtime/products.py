"""Ways to write a matrix product into a graph: in float32, or in integers with scales found in different ways."""

from dataclasses import dataclass, field

import numpy as np

from labkit.errors import SettingError

__all__ = ["Careful", "Dynamic", "Float", "Static", "WeightOnly", "columns_to_int8"]


def columns_to_int8(matrix):
    """Round a matrix to int8 with a scale a column, symmetric: integers (rows, columns) and scales (columns,).

    >>> integers, scales = columns_to_int8(np.array([[1.27, 0.0], [-0.64, 0.0]], np.float32))
    >>> integers.tolist(), [round(float(s), 4) for s in scales]
    ([[127, 0], [-64, 0]], [0.01, 1.0])
    """
    largest = np.abs(matrix).max(axis=0)
    # Below the smallest normal number a scale has hardly any digits left: such a column is zero.
    scales = np.where(largest >= 127 * np.finfo(np.float32).tiny, largest / 127, 1).astype(np.float32)
    return np.clip(np.rint(matrix / scales), -127, 127).astype(np.int8), scales


class Float:
    """Products in float32, as PyTorch computes them."""

    def product(self, graph, x, name, matrix, bias):
        """Write x @ matrix + bias, matrix of shape (inner, columns); returns the name of the result."""
        y = graph.node("MatMul", [x, graph.constant(f"{name}.weight", matrix)])
        return graph.node("Add", [y, graph.constant(f"{name}.bias", bias)])

    def table(self, graph, ids, name, matrix):
        """Write the look-up of rows of a matrix."""
        return graph.node("Gather", [graph.constant(f"{name}.weight", matrix), ids])


class _Integers(Float):
    def _weight(self, graph, name, matrix):
        integers, scales = columns_to_int8(matrix)
        return graph.constant(f"{name}.int8", integers), graph.constant(f"{name}.scales", scales)

    def table(self, graph, ids, name, matrix):
        """Write the look-up of int8 rows, a scale a row; only the rows that are looked up become floats."""
        integers, scales = columns_to_int8(matrix.T)
        rows = graph.node("Gather", [graph.constant(f"{name}.int8", np.ascontiguousarray(integers.T)), ids])
        wide = graph.node("Cast", [rows], to=1)  # float32
        steps = graph.node("Gather", [graph.constant(f"{name}.scales", scales[:, None]), ids])
        return graph.node("Mul", [wide, steps])


class Dynamic(_Integers):
    """int8 weights; the scale of the activations is that of the batch which is just being computed."""

    def product(self, graph, x, name, matrix, bias):
        integers, scales = self._weight(graph, name, matrix)
        inputs = [x, integers, scales, "", graph.constant(f"{name}.bias", bias)]
        return graph.node("DynamicQuantizeMatMul", inputs, domain="com.microsoft")


@dataclass
class Static(_Integers):
    """int8 weights, uint8 activations whose scale was found beforehand: `ranges` maps a product to (low, high)."""

    ranges: dict = field(repr=False)

    def product(self, graph, x, name, matrix, bias):
        low, high = min(0.0, self.ranges[name][0]), max(0.0, self.ranges[name][1])
        scale = np.float32(max(high - low, 1e-8) / 255)
        zero = np.uint8(np.clip(np.rint(-low / scale), 0, 255))
        scale, zero = graph.constant(f"{name}.in.scale", scale), graph.constant(f"{name}.in.zero", zero)
        integers, scales = self._weight(graph, name, matrix)
        narrow = graph.node("QuantizeLinear", [x, scale, zero])
        inputs = [narrow, integers, scale, scales, zero, "", graph.constant(f"{name}.bias", bias)]
        return graph.node("MatMulIntegerToFloat", inputs, domain="com.microsoft")


@dataclass
class WeightOnly(_Integers):
    """Weights of 4 or 8 bits in groups of `group` with a scale each.

    accuracy   1 computes in float32; 4 rounds the activations too, in the same groups, and computes in integers

    Raises SettingError for other bits.
    """

    bits: int = 8
    group: int = 32
    accuracy: int = 1

    def __post_init__(self):
        if self.bits not in (4, 8):
            raise SettingError("4 or 8 bits", received=repr(self.bits), do="onnxruntime computes with these two.")

    def product(self, graph, x, name, matrix, bias):
        codes, scales = _groups(matrix, bits=self.bits, group=self.group)
        inner, columns = matrix.shape
        inputs = [
            x, graph.constant(f"{name}.int{self.bits}", codes), graph.constant(f"{name}.scales", scales), "", "",
            graph.constant(f"{name}.bias", bias),
        ]  # fmt: skip
        return graph.node(
            "MatMulNBits", inputs, domain="com.microsoft", K=inner, N=columns, bits=self.bits, block_size=self.group,
            accuracy_level=self.accuracy,
        )  # fmt: skip


@dataclass
class Careful(Static):
    """As `Static`, but what comes out of GELU is rounded with a scale for each 32 numbers of a token.

    There one large activation stands beside thousands of small ones, which a single scale would round away.
    """

    def product(self, graph, x, name, matrix, bias):
        if name.endswith(".down"):
            return WeightOnly(accuracy=4).product(graph, x, name, matrix, bias)
        return super().product(graph, x, name, matrix, bias)


def _groups(matrix, *, bits, group):
    # The form of MatMulNBits: columns first, groups along a column, unsigned around the middle, low half byte first.
    inner, columns = matrix.shape
    blocks = np.pad(matrix.T, ((0, 0), (0, -inner % group))).reshape(columns, -1, group)
    middle = 2 ** (bits - 1)
    scales = np.abs(blocks).max(axis=2) / (middle - 1)
    scales = np.where(scales > 0, scales, 1).astype(np.float32)
    codes = (np.clip(np.rint(blocks / scales[..., None]), 1 - middle, middle - 1) + middle).astype(np.uint8)
    if bits == 4:
        codes = codes[..., ::2] | (codes[..., 1::2] << 4)
    return np.ascontiguousarray(codes), scales
