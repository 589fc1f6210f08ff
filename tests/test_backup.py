"""An index is copied while it is used, and comes back whole or not at all."""

import json
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from embed import Encoder
from embed.hashing import HashingEncoder
from index import lock
from index.backup import Backup, back_up, restore
from index.errors import IndexBusy, NotAnIndex, StorageError
from index.ingest import ingest
from index.search import Searcher
from index.store import Store
from index.verify import verify
from tests.exact import forked, require_exact


def page(folder: Path, count: int, note: str = "") -> Path:
    path = folder / "fil" / "a.jsonl"
    path.parent.mkdir(exist_ok=True)
    lines = [{"_id": f"{n}", "lang": "fr", "text": f"Le Kremlin dément, drone numéro {n}{note}."} for n in range(count)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    ingest([page(tmp_path, 12)], tmp_path / "index", HashingEncoder())
    ingest([page(tmp_path, 10, " bis")], tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def texts(folder: Path) -> list[str]:
    with Searcher(folder, HashingEncoder()) as searcher:
        return sorted(hit.text for hit in searcher.search("Kremlin", k=100).hits)


def test_a_backup_is_one_file_that_brings_the_index_back_with_its_history(folder: Path, tmp_path: Path) -> None:
    before = texts(folder)
    made = back_up(folder, tmp_path / "copy")
    assert (made.file, made.generation, made.entries, made.passages) == (tmp_path / "copy", 2, 10, 10)
    assert made.bytes == (tmp_path / "copy").stat().st_size
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "fil", "index"]
    back = restore(tmp_path / "copy", tmp_path / "new")
    assert (back.generation, back.entries, back.passages) == (2, 10, 10)
    assert texts(tmp_path / "new") == before
    with Store.open(folder) as old, Store.open(tmp_path / "new") as new:
        (entry_id, *_) = old.keys("fil/a.jsonl").values()
        assert new.versions(entry_id, 2) == old.versions(entry_id, 2)
        # Nothing that was made for the one is taken for the other's.
        assert new.identity() != old.identity()
    assert verify(tmp_path / "new", HashingEncoder).findings == []


def test_in_a_folder_each_backup_has_a_name_of_its_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "backups").mkdir()
    now = datetime(2026, 11, 26, 12, 30, tzinfo=UTC)
    assert back_up(folder, tmp_path / "backups", now).file.name == "index-2-20261126T123000Z.filrouge"
    with pytest.raises(StorageError, match="is there already, and a backup takes the place of nothing"):
        back_up(folder, tmp_path / "backups", now)


def test_a_backup_takes_the_place_of_no_file(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    with pytest.raises(StorageError, match="mine is there already"):
        back_up(folder, tmp_path / "mine")
    assert (tmp_path / "mine").read_text() == "mine"


def test_a_backup_that_cannot_be_written_leaves_nothing(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write .*; nothing that was there has changed"):
        back_up(folder, tmp_path / "file" / "copy")
    with pytest.raises(StorageError, match="cannot write"):
        back_up(folder, tmp_path / "nowhere" / "copy")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fil", "file", "index"]


def test_backups_made_while_others_write_are_whole_generations(folder: Path, tmp_path: Path) -> None:
    stop, failures = threading.Event(), list[BaseException]()

    def write() -> None:
        try:
            for turn in range(8):
                ingest([page(tmp_path, 10, f" {turn}")], folder, HashingEncoder())
        except BaseException as error:
            failures.append(error)
        finally:
            stop.set()

    writer = threading.Thread(target=write)
    writer.start()
    made: list[Backup] = []
    try:
        while not stop.is_set() or not made:
            made.append(back_up(folder, tmp_path / f"{len(made)}.filrouge"))
    finally:
        writer.join()
    assert failures == []
    assert [one.generation for one in made] == sorted(one.generation for one in made)
    for one in (made[0], made[-1]):
        restore(one.file, tmp_path / "back", replace=True)
        # Each generation has one note behind every text.
        assert len({text.partition("numéro ")[2].partition(" ")[2] for text in texts(tmp_path / "back")}) == 1
        assert len(forked(lambda: require_exact(tmp_path / "back")).said[-1]) == 10


def test_an_index_is_replaced_only_when_told(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "copy")
    ingest([page(tmp_path, 10, " ter")], folder, HashingEncoder())
    with pytest.raises(StorageError) as caught:
        restore(tmp_path / "copy", folder)
    assert str(caught.value) == f"{folder} holds an index: restore into another folder, or replace it with --replace"
    assert len([text for text in texts(folder) if "ter" in text]) == 10
    restore(tmp_path / "copy", folder, replace=True)
    assert len([text for text in texts(folder) if "bis" in text]) == 10
    # What comes after is written on what was brought back.
    assert ingest([page(tmp_path, 11, " bis")], folder, HashingEncoder()).added == 1
    assert verify(folder, HashingEncoder).findings == []


def test_a_program_that_has_the_index_open_is_told_that_it_was_replaced(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "copy")
    with Searcher(folder, HashingEncoder()) as searcher:
        assert len(searcher.search("Kremlin", k=100).hits) == 10
        snapshot = searcher.reader.snapshot()
        restore(tmp_path / "copy", folder, replace=True)
        for ask in (
            lambda: searcher.search("Kremlin"),
            lambda: searcher.search("Kremlin", snapshot=snapshot),
            lambda: searcher.reader.store.passages([1]),
        ):
            with pytest.raises(StorageError, match="was replaced while it was open: open it again"):
                ask()
    assert len(texts(folder)) == 10


def test_a_server_says_that_its_index_was_replaced(
    folder: Path,
    tmp_path: Path,
    serving: Callable[[Path, Encoder], AbstractContextManager[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    back_up(folder, tmp_path / "copy")
    with serving(folder, HashingEncoder()) as address:
        assert httpx.get(f"{address}/search", params={"q": "Kremlin"}).status_code == 200
        restore(tmp_path / "copy", folder, replace=True)
        refused = httpx.get(f"{address}/search", params={"q": "Kremlin bis"})
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:filrouge:storage-error")
        assert "was replaced while it was open: open it again" in caplog.text
    with serving(folder, HashingEncoder()) as address:
        assert len(httpx.get(f"{address}/search", params={"q": "Kremlin"}).json()["hits"]) == 10


def test_an_index_with_pages_of_another_size_is_replaced_too(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "copy")
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA journal_mode = DELETE")
        db.execute("PRAGMA page_size = 4096")
        db.execute("VACUUM")
        db.execute("PRAGMA journal_mode = WAL")
    with Searcher(folder, HashingEncoder()):
        restore(tmp_path / "copy", folder, replace=True)
    assert len(texts(folder)) == 10
    assert verify(folder, HashingEncoder).findings == []


def test_what_is_no_database_any_more_is_replaced_too(folder: Path, tmp_path: Path) -> None:
    back_up(folder, tmp_path / "copy")
    (folder / "index.sqlite").write_bytes(b"no database any more" * 1000)
    (folder / "index.sqlite-wal").write_bytes(b"of another")
    with pytest.raises(NotAnIndex):
        texts(folder)
    restore(tmp_path / "copy", folder, replace=True)
    assert len(texts(folder)) == 10


@pytest.mark.parametrize("kind", ["no database", "another's database", "missing", "a bit that is wrong", "cut off"])
def test_what_is_no_whole_backup_is_refused_before_anything_is_touched(folder: Path, tmp_path: Path, kind: str) -> None:
    back_up(folder, tmp_path / "copy")
    before, copy = texts(folder), tmp_path / "copy"
    content = copy.read_bytes()
    if kind == "no database":
        copy.write_bytes(b"x" * 5000)
    elif kind == "another's database":
        copy.unlink()
        with closing(sqlite3.connect(copy)) as db:
            db.execute("CREATE TABLE mine (a)")
    elif kind == "missing":
        copy.unlink()
    elif kind == "cut off":
        copy.write_bytes(content[: len(content) // 2])
    else:
        at = content.index("numéro 7 bis".encode())
        copy.write_bytes(content[:at] + b"N" + content[at + 1 :])
    for folder_to in (folder, tmp_path / "new"):
        with pytest.raises(StorageError):
            restore(copy, folder_to, replace=True)
    assert texts(folder) == before
    assert not (tmp_path / "new").exists()
    assert sorted(path.name for path in folder.iterdir() if path.name.startswith(".restore")) == []


def test_nothing_is_brought_back_while_another_writes_or_among_other_files(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    back_up(folder, tmp_path / "copy")
    with lock.writing(folder), pytest.raises(IndexBusy):
        restore(tmp_path / "copy", folder, replace=True)
    with pytest.raises(NotAnIndex, match="is not empty and holds no index"):
        restore(tmp_path / "copy", tmp_path / "fil")


def test_a_backup_of_an_index_of_an_earlier_layout_vouches_for_itself(folder: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        # As the step to the newest layout leaves rows that were there.
        db.execute("UPDATE vectors SET sum = NULL")
        db.execute("UPDATE generations SET sum = NULL")
        db.execute("DELETE FROM meta WHERE key = 'sum'")
    copy = back_up(folder, tmp_path / "copy").file
    content = copy.read_bytes()
    with Store.open(folder) as store:
        _, (vector, *_) = store.vectors([1])
    at = content.index(vector.astype("<f2").tobytes())
    copy.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    with pytest.raises(NotAnIndex, match="vector"):
        restore(copy, tmp_path / "new")
    shutil.rmtree(folder)
    copy.write_bytes(content)
    assert restore(copy, folder).entries == 10
