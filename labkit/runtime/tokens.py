"""The tokenizer as text that fits into a model file, and back without Transformers."""

import base64
import json
import lzma

import numpy as np
from tokenizers import Tokenizer

from labkit.batches import MAX_LENGTH
from labkit.errors import ModelFileError
from labkit.vocabulary import MergedTokenizer

__all__ = ["Tokens", "from_text", "to_text"]


class Tokens:
    """A tokenizer of the `tokenizers` library, called as those of Transformers are, with less around it.

    >>> from labkit.classifier import pretrained
    >>> tokens = from_text(to_text(pretrained(["a", "b"]).tokenizer))
    >>> tokens(["profits rise"])["input_ids"]
    [[101, 11372, 4125, 102]]
    """

    def __init__(self, backend, *, pad_token_id):
        self.backend, self.pad_token_id = backend, pad_token_id

    def __call__(self, texts, *, truncation=True, max_length=MAX_LENGTH, return_attention_mask=False):
        """Turn texts into lists of token numbers, `{"input_ids": [...]}`."""
        self.backend.enable_truncation(max_length)
        return {"input_ids": [code.ids for code in self.backend.encode_batch_fast(list(texts))]}


def to_text(tokenizer):
    """Write a tokenizer, merged rows included, as short as it goes in letters and digits."""
    rows = None
    if isinstance(tokenizer, MergedTokenizer):
        rows, tokenizer = tokenizer.rows.tolist(), tokenizer.tokenizer
    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    # What the last call asked for is no part of the tokenizer.
    backend.no_padding()
    backend.no_truncation()
    packed = {"tokenizer": backend.to_str(), "padding": tokenizer.pad_token_id, "rows": rows}
    return base64.b85encode(lzma.compress(json.dumps(packed).encode(), preset=9)).decode()


def from_text(text):
    """Read what `to_text` wrote.

    Raises ModelFileError for anything else.
    """
    try:
        packed = json.loads(lzma.decompress(base64.b85decode(text)))
        tokens = Tokens(Tokenizer.from_str(packed["tokenizer"]), pad_token_id=packed["padding"])
        return tokens if packed["rows"] is None else MergedTokenizer(tokens, np.array(packed["rows"]))
    except ModelFileError:
        raise
    except Exception as error:  # base85, lzma, json and tokenizers each raise their own
        raise ModelFileError(
            "a tokenizer in the model file", received=f"{type(error).__name__}: {error}", do="Export the model again."
        ) from error
