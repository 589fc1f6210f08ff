"""WARC: the pages of a web archive, each a document of its own under its address.

Of several captures of one address the latest is read: the others are earlier states of the same page.
"""

import logging
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers.whole import LARGEST

_READ = re.compile(r"text/(?:html|plain|markdown|csv|xml)|application/(?:xhtml\+xml|json|feed\+json|rss\+xml|atom\+xml|xml)")


def records(document: Document) -> Iterator[Document | Failure]:
    """The pages of a web archive; what else was captured, and what was no success, is passed over."""
    latest: dict[str, tuple[str, int]] = {}
    for number, record in _responses(document):
        if record is not None:
            address, date = record.rec_headers.get_header("WARC-Target-URI"), record.rec_headers.get_header("WARC-Date") or ""
            latest[address] = max(latest.get(address, ("", -1)), (date, number))
    wanted = {number for _, number in latest.values()}
    if not wanted:
        raise UnreadableDocument("is a web archive without a page")
    for number, record in _responses(document):
        if record is None:
            yield Failure(document.source, f"is broken, at record {number} or before it: pages may be missing")
        elif number in wanted:
            yield from _document(document, record)


def _document(document: Document, record: Any) -> Iterator[Document | Failure]:
    address = record.rec_headers.get_header("WARC-Target-URI")
    source = f"{document.source}/{address}"
    try:
        data = record.content_stream().read(LARGEST + 1)
    except (OSError, EOFError, ValueError) as error:
        yield Failure(source, f"cannot be unpacked: {error}")
        return
    if len(data) > LARGEST:
        yield Failure(source, f"has more than {LARGEST // 1024**2} MiB")
        return
    with tempfile.TemporaryDirectory(prefix="filrouge-") as folder:
        copy = Path(folder) / "page"
        copy.write_bytes(data)
        facts = replace(document.facts, url=address)
        yield Document(copy, source, facts, within=f"{document.origin}!{address}", outer=document.meter)


def _responses(document: Document) -> Iterator[tuple[int, Any]]:
    """The captured pages, by their number in the archive; None where the archive is broken."""
    from warcio.archiveiterator import ArchiveIterator

    number, record = 0, None
    with document.path.open("rb") as file:
        document.meter.watch(file)
        records = ArchiveIterator(file)
        # What it would print of a damaged record, we say ourselves.
        records.INC_RECORD = ""
        logging.getLogger("warcio").setLevel(logging.CRITICAL)
        try:
            for number, record in enumerate(records, start=1):
                if record.rec_type in ("response", "resource") and _is_page(record):
                    yield number, record
        except Exception:
            # A damaged record makes it fail in many ways; what stands before it was given.
            yield number + 1, None
        else:
            # It simply ends where a file was cut: with bytes of the last record left to read.
            if records.err_count or (record is not None and getattr(record.raw_stream, "limit", 0) > 0):
                yield number, None


def _is_page(record: Any) -> bool:
    headers = record.http_headers
    if headers is None:
        return _READ.match(record.rec_headers.get_header("Content-Type") or "") is not None
    return headers.get_statuscode() == "200" and _READ.match((headers.get_header("Content-Type") or "").lower()) is not None
