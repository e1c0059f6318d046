"""Classifiers of all the shapes that a policy can give, for the tests of the runtime."""

import numpy as np
import small
import torch

from labkit import structure
from labkit.steps import KeepLayers
from labkit.steps.factorize import Factorize
from labkit.vocabulary import MergedTokenizer

TEXTS = [*small.SENTENCES, "copper " * 200, "lemon", "iron and tin and lead", "a saw"]


def full(layers=2):
    return small.classifier(("fruit", "metal", "tools"), layers=layers, hidden=32)


def shallow():
    classifier = full(layers=3)
    KeepLayers((1,)).prepare(classifier)
    return classifier


def merged():
    """Every token looked up in one of 500 rows."""
    classifier = full()
    table = classifier.model.bert.embeddings.word_embeddings.weight.detach()
    rows = np.arange(len(table)) % 500
    padding = int(rows[classifier.tokenizer.pad_token_id])
    classifier.model.bert.embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(
        table[:500].clone(), freeze=False, padding_idx=padding
    )
    classifier.model.config.vocab_size = 500
    classifier.tokenizer = MergedTokenizer(classifier.tokenizer, rows)
    return classifier


def narrow():
    """One head less in the first layer, another width of the feed-forward in each."""
    classifier = full()
    structure.keep_heads(classifier.model, [[1], [0, 1]])
    structure.keep_columns(classifier.model, [range(40), range(3, 10)])
    return classifier


def factorized():
    """The word table and some matrices as two factors each."""
    classifier = full()
    Factorize(rank=8, what="both").prepare(classifier)
    return classifier


SHAPES = {"full": full, "shallow": shallow, "merged": merged, "narrow": narrow, "factorized": factorized}


def error(first, second, texts=TEXTS, **options):
    """The largest difference of logits, as a share of the largest logit."""
    a, b = first.logits(texts, **options), second.logits(texts, **options)
    return float(np.abs(a - b).max() / np.abs(a).max())
