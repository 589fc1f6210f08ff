"""What do rows look like in a notebook and in a terminal, and as a data frame?"""

import re
import textwrap
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, tzinfo
from html import escape
from typing import TYPE_CHECKING, TypeVar, overload

if TYPE_CHECKING:
    from pandas import DataFrame

Row = TypeVar("Row")
_WIDTH = 100
_CONTROLS = dict.fromkeys((*range(32), *range(127, 160)), "\ufffd")
"""What could steer a terminal."""


class Table(Sequence[Row]):
    """Rows that a notebook shows as a table.

    `columns` give the values of a row, for data frames, where those named in `times` become times of `zone`; `shown` is what
    people read of it, the longest last; `links` where each leads, by the name of what is shown.

    >>> table = Table(["oui", "<non>"], {"length": len}, {"length": lambda row: str(len(row)), "text": str})
    >>> table
    2 rows
    3
        oui
    5
        <non>
    >>> table[1], len(table), "&lt;non&gt;" in table._repr_html_()
    ('<non>', 2, True)
    """

    noun = "row"

    def __init__(
        self,
        rows: Iterable[Row],
        columns: Mapping[str, Callable[[Row], object]],
        shown: Mapping[str, Callable[[Row], str]],
        zone: tzinfo = UTC,
        times: Collection[str] = (),
        links: Mapping[str, Callable[[Row], str | None]] | None = None,
    ) -> None:
        self._rows = tuple(rows)
        self._columns, self._shown, self._links = columns, shown, links or {}
        self._zone, self._times = zone, times

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> tuple[Row, ...]: ...
    def __getitem__(self, place: int | slice) -> Row | tuple[Row, ...]:
        return self._rows[place]

    def __len__(self) -> int:
        return len(self._rows)

    def to_pandas(self) -> "DataFrame":
        """A data frame with a row for each; times are aware, in the zone of the index, and `NaT` where none is known.

        Raises `ImportError` where pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError("a data frame needs pandas: pip install 'filrouge[pandas]'") from error
        frame = pandas.DataFrame({name: [value(row) for row in self._rows] for name, value in self._columns.items()})
        for name in self._times:
            # Entries of one index may be of several zones, and a column is of one.
            frame[name] = pandas.to_datetime(frame[name], utc=True).dt.tz_convert(self._zone)
        return frame

    def _heading(self) -> str:
        return f"{len(self)} {self.noun}{'' if len(self) == 1 else 's'}"

    def __repr__(self) -> str:
        lines = [plain(self._heading())]
        for row in self._rows:
            *short, long = (plain(show(row)) for show in self._shown.values())
            lines += ["  ".join(filter(None, short)), indented(long)]
        return "\n".join(filter(None, lines))

    def _repr_html_(self) -> str:
        names = "".join(f"<th>{escape(name)}</th>" for name in self._shown)
        rows = "".join(f"<tr>{''.join(self._cells(row))}</tr>" for row in self._rows)
        return f"<p>{escape(self._heading())}</p><table><thead><tr>{names}</tr></thead><tbody>{rows}</tbody></table>"

    def _cells(self, row: Row) -> Iterable[str]:
        for name, show in self._shown.items():
            leads_to = self._links[name](row) if name in self._links else None
            yield f'<td style="text-align: left">{linked(show(row), leads_to)}</td>'


def linked(text: str, url: str | None) -> str:
    """HTML of `text`, as a link where `url` is one of the web; what else a page may call its address is not followed.

    >>> linked("<Oui>", "https://example.org/?a&b"), linked("Non", "javascript:alert(1)")
    ('<a href="https://example.org/?a&amp;b">&lt;Oui&gt;</a>', 'Non')
    """
    if url is None or not re.match(r"https?://", url, re.IGNORECASE):
        return escape(text)
    return f'<a href="{escape(url)}">{escape(text)}</a>'


def plain(text: str) -> str:
    """`text` in a line, without what could steer a terminal.

    >>> plain("Deux\\nlignes, \\x1b[31mrouges")
    'Deux lignes, �[31mrouges'
    """
    # Spaces that must not be broken stay.
    return re.sub(r"[ \t\r\n\v\f\x1c-\x1f\x85\u2028\u2029]+", " ", text).strip(" ").translate(_CONTROLS)


def indented(text: str) -> str:
    """`text` as a paragraph below its heading."""
    return textwrap.fill(text, _WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)
