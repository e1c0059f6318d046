"""The yardsticks without a Transformer."""

import numpy as np
import small

from labkit.baselines import StaticEmbeddings, Tfidf, tfidf_baseline
from labkit.statistics import macro_f1
from labkit.task import load_task


def test_it_tells_separable_classes_apart(tmp_path):
    task = small.task(tmp_path, rows=150, classes=3)
    assert tfidf_baseline(task).tolist() == task.truth("test").tolist()


def test_on_headlines_it_is_where_it_was_measured_and_does_not_see_the_test_labels():
    task = load_task()
    predicted = tfidf_baseline(task)
    assert predicted.shape == (420,)
    assert 0.75 < macro_f1(task.truth("test"), predicted) < 0.87
    assert np.array_equal(tfidf_baseline(task), predicted)


def test_the_bytes_of_counted_words_are_words_and_numbers(tmp_path):
    model = Tfidf(small.task(tmp_path, rows=150, classes=3))
    features = len(model.words.get_feature_names_out())
    assert model.bytes > 4 * features * (1 + 3)
    assert model.bytes < 4 * features * (1 + 3) + sum(map(len, model.words.vocabulary_)) + features + 200


def test_static_embeddings_tell_separable_classes_apart_and_are_a_mean(tmp_path):
    task, classifier = small.task(tmp_path, rows=150, classes=3), small.classifier()
    model = StaticEmbeddings(task, classifier)
    assert model.predict(task.texts("test")).tolist() == task.truth("test").tolist()
    ids = classifier.tokenizer("apple pear", add_special_tokens=False)["input_ids"]
    mean = classifier.model.bert.embeddings.word_embeddings.weight.detach().numpy()[ids].mean(axis=0)
    np.testing.assert_allclose(model.means(["apple pear"])[0], mean / np.linalg.norm(mean), atol=1e-6)
    assert model.bytes > model.table.nbytes
