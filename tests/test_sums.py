"""The checksums beside the rows: equal for what was written, and different for anything else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.sums import (
    are_whole_words,
    catalogue_sum,
    generation_sums,
    is_whole_vector,
    seal_everything,
    vector_sum,
)


@given(st.binary(max_size=16), st.binary(min_size=1, max_size=64), st.binary(min_size=1, max_size=64), st.data())
def test_a_bit_that_changes_in_vector_words_or_hash_is_told(
    key: bytes, vector: bytes, words: bytes, data: st.DataObject
) -> None:
    kept = vector_sum(key, vector, words)
    assert is_whole_vector(key, vector, kept)
    assert are_whole_words(key, words, kept)
    place, bit = data.draw(st.integers(0, len(vector) - 1)), data.draw(st.integers(0, 7))
    other = bytes(byte ^ (1 << bit) * (at == place) for at, byte in enumerate(vector))
    assert not is_whole_vector(key, other, kept)
    assert are_whole_words(key, words, kept)
    assert not is_whole_vector(key + b"x", vector, kept)
    assert vector_sum(key, other, words)[4:] == kept[4:]


def test_a_row_of_an_earlier_release_has_no_sum_and_is_believed() -> None:
    assert is_whole_vector(b"k", b"anything", None)
    assert are_whole_words(b"k", b"anything", None)


def database(index: Path) -> sqlite3.Connection:
    return sqlite3.connect(index / "index.sqlite", isolation_level=None)


CHANGES = [
    "UPDATE versions SET ends = ends + 1 WHERE id = 2",
    "UPDATE versions SET died = 1 WHERE id = 2",
    "UPDATE versions SET entry_id = 'another' WHERE id = 2",
    'UPDATE passages SET "end" = "end" - 1 WHERE id = 2',
    "UPDATE passages SET version_id = version_id + 1 WHERE id = 2",
    "UPDATE passages SET died = 1 WHERE id = 2",
    "UPDATE generations SET committed = committed + 1 WHERE number = 1",
    "DELETE FROM passages WHERE id = 2",
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_in_the_history_of_an_index_changes_the_sum_of_its_last_generation(
    seed_index: Path, tmp_path: Path, change: str
) -> None:
    with closing(database(seed_index)) as original, closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as copy:
        original.backup(copy)
        copy.execute("PRAGMA foreign_keys = OFF")
        kept = copy.execute("SELECT sum FROM generations WHERE number = 1").fetchone()[0]
        assert dict(generation_sums(copy, 0, b"")) == {1: kept}
        assert copy.execute(change).rowcount == 1
        assert dict(generation_sums(copy, 0, b""))[1] != kept


def test_the_sum_of_a_generation_vouches_for_those_before(tmp_path: Path, seed_index: Path) -> None:
    with closing(database(seed_index)) as original, closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as copy:
        original.backup(copy)
        copy.execute("INSERT INTO generations (number, committed) SELECT 2, committed + 1 FROM generations WHERE number = 1")
        before = dict(generation_sums(copy, 0, b""))
        copy.execute("UPDATE generations SET committed = committed - 1 WHERE number = 1")
        after = dict(generation_sums(copy, 0, b""))
        assert before.keys() == after.keys() == {1, 2}
        assert before[2] != after[2]


def test_what_is_known_of_sources_and_the_model_has_a_sum(tmp_path: Path, seed_index: Path) -> None:
    with closing(database(seed_index)) as original, closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as copy:
        original.backup(copy)
        kept = copy.execute("SELECT value FROM meta WHERE key = 'sum'").fetchone()[0]
        assert catalogue_sum(copy) == kept
        for change in (
            "UPDATE sources SET tz = 'UTC' WHERE id = 1",
            "UPDATE meta SET value = value || ' ' WHERE key = 'space'",
        ):
            copy.execute("BEGIN")
            copy.execute(change)
            assert catalogue_sum(copy) != kept
            copy.execute("ROLLBACK")


def test_rows_of_an_earlier_release_get_their_sums_and_those_that_have_one_keep_it(tmp_path: Path, seed_index: Path) -> None:
    with closing(database(seed_index)) as original, closing(sqlite3.connect(tmp_path / "copy", isolation_level=None)) as copy:
        original.backup(copy)
        vectors = copy.execute("SELECT id, sum FROM vectors ORDER BY id").fetchall()
        generations = copy.execute("SELECT number, sum FROM generations").fetchall()
        copy.execute("UPDATE vectors SET sum = NULL WHERE id > 1")
        copy.execute("UPDATE vectors SET sum = x'00' WHERE id = 1")
        copy.execute("UPDATE generations SET sum = NULL")
        seal_everything(copy)
        assert copy.execute("SELECT id, sum FROM vectors ORDER BY id").fetchall() == [(1, b"\0"), *vectors[1:]]
        assert copy.execute("SELECT number, sum FROM generations").fetchall() == generations
