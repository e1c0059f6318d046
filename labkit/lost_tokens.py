"""What may become of tokens that have no row in a smaller embedding table: three answers, to compare them."""

import numpy as np
import torch
from transformers import BertTokenizer

from labkit.steps.merge_vocabulary import MergeVocabulary
from labkit.vocabulary import MergedTokenizer

__all__ = ["own_rows", "three_ways"]


def three_ways(classifier, task, *, rows):
    """Cut a classifier's word embedding to `rows` rows in three ways: Classifiers with the same rows, by name.

    "nearest"   a token without a row uses the kept row nearest to its own; see MergeVocabulary
    "unknown"   it becomes [UNK], as every word does that a vocabulary does not have
    "pieces"    the tokenizer knows the kept tokens alone, and cuts a word into smaller ones of them

    Nothing is trained. Raises SettingError where MergeVocabulary does.
    """
    near = classifier.copy()
    MergeVocabulary(rows).prepare(near, task)
    kept = own_rows(classifier, near)
    made = {"nearest": near, "unknown": near.copy(), "pieces": near.copy()}
    tokenizer = classifier.tokenizer
    places = np.full(len(near.tokenizer.rows), np.flatnonzero(kept == tokenizer.unk_token_id)[0])
    places[kept] = np.arange(len(kept))
    made["unknown"].tokenizer = MergedTokenizer(tokenizer, places)
    words = tokenizer.convert_ids_to_tokens(kept.tolist())
    pieces = BertTokenizer(vocab={word: row for row, word in enumerate(words)}, model_max_length=128)
    made["pieces"].tokenizer = MergedTokenizer(pieces, np.arange(len(kept)))
    return made


def own_rows(classifier, merged):
    """Find the tokens that kept their row in a merged vocabulary: their numbers by row, shape (rows,)."""
    before = classifier.model.base_model.embeddings.word_embeddings.weight.detach()
    after = merged.model.base_model.embeddings.word_embeddings.weight.detach()
    rows = merged.tokenizer.rows
    tokens = np.flatnonzero((before == after[torch.from_numpy(rows)]).all(dim=1).numpy())
    return tokens[np.unique(rows[tokens], return_index=True)[1]]
