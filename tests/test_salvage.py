"""What is whole of a damaged index is written to a new one, and what is lost has a name."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.errors import NotAnIndex
from index.ingest import ingest
from index.salvage import salvage
from index.search import Searcher
from index.store import Store
from index.verify import verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty entries, all of them edited once."""
    path = tmp_path / "fil" / "a.jsonl"
    path.parent.mkdir()
    for note in ("", " bis"):
        lines = [{"_id": f"{n}", "lang": "fr", "text": f"Le Kremlin dément le drone {n}{note}."} for n in range(20)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        ingest([path], tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def change(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        for statement in statements:
            assert db.execute(statement).rowcount > 0


def test_a_whole_index_comes_over_whole_with_its_history(folder: Path, tmp_path: Path) -> None:
    found = salvage(folder, tmp_path / "new", HashingEncoder())
    assert (found.entries, found.versions, found.passages, found.embedded, found.generation) == (20, 40, 40, 0, 2)
    assert (found.lost, found.earlier) == ([], 0)
    with Store.open(folder) as old, Store.open(tmp_path / "new") as new:
        assert list(new.all_current()) == list(old.all_current())
        for entry_id in old.keys("fil/a.jsonl").values():
            assert new.versions(entry_id, 2) == old.versions(entry_id, 2)
        assert new.identity() != old.identity()
    assert verify(tmp_path / "new", HashingEncoder).findings == []


def test_what_is_damaged_stays_behind_and_is_named(folder: Path, tmp_path: Path) -> None:
    # The version of entry 4 that is there now, and an earlier one of entry 7.
    change(folder, "UPDATE versions SET text = 'Autre.' WHERE text LIKE '% 4 bis.'")
    change(folder, "UPDATE versions SET text = 'Autre.' WHERE text LIKE '% 7.'")
    found = salvage(folder, tmp_path / "new", HashingEncoder())
    assert (found.entries, found.versions, found.passages) == (19, 38, 38)
    assert (found.lost, found.earlier) == (["fil/a.jsonl: 4"], 1)
    assert verify(tmp_path / "new", HashingEncoder).findings == []
    with Searcher(tmp_path / "new", HashingEncoder()) as searcher:
        assert len(searcher.search("Kremlin", k=100).hits) == 19
    # What is lost comes back from its document.
    report = ingest([folder.parent / "fil" / "a.jsonl"], tmp_path / "new", HashingEncoder())
    assert (report.added, report.unchanged) == (1, 19)


def test_vectors_that_are_damaged_are_made_again(folder: Path, tmp_path: Path) -> None:
    change(
        folder, "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id IN (3, 4)", "DELETE FROM vectors WHERE id = 5"
    )
    found = salvage(folder, tmp_path / "new", HashingEncoder())
    assert (found.entries, found.embedded, found.lost) == (20, 3, [])
    assert verify(tmp_path / "new", HashingEncoder).findings == []


def test_where_the_model_card_is_lost_that_of_the_encoder_is_taken(folder: Path, tmp_path: Path) -> None:
    change(folder, "UPDATE meta SET value = '{' WHERE key = 'card'")
    assert salvage(folder, tmp_path / "new", HashingEncoder()).entries == 20
    assert verify(tmp_path / "new", HashingEncoder).findings == []


def test_passages_on_a_page_that_cannot_be_read_are_cut_again(folder: Path, tmp_path: Path) -> None:
    change(folder, "UPDATE sources SET origin = origin")
    content = bytearray((folder / "index.sqlite").read_bytes())
    with closing(sqlite3.connect(folder / "index.sqlite")) as db:
        (root,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'passages'").fetchone()
        (size,) = db.execute("PRAGMA page_size").fetchone()
    content[(root - 1) * size : (root - 1) * size + 200] = b"\xff" * 200
    (folder / "index.sqlite").write_bytes(content)
    found = salvage(folder, tmp_path / "new", HashingEncoder())
    assert (found.entries, found.versions, found.passages, found.lost) == (20, 40, 40, [])
    assert verify(tmp_path / "new", HashingEncoder).findings == []


def test_where_nothing_can_be_read_it_is_said_and_nothing_is_made(folder: Path, tmp_path: Path) -> None:
    content = bytearray((folder / "index.sqlite").read_bytes())
    content[100:200] = b"\xff" * 100
    (folder / "index.sqlite").write_bytes(content)
    with pytest.raises(NotAnIndex, match=r"the first page of .* is damaged.*nothing can be read"):
        salvage(folder, tmp_path / "new", HashingEncoder())
    assert not (tmp_path / "new").exists()


def test_nothing_is_written_over_another_index_or_other_files(folder: Path, tmp_path: Path) -> None:
    for into, why in ((folder, "holds an index already"), (tmp_path / "fil", "is not empty")):
        with pytest.raises(NotAnIndex, match=why):
            salvage(folder, into, HashingEncoder())
    with pytest.raises(NotAnIndex, match="no index in"):
        salvage(tmp_path / "fil", tmp_path / "new", HashingEncoder())
