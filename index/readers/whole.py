"""Documents that are read whole: within bounds, so that one file cannot take the machine's memory."""

import bz2
import gzip
import lzma
import zlib
from pathlib import Path
from typing import BinaryIO, cast

from index.errors import UnreadableDocument

LARGEST = 64 * 1024 * 1024
"""Bytes of a document that is read whole; pages are far smaller, and JSON Lines are read a line at a time."""


def opened(path: Path) -> BinaryIO:
    """A file opened for reading, by its content decompressed: gzip, bzip2 and xz."""
    file = path.open("rb")
    begin = file.read(6)
    file.seek(0)
    for magic, module in ((b"\x1f\x8b", gzip), (b"BZh", bz2), (b"\xfd7zXZ\0", lzma)):
        if begin.startswith(magic):
            file.close()
            return cast(BinaryIO, module.open(path, "rb"))
    return file


def contents(path: Path) -> bytes:
    """The bytes of a file, decompressed when it is packed. Raises `UnreadableDocument`: too large, or not to be read."""
    try:
        with opened(path) as file:
            data = file.read(LARGEST + 1)
    except (EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise UnreadableDocument(f"cannot be read to its end: {error}") from error
    except OSError as error:
        raise UnreadableDocument(f"cannot be read: {error.strerror or error}") from error
    if len(data) > LARGEST:
        raise UnreadableDocument(
            f"has more than {LARGEST // 1024**2} MiB, and a document of its kind is read whole: split it, or make it JSON Lines"
        )
    return data
