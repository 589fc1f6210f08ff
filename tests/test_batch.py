"""Many questions at once, over HTTP and on the command line."""

import csv
import io
import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytrec_eval
from httpx2 import Response
from starlette.testclient import TestClient

from api import cli
from api.batch import ANSWER_COLUMNS, FOUND_COLUMNS, MOST, Batch, BatchOut, BatchQuery, prepare
from api.commands import INTERRUPTED
from api.rows import hit_row, quote_row
from api.tables import plain
from embed.hashing import HashingEncoder
from index import measures
from index.answer import ask
from index.documents import Facts
from index.errors import InvalidRequest, StorageError
from index.ingest import ingest
from index.search import Searcher

QUESTIONS = {
    "q1": "Qui a revendiqué l’attaque de Belgorod ?",
    "q2": "Who is training Ukrainian pilots?",
    "q3": "=1+1",
    "q4": "Rien ?",
}
TABLE = "id,question,since\n" + "".join(
    f"{name},{question},{'2031-01-01' if name == 'q4' else ''}\n" for name, question in QUESTIONS.items()
)


@pytest.fixture(scope="module")
def searcher(seed_index: Path) -> Iterator[Searcher]:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        yield searcher


def post(client: TestClient, table: str = TABLE, **asked: Any) -> Response:
    response: Response = client.post(
        "/batch", params=asked, content=table.encode(), headers={"Content-Type": "text/csv; charset=utf-8"}
    )
    return response


def rows(response: Response) -> list[dict[str, str]]:
    assert response.status_code == 200, response.text
    return list(csv.DictReader(io.StringIO(response.content.decode(), newline=""), strict=True))


def test_a_csv_has_all_hits_of_each_question_as_a_search_gives_them(client: TestClient, searcher: Searcher) -> None:
    found = rows(post(client, k=100))
    assert tuple(found[0]) == FOUND_COLUMNS
    for name, question in list(QUESTIONS.items())[:3]:
        some = [cells for cells in found if cells["id"] == name]
        hits = [hit_row(hit) for hit in searcher.search(question, 100).hits]
        assert len(some) == len(hits) == 11
        for cells, hit in zip(some, hits, strict=True):
            assert plain(cells["question"]) == question
            assert (int(cells["rank"]), float(cells["score"])) == (hit["rank"], hit["score"])
            assert (plain(cells["text"]), cells["entry_id"]) == (hit["text"], hit["entry_id"])
            assert json.loads(cells["ranks"]) == hit["ranks"]
            assert (cells["generation"], cells["model"], cells["note"]) == ("1", "hashing", "")
    (none,) = [cells for cells in found if cells["id"] == "q4"]
    assert {name: cell for name, cell in none.items() if cell} == {
        "id": "q4",
        "question": "Rien ?",
        "generation": "1",
        "known": none["known"],
        "model": "hashing",
        "note": "no passage passes these filters",
    }


def test_json_lines_have_what_the_address_of_one_question_gives(client: TestClient) -> None:
    for asks, address, name in ((False, "/search", "query"), (True, "/ask", "question")):
        now = {"now": "2023-05-24"} if asks else {}
        response = post(client, format="jsonl", k=3, ask=asks, **now)
        found = [json.loads(line) for line in response.content.decode().splitlines()]
        assert [one.pop("id") for one in found] == list(QUESTIONS)
        notes = [one.pop("note") for one in found]
        assert notes[3] == ("No passage passes these filters: widen them." if asks else "no passage passes these filters") or (
            asks and notes[3].startswith("Aucun passage")
        )
        assert (notes[0] is None) is (not asks or found[0]["answered"])
        for one in found[:3]:
            assert one == client.get(address, params={"q": one[name], "k": 3, **now}).json()


def test_answers_are_the_quotes_of_ask_and_say_why_there_are_none(client: TestClient, searcher: Searcher) -> None:
    found = rows(post(client, ask=True, threshold=0.1))
    assert tuple(found[0]) == ANSWER_COLUMNS
    for name, question in list(QUESTIONS.items())[:3]:
        some = [cells for cells in found if cells["id"] == name]
        answer = ask(searcher, question, threshold=0.1)
        assert {cells["answered"] for cells in some} == {"true" if answer.answered else "false"}
        assert {float(cells["confidence"]) for cells in some} == {answer.confidence}
        if answer.answered:
            assert [plain(cells["text"]) for cells in some] == [quote_row(quote)["text"] for quote in answer.quotes]
            assert [int(cells["rank"]) for cells in some] == list(range(1, len(answer.quotes) + 1))
            assert {(cells["code"], cells["note"]) for cells in some} == {("", "")}
        else:
            (cells,) = some
            assert (cells["code"], cells["text"]) == (str(answer.reason), "")
            assert cells["note"]
    assert {cells["code"] for cells in found} >= {"nothing_to_search", "not_a_question"}
    assert any(cells["answered"] == "true" for cells in found)


def test_a_run_of_a_batch_is_scored_as_our_own_measures_score_it(client: TestClient, searcher: Searcher) -> None:
    run = pytrec_eval.parse_run(post(client, format="trec").content.decode().splitlines())
    # The question that found nothing has no line.
    assert set(run) == {"q1", "q2", "q3"}
    ranked = {name: sorted(items, key=lambda one: -items[one]) for name, items in run.items()}
    assert ranked["q1"] == [
        f"{hit.passage.entry.id}:{hit.passage.start}-{hit.passage.end}" for hit in searcher.search(QUESTIONS["q1"]).hits
    ]
    grades = {name: {items[1]: 1, items[6]: 1, "absent": 1} for name, items in ranked.items()}
    scored = pytrec_eval.RelevanceEvaluator(grades, {"ndcg_cut_10", "recip_rank", "recall_10"}).evaluate(run)
    for name, items in ranked.items():
        ours = (measures.ndcg(items, grades[name]), measures.reciprocal_rank(items, grades[name]))
        assert (scored[name]["ndcg_cut_10"], scored[name]["recip_rank"]) == pytest.approx(ours)
        assert scored[name]["recall_10"] == pytest.approx(measures.recall(items, grades[name]))


def test_what_became_of_the_questions_is_told_with_the_state_of_the_index(client: TestClient) -> None:
    headers = post(client).headers
    told = {name.removeprefix("filrouge-"): value for name, value in headers.items() if name.startswith("filrouge-")}
    assert set(told) == set(BatchOut.model_fields)
    assert (told["questions"], told["asked"], told["failed"], told["generation"]) == ("4", "4", "0", "1")
    why = "no passage passes these filters"
    assert json.loads(told["missed"]) == [{"row": 5, "id": "q4", "question": "Rien ?", "why": why}]
    assert headers["content-disposition"] == 'attachment; filename="filrouge-hits-g1.csv"'
    assert 'filename="filrouge-answers-g1.jsonl"' in post(client, ask=True, format="jsonl").headers["content-disposition"]
    # As of the moment at which that state was known, the same is found again.
    assert post(client, as_of=told["known"]).content == post(client).content


@pytest.mark.parametrize(
    ("table", "asked", "fields", "message"),
    [
        ("question,lang\nOù ?,xx\nQui ?,yy\n", {}, ["row 2, lang", "row 3, lang"], "Nothing was asked"),
        ("texte\nOù ?\n", {}, ["columns"], "must name one column 'question'"),
        (TABLE, {"k": 0}, ["k"], "greater than or equal to 1"),
        (TABLE, {"k": 101}, ["k"], "less than or equal to 100"),
        (TABLE, {"format": "ris"}, ["format"], "'csv', 'jsonl' or 'trec'"),
        (TABLE, {"format": "trec", "ask": True}, ["format"], "holds rankings and no answers"),
        (TABLE, {"now": "newest"}, ["now"], "are for answers"),
        (TABLE, {"threshold": 0.5}, ["threshold"], "are for answers"),
        (TABLE, {"ask": True, "now": "demain"}, ["now"], "'demain'"),
        (TABLE, {"as_of": "1999-01-01"}, ["as_of"], "did not exist"),
        ("question\n" + "Où ?\n" * (MOST + 1), {}, ["questions"], "there are 1001, and 1000 are taken at once"),
    ],
)
def test_what_cannot_be_asked_is_a_problem_that_names_the_fields(
    client: TestClient, table: str, asked: dict[str, Any], fields: list[str], message: str
) -> None:
    response = post(client, table, **asked)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert [fault["field"] for fault in response.json()["errors"]] == fields
    assert message in response.json()["detail"]


@pytest.mark.parametrize("kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_does_not_say_that_it_is_a_csv_is_refused(client: TestClient, kind: str) -> None:
    response = client.post("/batch", content=TABLE.encode(), headers={"Content-Type": kind})
    assert (response.status_code, response.headers["content-type"]) == (415, "application/problem+json")
    assert "Content-Type: text/csv" in response.json()["detail"]


def test_all_questions_are_asked_of_one_state_while_a_writer_commits(
    write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    fil, index = write("fil.txt", "10h00 : Le thé\nLe thé est froid.\n"), tmp_path / "index"
    ingest([fil], index, encoder, Facts(tz="UTC"))
    for asks in (False, True):
        with Searcher(index, encoder) as searcher:
            query = BatchQuery(ask=asks, format="jsonl")
            asked = prepare("question\nLe thé ?\nLe thé est froid ?\n".encode(), query, searcher.reader.store)
            parts = Batch(asked, query, searcher).parts()
            first = json.loads(next(parts))
            write("fil.txt", f"10h00 : Le thé\nLe thé est {'chaud' if asks else 'tiède'}.\n")
            ingest([fil], index, encoder, Facts(tz="UTC"))
            assert searcher.reader.snapshot().generation > first["generation"]
            second = json.loads(next(parts))
            assert second["generation"] == first["generation"]
            assert [hit["text"] for hit in second["hits"]] == [hit["text"] for hit in first["hits"]]


def test_one_question_that_cannot_be_asked_is_named_and_the_others_go_on(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Searcher.search

    def failing(self: Searcher, question: str, *more: Any) -> Any:
        if question == QUESTIONS["q2"]:
            raise InvalidRequest("a phrase is not closed", "query")
        return real(self, question, *more)

    monkeypatch.setattr(Searcher, "search", failing)
    batch = Batch(prepare(TABLE.encode(), BatchQuery(), searcher.reader.store), BatchQuery(k=1), searcher)
    written = list(csv.DictReader(io.StringIO("".join(batch.parts()), newline="")))
    assert [(cells["id"], cells["note"]) for cells in written] == [
        ("q1", ""),
        ("q2", "could not be asked: a phrase is not closed"),
        ("q3", ""),
        ("q4", "no passage passes these filters"),
    ]
    assert (batch.about().failed, [one.id for one in batch.about().missed]) == (1, ["q2", "q4"])


# The command line


def test_the_command_line_writes_what_http_sends_and_names_what_found_nothing(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], seed_index: Path, client: TestClient, write: Callable[..., Path]
) -> None:
    table = write("questions.csv", TABLE)
    given: list[dict[str, Any]] = [{}, {"format": "trec", "k": 2}, {"ask": True, "format": "jsonl", "now": "2023-05-24"}]
    for asked in given:
        options = [part for name, value in asked.items() for part in ("-k" if name == "k" else f"--{name}", str(value))]
        options = [part for part in options if part != "True"]
        done = filrouge("batch", table, "--index", seed_index, *options, "--out", "out")
        assert (done.returncode, done.stdout) == (0, "")
        response = post(client, **asked)
        assert (table.parent / "out").read_bytes() == response.content
        for one in json.loads(response.headers["filrouge-missed"]):
            assert f"filrouge: row {one['row']}, {one['id']}: {one['question']}: {one['why']}\n" in done.stderr
        found = 4 - len(json.loads(response.headers["filrouge-missed"]))
        assert f"filrouge: {found} of 4 questions found something, in generation 1, known at " in done.stderr


def test_what_became_of_them_is_told_in_json(
    seed_index: Path, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.csv"
    asked = ["batch", str(write("questions.csv", TABLE)), "--index", str(seed_index), "--out", str(out), "--json"]
    assert cli.main(asked) == 0
    told = json.loads(capsys.readouterr().out)
    assert set(told) == {"file", *BatchOut.model_fields}
    assert (told["file"], told["asked"], [one["row"] for one in told["missed"]]) == (str(out), 4, [5])
    assert cli.main([*asked[:4], "--json"]) == 1


def test_a_batch_that_is_broken_off_keeps_what_was_answered(
    seed_index: Path,
    write: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = Searcher.search
    out, table = tmp_path / "out.csv", write("questions.csv", TABLE)
    asked = ["batch", str(table), "--index", str(seed_index), "-k", "1", "--out", str(out)]
    assert cli.main(asked) == 0
    whole = out.read_bytes()
    for error, status, why in (
        (StorageError("the index: disk I/O error"), 1, "the index: disk I/O error"),
        (KeyboardInterrupt(), INTERRUPTED, "interrupted"),
    ):

        def failing(self: Searcher, question: str, *more: Any, error: BaseException = error) -> Any:
            if question == QUESTIONS["q3"]:
                raise error
            return real(self, question, *more)

        monkeypatch.setattr(Searcher, "search", failing)
        capsys.readouterr()
        assert cli.main(asked) == status
        partial = tmp_path / "out.csv.partial"
        assert capsys.readouterr().err.endswith(f"filrouge: broken off after 2, which are in {partial}: {why}\n")
        assert whole.startswith(partial.read_bytes())
        kept = list(csv.DictReader(io.StringIO(partial.read_text(), newline="")))
        assert [cells["id"] for cells in kept] == ["q1", "q2"]
        # What was there before is still there.
        assert out.read_bytes() == whole
        assert not list(tmp_path.glob(".*.part"))
        partial.unlink()


def test_a_batch_that_fails_at_its_first_question_leaves_the_file_as_it_was(
    seed_index: Path, write: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*given: Any) -> Any:
        raise StorageError("the index: disk I/O error")

    monkeypatch.setattr(Searcher, "search", failing)
    out = tmp_path / "out.csv"
    out.write_text("before")
    asked = ["batch", str(write("questions.csv", TABLE)), "--index", str(seed_index), "--out", str(out)]
    assert cli.main(asked) == 1
    assert out.read_text() == "before"
    assert not (tmp_path / "out.csv.partial").exists()


def test_a_bad_row_is_named_before_a_model_is_loaded_and_nothing_is_written(
    seed_index: Path, write: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"Question {number} ?,," for number in range(2, 5000)]
    table = write("questions.csv", "\n".join(["question,lang,since", *rows, "Où ?,,le 31", "Qui ?,,"]))
    out = tmp_path / "out.csv"
    asked = ["batch", str(table), "--index", str(seed_index), "--model", "/no/such/model", "--out", str(out)]
    assert cli.main(asked) == 1
    error = capsys.readouterr().err
    assert error.startswith("filrouge: row 5000, since: ")
    assert error.endswith(". Nothing was asked\n")
    assert error.count("\n") == 1
    assert not out.exists()


def test_a_table_that_is_not_there_is_one_sentence(seed_index: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["batch", "nowhere.csv", "--index", str(seed_index)]) == 1
    assert capsys.readouterr().err == "filrouge: nowhere.csv: No such file or directory\n"
