"""How many of the nearest an approximate engine finds, compared with all of them now and then."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from api.metrics import Metrics
from embed.encoder import Vectors
from embed.hashing import HashingEncoder
from index import recall
from index.engine import ExactVectors
from index.errors import StorageError
from index.reader import Snapshot
from index.recall import Recall, Tally, exactly
from index.records import Ids, Ranking
from index.search import Searcher


class Forgetful:
    """A view that overlooks every third passage, unless it may choose all that it is asked about."""

    approximate = True
    generation = 1

    def __init__(self, view: ExactVectors) -> None:
        self._view = view

    def nearest(self, vector: Vectors, k: int, among: Ids | None = None) -> Ranking:
        if among is not None and k >= len(among):
            return self._view.nearest(vector, k, among)
        found = self._view.nearest(vector, 2 * k, among)
        return found.among(found.ids[np.arange(len(found)) % 3 != 2][:k])


@pytest.fixture
def snapshot(seed_index: Path) -> Snapshot:
    """A generation of eleven passages, and an approximate view of its vectors."""
    with Searcher(seed_index, HashingEncoder()) as searcher:
        snapshot = searcher.reader.snapshot()
        ids, engine = snapshot.all_ids(), ExactVectors(HashingEncoder().card.dimension)
        langs, vectors = snapshot.store.vectors(ids.tolist())
        engine.add(ids, snapshot.space.passages(vectors, langs))
        engine.commit(1)
        return replace(snapshot, vectors=Forgetful(engine.view()), past=True)


QUESTION = HashingEncoder().encode_query("Belgorod")


def looked(recall: Recall, snapshot: Snapshot) -> bool:
    """Whether it looked, once it has."""
    thread = recall.look(QUESTION, snapshot)
    if thread is not None:
        thread.join(30)
    return thread is not None


def test_an_approximate_engine_is_looked_at_every_so_often_and_what_it_found_is_counted(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Snapshot, "all_ids", lambda self: np.arange(1, 12, dtype=np.int64))
    now = [0.0]
    measured = Recall(every=60, clock=lambda: now[0])
    assert not looked(measured, snapshot)
    now[0] = 61
    assert looked(measured, snapshot)
    assert not looked(measured, snapshot)
    # Of eleven, the third, the sixth and the ninth are overlooked.
    assert measured.taken() == Tally(wanted=10, found=7)
    assert measured.taken() == Tally()
    now[0] = 122
    assert looked(measured, snapshot)
    assert measured.taken().wanted == 10


def test_an_exact_engine_is_not_looked_at(seed_index: Path) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        assert not looked(Recall(every=0, clock=lambda: 1.0), searcher.reader.snapshot())


def test_all_are_compared_a_few_at_a_time(snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.arange(1, 12, dtype=np.int64)
    whole = exactly(snapshot.vectors, QUESTION, 5, ids)
    monkeypatch.setattr(recall, "_AT_ONCE", 2)
    few = exactly(snapshot.vectors, QUESTION, 5, ids)
    assert few.ids.tolist() == whole.ids.tolist()
    assert len(exactly(snapshot.vectors, QUESTION, 5, ids[:0])) == 0


def test_an_index_that_cannot_be_read_is_no_look_and_no_failure(
    snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: Snapshot) -> Ids:
        raise StorageError("the disk is gone")

    monkeypatch.setattr(Snapshot, "all_ids", fail)
    now = iter([0.0, 1.0, 1.0])
    measured = Recall(every=0, clock=lambda: next(now))
    assert looked(measured, snapshot)
    assert measured.taken() == Tally()
    assert caplog.messages == ["recall was not measured: the disk is gone"]


def test_a_monitor_sees_all_that_was_counted_so_far(seed_index: Path) -> None:
    metrics = Metrics()
    with Searcher(seed_index, HashingEncoder()) as searcher:
        for wanted, found in ((10, 9), (10, 10)):
            searcher.recall._tally = Tally(wanted, found)
            told = metrics.text(searcher, ready=True)
    assert b"filrouge_recall_wanted_total 20.0" in told
    assert b"filrouge_recall_found_total 19.0" in told
