"""What a model without pre-training reaches: the yardstick that every results table carries."""

from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

__all__ = ["tfidf_baseline"]


def tfidf_baseline(task):
    """Predict the test rows by counting words: TF-IDF of words and word pairs, then logistic regression.

    Returns label numbers, shape (test rows,). It takes about a second.
    """
    model = make_pipeline(
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True), LogisticRegression(C=30.0, max_iter=1000)
    )
    return model.fit(task.texts("train"), task.truth("train")).predict(task.texts("test"))
