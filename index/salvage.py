"""What is whole of a damaged index, written to a new one."""

import contextlib
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from embed import Encoder, ModelCard
from index import lock
from index.chunk import context
from index.database import APPLICATION_ID, FILE, connect
from index.embedding import embed_missing, passages, text_hash
from index.errors import FilrougeError, NotAnIndex
from index.integrity import is_vector
from index.reader import Reader
from index.records import Entry
from index.rows import entry_of
from index.space import Space, space_of
from index.store import Store
from index.sums import SUM_KEY, catalogue_sum, seal_everything, vector_sum

_TOGETHER = 500
"""Row numbers that are read at once."""
_PAGEFUL = 1024
"""More rows than lie on a page."""
_STRIDE = 64
_KEYS = "sqlite_autoindex_entries_2"
"""SQLite's name for its list of the keys of entries."""
_COLUMNS = {
    "generations": "number, committed",
    "sources": "id, name, origin, tz",
    "entries": "id, source_id, key",
    "versions": "id, entry_id, title, text, lang, url, published, ends, tz, precision, clock, content_hash, born, died",
    "passages": 'id, version_id, start, "end", vector_hash, born, died',
    "vectors": "id, model, hash, vector, words, sum",
}


@dataclass
class Salvaged:
    """What came over, in rows, and the entries of which something did not, as far as their names are left."""

    entries: int = 0
    versions: int = 0
    passages: int = 0
    embedded: int = 0
    generation: int = 0
    lost: list[str] = field(default_factory=list)
    """Entries of which what they say now is lost: their sources and keys; their ids where these are lost too."""
    earlier: int = 0
    """Earlier versions that are lost."""


def salvage(folder: Path, into: Path, encoder: Encoder) -> Salvaged:
    """Write every row of the index in `folder` that is what was written to a new index in the folder `into`.

    A row is read wherever SQLite still finds it, and taken when it fits its own hash. Vectors that are lost are made again by
    `encoder`. Raises `NotAnIndex` where nothing can be read at all, and what `ingest` raises where `into` cannot be written.
    """
    if not (folder / FILE).is_file():
        raise NotAnIndex(f"no index in {folder}")
    if (into / FILE).exists():
        raise NotAnIndex(f"{into} holds an index already; choose another folder for --into")
    Store.refuse_foreign(into)
    with closing(connect(folder / FILE, looks_only=True)) as db:
        _require_ours(db, folder)
        card, space = _model(db, encoder)
        with lock.writing(into):
            try:
                with Store.create(into, card, lambda: space) as store:
                    found = _copy(db, store, encoder)
                    found.embedded = embed_missing(store, encoder) if card.fingerprint == encoder.card.fingerprint else 0
                    found.generation = store.generation()
            except BaseException:
                Store.discard(into)
                raise
            Reader(into, card, writing=True).close()
    return found


def _require_ours(db: sqlite3.Connection, folder: Path) -> None:
    try:
        application = db.execute("PRAGMA application_id").fetchone()[0]
        db.execute("SELECT 1 FROM sqlite_master").fetchone()
    except sqlite3.DatabaseError as error:
        raise NotAnIndex(
            f"the first page of {folder / FILE} is damaged, and it says where all others are: nothing can be read ({error}); "
            f"bring a backup back with filrouge restore FILE --index {folder} --replace"
        ) from error
    if application != APPLICATION_ID:
        raise NotAnIndex(f"{folder / FILE} is not a filrouge index; choose another folder")


def _model(db: sqlite3.Connection, encoder: Encoder) -> tuple[ModelCard, Space]:
    """The card and the space of the index; those of `encoder` where they are lost."""
    try:
        meta = dict(db.execute("SELECT key, value FROM meta"))
        card, space = ModelCard.from_json(meta["card"]), Space.from_json(meta["space"])
        # A mean with a wrong bit is a mean all the same. Those of a model are the same whenever they are taken.
        if card.fingerprint == encoder.card.fingerprint and meta.get(SUM_KEY) == catalogue_sum(db):
            return card, space
    except (sqlite3.DatabaseError, KeyError, ValueError, TypeError):
        pass
    return encoder.card, space_of(encoder)


def _copy(db: sqlite3.Connection, store: Store, encoder: Encoder) -> Salvaged:
    found = Salvaged()
    sources = {row[0]: row for row in _rows(db, "sources") if isinstance(row[1], str)}
    entries = {
        row[0]: row
        for row in (*_rows(db, "entries"), *_listed_entries(db, sources))
        if row[1] in sources and isinstance(row[2], str) and Entry(sources[row[1]][1], row[2], "", "", "").id == row[0]
    }
    committed = {number: when for number, when in _rows(db, "generations") if isinstance(when, int)}
    texts: dict[int, Entry] = {}
    lived: dict[int, tuple[int, int | None]] = {}
    spans: dict[int, set[tuple[int, int]]] = {}
    current: set[str] = set()
    last = 0
    with store.writing() as new:
        new.executemany("INSERT INTO sources (id, name, origin, tz) VALUES (?, ?, ?, ?)", sources.values())
        new.executemany("INSERT INTO entries (id, source_id, key) VALUES (?, ?, ?)", entries.values())
        # A row may name a generation whose own is lost.
        new.execute("PRAGMA defer_foreign_keys = ON")
        for row in _rows(db, "versions"):
            entry = _version(row, entries, sources)
            if entry is None or (row[13] is None and row[1] in current):
                continue
            texts[row[0]] = entry
            lived[row[0]], spans[row[0]] = (row[12], row[13]), set()
            last = max(last, row[12], row[13] or 0)
            current.update([row[1]] if row[13] is None else [])
            new.execute(f"INSERT INTO versions ({_COLUMNS['versions']}) VALUES ({_marks(row)})", row)
        for row in _rows(db, "passages"):
            if _is_passage(row, texts):
                last = max(last, row[5], row[6] or 0)
                spans[row[1]].add((row[2], row[3]))
                # When an index is given another model, the versions get passages for that one in a generation of its own.
                lived[row[1]] = (max(lived[row[1]][0], row[5]), lived[row[1]][1])
                new.execute(f"INSERT INTO passages ({_COLUMNS['passages']}) VALUES ({_marks(row)})", row)
        for version, entry in texts.items():
            cut_up = [passage for passage, _ in passages(entry, encoder)]
            if {(passage.start, passage.end) for passage in cut_up} - spans[version]:
                # Some are lost: those of a version are numbered one after the other, so that all are made again.
                new.execute("DELETE FROM passages WHERE version_id = ?", (version,))
                new.executemany(
                    'INSERT INTO passages (version_id, start, "end", vector_hash, born, died) VALUES (?, ?, ?, ?, ?, ?)',
                    [(version, one.start, one.end, one.vector_hash, *lived[version]) for one in cut_up],
                )
        (found.passages,) = new.execute("SELECT count(*) FROM passages").fetchone()
        for row in _rows(db, "vectors"):
            if row[1] == encoder.card.fingerprint and _is_whole_vector(row, encoder.card):
                new.execute(f"INSERT OR IGNORE INTO vectors ({_COLUMNS['vectors']}) VALUES ({_marks(row)})", row)
        before = 0
        for number in range(1, max([last, *committed]) + 1):
            before = max(before + 1, committed.get(number, 0))
            new.execute("INSERT INTO generations (number, committed) VALUES (?, ?)", (number, before))
        seal_everything(new)
    found.entries, found.versions = len(current), len(texts)
    _name_lost(db, found, {number: entry.id for number, entry in texts.items()}, entries, sources)
    return found


def _name_lost(
    db: sqlite3.Connection, found: Salvaged, kept: dict[int, str], entries: dict[str, Any], sources: dict[int, Any]
) -> None:
    """Say which entries are lost, by what SQLite's lists still say of versions that cannot be read."""
    ever = _listed(db, "versions_of_entry", "TRUE")
    now = _listed(db, "versions_current", "died IS NULL")
    gone = {entry_id for number, entry_id in now.items() if number not in kept}
    gone |= entries.keys() - set(kept.values())
    named = [f"{sources[source][1]}: {key}" for entry_id, (_, source, key) in entries.items() if entry_id in gone]
    found.lost = [*named, *sorted(set(now.values()) - entries.keys())]
    found.earlier = sum(number not in kept and number not in now for number in ever)


def _listed_entries(db: sqlite3.Connection, sources: dict[int, Any]) -> Iterator[tuple[str, int, str]]:
    """The entries as SQLite's list of their keys has them, which is another copy of each row; their ids follow from it."""
    with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        for source, key in db.execute(f"SELECT source_id, key FROM entries INDEXED BY {_KEYS} WHERE source_id > 0"):
            if source in sources and isinstance(key, str):
                yield Entry(sources[source][1], key, "", "", "").id, source, key


def _listed(db: sqlite3.Connection, name: str, where: str) -> dict[int, str]:
    """The rows of versions in a list of SQLite's, each with its entry; none when the list is damaged too."""
    try:
        return dict(db.execute(f"SELECT rowid, entry_id FROM versions INDEXED BY {name} WHERE {where}").fetchall())
    except sqlite3.DatabaseError:
        return {}


def _version(row: tuple[Any, ...], entries: dict[str, Any], sources: dict[int, Any]) -> Entry | None:
    _, entry_id, title, text, lang, url, published, _, tz, precision, clock, kept, born, died = row
    if entry_id not in entries or not isinstance(born, int) or not (died is None or isinstance(died, int)):
        return None
    _, source, key = entries[entry_id]
    try:
        return entry_of((sources[source][1], key, title, text, lang, published, tz, precision, clock, url, kept))
    except FilrougeError:
        return None


def _is_passage(row: tuple[Any, ...], texts: dict[int, Entry]) -> bool:
    _, version, start, end, key, born, died = row
    entry = texts.get(version)
    numbers = all(isinstance(number, int) for number in (start, end, born)) and (died is None or isinstance(died, int))
    return bool(
        entry is not None
        and numbers
        and 0 <= start < end <= len(entry.text)
        and text_hash(context(entry.title, entry.text[start:end]), entry.lang) == key
    )


def _is_whole_vector(row: tuple[Any, ...], card: ModelCard) -> bool:
    _, _, key, vector, words, kept = row
    blobs = all(isinstance(one, bytes) for one in (key, vector, words))
    return blobs and (kept is None or vector_sum(key, vector, words) == kept) and is_vector(vector, words, card.dimension)


def _rows(db: sqlite3.Connection, table: str) -> Iterator[tuple[Any, ...]]:
    """Every row of a table that can be read, in the order of its numbers."""
    at, last = 0, _last(db, table)
    while at <= last:
        until = min(at + _TOGETHER - 1, last)
        rows = _between(db, table, at, until)
        if rows is None:
            until, rows = _until_damage(db, table, at, until)
            yield from rows
            at = _behind_damage(db, table, until + 1, last)
        else:
            yield from rows
            at = until + 1


def _between(db: sqlite3.Connection, table: str, first: int, last: int) -> list[tuple[Any, ...]] | None:
    """The rows with these numbers; None where they cannot all be read."""
    try:
        # Not by a list, which may be what is damaged.
        return db.execute(
            f"SELECT {_COLUMNS[table]} FROM {table} NOT INDEXED WHERE rowid BETWEEN ? AND ? ORDER BY rowid", (first, last)
        ).fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None


def _until_damage(db: sqlite3.Connection, table: str, first: int, last: int) -> tuple[int, list[tuple[Any, ...]]]:
    """The last number up to which rows can be read from `first` on, and these rows."""
    low, high, rows = first - 1, last, list[tuple[Any, ...]]()
    while high - low > 1:
        middle = (low + high) // 2
        some = _between(db, table, first, middle)
        if some is None:
            high = middle
        else:
            low, rows = middle, some
    return low, rows


def _behind_damage(db: sqlite3.Connection, table: str, first: int, last: int) -> int:
    """The next number at which something can be read."""
    at = first
    while at <= last and _between(db, table, at, at) is None:
        # A page has fewer rows than this; beyond it a whole branch is gone, and small islands in it are not looked for.
        at += 1 if at - first < _PAGEFUL else _STRIDE
    return at


def _last(db: sqlite3.Connection, table: str) -> int:
    """A number that no row is above, as near as can be known."""
    with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
        row = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        if row is not None:
            return int(row[0])
    most = int(db.execute("PRAGMA page_count").fetchone()[0]) * _PAGEFUL
    number = 1
    while number < most:
        # Behind what cannot be read there may be some.
        with contextlib.suppress(sqlite3.DatabaseError, UnicodeDecodeError):
            if db.execute(f"SELECT 1 FROM {table} NOT INDEXED WHERE rowid > ? LIMIT 1", (number,)).fetchone() is None:
                break
        number *= 2
    return number


def _marks(row: tuple[Any, ...]) -> str:
    return ",".join("?" * len(row))
