"""What tells that rows are still what was written: the checksums that are kept beside them.

SQLite notices a page that makes no sense, and not a number or a letter that has changed in one. A text has the hash of its
entry's content. A vector has a sum in its row. What a generation brought and took away has a sum too, which the sum of the
generation before goes into: the last one vouches for every row there ever was.
"""

import hashlib
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

SUM_KEY = "sum"
"""Where the sum of the rows that commits replace is kept, among what is known of the index."""
_SIZE = 8
_CHECK = 4
"""Bytes: enough against accidents, which is all that a sum beside its row can tell."""


def vector_sum(key: bytes, vector: bytes, words: bytes) -> bytes:
    """The sum of a row of vectors: four bytes for the vector and four for the words, each together with the hash of the text.
    Who reads one of the two can check it alone.

    >>> vector_sum(b"key", b"vector", b"words").hex()
    '08d968735eb55faa'
    """
    return _check(key, vector) + _check(key, words)


def is_whole_vector(key: bytes, vector: bytes, kept: bytes | None) -> bool:
    """Whether a vector is what was written; rows of an earlier release have no sum to tell."""
    return kept is None or kept[:_CHECK] == _check(key, vector)


def are_whole_words(key: bytes, words: bytes, kept: bytes | None) -> bool:
    """The same of the words."""
    return kept is None or kept[_CHECK:] == _check(key, words)


def _check(key: bytes, content: bytes) -> bytes:
    return zlib.crc32(content, zlib.crc32(key)).to_bytes(_CHECK, "little")


def generation_sums(db: sqlite3.Connection, after: int, before: bytes) -> Iterator[tuple[int, bytes]]:
    """Each generation later than `after`, whose sum was `before`, with the sum of what is there of it now."""
    since = (after,)
    changes = {
        name: _Grouped(db.execute(sql, since))
        for name, sql in (
            ("born", "SELECT born, id, entry_id, content_hash, ends FROM versions WHERE born > ? ORDER BY born, id"),
            ("died", "SELECT died, id FROM versions WHERE died > ? ORDER BY died, id"),
            (
                "cut",
                'SELECT born, id, version_id, start, "end", vector_hash FROM passages WHERE born > ? ORDER BY born, id',
            ),
            ("gone", "SELECT died, id FROM passages WHERE died > ? ORDER BY died, id"),
        )
    }
    for number, committed in db.execute("SELECT number, committed FROM generations WHERE number > ? ORDER BY number", since):
        rows = chain.from_iterable(
            chain([name.encode()], (repr(row).encode() for row in grouped.of(number))) for name, grouped in changes.items()
        )
        before = _digest(chain([before, repr((number, committed)).encode()], rows))
        yield number, before


def catalogue_sum(db: sqlite3.Connection) -> str:
    """The sum of what is known of the index and of its sources, which commits replace."""
    meta = db.execute("SELECT key, value FROM meta WHERE key != ? ORDER BY key", (SUM_KEY,))
    sources = db.execute("SELECT id, name, origin, tz FROM sources ORDER BY id")
    return _digest(repr(row).encode() for row in chain(meta, sources)).hex()


def seal_catalogue(db: sqlite3.Connection) -> None:
    """Keep its sum."""
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (SUM_KEY, catalogue_sum(db))
    )


def seal_generations(db: sqlite3.Connection, since: int) -> None:
    """Keep the sums of the generations from `since` on, in which the rows of each must be complete."""
    row = db.execute("SELECT sum FROM generations WHERE number = ?", (since - 1,)).fetchone()
    sums = list(generation_sums(db, since - 1, (row and row[0]) or b""))
    db.executemany("UPDATE generations SET sum = ? WHERE number = ?", [(kept, number) for number, kept in sums])


def seal_everything(db: sqlite3.Connection) -> None:
    """Give sums to rows of an earlier release, which have none; who calls says that they are as they should be."""
    db.create_function("vector_sum", 3, lambda key, vector, words: vector_sum(key, vector, words or b""), deterministic=True)
    db.execute("UPDATE vectors SET sum = vector_sum(hash, vector, words) WHERE sum IS NULL")
    (bare,) = db.execute("SELECT min(number) FROM generations WHERE sum IS NULL AND number > 0").fetchone()
    if bare is not None:
        seal_generations(db, bare)
    seal_catalogue(db)


class _Grouped:
    """Rows that ascend by a first number, given out by it."""

    def __init__(self, rows: Iterator[tuple[Any, ...]]) -> None:
        self._rows = rows
        self._next = next(rows, None)

    def of(self, number: int) -> Iterator[tuple[Any, ...]]:
        """The rows of `number`, or of one below it that was not asked for: none is passed over."""
        while self._next is not None and self._next[0] <= number:
            yield self._next
            self._next = next(self._rows, None)


def _digest(parts: Iterable[bytes]) -> bytes:
    digest = hashlib.blake2b(digest_size=_SIZE)
    for part in parts:
        digest.update(part)
    return digest.digest()
