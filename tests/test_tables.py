"""CSV, read back."""

import csv
import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.tables import csv_lines, guarded, plain

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=""), strict=True))


@given(st.lists(st.fixed_dictionaries({"a": TEXT, "b": TEXT}), max_size=5))
def test_texts_are_read_back_as_they_were(rows: list[dict[str, str]]) -> None:
    found = read("".join(csv_lines(["a", "b"], rows)))
    assert found[0] == ["a", "b"]
    assert [[plain(cell) for cell in row] for row in found[1:]] == [[row["a"], row["b"]] for row in rows]


@given(TEXT)
def test_no_text_begins_as_a_formula_does(text: str) -> None:
    assert plain(guarded(text)) == text
    assert guarded(text).lstrip()[:1] not in ("=", "+", "-", "@", "＝", "＋", "－", "＠")
    assert guarded(text)[:1] not in ("\t", "\r", "\n")


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "＝1+1", "'=1"])
def test_a_formula_has_an_apostrophe_before_it(text: str) -> None:
    assert guarded(text) == f"'{text}"


@pytest.mark.parametrize("text", ["", "a=b", "1-1", "« -1 »", "Où ?", '"=1"'])
def test_any_other_text_stands_as_it_is(text: str) -> None:
    assert guarded(text) == text


def test_numbers_are_numbers_and_lists_are_json() -> None:
    row: dict[str, Any] = {"n": -1.5, "none": None, "yes": True, "list": [{"start": 1}], "empty": {}}
    (cells,) = read("".join(csv_lines(list(row), [row])))[1:]
    assert cells == ["-1.5", "", "true", '[{"start":1}]', "{}"]
    assert json.loads(cells[3]) == [{"start": 1}]


def test_lines_end_as_the_standard_has_it_and_only_what_needs_it_is_quoted() -> None:
    text = "".join(csv_lines(["a", "b"], [{"a": "x\ny", "b": 'say "x", y'}, {"a": "é"}]))
    assert text == 'a,b\r\n"x\ny","say ""x"", y"\r\né,\r\n'


@pytest.mark.parametrize("bom", [False, True])
def test_the_byte_order_mark_is_there_once_where_it_is_asked_for(bom: bool) -> None:
    data = "".join(csv_lines(["é"], [{"é": "à"}, {"é": "ù"}], bom)).encode()
    assert data.count("\ufeff".encode()) == int(bom)
    assert data.startswith("\ufeff".encode()) is bom
    assert data.decode("utf-8-sig") == "é\r\nà\r\nù\r\n"


def test_a_table_without_rows_has_the_names_of_its_columns() -> None:
    assert "".join(csv_lines(["a", "b"], [])) == "a,b\r\n"
