"""What is left beside a database tells whether something else has touched it."""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index import database, seal
from index.errors import NotAnIndex, StorageError
from index.ingest import ingest
from index.integrity import Finding
from index.store import Store


@pytest.fixture
def folder(tmp_path: Path, seed_index: Path) -> Path:
    """A copy of the seed index, with its seal and its times."""
    folder = tmp_path / "index"
    shutil.copytree(seed_index, folder)
    times = (seed_index / "index.sqlite").stat()
    os.utime(folder / "index.sqlite", ns=(times.st_atime_ns, times.st_mtime_ns))
    return folder


@contextmanager
def counted(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """How often a database is checked to its last row."""
    checked: list[str] = []

    def check(db: object) -> Iterator[Finding]:
        checked.append("checked")
        return iter(())

    with monkeypatch.context() as patch:
        patch.setattr(database, "damage", check)
        yield checked


def test_a_database_that_is_as_it_was_left_is_not_checked_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with counted(monkeypatch) as checked:
        Store.open(folder).close()
        Store.open(folder).close()
        assert checked == []


@pytest.mark.parametrize("seal_is", ["lost", "torn", "of nothing", "older"])
def test_a_database_that_was_touched_is_checked_once(folder: Path, monkeypatch: pytest.MonkeyPatch, seal_is: str) -> None:
    if seal_is == "lost":
        (folder / seal.FILE).unlink()
    elif seal_is == "torn":
        (folder / seal.FILE).write_text('{"size": 12')
    elif seal_is == "of nothing":
        (folder / seal.FILE).write_text("[]")
    else:
        os.utime(folder / "index.sqlite")
    with counted(monkeypatch) as checked:
        Store.open(folder).close()
        Store.open(folder).close()
        assert checked == ["checked"]


def test_whatever_is_committed_leaves_the_seal_of_its_generation(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "a.jsonl"
    page.write_text(json.dumps({"_id": "1", "text": "Le Kremlin dément.", "lang": "fr"}))
    ingest([page], folder, HashingEncoder())
    left = seal.sealed(folder / "index.sqlite")
    about = (folder / "index.sqlite").stat()
    assert left == seal.Seal(about.st_size, about.st_mtime_ns, 2)


def test_generations_that_are_gone_are_missed(folder: Path) -> None:
    left = seal.sealed(folder / "index.sqlite")
    assert left is not None
    seal.leave(folder / "index.sqlite", left.generation + 2)
    with pytest.raises(StorageError) as caught:
        Store.open(folder)
    assert str(caught.value) == (
        f"the index {folder} had 3 generations and has 1: index.sqlite-wal beside it was lost or damaged; "
        "filrouge restore brings a backup back, and filrouge repair takes what is left for all there is"
    )


def test_a_damaged_database_is_refused_with_its_place_and_the_repair(folder: Path) -> None:
    with Store.open(folder) as store:
        text = next(entry.text for _, entry in store.all_current())[:20]
    content = bytearray((folder / "index.sqlite").read_bytes())
    content[content.index(text.encode())] ^= 1
    (folder / "index.sqlite").write_bytes(content)
    with pytest.raises(NotAnIndex) as caught:
        Store.open(folder)
    assert str(caught.value).startswith(f"the index {folder} is damaged: entry ")
    assert str(caught.value).endswith("; filrouge verify says what else is, and filrouge repair what can be mended")


def test_where_no_seal_can_be_kept_a_process_checks_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / seal.FILE).unlink()
    (folder / seal.FILE).mkdir()
    with counted(monkeypatch) as checked:
        Store.open(folder).close()
        Store.open(folder).close()
        assert checked == ["checked"]
