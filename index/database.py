"""The SQLite file of an index: how it is made and opened, and who may read and write it at once."""

import contextlib
import os
import queue
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

from embed import ModelCard
from index import lock, migrations, seal
from index.errors import FilrougeError, ModelMismatch, NotAnIndex, StorageError
from index.integrity import catalogue_damage, damage
from index.space import Space
from index.sums import seal_catalogue
from index.where import FUNCTIONS

FILE = "index.sqlite"
APPLICATION_ID = 0x46494C52  # "FILR"
_PAGE = 16384
"""Bytes of a page of the database. A passage's vector and words take over half of one of SQLite's usual 4,096, so that the rest
of each would stay empty."""
_MAPPED = 1 << 31
"""Bytes of the file that are mapped into memory, as far as SQLite allows. A question reads some hundred pages here and there,
and copying each of them took as long again. The system can drop these pages at any time, and processes share them."""


class Database:
    """The database of one index folder. Safe for several threads; one writer at a time is the caller's duty (`index.lock`)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._whole = False
        """Whether it was found as it should be, so that it can be left so."""
        self._identity: str | None = None
        self._looks_only = False
        self._unlocked: seal.Seal | None = None
        """What the file was like that is read without SQLite's locks, where nothing can be written."""
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._open: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Open an existing index. Raises `NotAnIndex` when there is none, or one that this release cannot read."""
        cls._require_file(folder)
        store = cls(folder)
        try:
            with store.reading() as db:
                application = db.execute("PRAGMA application_id").fetchone()[0]
                version = db.execute("PRAGMA user_version").fetchone()[0]
            if application != APPLICATION_ID:
                raise NotAnIndex(f"{folder / FILE} is not a filrouge index; choose another folder")
            if version > len(migrations.STEPS):
                raise NotAnIndex(f"{folder} was written by a newer filrouge (layout {version}); upgrade this one")
            if version < len(migrations.STEPS):
                store._migrate(version)
            store._require_whole()
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def look(cls, folder: Path) -> Self:
        """Open an existing index to look at what is there: nothing is checked, brought up or written. Raises `NotAnIndex`."""
        cls._require_file(folder)
        store = cls(folder)
        store._looks_only = True
        return store

    @classmethod
    def _require_file(cls, folder: Path) -> None:
        if not (folder / FILE).is_file():
            raise NotAnIndex(f"no index in {folder}: make one with filrouge index PATH --index {folder}")

    @classmethod
    def create(cls, folder: Path, card: ModelCard, space: Callable[[], Space]) -> Self:
        """Open the index in `folder`, which exists, made first if the folder is empty, in what `space` gives.

        Raises `ModelMismatch` when it was built with another model, and `NotAnIndex` when the folder holds something else.
        """
        if (folder / FILE).is_file():
            store = cls.open(folder)
            try:
                store.require(card)
            except BaseException:
                store.close()
                raise
            return store
        cls.refuse_foreign(folder)
        # It may take a second, in which a process that is killed must leave nothing.
        means = space().to_json()
        store = cls(folder)
        try:
            with store.reading() as db:
                db.execute(f"PRAGMA page_size = {_PAGE}")
            with store.writing() as db:
                db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            store._migrate(0)
            with store.writing() as db:
                db.execute("INSERT INTO meta VALUES ('card', ?)", (card.to_json(),))
                db.execute("INSERT INTO meta VALUES ('identity', ?)", (uuid.uuid4().hex,))
                db.execute("INSERT INTO meta VALUES ('space', ?)", (means,))
                seal_catalogue(db)
            store._whole = True
            store._identity = store.identity()
        except BaseException:
            # Half an index would be refused ever after.
            store.close()
            cls.discard(folder)
            raise
        return store

    @classmethod
    def refuse_foreign(cls, folder: Path) -> None:
        """Raise `NotAnIndex` when `folder` holds something and no index: an index gets a folder of its own."""
        try:
            if (folder / FILE).is_file() or not folder.exists():
                return
            if any(path.name not in (lock.FILE, seal.FILE) for path in folder.iterdir()):
                raise NotAnIndex(f"{folder} is not empty and holds no index; choose another folder for --index")
        except OSError as error:
            raise StorageError(f"cannot make an index in {folder}: {error.strerror or error}") from error

    @classmethod
    def discard(cls, folder: Path) -> None:
        """Delete the database of `folder`, so that it is no index any more."""
        for name in (FILE, f"{FILE}-journal", f"{FILE}-wal", f"{FILE}-shm", seal.FILE):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give every connection back; the store must not be used afterwards."""
        generation = self._last_generation() if self._open and self._whole else None
        for db in self._open:
            db.close()
        self._open.clear()
        if generation is not None:
            # The last connection has brought into the file what was beside it.
            seal.leave(self._path, generation)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A connection of one's own for as long as the block lasts; SQLite's failures come as ours."""
        with _storage_errors(self._path):
            try:
                db = self._idle.get_nowait()
            except queue.Empty:
                if is_unlocked(self._path) and self._unlocked is None:
                    self._unlocked = seal.of(self._path, 0)
                db = connect(self._path, self._looks_only)
                self._open.append(db)
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA synchronous = FULL")
                db.execute(f"PRAGMA mmap_size = {_MAPPED}")
                for name, (takes, function) in FUNCTIONS.items():
                    db.create_function(name, takes, function, deterministic=True)
            try:
                yield db
                self._require_same(db)
            finally:
                self._idle.put(db)

    def _require_same(self, db: sqlite3.Connection) -> None:
        """Raise `StorageError` when another index was put in the place of the one that was opened, also while it was read."""
        if self._identity is not None:
            row = db.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()
            if row is None or row[0] != self._identity:
                raise StorageError(f"the index {self._path.parent} was replaced while it was open: open it again")
        if self._unlocked is not None and (not is_unlocked(self._path) or seal.of(self._path, 0) != self._unlocked):
            raise StorageError(
                f"the index {self._path.parent} was written by another while this process, which may not write there, read it: "
                "open it again"
            )

    def _last_generation(self) -> int | None:
        with contextlib.suppress(StorageError), self.reading() as db:
            return int(db.execute("SELECT max(number) FROM generations").fetchone()[0])
        return None

    def _require_whole(self) -> None:
        """Raise `StorageError` when something is wrong with what is in the database, unless it is as it was left."""
        if self._is_finished():
            left, generation = seal.sealed(self._path), self._last_generation()
            now = seal.of(self._path, generation or 0)
            untouched = left is not None and (left.size, left.changed) == (now.size, now.changed)
            if left and untouched and left.generation > now.generation:
                raise StorageError(
                    f"the index {self._path.parent} had {left.generation} generations and has {now.generation}: "
                    f"{FILE}-wal beside it was lost or damaged; filrouge restore brings a backup back, "
                    "and filrouge repair takes what is left for all there is"
                )
            known = untouched or seal.is_known(self._path, now)
            with self.reading() as db:
                # What every answer rests on, and is quick to check, whatever the file looks like.
                found = next((catalogue_damage if known else damage)(db), None)
            if found:
                raise NotAnIndex(
                    f"the index {self._path.parent} is damaged: {found.place} {found.offence}; "
                    "filrouge verify says what else is, and filrouge repair what can be mended"
                )
            if not known:
                seal.leave(self._path, now.generation)
            self._whole = True
            self._identity = self.identity()

    def _is_finished(self) -> bool:
        with self.reading() as db:
            return bool(db.execute("SELECT 1 FROM meta WHERE key = 'space' OR key = 'identity'").fetchone())

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is written, and on the disk, when the block ends; or nothing is."""
        with self.reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            try:
                db.execute("COMMIT")
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
        if self._whole and (generation := self._last_generation()) is not None:
            # A large log was brought into the file just now.
            seal.leave(self._path, generation)

    def _migrate(self, version: int) -> None:
        with self.reading() as db:
            db.execute("PRAGMA journal_mode = WAL")
        while version < len(migrations.STEPS):
            with self.writing() as db:
                # Another process may have been first.
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version < len(migrations.STEPS):
                    migrations.STEPS[version](db)
                    version += 1
                    db.execute(f"PRAGMA user_version = {version}")

    def card(self) -> ModelCard:
        """The model that every vector of this index was made with."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'card'").fetchone()
        if row is None:
            raise NotAnIndex(f"{self._path.parent} was never finished; delete the folder and index again")
        return ModelCard.from_json(row[0])

    def space(self) -> Space | None:
        """Where the vectors of this index are compared; None in one that was made before there were spaces."""
        with self.reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'space'").fetchone()
        return Space.from_json(row[0]) if row else None

    def identity(self) -> str:
        """A name that no other index has; caches carry it, so that one is never taken for another's."""
        with self.reading() as db:
            return str(db.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()[0])

    def require(self, card: ModelCard) -> None:
        """Raise `ModelMismatch` unless vectors of `card` may be compared with those of this index, and it has all we need."""
        own = self.card()
        if own.fingerprint != card.fingerprint:
            which = f"the model '{own.name}'" if own.name != card.name else f"another build of the model '{own.name}'"
            raise ModelMismatch(
                f"the index {self._path.parent} was built with {which} ({own.dimension} dimensions, {own.revision}), not with "
                f"'{card.name}' ({card.dimension} dimensions, {card.revision}): drop --model, or embed it anew with "
                f"filrouge repair --index {self._path.parent} --model {card.name}"
            )
        if self.space() is None:
            raise ModelMismatch(
                f"the index {self._path.parent} was embedded by an earlier release, without words: "
                f"embed it anew with filrouge repair --index {self._path.parent}"
            )


def connect(path: Path, looks_only: bool = False) -> sqlite3.Connection:
    """A connection to a database, also where nothing can be written. One thread uses it at a time, and another may be next."""
    where = path.absolute().as_uri()
    if is_unlocked(path):
        where += "?mode=ro&immutable=1"
    elif looks_only and _has_log(path):
        # Else the last to close would bring the log into the file.
        where += "?mode=ro"
    return sqlite3.connect(where, isolation_level=None, check_same_thread=False, timeout=30, uri=True)


def is_unlocked(path: Path) -> bool:
    """Whether a database is read without locks: SQLite agrees with writers by files beside it, which cannot be made here."""
    return not os.access(path.parent, os.W_OK) and not _has_log(path)


def _has_log(path: Path) -> bool:
    beside = path.with_name(f"{path.name}-wal")
    return beside.exists() and beside.stat().st_size > 0


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """SQLite's failures as ours, each with what to do about it."""
    try:
        yield
    except FilrougeError:
        raise
    except UnicodeDecodeError as error:
        # SQLite quotes what is damaged in what it says of it.
        raise NotAnIndex(f"{path} is damaged or not an index: it holds bytes that are no text") from error
    except sqlite3.Error as error:
        text = str(error)
        if "disk is full" in text or "disk I/O error" in text:
            why = f"{text}; free some space and run the same command again: nothing of the unfinished step was kept"
        elif "readonly" in text or "unable to open" in text:
            why = f"{text}; check that the folder exists and may be written"
        elif "not a database" in text or "malformed" in text or "decode" in text:
            raise NotAnIndex(f"{path} is damaged or not an index: {text}") from error
        else:
            why = text
        raise StorageError(f"the index {path.parent}: {why}") from error
