"""MCP, with its own client: over stdio to a process and over HTTP to a running server, in two versions of the protocol."""

import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters, types
from mcp.shared.exceptions import MCPError

import api
from api import chatbot
from api.app import create_app
from api.mcp import PATH
from embed import Encoder
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

SOURCE = "seeds/000_43b67c511cce9011.txt"
CLAIMED = "ubxvdkf7eu7o63mc"
"""The entry that says who claimed the attack."""
ACCEPT = {"Accept": "application/json, text/event-stream"}
# The newest, in which every request stands alone, and the one before, with its handshake.
MODES = ("auto", "legacy")
QUESTIONS = ["Qui a revendiqué l’attaque de Belgorod ?", "What did the Kremlin say about the incursion?"]
Open = Callable[[], Any]
Serving = Callable[[Path, Encoder], AbstractContextManager[str]]


class Served:
    """A server on the loopback, and its answers."""

    def __init__(self, url: str) -> None:
        self.url = url

    def get(self, path: str, **asked: Any) -> Any:
        """What HTTP answers."""
        response = httpx2.get(f"{self.url}{path}?{urlencode(asked)}", timeout=60)
        assert response.status_code == 200, response.text
        return response.json()

    def post(self, body: object, **headers: str) -> httpx2.Response:
        """A request as any program may send it."""
        return httpx2.post(self.url + PATH, json=body, headers={**ACCEPT, **headers}, timeout=60)


@pytest.fixture(scope="module")
def served(seed_index: Path, serving: Serving) -> Iterator[Served]:
    """`seed_index` over HTTP."""
    with serving(seed_index, HashingEncoder()) as url:
        yield Served(url)


@pytest.fixture
def stdio(seed_index: Path, environment: dict[str, str], tmp_path: Path) -> StdioServerParameters:
    """What a desktop client is told to start."""
    return StdioServerParameters(
        command=sys.executable, args=["-m", "api.cli", "mcp", "--index", str(seed_index)], env=environment, cwd=tmp_path
    )


@pytest.fixture(params=[f"{door} {mode}" for door in ("stdio", "http") for mode in MODES])
def opened(request: pytest.FixtureRequest, stdio: StdioServerParameters, served: Served) -> Open:
    """A client over either transport, in either generation of the protocol."""
    door, mode = request.param.split()
    return lambda: Client(stdio if door == "stdio" else served.url + PATH, mode=mode, read_timeout_seconds=60)


def run(work: Callable[[], Awaitable[None]]) -> None:
    """Run to the end, or fail within two minutes instead of waiting for ever."""

    async def limited() -> None:
        with anyio.fail_after(120):
            await work()

    anyio.run(limited)


def text(result: types.CallToolResult) -> str:
    """The one item of a result."""
    (item,) = result.content
    assert isinstance(item, types.TextContent)
    return item.text


# What there is


def test_a_client_finds_the_tools_and_resources_and_is_taught_to_ask(opened: Open) -> None:
    async def work() -> None:
        async with opened() as client:
            tools = (await client.list_tools()).tools
            assert [tool.name for tool in tools] == ["search", "fetch", "search_passages", "ask"]
            for tool in tools:
                assert tool.annotations is not None
                assert (tool.annotations.read_only_hint, tool.annotations.open_world_hint) == (True, False)
                assert tool.annotations.destructive_hint is False
                assert tool.description
                assert tool.output_schema
            # A connector gives these and nothing else.
            for tool, name in zip(tools, ("query", "id"), strict=False):
                assert list(tool.input_schema["properties"]) == tool.input_schema["required"] == [name]
                assert tool.input_schema["additionalProperties"] is False
            taught = " ".join(tool.description or "" for tool in tools)
            for word in ("French", "English", "hier", "last night", "word for word", "honest", "newest"):
                assert word in taught, word
            (resource,) = (await client.list_resources()).resources
            (template,) = (await client.list_resource_templates()).resource_templates
            assert (resource.uri, template.uri_template) == ("filrouge://sources", "filrouge://entries/{entry_id}")
            assert (client.server_info.name, client.instructions) == ("filrouge", chatbot.INSTRUCTIONS)

    run(work)


# Connectors


def test_every_id_that_a_connector_finds_can_be_fetched(opened: Open, served: Served) -> None:
    async def work() -> None:
        async with opened() as client:
            for question in QUESTIONS:
                result = await client.call_tool("search", {"query": question})
                found = json.loads(text(result))
                assert not result.is_error
                assert result.structured_content == found
                hits = served.get("/search", q=question)["hits"]
                # An entry stands here once, where its best passage stands there.
                assert [one["id"] for one in found["results"]] == list(dict.fromkeys(hit["entry_id"] for hit in hits))
                assert found["results"]
                for one in found["results"]:
                    assert set(one) == {"id", "title", "url", "text"}
                    assert all(one.values())
                    document = json.loads(text(await client.call_tool("fetch", {"id": one["id"]})))
                    entry = served.get(f"/entries/{one['id']}")
                    assert one["text"] in document["text"] == entry["text"]
                    assert document == {
                        "id": one["id"],
                        "title": one["title"],
                        "text": entry["text"],
                        "url": one["url"],
                        "metadata": {"source": SOURCE, "lang": "fr", "published": entry["published"]},
                    }

    run(work)


def test_an_address_is_the_publishers_where_there_is_one_and_an_untitled_entry_is_called_by_source_and_time(
    write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    line = {"_id": "a", "text": "Le café refroidit.", "date": "2024-01-11T09:30:15", "url": "https://example.org/a"}
    ingest([write("fil/cafe.jsonl", json.dumps(line))], tmp_path / "index", encoder, Facts(tz="Europe/Paris"))
    with Searcher(tmp_path / "index", encoder) as searcher:
        (one,) = chatbot.call(searcher, "search", {"query": "café"}).model_dump()["results"]
        assert (one["title"], one["url"]) == ("fil/cafe.jsonl, 2024-01-11T09:30:15+01:00", "https://example.org/a")
        assert chatbot.call(searcher, "fetch", {"id": one["id"]}).model_dump()["url"] == "https://example.org/a"


def test_a_time_in_words_narrows_what_a_connector_finds(
    write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    lines = [{"_id": day, "text": "Le café est prêt.", "date": f"2024-01-{day}T09:30:00"} for day in ("10", "11")]
    ingest([write("fil/cafe.jsonl", "\n".join(map(json.dumps, lines)))], tmp_path / "index", encoder, Facts(tz="Europe/Paris"))
    with Searcher(tmp_path / "index", encoder) as searcher:
        found = [
            [
                chatbot.call(searcher, "fetch", {"id": one["id"]}).model_dump()["metadata"]["published"][:10]
                for one in chatbot.call(searcher, "search", {"query": question}).model_dump()["results"]
            ]
            for question in ("Le café était-il prêt le 10 janvier 2024 ?", "Was the café ready on 11 January 2024?")
        ]
    assert found == [["2024-01-10"], ["2024-01-11"]]


# The richer tools


PASSAGES: list[dict[str, Any]] = [
    {"query": QUESTIONS[0]},
    {"query": QUESTIONS[1], "k": 3, "lang": "fr", "since": "2023-05-23", "until": "2023-05-23T09:00"},
    {"query": "drones", "source": SOURCE, "k": 100},
    {"query": "Belgorod", "until": "2001-01-01"},
]


def test_passages_are_those_that_http_finds(opened: Open, served: Served) -> None:
    async def work() -> None:
        async with opened() as client:
            now = served.get("/search", q="x", k=1)["known"]
            for narrowed in [*PASSAGES, *({**asked, "as_of": now} for asked in PASSAGES)]:
                result = await client.call_tool("search_passages", narrowed)
                http = {"q" if name == "query" else name: value for name, value in narrowed.items()}
                assert result.structured_content == json.loads(text(result)) == served.get("/search", **http)

    run(work)


ASKED: list[dict[str, Any]] = [
    {"question": QUESTIONS[0], "threshold": 0},
    {"question": QUESTIONS[1], "threshold": 1, "k": 2},
    {"question": "Qu’a dit le Kremlin hier ?", "now": "2023-05-24T12:00:00+02:00", "threshold": 0, "lang": "fr"},
    {"question": "What happened on 31 February?", "now": "newest"},
]


def test_an_answer_is_the_one_that_http_gives(opened: Open, served: Served) -> None:
    async def work() -> None:
        async with opened() as client:
            for asked in ASKED:
                stated = {"now": "2023-05-24T12:00:00+02:00", **asked}
                result = await client.call_tool("ask", stated)
                http = {"q" if name == "question" else name: value for name, value in stated.items()}
                assert not result.is_error
                assert result.structured_content == json.loads(text(result)) == served.get("/ask", **http)

    run(work)


def test_the_threshold_of_a_server_holds_where_a_caller_states_none(seed_index: Path, encoder: HashingEncoder) -> None:
    with Searcher(seed_index, encoder) as searcher:
        asked = {"question": QUESTIONS[0]}
        assert chatbot.call(searcher, "ask", asked, 1.0).model_dump()["code"] == "not_in_corpus"
        assert chatbot.call(searcher, "ask", asked, 0.0).model_dump()["answered"]
        assert chatbot.call(searcher, "ask", {**asked, "threshold": 1}, 0.0).model_dump()["threshold"] == 1


def test_a_resource_is_what_http_has(opened: Open, served: Served) -> None:
    async def work() -> None:
        async with opened() as client:
            for uri, path in (("filrouge://sources", "/sources"), (f"filrouge://entries/{CLAIMED}", f"/entries/{CLAIMED}")):
                (content,) = (await client.read_resource(uri)).contents
                assert isinstance(content, types.TextResourceContents)
                assert (content.uri, content.mime_type) == (uri, "application/json")
                assert json.loads(content.text) == served.get(path)

    run(work)


# What goes wrong

TAKES = "lang, since, until, source, as_of, k, literal, cursor, query"
SHORT = "Input should be greater than or equal to 1"
WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("nope", {}, "name: there is no tool 'nope'; there are search, fetch, search_passages, ask"),
    ("n" * 1000, {}, f"name: there is no tool '{'n' * 100}'; there are search, fetch, search_passages, ask"),
    ("search", {}, "query: is missing. `search` takes query"),
    ("search", {"query": 3}, "query: Input should be a valid string. `search` takes query"),
    ("search", {"query": ["x"]}, "query: Input should be a valid string. `search` takes query"),
    ("search", {"query": "x", "k": 3}, "k: is not known. `search` takes query"),
    ("search", {"query": " \u00a0"}, "query: the question is empty"),
    ("search", {"query": "x" * 4001}, "query: String should have at most 4000 characters. `search` takes query"),
    ("fetch", {"id": "nope"}, "id: no entry 'nope' in this index; take an id from a result of `search`"),
    ("fetch", {"id": ""}, "id: no entry '' in this index; take an id from a result of `search`"),
    ("fetch", {"id": "x" * 201}, "id: String should have at most 200 characters. `fetch` takes id"),
    ("search_passages", {"query": ""}, "query: the question is empty"),
    ("search_passages", {"query": "x", "k": 0}, f"k: {SHORT}. `search_passages` takes {TAKES}"),
    ("search_passages", {"query": "x", "lang": "de"}, f"lang: Input should be 'fr' or 'en'. `search_passages` takes {TAKES}"),
    ("search_passages", {"query": "x", "since": "31 février"}, "since: '31 février' is not a date or time: write 2023-05-23"),
    ("search_passages", {"query": "x", "source": "nope"}, "source: no source 'nope' in this index"),
    ("search_passages", {"query": "x", "since": "2024", "until": "2023"}, "since: '2024' is not a date or time"),
    ("search_passages", {"query": "x", "as_of": "2001-01-01"}, "as_of: "),
    ("ask", {"question": "  "}, "question: the question is empty"),
    ("ask", {"question": "x ?", "threshold": 2}, "threshold: Input should be less than or equal to 1. `ask` takes "),
    ("ask", {"question": "x ?", "now": "hier"}, "now: 'hier' is not a date or time"),
]  # fmt: skip


def test_a_failure_is_a_result_that_names_the_field_and_the_repair(opened: Open) -> None:
    async def work() -> None:
        async with opened() as client:
            for name, arguments, told in WRONG:
                result = await client.call_tool(name, arguments)
                assert (result.is_error, text(result)[: len(told)]) == (True, told)
                assert result.structured_content is None
            # And all is well afterwards.
            assert not (await client.call_tool("search", {"query": "Belgorod"})).is_error

    run(work)


def test_a_resource_that_there_is_not_is_an_error_of_the_protocol(opened: Open) -> None:
    there_are = "there are filrouge://sources and filrouge://entries/ID, with the `entry_id` of a hit"

    async def work() -> None:
        async with opened() as client:
            for uri, told in (
                ("filrouge://entries/nope", "uri: no entry 'nope' in this index"),
                ("filrouge://sources/x", f"uri: nothing is at 'filrouge://sources/x'; {there_are}"),
                ("file:///etc/passwd", f"uri: nothing is at 'file:///etc/passwd'; {there_are}"),
            ):
                with pytest.raises(MCPError) as raised:
                    await client.read_resource(uri)
                assert (raised.value.code, str(raised.value)) == (types.INVALID_PARAMS, told)

    run(work)


def test_a_failure_of_ours_is_one_sentence_without_paths_and_the_log_has_the_rest(
    seed_index: Path, encoder: HashingEncoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken() -> None:
        raise OSError("/nowhere/passages.db")

    with Searcher(seed_index, encoder) as searcher:
        monkeypatch.setattr(searcher.reader, "snapshot", broken)
        for failed in (
            lambda: chatbot.call(searcher, "search", {"query": "x"}),
            lambda: chatbot.read(searcher, chatbot.SOURCES),
        ):
            with pytest.raises(chatbot.CallFailed) as raised:
                failed()
            assert str(raised.value) == "the server failed; see its log"
    assert [record.exc_info is not None for record in caplog.records] == [True, True]
    assert "/nowhere/passages.db" in caplog.text


# Many at once


def test_clients_that_ask_at_the_same_time_get_their_own_answers(served: Served, stdio: StdioServerParameters) -> None:
    questions = [f"{question} {number}" for question in QUESTIONS for number in range(4)]
    expected = {question: served.get("/search", q=question, k=3) for question in questions}

    async def one(target: str | StdioServerParameters, mode: str, asked: list[str]) -> None:
        async with Client(target, mode=mode, read_timeout_seconds=60) as client, anyio.create_task_group() as group:
            for question in asked:
                group.start_soon(check, client, question)

    async def check(client: Client, question: str) -> None:
        result = await client.call_tool("search_passages", {"query": question, "k": 3})
        assert result.structured_content == expected[question]

    async def work() -> None:
        async with anyio.create_task_group() as group:
            for number in range(4):
                group.start_soon(one, served.url + PATH, MODES[number % 2], questions[number:] + questions[:number])
            group.start_soon(one, stdio, "auto", questions)

    run(work)


# The process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_is_asked_to_end_ends_well(
    stdio: StdioServerParameters, environment: dict[str, str], number: signal.Signals
) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    with subprocess.Popen(
        [stdio.command, *stdio.args], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        watchdog = threading.Timer(60, process.kill)
        watchdog.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(hello).encode() + b"\n")
        process.stdin.flush()
        # Once it has answered, it waits for the next line.
        assert json.loads(process.stdout.readline())["id"] == 1
        process.send_signal(number)
        process.wait()
        watchdog.cancel()
        assert process.stderr is not None
        assert (process.returncode, process.stdout.read(), process.stderr.read()) == (0, b"", b"")


def test_a_client_that_closes_its_end_ends_the_process(stdio: StdioServerParameters, environment: dict[str, str]) -> None:
    done = subprocess.run(
        [stdio.command, *stdio.args], env=environment, input=b"not JSON\n{}\n", capture_output=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_folder_without_an_index_is_one_sentence_and_nothing_on_standard_output(
    filrouge: Callable[..., subprocess.CompletedProcess[str]],
) -> None:
    done = filrouge("mcp", "--index", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "filrouge: no index in nowhere: make one with filrouge index PATH --index nowhere\n"


# Over HTTP

CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "search_passages", "arguments": {"query": "Belgorod", "k": 1}},
}


def test_a_request_stands_alone_and_is_answered_in_json(served: Served) -> None:
    response = served.post(CALL)
    assert (response.status_code, response.headers["content-type"]) == (200, "application/json")
    assert "mcp-session-id" not in response.headers
    assert response.json()["result"]["structuredContent"] == served.get("/search", q="Belgorod", k=1)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT", "OPTIONS"])
def test_no_stream_is_held_open_and_no_session_can_be_ended(served: Served, method: str) -> None:
    response = httpx2.request(method, served.url + PATH, headers=ACCEPT, timeout=60)
    assert (response.status_code, response.headers["allow"]) == (405, "POST")
    assert response.json()["detail"] == "/mcp takes POST and holds no stream open"


def test_a_page_of_someone_else_is_refused_before_anything_is_read(served: Served) -> None:
    port = served.url.rpartition(":")[2]
    for headers in (
        {"Host": f"evil.example:{port}"},
        {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
    ):
        for method in ("POST", "GET"):
            response = httpx2.request(method, served.url + PATH, headers={**ACCEPT, **headers}, timeout=60)
            assert (response.status_code, response.headers["content-type"]) == (403, "application/problem+json"), headers
    for headers in ({"Host": f"localhost:{port}"}, {"Origin": "http://localhost:6274"}, {"Origin": served.url}):
        assert served.post(CALL, **headers).status_code == 200, headers


def test_a_body_that_is_too_large_is_refused(served: Served) -> None:
    response = served.post({**CALL, "params": {"name": "search", "arguments": {"query": "x" * 2_000_000}}})
    assert (response.status_code, response.json()["title"]) == (413, "Request Entity Too Large")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", types.PARSE_ERROR),
        (b"[]", types.INVALID_PARAMS),
        (json.dumps({**CALL, "method": "nope"}).encode(), types.METHOD_NOT_FOUND),
        (json.dumps({**CALL, "params": {"name": "search", "arguments": [1]}}).encode(), types.INVALID_PARAMS),
        # Half a character, which no text holds.
        (json.dumps({**CALL, "params": {"name": "search", "arguments": {"query": "\ud800"}}}).encode(), types.PARSE_ERROR),
    ],
)
def test_what_is_no_request_is_an_error_of_the_protocol(served: Served, body: bytes, code: int) -> None:
    headers = {**ACCEPT, "Content-Type": "application/json"}
    response = httpx2.post(served.url + PATH, content=body, headers=headers, timeout=60)
    assert response.json()["error"]["code"] == code
    assert "Traceback" not in response.text


def test_an_application_can_be_started_again(seed_index: Path) -> None:
    from starlette.testclient import TestClient

    app = create_app(lambda: Searcher(seed_index, HashingEncoder()))
    for _ in range(2):
        with TestClient(app) as client:
            assert client.post(PATH, json=CALL, headers=ACCEPT).json()["result"]["structuredContent"]["hits"]
    assert TestClient(app).post(PATH, json=CALL, headers=ACCEPT).status_code == 503


# The documentation

GUIDE = (Path(api.__file__).parent / "guides" / "mcp.md").read_text(encoding="utf-8")


def shown(language: str) -> list[str]:
    """The fenced blocks of the guide, in one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)


def test_the_configurations_in_the_guide_connect(stdio: StdioServerParameters, seed_index: Path, served: Served) -> None:
    started, asked = (json.loads(block)["mcpServers"]["filrouge"] for block in shown("json"))
    assert started["command"].endswith(".venv/bin/filrouge")
    assert asked["type"] == "http"
    # The same, with this test's paths and port.
    arguments = [str(seed_index) if argument.startswith("/path/to/") else argument for argument in started["args"]]
    targets = (
        StdioServerParameters(command=stdio.command, args=["-m", "api.cli", *arguments], env=stdio.env, cwd=stdio.cwd),
        asked["url"].replace("http://127.0.0.1:8000", served.url),
    )

    async def work() -> None:
        for target in targets:
            async with Client(target, read_timeout_seconds=60) as client:
                assert len((await client.list_tools()).tools) == len(chatbot.TOOLS)

    run(work)


def test_every_tool_is_in_the_guide_with_what_it_takes() -> None:
    told = {
        cells[0].strip("` "): re.findall(r"`(\w+)`", cells[1])
        for cells in (row.strip("|").split(" | ") for row in GUIDE.splitlines() if row.startswith("| `"))
    }
    assert list(told) == list(chatbot.TOOLS)
    for name, takes in told.items():
        fields = chatbot.TOOLS[name].takes.model_fields
        assert takes == [field for field in fields if fields[field].is_required()]


@pytest.mark.model
def test_the_default_model_answers_across_languages(seeds: Path, model: Encoder, tmp_path: Path, serving: Serving) -> None:
    ingest([seeds], tmp_path / "index", model, Facts(tz="Europe/Paris"))

    async def work(served: Served) -> None:
        async with Client(served.url + PATH, read_timeout_seconds=60) as client:
            for question in ("Qui a revendiqué l'attaque de Belgorod ?", "Who claimed the Belgorod attack?"):
                found = json.loads(text(await client.call_tool("search", {"query": question})))
                assert found["results"][0]["id"] == CLAIMED
                answer = (await client.call_tool("ask", {"question": question})).structured_content
                assert answer is not None
                assert answer["answered"]
                entry = served.get(f"/entries/{answer['answer'][0]['entry_id']}")
                for quote in answer["answer"]:
                    if quote["entry_id"] == entry["entry_id"]:
                        assert entry["text"][quote["start"] : quote["end"]] == quote["text"]
            answer = (await client.call_tool("ask", {"question": "Qui a gagné le Tour de France ?"})).structured_content
            assert answer is not None
            assert (answer["answered"], answer["code"]) == (False, "not_in_corpus")

    with serving(tmp_path / "index", model) as url:
        run(lambda: work(Served(url)))
