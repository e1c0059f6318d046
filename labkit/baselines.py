"""What models without a Transformer reach: the yardsticks that every results table carries."""

import json
import lzma

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

__all__ = ["StaticEmbeddings", "Tfidf", "tfidf_baseline"]


class Tfidf:
    """Counted words: TF-IDF of words and word pairs, then logistic regression. Fitting takes about a second.

    `bytes` counts what predicting needs: the words, compressed, and float32 numbers.
    """

    def __init__(self, task):
        self.words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
        self.model = make_pipeline(self.words, LogisticRegression(C=30.0, max_iter=1000))
        self.model.fit(task.texts("train"), task.truth("train"))

    @property
    def bytes(self):
        """The size of the model in bytes."""
        text = lzma.compress("\n".join(sorted(self.words.vocabulary_)).encode(), preset=9)
        return len(text) + 4 * (self.words.idf_.size + self.model[-1].coef_.size + self.model[-1].intercept_.size)

    def predict(self, texts, *, batch_size=32):
        """Predict label numbers, shape (texts,); every text is computed by itself, so `batch_size` changes nothing."""
        return self.model.predict(texts)


class StaticEmbeddings:
    """The mean of the pre-trained word embeddings of a text's tokens, then logistic regression: a table, no encoder.

    `classifier` is the pre-trained one. `bytes` counts the float32 table, the head, and the vocabulary, compressed.
    """

    def __init__(self, task, classifier):
        self.tokenizer = classifier.tokenizer
        self.table = classifier.model.base_model.get_input_embeddings().weight.detach().numpy()
        self.head = LogisticRegression(C=30.0, max_iter=2000)
        self.head.fit(self.means(task.texts("train")), task.truth("train"))

    @property
    def bytes(self):
        """The size of the model in bytes."""
        words = lzma.compress(json.dumps(self.tokenizer.get_vocab()).encode(), preset=9)
        return self.table.nbytes + 4 * (self.head.coef_.size + self.head.intercept_.size) + len(words)

    def means(self, texts):
        """Average the rows of each text's tokens, to length 1: shape (texts, width)."""
        rows = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        means = np.stack([self.table[ids or [self.tokenizer.unk_token_id]].mean(axis=0) for ids in rows])
        return means / np.linalg.norm(means, axis=1, keepdims=True)

    def predict(self, texts, *, batch_size=32):
        """Predict label numbers, shape (texts,); every text is computed by itself, so `batch_size` changes nothing."""
        return self.head.predict(self.means(texts))


def tfidf_baseline(task):
    """Predict the test rows with `Tfidf`: label numbers, shape (test rows,)."""
    return Tfidf(task).predict(task.texts("test"))
