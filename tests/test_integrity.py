"""Everything in a database is checked against everything else in it."""

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from index.integrity import REPAIR, RESTORE, Finding, damage, only_lists
from tests.exact import lose_from_list


@pytest.fixture
def db(tmp_path: Path, seed_index: Path) -> Iterator[sqlite3.Connection]:
    """A copy of the database of the seeds, that anything can be done to."""
    shutil.copy(seed_index / "index.sqlite", tmp_path / "copy")
    with closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as db:
        yield db


def found(db: sqlite3.Connection, *changes: str) -> list[Finding]:
    for change in changes:
        db.execute(change)
    return list(damage(db))


def test_there_is_nothing_wrong_with_an_index_that_was_just_made(db: sqlite3.Connection) -> None:
    assert found(db) == []
    assert not db.in_transaction


LOST = "DELETE FROM entries WHERE id = (SELECT entry_id FROM versions WHERE id = 2)"


@pytest.mark.parametrize(
    ("change", "place", "offence"),
    [
        ("UPDATE versions SET text = text || '.' WHERE id = 2", "version 2", "is not what was written"),
        ("UPDATE versions SET published = published + 1 WHERE id = 2", "version 2", "is not what was written"),
        ("UPDATE versions SET lang = 'xx' WHERE id = 2", "version 2", "is not what was written"),
        ("UPDATE versions SET tz = 'Mars/Olympus' WHERE id = 2", "version 2", "is not what was written"),
        ("UPDATE versions SET text = 12 WHERE id = 2", "version 2", "is not what was written"),
        ("UPDATE versions SET born = 0 WHERE id = 2", "generation 1", "is not what was committed"),
        ("UPDATE versions SET died = 1 WHERE id = 2", "generation 1", "is not what was committed"),
        ("UPDATE passages SET died = 1 WHERE id = 2", "generation 1", "is not what was committed"),
        ("DELETE FROM passages WHERE id = 2", "generation 1", "is not what was committed"),
        (LOST, "versions, row 2", "belongs to no row of entries"),
        ("UPDATE entries SET key = key || 'x' WHERE rowid = 2", "entry ", "is not the entry"),
        ("UPDATE sources SET tz = 'UTC' WHERE id = 1", "meta and sources", "is not what was written"),
        ("UPDATE meta SET value = 'x' WHERE key = 'identity'", "meta and sources", "is not what was written"),
        ("DELETE FROM meta WHERE key = 'card'", "meta", "'card' is missing"),
        ("DELETE FROM generations WHERE number = 1", ", row 1", "belongs to no row of generations"),
        ("UPDATE generations SET committed = 0 WHERE number = 1", "generation 1", "does not follow generation 0"),
        ("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id = 2", "vector 2", "is not what was written"),
        ("UPDATE vectors SET words = x'' WHERE id = 2", "vector 2", "is not what was written"),
        ("UPDATE vectors SET sum = NULL, vector = x'0102' WHERE id = 2", "vector 2", "is no vector of"),
        ("DELETE FROM vectors WHERE id = 2", "vectors", "1 passages have none of the model 'hashing'"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(db: sqlite3.Connection, change: str, place: str, offence: str) -> None:
    first = found(db, "PRAGMA foreign_keys = OFF", change)[0]
    assert place in first.place
    assert offence in first.offence
    assert first.repair.startswith(REPAIR if "vector" in place else RESTORE)
    assert first.is_vector == ("vector" in place)


def resum(db: sqlite3.Connection) -> None:
    """As if generations had been committed so, to see what else notices."""
    db.execute("UPDATE generations SET sum = NULL")


@pytest.mark.parametrize(
    ("change", "place", "offence"),
    [
        ('UPDATE passages SET start = "end" WHERE id = 2', "passage 2", "are not within its text"),
        ('UPDATE passages SET "end" = 100000 WHERE id = 2', "passage 2", "are not within its text"),
        (
            'INSERT INTO passages (version_id, start, "end", vector_hash, born) '
            'SELECT version_id, start, "end", vector_hash, born FROM passages WHERE id = 2',
            "passage",
            "before the one before it ends",
        ),
        ("UPDATE versions SET ends = ends + 1 WHERE ends IS NOT NULL", "version", "the end of its time"),
        ("DELETE FROM passages WHERE version_id = 2", "version 2", "has a text and no passage"),
        ("UPDATE passages SET born = 7 WHERE id = 2", "passages, row 2", "lived from generation 7"),
    ],
)
def test_rows_are_checked_against_each_other(db: sqlite3.Connection, change: str, place: str, offence: str) -> None:
    resum(db)
    first = found(db, "PRAGMA foreign_keys = OFF", change)
    assert any(place in one.place and offence in one.offence for one in first) or "belongs to no row" in first[0].offence


def test_a_list_of_sqlite_that_has_lost_a_row_is_told_from_a_lost_row(tmp_path: Path, db: sqlite3.Connection) -> None:
    lose_from_list(db, tmp_path / "copy", "passages_born", "passages")
    with closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as damaged:
        wrong = list(damage(damaged))
        assert [one.offence for one in wrong] == [
            "row 2 missing from index passages_born",
            "wrong # of entries in index passages_born",
        ]
        assert only_lists(wrong)
        assert not only_lists([*wrong, Finding("index.sqlite", "Page 3 is never used", RESTORE)])
        damaged.execute("REINDEX")
        assert list(damage(damaged)) == []
