"""Many clients at once for minutes, while another process indexes, beside the txtai API on the same model and passages.

    python -m tests.bench.measure_load --clients 64 --seconds 300
    python -m tests.bench.measure_load --clients 64 --seconds 300 --rival /tmp/txtai/bin/python

The rival has an environment of its own: `python3 -m venv /tmp/txtai && /tmp/txtai/bin/pip install 'torch==2.13.0'
'txtai[api]'`. Either server is a process of its own on the same cores as everything else; every client asks as soon as it is
answered, and no question twice.

What has to hold of ours: every answer is 200, or 503 with Retry-After; the index is seen to grow meanwhile; memory does not;
and answers are those of a server with nothing else to do: some are asked for again, of the same generation, after everybody
has left.
"""

import argparse
import http.client
import itertools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil

from embed import DEFAULT_MODEL, bundled, load
from embed.sample import sample_texts
from index.documents import Facts
from index.ingest import ingest
from tests.bench.started import Started, environment, serve, started

KEPT = 400
"""Answers of which some are asked for again."""
GENERATIONS = 12
"""Of so many states of the index: each has to be made anew, as it was."""
WRITTEN = 5
"""Entries that are written at a time."""
TIMEOUT = 60

Call = tuple[str, str, bytes | None]
"""Method, address and body."""


@dataclass
class Answers:
    """What clients were told."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Questions and their replies, a few of all."""
    faults: list[str] = field(default_factory=list)
    took: float = 0.0
    resident: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and megabytes that the server had."""

    @property
    def errors(self) -> int:
        """Requests that were neither answered nor told honestly to come again."""
        return sum(count for status, count in self.statuses.items() if status not in ("200", "503 with Retry-After"))

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses["200"] / self.took

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return float(np.percentile(self.seconds, share)) * 1000 if self.seconds else float("nan")

    @property
    def slope(self) -> float:
        """Megabytes a minute by which the server grew."""
        return _slope(self.resident)

    @property
    def later_slope(self) -> float:
        """The same in the second half of the time."""
        return _slope(self.resident[len(self.resident) // 2 :])


def _slope(resident: Sequence[tuple[float, float]]) -> float:
    rows = np.array(resident)
    return float(np.polyfit(rows[:, 0], rows[:, 1], 1)[0] * 60) if len(rows) > 2 else float("nan")


def hammer(server: Started, call: Callable[[str], Call], clients: int, seconds: float) -> Answers:
    """Have so many clients ask without a pause, each on a connection of its own; no question comes twice. For a fifth of the
    time before that they ask unmeasured: models take memory for every shape of a batch that they first meet.
    """
    _hammer(server, call, clients, seconds / 5, first=0)
    return _hammer(server, call, clients, seconds, first=1_000_000)


def _hammer(server: Started, call: Callable[[str], Call], clients: int, seconds: float, first: int) -> Answers:
    found, lock, numbers = Answers(), threading.Lock(), itertools.count(first)
    texts = sample_texts(997, seed=11, lengths=(1,))
    began = time.monotonic()
    until = began + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        while time.monotonic() < until:
            number = next(numbers)
            question = f"{texts[number % len(texts)][:120]} {number} ?"
            start = time.perf_counter()
            try:
                connection.request(*call(question))
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with lock:
                    found.statuses[type(error).__name__] += 1
                    found.faults.append(repr(error))
                continue
            took, status = time.perf_counter() - start, str(response.status)
            if status == "503" and response.headers["Retry-After"]:
                status = "503 with Retry-After"
            with lock:
                found.statuses[status] += 1
                if status == "200":
                    found.seconds.append(took)
                    # Evenly over the run, whatever its length: every second one is dropped when there are too many.
                    if number % max(1, len(found.seconds) // KEPT) == 0:
                        found.kept.append((question, json.loads(body)))
                elif status != "503 with Retry-After" and len(found.faults) < 20:
                    found.faults.append(f"{status} {body[:200]!r}")
        connection.close()

    process = psutil.Process(server.pid)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found.resident.append((time.monotonic() - began, process.memory_info().rss / 1e6))
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    found.took = time.monotonic() - began
    return found


# Ours


def documents(folder: Path, passages: int) -> list[str]:
    """The text of a live blog below `folder`, and of its entries."""
    texts = sample_texts(passages, seed=21, lengths=(3,))
    lines = [f"{n // 60 % 24:02}h{n % 60:02} : Titre {n}\n{text}" for n, text in enumerate(texts)]
    folder.mkdir(parents=True)
    (folder / "direct.txt").write_text("\n".join(lines), encoding="utf-8")
    return texts


def write(folder: Path, index: Path, model: str, every: float) -> None:
    """Index a new document in every so many seconds, until the process is ended."""
    encoder = load(model)
    texts = sample_texts(10_000, seed=31, lengths=(3,))
    for number in itertools.count():
        path = folder / f"fil{number}.txt"
        some = [texts[(WRITTEN * number + one) % len(texts)] for one in range(WRITTEN)]
        path.write_text("\n".join(f"12h{n:02} : Suite {number}\n{text}" for n, text in enumerate(some)), encoding="utf-8")
        ingest([path], index, encoder, Facts(tz="Europe/Paris"))
        time.sleep(every)


@contextmanager
def writing(folder: Path, index: Path, model: str, every: float) -> Iterator[None]:
    """`write`, in a process of its own while the block lasts."""
    code = "import sys; from pathlib import Path; from tests.bench.measure_load import write; "
    code += "write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))"
    folder.mkdir()
    command = [sys.executable, "-c", code, str(folder), str(index), model, str(every)]
    process = subprocess.Popen(command, env=environment())
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the process that writes ended by itself")
    finally:
        process.terminate()
        process.wait(60)


def search(question: str) -> Call:
    """What clients of ours ask."""
    return "GET", "/search?" + urlencode({"q": question}), None


@dataclass
class Ours:
    """What became of our server."""

    answers: Answers
    generations: tuple[int, int]
    """The first and the last that were searched."""
    again: int = 0
    """Answers that were asked for again, without load."""
    other: list[str] = field(default_factory=list)
    """Questions to which that gave another answer."""
    log: str = ""


def ours(folder: Path, model: str, passages: int, clients: int, seconds: float, every: float) -> Ours:
    """The load on `filrouge serve`, and some of its answers asked for again."""
    index = folder / "index"
    documents(folder / "documents", passages)
    report = ingest([folder / "documents"], index, load(model), Facts(tz="Europe/Paris"))
    assert not report.failures
    with started(serve(index), folder / "ours.log", environment(FILROUGE_MODEL=model)) as server:
        with writing(folder / "written", index, model, every):
            answers = hammer(server, search, clients, seconds)
        generations = [reply["generation"] for _, reply in answers.kept]
        found = Ours(answers, (min(generations), max(generations)))
        chosen = sorted(set(generations))[:: max(1, len(set(generations)) // GENERATIONS)]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        for generation in chosen:
            for question, reply in [one for one in answers.kept if one[1]["generation"] == generation][:10]:
                address = "/search?" + urlencode({"q": question, "as_of": reply["known"]})
                connection.request("GET", address)
                again = json.loads(connection.getresponse().read())
                found.again += 1
                if again["generation"] != generation or again["hits"] != reply["hits"]:
                    found.other.append(f"{question} (generation {generation})")
        connection.close()
    found.log = (folder / "ours.log").read_text(encoding="utf-8")
    return found


# The rival


_TXTAI = """
import sys, socket, uvicorn
listener = socket.create_server(("127.0.0.1", 0))
print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
uvicorn.Server(uvicorn.Config("txtai.api:app", log_level="warning")).run(sockets=[listener])
"""
_CONFIG = """
writable: true
embeddings:
  path: {path}
  instructions: {{query: "query: ", data: "passage: "}}
  hybrid: true
  content: true
"""


def search_txtai(question: str) -> Call:
    """What clients of the rival ask."""
    return "GET", "/search?" + urlencode({"query": question}), None


def post(server: Started, address: str, body: object) -> None:
    """Send JSON; raises `RuntimeError` for what is not answered well."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=1800)
    method = "GET" if body is None else "POST"
    connection.request(method, address, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
    response = connection.getresponse()
    told = response.read()
    connection.close()
    if response.status != 200:
        raise RuntimeError(f"{address} answered {response.status}: {told[:200]!r}")


def rival(folder: Path, python: str, passages: int, clients: int, seconds: float, every: float) -> Answers:
    """The same load on the txtai API."""
    model = bundled.materialize(bundled.default_cache())
    (folder / "txtai.yml").write_text(_CONFIG.format(path=model), encoding="utf-8")
    env = {**os.environ, "CONFIG": str(folder / "txtai.yml"), "HF_HUB_OFFLINE": "1"}
    texts = sample_texts(passages, seed=21, lengths=(3,))
    later = sample_texts(10_000, seed=31, lengths=(3,))
    with started([python, "-c", _TXTAI], folder / "txtai.log", env) as server:
        for at in range(0, passages, 200):
            post(server, "/add", [{"id": str(n), "text": text} for n, text in enumerate(texts[at : at + 200], start=at)])
        post(server, "/index", None)
        done, faults = threading.Event(), []

        def writes() -> None:
            for number in itertools.count():
                some = [{"id": f"w{number}-{n}", "text": later[(WRITTEN * number + n) % len(later)]} for n in range(WRITTEN)]
                try:
                    post(server, "/add", some)
                    post(server, "/upsert", None)
                except (OSError, http.client.HTTPException, RuntimeError) as error:
                    faults.append(f"write: {error}")
                if done.wait(every):
                    return

        writer = threading.Thread(target=writes)
        writer.start()
        try:
            answers = hammer(
                server, lambda question: ("GET", "/search?" + urlencode({"query": question}), None), clients, seconds
            )
        finally:
            done.set()
            writer.join(TIMEOUT)
        answers.faults += faults
        answers.statuses.update({"write failed": len(faults)} if faults else {})
    return answers


# What is told


def row(name: str, answers: Answers) -> str:
    """A server as a row of the table."""
    first, last = answers.resident[0][1], answers.resident[-1][1]
    return (
        f"| {name} | {sum(answers.statuses.values())} | {answers.rate:.1f} | {answers.percentile(50):.0f} | "
        f"{answers.percentile(99):.0f} | {answers.percentile(100):.0f} | {answers.errors} | "
        f"{answers.statuses['503 with Retry-After']} | {first:.0f} → {last:.0f} | "
        f"{answers.slope:+.1f} | {answers.later_slope:+.1f} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300, help="for each server")
    parser.add_argument("--passages", type=int, default=2000, help="that both begin with")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two writes")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="of ours; the rival has the default one")
    parser.add_argument("--rival", metavar="PYTHON", help="of an environment that has txtai[api]")
    parser.add_argument("--cores", help="that all of it runs on, such as 0,1; all where it is not given")
    given = parser.parse_args(arguments)
    if given.cores:
        # What is started inherits them.
        psutil.Process().cpu_affinity([int(one) for one in given.cores.split(",")])
    load_of = (given.passages, given.clients, given.seconds, given.every)
    print("| server | requests | answers/s | p50 ms | p99 ms | max ms | errors | 503 | MB | MB/min | in the second half |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        own = ours(Path(name), given.model, *load_of)
        print(row("filrouge", own.answers), flush=True)
        if given.rival:
            other = rival(Path(name), given.rival, *load_of)
            print(row("txtai", other))
            times = own.answers.rate / other.rate
            print(f"\n{times:.1f} times as many answers; errors {own.answers.errors} and {other.errors}")
            print(f"of the rival: {Counter(fault[:100] for fault in other.faults).most_common(3)}")
    first, last = own.generations
    print(f"generations {first} to {last}; {own.again} asked again without load, {len(own.other)} of them answered otherwise")
    for fault in [*own.answers.faults[:5], *own.other[:5]]:
        print(f"  {fault}")
    return 1 if own.answers.errors or own.other or "Traceback" in own.log else 0


if __name__ == "__main__":
    sys.exit(main())
