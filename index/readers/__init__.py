"""Documents to entries: one file a source format, each giving `Entry` objects in the order of the document.

`expand` opens what holds documents, and `read` a document, each with the reader that the content calls for.
"""

import re
from collections.abc import Callable, Iterator

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers import archive, feed, html, jsonl, markdown, messages, sniff, table, text, warc
from index.readers.whole import contents
from index.records import Entry

_READERS: dict[sniff.Kind, Callable[[Document], Iterator[Entry | Failure]]] = {
    "jsonl": jsonl.read,
    "json": messages.read,
    "feed": feed.read,
    "html": html.read,
    "table": table.read,
    "markdown": markdown.read,
    "text": text.read,
}
_HOLDERS: dict[sniff.Kind, Callable[[Document], Iterator[Document | Failure]]] = {
    "zip": archive.from_zip,
    "tar": archive.from_tar,
    "warc": warc.records,
}


def expand(document: Document) -> Iterator[Document | Failure]:
    """The documents that an archive holds, one at a time; any other document itself.

    What an archive holds lies in a file of its own only until the next is asked for.
    """
    try:
        holder = _HOLDERS.get(sniff.kind(sniff.head(document.path), document.path.name))
        if holder is None:
            yield document
        else:
            yield from holder(document)
    except UnreadableDocument as error:
        yield Failure(document.source, str(error))


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of `document`, in its order; a part that gives none comes as a `Failure`, and the rest goes on.

    Raises `UnreadableDocument` when the document as a whole cannot be read. It is read as it goes: an entry may be given
    before a later part of the file has been seen.
    """
    yield from _READERS[kind(document)](document)


def kind(document: Document) -> sniff.Kind:
    """Which kind of document it is. Raises `UnreadableDocument` for one that is empty or holds others."""
    found = sniff.kind(sniff.head(document.path), document.path.name)
    if found == "empty":
        raise UnreadableDocument("is empty")
    if found in _HOLDERS:
        raise UnreadableDocument("is an archive, and holds documents: index it, or unpack it")
    return found


def is_window(document: Document) -> bool:
    """Whether a document shows only its newest entries, so that an older one that is missing need not be withdrawn: a feed,
    or a page that leads on to an older one (`rel="next"`).
    """
    found = kind(document)
    if found == "json":
        return _JSON_FEED.search(sniff.head(document.path)) is not None
    return found == "feed" or (found == "html" and _LEADS_ON.search(contents(document.path)) is not None)


_JSON_FEED = re.compile(rb'"https?:\\?/\\?/(?:www\.)?jsonfeed\.org\\?/version')
_LEADS_ON = re.compile(rb"""<(?:a|link)\b[^>]*\brel=["']?next\b""", re.IGNORECASE)
