"""CSV and its like."""

import csv
import io
from collections.abc import Callable
from datetime import date, datetime, time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import columns, read
from index.records import Entry

FACTS = Facts(lang="fr", tz="Europe/Paris")
Write = Callable[..., Path]
Table = Callable[..., list[Entry | Failure]]
PARIS = ZoneInfo("Europe/Paris")


@pytest.fixture
def table(write: Write) -> Table:
    """What is read of a table with this content."""

    def table(content: str | bytes, facts: Facts = FACTS, name: str = "t.csv") -> list[Entry | Failure]:
        return list(read(Document(write(name, content), "t", facts)))

    return table


def test_a_row_is_an_entry(table: Table) -> None:
    content = 'id,title,text,published,lang,url\r\n7,Titre,"Un, deux\nTrois «quatre»",2023-05-23T11:58,en-GB,https://example.org/7\r\n'
    at = datetime(2023, 5, 23, 11, 58, tzinfo=PARIS)
    assert table(content) == [
        Entry("t", "7", "Titre", "Un, deux\nTrois «quatre»", "en", at, "minute", None, "https://example.org/7")
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["t.csv", "t.txt", "t"])
def test_any_usual_separator_is_found_out_and_a_table_is_known_by_its_first_row(
    table: Table, separator: str, name: str
) -> None:
    content = "\n".join(separator.join(row) for row in (("ID", "Texte", "Autre"), ("1", "Oui.", "x"), ("2", "Non.", "y")))
    assert table(content, name=name) == [Entry("t", "1", "", "Oui.", "fr"), Entry("t", "2", "", "Non.", "fr")]


def test_a_time_of_day_stands_beside_a_day_or_alone(table: Table) -> None:
    content = "id;heure;date;texte\n1;11h58;23/05/2023;Un.\n2;11:50;;Deux.\n"
    [first, second] = table(content)
    assert isinstance(first, Entry)
    assert isinstance(second, Entry)
    assert (first.published, first.precision, first.clock) == (
        datetime(2023, 5, 23, 11, 58, tzinfo=PARIS),
        "minute",
        time(11, 58),
    )
    assert (second.published, second.clock) == (None, time(11, 50))
    [_, second] = table(content, Facts("fr", "Europe/Paris", date(2023, 5, 22)))
    assert isinstance(second, Entry)
    assert second.published == datetime(2023, 5, 22, 11, 50, tzinfo=PARIS)


def test_a_column_of_html_becomes_lines(table: Table) -> None:
    [entry] = table("id,body\n1,<p>Un <b>deux</b></p><p>Trois</p>\n")
    assert isinstance(entry, Entry)
    assert entry.text == "Un deux\nTrois"


def test_without_an_id_the_time_and_the_title_tell_entries_apart(table: Table) -> None:
    content = "date,title,text\n2023-05-23,A,Un.\n2023-05-23,B,Deux.\n"
    before = [one.key for one in table(content) if isinstance(one, Entry)]
    # Order and later edits of the text leave them.
    turned = "date,title,text\n2023-05-23,B,Deux !\n2023-05-23,A,Un !\n"
    assert [one.key for one in table(turned) if isinstance(one, Entry)] == before[::-1]
    assert len(set(before)) == 2


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("3,,2023-05-23", "the entry '3' has no text"),
        ("3,Un, deux,2023-05-23", "has 4 values for 3 columns: quote its text"),
        ("1,Autre,2023-05-23", "the id '1' was used before, with another content: give it an id of its own"),
    ],
)
def test_a_bad_row_is_named_and_the_rest_goes_on(table: Table, row: str, reason: str) -> None:
    found = table(f"id,text,date\n1,Un,\n{row}\n\n5,Cinq,\n")
    assert found == [Entry("t", "1", "", "Un", "fr"), Failure("t, line 3", reason), Entry("t", "5", "", "Cinq", "fr")]


@pytest.mark.parametrize(
    ("written", "published", "clock", "reason"),
    [
        (
            "31/02/2023",
            None,
            None,
            "there is no day '31/02/2023': correct it in the document; the entry is kept without a time",
        ),
        (
            "31/02/2023 11h58",
            None,
            time(11, 58),
            "there is no day '31/02/2023': correct it in the document; the entry is kept with its time of day alone",
        ),
        (
            "2023-05-23 25:61",
            datetime(2023, 5, 23, tzinfo=PARIS),
            None,
            "there is no time of day '25:61': correct it in the document; the entry is kept with its day alone",
        ),
        (
            "hier",
            None,
            None,
            "'hier' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00; the entry is kept without a time",
        ),
    ],
)
def test_a_time_that_there_is_not_is_named_and_its_row_kept_with_what_is_known(
    table: Table, written: str, published: datetime | None, clock: time | None, reason: str
) -> None:
    # The day of the manifest is not put in its place: the row says that it is another one.
    found = table(f"id,text,date\n3,Texte,{written}\n", Facts("fr", "Europe/Paris", date(2023, 5, 20)))
    assert found == [
        Entry("t", "3", "", "Texte", "fr", published, "day" if published else None, clock),
        Failure("t, line 2", reason, kept=True),
    ]


def test_an_impossible_time_of_day_is_named_and_its_row_kept_with_its_day(table: Table) -> None:
    found = table("id,heure,date,texte\n1,25h61,,Un\n2,25h61,2023-05-23,Deux\n")
    reason = "there is no time of day '25h61': correct it in the document; the entry is kept without it"
    assert found == [
        Entry("t", "1", "", "Un", "fr"),
        Failure("t, line 2", reason, kept=True),
        Entry("t", "2", "", "Deux", "fr", datetime(2023, 5, 23, tzinfo=PARIS), "day"),
        Failure("t, line 3", reason, kept=True),
    ]


def test_the_manifest_dates_the_rows_that_say_nothing_of_their_time(table: Table) -> None:
    found = table("id,text,date\n1,Un,\n2,Deux,2023-05-24\n", Facts("fr", "Europe/Paris", date(2023, 5, 23)))
    assert [(one.published, one.precision, one.dated) for one in found if isinstance(one, Entry)] == [
        (datetime(2023, 5, 23, tzinfo=PARIS), "day", "manifest"),
        (datetime(2023, 5, 24, tzinfo=PARIS), "day", "entry"),
    ]


def test_a_quote_that_is_never_closed_ends_the_reading_by_name(table: Table) -> None:
    found = table('id,text\n1,Un\n2,"Deux\n3,Trois\n')
    assert found[0] == Entry("t", "1", "", "Un", "fr")
    assert isinstance(found[1], Failure)
    assert found[1].reason == "is not a row: unexpected end of data; what follows it is not read"


def test_a_table_without_a_text_is_refused(table: Table) -> None:
    with pytest.raises(
        UnreadableDocument, match=r"^is a table without a column for the text: name it in the first row, as one of body"
    ):
        table("nom,prénom\nA,B\n")


def test_a_table_is_read_in_whatever_encoding_it_is(table: Table) -> None:
    content = "id;texte\n1;L’été à Besançon coûte 3 €, dit-il là-bas.\n"
    assert table(content.encode("cp1252")) == table(content) == table(content.encode("utf-16"))


def test_every_known_name_is_in_the_documentation() -> None:
    readme = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
    for told in (str(columns.__doc__).lower(), readme.lower()):
        assert [name for name in columns.KNOWN if f"`{name}`" not in told] == []


CELL = st.text(st.sampled_from('abcé",;\n’ x'), max_size=20).map(lambda t: f"x{t}".strip())


@given(rows=st.lists(st.tuples(CELL, CELL), min_size=1, max_size=10), separator=st.sampled_from(",;\t"))
def test_a_table_that_is_written_out_gives_its_entries_back(
    rows: list[tuple[str, str]], separator: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    written = io.StringIO()
    writer = csv.writer(written, delimiter=separator)
    writer.writerow(("id", "title", "text"))
    writer.writerows((str(n), title, text) for n, (title, text) in enumerate(rows))
    path = tmp_path_factory.getbasetemp() / "written.csv"
    path.write_bytes(written.getvalue().encode())
    found = list(read(Document(path, "t", Facts("fr"))))
    assert [(one.key, one.title, one.text) for one in found if isinstance(one, Entry)] == [
        (str(n), " ".join(line.strip() for line in title.split("\n") if line.strip()), text)
        for n, (title, text) in enumerate(rows)
    ]


def test_a_table_whose_first_row_breaks_off_is_refused(table: Table) -> None:
    with pytest.raises(UnreadableDocument, match="is a table whose first row is not one"):
        table('""id,text')
