"""Exports: every format over HTTP and on the command line, of a real index made with the hashing encoder."""

import csv
import io
import itertools
import json
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_args
from urllib.parse import parse_qs, urlsplit

import pytest
import pytrec_eval
import rispy
from httpx2 import Response
from pybtex.database import parse_string
from starlette.testclient import TestClient

from api import cli, exports
from api.app import create_app
from api.exports import FORMATS, Export, ExportQuery, FormatName, select_published
from api.rows import HIT_COLUMNS
from api.tables import plain
from embed.hashing import HashingEncoder
from index import measures
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher
from index.store import Store

QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"
SOURCE = "seeds/000_43b67c511cce9011.txt"


@pytest.fixture(scope="module")
def awkward_client(awkward_index: Path) -> Iterator[TestClient]:
    with TestClient(create_app(lambda: Searcher(awkward_index, HashingEncoder())), raise_server_exceptions=False) as client:
        yield client


def get(client: TestClient, **asked: Any) -> Response:
    response: Response = client.get("/export", params=asked)
    assert response.status_code == 200, response.text
    assert int(response.headers["content-length"]) == len(response.content)
    return response


def table(response: Response) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline=""), strict=True))


def lines(response: Response) -> list[dict[str, Any]]:
    return [json.loads(line) for line in response.content.decode().splitlines()]


# Rows


def test_jsonl_has_all_hits_of_a_question_as_search_gives_them_and_the_state_of_the_index(client: TestClient) -> None:
    searched = client.get("/search", params={"q": QUESTION, "k": 100}).json()
    found = lines(get(client, q=QUESTION, format="jsonl"))
    assert len(found) == 11
    for row in found:
        assert tuple(row) == HIT_COLUMNS
        assert [row.pop(name) for name in ("generation", "model", "known", "link")] == [1, "hashing", searched["known"], None]
    assert found == searched["hits"]


@pytest.mark.parametrize("asked", [{}, {"q": "café coffee"}])
def test_csv_says_what_jsonl_says_and_no_cell_begins_a_formula(awkward_client: TestClient, asked: dict[str, str]) -> None:
    rows = lines(get(awkward_client, **asked, format="jsonl"))
    response = get(awkward_client, **asked, format="csv")
    found = table(response)
    assert tuple(found[0]) == HIT_COLUMNS
    assert len(found) == len(rows) == 5
    for cells, row in zip(found, rows, strict=True):
        assert not any(cell.lstrip()[:1] in ("=", "+", "@") or cell[:1] in "\t\r\n" for cell in cells.values() if cell)
        for name, value in row.items():
            if isinstance(value, str):
                assert plain(cells[name]) == value
            else:
                assert cells[name] == ("" if value is None else json.dumps(value, separators=(",", ":")))
    assert {cells["text"][:5] for cells in found} >= {"'=1+1", "'-5 °"}


def test_pandas_reads_the_rows_as_they_are(awkward_client: TestClient) -> None:
    pandas = pytest.importorskip("pandas")
    rows = lines(get(awkward_client, q="café coffee", format="jsonl"))
    for bom in (False, True):
        frame = pandas.read_csv(io.BytesIO(get(awkward_client, q="café coffee", bom=bom).content), keep_default_na=False)
        assert tuple(frame.columns) == HIT_COLUMNS
        assert [plain(text) for text in frame["text"]] == [row["text"] for row in rows]
        assert frame["score"].tolist() == [row["score"] for row in rows]
        assert [json.loads(ranks) for ranks in frame["ranks"]] == [row["ranks"] for row in rows]


def test_without_a_question_rows_are_in_order_of_publication_and_have_no_score(awkward_client: TestClient) -> None:
    found = lines(get(awkward_client, format="jsonl"))
    assert [row["published"] for row in found] == [
        "2024-01-10",
        "2024-01-10T12:00:00+01:00",
        "2024-01-11T09:30:00+01:00",
        None,
        None,
    ]
    assert [(row["rank"], row["score"], row["ranks"]) for row in found] == [(rank, None, {}) for rank in range(1, 6)]


def test_a_byte_order_mark_is_there_where_it_is_asked_for(client: TestClient) -> None:
    assert get(client, format="csv").content.startswith(b"rank,")
    assert get(client, format="csv", bom=True).content.startswith(b"\xef\xbb\xbfrank,")


@pytest.mark.parametrize(
    ("asked", "keys"),
    [
        ({"lang": "en"}, {"b", "d"}),
        ({"since": "2024-01-11"}, {"a"}),
        ({"until": "2024-01-11", "lang": "fr"}, {"c"}),
        ({"source": "presse/article.txt"}, {"Le thé"}),
        ({"since": "2024-01-10T12:00+01:00", "until": "2024-01-10T12:01+01:00", "source": "presse/fil.jsonl"}, {"b", "c"}),
    ],
)
@pytest.mark.parametrize("question", [None, "café coffee"])
def test_filters_narrow_an_export(
    awkward_client: TestClient, asked: dict[str, str], keys: set[str], question: str | None
) -> None:
    given = asked if question is None else {**asked, "q": question}
    texts = {"=1+1": "a", "-5 °": "b", "'Déj": "c", "Nobo": "d", "Le t": "Le thé"}
    assert {texts[row["text"][:4]] for row in lines(get(awkward_client, **given, format="jsonl"))} == keys


def test_limit_and_min_score_cut_a_ranking(client: TestClient) -> None:
    every = [row["score"] for row in lines(get(client, q=QUESTION, format="jsonl"))]
    assert [row["score"] for row in lines(get(client, q=QUESTION, format="jsonl", limit=3))] == every[:3]
    least = every[4]
    found = [row["score"] for row in lines(get(client, q=QUESTION, format="jsonl", min_score=least))]
    assert found == [score for score in every if score >= least]
    assert 0 < len(found) < len(every)


# Records


def test_records_are_one_for_each_entry_with_its_text(client: TestClient) -> None:
    entries = {row["entry_id"] for row in lines(get(client, format="jsonl"))}
    found = rispy.loads(get(client, format="ris").content.decode())
    assert {one["accession_number"] for one in found} == entries
    assert len(found) == 6
    whole = {entry: client.get(f"/entries/{entry}").json()["text"] for entry in entries}
    assert all(one["abstract"] == whole[one["accession_number"]].replace("\n", " ") for one in found)
    assert {one["type_of_reference"] for one in found} == {"BLOG"}


def test_records_of_a_question_are_in_the_order_of_their_best_passages_which_are_their_abstracts(client: TestClient) -> None:
    best: dict[str, dict[str, Any]] = {}
    for row in lines(get(client, q=QUESTION, format="jsonl")):
        best.setdefault(row["entry_id"], row)
    expected = [(row["entry_id"], row["text"].replace("\n", " ")) for row in best.values()]
    items = get(client, q=QUESTION, format="csl-json").json()
    assert [(one["id"], one["abstract"]) for one in items] == expected
    records = rispy.loads(get(client, q=QUESTION, format="ris").content.decode())
    assert [(one["accession_number"], one["abstract"]) for one in records] == expected
    entries = parse_string(get(client, q=QUESTION, format="bibtex").content.decode(), "bibtex").entries
    assert list(entries) == [f"filrouge-{entry}" for entry, _ in expected]
    # A limit counts records here.
    assert [one["id"] for one in get(client, q=QUESTION, format="csl-json", limit=2).json()] == [one for one, _ in expected[:2]]


def test_an_article_is_news_and_a_live_blog_is_a_blog(awkward_client: TestClient) -> None:
    items = {one["title"]: one for one in get(awkward_client, format="csl-json").json()}
    kinds = {one["container-title"]: one["type"] for one in items.values()}
    assert kinds == {"example.org": "post-weblog", "presse/fil.jsonl": "post-weblog", "presse/article.txt": "article-newspaper"}
    assert items["=HYPERLINK(1)"]["issued"] == {"date-parts": [[2024, 1, 11]]}
    assert "issued" not in items["Nobody knows when the coffee came."]


def test_every_record_says_which_state_of_which_index_it_is_of(client: TestClient) -> None:
    response = get(client, format="csl-json")
    known = response.headers["filrouge-known"]
    told = f"filrouge, generation 1 known at {known}, model hashing"
    assert {one["note"] for one in response.json()} == {told}
    assert {one["database_provider"] for one in rispy.loads(get(client, format="ris").content.decode())} == {told}


# A run


def test_a_run_is_scored_as_our_own_measures_score_the_same_ranking(client: TestClient) -> None:
    questions = {"q1": QUESTION, "q2": "drones", "q3": "What did the Kremlin say about the incursion?"}
    run, ranked, grades = "", {}, {}
    for qid, question in questions.items():
        run += get(client, q=question, format="trec", qid=qid).content.decode()
        rows = lines(get(client, q=question, format="jsonl"))
        ranked[qid] = [f"{row['entry_id']}:{row['start']}-{row['end']}" for row in rows]
        # Judged as relevant, near the top and further down; the tool's gain is the grade, ours 2^grade - 1: alike for 1.
        grades[qid] = {ranked[qid][place]: 1 for place in (1, 4, 10)}
    names = {"ndcg_cut_10", "recip_rank", "recall_10", "success_1"}
    scored = pytrec_eval.RelevanceEvaluator(grades, names).evaluate(pytrec_eval.parse_run(run.splitlines()))
    assert set(scored) == set(questions)
    for qid in questions:
        assert scored[qid] == pytest.approx(
            {
                "ndcg_cut_10": measures.ndcg(ranked[qid], grades[qid]),
                "recip_rank": measures.reciprocal_rank(ranked[qid], grades[qid], 100),
                "recall_10": measures.recall(ranked[qid], grades[qid]),
                "success_1": measures.hit(ranked[qid], grades[qid]),
            }
        )


def test_scores_of_a_run_fall_with_every_rank(client: TestClient) -> None:
    found = [line.split(" ") for line in get(client, q="x", format="trec", qid="é1").content.decode().splitlines()]
    assert [line[:2] + line[3:4] + line[5:] for line in found] == [["é1", "Q0", str(rank), "filrouge"] for rank in range(1, 12)]
    scores = [float(line[4]) for line in found]
    assert all(one > other for one, other in itertools.pairwise(scores))


# What is said of it


@pytest.mark.parametrize("name", get_args(FormatName))
def test_every_export_says_what_it_is_and_how_to_have_it_again(client: TestClient, name: str) -> None:
    asked = {"q": QUESTION, "format": name, "lang": "fr", "limit": "3", "min_score": "0.001", "qid": "7", "since": "2023-05-23"}
    response = get(client, **asked)
    told = {key.removeprefix("filrouge-"): value for key, value in response.headers.items() if key.startswith("filrouge-")}
    permalink = told.pop("permalink")
    card = json.loads(told.pop("card"))
    assert (card["name"], card["dimension"], card["precision"]) == ("hashing", 256, "float32")
    known = told.pop("known")
    assert told == {"format": name, "rows": "3", "generation": "1", "model": "hashing"}
    assert response.headers["content-type"] == FORMATS[name].media
    filename = f"filrouge-qui-a-revendique-l-attaque-de-belgorod-g1{FORMATS[name].suffix}"
    assert response.headers["content-disposition"] == f'attachment; filename="{filename}"'
    again = parse_qs(urlsplit(permalink).query)
    assert again.pop("as_of") == [known]
    assert again.pop("since") == ["2023-05-23T00:00:00+02:00"]
    del asked["since"]
    if name != "trec":
        del asked["qid"]
    assert {key: value for key, (value,) in again.items()} == asked
    assert client.get(permalink).content == response.content


@pytest.mark.parametrize("name", get_args(FormatName))
def test_where_nothing_passes_the_filters_the_file_is_empty_and_a_message_says_so(client: TestClient, name: str) -> None:
    response = get(client, q="Où ?", format=name, since="2031-01-01")
    assert response.headers["filrouge-rows"] == "0"
    assert response.headers["filrouge-note"] == "no passage passes these filters: the file holds none"
    empty = {"csv": ",".join(HIT_COLUMNS) + "\r\n", "csl-json": "[\n]\n"}
    assert response.content.decode() == empty.get(name, "")


def test_a_score_that_none_reaches_is_told_as_such(client: TestClient) -> None:
    note = get(client, q=QUESTION, min_score=1).headers["filrouge-note"]
    assert note == "no passage passes these filters with such a score: the file holds none"


@pytest.mark.parametrize(
    ("asked", "field", "message"),
    [
        ({"format": "xls"}, "format", "Input should be 'csv', 'jsonl', 'ris', 'bibtex', 'csl-json' or 'trec'"),
        ({"limit": "0"}, "limit", "Input should be greater than or equal to 1"),
        ({"limit": "ten"}, "limit", "Input should be a valid integer"),
        ({"q": "x", "min_score": "2"}, "min_score", "Input should be less than or equal to 1"),
        ({"min_score": "0.5"}, "min_score", "needs a question"),
        ({"format": "trec"}, "q", "give one, or choose another format"),
        ({"q": "x", "format": "trec", "qid": "a b"}, "qid", "without spaces"),
        ({"q": " "}, "q", "the question is empty"),
        ({"q": "x" * 4001}, "q", "at most 4000 characters"),
        ({"k": "10"}, "k", "is not known"),
        ({"source": "nowhere"}, "source", "no source 'nowhere'"),
        ({"since": "yesterday"}, "since", "'yesterday'"),
        ({"since": "2024-01-02", "until": "2024-01-01"}, "until", "ends before it begins"),
        ({"as_of": "1999-01-01"}, "as_of", "did not exist"),
        ({"lang": "de"}, "lang", "Input should be 'fr' or 'en'"),
    ],
)
def test_what_cannot_be_exported_is_a_problem_that_names_the_field(
    client: TestClient, asked: dict[str, str], field: str, message: str
) -> None:
    response = client.get("/export", params=asked)
    assert response.status_code == 422
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert [fault["field"] for fault in problem["errors"]] == [field]
    assert message in problem["detail"]


def test_a_failure_in_the_middle_of_an_export_is_an_error_and_no_file(
    seed_index: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    from index.errors import StorageError

    real, calls = Store.passages, []

    def failing(self: Store, ids: list[int]) -> Any:
        calls.append(ids)
        if len(calls) > 1:
            raise StorageError("the index: disk I/O error")
        return real(self, ids)

    monkeypatch.setattr("index.selection._AT_ONCE", 4)
    monkeypatch.setattr(Store, "passages", failing)
    with TestClient(create_app(lambda: Searcher(seed_index, HashingEncoder())), raise_server_exceptions=False) as client:
        response = client.get("/export")
    assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
    assert len(calls) == 2
    # A file that was there stays as it was; on the standard output rows were written, and the status says that it failed.
    out = tmp_path / "out.csv"
    out.write_text("before")
    calls.clear()
    assert cli.main(["export", "--index", str(seed_index), "--model", "hashing", "--out", str(out)]) == 1
    assert out.read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]
    calls.clear()
    capsys.readouterr()
    assert cli.main(["export", "--index", str(seed_index), "--model", "hashing"]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("\r\n") > 1
    assert captured.err == "filrouge: the index: disk I/O error\n"


def test_memory_does_not_grow_with_the_export(write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder) -> None:
    text = "mot " * 20
    fil = write("fil.jsonl", "\n".join(json.dumps({"_id": str(i), "text": f"{i} {text}"}) for i in range(4000)))
    ingest([fil], tmp_path / "index", encoder, Facts(tz="UTC"))
    with Store.open(tmp_path / "index") as store:
        for name in ("csv", "ris"):
            export = Export(ExportQuery(format=name), select_published(ExportQuery(), store))
            size, peak = 0, []
            tracemalloc.start()
            for at, part in enumerate(export.parts()):
                size += len(part)
                if at in (1000, 3900):
                    peak.append(tracemalloc.get_traced_memory()[1])
                    tracemalloc.reset_peak()
            tracemalloc.stop()
            assert size > 800_000
            # The ids of entries that were seen are all that is kept of a row.
            assert peak[1] < peak[0] + 600_000


# The command line


def test_the_command_line_writes_what_http_sends(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], seed_index: Path, client: TestClient, tmp_path: Path
) -> None:
    for name in get_args(FormatName):
        out = tmp_path / name
        asked = ["export", QUESTION, "--index", seed_index, "--format", name, "--limit", "4", "--out", out]
        done = filrouge(*asked)
        assert (done.returncode, done.stdout) == (0, "")
        response = get(client, q=QUESTION, format=name, limit=4)
        assert out.read_bytes() == response.content
        told = (
            f"filrouge: {response.headers['filrouge-rows']} rows of generation 1, known at {response.headers['filrouge-known']}"
        )
        assert done.stderr == f"{told}, model hashing; again at {response.headers['filrouge-permalink']}\n"


def test_what_was_written_is_told_in_json(seed_index: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["export", "--index", str(seed_index), "--lang", "fr", "--out", str(tmp_path / "a.csv"), "--json"]
    assert cli.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"file", *exports.ExportOut.model_fields}
    assert (told["file"], told["rows"], told["note"]) == (str(tmp_path / "a.csv"), 11, None)
    assert cli.main(["export", "--index", str(seed_index), "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["error"] == "--json says what was written to a file: name one with --out"


def test_the_standard_output_is_utf_8_whatever_the_terminal_speaks(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], seed_index: Path, client: TestClient
) -> None:
    done = filrouge("export", "--index", seed_index, "--format", "jsonl", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert done.returncode == 0
    assert "é" in done.stdout
    assert done.stdout == get(client, format="jsonl").content.decode()


def test_an_empty_file_is_told_on_the_command_line(seed_index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["export", "--index", str(seed_index), "--since", "2031-01-01"]) == 0
    captured = capsys.readouterr()
    assert captured.out == ",".join(HIT_COLUMNS) + "\r\n"
    assert captured.err.startswith("filrouge: no passage passes these filters: the file holds none\nfilrouge: 0 rows of")


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        (["--format", "xls"], 2, "invalid choice"),
        (["--limit", "0"], 2, "'0' is not a number from 1 on"),
        (["x", "--min-score", "2"], 2, "'2' is not a number from 0 to 1"),
        (["--min-score", "0.5"], 1, "min_score needs a question"),
        (["--format", "trec"], 1, "a TREC run ranks passages for a question"),
        (["x", "--format", "trec", "--qid", "a b"], 1, "without spaces"),
        ([" "], 1, "the question is empty"),
        (["--source", "nowhere"], 1, "no source 'nowhere'"),
        (["--as-of", "1999-01-01"], 1, "did not exist"),
        (["--out", "/nowhere/at/all.csv"], 1, "cannot write /nowhere/at/all.csv"),
    ],
)
def test_what_cannot_be_exported_is_one_sentence_said_before_a_model_is_loaded(
    seed_index: Path, capsys: pytest.CaptureFixture[str], asked: list[str], status: int, message: str
) -> None:
    # A model that is not there would be missed if it were opened.
    arguments = ["export", "--index", str(seed_index), "--model", "/no/such/model", *asked]
    if status == 2:
        with pytest.raises(SystemExit) as ended:
            cli.main(arguments)
        assert ended.value.code == 2
    else:
        assert cli.main(arguments) == status
    assert message in capsys.readouterr().err


def test_the_choices_of_the_command_line_are_the_formats() -> None:
    parser = cli.build_parser()
    for name in get_args(FormatName):
        assert parser.parse_args(["export", "--format", name]).format == name
    assert tuple(FORMATS) == get_args(FormatName)
