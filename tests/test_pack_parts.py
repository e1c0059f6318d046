"""What a packed file is made of comes back bit for bit, whatever its shape, and takes what its entropy says."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labkit.coding import encode, entropy
from labkit.errors import PackError
from labkit.pack.alike import Alike, find
from labkit.pack.rows import keepers, pack_rows, unpack_rows
from labkit.pack.streams import Reader, Writer
from labkit.pack.tensors import SHARED, restore, restore_shared, store
from labkit.quantization import Scheme, quantize
from labkit.steps.quantize import Encoding, dequantize

QUICK = settings(max_examples=60, deadline=None, derandomize=True)
SHAPES = st.one_of(st.tuples(st.integers(1, 12), st.integers(1, 40)), st.just((96, 64)))
SCALES = st.floats(2**-10, 4, width=16)


def there_and_back(*stored):
    """Store pairs of a parameter and its Encoding; gives the notes and what comes back."""
    writer, halves = Writer(), []
    notes = [store(f"p{i}", parameter, code, writer, halves) for i, (parameter, code) in enumerate(stored)]
    planes = writer.planes(np.concatenate(halves)) if halves else []
    reader = Reader(*writer.finish())
    found = [None if note["stored"] == SHARED else restore(note, reader) for note in notes]
    shared = restore_shared([note for note in notes if note["stored"] == SHARED], planes, reader)
    reader.finish()
    return notes, [each or (shared[note["name"]], None) for note, each in zip(notes, found, strict=True)]


def same_bits(first, second):
    assert first.dtype == second.dtype
    assert first.shape == second.shape
    assert first.numpy().tobytes() == second.numpy().tobytes()


@st.composite
def encodings(draw):
    shape = rows, columns = draw(SHAPES)
    group = draw(st.sampled_from([1, 3, 16, columns, columns + 5]))
    grid = draw(st.sampled_from([(rows, -(-columns // group)), (1, 1)]))
    group = columns if grid == (1, 1) else group
    bound = draw(st.sampled_from([0, 1, 7, 127]))
    kind = draw(st.sampled_from(["any", "alike", "zeros", "uneven"]))
    integers = draw(arrays(np.int8, shape, elements=st.integers(-bound, bound)))
    if kind == "alike":
        integers = np.full(shape, bound, np.int8)
    elif kind == "zeros":
        integers[draw(st.integers(0, rows - 1)) :] = 0
    elif kind == "uneven":
        integers[::2] //= 4
    scales = draw(arrays(np.float16, grid, elements=SCALES))
    zeros = draw(st.one_of(st.none(), arrays(np.int8, grid, elements=st.integers(-8, 7))))
    return Encoding(
        *map(torch.from_numpy, (integers, scales)), group, None if zeros is None else torch.from_numpy(zeros)
    )


@QUICK
@given(encodings())
def test_any_encoding_comes_back(code):
    weight = dequantize(code)
    shape = weight.shape[1:] if len(weight) == 1 else weight.shape
    ((note,), ((again, found),)) = there_and_back((weight.view(shape), code))
    assert note["stored"] == "integers"
    same_bits(again, weight.view(shape))
    same_bits(found.integers, code.integers)
    same_bits(found.scales, code.scales)
    assert found.group == code.group
    assert (found.zeros is None) == (code.zeros is None)
    if code.zeros is not None:
        same_bits(found.zeros, code.zeros)


@QUICK
@given(
    arrays(np.float32, SHAPES, elements=st.one_of(st.just(0.0), st.just(-0.0), st.floats(width=32), st.floats(width=16))),
    st.sampled_from([1, 40]),
)  # fmt: skip
def test_any_floats_come_back(array, times):
    weight = torch.from_numpy(np.tile(array, (times, 1)))
    _, ((again, code),) = there_and_back((weight, None))
    same_bits(again, weight)
    assert code is None


@pytest.mark.parametrize("kind", [torch.float64, torch.int64, torch.int8, torch.bool])
def test_other_types_come_back_as_they_are(kind):
    _, ((again, _),) = there_and_back((torch.tensor([[3, 0, -1]]).to(kind), None))
    same_bits(again, torch.tensor([[3, 0, -1]]).to(kind))


def test_several_parameters_keep_apart():
    torch.manual_seed(0)
    first = quantize(torch.randn(64, 96) * torch.logspace(-1, 1, 64)[:, None], Scheme(4, "tensor"))
    second = quantize(torch.randn(40, 100), Scheme(3, 16, kind="affine"))
    vector = torch.randn(7)
    sparse = torch.randn(40, 40).clamp_min(0)
    stored = [(dequantize(first), first), (vector, None), (sparse, None), (dequantize(second), second)]
    stored += [(torch.arange(5.0), None), (torch.full((80, 80), 0.5), None)]
    notes, found = there_and_back(*stored)
    assert [note["stored"] for note in notes] == ["integers", "dense", "sparse", "integers", "half, shared", "half"]
    assert "alike" in notes[0]
    for (parameter, _), (again, _) in zip(stored, found, strict=True):
        same_bits(again, parameter)


@QUICK
@given(st.integers(2, 60), st.integers(2, 300), st.integers(0, 2**32 - 1))
def test_classes_only_ever_save(rows, columns, seed):
    random = np.random.default_rng(seed)
    spread = np.exp(random.normal(size=(rows, 1)) * random.uniform(0, 2))
    matrix = np.clip(np.round(random.normal(size=(rows, columns)) * spread), -30, 30).astype(np.int8)
    alike = find(matrix)
    if alike is not None:
        cells = alike.cells()
        assert cells.shape == matrix.shape
        assert cells.max() < alike.count
        parts = encode(*(matrix[cells == part] for part in range(alike.count)))
        sides = sum(entropy(side) * len(side) for side in (alike.rows, alike.columns)) / 8
        assert parts.words.nbytes + parts.tables.size * 5 / 8 + sides < encode(matrix).words.nbytes + 40


def test_cells_that_are_alike_share_a_class():
    alike = Alike(np.array([-1, 0, 3]), np.array([0, 1]), low=-1, high=2)
    assert alike.cells().tolist() == [[0, 1], [1, 2], [3, 3]]
    assert alike.cells(1, 2).tolist() == [[1, 2]]
    assert find(np.zeros((100, 100), np.int8)) is None
    assert find(np.random.default_rng(0).integers(-100, 100, (100, 100)).astype(np.int8)) is None


@QUICK
@given(st.integers(1, 200), st.integers(1, 30), st.integers(0, 2**32 - 1), st.booleans())
def test_any_map_comes_back(tokens, count, seed, in_order):
    random = np.random.default_rng(seed)
    rows = random.integers(0, min(count, tokens), tokens)
    if in_order:
        rows[np.sort(random.choice(tokens, size=min(count, tokens), replace=False))] = np.arange(min(count, tokens))
    writer = Writer()
    note = pack_rows(rows, writer)
    assert ("keeps" in note) == (keepers(rows) is not None)
    reader = Reader(*writer.finish())
    assert np.array_equal(unpack_rows(note, reader, tokens=tokens, count=int(rows.max()) + 1), rows)
    with pytest.raises(PackError, match=f"rows below {rows.max()}"):
        unpack_rows(note, Reader(*writer.finish()), tokens=tokens, count=int(rows.max()))


def test_a_map_takes_a_bit_a_token_and_a_choice_for_each_that_lost_its_row():
    random = np.random.default_rng(0)
    kept = np.sort(random.choice(20_000, 4096, replace=False))
    rows = random.integers(0, 4096, 20_000)
    rows[kept] = np.arange(4096)
    writer = Writer()
    pack_rows(rows, writer)
    _, words, _ = writer.finish()
    assert words.nbytes == pytest.approx((20_000 * 0.731 + (20_000 - 4096) * 12) / 8, rel=0.01)


def test_a_map_whose_tokens_stay_near_takes_less():
    random = np.random.default_rng(0)
    keeps = random.random(20_000) < 0.2
    keeps[0] = True
    rows = np.cumsum(keeps) - 1  # each token uses the row of the kept token before it …
    far = ~keeps & (random.random(20_000) < 0.5)
    rows[far] = random.integers(0, rows[-1] + 1, far.sum())  # … or any
    writer = Writer()
    note = pack_rows(rows, writer)
    first, words, _ = writer.finish()
    assert words.nbytes < 0.7 * (20_000 * 0.72 + (~keeps).sum() * 12) / 8
    found = unpack_rows(note, Reader(first, words, np.zeros(0, np.uint8)), tokens=20_000, count=int(rows.max()) + 1)
    assert np.array_equal(found, rows)


def test_a_reader_gives_no_more_than_there_is():
    writer = Writer()
    note = writer.code(np.array([1, 2, 3]))
    writer.bytes(np.zeros(4, np.float32))
    reader = Reader(*writer.finish())
    with pytest.raises(PackError, match="20 more in plain"):
        reader.bytes(5, np.float32)
    with pytest.raises(PackError, match="streams that are read to their end"):
        reader.finish()
    with pytest.raises(PackError, match="a size"):
        reader.bytes(-1, np.float32)
    assert reader.code(note, [3]).tolist() == [1, 2, 3]
