"""Documents to entries: one file a source format, each giving `Entry` objects in the order of the document.

`read` opens a document with the reader that its content calls for.
"""

import codecs
import re
from collections.abc import Iterator
from pathlib import Path

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers import jsonl, text
from index.records import Entry

_SNIFF = 64 * 1024
_JSON = re.compile(rb'\{\s*"|\[\s*\{')


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of `document`, in its order; a part that gives none comes as a `Failure`, and the rest goes on.

    Raises `UnreadableDocument` when the document as a whole cannot be read. It is read as it goes: an entry may be given
    before a later part of the file has been seen.
    """
    try:
        with document.path.open("rb") as file:
            head = file.read(_SNIFF)
    except OSError as error:
        raise UnreadableDocument(f"cannot be read: {error.strerror or error}") from error
    head = head.removeprefix(codecs.BOM_UTF8).lstrip()
    if not head:
        raise UnreadableDocument("is empty")
    if _is_json_lines(document.path, head):
        yield from jsonl.read(document)
    elif b"\0" in head:
        raise UnreadableDocument("is not text: it holds NUL bytes; text live blogs and JSON Lines can be read")
    elif _JSON.match(head):
        raise UnreadableDocument("is JSON, but not JSON Lines: write one entry a line")
    else:
        yield from text.read(document)


def _is_json_lines(path: Path, head: bytes) -> bool:
    if path.name.endswith((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")):
        return True
    first, _, rest = head.partition(b"\n")
    return _JSON.match(first) is not None and first[:1] == b"{" and (first.rstrip().endswith(b"}") or not rest)
