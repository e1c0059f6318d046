"""Other numbers for the same tokens: the same logits, fewer bytes."""

import numpy as np
import pytest
import small
import torch

from labkit import pack
from labkit.errors import SettingError
from labkit.pack.rows import keepers
from labkit.steps import MergeVocabulary, Quantize, SortVocabulary

TEXTS = [*small.SENTENCES, "Ünïcode, 中文 and un-hyphen-able words"]


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"))


def test_the_logits_stay_the_same_in_every_bit_and_the_file_gets_smaller(tmp_path):
    before, after = small.classifier(), small.classifier()
    SortVocabulary().prepare(after)
    assert np.array_equal(after.logits(TEXTS), before.logits(TEXTS))
    words = list(after.tokenizer.get_vocab())
    assert sorted(words) == sorted(words, key=after.tokenizer.get_vocab().get)
    assert after.model.config.pad_token_id == after.tokenizer.pad_token_id != 0
    sizes = [pack.save(one, tmp_path / "a.pack") for one in (before, after)]
    assert 45_000 < sizes[0] - sizes[1] < 55_000
    assert np.array_equal(pack.load(tmp_path / "a.pack").logits(TEXTS), before.logits(TEXTS))


def test_merged_rows_are_put_in_order_too(task, tmp_path):
    before = small.classifier()
    MergeVocabulary(rows=500).prepare(before, task)
    after = before.copy()
    SortVocabulary().prepare(after, task)
    assert np.array_equal(after.logits(TEXTS), before.logits(TEXTS))
    assert keepers(after.tokenizer.rows) is not None
    sizes = [pack.save(one, tmp_path / "a.pack") for one in (before, after)]
    assert 45_000 < sizes[0] - sizes[1] < 55_000


def test_rounding_goes_with_the_rows(tmp_path):
    classifier = small.classifier()
    steps = [SortVocabulary(), Quantize(bits=4)]
    plain = small.classifier()
    for step in steps:
        step.prepare(classifier)
    for step, one in ((steps[1], classifier), (steps[1], plain)):
        step.finish(one)
    assert np.array_equal(classifier.logits(TEXTS), plain.logits(TEXTS))
    late = plain.copy()
    SortVocabulary().prepare(late)  # integers in the old order would be another model
    pack.save(late, tmp_path / "a.pack")
    assert np.array_equal(pack.load(tmp_path / "a.pack").logits(TEXTS), plain.logits(TEXTS))


def test_training_still_moves_the_table_but_not_the_row_of_the_padding():
    classifier = small.classifier()
    SortVocabulary().prepare(classifier)
    table = classifier.model.bert.embeddings.word_embeddings
    assert table.weight.requires_grad
    pad = classifier.tokenizer.pad_token_id
    table(torch.tensor([pad, pad + 1])).sum().backward()
    assert table.weight.grad[pad].abs().sum() == 0
    assert table.weight.grad[pad + 1].abs().sum() > 0


def test_a_tokenizer_with_added_tokens_is_refused():
    from transformers import BertTokenizer

    classifier = small.classifier()
    made = BertTokenizer(vocab={word: i for i, word in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a"])})
    made.add_tokens(["newword"])
    classifier.tokenizer = made
    with pytest.raises(SettingError, match="a WordPiece tokenizer without added tokens"):
        SortVocabulary().prepare(classifier)
