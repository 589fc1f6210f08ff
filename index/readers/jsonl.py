"""JSON Lines, one entry a line, plain or gzipped: the BEIR corpus layout and its like.

| key | meaning |
|---|---|
| `_id` or `id` | the entry's key; needed |
| `text` | needed |
| `title`, `url` | text |
| `lang` | ISO 639 code; found out when absent |
| `date` or `published` | ISO 8601 date or time; in the document's zone when it has no offset; the manifest's day when absent |

Other keys are left alone. A line without `text` may be a message of a live service: `index.readers.columns` says what its parts
are called.
"""

import json
import lzma
import re
import zlib
from collections.abc import Iterator
from datetime import datetime, time
from typing import Any, BinaryIO

from index import dates
from index.documents import Document, Failure
from index.errors import FilrougeError, InvalidRequest, UnreadableDocument
from index.language import entry_language
from index.readers import columns
from index.readers.whole import opened
from index.records import Entry, Precision

_LONGEST = 16 * 1024 * 1024
"""Bytes of a line that is read."""
_SECONDS = re.compile(r"[T\s]\d\d:?\d\d:?\d\d")


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a JSON Lines file; a line that gives none comes as a `Failure` with its number."""
    seen: set[str] = set()
    empty = True
    try:
        with opened(document.path) as file:
            document.meter.watch(file)
            for number, line in enumerate(_lines(file), start=1):
                if line is not None and not line.strip():
                    continue
                empty = False
                wrong: list[str] = []
                try:
                    if line is None:
                        raise UnreadableDocument(f"is longer than {_LONGEST // 1024**2} MiB, and no entry is")
                    entry = _entry(document, line, wrong)
                    if entry.key in seen:
                        raise UnreadableDocument(f"the id '{entry.key}' was used before")
                except FilrougeError as error:
                    yield Failure(f"{document.source}, line {number}", str(error))
                else:
                    seen.add(entry.key)
                    yield entry
                    for reason in wrong:
                        yield Failure(f"{document.source}, line {number}", reason, kept=True)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UnreadableDocument(f"cannot be read to its end: {error}") from error
    if empty:
        raise UnreadableDocument("is empty")


def _lines(file: BinaryIO) -> Iterator[bytes | None]:
    """The lines of a file; None for one that is too long to be held."""
    while line := file.readline(_LONGEST + 1):
        if len(line) <= _LONGEST:
            yield line
            continue
        while line and not line.endswith(b"\n"):
            line = file.readline(_LONGEST)
        yield None


def _entry(document: Document, line: bytes, wrong: list[str]) -> Entry:
    """The entry of a line; what is wrong with its time is added to `wrong`, and costs it no more than that time."""
    try:
        fields: Any = json.loads(line)
    except json.JSONDecodeError as error:
        raise UnreadableDocument(f"is not JSON: {error.msg}, at character {error.pos + 1}") from error
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument(f"is not JSON: {error}") from error
    if not isinstance(fields, dict):
        raise UnreadableDocument("is not a JSON object")
    name = "_id" if "_id" in fields else "id"
    if type(fields.get(name)) is int:
        fields[name] = str(fields[name])
    key = _text(fields, name)
    if not key:
        raise UnreadableDocument("has no '_id'")
    if "text" not in fields and fields.keys() & {*columns.TEXT, *columns.HTML}:
        return columns.entry(document, fields, wrong)
    text = _text(fields, "text")
    title = _text(fields, "title")
    if not text.strip():
        title, text = "", title
    if not text.strip():
        raise UnreadableDocument(f"the entry '{key}' has no text")
    published, precision, clock = _published(document, fields, wrong)
    return Entry(
        source=document.source,
        key=key,
        title=title,
        text=text,
        lang=_text(fields, "lang") or document.facts.lang or entry_language(f"{title}\n{text}"),
        published=published,
        precision=precision,
        clock=clock,
        url=_text(fields, "url") or document.facts.url,
        dated=("entry" if _written(fields) else "manifest") if published else None,
    )


def _text(fields: dict[str, Any], name: str) -> str:
    value = fields.get(name)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise UnreadableDocument(f"'{name}' is {type(value).__name__}, not text")
    # JSON can spell half a character; no store can keep one.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _written(fields: dict[str, Any]) -> str:
    return _text(fields, "published") or _text(fields, "date")


def _published(
    document: Document, fields: dict[str, Any], wrong: list[str]
) -> tuple[datetime | None, Precision | None, time | None]:
    """When the line says that it was published, else the day of the manifest; of a moment that is none, what is known."""
    written, within, day = _written(fields), dates.zone(document.facts.tz), document.facts.day
    if not written:
        return (dates.midnight(day, within), "day", None) if day else (None, None, None)
    try:
        # It names a day that there is not; ISO 8601 alone would say no more than that something is wrong.
        dates.written_day(written)
        found = dates.moment(written, within)
        if not dates.in_reach(found):
            raise InvalidRequest(f"'{written[:40]}' is out of reach: years 2 to 9998")
    except InvalidRequest as error:
        known = dates.salvaged(written, within)
        wrong.append(f"{error}; {known.kept}")
        return known.published, "day" if known.published else None, known.clock
    if len(written.strip()) <= len("2023-05-23"):
        return found, "day", None
    return found, "second" if _SECONDS.search(written) else "minute", None
