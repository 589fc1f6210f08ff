"""One writer at a time, between processes."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from index.errors import IndexBusy, StorageError

FILE = "write.lock"
PATIENCE = 5.0
"""Seconds that a writer waits for another. A server holds the lock for moments, whenever it brings its caches up to what was
written, and who writes twice in a row must not fail by that."""


@contextlib.contextmanager
def writing(folder: Path, wait: bool = True) -> Iterator[None]:
    """Hold the index folder for writing; made if missing. Raises `IndexBusy` when another process holds it for longer than
    `PATIENCE`, and without `wait` at once.

    The operating system frees the lock when its holder ends, however it ends. A folder that was made for nothing goes again.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / FILE)
        lock.acquire(timeout=PATIENCE if wait else 0)
    except filelock.Timeout as error:
        raise IndexBusy(f"another process is writing to the index {folder}; try again when it has ended") from error
    except OSError as error:
        raise StorageError(f"cannot write to the index {folder}: {error.strerror or error}") from error
    try:
        yield
    finally:
        # Before the lock is free: behind it another process may already be writing there.
        with contextlib.suppress(OSError):
            if made and [path.name for path in folder.iterdir()] == [FILE]:
                shutil.rmtree(folder)
        lock.release()
