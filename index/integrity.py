"""Is the database what was written to it? Everything in it is checked against everything else in it.

SQLite says whether its pages and lists make sense; the sums of `index.sums` and the hashes of the entries say whether what they
hold is what was committed. What engines and models have to say is looked at by `index.verify`.
"""

import itertools
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from embed import ModelCard
from index.errors import FilrougeError, StorageError
from index.records import Entry
from index.rows import ENTRY, FROM_VERSIONS, LAST, entry_of, micros_of, vector_of
from index.sums import SUM_KEY, catalogue_sum, generation_sums, vector_sum

RESTORE = "restore a backup with filrouge restore, or write what is whole to a new index with filrouge repair --into DIR"
REPAIR = "filrouge repair"
_SHOWN = 20
"""Complaints of SQLite's own that are passed on; one damaged page gives many."""
_OFF = 0.01
"""How far from 1 the length of a vector in half precision may be."""


@dataclass(frozen=True)
class Finding:
    """Something that is wrong: where, what is wrong with it, and what mends it."""

    place: str
    offence: str
    repair: str
    is_vector: bool = False
    """Whether it is about vectors, which can be made again."""

    def __str__(self) -> str:
        return f"{self.place}: {self.offence}; {self.repair}"


def damage(db: sqlite3.Connection) -> Iterator[Finding]:
    """What is wrong in a database of the newest layout, in one state of it, whatever is written meanwhile."""
    db.execute("BEGIN")
    try:
        structure = list(_structure(db))
        yield from structure
        # Rows that are read past a damaged page are no evidence of anything.
        if not structure:
            for check in (catalogue_damage, _generations, _entries, _versions, _passages, _vectors):
                yield from check(db)
    except sqlite3.DatabaseError as error:
        yield Finding("index.sqlite", f"cannot be read to its end: {error}", RESTORE)
    except (ValueError, TypeError, KeyError, OverflowError, FilrougeError) as error:
        # A number where a text was, a zone that is none: SQLite keeps whatever the bytes say.
        yield Finding("index.sqlite", f"holds what was never written: {error}", RESTORE)
    finally:
        if db.in_transaction:
            db.execute("ROLLBACK")


def only_lists(findings: list[Finding]) -> bool:
    """Whether all that is wrong are SQLite's lists of rows, which are made again from the rows."""
    return all(" missing from index " in one.offence or "wrong # of entries in index" in one.offence for one in findings)


def _structure(db: sqlite3.Connection) -> Iterator[Finding]:
    for (text,) in db.execute(f"PRAGMA integrity_check({_SHOWN})"):
        if text != "ok":
            listed = " missing from index " in text or "wrong # of entries in index" in text
            yield Finding("index.sqlite", text.replace("\n", " "), REPAIR if listed else RESTORE)
    for table, row, parent, _ in itertools.islice(db.execute("PRAGMA foreign_key_check"), _SHOWN):
        yield Finding(f"{table}, row {row}", f"belongs to no row of {parent}", RESTORE)


def catalogue_damage(db: sqlite3.Connection) -> Iterator[Finding]:
    """What is wrong with what is known of the index itself and of its sources."""
    meta = dict(db.execute("SELECT key, value FROM meta"))
    for key in ("card", "identity"):
        if key not in meta:
            yield Finding("meta", f"'{key}' is missing", RESTORE)
    # An index of an earlier release has no sum before its next commit.
    if SUM_KEY in meta and meta[SUM_KEY] != catalogue_sum(db):
        yield Finding("meta and sources", "the model card, the space or a source is not what was written", RESTORE)


def _generations(db: sqlite3.Connection) -> Iterator[Finding]:
    rows = db.execute("SELECT number, committed, sum FROM generations ORDER BY number").fetchall()
    if not rows:
        yield Finding("generations", "there is none, where the empty index is one", RESTORE)
        return
    for (number, committed, _), (following, later, _) in itertools.pairwise(rows):
        if following != number + 1 or later <= committed:
            yield Finding(f"generation {following}", f"does not follow generation {number} in number and time", RESTORE)
    kept = {number: sum for number, _, sum in rows}
    first = next((number for number, sum in kept.items() if sum is not None), None)
    if first is not None:
        for number, counted in generation_sums(db, first - 1, b""):
            if kept[number] != counted:
                offence = "what it brought and took away is not what was committed, or that of one before it is not"
                yield Finding(f"generation {number}", offence, RESTORE)
                return
    last = rows[-1][0]
    for table in ("versions", "passages"):
        for row, born, died in db.execute(
            f"SELECT id, born, died FROM {table} WHERE born < 1 OR born > ? OR died > ? OR died < born", (last, last)
        ):
            yield Finding(f"{table}, row {row}", f"lived from generation {born} to {died}, of {last} that there are", RESTORE)


def _entries(db: sqlite3.Connection) -> Iterator[Finding]:
    for entry_id, source, key in db.execute("SELECT e.id, s.name, e.key FROM entries e JOIN sources s ON s.id = e.source_id"):
        if Entry(source, key, "", "", "").id != entry_id:
            yield Finding(f"entry {entry_id}", f"is not the entry '{key}' of '{source}' that it is kept as", RESTORE)


def _versions(db: sqlite3.Connection) -> Iterator[Finding]:
    rows = db.execute(
        f"""SELECT v.id, e.id, v.ends, EXISTS (SELECT 1 FROM passages p WHERE p.version_id = v.id), {ENTRY}
            {FROM_VERSIONS} ORDER BY v.id"""
    )
    for version, entry_id, ends, has_passages, *row in rows:
        place = f"entry {entry_id}, version {version}"
        try:
            entry = entry_of(row)
        except StorageError:
            yield Finding(place, "its text, title, time, language or address is not what was written", RESTORE)
            continue
        if ends != micros_of(entry.ends):
            yield Finding(place, "the end of its time is not that of its time", RESTORE)
        elif not has_passages and any(letter.isalnum() for letter in entry.text):
            yield Finding(place, "has a text and no passage", RESTORE)


def _passages(db: sqlite3.Connection) -> Iterator[Finding]:
    rows = db.execute(
        """SELECT p.id, p.version_id, p.born, p.start, p."end", length(v.text), instr(v.text, char(0)), v.text
           FROM passages p JOIN versions v ON v.id = p.version_id ORDER BY p.version_id, p.born, p.start, p."end" """
    )
    before: tuple[int, int, int] | None = None
    for passage, version, born, start, end, length, nul, text in rows:
        # To SQLite a text ends at a NUL.
        length = len(text) if nul else length
        place = f"passage {passage}, of version {version}"
        if not 0 <= start < end <= length:
            yield Finding(place, f"its places {start} to {end} are not within its text of {length} characters", RESTORE)
        elif before is not None and before[:2] == (version, born) and start < before[2]:
            yield Finding(place, f"begins at {start}, before the one before it ends at {before[2]}", RESTORE)
        before = (version, born, end)


def _vectors(db: sqlite3.Connection) -> Iterator[Finding]:
    card = _card(db)
    for number, offence in damaged_vectors(db):
        yield Finding(f"vector {number}", offence, f"{REPAIR} embeds its passages again", is_vector=True)
    missing = db.execute(
        f"""SELECT count(*) FROM passages p LEFT JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash
            WHERE {LAST} AND x.vector IS NULL""",
        (card.fingerprint,),
    ).fetchone()[0]
    if missing:
        offence = f"{missing} passages have none of the model '{card.name}'"
        yield Finding("vectors", offence, f"{REPAIR} embeds them", is_vector=True)


def damaged_vectors(db: sqlite3.Connection) -> Iterator[tuple[int, str]]:
    """The rows of vectors that are not what was written, with what is wrong."""
    card = _card(db)
    for number, model, key, vector, words, kept in db.execute("SELECT id, model, hash, vector, words, sum FROM vectors"):
        if kept is not None and vector_sum(key, vector, words or b"") != kept:
            yield number, "is not what was written"
        elif model == card.fingerprint and not is_vector(vector, words, card.dimension):
            yield number, f"is no vector of {card.dimension} dimensions and length 1 with words"


def _card(db: sqlite3.Connection) -> ModelCard:
    return ModelCard.from_json(db.execute("SELECT value FROM meta WHERE key = 'card'").fetchone()[0])


def is_vector(vector: bytes, words: bytes | None, dimension: int) -> bool:
    """Whether bytes are a vector of length 1, in half or single precision, with whole words.

    >>> is_vector(np.array([0.6, 0.8], dtype="<f2").tobytes(), b"ab", 2), is_vector(b"abcd", b"", 2)
    (True, False)
    """
    if len(vector) not in (2 * dimension, 4 * dimension) or len(words or b"") % -(-dimension // 8):
        return False
    length = float(np.linalg.norm(vector_of(vector, dimension)))
    # Also false for numbers that are none. A text without a word is nothing to some models.
    return abs(length - 1) <= _OFF or length == 0.0
