"""A Milvus server -> a folder: the index that was published there, with its history, as a store of its own.

It is made beside its place, and moved there when it is whole: a run that was killed is gone on with.
"""

import contextlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from index import dates, lock
from index.cluster_reader import ClusterReader
from index.cluster_rows import VERSIONS, known_time, listed
from index.cluster_store import ClusterStore
from index.errors import NotAnIndex, StorageError
from index.milvus import Server
from index.reader import Reader
from index.records import Entry
from index.rows import micros_of
from index.store import FILE, Store
from index.sums import seal_catalogue, seal_everything

_TOGETHER = 100
_NOTE = "copying"
"""Under which name a half-made copy says of what, and how far it has come."""

Prove = Callable[[Path, int], None]
Progress = Callable[[int], None]


def unpublish(server: Server, folder: Path, progress: Progress | None = None, prove: Prove | None = None) -> int:
    """Copy what is published on the server to `folder`, and return the generation. `prove` is called with where the copy is
    made, and the generation, before it is moved to its place: what it raises keeps that so.

    A folder that holds that generation of the same index is proved and left as it is. Raises `NotAnIndex` for one that holds
    anything else, and what `ClusterReader` raises.
    """
    reader = ClusterReader(server, None)
    try:
        source = reader.store
        generation = source.generation()
        if (folder / FILE).is_file():
            _require_same(source, folder, generation)
            if prove:
                prove(folder, generation)
            return generation
        Store.refuse_foreign(folder)
        made = folder.with_name(f".{folder.name}.copying")
        with lock.writing(made):
            with _begun(source, made, generation) as store:
                _copy(source, store, generation, progress or (lambda count: None))
            # The caches come with it.
            Reader(made, source.card(), writing=True).close()
        if prove:
            prove(made, generation)
        try:
            shutil.rmtree(folder, ignore_errors=True)
            made.rename(folder)
        except OSError as error:
            raise StorageError(f"cannot move {made} to {folder}: {error.strerror or error}") from error
        return generation
    finally:
        reader.close()


def _require_same(source: ClusterStore, folder: Path, generation: int) -> None:
    with Store.open(folder) as store:
        if not _same(source, store, generation):
            raise NotAnIndex(
                f"{folder} holds another index, or another generation of this one, and is left alone: name a new folder"
            )


def _same(source: ClusterStore, store: Store, generation: int) -> bool:
    """Whether a folder's newest generation is this one of the server."""
    same = store.identity() == source.identity() and store.generation() == generation
    return same and store.committed(generation) == source.committed(generation)


def _begun(source: ClusterStore, made: Path, generation: int) -> Store:
    """The copy that an earlier run began or ended, or one that holds nothing but sources and generations."""
    note = {"identity": source.identity(), "generation": generation, "version": 0}
    if (made / FILE).is_file():
        # One that was killed while it made the database left none that can be opened.
        with contextlib.suppress(NotAnIndex, StorageError), contextlib.ExitStack() as closing:
            store = closing.enter_context(Store.open(made))
            known = _note(store)
            if {**known, "version": 0} == note if known else _same(source, store, generation):
                closing.pop_all()
                return store
    # Of another generation, or not begun in earnest; all of it was made here.
    for path in made.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        elif path.name != lock.FILE:
            path.unlink()
    store = Store.create(made, source.card(), source.space)
    store.rename(source.identity())
    with store.writing() as db:
        db.executemany(
            "INSERT INTO generations (number, committed) VALUES (?, ?)",
            [(number, micros_of(source.committed(number))) for number in range(1, generation + 1)],
        )
        db.executemany(
            "INSERT INTO sources (name, origin, tz) VALUES (?, ?, ?)",
            [(one["name"], one["origin"], one["tz"]) for one in source.catalogue(generation)],
        )
        _set_note(db, note)
    return store


def _copy(source: ClusterStore, store: Store, generation: int, progress: Progress) -> None:
    note = _note(store)
    if note is None:
        # It goes last.
        return
    where = f"place == 0 and born <= {generation}"
    fields = ["version", "published", "ends", "tz", "born", "died"]
    rows = source.milvus.every(VERSIONS, f"{where} and version > {note['version']}", fields)
    copied = 0
    for at in range(0, len(rows), _TOGETHER):
        some = {int(row["version"]): row for row in rows[at : at + _TOGETHER]}
        entries = source.entries_of(some)
        passages = source.milvus.every(
            source.collection, f"{listed('version', some)} and born <= {generation}", ["version", "start", "end", "hash"]
        )
        readings = source.readings([int(row["id"]) for row in passages])
        with store.writing() as db:
            for version, row in some.items():
                _insert(db, version, entries[version], row, generation)
            for row in passages:
                life = some[int(row["version"])]
                key, reading = bytes.fromhex(row["hash"]), readings[int(row["id"])]
                db.execute(
                    "INSERT OR IGNORE INTO vectors (model, hash, vector, words) VALUES (?, ?, ?, ?)",
                    (source.card().fingerprint, key, reading.vector.astype("<f2").tobytes(), reading.words.tobytes()),
                )
                db.execute(
                    'INSERT INTO passages (id, version_id, start, "end", vector_hash, born, died) VALUES (?, ?, ?, ?, ?, ?, ?)',
                    (int(row["id"]), int(row["version"]), int(row["start"]), int(row["end"]), key, *_life(life, generation)),
                )
            _set_note(db, {**note, "version": max(some)})
        copied += len(passages)
        progress(copied)
    with store.writing() as db:
        db.execute("DELETE FROM meta WHERE key = ?", (_NOTE,))
        # Until here no row vouched for what was still to come.
        seal_everything(db)


def _insert(db: sqlite3.Connection, version: int, entry: Entry, row: Any, generation: int) -> None:
    db.execute(
        "INSERT INTO entries SELECT ?, id, ? FROM sources WHERE name = ? ON CONFLICT DO NOTHING",
        (entry.id, entry.key, entry.source),
    )
    db.execute(
        """INSERT INTO versions (id, entry_id, title, text, lang, url, published, ends, tz, precision, clock, content_hash,
               born, died) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            version,
            entry.id,
            entry.title,
            entry.text,
            entry.lang,
            entry.url,
            known_time(row["published"]),
            known_time(row["ends"]),
            dates.zone_name(entry.published.tzinfo) if entry.published else None,
            entry.precision,
            entry.clock.isoformat() if entry.clock else None,
            entry.content_hash,
            *_life(row, generation),
        ),
    )


def _life(row: Any, generation: int) -> tuple[int, int | None]:
    """When a version was born, and died if it has."""
    return int(row["born"]), int(row["died"]) if int(row["died"]) <= generation else None


def _note(store: Store) -> dict[str, Any] | None:
    with store.reading() as db:
        row = db.execute("SELECT value FROM meta WHERE key = ?", (_NOTE,)).fetchone()
    return json.loads(row[0]) if row else None


def _set_note(db: sqlite3.Connection, note: dict[str, Any]) -> None:
    db.execute(
        "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value", (_NOTE, json.dumps(note))
    )
    seal_catalogue(db)
