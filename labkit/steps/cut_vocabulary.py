"""A smaller embedding table without a map: what has no row becomes unknown, or is cut into smaller pieces."""

from dataclasses import dataclass

import numpy as np
import torch

from labkit.errors import SettingError
from labkit.steps.base import Step
from labkit.steps.merge_vocabulary import MergeVocabulary
from labkit.vocabulary import MergedTokenizer

__all__ = ["CutVocabulary", "own_rows", "three_answers"]

LOST = ("unknown", "pieces")


@dataclass(frozen=True)
class CutVocabulary(Step):
    """Keep the rows that MergeVocabulary keeps, and give no other token the nearest of them.

    rows   rows that stay, of 30,522
    lost   what becomes of a token without a row. "unknown": it becomes [UNK], as every word does that a vocabulary
           does not have · "pieces": the tokenizer knows the kept tokens alone, and cuts a word into smaller ones of
           them

    With pieces no map is needed, and a packed file lists the kept words alone; a text may become longer. Unknown
    tokens have still to be told from one another by the tokenizer, so the map stays; it is nearly all one row.
    Source for a vocabulary without the tokens that nobody needs: Abdaoui et al., Load What You Need, arXiv 2010.05609.
    """

    rows: int = 8000
    lost: str = "pieces"

    code = ("labkit.steps.merge_vocabulary",)

    def __post_init__(self):
        MergeVocabulary(self.rows)  # refuses what is no number of rows
        if self.lost not in LOST:
            raise SettingError(f"lost, one of {LOST}", received=repr(self.lost), do='Write lost="pieces".')

    def prepare(self, classifier, task=None):
        """Cut the table, and put another tokenizer before it.

        Raises SettingError where MergeVocabulary does, and for a tokenizer that is more than words and settings.
        """
        table = classifier.model.get_input_embeddings().weight.detach()
        MergeVocabulary(self.rows).prepare(classifier, task)
        _lose(classifier, self.lost, table)


def three_answers(classifier, task, *, rows):
    """Cut the vocabulary of a classifier in three ways: a dictionary of three others, nearest, unknown and pieces.

    Each has the same `rows`, and is what MergeVocabulary and CutVocabulary make; the words are counted once.
    """
    table, merged = classifier.model.get_input_embeddings().weight.detach(), classifier.copy()
    MergeVocabulary(rows).prepare(merged, task)
    answers = {"nearest": merged} | {lost: merged.copy() for lost in LOST}
    for lost in LOST:
        _lose(answers[lost], lost, table)
    return answers


def _lose(merged, lost, table):
    """Put another tokenizer before a merged classifier: a token has its own row of `table`, or is lost."""
    from labkit.pack.words import rebuilt, settings_of, words_of

    tokenizer, kept = merged.tokenizer.tokenizer, own_rows(table, merged)
    if lost == "pieces":
        words, settings = words_of(tokenizer), settings_of(tokenizer)
        if settings is None:
            raise SettingError(
                "a WordPiece tokenizer without added tokens", received=type(tokenizer).__name__,
                do='Choose lost="unknown".',
            )  # fmt: skip
        merged.tokenizer = rebuilt([words[token] for token in kept], settings)
    else:
        rows = np.full(len(table), np.searchsorted(kept, tokenizer.unk_token_id))
        rows[kept] = np.arange(len(kept))
        merged.tokenizer = MergedTokenizer(tokenizer, rows)
    merged.model.config.pad_token_id = merged.tokenizer.pad_token_id


def own_rows(table, merged):
    """Find the tokens that kept their row in a merged vocabulary: their numbers by row, shape (rows,).

    `table` is the word embedding before, shape (tokens, width).
    """
    rows = merged.tokenizer.rows
    after = merged.model.get_input_embeddings().weight.detach()
    tokens = np.flatnonzero((table == after[torch.from_numpy(rows)]).all(dim=1).numpy())
    return tokens[np.unique(rows[tokens], return_index=True)[1]]
