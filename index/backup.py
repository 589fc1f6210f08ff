"""How is an index copied while it is used, and how does it come back?

A backup is the database of one generation as one file, without the caches, which are made again. Every row in it has a sum, so
that it vouches for itself.
"""

import contextlib
import shutil
import sqlite3
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from index import durable, lock, seal
from index.database import APPLICATION_ID, FILE
from index.errors import FilrougeError, NotAnIndex, StorageError
from index.integrity import damage
from index.reader import Reader
from index.store import Store
from index.sums import seal_everything


@dataclass(frozen=True)
class Backup:
    """A copy of an index: the file, and what it holds."""

    file: Path
    generation: int
    entries: int
    passages: int
    bytes: int


def back_up(folder: Path, target: Path, now: datetime | None = None) -> Backup:
    """Copy the newest generation of the index in `folder` to the file `target`, or to a new file in the folder `target`.

    Others may read and write the index meanwhile. The file is there whole and checked, or not at all. Raises `StorageError`
    when it cannot be written or is there already, and when the index is damaged.
    """
    now = now or datetime.now(UTC)
    into_folder = target.is_dir()
    if target.exists() and not into_folder:
        raise StorageError(f"{target} is there already, and a backup takes the place of nothing: choose another name")
    part = (target if into_folder else target.parent) / f".filrouge-{uuid.uuid4().hex}.part"
    with Store.open(folder) as store, _written(target), _removed(part):
        with closing(sqlite3.connect(part, isolation_level=None)) as copy:
            with store.reading() as db:
                # In one step, so that it is one generation whatever is committed meanwhile.
                db.backup(copy)
            copy.execute("PRAGMA journal_mode = DELETE")
            copy.execute("BEGIN")
            seal_everything(copy)
            copy.execute("COMMIT")
            found = next(damage(copy), None)
            generation = int(copy.execute("SELECT max(number) FROM generations").fetchone()[0])
        if found:
            raise StorageError(f"no backup was made, since the index {folder} is damaged: {found}")
        entries, passages = store.counts(generation)
        file = target / f"{folder.resolve().name}-{generation}-{now:%Y%m%dT%H%M%SZ}.filrouge" if into_folder else target
        if file.exists():
            raise StorageError(f"{file} is there already, and a backup takes the place of nothing: choose another name")
        durable.put(part, file)
        return Backup(file, generation, entries, passages, file.stat().st_size)


def restore(file: Path, folder: Path, replace: bool = False) -> Backup:
    """Bring the backup `file` back as the index in `folder`, made if missing, and make its caches.

    All of the file is checked before anything is touched. An index that is there is only replaced when `replace` says so, in
    one transaction: who reads it sees the old one or the new one, and is told at the next look that it is another. What was
    restored has a name of its own, so that caches and programs that were open do not take it for what was there. Raises
    `NotAnIndex` when the file is no backup or damaged, `IndexBusy` while another process writes, and `StorageError`.
    """
    _require_backup(file)
    there = (folder / FILE).is_file()
    if there and not replace:
        raise StorageError(f"{folder} holds an index: restore into another folder, or replace it with --replace")
    Store.refuse_foreign(folder)
    with lock.writing(folder), _written(folder):
        made = folder / f".restore-{uuid.uuid4().hex}"
        try:
            made.mkdir()
            shutil.copyfile(file, made / FILE)
            # Checks every row, and brings the layout up.
            with Store.open(made) as store:
                store.rename()
                card, generation = store.card(), store.generation()
                entries, passages = store.counts(generation)
            # What it says of the one before is not true of the next.
            (folder / seal.FILE).unlink(missing_ok=True)
            if there:
                _replace(made / FILE, folder)
            else:
                durable.put(made / FILE, folder / FILE)
        finally:
            shutil.rmtree(made, ignore_errors=True)
        seal.leave(folder / FILE, generation)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        Reader(folder, card, writing=True).close()
    return Backup(file, generation, entries, passages, file.stat().st_size)


def _require_backup(file: Path) -> None:
    try:
        with file.open("rb") as opened:
            head = opened.read(72)
    except OSError as error:
        raise StorageError(f"cannot read {file}: {error.strerror or error}") from error
    # Where SQLite keeps the application's number.
    if head[68:72] != APPLICATION_ID.to_bytes(4, "big"):
        raise NotAnIndex(f"{file} is no backup of an index: filrouge backup writes them")


def _replace(new: Path, folder: Path) -> None:
    """Put the database `new` in the place of the index in `folder`, which others may have open."""
    with closing(sqlite3.connect(new, isolation_level=None)) as source:
        try:
            with closing(sqlite3.connect(folder / FILE, isolation_level=None, timeout=30)) as target:
                (size,) = target.execute("PRAGMA page_size").fetchone()
                if source.execute("PRAGMA page_size").fetchone()[0] != size:
                    # A database that others may have open keeps the size of its pages.
                    source.execute("PRAGMA journal_mode = DELETE")
                    source.execute(f"PRAGMA page_size = {size}")
                    source.execute("VACUUM")
                target.execute("PRAGMA synchronous = FULL")
                source.backup(target)
                target.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError):
                raise
    # What is there is no database any more, and nothing of it must be taken for a part of the new one.
    for beside in (f"{FILE}-wal", f"{FILE}-shm"):
        (folder / beside).unlink(missing_ok=True)
    durable.sync(folder)
    durable.put(new, folder / FILE)


@contextlib.contextmanager
def _written(target: Path) -> Iterator[None]:
    try:
        yield
    except FilrougeError:
        raise
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise StorageError(f"cannot write {target}: {why}; nothing that was there has changed") from error


@contextlib.contextmanager
def _removed(part: Path) -> Iterator[None]:
    """Leave nothing of a file that was not finished."""
    try:
        yield
    finally:
        for path in (part, part.with_name(f"{part.name}-journal")):
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
