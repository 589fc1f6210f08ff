"""The steps from an empty database to the newest layout; each runs once, in its own transaction, in this order.

A step is never changed after a release: a later one amends it.
"""

import sqlite3
from collections.abc import Callable


def m001_entries_versions_passages_vectors(db: sqlite3.Connection) -> None:
    """Everything that is true. Rows are born in a generation and die in one; nothing is deleted, so a reader of an older
    generation goes on reading it.

    Times are microseconds since 1970 UTC. `ends` is `published`, or the end of the day where only the day is known.
    """
    for statement in (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)",
        "CREATE TABLE generations (number INTEGER PRIMARY KEY, committed INTEGER NOT NULL)",
        "INSERT INTO generations VALUES (0, 0)",
        """CREATE TABLE sources (
            id INTEGER PRIMARY KEY,
            name TEXT NOT NULL UNIQUE,
            origin TEXT NOT NULL,
            tz TEXT NOT NULL
        )""",
        """CREATE TABLE entries (
            id TEXT PRIMARY KEY,
            source_id INTEGER NOT NULL REFERENCES sources,
            key TEXT NOT NULL,
            UNIQUE (source_id, key)
        )""",
        """CREATE TABLE versions (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            entry_id TEXT NOT NULL REFERENCES entries,
            title TEXT NOT NULL,
            text TEXT NOT NULL,
            lang TEXT NOT NULL,
            url TEXT,
            published INTEGER,
            ends INTEGER,
            tz TEXT,
            precision TEXT,
            clock TEXT,
            content_hash BLOB NOT NULL,
            born INTEGER NOT NULL REFERENCES generations,
            died INTEGER REFERENCES generations
        )""",
        "CREATE UNIQUE INDEX versions_current ON versions (entry_id) WHERE died IS NULL",
        "CREATE INDEX versions_of_entry ON versions (entry_id, born)",
        """CREATE TABLE passages (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            version_id INTEGER NOT NULL REFERENCES versions,
            start INTEGER NOT NULL,
            "end" INTEGER NOT NULL,
            vector_hash BLOB NOT NULL,
            born INTEGER NOT NULL REFERENCES generations,
            died INTEGER REFERENCES generations
        )""",
        "CREATE INDEX passages_of_version ON passages (version_id)",
        "CREATE INDEX passages_born ON passages (born)",
        "CREATE INDEX passages_died ON passages (died) WHERE died IS NOT NULL",
        """CREATE TABLE vectors (
            id INTEGER PRIMARY KEY,
            model TEXT NOT NULL,
            hash BLOB NOT NULL,
            vector BLOB NOT NULL,
            UNIQUE (model, hash)
        )""",
    ):
        db.execute(statement)


def m002_words(db: sqlite3.Connection) -> None:
    """The words of a passage beside its vector, as signs (`index.space`); null where an earlier release wrote the vector."""
    db.execute("ALTER TABLE vectors ADD COLUMN words BLOB")


def m003_sums(db: sqlite3.Connection) -> None:
    """What tells a damaged row from what was written (`index.sums`); null in rows that an earlier release wrote.

    A generation's sum is over all that was born and died in it, so that these must be found by it.
    """
    db.execute("ALTER TABLE vectors ADD COLUMN sum BLOB")
    db.execute("ALTER TABLE generations ADD COLUMN sum BLOB")
    db.execute("CREATE INDEX versions_born ON versions (born)")
    db.execute("CREATE INDEX versions_died ON versions (died) WHERE died IS NOT NULL")


STEPS: list[Callable[[sqlite3.Connection], None]] = [m001_entries_versions_passages_vectors, m002_words, m003_sums]
