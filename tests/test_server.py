"""`filrouge serve`, as a process of its own on a free port of the loopback."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from starlette.testclient import TestClient

from api import server
from api.keys import Scope, add, rotate
from embed import Encoder
from index.errors import FilrougeError

SOURCE = "seeds/000_43b67c511cce9011.txt"
# Must-show questions of the project, each with the time of the entry that answers it; the lead is known to the day.
QUESTIONS = [
    ("Qui a revendiqué l'attaque de Belgorod ?", "2023-05-23T06:25:00+02:00"),
    ("Who claimed the Belgorod attack?", "2023-05-23T06:25:00+02:00"),
    ("Où se trouve le Premier ministre russe ?", "2023-05-23T06:35:00+02:00"),
    ("Where is the Russian prime minister and whom will he meet?", "2023-05-23T06:35:00+02:00"),
    ("Which country has started training Ukrainian pilots on F-16s?", "2023-05-23"),
    ("Quel pays forme des pilotes ukrainiens ?", "2023-05-23"),
    ("What did the Kremlin say about the incursion?", "2023-05-23T11:58:00+02:00"),
    ("Were there casualties in the drone attacks?", "2023-05-23T07:58:00+02:00"),
    ("Qu'a dit Dmitri Peskov ?", "2023-05-23T11:58:00+02:00"),
    ("What share does China have in Russian energy exports?", "2023-05-23T06:35:00+02:00"),
]


class Served:
    """A running server: what it printed, and its answers."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        # One that never says its address must not hold the tests up for ever.
        watchdog = threading.Timer(120, process.kill)
        watchdog.start()
        assert process.stdout is not None
        self.line = process.stdout.readline()
        watchdog.cancel()
        found = re.fullmatch(r"filrouge: open http://(\S+):(\d+)/ \(Ctrl-C ends it\)\n", self.line)
        assert found, (self.line, process.communicate(timeout=10))
        self.host, self.port = found[1].strip("[]"), int(found[2])

    def ask(self, method: str, address: str, body: bytes | None = None, **headers: str) -> tuple[int, str, bytes]:
        """Status, media type and body of an answer."""
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        try:
            connection.request(method, address, body, headers)
            response = connection.getresponse()
            return response.status, response.headers["content-type"], response.read()
        finally:
            connection.close()

    def search(self, question: str, k: int = 10) -> Mapping[str, Any]:
        """What a question found."""
        status, _, body = self.ask("GET", f"/search?q={quote(question)}&k={k}")
        assert status == 200, body
        found: Mapping[str, Any] = json.loads(body)
        return found

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """End it with a signal; its status, and all that it said on stderr."""
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=60)
        return self.process.returncode, err


@pytest.fixture
def serve(tmp_path: Path, environment: dict[str, str]) -> Iterator[Callable[..., Served]]:
    """Start a server with these arguments; all are ended with the test."""
    started: list[subprocess.Popen[str]] = []

    def serve(*arguments: str | Path, **more: str) -> Served:
        process = subprocess.Popen(
            [sys.executable, "-m", "api.cli", "serve", *map(str, arguments), "--port", "0"],
            cwd=tmp_path,
            env={**environment, **more},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return Served(process)

    yield serve
    for process in started:
        process.kill()
        process.communicate(timeout=60)


def test_serve_reads_documents_and_answers_at_the_address_that_it_names(
    serve: Callable[..., Served], seeds: Path, client: TestClient
) -> None:
    served = serve(seeds)
    assert served.host == "127.0.0.1"
    asked = "/search?q=Belgorod&k=3"
    status, media, body = served.ask("GET", asked)
    assert (status, media) == (200, "application/json")
    # The two indexes came to be at different times.
    assert json.loads(body)["hits"] == client.get(asked).json()["hits"]
    assert served.ask("GET", "/?q=Belgorod")[:2] == (200, "text/html; charset=utf-8")
    assert served.end(signal.SIGTERM)[1].endswith("6 entries, 11 passages from .filrouge\n")


def test_a_second_start_changes_nothing(serve: Callable[..., Served], seeds: Path) -> None:
    serve(seeds).end(signal.SIGTERM)
    served = serve(seeds)
    assert json.loads(served.ask("GET", "/ready")[2])["generation"] == 1
    _, err = served.end(signal.SIGTERM)
    row = next(line for line in err.splitlines() if line.startswith("│"))
    assert [cell.strip() for cell in row.strip("│").split("│")] == ["1", "0", "0", "6", "0", "0", "0"]
    # Nor does a start without documents.
    assert serve().search("Belgorod", 1)["generation"] == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_server_that_is_asked_to_end_ends_well(serve: Callable[..., Served], seeds: Path, number: signal.Signals) -> None:
    served = serve(seeds)
    assert served.ask("GET", "/health")[0] == 200
    status, err = served.end(number)
    assert status == 0
    assert "Traceback" not in err
    assert "interrupted" not in err


def test_a_document_that_cannot_be_read_is_named_and_the_rest_is_served(serve: Callable[..., Served], seeds: Path) -> None:
    served = serve("nowhere.txt", seeds)
    assert json.loads(served.ask("GET", "/ready")[2])["entries"] == 6
    assert "filrouge: nowhere.txt: no such file or folder\n" in served.end(signal.SIGTERM)[1]


def test_a_port_in_use_is_one_sentence_and_indexes_nothing(
    filrouge: Callable[..., subprocess.CompletedProcess[str]], seeds: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = filrouge("serve", seeds, "--port", port)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"filrouge: cannot listen on 127.0.0.1 port {port}: Address already in use; choose another with --port (0: any)\n"
    )
    assert not (tmp_path / ".filrouge").exists()


@pytest.mark.parametrize(
    ("host", "why"),
    [
        ("nowhere.invalid", r"cannot listen on nowhere\.invalid: \S.*"),
        ("..", r"cannot listen on \.\.: this is no host name"),
        ("192.0.2.1", r"cannot listen on 192\.0\.2\.1 port 0: Cannot assign requested address; choose another with --port .*"),
    ],
)
def test_an_address_that_cannot_be_had_is_refused(host: str, why: str, tmp_path: Path) -> None:
    add(tmp_path / "keys.json", "reader", Scope.READ)
    with pytest.raises(FilrougeError) as raised, server.listen(host, 0, tmp_path / "keys.json"):
        pass
    assert re.fullmatch(why, str(raised.value))


def test_a_socket_listens_while_the_block_lasts() -> None:
    with server.listen("127.0.0.1", 0) as listener:
        address = listener.getsockname()
        socket.create_connection(address, timeout=10).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, timeout=10)


def test_a_question_of_a_megabyte_is_refused_in_words(serve: Callable[..., Served], seeds: Path) -> None:
    served = serve(seeds)
    long = "a" * 1_000_000
    for answer in (
        served.ask("GET", f"/search?q={long}"),
        served.ask("POST", "/search", json.dumps({"query": long}).encode(), **{"Content-Type": "application/json"}),
    ):
        assert answer[:2] == (422, "application/problem+json")
        assert json.loads(answer[2])["errors"][0]["message"] == "String should have at most 4000 characters"
    status, media, page = served.ask("GET", f"/?q={long}")
    assert (status, media, len(page) < 20_000) == (422, "text/html; charset=utf-8", True)
    # And a body beyond what is read at all.
    status, media, _ = served.ask("POST", "/search", b" " * 2_000_000, **{"Content-Type": "application/json"})
    assert (status, media) == (413, "application/problem+json")
    assert served.search("Belgorod", 1)["generation"] == 1


def test_entries_that_another_process_indexes_are_found_by_the_next_search(
    serve: Callable[..., Served],
    seeds: Path,
    filrouge: Callable[..., subprocess.CompletedProcess[str]],
    write: Callable[..., Path],
) -> None:
    served = serve(seeds)
    assert served.search("Éruption du volcan", 1)["generation"] == 1
    write("fil/volcan.txt", "12h10 : Éruption du volcan\nLe volcan est entré en éruption.\n")
    report = json.loads(filrouge("index", "fil", "--json").stdout)
    assert (report["added"], report["generation"]) == (1, 2)
    found = served.search("Éruption du volcan", 1)
    assert (found["generation"], [hit["text"] for hit in found["hits"]]) == (2, ["Le volcan est entré en éruption."])
    # And withdrawn ones are not.
    write("fil/volcan.txt", "12h20 : Rien\nIl ne s’est rien passé.\n")
    assert json.loads(filrouge("index", "fil", "--json").stdout)["withdrawn"] == 1
    found = served.search("Éruption du volcan", 100)
    assert found["generation"] == 3
    assert "Le volcan est entré en éruption." not in [hit["text"] for hit in found["hits"]]


def test_the_log_is_quiet_about_what_goes_well_and_what_callers_get_wrong(serve: Callable[..., Served], seeds: Path) -> None:
    served = serve(seeds)
    for address in ("/search?q=x", "/search?q=", "/nowhere", "/?q=x&lang=de"):
        served.ask("GET", address)
    _, err = served.end(signal.SIGTERM)
    assert err.splitlines()[-1] == "6 entries, 11 passages from .filrouge"


@pytest.mark.model
def test_the_right_entry_comes_first_for_the_questions_of_the_promise(
    serve: Callable[..., Served], seeds: Path, model: Encoder
) -> None:
    # The weights are where `model` has put them, and not in this test's cache.
    served = serve(seeds, FILROUGE_MODEL=model.card.name, FILROUGE_CACHE="")
    wrong = []
    texts: dict[str, str] = {}
    for question, published in QUESTIONS:
        found = served.search(question)
        hits = found["hits"]
        if hits[0]["published"] != published:
            wrong.append((question, hits[0]["title"]))
        for hit in hits:
            assert hit["source"] == SOURCE
            if hit["entry_id"] not in texts:
                texts[hit["entry_id"]] = json.loads(served.ask("GET", f"/entries/{hit['entry_id']}")[2])["text"]
            assert texts[hit["entry_id"]][hit["start"] : hit["end"]] == hit["text"]
    assert len(wrong) <= 1, wrong


def test_who_asks_is_believed_from_named_proxies_alone(
    serve: Callable[..., Served], seeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Each asker has one request a minute: one who could choose an address would have as many as he likes.
    def statuses(**more: str) -> list[int]:
        served = serve(seeds, FILROUGE_RATE="1", **more)
        found = [served.ask("GET", "/sources", None, **{"X-Forwarded-For": f"192.0.2.{number}"})[0] for number in range(3)]
        assert served.end(signal.SIGTERM)[0] == 0
        return found

    assert statuses(FORWARDED_ALLOW_IPS="*") == [200, 429, 429]
    assert statuses(FILROUGE_PROXIES="127.0.0.0/8") == [200, 200, 200]


def test_a_server_with_keys_asks_for_them_and_takes_changes_while_it_runs(
    serve: Callable[..., Served], seeds: Path, tmp_path: Path
) -> None:
    file = tmp_path / "filrouge-keys.json"
    served = serve(seeds)
    assert served.ask("GET", "/sources")[0] == 200
    key = add(file, "reader", Scope.READ)
    assert served.ask("GET", "/sources")[0] == 401
    assert served.ask("GET", "/sources", Authorization=f"Bearer {key}")[0] == 200
    new = rotate(file, "reader")
    assert [served.ask("GET", "/sources", None, **{"X-API-Key": one})[0] for one in (key, new)] == [401, 200]
    told = served.end(signal.SIGTERM)[1]
    assert key not in told
    assert new not in told
