"""Rows as a table, in a notebook, in a terminal and as a data frame."""

import sys
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pandas
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html

from index.frames import Table, indented, linked, plain

PARIS = ZoneInfo("Europe/Paris")
Row = tuple[str, datetime | None]
ROWS: list[Row] = [("un", datetime(2023, 5, 23, 12, tzinfo=UTC)), ("deux", datetime(2023, 1, 1, tzinfo=PARIS)), ("trois", None)]


def table(*rows: Row) -> Table[Row]:
    return Table(
        rows,
        {"text": lambda row: row[0], "when": lambda row: row[1]},
        {"when": lambda row: row[1].isoformat() if row[1] else "", "text": lambda row: row[0]},
        PARIS,
        ["when"],
        {"text": lambda row: row[0]},
    )


def test_a_table_is_a_sequence_of_its_rows() -> None:
    rows = table(*ROWS)
    assert (list(rows), len(rows), rows[-1], rows[:2]) == (ROWS, 3, ROWS[2], tuple(ROWS[:2]))
    assert ROWS[0] in rows
    with pytest.raises(IndexError):
        rows[3]


def test_a_data_frame_has_a_row_for_each_and_times_of_one_zone() -> None:
    frame = table(*ROWS).to_pandas()
    assert list(frame["text"]) == ["un", "deux", "trois"]
    assert [when.isoformat() for when in frame["when"][:2]] == ["2023-05-23T14:00:00+02:00", "2023-01-01T00:00:00+01:00"]
    assert frame["when"].isna().tolist() == [False, False, True]
    assert str(frame["when"].dt.tz) == "Europe/Paris"


@pytest.mark.parametrize("rows", [[], [("un", None)]])
def test_a_data_frame_without_times_has_all_its_columns(rows: list[Row]) -> None:
    frame = table(*rows).to_pandas()
    assert (list(frame.columns), len(frame)) == (["text", "when"], len(rows))
    # So that whoever puts several together has times all the same.
    assert str(frame["when"].dt.tz) == "Europe/Paris"


def test_where_pandas_is_not_installed_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ImportError, match=r"pip install 'filrouge\[pandas\]'"):
        table().to_pandas()
    assert pandas.DataFrame().empty


@given(st.text(), st.text())
def test_whatever_a_document_holds_is_shown_as_text(text: str, url: str) -> None:
    shown = Table([text], {}, {"text": str}, links={"text": lambda _: url})._repr_html_()
    cell = html.fromstring(f"<div>{shown}</div>").find(".//td")
    assert cell is not None
    assert {child.tag for child in cell.iter()} <= {"td", "a"}
    assert all(link.startswith(("http://", "https://", "HTTP")) for link in cell.xpath(".//a/@href"))


@pytest.mark.parametrize("url", [None, "", "javascript:alert(1)", " https://example.org", "data:text/html,x", "//example.org"])
def test_only_addresses_of_the_web_become_links(url: str | None) -> None:
    assert linked("Oui", url) == "Oui"


def test_what_a_space_holds_together_stays_together() -> None:
    assert plain(" Qui\u202f?\n\n Oui\u00a0! ") == "Qui\u202f? Oui\u00a0!"
    assert indented("mot " * 23 + "porte-parole\u202f?").splitlines()[1] == "    porte-parole\u202f?"


@given(st.text())
def test_nothing_steers_the_terminal(text: str) -> None:
    assert not any(ord(character) < 32 or 127 <= ord(character) < 160 for character in plain(text))


def test_a_row_is_a_line_and_a_paragraph() -> None:
    rows = table(("mot " * 40, None), ROWS[0])
    assert repr(rows).splitlines() == [
        "2 rows",
        *indented("mot " * 40).splitlines(),
        "2023-05-23T12:00:00+00:00",
        "    un",
    ]
    assert max(map(len, repr(rows).splitlines())) <= 100
    assert repr(table(ROWS[0])).startswith("1 row\n")
