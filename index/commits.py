"""What one transaction writes: the commits that make things visible."""

import sqlite3
import time
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from embed import ModelCard
from index import dates
from index.database import Database
from index.records import Entry
from index.rows import Encoded, micros_of
from index.space import Space
from index.sums import seal_catalogue, seal_everything, seal_generations, vector_sum


@dataclass(frozen=True)
class NewPassage:
    """A passage about to be written: its span, and the hash under which its vector is kept."""

    start: int
    end: int
    vector_hash: bytes


@dataclass(frozen=True)
class Origin:
    """Where a source is read from, and the zone it is in."""

    source: str
    path: str
    tz: str


@dataclass(frozen=True)
class Changes:
    """What one commit writes. `entries` are new or edited, with their passages; `withdrawn` are ids of entries that are gone.

    `origins` has the sources of the entries, where the store may not know them yet, and `vectors` those of their passages.
    """

    origins: Sequence[Origin] = ()
    entries: Sequence[tuple[Entry, Sequence[NewPassage]]] = ()
    withdrawn: Sequence[str] = ()
    vectors: Mapping[bytes, Encoded] | None = None

    def __bool__(self) -> bool:
        return bool(self.entries or self.withdrawn)


class Commits(Database):
    """Writing: each method is one transaction, all of which is on the disk when it returns; or none of it."""

    def commit(self, changes: Changes, card: ModelCard) -> int:
        """Write all of `changes` in one transaction and return the new generation; the moment it becomes visible."""
        with self.writing() as db:
            generation = _next_generation(db)
            for origin in changes.origins:
                db.execute(
                    """INSERT INTO sources (name, origin, tz) VALUES (?, ?, ?)
                       ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, tz = excluded.tz""",
                    (origin.source, origin.path, origin.tz),
                )
            if changes.origins:
                seal_catalogue(db)
            _insert_vectors(db, changes.vectors or {}, card.fingerprint)
            for entry_id in changes.withdrawn:
                _bury(db, entry_id, generation)
            for entry, passages in changes.entries:
                db.execute(
                    """INSERT INTO entries SELECT ?, id, ? FROM sources WHERE name = ? ON CONFLICT DO NOTHING""",
                    (entry.id, entry.key, entry.source),
                )
                _bury(db, entry.id, generation)
                version = _insert_version(db, entry, generation)
                _insert_passages(db, version, passages, generation)
            _stamp(db, generation)
        return generation

    def add_vectors(self, vectors: Mapping[bytes, Encoded], model: str) -> None:
        """Keep vectors and words under the hashes of their texts; those that are there already stay."""
        with self.writing() as db:
            _insert_vectors(db, vectors, model)

    def replace_passages(self, passages: Iterable[tuple[int, Sequence[NewPassage]]], card: ModelCard, space: Space) -> int:
        """Give versions other passages, made for another model, with its card and space; one transaction.

        A version that is no longer there gets some too, to be found by as what was known at its time.
        """
        with self.writing() as db:
            generation = _next_generation(db)
            db.execute("UPDATE passages SET died = ? WHERE died IS NULL", (generation,))
            for version, some in passages:
                _insert_passages(db, version, some, generation)
            db.execute(
                """UPDATE passages SET died = :generation
                   WHERE born = :generation AND version_id IN (SELECT id FROM versions WHERE died IS NOT NULL)""",
                {"generation": generation},
            )
            db.execute("UPDATE meta SET value = ? WHERE key = 'card'", (card.to_json(),))
            db.execute(
                "INSERT INTO meta VALUES ('space', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (space.to_json(),),
            )
            seal_catalogue(db)
            _stamp(db, generation)
        return generation

    def rename(self, identity: str | None = None) -> None:
        """Give the index a name that no other has, so that nothing that was made for it or is open is taken for its own; or
        that of the index which it is a copy of.
        """
        with self.writing() as db:
            identity = identity or uuid.uuid4().hex
            db.execute("UPDATE meta SET value = ? WHERE key = 'identity'", (identity,))
            seal_everything(db)
            self._identity = identity

    def drop_vectors(self, numbers: Iterable[int]) -> None:
        """Forget these rows of vectors, to have them made again."""
        with self.writing() as db:
            db.executemany("DELETE FROM vectors WHERE id = ?", [(number,) for number in numbers])

    def drop_unused_vectors(self) -> int:
        """Forget the vectors of no passage, of whatever model; return how many they were."""
        with self.writing() as db:
            return db.execute("DELETE FROM vectors WHERE hash NOT IN (SELECT vector_hash FROM passages)").rowcount

    def seal(self) -> None:
        """Give sums to rows of an earlier release."""
        with self.writing() as db:
            seal_everything(db)


def _next_generation(db: sqlite3.Connection) -> int:
    generation = int(db.execute("SELECT max(number) FROM generations").fetchone()[0]) + 1
    db.execute("INSERT INTO generations (number, committed) VALUES (?, 0)", (generation,))
    return generation


def _stamp(db: sqlite3.Connection, generation: int) -> None:
    """Write down when a generation came to be, and its sum: last, as near to the moment at which it can be seen as may be.

    A clock that was set back must not let a generation come before the one that it follows.
    """
    db.execute(
        "UPDATE generations SET committed = max(?, (SELECT committed + 1 FROM generations WHERE number = ?)) WHERE number = ?",
        (time.time_ns() // 1000, generation - 1, generation),
    )
    seal_generations(db, generation)


def _bury(db: sqlite3.Connection, entry_id: str, generation: int) -> None:
    for (version,) in db.execute("SELECT id FROM versions WHERE entry_id = ? AND died IS NULL", (entry_id,)).fetchall():
        db.execute("UPDATE versions SET died = ? WHERE id = ?", (generation, version))
        db.execute("UPDATE passages SET died = ? WHERE version_id = ? AND died IS NULL", (generation, version))


def _insert_version(db: sqlite3.Connection, entry: Entry, generation: int) -> int:
    cursor = db.execute(
        """INSERT INTO versions
           (entry_id, title, text, lang, url, published, ends, tz, precision, clock, content_hash, born)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            entry.id,
            entry.title,
            entry.text,
            entry.lang,
            entry.url,
            micros_of(entry.published),
            micros_of(entry.ends),
            dates.zone_name(entry.published.tzinfo) if entry.published else None,
            entry.precision,
            entry.clock.isoformat() if entry.clock else None,
            entry.content_hash,
            generation,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _insert_passages(db: sqlite3.Connection, version: int, passages: Sequence[NewPassage], generation: int) -> None:
    db.executemany(
        'INSERT INTO passages (version_id, start, "end", vector_hash, born) VALUES (?, ?, ?, ?, ?)',
        [(version, passage.start, passage.end, passage.vector_hash, generation) for passage in passages],
    )


def _insert_vectors(db: sqlite3.Connection, vectors: Mapping[bytes, Encoded], model: str) -> None:
    """Half precision keeps four digits of a cosine, more than 8-bit weights have."""
    rows = ((key, one.vector.astype("<f2").tobytes(), one.words.tobytes()) for key, one in vectors.items())
    db.executemany(
        """INSERT INTO vectors (model, hash, vector, words, sum) VALUES (?, ?, ?, ?, ?)
           ON CONFLICT (model, hash) DO UPDATE SET vector = excluded.vector, words = excluded.words, sum = excluded.sum
           WHERE words IS NULL""",
        ((model, *row, vector_sum(*row)) for row in rows),
    )
