"""Lines of the log: their shapes, and what stands in none of them, whatever fails at whichever address."""

import io
import json
import logging
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api import opened
from api.access import Policy
from api.app import create_app
from api.keys import Keyring, Scope, add
from api.logs import Discreet
from api.scopes import NEEDS
from embed.hashing import HashingEncoder
from index.errors import StorageError
from index.search import Searcher

KEY = "filrouge_" + "k" * 43


def line(formatter: Discreet, message: str, error: BaseException | None = None, **facts: Any) -> str:
    exc_info = (type(error), error, error.__traceback__) if error else None
    record = logging.LogRecord("filrouge.api", logging.ERROR, "", 1, "%s", (message,), exc_info)
    record.facts = facts
    return formatter.format(record)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot read /srv/fil/index.sqlite: disk full", "cannot read …/index.sqlite: disk full"),
        ("cannot read '/srv/a b/x.db'", "cannot read '…/x.db'"),
        ("[Errno 2] No such file: '/etc/fil/keys.json'", "[Errno 2] No such file: '…/keys.json'"),
        (r"C:\Users\ann\fil\index.sqlite is locked", r"…\index.sqlite is locked"),
        ("~/fil/a.toml and /b/c/d.toml", "…/a.toml and …/d.toml"),
        ("see https://example.org/a/b for 1/2 of and/or", "see https://example.org/a/b for 1/2 of and/or"),
        (f"Bearer {KEY}, twice {KEY}{KEY}", "Bearer filrouge_…, twice filrouge_…filrouge_…"),
        ("a\r\nINFO forged\x1b[2J\u2028\u202e", "a\\r\\nINFO forged\\x1b[2J\\u2028\\u202e"),
        ("« été » 🙂", "« été »\u0020🙂"),
    ],
)  # fmt: skip
def test_a_message_is_written_without_folders_keys_and_controls(text: str, shown: str) -> None:
    assert Discreet([Path("/srv/a b"), Path("/")]).shown(text.replace("\u00a0", " ")) == shown


def test_a_line_for_people_and_one_for_programs() -> None:
    facts: dict[str, Any] = {"method": "GET", "route": "/search", "status": 200, "key": None, "question": "Qui\n?"}
    told = line(Discreet(), "answered", **facts)
    assert re.fullmatch(r"\S+T\S+\+00:00 error answered method=GET route=/search status=200 question=Qui\\n\?", told)
    read = json.loads(line(Discreet(as_json=True), "answered", **facts))
    assert read.pop("time")
    wanted = {name: value for name, value in facts.items() if value is not None}
    assert read == {"level": "error", "logger": "filrouge.api", "message": "answered"} | wanted


def test_of_a_failure_the_kind_and_the_places_are_told() -> None:
    try:
        try:
            Discreet().shown(None)  # type: ignore[arg-type]
        except TypeError as error:
            raise KeyError("/srv/geheim") from error
    except KeyError as error:
        told = line(Discreet(), "failed", error)
    assert re.search(r"failure=KeyError at tests/test_logs\.py:\d+; from TypeError at (\S+ < )?api/logs\.py:\d+ < tests/", told)
    assert "geheim" not in told


CONFIGURED = """
import logging, sys
from api import logs
for manner in ("problems", "requests", "json"):
    logs.configure(manner, [], sys.stdout)
    logging.getLogger("filrouge.request").info("one")
    logging.getLogger("uvicorn.error").error("two /srv/x/y")
    logging.getLogger("uvicorn.access").info("GET /?q=geheim")
    logging.getLogger("another").info("three")
"""


def test_what_is_configured_holds_for_every_logger() -> None:
    # In a process of its own, whose logging nothing else has touched.
    written = subprocess.run(
        [sys.executable, "-c", CONFIGURED], stdout=subprocess.PIPE, text=True, check=True
    ).stdout.splitlines()
    assert [re.sub(r"^\S+ ", "", one) for one in written[:3]] == ["error two …/y", "info one", "error two …/y"]
    assert [json.loads(one)["message"] for one in written[3:]] == ["one", "two …/y"]


# Whatever fails


CANARY = "zanzibar"


class Everything:
    """Fails with whatever is asked of it."""

    def __init__(self, error: Callable[[], Exception]) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        raise self._error()


@contextmanager
def written(hidden: Path) -> Iterator[io.StringIO]:
    """All that is logged meanwhile, as a server would write it."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Discreet([hidden]))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield stream
    finally:
        root.removeHandler(handler)


@pytest.mark.parametrize("kind", [RuntimeError, StorageError, OSError, UnicodeError, RecursionError])
@pytest.mark.parametrize("manner", ["text/html", "application/json"])
def test_no_path_key_question_or_stack_is_told_or_written_whatever_fails_where(
    seed_index: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: type[Exception], manner: str
) -> None:
    folder = tmp_path / CANARY
    key = add(folder / "keys.json", "reader", Scope.ADMIN)
    app = create_app(lambda: Searcher(seed_index, HashingEncoder()), policy=Policy(Keyring(folder / "keys.json")))

    def fail() -> Exception:
        return kind(f"cannot use {key} in {folder}/index.sqlite")

    def broken() -> Searcher:
        raise fail()

    headers = {"Authorization": f"Bearer {key}", "Accept": f"{manner}, text/event-stream"}
    body = {"query": CANARY, "question": CANARY, "documents": [CANARY], "input": CANARY, "model": "hashing"}
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask", "arguments": {"question": CANARY}}}
    seen: dict[str, set[int]] = {}
    with TestClient(app, raise_server_exceptions=False) as client, written(folder) as log:
        # At some addresses the index fails when it is opened, at others when it is used, in the routes' own hands.
        for break_it in (lambda: Everything(fail), broken):
            app.dependency_overrides[opened.searcher] = break_it
            app.state.searcher = Everything(fail)
            for template in NEEDS:
                address = re.sub(r"\{\w+(:\w+)?\}", CANARY, template)
                for method in ("GET", "POST"):
                    sent = call if template == "/mcp" else body
                    told = client.request(
                        method, address, params={"q": CANARY} if method == "GET" else {}, headers=headers, json=sent
                    )
                    shown = told.text.replace(CANARY, "", 3) if told.status_code < 500 else told.text
                    seen.setdefault(template, set()).add(told.status_code)
                    for secret in (key, str(folder), "index.sqlite", "Traceback", 'File "', ".py"):
                        assert secret not in told.text + str(told.headers), (method, address)
                    assert told.status_code < 500 or manner == "text/html" or CANARY not in shown
        app.state.mcp = Everything(fail)
        assert client.post("/mcp", headers=headers, json=call).status_code == 500 or kind is StorageError
    failed = {template for template, statuses in seen.items() if statuses & {500, 503}}
    # What fails with the index fails with a problem; the rest never looked at it.
    assert failed >= {
        "/",
        "/search",
        "/ask",
        "/entries/{entry_id}",
        "/sources",
        "/ready",
        "/v1/models",
        "/feed.atom",
        "/export",
    }
    for secret in (key, CANARY, "Traceback", 'File "', str(seed_index)):
        assert secret not in log.getvalue()
    assert kind is StorageError or f"failure={kind.__name__} at " in log.getvalue()


def test_a_server_of_its_own_writes_json_and_nothing_else(tmp_path: Path, seeds: Path, environment: dict[str, str]) -> None:
    import urllib.request

    settings = {"FILROUGE_LOG": "json", "FILROUGE_INDEX": str(tmp_path / "index")}
    process = subprocess.Popen(
        [sys.executable, "-m", "api.cli", "serve", str(seeds), "--port", "0"],
        cwd=tmp_path, env={**environment, **settings}, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert process.stdout is not None
        address = re.search(r"http://\S+/", process.stdout.readline())
        assert address
        with urllib.request.urlopen(f"{address[0]}search?q=geheim", timeout=60) as answer:
            assert answer.status == 200
            number = answer.headers["X-Request-ID"]
    finally:
        process.terminate()
        err = process.communicate(timeout=60)[1]
    told = [json.loads(one) for one in err.splitlines() if one.startswith("{")]
    assert [(one["request_id"], one["route"], one["status"]) for one in told] == [(number, "/search", 200)]
    assert "geheim" not in err
