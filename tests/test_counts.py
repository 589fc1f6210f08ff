"""How much there is about a question, over HTTP and on the command line, as searches with the same filters find it."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.answers import AnswerOut
from api.app import create_app
from api.chatbot import CallFailed, FoundsOut, call
from api.schemas import SearchOut
from embed.hashing import HashingEncoder
from index.counts import LEAST, count
from index.documents import Facts
from index.errors import FilrougeError, InvalidRequest
from index.ingest import ingest
from index.reader import Filters
from index.search import Searcher

LINES = {
    "le-fil": [
        ("1", "Un drone est abattu à Kiev.", "fr", "2023-05-22T23:30:00+02:00"),
        ("2", "Le maire de Kiev parle de « défense aérienne ».", "fr", "2023-05-23T08:00:00+02:00"),
        ("3", "Des drones encore, et une défense aérienne débordée.", "fr", "2023-05-23T09:30:00+02:00"),
        ("4", "On en sait le jour.", "fr", "2023-05-23"),
        ("5", "On n'en sait rien.", "fr", ""),
    ],
    "the-feed": [
        ("1", "Air defence shot down a drone over Kyiv.", "en", "2023-05-23T09:45:00+02:00"),
        ("2", "The mayor of Kyiv spoke.", "en", "2023-06-01T10:00:00+02:00"),
    ],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("counts")
    (home / "docs").mkdir()
    for name, lines in LINES.items():
        rows = [{"_id": key, "text": text, "lang": lang, "title": "", "published": when} for key, text, lang, when in lines]
        (home / "docs" / f"{name}.jsonl").write_text(
            "".join(json.dumps({k: v for k, v in row.items() if v}) + "\n" for row in rows)
        )
        ingest([home / "docs" / f"{name}.jsonl"], home / "index", HashingEncoder(), Facts(tz="Europe/Paris"))
    return home / "index"


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(lambda: Searcher(folder, HashingEncoder()))) as client:
        yield client


def got(client: TestClient, path: str, **asked: Any) -> dict[str, Any]:
    reply = client.get(path, params=asked)
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def test_everything_is_counted_where_nothing_is_asked(client: TestClient) -> None:
    found = got(client, "/histogram")
    assert (found["entries"], found["undated"]["entries"], found["step"], found["tz"]) == (7, 1, "day", "Europe/Paris")
    assert [(bar["since"][:10], bar["entries"]) for bar in found["bars"] if bar["entries"]] == [
        ("2023-05-22", 1),
        ("2023-05-23", 4),
        ("2023-06-01", 1),
    ]
    assert len(found["bars"]) == 11
    assert found["bars"][0]["until"] == found["bars"][1]["since"]
    assert (found["query"], found["least"], found["operators"], found["bars"][0]["parts"]) == (None, None, None, None)


QUERIES: list[tuple[dict[str, Any], int]] = [
    ({"q": '"défense aérienne"'}, 2),
    ({"q": '"defense aerienne"'}, 2),
    ({"q": "-drone"}, 4),
    ({"q": "-drone lang:fr"}, 3),
    ({"q": "source:feed"}, 2),
    ({"q": "published:2023-05-23"}, 4),
    ({"q": "before:2023-05-23"}, 1),
    ({"lang": "en"}, 2),
    ({"since": "2023-05-23", "until": "2023-05-24"}, 4),
    ({"source": "docs/the-feed.jsonl"}, 2),
    ({"q": '"air defence" OR "défense aérienne"'}, 3),
    ({"q": '"nowhere to be found"'}, 0),
]


@pytest.mark.parametrize(("asked", "entries"), QUERIES, ids=[json.dumps(asked) for asked, _ in QUERIES])
def test_a_count_is_what_a_search_with_the_same_operators_finds(
    client: TestClient, asked: dict[str, Any], entries: int
) -> None:
    facets = got(client, "/facets", **asked)
    histogram = got(client, "/histogram", **asked)
    found = got(client, "/search", **{"q": "lang:fr OR lang:en", **asked}, k=100)
    assert (facets["entries"], histogram["entries"], found["total"]) == (entries, entries, entries)
    assert sum(bar["entries"] for bar in histogram["bars"]) == entries - histogram["undated"]["entries"]
    for name in ("source", "lang"):
        assert sum(one["entries"] for one in facets[name]) == entries
    for name in ("year", "month", "day"):
        assert sum(one["entries"] for one in facets[name]) == entries - facets["undated"]["entries"]


def test_a_value_of_a_facet_is_what_its_filter_finds(client: TestClient) -> None:
    facets = got(client, "/facets")
    fields = {"source": "source", "lang": "lang", "year": "published", "month": "published", "day": "published"}
    for name, field in fields.items():
        for one in facets[name]:
            assert got(client, "/facets", q=f"{field}:{one['value']}")["entries"] == one["entries"], one


def test_words_count_where_their_score_is_high_enough(client: TestClient, folder: Path) -> None:
    with Searcher(folder, HashingEncoder()) as searcher:
        snapshot = searcher.reader.snapshot()
        scores = dict(searcher.everything("drone Kiev", Filters(), snapshot).fused)
    for least in (0.0, 0.02, LEAST, 0.5, 1.0):
        found = got(client, "/facets", q="drone Kiev", least=least)
        assert (found["entries"], found["least"]) == (sum(score >= least for score in scores.values()), least)
    assert got(client, "/facets", q="drone Kiev")["least"] == LEAST
    # Operators narrow what is ranked, and operators alone rank nothing.
    assert got(client, "/facets", q="drone Kiev lang:en", least=0)["entries"] == 2
    assert got(client, "/facets", q='"air defence"')["least"] is None


def test_bars_are_split_by_source_or_language(client: TestClient) -> None:
    found = got(client, "/histogram", split="lang", step="month")
    assert [[(one["value"], one["entries"]) for one in bar["parts"]] for bar in found["bars"]] == [
        [("fr", 4), ("en", 1)],
        [("en", 1)],
    ]


def test_hours_leave_out_what_has_none(client: TestClient) -> None:
    found = got(client, "/histogram", step="hour", until="2023-05-24")
    assert (found["day_only"], found["undated"]) == ({"entries": 1, "passages": 1}, {"entries": 0, "passages": 0})
    assert [(bar["since"], bar["entries"]) for bar in found["bars"] if bar["entries"]] == [
        ("2023-05-22T23:00:00+02:00", 1),
        ("2023-05-23T08:00:00+02:00", 1),
        ("2023-05-23T09:00:00+02:00", 2),
    ]


BAD: list[tuple[dict[str, Any], str]] = [
    ({"step": "minute"}, "step"),
    ({"split": "title"}, "split"),
    ({"least": 2}, "least"),
    ({"least": "x"}, "least"),
    ({"least": 0.5}, "least"),
    ({"least": 0.5, "q": "lang:fr"}, "least"),
    ({"q": ""}, "q"),
    ({"q": "lang:de"}, "q"),
    ({"q": "source:nowhere"}, "q"),
    ({"q": "x" * 4001}, "q"),
    ({"lang": "de"}, "lang"),
    ({"since": "yesterday"}, "since"),
    ({"since": "2023-05-24", "until": "2023-05-23"}, "until"),
    ({"source": "nowhere"}, "source"),
    ({"as_of": "1999-01-01"}, "as_of"),
    ({"k": 3}, "k"),
]


@pytest.mark.parametrize(("asked", "field"), BAD, ids=[json.dumps(asked)[:40] for asked, _ in BAD])
def test_what_cannot_be_counted_names_its_field(client: TestClient, asked: dict[str, Any], field: str) -> None:
    reply = client.get("/histogram", params=asked)
    assert (reply.status_code, reply.headers["content-type"]) == (422, "application/problem+json")
    assert reply.json()["errors"][0]["field"] == field, reply.text


def test_counting_needs_no_model_unless_there_are_words_to_rank_by(folder: Path) -> None:
    with Searcher(folder, None) as searcher:
        assert count(searcher).total.entries == 7
        assert count(searcher, '"air defence" -drone').total.entries == 0
        with pytest.raises(FilrougeError, match="opened without a model"):
            count(searcher, "drone")
        with pytest.raises(InvalidRequest, match=r"least is 1\.5"):
            count(searcher, "drone", least=1.5)


# The command line

Run = Callable[..., subprocess.CompletedProcess[str]]


def test_the_command_line_counts_what_http_counts(folder: Path, client: TestClient, filrouge: Run) -> None:
    done = filrouge("histogram", "-drone lang:fr", "--split", "source", "--step", "day", "--index", folder, "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == got(client, "/histogram", q="-drone lang:fr", split="source", step="day")
    done = filrouge("facets", "drone Kiev", "--least", "0.01", "--index", folder, "--json")
    assert json.loads(done.stdout) == got(client, "/facets", q="drone Kiev", least=0.01)


def test_the_command_line_draws_bars_and_tables(folder: Path, filrouge: Run) -> None:
    done = filrouge("histogram", "--index", folder, "--step", "month", "--split", "lang")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "2023-05       5  ████████████████████████████████████████  fr 4, en 1",
        "2023-06       1  ████████  en 1",
        "entries 7, passages 7; 1 without a time (Europe/Paris)",
    ]
    done = filrouge("facets", "lang:en", "--index", folder)
    assert done.stdout.splitlines() == [
        "source       2  docs/the-feed.jsonl",
        "lang         2  en",
        "year         2  2023",
        "month        1  2023-05",
        "month        1  2023-06",
        "day          1  2023-05-23",
        "day          1  2023-06-01",
        "entries 2, passages 2 (Europe/Paris)",
    ]
    hours = filrouge("histogram", "published:2023-05-23", "--index", folder, "--step", "hour").stdout.splitlines()
    assert hours[0].split()[:2] == ["2023-05-23T08:00", "1"]
    assert hours[-1] == "of 1 only the day is known: in no hour"
    ranked = filrouge("facets", "drone", "--index", folder, "--least", "1").stdout
    assert ranked == "entries 0, passages 0, with a score of 1 or more (Europe/Paris)\n"


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["histogram", "--step", "minute"], 2, "invalid choice: 'minute'"),
        (["histogram", "--split", "title"], 2, "invalid choice: 'title'"),
        (["histogram", "--least", "2"], 2, "'2' is not a number from 0 to 1"),
        (["histogram", "--least", "0.5"], 1, "least is a score"),
        (["facets", "lang:de"], 1, "lang:de: write lang:fr or lang:en"),
        (["facets", ""], 1, "the question is empty"),
        (["histogram", "source:nowhere"], 1, "no source of this index has that in its name"),
        (["histogram", "--as-of", "1999-01-01"], 1, "the index did not exist"),
        (["similar", "nowhere"], 1, "no entry 'nowhere' in this index"),
        (["similar"], 2, "the following arguments are required: ENTRY"),
        (["search", "Kiev", "--cursor", "abc"], 1, "this is no cursor of this index"),
        (["search", "sorce:x Kiev"], 1, "did you mean source:?"),
        (["ask", "Kiev lang:de"], 1, "lang:de: write lang:fr or lang:en"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_command_line_refuses_with_a_sentence(
    folder: Path, filrouge: Run, arguments: list[str], status: int, message: str
) -> None:
    done = filrouge(*arguments, "--index", folder)
    assert (done.returncode, done.stdout) == (status, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_search_on_the_command_line_says_what_it_understood_and_how_to_go_on(folder: Path, filrouge: Run) -> None:
    first = filrouge("search", 'drone -maire source:fil Who: "x"?', "-k", "1", "--index", folder, "--literal")
    assert first.returncode == 0
    assert "read as words" not in first.stdout
    first = filrouge("search", "drone -maire source:fil", "-k", "1", "--index", folder)
    lines = first.stdout.splitlines()
    assert lines[:2] == ["-maire  must not be said", "source:fil  must be so"]
    assert not any("--cursor" in line for line in lines)
    told = json.loads(filrouge("search", "drone -maire source:fil", "-k", "1", "--index", folder, "--json").stdout)
    assert told["total"] == 4
    second = filrouge("search", "drone -maire source:fil", "-k", "9", "--index", folder, "--cursor", told["next"])
    assert [line.split()[0] for line in second.stdout.splitlines() if line[2:3] == "."] == ["2.", "3.", "4."]


def test_an_answer_obeys_operators_and_keeps_the_places_of_its_question(client: TestClient) -> None:
    found = got(client, "/ask", q="-maire Qui a parlé de défense aérienne le 23 mai 2023 ? source:fil", threshold=0)
    assert {hit["source"] for hit in found["hits"]} == {"docs/le-fil.jsonl"}
    assert not any("maire" in hit["text"] for hit in found["hits"])
    assert [found["question"][one["start"] : one["end"]] for one in found["window"]["phrases"]] == ["le 23 mai 2023"]
    assert [part["text"] for part in found["operators"]["parts"]] == ["-maire", "source:fil"]
    assert found["operators"]["question"] == "Qui a parlé de défense aérienne le 23 mai 2023 ?"
    alone = got(client, "/ask", q="lang:fr before:2023-05-23")
    assert (alone["answered"], alone["code"], len(alone["hits"])) == (False, "not_a_question", 1)
    none = got(client, "/ask", q="lang:fr before:2020")
    assert (none["code"], none["hits"]) == ("nothing_to_search", [])


def test_a_chatbot_has_operators_and_pages_and_a_connector_neither(folder: Path) -> None:
    with Searcher(folder, HashingEncoder()) as searcher:
        asked = {"query": "drone -maire lang:fr", "k": 1}
        first = call(searcher, "search_passages", asked)
        assert isinstance(first, SearchOut)
        assert (first.total, first.operators and [part.text for part in first.operators.parts]) == (4, ["-maire", "lang:fr"])
        second = call(searcher, "search_passages", {**asked, "cursor": first.next})
        assert isinstance(second, SearchOut)
        assert [hit.rank for hit in second.hits] == [2]
        with pytest.raises(CallFailed, match="query: lang:de: write lang:fr or lang:en"):
            call(searcher, "search_passages", {"query": "drone lang:de"})
        with pytest.raises(CallFailed, match="cursor: this is no cursor of this index"):
            call(searcher, "search_passages", {**asked, "cursor": "x"})
        answer = call(searcher, "ask", {"question": "Who spoke? -Kyiv", "threshold": 0})
        assert isinstance(answer, AnswerOut)
        assert not any("Kyiv" in hit.text for hit in answer.hits)
        # It could not show what it understood.
        found = call(searcher, "search", {"query": "drone lang:en -Kyiv"})
        assert isinstance(found, FoundsOut)
        assert {"fr", "en"} == {searcher.reader.store.entry(one.id, first.generation).lang for one in found.results}


def test_an_export_and_a_feed_obey_operators(client: TestClient, folder: Path, filrouge: Run, tmp_path: Path) -> None:
    def exported(query: str, **more: Any) -> list[str]:
        reply = client.get("/export", params={"q": query, "format": "jsonl", **more})
        assert reply.status_code == 200, reply.text
        return [json.loads(line)["text"] for line in reply.text.splitlines()]

    assert sorted(exported("Kiev -maire lang:fr")) == sorted(text for _, text, _, _ in LINES["le-fil"] if "maire" not in text)
    # Operators alone give the order of publication.
    assert exported("published:2023-05-23 -jour lang:fr") == [LINES["le-fil"][1][1], LINES["le-fil"][2][1]]
    assert len(exported("Kiev -maire lang:fr", literal="true")) == 7
    refused = client.get("/export", params={"q": "lang:fr", "min_score": 0.5})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "min_score")
    refused = client.get("/export", params={"q": "lang:de"})
    assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "q")
    out = tmp_path / "out.csv"
    done = filrouge("export", "Kiev -maire", "--index", folder, "--out", out, "--json")
    about = json.loads(done.stdout)
    assert (about["rows"], [part["text"] for part in about["operators"]["parts"]]) == (6, ["-maire"])
    assert client.get(about["permalink"]).text.count("\n") == out.read_text().count("\n")
    feed = client.get("/feed.atom", params={"q": '"défense aérienne" OR "air defence"'}).text
    assert feed.count("<entry ") == 3
    assert client.get("/feed.atom", params={"q": "lang:en -drone"}).text.count("<entry ") == 1


def test_the_page_shows_operators_as_what_can_be_taken_away(client: TestClient) -> None:
    shown = client.get("/", params={"q": 'drone -maire lang:fr "Kiev"', "ui": "en"}).text
    for rest in ("drone+lang%3Afr+%22Kiev%22", "drone+-maire+%22Kiev%22", "drone+-maire+lang%3Afr"):
        assert f'href="/?q={rest}&amp;ui=en"' in shown
    assert "blockquote" not in client.get("/", params={"q": "drone lang:de"}).text
    assert client.get("/", params={"q": "drone lang:de"}).status_code == 422
