"""`filrouge serve --workers`: several processes at one address, while entries come and processes go."""

import contextlib
import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psutil
import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]
VOLCANO = "12h10 : Éruption du volcan\nLe volcan est entré en éruption.\n"


class Served:
    """A running server: its address, its processes and its answers, each on a connection of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        # One that never says its address must not hold the tests up for ever.
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        assert process.stdout is not None
        line = process.stdout.readline()
        watchdog.cancel()
        found = re.fullmatch(r"filrouge: open http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends it\)\n", line)
        assert found, (line, process.communicate(timeout=10))
        self.port = int(found[1])

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def ask(self, method: str, address: str, body: object = None) -> dict[str, Any]:
        connection = self.connection()
        try:
            headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            connection.request(method, address, json.dumps(body) if body else None, headers)
            response = connection.getresponse()
            answer = response.read()
            assert response.status == 200, answer
            found: dict[str, Any] = json.loads(answer)
            return found
        finally:
            connection.close()

    def workers(self) -> set[int]:
        """The processes that listen, by number."""
        found = set()
        for child in psutil.Process(self.process.pid).children():
            # One of them may end while it is looked at.
            with contextlib.suppress(psutil.NoSuchProcess):
                if any(one.status == "LISTEN" for one in child.net_connections("tcp")):
                    found.add(child.pid)
        return found

    def wait_for(self, settled: Callable[[set[int]], bool]) -> set[int]:
        until = time.monotonic() + 60
        while not settled(found := self.workers()):
            assert time.monotonic() < until, found
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("workers")


@pytest.fixture(scope="module")
def start(folder: Path) -> Iterator[Callable[[], Served]]:
    """Start two workers over the seeds; all are ended with the module."""
    started: list[subprocess.Popen[str]] = []
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FILROUGE_")}
    seeds = Path(__file__).resolve().parent.parent / "seeds"

    def start() -> Served:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", str(seeds), "--port", "0", "--workers", "2"],
            cwd=folder,
            env={**kept, "FILROUGE_MODEL": "hashing", "FILROUGE_CACHE": str(folder / "cache")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Served(process)

    yield start
    for process in started:
        process.kill()
        process.communicate(timeout=60)


@pytest.fixture(scope="module")
def served(start: Callable[[], Served]) -> Served:
    """Two workers that the tests ask, and leave as they are."""
    return start()


def asked(served: Served, times: int = 16) -> list[dict[str, Any]]:
    """What a search found each time, on new connections: both workers are asked, but for one time in 30,000."""
    return [served.ask("GET", f"/search?q={quote('Éruption du volcan')}&k=1") for _ in range(times)]


def test_both_workers_give_the_same_answers(served: Served) -> None:
    assert len(served.workers()) == 2
    known = {json.dumps({**one, "permalink": ""}, sort_keys=True) for one in asked(served)}
    assert len(known) == 1


def test_a_feed_that_one_worker_gave_is_unchanged_for_the_other(served: Served) -> None:
    marks: set[str] = set()
    for _ in range(12):
        connection = served.connection()
        connection.request("GET", "/feed.atom?q=Belgorod", headers={"If-None-Match": next(iter(marks), '""')})
        response = connection.getresponse()
        assert response.status == (304 if marks else 200)
        marks.add(response.headers["ETag"])
        connection.close()
    assert len(marks) == 1


def test_pages_go_on_whichever_worker_answers(served: Served) -> None:
    address = "/search?q=Belgorod&k=1"
    page = served.ask("GET", address)
    seen = [page["hits"][0]["passage_id"]]
    while page["next"]:
        page = served.ask("GET", f"{address}&cursor={page['next']}")
        seen.extend(hit["passage_id"] for hit in page["hits"])
    assert len(seen) == len(set(seen)) == 11 - len(page["passed"])


def test_a_chatbot_needs_no_worker_of_its_own(served: Served) -> None:
    def call(number: int, method: str, parameters: object) -> dict[str, Any]:
        reply = served.ask("POST", "/mcp", {"jsonrpc": "2.0", "id": number, "method": method, "params": parameters})
        result: dict[str, Any] = reply["result"]
        return result

    hello = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    for number in range(8):
        assert call(number, "initialize", hello)["serverInfo"]["name"] == "filrouge"
        found = call(number, "tools/call", {"name": "search", "arguments": {"query": "Belgorod"}})
        assert (found["isError"], len(found["structuredContent"]["results"]) > 0) == (False, True)


def test_whichever_worker_a_monitor_asks_it_sees_all_of_them(served: Served) -> None:
    counts = []
    for _ in range(12):
        connection = served.connection()
        connection.request("GET", "/metrics")
        told = connection.getresponse().read().decode()
        connection.close()
        counts.append(sum(float(n) for n in re.findall(r'route="/metrics",status="200"\} (\S+)', told)))
        assert "filrouge_ready 1.0" in told
    # Each is counted when it is answered, for the next to see, whoever answers that.
    assert counts == [counts[0] + n for n in range(12)]


def test_what_another_process_indexes_is_found_by_the_next_search_of_either(
    served: Served, folder: Path, filrouge: Run
) -> None:
    assert {one["generation"] for one in asked(served)} == {1}
    (folder / "fil").mkdir()
    (folder / "fil" / "volcan.txt").write_text(VOLCANO, encoding="utf-8")
    failures: list[BaseException] = []
    generations: list[object] = []
    done = threading.Event()

    def ask_on() -> None:
        try:
            while not done.is_set():
                generations.append(asked(served, 1)[0]["generation"])
        except BaseException as error:
            failures.append(error)

    asking = threading.Thread(target=ask_on)
    asking.start()
    try:
        report = json.loads(filrouge("index", folder / "fil", "--index", folder / ".filrouge", "--json").stdout)
        found = asked(served)
    finally:
        done.set()
        asking.join()
    assert (report["added"], report["generation"]) == (1, 2)
    assert {(one["generation"], one["hits"][0]["text"]) for one in found} == {(2, "Le volcan est entré en éruption.")}
    # Nobody was refused meanwhile.
    assert failures == []
    assert set(generations) <= {1, 2}


def test_an_address_that_workers_share_is_nobody_elses(served: Served, filrouge: Run, folder: Path) -> None:
    for more in ([], ["--workers", "2"]):
        done = filrouge("serve", "--index", folder / ".filrouge", "--port", served.port, *more)
        assert (done.returncode, done.stdout) == (1, "")
        assert f"cannot listen on 127.0.0.1 port {served.port}: Address already in use" in done.stderr


def test_workers_come_and_go_and_what_was_begun_is_finished(start: Callable[[], Served]) -> None:
    served = start()
    first = served.wait_for(lambda found: len(found) == 2)
    os.kill(min(first), signal.SIGKILL)
    second = served.wait_for(lambda found: len(found) == 2 and found != first)
    assert len(first & second) == 1
    assert {one["generation"] for one in asked(served, 4)} == {asked(served, 1)[0]["generation"]}
    served.process.send_signal(signal.SIGHUP)
    served.wait_for(lambda found: len(found) == 2 and not found & second)
    # A request that is half sent when the server is told to end.
    body = json.dumps({"query": "Belgorod", "k": 1}).encode()
    connection = served.connection()
    connection.putrequest("POST", "/search")
    connection.putheader("Content-Type", "application/json")
    connection.putheader("Content-Length", str(len(body)))
    connection.endheaders(body[:5])
    time.sleep(0.2)
    served.process.send_signal(signal.SIGTERM)
    time.sleep(1.5)
    connection.send(body[5:])
    response = connection.getresponse()
    assert (response.status, len(json.loads(response.read())["hits"])) == (200, 1)
    connection.close()
    _, err = served.process.communicate(timeout=60)
    assert served.process.returncode == 0
    assert "Traceback" not in err
    assert f"worker {min(first)} ended; another is started" in err


def test_workers_end_with_the_process_that_started_them(start: Callable[[], Served]) -> None:
    served = start()
    processes = [psutil.Process(pid) for pid in served.workers()]
    assert len(processes) == 2
    served.process.kill()
    assert psutil.wait_procs(processes, timeout=30)[1] == []


def test_a_worker_that_cannot_start_says_why(filrouge: Run, seeds: Path) -> None:
    assert filrouge("index", seeds).returncode == 0
    done = filrouge("serve", "--workers", "2", "--port", "0", "--model", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "filrouge: no model 'nowhere'" in done.stderr
    assert "Traceback" not in done.stderr
    done = filrouge("serve", "--workers", "65", "--port", "0")
    assert done.returncode == 1
    assert "the setting 'workers'" in done.stderr
