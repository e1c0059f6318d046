"""The tokenizer comes back: the same words under the same numbers, and the same tokens for any text."""

import bz2
import lzma

import pytest
import small
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import BertTokenizer

from labkit.errors import PackError
from labkit.pack.words import join, pack_tokenizer, split, unpack, unpack_tokenizer
from labkit.task import load_task

QUICK = settings(max_examples=100, deadline=None, derandomize=True)


@pytest.fixture(scope="module")
def again():
    return unpack_tokenizer(*pack_tokenizer(small.tokenizer()))


@QUICK
@given(st.lists(st.text(st.characters(min_codepoint=32, blacklist_categories=["Cs"]), max_size=50), max_size=30))
def test_any_words_come_back(words):
    assert split(join(words)) == words


def test_words_that_begin_alike_take_few_letters():
    assert join(["a" * 100, "a" * 100]) == "\x01" + "a" * 100 + "\x1f" + "a" * 70


def test_the_vocabulary_is_the_same(again):
    assert again.get_vocab() == small.tokenizer().get_vocab()
    assert again.backend_tokenizer.to_str() == small.tokenizer().backend_tokenizer.to_str()
    assert again.all_special_ids == small.tokenizer().all_special_ids
    assert (again.pad_token_id, again.model_max_length) == (0, 128)


def test_every_text_of_the_task_gives_the_same_tokens(again):
    task = load_task("bbc-headlines")
    for part in ("train", "validation", "test", "transfer"):
        texts = task.texts(part)
        assert again(texts)["input_ids"] == small.tokenizer()(texts)["input_ids"]


@QUICK
@given(st.text(max_size=200))
def test_any_text_gives_the_same_tokens(again, text):
    assert again(text)["input_ids"] == small.tokenizer()(text)["input_ids"]


def test_it_takes_less_than_the_common_ways():
    settings, data = pack_tokenizer(small.tokenizer())
    assert settings["do_lower_case"] is True
    plain = "\n".join(sorted(small.tokenizer().get_vocab(), key=small.tokenizer().get_vocab().get)).encode()
    assert len(data) < 94_000
    assert len(data) < min(len(bz2.compress(plain)), len(lzma.compress(plain, preset=9 | lzma.PRESET_EXTREME)))


def test_words_in_alphabetical_order_take_half():
    words = sorted(small.tokenizer().get_vocab())
    assert len(bz2.compress(join(words).encode())) < 44_000


@pytest.mark.parametrize("lower", [True, False])
def test_settings_are_kept(lower):
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "A", "##b", "é", "中"]
    made = BertTokenizer(vocab={word: i for i, word in enumerate(words)}, do_lower_case=lower, strip_accents=False,
                         tokenize_chinese_chars=False)  # fmt: skip
    again = unpack_tokenizer(*pack_tokenizer(made))
    for text in ("a Ab é A中 [MASK]", "ab\tAB"):
        assert again(text)["input_ids"] == made(text)["input_ids"]


def test_a_tokenizer_that_is_more_than_words_and_settings_is_kept_as_files():
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "##b"]
    made = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    made.add_tokens(["newword"])
    settings, data = pack_tokenizer(made)
    assert settings == {}
    assert unpack_tokenizer(settings, data)("a newword ab")["input_ids"] == made("a newword ab")["input_ids"]


def test_what_does_not_end_is_refused():
    data = bz2.compress(b"words" * 100)
    with pytest.raises(PackError, match="at most 499 bytes when unpacked"):
        unpack(data, limit=499)
    with pytest.raises(PackError, match="or a part of them"):
        unpack(data[:-4])
