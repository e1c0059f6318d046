"""A smaller embedding table: frequent tokens keep their row, every other token takes that of its nearest neighbour."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from labkit.batches import MAX_LENGTH, encode
from labkit.errors import SettingError
from labkit.steps.base import Step
from labkit.vocabulary import MergedTokenizer

__all__ = ["MergeVocabulary", "kept_tokens", "nearest"]


def kept_tokens(counts, rows, *, always=()):
    """Choose the tokens that keep their row: `always`, then the most frequent, then the first of the vocabulary.

    `counts` has shape (tokens,). BERT's vocabulary begins with special tokens and then goes roughly from frequent to
    rare. Returns `rows` token numbers in rising order.

    >>> kept_tokens(np.array([0, 0, 5, 0, 9]), 3, always=[0]).tolist()
    [0, 2, 4]
    """
    first = np.isin(np.arange(len(counts)), list(always))
    order = np.lexsort((np.arange(len(counts)), -counts, ~first))  # the last key counts most
    return np.sort(order[:rows])


def nearest(table, kept):
    """Map every token to its own row where it is kept, else to the kept row with the largest cosine similarity.

    `table` has shape (tokens, width), `kept` the numbers of the kept tokens. Returns rows, shape (tokens,).

    >>> nearest(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.2, 0.9]]), np.array([0, 1])).tolist()
    [0, 1, 1]
    """
    unit = functional.normalize(table, dim=1)
    rows = np.concatenate([(part @ unit[kept].T).argmax(dim=1).numpy() for part in unit.split(2048)])
    rows[kept] = np.arange(len(kept))
    return rows


@dataclass(frozen=True)
class MergeVocabulary(Step):
    """Keep some rows of the word embedding and let every other token use the nearest of them.

    rows   rows that stay, of 30,522

    A token's place in the table is decided by how often it occurs in the training headlines and in the transfer text.
    Training after this step has the merged rows in the loop. Positions beyond the longest text that is ever computed,
    128 tokens, go as well. Source for cutting a vocabulary: Abdaoui et al.,
    Load What You Need, arXiv 2010.05609; there the other tokens are lost, here they are merged.
    """

    rows: int = 8000

    def __post_init__(self):
        if type(self.rows) is not int or self.rows < 100:
            raise SettingError("at least 100 rows", received=repr(self.rows), do="8000 is a good start.")

    def prepare(self, classifier, task=None):
        """Cut the table and put the map behind the tokenizer.

        Raises SettingError without a task, for more rows than there are, or for a vocabulary that is merged already.
        """
        embeddings, tokenizer = classifier.model.base_model.embeddings, classifier.tokenizer
        table = embeddings.word_embeddings.weight.detach()
        if task is None:
            raise SettingError("the task whose words are counted", received="none", do="Use the step in a policy.")
        if isinstance(tokenizer, MergedTokenizer) or self.rows > len(table):
            raise SettingError(
                f"a vocabulary that is not merged yet, and at most its {len(table):,} rows",
                received=f"rows={self.rows:,}", do="Begin with the teacher, and keep fewer rows.",
            )  # fmt: skip
        seen = Counter(id for ids in encode(tokenizer, task.texts("train") + task.texts("transfer")) for id in ids)
        counts = np.array([seen[token] for token in range(len(table))])
        kept = kept_tokens(counts, self.rows, always=tokenizer.all_special_ids)
        merged = MergedTokenizer(tokenizer, nearest(table, kept))
        embeddings.word_embeddings = torch.nn.Embedding.from_pretrained(
            table[kept].clone(), freeze=False, padding_idx=merged.pad_token_id
        )
        classifier.model.config.vocab_size, classifier.model.config.pad_token_id = self.rows, merged.pad_token_id
        _cut_positions(classifier.model.config, embeddings)
        classifier.tokenizer = merged


def _cut_positions(config, embeddings):
    reached = min(MAX_LENGTH, config.max_position_embeddings)
    table = embeddings.position_embeddings.weight.detach()[:reached]
    embeddings.position_embeddings = torch.nn.Embedding.from_pretrained(table.clone(), freeze=False)
    for name in ("position_ids", "token_type_ids"):
        embeddings.register_buffer(name, getattr(embeddings, name)[:, :reached].clone(), persistent=False)
    config.max_position_embeddings = reached
