"""Speed over HTTP: the doors beside a server that someone who knows nothing of us would write, and beside `/search`."""

import http.client
import itertools
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import psutil
import uvicorn
from fastapi import FastAPI

from api import server
from embed import Encoder, load
from embed.bench import Comparison, Rival, Row
from index.bench import synthesise
from index.reader import Reader
from index.store import Store

_PASSAGES = 20_000
_CLIENTS = 16
_WORKERS = 2
_ROUNDS, _ALONE, _TOGETHER = 5, 20, 160
"""Requests of a round to each door, one after the other, and by all clients."""
_SECONDS = 120
"""That a server may take to start, or to answer."""


class _Call(NamedTuple):
    method: str
    address: str
    body: bytes | None = None

    @property
    def headers(self) -> Mapping[str, str]:
        """What the strictest of the doors asks for."""
        return {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


def _search(question: str) -> _Call:
    return _Call("GET", "/search?" + urlencode({"q": question}))


def _post(address: str, body: object) -> _Call:
    return _Call("POST", address, json.dumps(body).encode())


DOORS: dict[str, Callable[[str], _Call]] = {
    "/ask": lambda question: _Call("GET", "/ask?" + urlencode({"q": question})),
    "/mcp, search_passages": lambda question: _post(
        "/mcp",
        {
            "jsonrpc": "2.0",
            "id": 1,
            "method": "tools/call",
            "params": {"name": "search_passages", "arguments": {"query": question}},
        },
    ),
    "/v1/vector_stores": lambda question: _post("/v1/vector_stores/vs_filrouge/search", {"query": question}),
}
"""The doors that are compared with `/search`: the same question, put their way."""


def serving(encoder: Encoder, model: str, cache: Path) -> Comparison:
    """`filrouge serve` with 20,000 passages, as a process of its own, beside the smallest server that does the like.

    The rival is FastAPI, sentence-transformers' `encode` as it comes, and an exact FAISS index of the same vectors; it finds
    the nearest ten and no more. Requests to all doors take turns, none is asked twice, and of several rounds the best counts.
    `model` and `cache` are what the rival loads its model from.
    """
    numbers = itertools.count()

    def questions(count: int) -> list[str]:
        return [f"Qui a revendiqué l’attaque numéro {next(numbers)} ?" for _ in range(count)]

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "index"
        folder.mkdir()
        synthesise(folder, encoder, _PASSAGES)
        own = [sys.executable, "-m", "api.cli", "serve", "--index", str(folder), "--port", "0"]
        plain = [sys.executable, "-c", "import sys; from api.bench import serve_plain; serve_plain(*sys.argv[1:])"]
        several = [*own, "--workers", str(_WORKERS)]
        with (
            started(own) as ours,
            started(several) as many,
            started([*plain, str(folder), model, str(cache)]) as theirs,
        ):
            alone: dict[str, list[float]] = {}
            together: dict[str, list[float]] = {}
            for round_ in range(_ROUNDS + 1):
                turn: dict[str, list[float]] = {}
                for served in (ours, theirs):
                    # A server ends a connection that was idle for some seconds; the next request opens another.
                    served.connection.close()
                for question in questions(_ALONE):
                    turn.setdefault("ours", []).append(ours.seconds(_search(question)))
                    turn.setdefault("theirs", []).append(theirs.seconds(_search(question)))
                    for door, call in DOORS.items():
                        # Another question, which the server does not remember.
                        turn.setdefault(door, []).append(ours.seconds(call(questions(1)[0])))
                        turn.setdefault(f"{door}, search", []).append(ours.seconds(_search(questions(1)[0])))
                if round_ == 0:
                    continue  # both warm up
                for side, seconds in turn.items():
                    alone.setdefault(side, []).append(statistics.median(seconds))
                for side, served in (("ours", ours), ("many", many), ("theirs", theirs)):
                    together.setdefault(side, []).append(served.together(questions(_TOGETHER)))
            memory = ours.memory(), theirs.memory()
            shared = many.proportional(), ours.proportional()
    p50 = {side: min(values) * 1000 for side, values in alone.items()}
    mine, those, its = (_TOGETHER / min(together[side]) for side in ("ours", "many", "theirs"))
    rows = [
        Row("/search, p50, ms", p50["ours"], p50["theirs"], p50["theirs"] / p50["ours"]),
        Row(f"/search, {_CLIENTS} clients, requests/s", mine, its, mine / its),
        Row("resident MB", *memory, memory[1] / memory[0]),
        Row(f"{_WORKERS} workers, {_CLIENTS} clients, requests/s; beside one", those, mine, those / mine),
        Row(f"{_WORKERS} workers, MB, what is shared by share; beside one", *shared, shared[1] / shared[0]),
    ]
    for door in DOORS:
        beside = p50[f"{door}, search"]
        rows.append(Row(f"{door}, p50, ms; beside /search", p50[door], beside, beside / p50[door]))
    return Comparison(
        "serve",
        "FastAPI, sentence-transformers encode and exact FAISS",
        rows,
        [f"{_PASSAGES} passages; ten hits; the rival has their text and nothing else"],
    )


@dataclass(frozen=True)
class Served:
    """A server process on the loopback."""

    process: "subprocess.Popen[str]"
    port: int
    connection: http.client.HTTPConnection

    def seconds(self, call: _Call) -> float:
        """How long an answer takes on an open connection."""
        return _seconds(self.connection, call)

    def search(self, question: str) -> tuple[float, int]:
        """The same of a search, with the generation that it showed."""
        took, body = _answered(self.connection, _search(question))
        return took, int(json.loads(body)["generation"])

    def together(self, questions: Sequence[str]) -> float:
        """How long searching for all of them takes with many clients, each on a connection of its own."""
        failures: list[Exception] = []

        def client(some: Sequence[str]) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_SECONDS)
            try:
                for question in some:
                    _seconds(connection, _search(question))
            except Exception as error:
                failures.append(error)
            finally:
                connection.close()

        clients = [threading.Thread(target=client, args=(questions[n::_CLIENTS],)) for n in range(_CLIENTS)]
        begun = time.perf_counter()
        for one in clients:
            one.start()
        for one in clients:
            one.join()
        if failures:
            raise failures[0]
        return time.perf_counter() - begun

    def memory(self) -> float:
        """Resident megabytes."""
        return float(psutil.Process(self.process.pid).memory_info().rss) / 1e6

    def proportional(self) -> float:
        """Megabytes of all its processes, where each has its share of what several have."""
        process = psutil.Process(self.process.pid)
        return sum(float(one.memory_full_info().pss) for one in (process, *process.children(recursive=True))) / 1e6


def _seconds(connection: http.client.HTTPConnection, call: _Call) -> float:
    return _answered(connection, call)[0]


def _answered(connection: http.client.HTTPConnection, call: _Call) -> tuple[float, bytes]:
    begun = time.perf_counter()
    connection.request(call.method, call.address, call.body, call.headers)
    response = connection.getresponse()
    body = response.read()
    took = time.perf_counter() - begun
    if response.status != 200:
        raise RuntimeError(f"{call.address} answered {response.status}: {body[:500]!r}")
    return took, body


@contextmanager
def started(command: Sequence[str]) -> Iterator[Served]:
    """A server that tells its address in its first line; ended afterwards."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    # One that never says its address must not hold everything up for ever.
    watchdog = threading.Timer(_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout
        line = process.stdout.readline()
        watchdog.cancel()
        found = re.search(r"http://127\.0\.0\.1:(\d+)/", line)
        if not found:
            raise RuntimeError(f"no server: {' '.join(command)} ended without an address")
        connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=_SECONDS)
        try:
            yield Served(process, int(found[1]), connection)
        finally:
            connection.close()
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        assert process.stdout
        process.stdout.close()


def serve_plain(folder: str, model: str, cache: str) -> None:
    """Serve the rival's `/search` on a free port of the loopback, which its first line tells, until it is ended."""
    with Store.open(Path(folder)) as store:
        card = store.card()
    rival = Rival(load(model, "torch", Path(cache)))
    with Reader(Path(folder), card) as reader, server.listen("127.0.0.1", 0) as listener:
        vectors = reader.snapshot().vectors
        app = FastAPI()

        @app.get("/search")
        def search(q: str, k: int = 10) -> list[dict[str, Any]]:
            ranking = vectors.nearest(rival.encode_question(q), k)
            passages = reader.store.passages(ranking.ids.tolist())
            return [{"score": score, "text": passages[i].text} for i, score in ranking]

        print(f"http://127.0.0.1:{listener.getsockname()[1]}/", flush=True)  # noqa: T201
        uvicorn.Server(uvicorn.Config(app, log_level="warning")).run(sockets=[listener])
