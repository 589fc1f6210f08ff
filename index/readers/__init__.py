"""Documents to entries: one file a source format, each giving `Entry` objects in the order of the document.

`read` opens a document with the reader that its content calls for.
"""

from collections.abc import Iterator
from pathlib import Path

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers import jsonl, text
from index.records import Entry

_SNIFF = 64 * 1024


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
    if not head.strip():
        raise UnreadableDocument("is empty")
    if _is_json_lines(document.path, head):
        yield from jsonl.read(document)
    elif b"\0" in head:
        raise UnreadableDocument("is not text: it holds NUL bytes; text live blogs and JSON Lines can be read")
    else:
        yield from text.read(document)


def _is_json_lines(path: Path, head: bytes) -> bool:
    if path.name.endswith((".jsonl", ".ndjson", ".jsonl.gz", ".ndjson.gz")):
        return True
    return head.lstrip()[:1] == b"{" and b"}" in head
