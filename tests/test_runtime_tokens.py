"""The tokenizer comes back from the model file and cuts every text as before."""

import pytest
import runtime_models as models
import small
from hypothesis import given, settings
from hypothesis import strategies as st

from labkit.batches import encode
from labkit.errors import ModelFileError
from labkit.runtime.tokens import from_text, to_text

AGAIN = from_text(to_text(small.tokenizer()))


@given(st.lists(st.text(max_size=300), min_size=1, max_size=4))
@settings(max_examples=50, deadline=None)
def test_any_text_is_cut_as_transformers_cuts_it(texts):
    assert encode(AGAIN, texts) == encode(small.tokenizer(), texts)


def test_long_texts_end_at_the_same_place():
    assert encode(AGAIN, ["copper " * 500]) == encode(small.tokenizer(), ["copper " * 500])
    assert len(encode(AGAIN, ["copper " * 500])[0]) == 128
    assert encode(AGAIN, ["copper " * 500], max_length=9) == encode(small.tokenizer(), ["copper " * 500], max_length=9)


def test_padding_and_merged_rows_come_along():
    merged = models.merged().tokenizer
    again = from_text(to_text(merged))
    assert again.pad_token_id == merged.pad_token_id
    assert encode(again, models.TEXTS) == encode(merged, models.TEXTS)
    assert AGAIN.pad_token_id == small.tokenizer().pad_token_id


def test_writing_leaves_the_tokenizer_as_it_was():
    before = encode(small.tokenizer(), models.TEXTS)
    to_text(small.tokenizer())
    assert encode(small.tokenizer(), models.TEXTS) == before


@pytest.mark.parametrize("text", ["", "zzzz", "not base85 ü", to_text(small.tokenizer())[:-40]])
def test_damage_is_told(text):
    with pytest.raises(ModelFileError, match="a tokenizer in the model file"):
        from_text(text)
