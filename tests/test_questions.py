"""Tables of questions, read."""

import csv
import io
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.questions import AskedRow, InvalidQuestions, read_questions
from index.reader import Filters
from index.records import Window
from index.search import Searcher


@pytest.fixture
def read(awkward: Searcher):
    """Read a table, given as a text or as bytes."""

    def read(table: str | bytes, spaceless: bool = False) -> list[AskedRow]:
        data = table if isinstance(table, bytes) else table.encode()
        return read_questions(data, awkward.reader.store, spaceless)

    return read


def faults(read, table: str | bytes, spaceless: bool = False) -> list[tuple[str, str]]:
    with pytest.raises(InvalidQuestions) as caught:
        read(table, spaceless)
    assert str(caught.value).endswith(". Nothing was asked")
    return [(fault.field, fault.message) for fault in caught.value.faults]


def test_a_row_is_a_question_with_its_own_filters(read) -> None:
    table = (
        "id,question,lang,since,until,source\n"
        'q1,"Qui a bu, et quoi ?",fr,2024-01-10,2024-01-11T09:00,presse/fil.jsonl\n'
        "\n"
        " q2 , Who? ,,,,\n"
        "q3,Short\n"
    )
    paris = ZoneInfo("Europe/Paris")
    window = Window(datetime(2024, 1, 10, tzinfo=paris), datetime(2024, 1, 11, 9, tzinfo=paris))
    assert read(table) == [
        AskedRow(2, "q1", "Qui a bu, et quoi ?", Filters(window, "fr", "presse/fil.jsonl")),
        # The empty row counts, as in a spreadsheet.
        AskedRow(4, "q2", "Who?", Filters()),
        AskedRow(5, "q3", "Short", Filters()),
    ]


def test_without_ids_questions_are_numbered(read) -> None:
    assert [(row.number, row.id) for row in read("question\nUn ?\n\nDeux ?\n")] == [(2, "1"), (4, "2")]


@pytest.mark.parametrize("name", ["question", "query", "q", "Question", " QUERY "])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_the_column_may_be_called_so_and_parted_so(read, name: str, separator: str) -> None:
    (row,) = read(f"lang{separator}{name}{separator}id\nfr{separator}Où ?{separator}a\n")
    assert (row.question, row.id, row.filters.lang) == ("Où ?", "a", "fr")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_unicode_is_read_with_its_mark_and_without(read, encoding: str, end: str) -> None:
    table = f"question{end}Où est « l’été » 🙂 ?{end}".encode(encoding)
    assert [row.question for row in read(table)] == ["Où est « l’été » 🙂 ?"]


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).map(str.strip).filter(bool)


@given(st.lists(TEXT, min_size=1, max_size=5))
def test_whatever_is_asked_is_read_as_it_was_written(seed_index, questions: list[str]) -> None:
    from index.store import Store

    file = io.StringIO()
    csv.writer(file).writerows([["question"], *([question] for question in questions)])
    with Store.open(seed_index) as store:
        assert [row.question for row in read_questions(file.getvalue().encode(), store)] == questions


def test_a_bad_row_5000_is_named_with_its_number_and_its_columns(read) -> None:
    rows = [f"Question {number} ?,fr,," for number in range(2, 5000)]
    table = "\n".join(["question,lang,since,until", *rows, "Mauvaise ?,de,hier,", "Encore une ?,fr,,"])
    assert faults(read, table) == [
        ("row 5000, lang", "Input should be 'fr' or 'en'"),
    ]
    assert [field for field, _ in faults(read, table.replace(",de,", ",fr,"))] == ["row 5000, since"]


def test_all_that_is_wrong_is_told_at_once(read) -> None:
    table = (
        "id,question,lang,since,until,source\n"
        "a,Un ?,,2024-01-02,2024-01-01,\n"
        "a,,,,,\n"
        ",Trois ?,xx,,,\n"
        "d,Quatre ?,,,,nowhere\n"
        "e,Cinq ?,,31 février,,,,\n"
    )
    found = faults(read, table)
    assert [field for field, _ in found] == [
        "row 2, until",
        "row 3, id",
        "row 3, question",
        "row 4, id",
        "row 4, lang",
        "row 5, source",
        "row 6",
    ]
    told = dict(found)
    assert told["row 3, id"] == "'a' is also that of row 2"
    assert told["row 6"] == "has 8 cells for 6 columns: put what holds a separator in quotation marks"


def test_of_many_faults_the_first_are_shown_and_all_are_kept(read) -> None:
    with pytest.raises(InvalidQuestions) as caught:
        read("question,lang\n" + "Où ?,xx\n" * 50)
    assert len(caught.value.faults) == 50
    assert str(caught.value).endswith("; and 30 more. Nothing was asked")
    assert caught.value.field == "row 2, lang"


@pytest.mark.parametrize(
    ("table", "field", "message"),
    [
        ("", "columns", "must name one column 'question', and has nothing"),
        ("id,text\n1,Où ?\n", "columns", "must name one column 'question', and has id, text"),
        ("question,q\nOù ?,Où ?\n", "columns", "must name one column 'question', and has question, q"),
        ("question,sicne\nOù ?,\n", "columns", "'sicne' is not known; known are id, question"),
        ("question,lang,lang\nOù ?,,\n", "columns", "'lang' is there twice"),
        ("question\n\n\n", "questions", "there are none"),
        ('question\n"Où ?\nQui ?\n', "row 2", "is not a row of a CSV: unexpected end of data"),
        ('question\nUn ?\n"Où" ?\n', "row 3", "is not a row of a CSV"),
        (f"question\n{'x' * 4001}\n", "row 2, question", "at most 4000 are read"),
        ("question\nUn ?\nOù ?\n".encode("cp1252"), "encoding", "byte 0xF9 in line 3 is not UTF-8: save the table as"),
        (b"\xff\xfeq\x00\x00\xd8", "encoding", "is not UTF-16"),
    ],
)
def test_a_table_that_cannot_be_read_is_refused_with_the_repair(read, table: str | bytes, field: str, message: str) -> None:
    ((named, told),) = faults(read, table)
    assert named == field
    assert message in told


def test_ids_with_spaces_are_refused_where_a_run_is_written(read) -> None:
    assert read("id,question\na b,Où ?\n")[0].id == "a b"
    assert faults(read, "id,question\na b,Où ?\n", spaceless=True) == [
        ("row 2, id", "'a b' has spaces, which a TREC run cannot hold")
    ]
