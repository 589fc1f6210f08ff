"""Files that are sent only when they are whole."""

import http.client
import io
import itertools
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Any

import pytest
import uvicorn
from fastapi import FastAPI
from starlette.testclient import TestClient

from api import downloads
from api.downloads import Download, written
from index.errors import InvalidRequest, StorageError


def app_of(file: IO[bytes], facts: dict[str, Any]) -> FastAPI:
    app = FastAPI()
    app.add_api_route("/", lambda: Download(file, "text/csv", "a.csv", facts), response_class=Download)
    return app


def test_a_file_comes_with_its_name_length_and_facts_and_is_closed_when_it_is_sent() -> None:
    file = written(["é\r\n"] * 400_000)
    facts = {"rows": 7, "as_of": None, "note": "Où ?", "card": {"name": "é\n"}, "permalink": "/a?b=c", "long": "x" * 4001}
    response = TestClient(app_of(file, facts)).get("/")
    assert response.content == "é\r\n".encode() * 400_000
    told = {name: value for name, value in response.headers.items() if name != "x-content-type-options"}
    assert told == {
        "content-length": "1600000",
        "content-type": "text/csv; charset=utf-8",
        "content-disposition": 'attachment; filename="a.csv"',
        "filrouge-rows": "7",
        "filrouge-note": '"O\\u00f9 ?"',
        "filrouge-card": '{"name": "\\u00e9\\n"}',
        "filrouge-permalink": "/a?b=c",
    }
    assert file.closed


def test_what_fails_while_a_file_is_made_is_raised_and_leaves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[IO[bytes]] = []
    real = tempfile.TemporaryFile

    def temporary(**more: str) -> IO[bytes]:
        made.append(real(**more))  # type: ignore[call-overload]
        return made[-1]

    monkeypatch.setattr(tempfile, "TemporaryFile", temporary)

    def parts() -> Iterator[str]:
        yield "one"
        raise StorageError("the index: disk I/O error")

    with pytest.raises(StorageError, match="disk I/O error"):
        written(parts())
    assert [file.closed for file in made] == [True]


def test_a_full_disk_is_an_error_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full(io.BytesIO):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", lambda prefix: Full())
    with pytest.raises(StorageError, match="cannot make room for a file to be sent: No space left on device"):
        written(["a"])


class Breaking(io.BytesIO):
    """A file whose disk fails after the first piece."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 0:
            raise OSError(5, "Input/output error")
        return super().read(size)


@contextmanager
def serving(app: FastAPI) -> Iterator[int]:
    """The port of a server of `app`, which is ended afterwards."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical"))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@pytest.mark.parametrize("version", [10, 11])
def test_a_file_that_breaks_off_while_it_is_sent_is_known_to_be_in_part(version: int) -> None:
    file = Breaking(b"x" * 1_000_000)
    with serving(app_of(file, {})) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        connection._http_vsn = version  # type: ignore[attr-defined]
        connection._http_vsn_str = f"HTTP/1.{version % 10}"  # type: ignore[attr-defined]
        connection.request("GET", "/")
        response = connection.getresponse()
        assert response.status == 200
        # Also for a client that knows no other end of an answer than that of the connection.
        with pytest.raises(http.client.IncompleteRead):
            response.read()
        connection.close()
    assert file.closed


def test_a_file_that_takes_too_long_to_make_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def parts() -> Iterator[str]:
        for number in itertools.count():
            made.append(number)
            yield "x"

    monkeypatch.setattr(downloads, "SLOWEST", 0.05)
    with pytest.raises(InvalidRequest, match="takes more than 0 s: ask for less"):
        written(parts())
    assert made
