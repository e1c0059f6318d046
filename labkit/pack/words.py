"""The tokenizer in few bytes: the words of a WordPiece vocabulary, and the few settings that make the rest of it."""

import bz2
import json
import tempfile
from itertools import pairwise
from pathlib import Path

from transformers import AutoTokenizer, BertTokenizer

from labkit.batches import MAX_LENGTH
from labkit.pack.streams import misfit

__all__ = [
    "join", "pack_tokenizer", "rebuilt", "settings_of", "split", "unpack", "unpack_tokenizer", "words_of",
]  # fmt: skip

SETTINGS = (
    "do_lower_case", "tokenize_chinese_chars", "strip_accents",
    "unk_token", "sep_token", "pad_token", "cls_token", "mask_token",
)  # fmt: skip
LONGEST = 30  # letters that two words may share: the signs 1 to 31 mean "so many letters as before, and one"
LIMIT = 2**24  # bytes that a text may have; BERT's vocabulary has 231,508


def join(words):
    """Write a list of words as one text: how many letters are as in the word before, then the others.

    >>> join(["go", "goes", "going"])
    '\\x01go\\x03es\\x03ing'
    """
    parts, before = [], ""
    for word in words:
        shared = 0
        while shared < min(len(before), len(word), LONGEST) and before[shared] == word[shared]:
            shared += 1
        parts.append(chr(1 + shared) + word[shared:])
        before = word
    return "".join(parts)


def split(text):
    """Get the words back.

    >>> split("\\x01go\\x03es\\x03ing")
    ['go', 'goes', 'going']
    """
    words, before = [], ""
    for part in _parts(text):
        before = before[: ord(part[0]) - 1] + part[1:]
        words.append(before)
    return words


def _parts(text):
    starts = [i for i, sign in enumerate(text) if "\0" < sign < " "]
    return [text[start:end] for start, end in pairwise([*starts, len(text)])]


def words_of(tokenizer):
    """List the words of a tokenizer by their numbers."""
    return [word for word, _ in sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])]


def settings_of(tokenizer):
    """Give the settings that, with its words, make a BERT tokenizer again, or None for one that is more than that."""
    # Padding and cutting are set anew by every call; what the last one asked for is no part of the tokenizer.
    tokenizer.backend_tokenizer.no_padding()
    tokenizer.backend_tokenizer.no_truncation()
    if not isinstance(tokenizer, BertTokenizer):
        return None
    settings = {name: _plain(getattr(tokenizer, name)) for name in SETTINGS}
    again = rebuilt(words_of(tokenizer), settings)
    return settings if again.backend_tokenizer.to_str() == tokenizer.backend_tokenizer.to_str() else None


def rebuilt(words, settings):
    """Make a BERT tokenizer of words and settings."""
    vocabulary = {word: i for i, word in enumerate(words)}
    return BertTokenizer(vocab=vocabulary, model_max_length=MAX_LENGTH, **settings)


def pack_tokenizer(tokenizer):
    """Write a tokenizer as its settings, for the header, and bytes; one that is more than that as its files."""
    words, settings = words_of(tokenizer), settings_of(tokenizer)
    text = join(words)
    if settings and split(text) == words:
        return settings, bz2.compress(text.encode())
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        files = {path.name: path.read_text("utf-8") for path in sorted(Path(folder).iterdir())}
    return {}, bz2.compress(json.dumps(files).encode())


def unpack_tokenizer(settings, data):
    """Make the tokenizer again from what `pack_tokenizer` gave."""
    text = unpack(data).decode()
    if settings:
        return rebuilt(split(text), {name: settings[name] for name in SETTINGS})
    with tempfile.TemporaryDirectory() as folder:
        for name, content in json.loads(text).items():
            (Path(folder) / Path(name).name).write_text(content, "utf-8")
        return AutoTokenizer.from_pretrained(folder, local_files_only=True, model_max_length=MAX_LENGTH)


def unpack(data, *, limit=LIMIT):
    """Decompress, but no more than `limit` bytes: a small file can unpack to any size.

    >>> unpack(bz2.compress(b"words"))
    b'words'

    Raises PackError for more.
    """
    reader = bz2.BZ2Decompressor()
    found = reader.decompress(data, limit)
    if not reader.eof:
        raise misfit(f"at most {limit:,} bytes when unpacked", "more, or a part of them")
    return found


def _plain(value):
    return value if isinstance(value, bool) or value is None else str(value)
