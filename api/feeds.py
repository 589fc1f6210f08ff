"""A saved question as an Atom feed (RFC 4287)."""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Annotated, Any
from urllib.parse import urlencode
from xml.etree import ElementTree

from pydantic import Field

from api.citations import beginning, container, line
from api.links import deep_link
from api.schemas import Narrowing, QuestionText
from index.records import Entry, Hit
from index.search import MAX_HITS, Results, Searcher
from index.selection import MATCH, newest

MEDIA = "application/atom+xml"
_UNSPEAKABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""Characters that XML cannot hold, however they are written."""


class FeedQuery(Narrowing):
    """The query string of `GET /feed.atom`."""

    q: QuestionText
    k: Annotated[int, Field(ge=1, le=MAX_HITS, description="At most so many entries.")] = 20
    min_score: Annotated[float, Field(ge=0, le=1, description="The score from which on an entry is in the feed.")] = MATCH


def atom(searcher: Searcher, asked: FeedQuery, base: str) -> bytes:
    """The newest entries of those whose best passage has the score that was asked for, newest first; undated ones come last.

    `base` is the server's own address, without a slash at its end. As long as the same entries match, the feed is the same,
    byte by byte, whatever else is indexed. Raises what `Searcher.search` raises.
    """
    zone = searcher.zone()
    results = searcher.search(asked.q, MAX_HITS, asked.filters(zone), asked.moment(zone), literal=asked.literal)
    # What passes operators alone matches, however it is ranked.
    alone = results.reading is not None and results.reading.alone
    hits = newest(results.hits, asked.k, 0.0 if alone else asked.min_score)
    updated = {hit.passage.entry.id: _updated(searcher, hit.passage.entry, results) for hit in hits}
    own = "/feed.atom?" + _query(asked.model_dump())
    page = "/?" + _query({"q": asked.q, "lang": asked.lang, "since": asked.since, "until": asked.until})

    feed = ElementTree.Element("feed", {"xmlns": "http://www.w3.org/2005/Atom"})
    _add(feed, "id", f"urn:filrouge:feed:{hashlib.sha256(own.encode()).hexdigest()[:32]}")
    _add(feed, "title", f"{line(asked.q)} – filrouge")
    # A feed of nothing was last changed when the index was.
    _add(feed, "updated", _time(max(updated.values(), default=results.known or datetime.now(UTC))))
    _add(feed, "link", rel="self", type=MEDIA, href=base + own)
    _add(feed, "link", rel="alternate", type="text/html", href=base + page)
    _add(feed, "generator", "filrouge", version=version("filrouge"))
    for hit in hits:
        feed.append(_entry(hit, updated[hit.passage.entry.id], base))
    written: bytes = ElementTree.tostring(feed, encoding="utf-8", xml_declaration=True)
    return written + b"\n"


def _entry(hit: Hit, updated: datetime, base: str) -> ElementTree.Element:
    entry = hit.passage.entry
    element = ElementTree.Element("entry", {"xml:lang": entry.lang})
    _add(element, "id", f"urn:filrouge:entry:{entry.id}")
    _add(element, "title", line(entry.title) or beginning(line(entry.text)))
    _add(element, "updated", _time(updated))
    if entry.published:
        _add(element, "published", _time(entry.published))
    _add(ElementTree.SubElement(element, "author"), "name", container(entry) or "filrouge")
    _add(element, "link", rel="alternate", href=deep_link(entry.url, hit.passage.text) or f"{base}/entry/{entry.id}")
    _add(element, "summary", hit.passage.text)
    _add(element, "content", entry.text, type="text")
    return element


def _query(asked: Mapping[str, Any]) -> str:
    given = {name: value for name, value in asked.items() if value is not None and value is not False}
    return urlencode(given, errors="replace")


def _add(parent: ElementTree.Element, name: str, text: str = "", **attributes: str) -> None:
    element = ElementTree.SubElement(parent, name, {key: _speakable(value) for key, value in attributes.items()})
    if text:
        element.text = _speakable(text)


def _speakable(text: str) -> str:
    return _UNSPEAKABLE.sub("\ufffd", text)


def _updated(searcher: Searcher, entry: Entry, results: Results) -> datetime:
    """When an entry was last edited; where it never was, when it was published, or else first seen."""
    versions = searcher.reader.store.versions(entry.id, results.generation)
    if len(versions) > 1 or entry.published is None:
        return versions[-1].seen
    return entry.published


def _time(moment: datetime) -> str:
    return moment.isoformat()
