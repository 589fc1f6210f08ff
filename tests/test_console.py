"""What people read in a terminal."""

import io
from datetime import datetime, time
from zoneinfo import ZoneInfo

import pytest

from api import console
from embed.bench import Comparison, Row
from embed.hashing import HashingEncoder
from index.documents import Failure
from index.ingest import Report
from index.reader import Filters
from index.records import Entry, Hit, Passage, Vote
from index.search import Results

NOON = datetime(2023, 5, 23, 12, tzinfo=ZoneInfo("Europe/Paris"))


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")


def found(*entries: Entry) -> Results:
    hits = tuple(
        Hit(rank, Passage(rank, entry, 0, len(entry.text)), 0.5, {"dense": Vote(rank, 0.9)})
        for rank, entry in enumerate(entries, start=1)
    )
    return Results("?", "fr", Filters(), 1, HashingEncoder().card, hits)


def test_a_passage_is_shown_with_its_time_its_source_and_its_votes(capsys: pytest.CaptureFixture[str]) -> None:
    console.results(
        found(
            Entry("fil.txt", "1", "Un titre qui ne tient pas sur une ligne", "Un texte.\nEt un autre.", "fr", NOON, "minute"),
            Entry("fil.txt", "2", "", "À midi.", "fr", clock=time(12, 5)),
            Entry("fil.txt", "3", "", "Le jour.", "fr", NOON, "day"),
            Entry("fil.txt", "4", "", "Un jour.", "fr"),
        )
    )
    assert capsys.readouterr().out == (
        " 1. 2023-05-23T12:00:00+02:00  fil.txt  0.500 (dense 1)\n"
        "    Un titre qui ne tient pas sur une\n"
        "    ligne\n"
        "    Un texte.\n"
        "    Et un autre.\n"
        "\n"
        " 2. 12:05  fil.txt  0.500 (dense 2)\n"
        "    À midi.\n"
        "\n"
        " 3. 2023-05-23  fil.txt  0.500 (dense 3)\n"
        "    Le jour.\n"
        "\n"
        " 4. undated  fil.txt  0.500 (dense 4)\n"
        "    Un jour.\n"
        "\n"
    )


def test_what_each_ranking_said_is_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    console.results(found(Entry("fil.txt", "1", "", "Un jour.", "fr")), explain=True)
    assert capsys.readouterr().out == (" 1. undated  fil.txt  0.500 (dense 1)\n    dense        1.  0.900\n    Un jour.\n\n")


def test_no_passage_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    console.results(found())
    assert capsys.readouterr().out == "no passage passes these filters\n"


@pytest.mark.parametrize("columns", ["1", "3", "19"])
def test_the_narrowest_terminal_is_no_failure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    console.results(found(Entry("s", "1", "Titre", "Un texte assez long.", "fr")))
    assert capsys.readouterr().out.splitlines()[1:] == ["    Titre", "    Un texte assez", "    long.", ""]


def test_a_document_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    console.results(found(Entry("s\x1b[2J", "1", "T\x1b]0;x\x07", "a\x1b[31mb\x9bc [bold]d[/bold]\x08", "fr")))
    console.failures(Report(failures=[Failure("x\x1b[1A\r\n", "is\x7f empty")]))
    written = capsys.readouterr()
    assert not [c for c in written.out + written.err if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    assert "    a\ufffd[31mb\ufffdc [bold]d[/bold]\ufffd\n" in written.out
    assert written.err == "filrouge: x\ufffd[1A\ufffd\ufffd: is\ufffd empty\n"


def test_a_report_is_shown_where_it_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    file = io.StringIO()
    console.report(Report(documents=2, unchanged=3, failures=[Failure("a", "is empty")], generation=1), file)
    assert "3" in file.getvalue()
    assert capsys.readouterr().out == ""


def test_the_table_says_where_days_come_from_what_was_skipped_and_what_was_kept(capsys: pytest.CaptureFixture[str]) -> None:
    failures = [Failure("a", "is empty"), Failure("b", "there is no day '31/02/2023'", kept=True)]
    dated = {"manifest": 2, "entry": 3, "unknown": 1, "document": 4}
    console.report(Report(documents=3, added=10, passages=11, failures=failures, generation=1, dated=dated))
    lines = capsys.readouterr().out.splitlines()
    assert [cell.strip() for cell in lines[3].strip("│").split("│")] == ["3", "10", "0", "0", "0", "1", "11"]
    assert lines[5:] == [
        "days known from the entries (3), their documents (4), manifests or --date (2), nowhere (1)",
        "kept without a day or time that there is not: 1",
    ]


def test_a_run_that_read_nothing_has_no_table(capsys: pytest.CaptureFixture[str]) -> None:
    console.report(Report(documents=1, failures=[Failure("a", "is empty")]))
    assert capsys.readouterr().out == ""


def test_progress_is_quiet_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    with console.progress("indexing") as bar:
        bar.report(Report(documents=1, added=2))
        bar.passages(3)
        bar.count(1, 2)
    written = capsys.readouterr()
    assert (written.out, written.err) == ("", "")


def test_progress_is_shown_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "100")
    with console.progress("indexing") as bar:
        bar.report(Report(documents=1, added=2, unchanged=1, embedded=4))
    with console.progress("asking mix") as bar:
        bar.count(1, 2)
    written = capsys.readouterr()
    assert written.out == ""
    assert "1 documents, 3 entries, 4 passages embedded" in written.err
    assert "1/2" in written.err


def test_figures_have_three_decimals_or_thousands(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    rows = [Row("passages/s", 12345.678, 9.8765, 1250.0), Row("ms", 0.1234, 10.0, 0.5)]
    console.comparison(Comparison("embed", "rival", rows, ["a note"]))
    out = capsys.readouterr().out
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    assert cells == [["passages/s", "12,345.7", "9.877", "1250.00"], ["ms", "0.123", "10.0", "0.50"]]
    assert out.endswith("a note\n")
