"""The same question finds the same at every door: Python, HTTP, the command line and MCP."""

import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx2
import pytest
from mcp import Client

from api.cli import main
from embed import Encoder
from embed.hashing import HashingEncoder
from index.corpus import Corpus

NOW = "2023-05-23T12:00:00+02:00"
SOURCE = "seeds/000_43b67c511cce9011.txt"
ASKED: list[tuple[str, dict[str, Any]]] = [
    ("Qui a revendiqué l’attaque de Belgorod ?", {}),
    ("What did the Kremlin say about the incursion?", {"k": 3, "lang": "fr"}),
    ("Où est le Premier ministre russe ce matin ?", {"k": 5, "since": "2023-05-23T06:30", "until": "2023-05-23T08:00"}),
    ('« drones » & F-16 "pilotes" 100 % ?', {"k": 100, "source": SOURCE}),
    ("attaque Belgorod", {"k": 1}),
    ('"Légion Liberté" OR Shanghai -Kremlin before:2023-05-24', {"k": 4}),
]
Reply = dict[str, Any]
Door = Callable[[str, str, dict[str, Any]], Reply]
"""What was asked ("search" or "ask"), the question, and what narrows it -> the reply as JSON."""


@pytest.fixture(scope="module")
def url(seed_index: Path, serving: Callable[[Path, Encoder], AbstractContextManager[str]]) -> Iterator[str]:
    with serving(seed_index, HashingEncoder()) as url:
        yield url


@pytest.fixture
def doors(url: str, seed_index: Path, capsys: pytest.CaptureFixture[str]) -> dict[str, Door]:
    """Every door that answers with JSON, by its name."""

    def get(what: str, question: str, asked: dict[str, Any]) -> Reply:
        return answer(httpx2.get(f"{url}/{what}?{urlencode({'q': question, **asked})}", timeout=60))

    def post(what: str, question: str, asked: dict[str, Any]) -> Reply:
        return answer(httpx2.post(f"{url}/{what}", json={field(what): question, **asked}, timeout=60))

    def command(what: str, question: str, asked: dict[str, Any]) -> Reply:
        options = [part for name, value in asked.items() for part in ("-k" if name == "k" else f"--{name}", str(value))]
        capsys.readouterr()
        assert main([what, question, *options, "--index", str(seed_index), "--json"]) == 0
        reply: Reply = json.loads(capsys.readouterr().out)
        return reply

    def chatbot(what: str, question: str, asked: dict[str, Any]) -> Reply:
        async def call() -> Any:
            async with Client(f"{url}/mcp", read_timeout_seconds=60) as client:
                tool = "search_passages" if what == "search" else what
                return (await client.call_tool(tool, {field(what): question, **asked})).structured_content

        reply: Reply = anyio.run(call)
        return reply

    return {"GET": get, "POST": post, "command": command, "MCP": chatbot}


def field(what: str) -> str:
    return "query" if what == "search" else "question"


def answer(response: httpx2.Response) -> Reply:
    assert response.status_code == 200, response.text
    reply: Reply = response.json()
    return reply


def places(hits: list[Reply]) -> list[tuple[Any, ...]]:
    return [(hit["entry_id"], hit["passage_id"], hit["start"], hit["end"], hit["score"]) for hit in hits]


@pytest.mark.parametrize(("question", "asked"), ASKED)
def test_the_same_search_finds_the_same_passages(
    doors: dict[str, Door], seed_index: Path, question: str, asked: dict[str, Any]
) -> None:
    replies = {name: door("search", question, asked) for name, door in doors.items()}
    with Corpus(seed_index, HashingEncoder()) as fil:
        hits = fil.search(question, **asked)
    assert hits
    found = [(hit.entry.id, hit.passage.id, hit.start, hit.end, round(hit.score, 6)) for hit in hits]
    for name, reply in replies.items():
        assert places(reply["hits"]) == found, name
        assert reply == replies["GET"], name


@pytest.mark.parametrize(("question", "asked"), ASKED)
def test_the_same_question_has_the_same_answer(
    doors: dict[str, Door], seed_index: Path, question: str, asked: dict[str, Any]
) -> None:
    asked = {**asked, "now": NOW, "threshold": 0}
    replies = {name: door("ask", question, asked) for name, door in doors.items()}
    with Corpus(seed_index, HashingEncoder()) as fil:
        own = fil.ask(question, **asked)
    quotes = [(quote.entry.id, quote.passage_id, quote.start, quote.end) for quote in own.quotes]
    found = [(hit.entry.id, hit.passage.id, hit.start, hit.end, round(hit.score, 6)) for hit in own.hits]
    for name, reply in replies.items():
        assert (reply["answered"], reply["code"], reply["confidence"]) == (own.answered, own.reason, own.confidence), name
        assert [(one["entry_id"], one["passage_id"], one["start"], one["end"]) for one in reply["answer"]] == quotes, name
        assert places(reply["hits"]) == found, name
        assert reply == replies["GET"], name


def test_an_entry_and_the_sources_are_the_same_in_python_and_over_http(url: str, seed_index: Path) -> None:
    with Corpus(seed_index, HashingEncoder()) as fil:
        entry = fil.entry(fil.search(ASKED[0][0], 1)[0].entry.id)
        sources = fil.sources()
    whole = answer(httpx2.get(f"{url}/entries/{entry.entry.id}", timeout=60))
    assert (whole["title"], whole["text"], tuple(whole["twins"])) == (entry.title, entry.text, entry.twins)
    assert [(one["passage_id"], one["start"], one["end"]) for one in whole["passages"]] == [
        (passage.id, passage.start, passage.end) for passage in entry.passages
    ]
    listed = answer(httpx2.get(f"{url}/sources", timeout=60))["sources"]
    assert [(one["source"], one["entries"], one["passages"]) for one in listed] == [
        (source.name, source.entries, source.passages) for source in sources
    ]
