"""Tokens, padding and the order of rows."""

import numpy as np
import pytest
import small
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.batches import MAX_LENGTH, Batches, Shard, encode, pad, split
from labkit.errors import SettingError

ROWS = st.lists(st.lists(st.integers(1, 30521), min_size=1, max_size=9), min_size=1, max_size=6)
QUICK = settings(max_examples=40, deadline=None, derandomize=True)


@QUICK
@given(ROWS, st.integers(0, 5))
def test_padding_keeps_every_token_and_masks_the_rest(rows, padding):
    batch = pad(rows, padding=padding)
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (len(rows), max(map(len, rows)))
    for row, ids, mask in zip(rows, batch["input_ids"].tolist(), batch["attention_mask"].tolist(), strict=True):
        assert ids == row + [padding] * (len(ids) - len(row))
        assert mask == [1] * len(row) + [0] * (len(ids) - len(row))


def test_padding_is_what_the_tokenizer_itself_would_do():
    tokenizer = small.tokenizer()
    expected = tokenizer(small.SENTENCES, padding=True, return_tensors="pt")
    batch = pad(encode(tokenizer, small.SENTENCES), padding=tokenizer.pad_token_id)
    assert torch.equal(batch["input_ids"], expected["input_ids"])
    assert torch.equal(batch["attention_mask"], expected["attention_mask"])


def test_texts_become_the_tokenizers_own_numbers():
    tokenizer = small.tokenizer()
    for text, ids in zip(small.SENTENCES, encode(tokenizer, small.SENTENCES), strict=True):
        assert ids == [101, *tokenizer.convert_tokens_to_ids(tokenizer.tokenize(text)), 102]
    assert encode(tokenizer, []) == []
    assert encode(tokenizer, np.array(["gold"])) == encode(tokenizer, ("gold",)) == encode(tokenizer, ["gold"])


def test_a_text_of_five_megabytes_is_cut_and_does_not_hang():
    ids = encode(small.tokenizer(), ["gold and " * 550_000])
    assert len(ids[0]) == MAX_LENGTH
    assert ids[0][-1] == 102


@pytest.mark.parametrize(
    ("texts", "words"),
    [
        ("gold", r"a list of texts. Received one text, 'gold'. Put it in a list: \[text\]"),
        (["gold", None], "Received None in place 1"),
        ([float("nan")], "Received nan in place 0"),
    ],
)
def test_what_is_no_list_of_texts(texts, words):
    with pytest.raises(SettingError, match=words):
        encode(small.tokenizer(), texts)


@QUICK
@given(st.lists(st.integers(1, 40), min_size=1, max_size=120), st.integers(1, 9), st.integers(0, 3), st.integers(0, 3))
def test_an_epoch_has_every_row_once_with_its_own_columns(lengths, batch_size, seed, epoch):
    ids = [[row + 1] * length for row, length in enumerate(lengths)]
    batches = Batches(ids, batch_size=batch_size, seed=seed, labels=np.arange(len(ids)))
    seen = []
    for batch in batches.epoch(epoch):
        assert batch["input_ids"][:, 0].tolist() == (batch["labels"] + 1).tolist()
        seen += batch["labels"].tolist()
    assert sorted(seen) == list(range(len(ids)))
    order = batches.order(epoch)
    assert len(order) == len(batches) == -(-len(ids) // batch_size)
    assert sum(len(rows) < batch_size for rows in order) <= 1


def test_the_order_depends_on_seed_and_epoch_alone():
    ids = [[1] * (1 + row % 7) for row in range(300)]

    def order(seed, epoch):
        return [rows for batch in Batches(ids, batch_size=8, seed=seed).order(epoch) for rows in batch]

    assert order(0, 0) == order(0, 0)
    assert order(0, 0) != order(0, 1)
    assert order(0, 1) != order(1, 0)


def test_rows_of_like_length_share_a_batch():
    random = np.random.default_rng(0)
    ids = [[1] * length for length in random.integers(3, 60, size=2000)]
    tokens = sum(map(len, ids))
    padded = sum(batch["input_ids"].numel() for batch in Batches(ids, batch_size=32).epoch(0))
    shuffled = random.permutation(2000)
    blind = sum(32 * max(len(ids[row]) for row in shuffled[i : i + 32]) for i in range(0, 2000, 32))
    assert padded < 1.1 * tokens
    assert blind > 1.5 * tokens


def test_columns_keep_shape_and_type():
    logits = np.arange(8, dtype=np.float32).reshape(4, 2)
    batches = Batches([[1], [2], [3], [4]], batch_size=3, teacher_logits=logits, labels=np.arange(4))
    for batch in batches.epoch(0):
        assert batch["teacher_logits"].dtype == torch.float32
        assert torch.equal(batch["teacher_logits"], torch.from_numpy(logits)[batch["labels"]])


def labelled_batch(rows, random):
    labels = torch.from_numpy(random.integers(-1, 2, size=rows))
    return {"input_ids": torch.arange(2 * rows).reshape(rows, 2), "labels": labels}


@QUICK
@given(st.integers(1, 9), st.integers(0, 10))
def test_parts_are_the_batch_and_know_the_whole(rows, size):
    batch = labelled_batch(rows, np.random.default_rng(rows))
    parts = list(split(batch, size))
    for name in batch:
        assert torch.equal(torch.cat([part[name] for part in parts]), batch[name])
    if len(parts) == 1:
        assert parts[0] is batch
    for part in parts if len(parts) > 1 else ():
        assert (part["count"], part["labelled"]) == (rows, (batch["labels"] >= 0).sum())
    again = [piece for part in parts for piece in split(part, 1)]
    assert all(piece.get("count", 1) == (rows if rows > 1 else 1) for piece in again), "a part of a part keeps it"


@QUICK
@given(st.integers(1, 20), st.integers(1, 6), st.integers(1, 5))
def test_workers_see_each_row_once_and_their_mean_is_the_mean(rows, batch_size, workers):
    ids = [[row, 0] for row in range(rows)]
    values = np.random.default_rng(rows).normal(size=rows)
    batches = Batches(ids, batch_size=batch_size, seed=1, values=values, labels=np.arange(rows) % 3 - 1)
    shards = [Shard(batches, rank=rank, world_size=workers) for rank in range(workers)]
    assert {len(shard) for shard in shards} == {len(batches)}
    for whole, *parts in zip(batches.epoch(2), *(shard.epoch(2) for shard in shards), strict=True):
        real = [part for part in parts if part["count"] != np.inf]
        assert sorted(torch.cat([part["input_ids"] for part in real])[:, 0]) == sorted(whole["input_ids"][:, 0])
        assert all(len(part["values"]) == 1 for part in parts if part["count"] == np.inf)
        mean = sum(part["values"].sum().item() / part["count"] for part in parts) / workers
        assert mean == pytest.approx(whole["values"].mean().item(), abs=1e-12)


def test_a_rank_that_is_no_worker():
    with pytest.raises(SettingError, match="a rank from 0 to 1. Received 2"):
        Shard(Batches([[1]], batch_size=1), rank=2, world_size=2)
