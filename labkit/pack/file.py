"""The file itself: four streams in a safetensors container, a version, and a checksum for each."""

import bz2
import hashlib
import json
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from labkit.errors import PackError
from labkit.pack.streams import DAMAGED, misfit
from labkit.pack.words import unpack

__all__ = ["STREAMS", "VERSION", "making_sense", "read", "write"]

VERSION = 2
MARK = "labkit"
HEADER = "header"
STREAMS = {"words": np.uint32, "plain": np.uint8, "vocabulary": np.uint8}


def write(path, header, streams):
    """Write a header (plain values) and the three streams; returns the file's size in bytes.

    The one entry of metadata is the version and the header's checksum, the header holds those of the streams.

    Raises PackError when the file cannot be written.
    """
    header = header | {"sha256": {name: _checksum(stream) for name, stream in streams.items()}}
    packed = np.frombuffer(bz2.compress(json.dumps(header, separators=(",", ":")).encode()), dtype=np.uint8)
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        save_file(streams | {HEADER: packed}, part, metadata={MARK: f"{VERSION} {_checksum(packed)}"})
        part.replace(path)
    except (OSError, SafetensorError) as error:
        part.unlink(missing_ok=True)
        raise PackError(f"a place to write {path.name}", received=str(error), do="Choose another folder.") from error
    return path.stat().st_size


def read(path):
    """Read the header and the streams; gives both, checked.

    Raises PackError for a file that is missing, truncated, changed, or from another version.
    """
    path = Path(path)
    try:
        with safe_open(path, framework="numpy") as file:
            version, _, digest = (file.metadata() or {}).get(MARK, "").partition(" ")
            if version.isdigit() and version != str(VERSION):
                raise PackError(f"version {VERSION}", received=f"version {version}", do="Update labkit, or pack again.")
            streams = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no dictionary
    except FileNotFoundError:
        raise PackError(f"a packed file at {path.name}", received="no such file", do="Check the path.") from None
    packed = streams.pop(HEADER, None)
    if packed is None or _checksum(packed) != digest:
        raise misfit("a packed file with an intact header", path.name)
    header = json.loads(unpack(packed.tobytes()))
    wrong = sorted(
        name for name in {*streams, *header["sha256"], *STREAMS}
        if name not in streams or _checksum(streams[name]) != header["sha256"].get(name)
    )  # fmt: skip
    if wrong:
        raise misfit("streams with the checksums of the header", f"others in {wrong[:3]}")
    return header, streams


@contextmanager
def making_sense(path):
    """Turn whatever a senseless header leads to into a PackError."""
    try:
        yield
    except BaseException as error:
        # The coder is written in Rust; where it gives up, that is no Exception.
        foreign = type(error).__name__ == "PanicException"
        if isinstance(error, PackError) or not (isinstance(error, Exception) or foreign):
            raise
        received = f"{type(error).__name__}: {str(error)[:200]}"
        raise PackError(f"a packed file at {Path(path).name}", received=received, do=DAMAGED) from error


def _checksum(array):
    # Of the type and the shape too: the same bytes read as integers are other numbers.
    about = f"{array.dtype.str} {array.shape} ".encode()
    return hashlib.sha256(about + array.tobytes()).hexdigest()[:32]
