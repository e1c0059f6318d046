"""A tokenizer whose tokens share rows of a smaller embedding table."""

import numpy as np

from labkit.errors import ModelFileError

__all__ = ["MergedTokenizer"]


class MergedTokenizer:
    """A tokenizer followed by a map: token t is looked up in row `rows[t]` of a table with fewer rows than tokens.

    Texts are cut into the same tokens as before, so they become no longer; only the numbers differ. The model behind
    it is an ordinary BERT with as many rows as the map uses.

    `rows` has shape (tokens,) and numbers the rows from 0.

    >>> tokens = lambda texts: {"input_ids": [[0, 2, 3]]}
    >>> MergedTokenizer(tokens, np.array([0, 1, 1, 2]))(["a text"])["input_ids"]   # tokens 1 and 2 share a row
    [[0, 1, 2]]

    Raises ModelFileError for a map that leaves out a row.
    """

    def __init__(self, tokenizer, rows):
        self.tokenizer, self.rows = tokenizer, np.asarray(rows)
        used = np.unique(self.rows)
        if self.rows.ndim != 1 or len(used) == 0 or not np.array_equal(used, np.arange(len(used))):
            raise ModelFileError(
                "a map of tokens that uses every row from 0 on", received=f"one of shape {self.rows.shape}",
                do="The file is damaged: make or copy it again.",
            )  # fmt: skip

    def __call__(self, texts, **settings):
        encoded = self.tokenizer(texts, **settings)
        encoded["input_ids"] = [self.rows[ids].tolist() for ids in encoded["input_ids"]]
        return encoded

    @property
    def pad_token_id(self):
        """The row that padding is looked up in."""
        return int(self.rows[self.tokenizer.pad_token_id])
