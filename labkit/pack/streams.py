"""What a packed file is made of: all coded words in one stream, all plain bytes in another, read in the same order."""

import numpy as np

from labkit.coding import Coded, decode, encode
from labkit.errors import PackError

__all__ = ["DAMAGED", "Reader", "Writer", "misfit"]

DAMAGED = "The file is damaged or was changed: make it or copy it again."


def misfit(expected, received):
    """Make the error for a file whose parts do not fit together."""
    return PackError(expected, received=received, do=DAMAGED)


class Writer:
    """Collects what is to be stored; each method gives a short list of numbers that its reader needs.

    >>> writer = Writer()
    >>> note = writer.code(np.array([0, 1, 1, 1, 2]))
    >>> reader = Reader(*writer.finish())
    >>> reader.code(note, [5]).tolist()
    [0, 1, 1, 1, 2]
    """

    def __init__(self):
        self.words, self.tables, self.sides, self.plain = [], [], [], []

    def code(self, *parts):
        """Code integers; see `labkit.coding.encode`."""
        return self._note(encode(*parts))

    def _note(self, code):
        self.words.append(code.words)
        self.tables += [_unrolled(table, code.low) for table in code.tables]
        return [len(code.words), code.low, *code.tables.shape]

    def planes(self, halves):
        """Store float16 numbers: their upper bytes, which are alike, coded; their lower ones as they turn out."""
        both = np.ascontiguousarray(halves).view(np.uint8).reshape(-1, 2)
        upper, lower = self.code(both[:, 1]), encode(both[:, 0])
        if 4 * len(lower.words) < len(both):
            return [upper, self._note(lower)]
        return [upper, self.bytes(both[:, 0])]

    def bytes(self, array):
        """Store an array as it is; gives the number of its bytes."""
        self.plain.append(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
        return self.plain[-1].nbytes

    def side(self, array):
        """Set small integers aside that many arrays share a table for."""
        self.sides.append(array)

    def finish(self):
        """Give the notes that come first, the words (uint32) and the plain bytes (uint8)."""
        sides = _joined(self.sides, np.int8)
        note = self.code(sides)
        tables = encode(_joined(self.tables, np.uint8))
        words = _joined([tables.words, *self.words[-1:], *self.words[:-1]], np.uint32)
        about = [sum(tables.sizes), len(tables.words), tables.low, *tables.tables.shape]
        first = {"tables": about + tables.tables.ravel().tolist(), "sides": [len(sides), *note]}
        return first, words, _joined(self.plain, np.uint8)


class Reader:
    """Gives back what a Writer stored, in the same order.

    Raises PackError for notes that ask for more than there is.
    """

    def __init__(self, first, words, plain):
        self._words, self._plain = words, plain
        self._at = {"words": 0, "plain": 0, "tables": 0, "sides": 0}
        size, length, low, *shape = first["tables"][:5]
        table = np.array(first["tables"][5:], np.uint8).reshape(shape)
        _check(size, limit=2**24)
        self._tables = decode(Coded(self._take("words", length), low, table, (size,))).astype(np.uint8)
        size, *note = first["sides"]
        _check(size, limit=2**24)
        self._sides = self._ahead(note, size)

    def _ahead(self, note, size):
        # The table of the side arrays was written last and is read first.
        rest = len(self._tables) - note[2] * note[3]
        self._at["tables"] = rest
        found = self.code(note, [size]).astype(np.int8)
        self._at["tables"] = 0
        return found

    def code(self, note, sizes):
        """Decode what `Writer.code` gave this note for; `sizes` are the lengths of its parts."""
        length, low, parts, span = note
        tables = self._take("tables", _check(parts) * _check(span)).reshape(parts, span)
        tables = np.stack([_rolled(table, low) for table in tables]) if parts else tables
        return decode(Coded(self._take("words", length), low, tables, tuple(sizes)))

    def planes(self, note, shape):
        """Give float16 numbers back."""
        size = int(np.prod(shape))
        both = np.empty((size, 2), np.uint8)
        both[:, 1] = self.code(note[0], [size])
        both[:, 0] = self.code(note[1], [size]) if isinstance(note[1], list) else self.bytes(size, np.uint8)
        return both.view(np.float16).reshape(shape)

    def bytes(self, count, kind):
        """Take that many numbers of a type as they are."""
        return self._take("plain", count * np.dtype(kind).itemsize).view(kind)

    def side(self, size):
        """Take the next of the small integers that were set aside."""
        return self._take("sides", size)

    def finish(self):
        """Say that all is read; raises PackError where something is left."""
        left = {name: len(getattr(self, f"_{name}")) - at for name, at in self._at.items() if name != "tables"}
        if any(left.values()):
            raise misfit("streams that are read to their end", f"{left} left over")

    def _take(self, name, size):
        stream, at = getattr(self, f"_{name}"), self._at[name]
        if _check(size) > len(stream) - at:
            raise misfit(f"{size} more in {name}", f"{len(stream) - at}")
        self._at[name] += size
        return stream[at : at + size].copy() if name == "plain" else stream[at : at + size]


def _check(size, limit=2**40):
    if type(size) is not int or not 0 <= size <= limit:
        raise misfit("a size", repr(size)[:40])
    return size


def _joined(arrays, kind):
    return np.concatenate([np.zeros(0, kind), *arrays]).astype(kind, copy=False)


def _order(span, low):
    # From the value nearest to zero outwards, since a value and its negative are about as frequent.
    return np.argsort(np.abs(2 * (np.arange(span) + low) - 1), kind="stable")


def _unrolled(table, low):
    return np.diff(table[_order(len(table), low)], prepend=np.uint8(0))


def _rolled(steps, low):
    table = np.empty(len(steps), np.uint8)
    table[_order(len(steps), low)] = np.cumsum(steps, dtype=np.uint8)
    return table
