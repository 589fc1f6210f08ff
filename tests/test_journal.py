"""A line for each request, with its id; questions only when they are asked for."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.access import Policy
from api.app import create_app
from api.journal import _asked
from api.keys import Keyring, Scope, add
from embed.hashing import HashingEncoder
from index.search import Searcher

Lines = Callable[[], list[dict[str, Any]]]


@contextmanager
def journal(index: Path, caplog: pytest.LogCaptureFixture, policy: Policy) -> Iterator[tuple[TestClient, Lines]]:
    """A server, and what it has written of requests so far."""
    with (
        caplog.at_level(logging.INFO, "filrouge.request"),
        TestClient(create_app(lambda: Searcher(index, HashingEncoder()), policy=policy)) as client,
    ):
        yield client, lambda: [record.facts for record in caplog.records if record.name == "filrouge.request"]  # type: ignore[attr-defined]


def test_a_line_has_the_declared_address_and_the_name_of_the_key(
    seed_index: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    key = add(tmp_path / "keys.json", "reader", Scope.READ)
    with journal(seed_index, caplog, Policy(Keyring(tmp_path / "keys.json"))) as (client, lines):
        client.get("/entries/geheim?as_of=geheim", headers={"Authorization": f"Bearer {key}", "X-Request-ID": "job-1"})
        client.get("/geheim", headers={"X-Request-ID": "job-2"})
        client.post("/search", json={"query": "geheim"}, headers={"X-API-Key": "geheim", "X-Request-ID": "job-3"})
    found = lines()
    assert all(line.pop("ms") > 0 for line in found)
    assert found == [
        {"request_id": "job-1", "method": "GET", "route": "/entries/{entry_id}", "status": 422, "key": "reader"},
        {"request_id": "job-2", "method": "GET", "route": None, "status": 401, "key": None},
        {"request_id": "job-3", "method": "POST", "route": "/search", "status": 401, "key": None},
    ]
    assert "geheim" not in caplog.text
    assert key not in caplog.text


def test_an_id_comes_back_in_the_header_the_problem_and_the_line(seed_index: Path, caplog: pytest.LogCaptureFixture) -> None:
    with journal(seed_index, caplog, Policy()) as (client, lines):
        given = client.get("/search", headers={"X-Request-ID": "a.b-c"})
        made = client.get("/search", headers={"X-Request-ID": "not sane"})
    for answer, line in zip((given, made), lines(), strict=True):
        assert answer.headers["x-request-id"] == answer.json()["request_id"] == line["request_id"]
    assert given.headers["x-request-id"] == "a.b-c"
    assert made.headers["x-request-id"] != "not sane"


def test_questions_are_written_when_that_is_asked_for(seed_index: Path, caplog: pytest.LogCaptureFixture) -> None:
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": {"question": "Où ?"}}}
    with journal(seed_index, caplog, Policy(log_questions=True)) as (client, lines):
        client.get("/search?q=Qui+%3F")
        client.post("/search", json={"query": "Quoi ?"})
        client.post("/ask", json={"question": "Quand ?"})
        client.post("/mcp", json=call, headers={"Accept": "application/json, text/event-stream"})
        client.get("/sources")
    assert [line["question"] for line in lines()] == ["Qui ?", "Quoi ?", "Quand ?", "Où ?", None]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[1]", b'"a"', b"null", b"\xff", b"[" * 100_000, b'{"query": 5}', b'{"params": 1}']
)
def test_where_no_question_is_none_is_found(body: bytes) -> None:
    assert _asked({"query_string": b""}, body) is None


def test_of_a_long_question_the_beginning_is_written() -> None:
    assert _asked({"query_string": b""}, json.dumps({"query": "a" * 5000}).encode()) == "a" * 4000
