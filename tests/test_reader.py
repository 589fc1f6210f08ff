"""An open index: caches that may be lost at any time, and snapshots that stay what they were."""

import json
import logging
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from embed.hashing import HashingEncoder
from index import lock
from index.conditions import Not, compare
from index.errors import IndexBusy, ModelMismatch, NotAnIndex, StorageError
from index.ingest import ingest
from index.lexical import TantivyTerms
from index.reader import Filters, Reader
from index.records import Window
from index.repair import rebuild_caches
from index.search import Results, Searcher
from index.store import Changes, Store
from index.vectors import FaissVectors

CARD = HashingEncoder().card
MANY = 1100
"""Enough passages for their vectors to get a file of their own."""


def page(path: Path, first: int, count: int, text: str = "Le Kremlin dément") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [{"_id": f"{n}", "text": f"{text}, numéro {n}.", "lang": "fr"} for n in range(first, first + count)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index with both caches; never changed, only copied."""
    home = tmp_path_factory.mktemp("large")
    ingest([page(home / "fil" / "a.jsonl", 1, MANY)], home / "index", HashingEncoder())
    return home / "index"


@pytest.fixture(scope="module")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another index of as many passages, all of them others."""
    home = tmp_path_factory.mktemp("foreign")
    ingest([page(home / "fil" / "a.jsonl", 1, MANY, "Kiev attaque")], home / "index", HashingEncoder())
    return home / "index"


@pytest.fixture
def folder(large: Path, tmp_path: Path) -> Path:
    """A copy of `large` of the test's own."""
    return shutil.copytree(large, tmp_path / "large")


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """An index of three entries, numbers 1 to 3."""
    ingest([page(tmp_path / "fil" / "a.jsonl", 1, 3)], tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def answers(folder: Path) -> list[list[tuple[int, float, dict[str, object]]]]:
    with Searcher(folder, HashingEncoder()) as searcher:
        questions = ["Que dit le Kremlin ?", "numéro 17", "numéro 1099 dément", "Kiev"]
        return [[(hit.passage.id, hit.score, dict(hit.ranks)) for hit in searcher.search(q, k=20).hits] for q in questions]


def keys(results: Results) -> list[str]:
    return sorted(hit.passage.entry.key for hit in results.hits)


def in_another_process(path: Path, folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from embed.hashing import HashingEncoder; from index.ingest import ingest;"
        "ingest([Path(sys.argv[1])], Path(sys.argv[2]), HashingEncoder())"
    )
    subprocess.run([sys.executable, "-c", script, str(path), str(folder)], check=True, timeout=120)


def commit_without_caches(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """What a process leaves that is killed just behind its commit: entries 1 to `count`, and the caches of before."""
    with monkeypatch.context() as patch:
        patch.setattr("index.ingest.catch_up", lambda folder, card, tier: None)
        ingest([page(tmp_path / "fil" / "a.jsonl", 1, count)], folder, HashingEncoder())


def test_a_few_new_entries_cost_no_reading_of_all_vectors(
    tmp_path: Path, write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, encoder = tmp_path / "index", HashingEncoder()

    def add(name: str, count: int) -> None:
        lines = (json.dumps({"_id": str(n), "text": f"Texte {name} {n}.", "lang": "fr"}) for n in range(count))
        ingest([write(f"fil/{name}.jsonl", "\n".join(lines))], folder, encoder)

    add("a", 1100)
    first = vectors_file(folder)
    with monkeypatch.context() as patch:
        patch.setattr(FaissVectors, "load", None)
        add("b", 600)
        add("c", 400)
    assert vectors_file(folder) == first
    with Searcher(folder, encoder) as searcher:
        assert searcher.search("Texte c 7").hits[0].passage.entry.key == "7"
    # Once they are many, the file is made anew, however they came.
    add("d", 1)
    assert vectors_file(folder) != first
    assert FaissVectors.load(folder / "cache", first.name.split("vectors-")[1].rpartition("-")[0], 256, upto=4).generation == 4


# Caches that are lost


def vectors_file(folder: Path) -> Path:
    (path,) = (folder / "cache").glob("vectors-*.faiss")
    return path


def lexical_file(folder: Path) -> Path:
    return max((folder / "cache" / "lexical").glob("*.idx"), key=lambda path: path.stat().st_size)


def overwrite(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8] = b"\xa5" * 8
    path.write_bytes(content)


def put_a_file_in_place_of_the_terms(folder: Path) -> None:
    shutil.rmtree(folder / "cache" / "lexical")
    (folder / "cache" / "lexical").write_text("Bonjour")


LOSSES: dict[str, Callable[[Path], object]] = {
    "both deleted": lambda folder: shutil.rmtree(folder / "cache"),
    "terms deleted": lambda folder: shutil.rmtree(folder / "cache" / "lexical"),
    "vectors deleted": lambda folder: vectors_file(folder).unlink(),
    "a file of the terms deleted": lambda folder: lexical_file(folder).unlink(),
    "terms truncated": lambda folder: lexical_file(folder).write_bytes(lexical_file(folder).read_bytes()[:-100]),
    "vectors truncated": lambda folder: vectors_file(folder).write_bytes(vectors_file(folder).read_bytes()[:-100]),
    "terms damaged": lambda folder: overwrite(lexical_file(folder)),
    "vectors damaged": lambda folder: overwrite(vectors_file(folder)),
    "text in place of the vectors": lambda folder: vectors_file(folder).write_text("Bonjour"),
    "a file in place of the terms": put_a_file_in_place_of_the_terms,
}


@pytest.mark.parametrize("loss", LOSSES)
def test_caches_that_are_lost_are_made_again_and_answer_the_same(folder: Path, loss: str) -> None:
    before = answers(folder)
    LOSSES[loss](folder)
    assert answers(folder) == before
    # Once more from what was made again.
    assert answers(folder) == before


def test_the_caches_of_another_index_are_not_taken_for_its_own(folder: Path, foreign: Path) -> None:
    before, others = answers(folder), answers(foreign)
    assert before[3] != others[3]
    shutil.rmtree(folder / "cache")
    shutil.copytree(foreign / "cache", folder / "cache")
    assert answers(folder) == before


def test_caches_of_a_generation_that_the_store_went_back_from_are_made_anew(folder: Path, tmp_path: Path) -> None:
    before = answers(folder)
    shutil.copy(folder / "index.sqlite", tmp_path / "backup")
    ingest([page(tmp_path / "fil" / "b.jsonl", 1, MANY, "Kiev attaque")], folder, HashingEncoder())
    assert vectors_file(folder).name.endswith("-2.faiss")
    for name in ("index.sqlite-wal", "index.sqlite-shm"):
        (folder / name).unlink(missing_ok=True)
    shutil.copy(tmp_path / "backup", folder / "index.sqlite")
    assert answers(folder) == before


def test_a_vector_file_is_written_only_when_it_saves_something(small: Path, folder: Path) -> None:
    assert [path.name for path in (small / "cache").iterdir()] == ["lexical"]
    with Store.open(folder) as store:
        owner = f"{store.identity()[:12]}-{CARD.fingerprint}"
    assert vectors_file(folder).name == f"vectors-{owner}-1.faiss"


def test_many_removed_passages_make_the_terms_anew(folder: Path, tmp_path: Path) -> None:
    with Store.open(folder) as store:
        store.commit(Changes(withdrawn=list(store.keys("fil/a.jsonl").values())[:1050]), CARD)
    with Reader(folder, CARD):
        pass
    # The next to write finds too many removed, and makes the index anew.
    ingest([page(tmp_path / "fil" / "b.jsonl", 1, 1)], folder, HashingEncoder())
    stamp = json.loads((folder / "cache" / "lexical" / "filrouge.json").read_text())
    assert (stamp["removed"], stamp["generation"]) == (0, 3)
    with Searcher(folder, HashingEncoder()) as searcher:
        found = searcher.search("Kremlin", k=100)
        assert len(found.hits) == 51
        # As if the removed passages had never been: 51 passages of about equal length, all with the term.
        assert max(hit.ranks["lexical"].score for hit in found.hits) < 0.02


def test_where_caches_cannot_be_made_the_index_does_not_open(folder: Path) -> None:
    shutil.rmtree(folder / "cache")
    (folder / "cache").write_text("not a folder")
    with pytest.raises(StorageError) as caught:
        Reader(folder, CARD)
    assert str(caught.value) == (
        f"cannot write the search cache of {folder}: File exists; every entry is safe: free some space and try again"
    )


def test_a_folder_without_an_index_and_another_model_are_refused(small: Path, tmp_path: Path) -> None:
    with pytest.raises(NotAnIndex):
        Reader(tmp_path, CARD)
    with pytest.raises(ModelMismatch):
        Reader(small, HashingEncoder(64).card)


# Generations


def test_an_open_index_shows_what_another_process_added_at_the_next_search(small: Path, tmp_path: Path) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        before = searcher.search("Kremlin")
        in_another_process(page(tmp_path / "fil" / "a.jsonl", 2, 5), small)
        after = searcher.search("Kremlin")
    assert (before.generation, keys(before)) == (1, ["1", "2", "3"])
    assert (after.generation, keys(after)) == (2, ["2", "3", "4", "5", "6"])
    assert {name for hit in after.hits for name in hit.ranks} == {"dense", "words", "lexical"}


def test_a_snapshot_never_changes(small: Path, tmp_path: Path) -> None:
    question = HashingEncoder().encode_query("Le Kremlin dément")
    filters = Filters(source="fil/a.jsonl")
    with Reader(small, CARD) as reader:
        snapshot = reader.snapshot()
        before = (list(snapshot.vectors.nearest(question, 9)), list(snapshot.terms.matching(["fr:kremlin"], 9)))
        ingest([page(tmp_path / "fil" / "a.jsonl", 2, 5)], small, HashingEncoder())
        newer = reader.snapshot()
        assert (snapshot.generation, newer.generation) == (1, 2)
        assert (list(snapshot.vectors.nearest(question, 9)), list(snapshot.terms.matching(["fr:kremlin"], 9))) == before
        allowed = [taken.allowed(filters) for taken in (snapshot, newer)]
        assert [[] if ids is None else ids.tolist() for ids in allowed] == [[1, 2, 3], [2, 3, 4, 5, 6]]
        assert sorted(newer.vectors.nearest(question, 9).ids.tolist()) == [2, 3, 4, 5, 6]
        assert sorted(newer.terms.matching(["fr:kremlin"], 9).ids.tolist()) == [2, 3, 4, 5, 6]
        assert reader.snapshot() is newer


def test_while_a_writer_is_at_work_the_generation_before_answers(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        commit_without_caches(tmp_path, small, monkeypatch, 5)
        with lock.writing(small):
            assert (searcher.search("Kremlin").generation, keys(searcher.search("Kremlin"))) == (1, ["1", "2", "3"])
            with Searcher(small, HashingEncoder()) as opened:
                assert (opened.search("Kremlin").generation, keys(opened.search("Kremlin"))) == (1, ["1", "2", "3"])
        assert (searcher.search("Kremlin").generation, keys(searcher.search("Kremlin"))) == (2, ["1", "2", "3", "4", "5"])


@pytest.mark.parametrize("begun", [False, True], ids=["not begun", "begun"])
def test_an_index_whose_first_caches_are_being_made_is_busy_and_not_empty(small: Path, begun: bool) -> None:
    shutil.rmtree(small / "cache")
    with lock.writing(small):
        if begun:
            with Store.open(small) as store:
                TantivyTerms.create(small / "cache" / "lexical", store.identity())
        with pytest.raises(IndexBusy) as caught:
            Reader(small, CARD)
    assert str(caught.value) == f"the index {small} is being built by another process; try again when it has ended"
    with Searcher(small, HashingEncoder()) as searcher:
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3"]


def test_while_caches_are_made_anew_an_open_index_answers_from_its_own(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        commit_without_caches(tmp_path, small, monkeypatch, 5)
        with lock.writing(small):
            shutil.rmtree(small / "cache")
            assert keys(searcher.search("Kremlin")) == ["1", "2", "3"]
            with Store.open(small) as store:
                TantivyTerms.create(small / "cache" / "lexical", store.identity())
            found = searcher.search("Kremlin")
            assert (found.generation, keys(found)) == (1, ["1", "2", "3"])
            assert {name for hit in found.hits for name in hit.ranks} == {"dense", "words", "lexical"}
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3", "4", "5"]


def test_caches_deleted_under_an_open_index_are_made_again_with_the_next_generation(small: Path, tmp_path: Path) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        shutil.rmtree(small / "cache")
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3"]
        in_another_process(page(tmp_path / "fil" / "a.jsonl", 2, 3), small)
        assert keys(searcher.search("Kremlin")) == ["2", "3", "4"]


def test_an_open_index_goes_on_after_its_caches_were_rebuilt(small: Path, tmp_path: Path) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        assert rebuild_caches(small, CARD).generation == 1
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3"]
        ingest([page(tmp_path / "fil" / "a.jsonl", 1, 4)], small, HashingEncoder())
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3", "4"]


def test_while_caches_cannot_be_written_the_last_generation_answers_and_a_warning_says_why(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with Searcher(small, HashingEncoder()) as searcher:
        commit_without_caches(tmp_path, small, monkeypatch, 5)
        (small / "cache").rename(small / "kept")
        (small / "cache").write_text("not a folder")
        with caplog.at_level(logging.WARNING, "filrouge.index"):
            found = searcher.search("Kremlin")
        assert (found.generation, keys(found)) == (1, ["1", "2", "3"])
        assert caplog.messages == [
            f"answering from generation 1: cannot write the search cache of {small}: File exists; "
            "every entry is safe: free some space and try again"
        ]
        (small / "cache").unlink()
        (small / "kept").rename(small / "cache")
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3", "4", "5"]


def test_a_store_that_fails_half_way_gives_no_passage_twice(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    true = Store.born_vectors

    def failing(self: Store, after: int, upto: int) -> Iterator[object]:
        yield from true(self, after, upto)
        raise StorageError("disk I/O error")

    with Searcher(small, HashingEncoder()) as searcher:
        ingest([page(tmp_path / "fil" / "a.jsonl", 1, 5)], small, HashingEncoder())
        with monkeypatch.context() as patch:
            patch.setattr(Store, "born_vectors", failing)
            with pytest.raises(StorageError, match="disk I/O error"):
                searcher.search("Kremlin")
        assert keys(searcher.search("Kremlin")) == ["1", "2", "3", "4", "5"]


def test_many_threads_search_while_another_adds(small: Path, tmp_path: Path) -> None:
    failures: list[object] = []
    seen: set[int] = set()
    written = threading.Event()
    with Searcher(small, HashingEncoder()) as searcher:

        def read() -> None:
            last = 0
            try:
                while not written.is_set() or last != 9:
                    found = searcher.search("Le Kremlin dément", k=100)
                    seen.add(found.generation)
                    # Generation g has entries 1 to g + 2.
                    if keys(found) != sorted(f"{n}" for n in range(1, found.generation + 3)) or found.generation < last:
                        failures.append((last, found.generation, keys(found)))
                        return
                    last = found.generation
            except BaseException as error:
                failures.append(error)

        readers = [threading.Thread(target=read) for _ in range(4)]
        for reader in readers:
            reader.start()
        try:
            for generation in range(2, 10):
                path = page(tmp_path / "fil" / "a.jsonl", 1, generation + 2)
                # A reader that catches up holds the lock for a moment, which is waited for.
                assert ingest([path], small, HashingEncoder()).generation == generation
        finally:
            written.set()
            for reader in readers:
                reader.join()
    assert failures == []
    assert {1, 9} <= seen


# Filters


def test_without_filters_every_passage_is_allowed(small: Path) -> None:
    assert not Filters()
    with Reader(small, CARD) as reader:
        assert reader.snapshot().allowed(Filters(window=Window())) is None


def test_the_last_filters_are_remembered(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    true = Store.allowed

    def counting(self: Store, *asked_for: Any) -> np.ndarray:
        asked.append(asked_for[3])
        return true(self, *asked_for)

    monkeypatch.setattr(Store, "allowed", counting)
    with Reader(small, CARD) as reader:
        snapshot = reader.snapshot()
        for _ in range(3):
            found = snapshot.allowed(Filters(source="fil/a.jsonl"))
            assert found is not None
            assert found.tolist() == [1, 2, 3]
        assert asked == ["fil/a.jsonl"]
        for n in range(32):
            snapshot.allowed(Filters(source=f"{n}"))
        snapshot.allowed(Filters(source="0"))
        assert len(asked) == 33
        snapshot.allowed(Filters(source="fil/a.jsonl"))
        assert len(asked) == 34


def test_a_condition_is_a_filter_like_the_others(small: Path) -> None:
    asked = Filters(source="fil/a.jsonl", where=Not(compare("passage_id", "in", [1, 3])))
    assert asked
    # Snapshots remember by it.
    assert hash(asked) == hash(Filters(source="fil/a.jsonl", where=Not(compare("passage_id", "in", (1, 3)))))
    with Reader(small, CARD) as reader:
        found = reader.snapshot().allowed(asked)
        assert found is not None
        assert found.tolist() == [2]
