"""Copying between a folder and a server is killed at any moment: readers see what they saw, or the copy, whole."""

import importlib
import itertools
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index.errors import NotAnIndex, StorageError
from index.migrate import difference, migrate
from index.milvus import Server
from index.records import Window
from index.search import Searcher
from index.store import Store
from tests.bench.started import ROOT, environment
from tests.cluster_index import Both, both
from tests.exact import QUESTIONS, require_exact

pytestmark = pytest.mark.milvus

KILLS = 20
_COPY = """
import sys
from pathlib import Path

from embed.hashing import HashingEncoder
from index import unpublish
from index.migrate import migrate
from index.milvus import Milvus, Server

# So that a copy back has moments between which it can be killed.
unpublish._TOGETHER = 40
folder, server = Path(sys.argv[1]), Server(sys.argv[2], timeout=60)
Milvus(server).close()
print("begins", flush=True)
migrate(*((folder, server) if sys.argv[3] == "there" else (server, folder)), HashingEncoder(), sample=5)
"""


@dataclass(frozen=True)
class Copier:
    """Copies in a process of its own; `server` is Milvus Lite by its socket, so that it survives whoever asks it."""

    server: Server

    def copy(self, way: str, folder: Path, kill_after: float | None = None) -> tuple[bool, float]:
        """Whether it was killed, and the seconds that it had; kills that many seconds after the work begins."""
        command = [sys.executable, "-c", _COPY, str(folder), self.server.uri, way]
        with subprocess.Popen(command, env=environment(), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            assert process.stdout
            assert process.stdout.readline() == b"begins\n", process.communicate()
            began, killed = time.monotonic(), False
            try:
                _, told = process.communicate(timeout=kill_after)
            except subprocess.TimeoutExpired:
                process.kill()
                _, told = process.communicate()
                killed = True
            took = time.monotonic() - began
        assert killed or process.returncode == 0, told.decode()
        return killed, took


@pytest.fixture
def pair() -> Iterator[Both]:
    """Some dozens of entries in a folder, and a server that has nothing yet."""
    with both(lambda fresh: fresh.read("fil", _entries(1), published=False)) as fresh:
        yield fresh


@pytest.fixture
def copier(pair: Both) -> Copier:
    manager: Any = importlib.import_module("milvus_lite.server_manager").server_manager_instance
    return Copier(Server(str(manager.start_and_get_uri(pair.server.uri)), timeout=60))


def _entries(turn: int) -> list[dict[str, str]]:
    """Entries of which each turn edits a third and withdraws some."""
    texts = sample_texts(120, seed=turn)
    return [
        {"_id": str(n), "lang": ("fr", "en")[n % 2], "text": texts[n] if n % 3 == 0 else sample_texts(120, seed=0)[n]}
        for n in range(120)
        if n % 10 != turn % 10
    ]


def _seen(server: Server, folder: Path) -> int:
    """The generation that readers of the server see, which must be whole; 0 for none."""
    encoder = HashingEncoder()
    try:
        reading = Searcher(server, encoder)
    except NotAnIndex:
        return 0
    except StorageError as error:
        if "has collections that are not loaded" not in str(error):
            raise
        return 0
    with reading as other, Searcher(folder, encoder) as one, Store.open(folder) as store:
        generation = other.reader.store.generation()
        moment = store.committed(generation)
        ids = store.allowed(generation, Window(), past=True).tolist()
        assert other.reader.store.counts(generation) == store.counts(generation)
        assert other.reader.store.passages(ids) == store.passages(ids)
        for question in QUESTIONS:
            ours, theirs = (
                some.search(question, 10, snapshot=some.past.at(moment), literal=True).hits for some in (one, other)
            )
            assert difference(ours, theirs) == "", question
        return generation


def test_a_copy_to_a_server_that_is_killed_is_seen_whole_or_not_at_all(pair: Both, copier: Copier) -> None:
    lot, killed, may_take, seen = random.Random(3), 0, 2.0, 0
    left: Counter[str] = Counter()
    for turn in range(2, 6 * KILLS):
        dead, took = copier.copy("there", pair.folder, lot.uniform(0, may_take))
        found, newest = _seen(pair.server, pair.folder), _generation(pair.folder)
        assert found in (seen, newest)
        assert dead or found == newest
        left["whole" if found == newest else "as before"] += dead
        seen, killed = found, killed + dead
        if killed == KILLS:
            break
        if not dead:
            may_take = max(took, 0.2)
        if found == newest:
            # There is something to copy again.
            pair.read("fil", _entries(turn), published=False)
    assert killed == KILLS
    assert left["as before"] > 0
    require_exact(pair.folder)
    migrate(pair.folder, pair.server, pair.encoder, sample=50)
    assert _seen(pair.server, pair.folder) == _generation(pair.folder)


@pytest.mark.parametrize("step", ["create_collection", "create_index", "load_collection"])
def test_collections_that_were_made_in_part_are_made_whole(pair: Both, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    client: Any = importlib.import_module("pymilvus").MilvusClient
    whole = getattr(client, step)
    for place in (1, 2):
        steps = itertools.count(1)

        def ends(self: Any, *given: Any, steps: Iterator[int] = steps, place: int = place, **named: Any) -> Any:
            if next(steps) == place:
                raise KeyboardInterrupt
            return whole(self, *given, **named)

        monkeypatch.setattr(client, step, ends)
        with pytest.raises(KeyboardInterrupt):
            migrate(pair.folder, pair.server, pair.encoder, sample=5)
        monkeypatch.undo()
        assert _seen(pair.server, pair.folder) == 0
    migrate(pair.folder, pair.server, pair.encoder, sample=20)
    assert _seen(pair.server, pair.folder) == 1


def test_a_copy_to_a_folder_that_is_killed_is_there_whole_or_not_at_all(pair: Both, copier: Copier, tmp_path: Path) -> None:
    pair.read("fil", _entries(2))
    expected = require_exact(pair.folder)
    lot, killed, may_take, number = random.Random(4), 0, 2.0, 0
    for _ in range(6 * KILLS):
        target = tmp_path / f"back{number}"
        dead, took = copier.copy("back", target, lot.uniform(0, may_take))
        killed += dead
        assert dead or target.exists()
        if target.exists():
            assert require_exact(target) == expected
            number += 1
        if killed == KILLS:
            break
        if not dead:
            may_take = max(took, 0.2)
    assert killed == KILLS
    last = tmp_path / f"back{number}"
    migrate(pair.server, last, pair.encoder, sample=50)
    assert require_exact(last) == expected


def _generation(folder: Path) -> int:
    with Store.open(folder) as store:
        return store.generation()
