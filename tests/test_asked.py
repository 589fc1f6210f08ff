"""A retriever asks an index of its own process or a server, and is told the same by both."""

import http.server
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from api import asked
from api.access import Policy
from api.keys import Keyring, Scope, add
from api.langchain import FilrougeRetriever as LangChainRetriever
from api.llamaindex import FilrougeRetriever as LlamaIndexRetriever
from api.schemas import Narrowing
from embed import Encoder
from embed.hashing import HashingEncoder
from index.corpus import Corpus
from index.errors import FilrougeError, InvalidRequest

QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"


@pytest.fixture(scope="module")
def fil(seed_index: Path) -> Iterator[Corpus]:
    with Corpus(seed_index, HashingEncoder()) as fil:
        yield fil


@pytest.fixture(scope="module")
def url(seed_index: Path, serving: Callable[[Path, Encoder], AbstractContextManager[str]]) -> Iterator[str]:
    with serving(seed_index, HashingEncoder()) as url:
        yield url


@contextmanager
def answering(status: int, body: bytes, media: str = "text/html") -> Iterator[str]:
    """A server that is not filrouge."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", media)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *told: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join(30)


@pytest.mark.parametrize(
    "narrowing",
    [
        Narrowing(),
        Narrowing(k=2, lang="fr", since="2023-05-23T07:00", until="2023-05-24"),
        Narrowing(k=100, source="seeds/000_43b67c511cce9011.txt"),
        Narrowing(lang="en"),
    ],
)
def test_a_server_finds_what_the_index_finds(fil: Corpus, url: str, narrowing: Narrowing) -> None:
    assert asked.found(None, url, QUESTION, narrowing) == asked.found(fil, None, QUESTION, narrowing)
    assert asked.found(None, f"{url}/", QUESTION, narrowing) == asked.found(fil, None, QUESTION, narrowing)


@pytest.mark.parametrize(
    ("question", "narrowing", "field"),
    [
        (" ", Narrowing(), "query"),
        ("a" * 5000, Narrowing(), "query"),
        (QUESTION, Narrowing(since="mardi"), "since"),
        (QUESTION, Narrowing(since="2023-05-24", until="2023-05-23"), "until"),
        (QUESTION, Narrowing(source="nowhere"), "source"),
        (QUESTION, Narrowing(as_of="2001-01-01"), "as_of"),
    ],
)
def test_what_cannot_be_is_named_by_both(fil: Corpus, url: str, question: str, narrowing: Narrowing, field: str) -> None:
    for index, address in ((fil, None), (None, url)):
        with pytest.raises(InvalidRequest) as raised:
            asked.found(index, address, question, narrowing)
        assert raised.value.field == field


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(
        FilrougeError, match=rf"no answer from http://127\.0\.0\.1:{port}/search: .*; is filrouge serve running"
    ):
        asked.found(None, f"http://127.0.0.1:{port}", QUESTION, Narrowing())


def test_a_server_that_cuts_the_line_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as cutting:

        def cut() -> None:
            connection, _ = cutting.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{")

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(FilrougeError, match=r"no answer from .*; is filrouge serve running"):
            asked.found(None, f"http://127.0.0.1:{cutting.getsockname()[1]}", QUESTION, Narrowing())
        thread.join(30)


def test_a_server_that_is_busy_says_so_in_its_own_words() -> None:
    busy = b'{"type": "urn:filrouge:server-busy", "title": "", "status": 503, "detail": "too many requests are waiting"}'
    with answering(503, busy, "application/problem+json") as url, pytest.raises(FilrougeError) as raised:
        asked.found(None, url, QUESTION, Narrowing())
    assert (type(raised.value), str(raised.value)) == (FilrougeError, "too many requests are waiting")


@pytest.mark.parametrize(("status", "body"), [(200, b"<html>"), (200, b"[]"), (404, b"<html>"), (500, b"{}")])
def test_another_server_is_told_from_ours(status: int, body: bytes) -> None:
    with answering(status, body) as url, pytest.raises(FilrougeError, match="is it another server"):
        asked.found(None, url, QUESTION, Narrowing())


def test_one_place_to_ask_must_be_given(fil: Corpus, url: str) -> None:
    asked.check(fil, None)
    asked.check(None, url)
    for index, address in ((None, None), (fil, url)):
        with pytest.raises(ValueError, match="give either an index"):
            asked.check(index, address)
    for address in ("", "localhost:8000", "file:///etc/passwd"):
        with pytest.raises(ValueError, match="it must begin with http"):
            asked.check(None, address)


def test_metadata_has_no_parts_and_leads_back_to_the_passage(fil: Corpus) -> None:
    results = asked.found(fil, None, QUESTION, Narrowing(k=3))
    for hit in results.hits:
        known = asked.metadata(hit, results)
        assert all(isinstance(value, str | int | float | None) for value in known.values())
        assert fil.entry(hit.entry_id).text[hit.start : hit.end] == hit.text
        assert (known["generation"], known["permalink"]) == (1, results.permalink)


def test_a_server_that_asks_for_a_key_is_given_it_and_nobody_else_sees_it(
    seed_index: Path, fil: Corpus, tmp_path: Path, serving: Callable[..., AbstractContextManager[str]]
) -> None:
    key = add(tmp_path / "keys.json", "retriever", Scope.READ)
    with serving(seed_index, HashingEncoder(), Policy(Keyring(tmp_path / "keys.json"))) as locked:
        assert asked.found(None, locked, QUESTION, Narrowing(), key) == asked.found(fil, None, QUESTION, Narrowing())
        for wrong, why in ((None, "a key is needed"), (key[:-1], "this key is not known")):
            with pytest.raises(FilrougeError, match=why):
                asked.found(None, locked, QUESTION, Narrowing(), wrong)
        chain = LangChainRetriever(url=locked, key=SecretStr(key), k=1)
        assert (
            chain.invoke(QUESTION)[0].page_content == LlamaIndexRetriever(url=locked, key=key, k=1).retrieve(QUESTION)[0].text
        )
    assert key not in repr(chain)
