"""CSV and its like: a heading row, then one entry a row. `index.readers.columns` says which names are understood."""

import csv
import io
from collections.abc import Iterator, Mapping

from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.readers import columns
from index.readers.encoding import damage, decode
from index.readers.whole import LARGEST, contents
from index.records import Entry

_SEPARATORS = ",;\t|"


def is_table(head: str) -> bool:
    """Whether a text begins with the heading row of a table that gives entries: one of a text, and one more.

    >>> is_table("id;texte;heure\\n1;Oui;11h58\\n"), is_table("Un titre, une date et du texte\\n")
    (True, False)
    """
    names = _names(head)
    return len(names & columns.KNOWN) > 1 and bool(names & {*columns.TEXT, *columns.HTML, *columns.TITLE})


def _names(head: str) -> set[str]:
    return {name.strip().lower() for name in _first_row(head, _separator(head))}


def _first_row(head: str, separator: str) -> list[str]:
    try:
        return next(csv.reader(io.StringIO(head.lstrip()), delimiter=separator), [])
    except csv.Error:
        return []


def _separator(head: str) -> str:
    """The separator under which the most names of the heading row are known."""
    known = {one: sum(name.strip().lower() in columns.KNOWN for name in _first_row(head, one)) for one in _SEPARATORS}
    return max(_SEPARATORS, key=lambda one: known[one])


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a table; a row that gives none comes as a `Failure` with its number."""
    data = contents(document.path)
    text = decode(data).lstrip()
    lost = damage(data, text)
    if lost:
        yield Failure(document.source, lost)
    if not is_table(text[:65536]):
        known = ", ".join(sorted({*columns.TEXT, *columns.HTML}))
        raise UnreadableDocument(f"is a table without a column for the text: name it in the first row, as one of {known}")
    csv.field_size_limit(LARGEST)
    empty = True
    for found in columns.entries(document, _rows(text)):
        empty = False
        yield found
    if empty:
        raise UnreadableDocument("is a table without rows")


def _rows(text: str) -> Iterator[tuple[str, Mapping[str, str] | UnreadableDocument]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text[:65536]), strict=True)
    try:
        names = next(reader)
    except csv.Error as error:
        raise UnreadableDocument(f"is a table whose first row is not one: {error}") from error
    while True:
        try:
            row = next(reader, None)
        except csv.Error as error:
            # Where a quote was never closed, no row can be told from the next.
            yield f"line {reader.line_num}", UnreadableDocument(f"is not a row: {error}; what follows it is not read")
            return
        if row is None:
            return
        if not any(value.strip() for value in row):
            continue
        if len(row) > len(names):
            yield (
                f"line {reader.line_num}",
                UnreadableDocument(f"has {len(row)} values for {len(names)} columns: quote its text"),
            )
        else:
            yield f"line {reader.line_num}", dict(zip(names, row, strict=False))
