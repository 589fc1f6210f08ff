"""The command line: in this process where that shows the same, in one of its own for exit statuses and streams."""

import dataclasses
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.cli import build_parser, main
from embed import EmbedError, Encoder, load
from embed.encoder import ModelCard, Reading, Span
from embed.hashing import HashingEncoder
from index.store import Store
from index.sums import seal_catalogue

SOURCE = "seeds/000_43b67c511cce9011.txt"
CORPUS = [
    {"_id": "d1", "title": "Kremlin", "text": "Le Kremlin a réagi mardi.", "lang": "fr"},
    {"_id": "d2", "title": "", "text": "The Kremlin reacted on Tuesday.", "lang": "en"},
    {"_id": "d3", "title": "", "text": "Une recette de crêpes au beurre.", "lang": "fr"},
]
QUERIES = [
    {"_id": "q1", "text": "réaction du Kremlin mardi", "lang": "fr"},
    {"_id": "q2", "text": "How did the Kremlin react?", "lang": "en"},
]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td2\t1\nq2\td2\t1\n"


@pytest.fixture(autouse=True)
def clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> None:
    """A folder and settings of the test's own."""
    for name in os.environ:
        if name.startswith("FILROUGE_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def judged(write: Callable[..., Path]) -> Path:
    """A small evaluation set."""
    write("judged/corpus.jsonl", "".join(json.dumps(line) + "\n" for line in CORPUS))
    write("judged/queries.jsonl", "".join(json.dumps(line) + "\n" for line in QUERIES))
    return write("judged/qrels.tsv", QRELS).parent


def told(capsys: pytest.CaptureFixture[str], status: int, *arguments: str | Path) -> tuple[str, str]:
    """Run a command here; its output and what it said on stderr."""
    assert main([str(argument) for argument in arguments]) == status
    written = capsys.readouterr()
    return written.out, written.err


def sentence(text: str) -> str:
    """The one sentence that a failure says."""
    assert text.startswith("filrouge: ")
    assert text.count("\n") == 1
    assert text.endswith("\n")
    assert "Traceback" not in text
    return text.removeprefix("filrouge: ").rstrip("\n")


# index


def test_index_says_what_it_did_as_json(capsys: pytest.CaptureFixture[str], seeds: Path) -> None:
    report = {
        "documents": 1,
        "added": 6,
        "changed": 0,
        "unchanged": 0,
        "withdrawn": 0,
        "passages": 11,
        "embedded": 11,
        "failures": [],
        "generation": 1,
        "dated": {"manifest": 6},
    }
    out, err = told(capsys, 0, "index", seeds, "--json")
    assert (json.loads(out), err) == (report, "")
    again, _ = told(capsys, 0, "index", seeds, "--json")
    assert json.loads(again) == {**report, "added": 0, "unchanged": 6, "passages": 0, "embedded": 0}


def test_index_says_what_it_did_as_a_table(capsys: pytest.CaptureFixture[str], seeds: Path) -> None:
    out, err = told(capsys, 0, "index", seeds)
    rows = [line.replace("┃", "│").strip("│").split("│") for line in out.splitlines()]
    table = [[cell.strip() for cell in row] for row in rows if len(row) > 1]
    assert table == [
        ["documents", "added", "changed", "unchanged", "withdrawn", "skipped", "passages"],
        ["1", "6", "0", "0", "0", "0", "11"],
    ]
    assert err == ""


def test_every_kind_of_bad_input_has_its_reason_and_costs_no_good_entry(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path]
) -> None:
    valid = json.dumps({"@type": "NewsArticle", "headline": "Crue", "datePublished": "2023-05-23T11:58:00+02:00"})
    article = (
        "<article><h1>Crue</h1><p>La rivière monte encore dans la vallée, dit le maire à ses voisins inquiets.</p></article>"
    )
    ld = '<script type="application/ld+json">'
    write("b/01.html", f"<html><body>{article}<p>La suite de cette page n'est jamais arri")
    write("b/02.html", f'<html><head>{ld}{{"articleBody": "x</script>{ld}{valid}</script></head><body>{article}</body></html>')
    write("b/03.txt", "mot " * (25 * 1024**2))
    write("b/04.zip", zipped({"bombe.txt": b"0" * (48 * 1024**2)}))
    write("b/05.zip", zipped({"05.zip": zipped({"x.txt": b"x"}), "bon.txt": "11h58 : Bon\nUne bonne entrée.".encode()}))
    write("b/06.txt", "31 FÉVRIER 2023\n11h58 : Un\nPremière entrée.\n25h61 : Deux\nSeconde entrée.\n10h00 :\n")
    write("b/07.csv", "id,texte,date\n1,Premier texte,31/02/2023 11h58\n2,,2023-05-23\n3,Trois,\n3,Autre texte,\n")
    lines = [{"_id": "1", "text": "Un."}, {"_id": "1", "text": "Deux."}, {"_id": "2", "text": " "}]
    write("b/08.jsonl", "\n".join(map(json.dumps, lines)))
    write(
        "b/09.txt", "11h58 : Le Kremlin réagit\nIl est très préoccupé.\n11h50 : The Kremlin reacts\nIt is deeply concerned.\n"
    )
    Path("b/10").symlink_to("../b")
    out, err = told(capsys, 1, "index", "b")
    assert err.splitlines() == [
        "filrouge: b/10: is a link to a folder, and is not followed: name that folder itself",
        "filrouge: b/01.html: ends before its </body>: what there was is read; save the page again for the rest",
        "filrouge: b/02.html: JSON-LD of script 1 is not JSON: Unterminated string starting at: line 1 column 17 (char 16)",
        "filrouge: b/03.txt: has more than 64 MiB, and a document of its kind is read whole: split it, or make it JSON Lines",
        "filrouge: b/04.zip: grows to more than 200 times its size, or 8 GiB: the rest is not read; unpack it",
        "filrouge: b/05.zip/05.zip: is an archive within an archive: unpack it",
        "filrouge: b/06.txt, line '31 FÉVRIER 2023': there is no day '31 FÉVRIER 2023': correct it in the document",
        "filrouge: b/06.txt, heading 'Deux': there is no time of day '25h61': correct it in the document",
        "filrouge: b/06.txt, entry of 10:00: has neither a title nor a text",
        "filrouge: b/07.csv, line 2: there is no day '31/02/2023': correct it in the document; "
        "the entry is kept with its time of day alone",
        "filrouge: b/07.csv, line 3: the entry '2' has no text",
        "filrouge: b/07.csv, line 5: the id '3' was used before, with another content: give it an id of its own",
        "filrouge: b/08.jsonl, line 2: the id '1' was used before",
        "filrouge: b/08.jsonl, line 3: the entry '2' has no text",
    ]
    cells = [[cell.strip() for cell in line.strip("│").split("│")] for line in out.splitlines() if line.startswith("│")]
    # Nine files, a link, and what an archive holds in its place; of the failures three are of entries that are there.
    assert cells[0][:6] == ["11", "10", "0", "0", "0", "11"]
    assert out.splitlines()[-2:] == [
        "days known from their documents (1), nowhere (9)",
        "kept without a day or time that there is not: 3",
    ]
    found = json.loads(told(capsys, 0, "search", "texte entrée Kremlin rivière", "--json", "-k", "50")[0])["hits"]
    assert Counter(hit["lang"] for hit in found)["en"] == 1
    assert {hit["source"]: hit["published"] for hit in found}["b/02.html"] == "2023-05-23T11:58:00+02:00"


def zipped(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return file.getvalue()


def test_index_takes_the_day_and_the_zone_where_no_manifest_says_them(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path]
) -> None:
    write("fil.txt", "07h44 : Titre\nTexte du direct.\n")
    told(capsys, 0, "index", "fil.txt", "--date", "2023-01-02", "--tz=-03:00")
    out, _ = told(capsys, 0, "search", "texte", "--json")
    assert json.loads(out)["hits"][0]["published"] == "2023-01-02T07:44:00-03:00"


def test_index_goes_on_past_a_bad_document_and_names_it(
    capsys: pytest.CaptureFixture[str], seeds: Path, write: Callable[..., Path]
) -> None:
    write("bad.txt", "")
    out, err = told(capsys, 1, "index", "bad.txt", seeds, "--json")
    report = json.loads(out)
    name = f"{Path.cwd().name}/bad.txt"
    assert (report["added"], report["failures"]) == (6, [{"source": name, "reason": "is empty"}])
    assert sentence(err) == f"{name}: is empty"


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [
        ("nowhere.txt", None, "no such file or folder"),
        ("empty.txt", b"", "is empty"),
        ("blank.txt", b" \n\t\n", "is empty"),
        ("a.png", b"\x89PNG\r\n\0\rIHDR", "is a picture"),
        ("page.pdf", b"%PDF-1.7", "is a PDF: save its text, as with pdftotext"),
        ("odd.jsonl", b'{"text": "x"}\n', "has no '_id'"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("command", ["index", "serve"])
def test_a_document_that_cannot_be_read_is_refused_and_leaves_nothing(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path], command: str, name: str, content: Any, why: str
) -> None:
    if content is not None:
        write(f"docs/{name}", content)
    port = ["--port", "0"] if command == "serve" else []
    out, err = told(capsys, 1, command, f"docs/{name}", "--index", "new", *port)
    line = ", line 1" if name.endswith("jsonl") else ""
    assert (sentence(err), out) == (f"docs/{name}{line}: {why}", "")
    assert not Path("new").exists()


def test_a_folder_without_documents_is_refused_and_leaves_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    Path("bare/.git").mkdir(parents=True)
    Path("bare/.git/config").write_text("x", encoding="utf-8")
    out, err = told(capsys, 1, "index", "bare")
    assert (sentence(err), out) == ("bare: the folder holds no documents", "")
    assert not Path(".filrouge").exists()


def test_many_failures_are_told_in_few_lines_and_all_in_json(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path]
) -> None:
    for number in range(25):
        write(f"docs/{number:02}.txt", "")
    out, err = told(capsys, 1, "index", "docs", "--json")
    assert len(json.loads(out)["failures"]) == 25
    assert err.splitlines() == [
        *(f"filrouge: docs/{number:02}.txt: is empty" for number in range(20)),
        "filrouge: … and 5 more; --json names them all",
        "filrouge:   5 × is empty",
    ]


def test_a_folder_that_is_someone_elses_is_refused_and_left_as_it_was(
    capsys: pytest.CaptureFixture[str], seeds: Path, write: Callable[..., Path]
) -> None:
    mine = write("mine/letter.txt", "Cher ami")
    _, err = told(capsys, 1, "index", seeds, "--index", "mine")
    assert sentence(err) == "mine is not empty and holds no index; choose another folder for --index"
    assert {path.name: path.read_text(encoding="utf-8") for path in mine.parent.iterdir()} == {"letter.txt": "Cher ami"}


def test_an_index_in_the_place_of_a_file_is_refused(
    capsys: pytest.CaptureFixture[str], seeds: Path, write: Callable[..., Path]
) -> None:
    write("file", "x")
    assert sentence(told(capsys, 1, "index", seeds, "--index", "file")[1]) == "cannot make an index in file: Not a directory"
    below = told(capsys, 1, "index", seeds, "--index", "file/below")[1]
    assert sentence(below) == "cannot write to the index file/below: Not a directory"


# search


@pytest.fixture
def indexed(seeds: Path, tmp_path: Path) -> Path:
    """The seeds, indexed where commands look."""
    assert main(["index", str(seeds)]) == 0
    return tmp_path / ".filrouge"


def test_search_prints_what_http_answers(capsys: pytest.CaptureFixture[str], indexed: Path, client: TestClient) -> None:
    capsys.readouterr()
    out, err = told(capsys, 0, "search", "attaques de drones", "-k", "3", "--lang", "fr", "--since", "2023-05-22", "--json")
    asked: dict[str, str | int] = {"q": "attaques de drones", "k": 3, "lang": "fr", "since": "2023-05-22"}
    ours, theirs = json.loads(out), client.get("/search", params=asked).json()
    # Two indexes came to be at two times.
    times = [(answer.pop("known"), answer.pop("permalink")) for answer in (ours, theirs)]
    assert all(known and permalink.startswith("/search?q=attaques+de+drones&k=3&lang=fr&") for known, permalink in times)
    # And a cursor is good for one of them.
    assert all(answer.pop("next") for answer in (ours, theirs))
    assert (ours, err) == (theirs, "")


def test_ask_prints_what_http_answers(capsys: pytest.CaptureFixture[str], indexed: Path, client: TestClient) -> None:
    capsys.readouterr()
    question = "Qui est le Premier ministre russe à Shanghai ?"
    asked: dict[str, str | int | float] = {"k": 3, "now": "2023-05-23T12:00", "threshold": 0.2, "until": "2023-05-24"}
    flags = [part for name, value in asked.items() for part in ("-k" if name == "k" else f"--{name}", str(value))]
    out, err = told(capsys, 0, "ask", question, *flags, "--json")
    ours, theirs = json.loads(out), client.get("/ask", params={"q": question, **asked}).json()
    # Two indexes came to be at two times.
    assert all(answer.pop("known") and answer.pop("permalink") for answer in (ours, theirs))
    assert (ours, err) == (theirs, "")
    assert ours["answered"] is True


def test_ask_prints_quotes_for_people(
    capsys: pytest.CaptureFixture[str], indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capsys.readouterr()
    question = "Qui est le Premier ministre russe à Shanghai ?"
    out, err = told(capsys, 0, "ask", question)
    assert out.startswith("    «\u00a0Le Premier ministre russe Mikhaïl Michoustine est ce mardi")
    assert "    2023-05-23T06:35:00+02:00  Le Premier ministre russe à Shanghai pour notamment" in out
    assert err == ""
    # The threshold is a setting, and an option goes before it.
    monkeypatch.setenv("FILROUGE_THRESHOLD", "1")
    assert told(capsys, 0, "ask", question)[0].startswith("Le corpus n’en dit rien")
    assert "threshold 0.10" in told(capsys, 0, "ask", question, "--threshold", "0.1")[0]
    assert json.loads(told(capsys, 0, "ask", "Who won?", "--json")[0])["code"] == "not_in_corpus"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([""], "the question is empty"),
        (["Qui ?", "-k", "0"], "k is 0; ask for 1 to 100 hits"),
        (["Qui ?", "--now", "bientôt"], "'bientôt' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        (["Qui ?", "--since", "hier"], "'hier' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(
    capsys: pytest.CaptureFixture[str], indexed: Path, arguments: list[str], why: str
) -> None:
    capsys.readouterr()
    assert sentence(told(capsys, 1, "ask", *arguments)[1]) == why


def test_search_filters(capsys: pytest.CaptureFixture[str], indexed: Path) -> None:
    capsys.readouterr()

    def published(*filters: str) -> set[str]:
        hits = json.loads(told(capsys, 0, "search", "Russie", "-k", "100", "--json", *filters)[0])["hits"]
        return {hit["published"][11:16] for hit in hits}

    assert published() == {"", "11:58", "07:58", "07:44", "06:35", "06:25"}
    assert published("--until", "2023-05-23T06:30") == {"", "06:25"}
    assert published("--since", "2023-05-23T07:50", "--until", "2023-05-23T12:00", "--source", SOURCE) == {"", "07:58", "11:58"}
    assert published("--lang", "en") == set()


def test_search_prints_passages_for_people(capsys: pytest.CaptureFixture[str], indexed: Path) -> None:
    capsys.readouterr()
    out, err = told(capsys, 0, "search", "Premier ministre russe à Shanghai", "-k", "1")
    first, title, *text = out.splitlines()
    assert first.startswith(f" 1. 2023-05-23T06:35:00+02:00  {SOURCE}  ")
    assert first.endswith("(dense 1, words 1, lexical 1)")
    assert title == "    Le Premier ministre russe à Shanghai pour notamment rencontrer Xi Jinping"
    assert text[0].startswith("    Le Premier ministre russe Mikhaïl Michoustine est ce mardi")
    assert (max(map(len, text)) <= 100, err) == (True, "")
    assert told(capsys, 0, "search", "x", "--lang", "en")[0] == "no passage passes these filters\n"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["", "-k", "3"], "the question is empty"),
        ([" \t"], "the question is empty"),
        (["a" * 1_000_000], "the question has 1000000 characters; at most 4000 are read"),
        (["x", "-k", "0"], "k is 0; ask for 1 to 100 hits"),
        (["x", "-k", "-3"], "k is -3; ask for 1 to 100 hits"),
        (["x", "-k", "10000"], "k is 10000; ask for 1 to 100 hits"),
        (["x", "--since", "hier"], "'hier' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        (["x", "--until", ""], "'' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        (
            ["x", "--since", "2023-05-24", "--until", "2023-05-23"],
            "the window ends before it begins: since must be earlier than until",
        ),
        (["x", "--model", "none"], "no model 'none': give multilingual-e5-small, a folder, or a hub id like owner/name"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("as_json", [False, True])
def test_a_search_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], indexed: Path, arguments: list[str], why: str, as_json: Any
) -> None:
    capsys.readouterr()
    out, err = told(capsys, 1, "search", *arguments, *(["--json"] if as_json else []))
    assert sentence(err) == why
    assert (json.loads(out) if as_json else out) == ({"error": why} if as_json else "")


def test_versions_lists_what_an_entry_said_and_tells_of_one_that_is_not_known(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path]
) -> None:
    page = write("direct.txt", "10h00 : Un\nDeux blessés.\n09h00 : Zéro\nRien.\n")
    told(capsys, 0, "index", page)
    write("direct.txt", "10h00 : Un\nUn mort.\n09h00 : Zéro\nRien.\n")
    told(capsys, 0, "index", page)
    entry = json.loads(told(capsys, 0, "search", "mort", "-k", "1", "--json")[0])["hits"][0]["entry_id"]
    found = json.loads(told(capsys, 0, "versions", entry, "--json")[0])
    assert [one["text"] for one in found["versions"]] == ["Deux blessés.", "Un mort."]
    first, last = found["versions"]
    out, err = told(capsys, 0, "versions", entry)
    assert err == ""
    assert [line.strip() for line in out.splitlines() if line] == [
        f"1. seen {first['seen']}, until {last['seen']}, edited  {first['content_hash']}",
        f"{page.parent.name}/direct.txt  10:00",
        "Un",
        "Deux blessés.",
        f"2. seen {last['seen']}, now  {last['content_hash']}",
        f"{page.parent.name}/direct.txt  10:00",
        "Un",
        "Un mort.",
    ]
    write("direct.txt", "09h00 : Zéro\nRien.\n")
    told(capsys, 0, "index", page)
    assert ", withdrawn  " in told(capsys, 0, "versions", entry)[0]
    assert sentence(told(capsys, 1, "versions", "none")[1]) == "no entry 'none' in this index"


@pytest.mark.parametrize("command", [["search", "x"], ["versions", "x"], ["serve", "--port", "0"], ["repair"]])
def test_a_folder_that_is_no_index_is_refused_and_left_as_it_was(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path], command: list[str]
) -> None:
    other = write("other/index.txt", "x").parent
    for folder in ("nowhere", "other"):
        _, err = told(capsys, 1, *command, "--index", folder)
        assert sentence(err) == f"no index in {folder}: make one with filrouge index PATH --index {folder}"
    assert [path.name for path in other.iterdir()] == ["index.txt"]
    assert not Path("nowhere").exists()


@pytest.mark.parametrize(
    "content", [b"not a database, though long enough to be one" * 100, b"SQLite format 3\0" + b"\xff" * 4000]
)
def test_an_index_that_is_damaged_is_refused(
    capsys: pytest.CaptureFixture[str], write: Callable[..., Path], content: Any
) -> None:
    write("broken/index.sqlite", content)
    assert "is damaged or not an index" in sentence(told(capsys, 1, "search", "x", "--index", "broken")[1])


def test_a_setting_that_cannot_be_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, write: Callable[..., Path]
) -> None:
    monkeypatch.setenv("FILROUGE_PORT", "http")
    assert sentence(told(capsys, 1, "search", "x")[1]).startswith("the setting 'port' (FILROUGE_PORT or filrouge.toml): ")
    monkeypatch.delenv("FILROUGE_PORT")
    write("filrouge.toml", "colour = 'red'")
    assert "unknown setting 'colour'" in sentence(told(capsys, 1, "search", "x")[1])


def test_a_path_that_no_system_takes_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    name = "n" * 300
    assert sentence(told(capsys, 1, "search", "x", "--index", name)[1]).endswith("File name too long")


# Which model


def made_by(folder: Path, name: str) -> ModelCard:
    """Give an index the name of another model, as if that had made its vectors; its card before."""
    with Store.open(folder) as store:
        own = store.card()
        card = dataclasses.replace(own, name=name)
        with store.writing() as db:
            db.execute("UPDATE meta SET value = ? WHERE key = 'card'", (card.to_json(),))
            db.execute("UPDATE vectors SET model = ?", (card.fingerprint,))
            seal_catalogue(db)
    return own


def test_an_index_refuses_another_model_by_name_and_says_what_repairs_it(
    capsys: pytest.CaptureFixture[str], seeds: Path
) -> None:
    told(capsys, 0, "index", seeds, "--index", "other", "--model", "hashing")
    own = made_by(Path("other"), "elsewhere")
    for command in (["search", "x"], ["index", str(seeds)]):
        _, err = told(capsys, 1, *command, "--index", "other", "--model", "hashing")
        assert sentence(err) == (
            f"the index other was built with the model 'elsewhere' ({own.dimension} dimensions, 1), not with 'hashing' "
            f"({own.dimension} dimensions, 1): drop --model, or embed it anew with "
            "filrouge repair --index other --model hashing"
        )
    out, _ = told(capsys, 0, "repair", "--index", "other", "--model", "hashing")
    assert out == "11 passages embedded with hashing; search caches made anew at generation 2\n"
    told(capsys, 0, "search", "x", "--index", "other", "--model", "hashing")


def test_without_a_model_the_one_of_the_index_is_taken(
    capsys: pytest.CaptureFixture[str], indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILROUGE_MODEL")
    capsys.readouterr()
    assert json.loads(told(capsys, 0, "search", "x", "--json")[0])["model"] == "hashing"
    assert json.loads(told(capsys, 0, "repair", "--json")[0]) == {
        "model": "hashing",
        "embedded": 0,
        "lists": False,
        "cleared": 0,
        "generation": 1,
    }


def test_a_model_that_the_index_cannot_lead_to_is_asked_for(
    capsys: pytest.CaptureFixture[str], indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FILROUGE_MODEL")
    made_by(indexed, "my-folder")
    capsys.readouterr()
    _, err = told(capsys, 1, "search", "x")
    assert sentence(err) == (
        ".filrouge was built with the model 'my-folder': say where it is with --model, or model= in Python"
    )


@pytest.mark.model
def test_after_a_repair_with_another_model_that_one_is_taken(
    capsys: pytest.CaptureFixture[str], indexed: Path, monkeypatch: pytest.MonkeyPatch, model: Encoder
) -> None:
    # The weights are where `model` has put them, and not in this test's cache.
    monkeypatch.delenv("FILROUGE_CACHE")
    monkeypatch.delenv("FILROUGE_MODEL")
    capsys.readouterr()
    _, err = told(capsys, 1, "search", "x", "--model", model.card.name)
    assert "was built with the model 'hashing'" in sentence(err)
    repaired = json.loads(told(capsys, 0, "repair", "--model", model.card.name, "--json")[0])
    assert (repaired["model"], repaired["generation"], repaired["embedded"] > 0) == (model.card.name, 2, True)
    found = json.loads(told(capsys, 0, "search", "Which country trains Ukrainian pilots?", "-k", "1", "--json")[0])
    assert (found["model"], found["generation"]) == (model.card.name, 2)
    assert found["hits"][0]["text"].startswith("La Pologne a commencé à entraîner des pilotes ukrainiens")


# evaluate


def test_evaluate_measures_every_direction_of_a_set(capsys: pytest.CaptureFixture[str], judged: Path) -> None:
    out, err = told(capsys, 0, "evaluate", "judged", "--json")
    found = json.loads(out)
    assert (found["set"], found["model"], err) == ("judged", "hashing", "")
    assert list(found["directions"]) == ["fr-fr", "en-en", "fr-en", "fr-mix", "en-mix", "mix"]
    best = {"ndcg10": 1.0, "recall10": 1.0, "mrr10": 1.0, "hit1": 1.0}
    assert found["directions"]["fr-fr"] == {**best, "n": 1}
    assert found["directions"]["mix"]["n"] == 2
    table, _ = told(capsys, 0, "evaluate", "judged", "--direction", "fr-fr")
    assert "│ fr-fr  │ 1.0000  │ 1.0000    │ 1.0000 │ 1.0000 │ 1         │" in table


def test_evaluate_writes_a_run(capsys: pytest.CaptureFixture[str], judged: Path) -> None:
    told(capsys, 0, "evaluate", "judged", "--run", "out.trec")
    rows = [line.split() for line in Path("out.trec").read_text(encoding="utf-8").splitlines()]
    assert [(row[0], row[1], row[3], row[5]) for row in rows] == [
        (query, "Q0", str(rank), "filrouge") for query in ("q1", "q2") for rank in (1, 2, 3)
    ]
    assert {row[2] for row in rows} == {"d1", "d2", "d3"}
    told(capsys, 0, "evaluate", "judged", "--direction", "en-en", "--run", "out.trec")
    assert Path("out.trec").read_text(encoding="utf-8").split()[:4] == ["q2", "Q0", "d2", "1"]
    assert sorted(path.name for path in Path().iterdir()) == ["cache", "judged", "out.trec"]


def test_evaluate_writes_answers_and_measures_them(
    capsys: pytest.CaptureFixture[str], judged: Path, write: Callable[..., Path]
) -> None:
    told_answers = [{**QUERIES[0], "answers": ["a réagi"]}, {**QUERIES[1], "answers": ["on Tuesday"]}]
    write("judged/queries.jsonl", "".join(json.dumps(line) + "\n" for line in told_answers))
    write("judged/queries_unanswerable.jsonl", json.dumps({"_id": "u1", "text": "Qui a gagné ?", "lang": "fr"}) + "\n")
    out, _ = told(capsys, 0, "evaluate", "judged", "--answers", "out.jsonl", "--json")
    row = json.loads(out)["answers"]
    assert (row["questions"], row["unanswerable"], row["first"], row["three"], row["rival"]) == (2, 1, 1.0, 1.0, 1.0)
    assert (len(row["curve"]), row["auroc"]) == (20, 1.0)
    lines = [json.loads(line) for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["query_id"] for line in lines] == ["q1", "q2", "u1"]
    assert lines[0]["answer"][0] == {"text": "Le Kremlin a réagi mardi.", "entry_id": "d1", "start": 0, "end": 25}
    table, _ = told(capsys, 0, "evaluate", "judged", "--answers", "out.jsonl", "--direction", "en-en")
    assert "first quote" in table
    assert [json.loads(line)["query_id"] for line in Path("out.jsonl").read_text(encoding="utf-8").splitlines()] == ["q2"]


@pytest.mark.parametrize(
    ("out", "why"),
    [("nowhere/out.trec", "No such file or directory"), ("judged", "Is a directory"), ("x" * 250, "File name too long")],
)
def test_a_run_that_cannot_be_written_is_refused_before_the_work(
    capsys: pytest.CaptureFixture[str], judged: Path, tmp_path: Path, out: str, why: str
) -> None:
    _, err = told(capsys, 1, "evaluate", "judged", "--run", out)
    assert sentence(err) == f"cannot write {out}: {why}"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judged"]


def test_a_run_that_fails_leaves_an_earlier_one_as_it_was(
    capsys: pytest.CaptureFixture[str], judged: Path, write: Callable[..., Path]
) -> None:
    write("out.trec", "earlier\n")
    _, err = told(capsys, 1, "evaluate", "judged", "--direction", "en-fr", "--run", "out.trec")
    assert sentence(err) == "judged has no judged questions en-fr; it has fr-fr, en-en, fr-en, fr-mix, en-mix, mix"
    assert Path("out.trec").read_text(encoding="utf-8") == "earlier\n"
    assert not list(Path().glob(".*.part"))


def test_a_run_can_go_where_nothing_can_be_renamed(filrouge: Callable[..., Any], judged: Path) -> None:
    # Standard output is a pipe there.
    done = filrouge("evaluate", judged, "--direction", "en-en", "--run", "/dev/stdout")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("q2 Q0 d2 1 ")
    assert "│ en-en " in done.stdout


def test_a_run_written_through_a_link_leaves_the_link(
    capsys: pytest.CaptureFixture[str], judged: Path, write: Callable[..., Path]
) -> None:
    Path("link.trec").symlink_to(write("runs/real.trec", "earlier\n"))
    told(capsys, 0, "evaluate", "judged", "--direction", "en-en", "--run", "link.trec")
    assert Path("link.trec").is_symlink()
    assert Path("runs/real.trec").read_text(encoding="utf-8").startswith("q2 Q0 d2 1 ")


@pytest.mark.parametrize(
    ("spoiled", "content", "why"),
    [
        ("corpus.jsonl", None, "{folder} is no evaluation set: it has no corpus.jsonl"),
        ("queries.jsonl", None, "{folder} is no evaluation set: it has no queries.jsonl"),
        ("qrels.tsv", None, "{folder} is no evaluation set: it has no qrels.tsv"),
        ("qrels.tsv", f"{QRELS}q1 d1 1\n", "qrels.tsv, line 5: not query, corpus item, grade: 'q1 d1 1'"),
        ("queries.jsonl", '{"_id": "q1"}\n', "queries.jsonl, line 1: 'text' is missing or not text"),
    ],
)
def test_a_folder_that_is_no_evaluation_set_is_refused(
    capsys: pytest.CaptureFixture[str], judged: Path, spoiled: str, content: Any, why: str
) -> None:
    (judged / spoiled).unlink()
    if content is not None:
        (judged / spoiled).write_text(content, encoding="utf-8")
    assert sentence(told(capsys, 1, "evaluate", "judged")[1]) == why.format(folder="judged")


# bench, repair


def test_bench_names_its_rival(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(told(capsys, 0, "bench", "embed", "--json")[0])
    assert set(found) == {"what", "rival", "rows", "notes"}
    assert (found["what"], found["rival"]) == ("embed", "hashing itself")
    for row in found["rows"]:
        assert set(row) == {"name", "ours", "rivals", "ratio"}
        assert min(row["ours"], row["rivals"], row["ratio"]) > 0


def test_bench_precision_asks_for_judged_sets_and_measures_on_them(capsys: pytest.CaptureFixture[str], judged: Path) -> None:
    found = json.loads(told(capsys, 0, "bench", "precision", "--sets", judged, "--questions", "1", "--json")[0])
    assert [row["name"] for row in found["rows"]][:2] == [
        "nDCG@10, judged fr-fr, 1 questions",
        "nDCG@10, judged en-en, 1 questions",
    ]
    _, err = told(capsys, 1, "bench", "precision")
    assert sentence(err) == "precision is measured on judged questions: name folders that hold some with --sets"
    _, err = told(capsys, 1, "bench", "precision", "--sets", judged, "--questions", "0")
    assert sentence(err) == "--questions is 0: ask at least one of each direction"


def test_bench_prints_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    out, _ = told(capsys, 0, "bench", "embed")
    assert [line.split("│")[1].strip() for line in out.splitlines() if line.startswith("│")] == [
        "passages/s, 20 tokens",
        "passages/s, 80 tokens",
        "tokens/s",
        "passages/s, 400 tokens",
        "one question, p50, ms",
        "one question, p99, ms",
        "questions/s, 16 clients; beside ours one at a time",
        "questions/s, 16 clients; beside the rival one at a time",
        "p99 with 16 clients, ms; beside p50 of one",
    ]


def test_repair_makes_the_caches_anew(capsys: pytest.CaptureFixture[str], indexed: Path) -> None:
    capsys.readouterr()
    before = told(capsys, 0, "search", "Belgorod", "--json")[0]
    for path in (indexed / "cache").rglob("*"):
        if path.is_file():
            path.write_bytes(b"damaged")
    assert told(capsys, 0, "repair")[0] == "search caches made anew at generation 1\n"
    assert told(capsys, 0, "search", "Belgorod", "--json")[0] == before


# What argparse refuses


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["nonsense"],
        ["index"],
        ["search"],
        ["search", "x", "y"],
        ["search", "x", "--lang", "de"],
        ["search", "x", "-k", "many"],
        ["search", "x", "--author", "me"],
        ["index", "x", "--date", "2023-02-30"],
        ["evaluate", "x", "--direction", "de-de"],
        ["bench", "nonsense"],
        ["serve", "--port", "http"],
    ],
)
def test_what_is_not_understood_ends_with_2_and_the_usage(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as raised:
        main(arguments)
    assert raised.value.code == 2
    written = capsys.readouterr()
    assert written.out == ""
    assert written.err.startswith("usage: filrouge")
    assert "error: " in written.err


def test_version_and_help(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments, start in ((["--version"], "filrouge 0."), (["--help"], "usage: filrouge"), (["index", "-h"], "usage: ")):
        with pytest.raises(SystemExit) as raised:
            main(arguments)
        assert raised.value.code == 0
        assert capsys.readouterr().out.startswith(start)


def test_every_option_has_a_help_text() -> None:
    for action in build_parser()._subparsers._group_actions[0].choices.values():  # type: ignore[union-attr]
        assert all(option.help for option in action._actions), action.prog


# A process of its own


def test_a_process_ends_with_the_status_of_its_command(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], seeds: Path
) -> None:
    assert filrouge("index", seeds).returncode == 0
    done = filrouge("search", "attaques de drones", "-k", "1", "--json")
    assert (done.returncode, done.stderr, len(json.loads(done.stdout)["hits"])) == (0, "", 1)
    for arguments, status in ((["search", ""], 1), (["search"], 2)):
        done = filrouge(*arguments)
        assert done.returncode == status
        assert "Traceback" not in done.stderr


def test_arguments_and_terminals_that_are_not_utf8_are_no_failure(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], indexed: Path
) -> None:
    question = os.fsdecode(b"drones \xff")
    found = json.loads(filrouge("search", question, "-k", "1", "--json", PYTHONIOENCODING="latin-1:strict").stdout)
    assert (found["query"], found["hits"][0]["entry_id"]) == ("drones \ufffd", "u4awslt5gpi37xjl")
    shown = filrouge("search", "drones", "-k", "1", PYTHONIOENCODING="ascii:strict")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "Plusieurs attaques de drones ont vis\\xe9 dans la nuit" in shown.stdout
    refused = filrouge("search", "x", "--index", question, "--json")
    assert (refused.returncode, refused.stderr.count("\n")) == (1, 1)
    assert json.loads(refused.stdout)["error"].startswith("no index in drones ")


# A short answer stays in the buffer until the end, a long one does not.
@pytest.mark.parametrize("as_json", [[], ["--json"], ["--json", "-k", "1"]])
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_has_seen_enough_is_no_failure_to_speak_of(
    environment: dict[str, str], indexed: Path, as_json: Any, unbuffered: str
) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [sys.executable, "-m", "api.cli", "search", "Belgorod", "-k", "100", *as_json],
        env={**environment, "PYTHONUNBUFFERED": unbuffered},
        stdout=write,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("as_json", [[], ["--json", "-k", "1"]])
def test_a_disk_that_is_full_of_output_is_told(environment: dict[str, str], indexed: Path, as_json: Any) -> None:
    with Path("/dev/full").open("w", encoding="utf-8") as full:
        done = subprocess.run(
            [sys.executable, "-m", "api.cli", "search", "Belgorod", *as_json],
            env=environment,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "filrouge: No space left on device\n")


WAITS = """
import signal, sys, time
from index import readers

def read(document):
    print("reading", flush=True)
    time.sleep(60)
    yield

readers.read = read
# Whoever started this test may have told its children to ignore interruptions.
signal.signal(signal.SIGINT, signal.default_int_handler)
from api.cli import main
sys.exit(main())
"""
"""The command line with a reader that waits in the middle of its work."""


def test_an_interruption_ends_with_130_and_keeps_what_was_committed(
    environment: dict[str, str], indexed: Path, seeds: Path
) -> None:
    command = subprocess.Popen(
        [sys.executable, "-c", WAITS, "index", str(seeds)],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert command.stdout is not None
    assert command.stdout.readline() == "reading\n"
    command.send_signal(signal.SIGINT)
    out, err = command.communicate(timeout=60)
    assert (command.returncode, out, err) == (130, "", "filrouge: interrupted; what was committed stays\n")
    with Store.open(indexed) as store:
        assert (store.generation(), store.counts(1)) == (1, (6, 11))
    # The lock went with its holder.
    assert main(["index", str(seeds)]) == 0


class Failing(HashingEncoder):
    """Fails to embed."""

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        raise EmbedError("the model 'failing' gave vectors that are not numbers")


def test_a_model_that_fails_is_one_sentence(
    capsys: pytest.CaptureFixture[str], indexed: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def loaded(*asked: object, **named: object) -> Encoder:
        return Failing()

    assert load("hashing").card == Failing().card
    monkeypatch.setattr("index.own_model.load", loaded)
    capsys.readouterr()
    _, err = told(capsys, 1, "search", "x")
    assert sentence(err) == "the model 'failing' gave vectors that are not numbers"
