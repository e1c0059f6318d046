"""Merging a vocabulary: what stays, where the others go, and that the map travels with the classifier."""

import numpy as np
import pytest
import small
import torch
from sklearn.neighbors import NearestNeighbors

from labkit import pack
from labkit.batches import encode
from labkit.classifier import Classifier
from labkit.errors import ModelFileError, PackError, SettingError
from labkit.policy import Policy
from labkit.steps import MergeVocabulary
from labkit.steps.merge_vocabulary import kept_tokens, nearest
from labkit.vocabulary import MergedTokenizer


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    return small.task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def merged(task):
    classifier = small.classifier()
    MergeVocabulary(rows=200).prepare(classifier, task)
    return classifier


def test_the_frequent_and_the_special_stay():
    counts = np.array([0, 0, 3, 7, 0, 5])
    assert kept_tokens(counts, 3).tolist() == [2, 3, 5]
    assert kept_tokens(counts, 3, always=[4]).tolist() == [3, 4, 5]
    assert kept_tokens(counts, 4).tolist() == [0, 2, 3, 5]  # among the unseen, the first of the vocabulary


def test_the_nearest_row_is_that_of_a_library():
    table = torch.randn(5000, 12, generator=torch.Generator().manual_seed(0))
    kept = np.sort(np.random.default_rng(0).permutation(5000)[:300])
    oracle = NearestNeighbors(n_neighbors=1, metric="cosine", algorithm="brute").fit(table[kept].numpy())
    expected = oracle.kneighbors(table.numpy(), return_distance=False)[:, 0]
    assert np.array_equal(nearest(table, kept), expected)


def test_every_token_of_the_task_keeps_its_own_row(merged, task):
    plain = small.classifier()
    texts = task.texts("train")
    assert np.array_equal(merged.logits(texts), plain.logits(texts))
    assert merged.model.get_input_embeddings().weight.shape == (200, 16)
    assert merged.model.config.vocab_size == 200


def test_texts_become_no_longer_and_an_unseen_word_takes_its_neighbours_row(merged):
    plain = small.tokenizer()
    texts = ["A quixotic barrister.", "gold"]
    before, after = encode(plain, texts), encode(merged.tokenizer, texts)
    assert [len(row) for row in after] == [len(row) for row in before]
    assert max(max(row) for row in after) < 200
    assert merged.tokenizer.pad_token_id == merged.tokenizer.rows[plain.pad_token_id]
    table = small.classifier().model.get_input_embeddings().weight.detach()
    token = plain.convert_tokens_to_ids("barrister")
    row = merged.model.get_input_embeddings().weight.detach()[merged.tokenizer.rows[token]]
    best = torch.cosine_similarity(table[token][None], merged.model.get_input_embeddings().weight.detach()).max()
    assert torch.cosine_similarity(table[token], row, dim=0) == pytest.approx(best.item())


def test_folder_and_packed_file_bring_the_map_back(merged, tmp_path):
    merged.save(tmp_path / "folder")
    pack.save(merged, tmp_path / "model.pack")
    for again in (Classifier.load(tmp_path / "folder"), pack.load(tmp_path / "model.pack")):
        assert np.array_equal(again.logits(small.SENTENCES), merged.logits(small.SENTENCES))
        assert again.fingerprint == merged.fingerprint
    assert "rows of tokens" in {row["name"] for row in pack.inspect(tmp_path / "model.pack")}
    assert (
        sum(row["bytes"] for row in pack.inspect(tmp_path / "model.pack")) == (tmp_path / "model.pack").stat().st_size
    )


def test_another_map_is_another_classifier(merged):
    other = Classifier(
        merged.model, MergedTokenizer(merged.tokenizer.tokenizer, np.roll(merged.tokenizer.rows, 1)), "ab"
    )
    same = Classifier(merged.model, merged.tokenizer, "ab")
    assert other.fingerprint != same.fingerprint


def test_a_policy_trains_with_the_map_in_the_loop(task, tmp_path):
    from labkit.cache import Cache
    from labkit.steps import Distill

    policy = Policy([MergeVocabulary(rows=150), Distill(epochs=1, transfer=0)])
    student = policy.apply(small.classifier(), task, cache=Cache(tmp_path))
    assert student.model.config.vocab_size == 150
    assert len(student.predict(["gold and silver"])) == 1


def test_what_is_refused(merged, task, tmp_path):
    with pytest.raises(SettingError, match="at least 100 rows. Received 5"):
        MergeVocabulary(rows=5)
    with pytest.raises(SettingError, match="not merged yet"):
        MergeVocabulary(rows=150).prepare(merged, task)
    with pytest.raises(SettingError, match="at most its 30,522 rows"):
        MergeVocabulary(rows=40_000).prepare(small.classifier(), task)
    with pytest.raises(SettingError, match="the task whose words are counted"):
        MergeVocabulary().prepare(small.classifier())
    with pytest.raises(ModelFileError, match="uses every row"):
        MergedTokenizer(small.tokenizer(), np.array([0, 2]))


def test_a_map_to_rows_that_are_not_there_is_refused(merged, tmp_path):
    wide = MergedTokenizer(merged.tokenizer.tokenizer, np.arange(30522))
    pack.save(Classifier(merged.model, wide, "ab"), tmp_path / "wrong.pack")
    with pytest.raises(PackError, match="rows below 200"):
        pack.load(tmp_path / "wrong.pack")
