"""CSV that spreadsheets and programs read alike: RFC 4180, in UTF-8, with cells that no spreadsheet takes for a formula."""

import csv
import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

_BEGINS = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "'")
"""What a formula begins with, also in full width, as some spreadsheets take it; and what marks a text as none."""
_BLANK = ("\t", "\r", "\n")
"""What a spreadsheet may drop, and take what follows for a formula."""
_BOM = "\ufeff"


def csv_lines(columns: Sequence[str], rows: Iterable[Mapping[str, Any]], bom: bool = False) -> Iterator[str]:
    """A row of the names of the columns, then one for each of `rows`, each ending with CR LF.

    >>> list(csv_lines(["rank", "text"], [{"rank": 1, "text": "=1+1"}, {"text": "a, b"}]))
    ["rank,text\\r\\n1,'=1+1\\r\\n", ',"a, b"\\r\\n', '']

    None is an empty cell, true and false are words, and lists and objects stand in JSON. With `bom` the file begins with a byte
    order mark, without which Excel takes UTF-8 for something else.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write(_BOM if bom else "")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
    # Where there are no rows, the names alone.
    yield buffer.getvalue()


def guarded(text: str) -> str:
    """A text that is no formula: with an apostrophe before it where it could be taken for one, or begins with one itself.

    So whatever begins with an apostrophe had it put there, and `plain` gives the text back.

    >>> guarded("=1+1"), guarded("-5 °C"), guarded("'tis"), guarded("a=b")
    ("'=1+1", "'-5 °C", "''tis", 'a=b')
    """
    begins = text[:1] in _BLANK or text.lstrip()[:1] in _BEGINS
    return f"'{text}" if begins else text


def plain(cell: str) -> str:
    """The text that `guarded` made a cell of.

    >>> plain(guarded("=1+1")), plain(guarded("'tis")), plain("Deux blessés.")
    ('=1+1', "'tis", 'Deux blessés.')
    """
    return cell.removeprefix("'")


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return guarded(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        # A number is one, and no formula, also where it begins with a minus.
        return repr(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
