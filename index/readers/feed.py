"""RSS and Atom feeds."""

import calendar
import io
import re
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Any

from index import dates
from index.documents import Document, Failure
from index.errors import InvalidRequest, UnreadableDocument
from index.readers import columns
from index.readers.whole import contents
from index.records import Entry

_FEED = re.compile(rb"<(?:\w+:)?(?:rss|feed|RDF)[\s>]")
_ENDS = re.compile(rb"(?=</(?:\w+:)?(?:title|description|summary|content|encoded)\s*>)")
_GUARD = "\ufdd0"
"""Stands behind every text while it is read: nothing else has it, since Unicode keeps it out of texts."""


def is_feed(head: bytes) -> bool:
    """Whether a document is a feed, by its first element.

    >>> is_feed(b'<?xml version="1.0"?><rss version="2.0">'), is_feed(b"<html><head>")
    (True, False)
    """
    head = re.sub(rb"<!--.*?-->|<\?.*?\?>|<!DOCTYPE[^>]*>", b"", head, flags=re.DOTALL).lstrip()
    return _FEED.match(head) is not None


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a feed, in its order. A feed that breaks off gives what stands before, and a `Failure`."""
    import feedparser

    # A stream: a name would be opened, and an address asked for.
    data = contents(document.path)
    try:
        found = feedparser.parse(io.BytesIO(_guarded(data)))
    except Exception as error:
        # Whatever it is that a broken feed does to it, the next document is not to blame.
        raise UnreadableDocument(f"broke the reading of feeds: {type(error).__name__}: {error}") from error
    harmless = (feedparser.CharacterEncodingOverride, feedparser.NonXMLContentType)
    broken = found.get("bozo_exception")
    if isinstance(broken, harmless):
        broken = None
    if not found.entries:
        why = f": {broken}" if broken else ""
        raise UnreadableDocument(f"is a feed without entries{why}")
    if broken is not None:
        yield Failure(document.source, f"is a broken feed, and entries may be missing: {broken}")
    language = str(found.feed.get("language") or "")
    yield from columns.entries(document, (_row(number, item, language) for number, item in enumerate(found.entries, start=1)))


def _guarded(data: bytes) -> bytes:
    """A feed with the guard behind every title and body.

    feedparser takes each text of Latin-1 alone for UTF-8 that was read as Latin-1, wherever its bytes would be some: a capital
    É before the no-break space of a colon. What was really read so is repaired with more care behind it.
    """
    return _ENDS.sub(f"&#{ord(_GUARD)};".encode(), data)


def _text(written: object) -> str:
    """A text as the feed has it, without the guard."""
    return "".join(str(written or "").rpartition(_GUARD)[::2])


def _row(number: int, item: Mapping[str, Any], language: str) -> tuple[str, Mapping[str, Any]]:
    bodies = [_text(content.get("value")) for content in item.get("content", [])]
    # Some put the beginning into one and the whole into the other.
    body = max([*bodies, _text(item.get("summary"))], key=len)
    return f"item {number}", {
        "id": item.get("id") or item.get("link"),
        "title": _text(item.get("title")),
        "body": body,
        "published": _moment(item),
        "lang": item.get("language") or language,
        "url": item.get("link"),
    }


def _moment(item: Mapping[str, Any]) -> Any:
    """When an item was published, as it says; in feedparser's reading where ours makes nothing of how it is written.

    A day that there is not is left to be named: feedparser takes the 31st of February for the 3rd of March.
    """
    name = "published" if item.get("published") else "updated"
    # It gives one for the other, with a warning, where it is asked for what is not there.
    written, parsed = (item.get(key) if key in item else None for key in (name, f"{name}_parsed"))
    if written and parsed:
        try:
            dates.written_day(written)
        except InvalidRequest:
            return written
        try:
            dates.reading(written, UTC)
        except InvalidRequest:
            return calendar.timegm(parsed)
    return written
