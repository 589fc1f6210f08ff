"""What people read in a terminal."""

import io
from dataclasses import replace
from datetime import datetime, time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from rich.progress import Progress

from api import console
from embed.bench import Comparison, Row
from embed.hashing import HashingEncoder
from index.answer import Answer, Narrowing, Quote, Reason, Relaxed
from index.documents import Failure
from index.ingest import Report
from index.reader import Filters
from index.records import Entry, Hit, Passage, Vote, Window
from index.search import Results
from index.when import TimePhrase

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


def answered(*quotes: Quote, **more: Any) -> Answer:
    entry = Entry("fil.txt", "9", "", "Un passage.", "fr")
    fields = {"confidence": 0.5, "narrowing": Narrowing(), "reason": None, **more}
    return Answer(best=quotes, results=found(entry), now=NOON, threshold=0.3, **fields)


def test_quotes_are_shown_with_their_marks_their_times_and_their_titles(capsys: pytest.CaptureFixture[str]) -> None:
    french = Entry("fil.txt", "1", "Titre", "Un. Deux. Trois.", "fr", NOON, "minute", url="https://example.org/")
    english = Entry("fil.txt", "2", "", "He said “no”. Then he left.", "en", NOON, "day")
    quotes = Quote(french, 1, 4, 9), Quote(english, 2, 14, 27), Quote(english, 2, 0, 13, superseded=NOON)
    console.answer(answered(*quotes))
    assert capsys.readouterr().out == (
        "    «\u00a0Deux.\u00a0»\n"
        "    2023-05-23T12:00:00+02:00  Titre  https://example.org/\n"
        "\n"
        "    “Then he left.”\n"
        "    2023-05-23  fil.txt\n"
        "\n"
        "    He said “no”.\n"
        "    2023-05-23  fil.txt (superseded 2023-05-23T12:00:00+02:00)\n"
        "\n"
        "confidence 0.50, threshold 0.30\n"
    )


def test_no_answer_is_said_with_its_reason_and_the_nearest_passages(capsys: pytest.CaptureFixture[str]) -> None:
    quote = Quote(Entry("fil.txt", "1", "", "Rien.", "fr"), 1, 0, 5)
    console.answer(answered(quote, confidence=0.1, reason=Reason.NOT_IN_CORPUS))
    out = capsys.readouterr().out
    assert out.startswith("Le corpus n’en dit rien")
    assert "Rien." not in out
    assert out.endswith("confidence 0.10, threshold 0.30\n\n 1. undated  fil.txt  0.500 (dense 1)\n    Un passage.\n\n")


def test_the_window_that_a_question_means_is_shown_or_why_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    window = Window(NOON, None)
    meant = Narrowing((TimePhrase(0, 5, window),), window)
    narrowed = answered(narrowing=meant)
    console.answer(replace(narrowed, results=replace(narrowed.results, filters=Filters(window))))
    console.answer(answered(narrowing=replace(meant, relaxed=Relaxed.FUTURE)))
    first, second = capsys.readouterr().out.split("confidence 0.50, threshold 0.30\n")[:2]
    assert first == "[2023-05-23T12:00:00+02:00 – …)\n"
    assert second.startswith("Cette période est à venir")


def test_a_quote_cannot_steer_the_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    entry = Entry("s\x1b[2J", "1", "T\x1b]0;x\x07", "a\x1b[31mb [bold]d[/bold]\x08", "fr", url="https://x/\x9b")
    console.answer(answered(Quote(entry, 1, 0, len(entry.text))))
    out = capsys.readouterr().out
    assert not [c for c in out if (ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160]
    assert "[bold]d[/bold]" in out


def test_measures_of_answers_are_two_tables(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "140")
    row = {"first": 0.5, "three": None, "rival": 0.25, "auroc": 0.9, "precision": None, "recall": None}
    curve = [{"threshold": 0.0, "coverage": 1.0, "precision": 0.5}, {"threshold": 0.95, "coverage": 0.0, "precision": None}]
    console.answers({**row, "questions": 4, "unanswerable": 2, "threshold": 0.3, "curve": curve})
    cells = [
        [cell.strip() for cell in line.strip("│┃").replace("┃", "│").split("│")]
        for line in capsys.readouterr().out.splitlines()
    ]
    assert ["answers", "first quote", "best-cosine sentence", "AUROC", "questions", "unanswerable"] in cells
    assert ["threshold 0.3", "0.5000", "0.2500", "0.9000", "4", "2"] in cells
    assert ["0.00", "1.000", "0.500"] in cells
    assert ["0.95", "0.000", ""] in cells


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


def test_the_time_that_is_left_is_told_where_it_is_known_how_much_there_is() -> None:
    now = [0.0]
    bars = Progress(get_time=lambda: now[0], disable=True, speed_estimate_period=console._RECENT)
    task = bars.add_task("indexing", total=None, detail="")
    bar, left = console.Bar(bars, task), console._TimeLeft()
    shown = []
    for read, size in ((0, 0), (100, 1000), (200, 1000), (300, 1000)):
        now[0] += 60
        bar.report(Report(documents=1, read=read, size=size))
        shown.append(left.render(bars.tasks[0]).plain)
    # A hundred bytes a minute, and seven hundred to go.
    assert shown[0] == ""
    assert shown[-1] == "about 0:07:00 left"
