"""Two answers for tokens without a row: as the whole vocabulary where nothing was lost, each as it says elsewhere."""

import copy

import pytest
import small
import torch
from transformers import BertTokenizer

from labkit import pack
from labkit.cache import Cache
from labkit.errors import SettingError
from labkit.policy import Policy
from labkit.steps import CutVocabulary, Distill, MergeVocabulary, SortVocabulary, step_from_dict
from labkit.steps.cut_vocabulary import own_rows, three_answers

ROWS = 3000
LOST = "a photosynthesis of copper"  # one word that a small vocabulary does not have, among others that it does


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def made(task):
    """The classifier before, and by name what each answer makes of it."""
    before = small.classifier()
    ways = {"nearest": MergeVocabulary(ROWS)} | {lost: CutVocabulary(ROWS, lost) for lost in ("unknown", "pieces")}
    after = {name: before.copy() for name in ways}
    for name, step in ways.items():
        step.prepare(after[name], task)
    return before, after


@pytest.fixture(scope="module")
def kept(made):
    before, ways = made
    return own_rows(before.model.get_input_embeddings().weight.detach(), ways["nearest"]).tolist()


def ids(classifier, text):
    return classifier.tokenizer([text])["input_ids"][0]


def test_they_have_the_same_rows_and_agree_where_nothing_was_lost(made):
    before, ways = made
    text = "gold and silver of the lead"
    table = ways["nearest"].model.get_input_embeddings().weight
    for one in ways.values():
        assert torch.equal(one.model.get_input_embeddings().weight, table)
        torch.testing.assert_close(torch.as_tensor(one.logits([text])), torch.as_tensor(before.logits([text])))
        assert one.model.config.pad_token_id == one.tokenizer.pad_token_id


def test_three_answers_at_once_are_those_of_the_steps(made, task):
    before, ways = made
    again = three_answers(before, task, rows=ROWS)
    assert list(again) == list(ways)
    for name, one in ways.items():
        assert again[name].fingerprint == one.fingerprint
        assert ids(again[name], "gold and silver of the lead") == ids(one, "gold and silver of the lead")
    assert before.model.config.vocab_size > ROWS  # the one they are made of is left alone


def test_kept_tokens_have_their_own_row_and_no_other_has(made, kept):
    before, ways = made
    table = before.model.get_input_embeddings().weight
    assert torch.equal(table[kept], ways["nearest"].model.get_input_embeddings().weight)
    assert len(set(kept)) == ROWS


def test_an_unknown_token_is_unk_and_its_neighbours_stay(made, kept):
    before, ways = made
    full = ids(before, LOST)
    expected = [token if token in kept else before.tokenizer.unk_token_id for token in full]
    assert expected != full
    assert [kept[row] for row in ids(ways["unknown"], LOST)] == expected


def test_a_lost_word_is_cut_into_pieces_that_spell_it(made, kept):
    before, ways = made
    pieces = before.tokenizer.convert_ids_to_tokens([kept[row] for row in ids(ways["pieces"], LOST)])
    assert "".join(pieces[1:-1]).replace("##", "") == LOST.replace(" ", "")
    assert len(pieces) > len(ids(before, LOST))


def test_pieces_are_those_of_a_tokenizer_that_has_only_the_kept_words(made, kept):
    before, ways = made
    words = before.tokenizer.convert_ids_to_tokens(kept)
    oracle = BertTokenizer(vocab={word: row for row, word in enumerate(words)})
    for text in [*small.SENTENCES, LOST]:
        assert ids(ways["pieces"], text) == oracle([text])["input_ids"][0]


@pytest.mark.parametrize("lost", ["unknown", "pieces"])
def test_packed_sorted_and_trained_it_comes_back_the_same_and_without_the_map_it_is_smaller(task, lost, tmp_path):
    before = small.classifier()
    policy = Policy([CutVocabulary(ROWS, lost), SortVocabulary(), Distill(epochs=1)])
    file = policy.packed(before, task, cache=Cache(tmp_path))
    student = pack.load(file)
    assert student.fingerprint == file.with_name("fingerprint").read_text()
    assert len(student.predict([*small.SENTENCES, LOST])) == len(small.SENTENCES) + 1
    sizes = {row["name"]: row["bytes"] for row in pack.inspect(file)}
    if lost == "pieces":
        assert "rows of tokens" not in sizes
        assert sizes["words"] < 20_000  # of 87,000 for all words
    else:
        assert sizes["rows of tokens"] < 5_000  # a bit a token says who kept a row; the others have the same one


def test_it_is_known_by_its_name():
    assert step_from_dict({"step": "CutVocabulary", "rows": 900, "lost": "unknown"}) == CutVocabulary(900, "unknown")


def test_what_is_refused(task):
    with pytest.raises(SettingError, match="at least 100 rows"):
        CutVocabulary(5)
    with pytest.raises(SettingError, match="lost, one of"):
        CutVocabulary(lost="nearest")
    with pytest.raises(SettingError, match="at most its 30,522 rows"):
        CutVocabulary(40_000).prepare(small.classifier(), task)
    added = small.classifier()
    added.tokenizer = copy.deepcopy(small.tokenizer())  # all tests share the other one
    added.tokenizer.add_tokens(["newword"])
    with pytest.raises(SettingError, match="without added tokens"):
        CutVocabulary(ROWS).prepare(added, task)
