"""Three answers for tokens without a row: alike where nothing was lost, each as it says where something was."""

import numpy as np
import pytest
import small
import torch

from labkit.errors import SettingError
from labkit.lost_tokens import own_rows, three_ways
from labkit.steps import MergeVocabulary

ROWS = 3000
LOST = "a photosynthesis of copper"  # one word that a small vocabulary does not have, among others that it does


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    before = small.classifier()
    return before, three_ways(before, small.task(tmp_path_factory.mktemp("task")), rows=ROWS)


def ids(classifier, text):
    return classifier.tokenizer([text])["input_ids"][0]


def test_they_have_the_same_rows_and_agree_where_nothing_was_lost(made):
    before, ways = made
    assert list(ways) == ["nearest", "unknown", "pieces"]
    text = "gold and silver of the lead"
    expected = before.logits([text])
    for one in ways.values():
        assert len(one.model.bert.embeddings.word_embeddings.weight) == ROWS
        torch.testing.assert_close(torch.as_tensor(one.logits([text])), torch.as_tensor(expected))


def test_kept_tokens_have_their_own_row_and_no_other_has(made):
    before, ways = made
    kept = own_rows(before, ways["nearest"])
    table = before.model.bert.embeddings.word_embeddings.weight
    small_table = ways["nearest"].model.bert.embeddings.word_embeddings.weight
    assert torch.equal(table[kept], small_table)
    assert len(set(kept.tolist())) == ROWS


def test_an_unknown_token_is_unk_and_its_neighbours_stay(made):
    before, ways = made
    kept = own_rows(before, ways["nearest"]).tolist()
    full = ids(before, LOST)
    expected = [token if token in kept else before.tokenizer.unk_token_id for token in full]
    assert expected != full
    assert [kept[row] for row in ids(ways["unknown"], LOST)] == expected


def test_a_lost_word_is_cut_into_pieces_that_spell_it(made):
    before, ways = made
    kept = own_rows(before, ways["nearest"])
    pieces = before.tokenizer.convert_ids_to_tokens(kept[ids(ways["pieces"], LOST)].tolist())
    assert "".join(pieces[1:-1]).replace("##", "") == LOST.replace(" ", "")
    assert len(pieces) > len(ids(before, LOST))


def test_the_nearest_is_what_the_step_does(made, tmp_path):
    _, ways = made
    step = small.classifier()
    MergeVocabulary(ROWS).prepare(step, small.task(tmp_path))
    assert np.array_equal(step.tokenizer.rows, ways["nearest"].tokenizer.rows)


def test_more_rows_than_there_are_is_refused(tmp_path):
    with pytest.raises(SettingError, match="at most its 30,522 rows"):
        three_ways(small.classifier(), small.task(tmp_path), rows=40_000)
