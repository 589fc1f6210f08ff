"""One writer at a time, between processes."""

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import filelock

from index.errors import IndexBusy, StorageError

FILE = "write.lock"


@contextlib.contextmanager
def writing(folder: Path) -> Iterator[None]:
    """Hold the index folder for writing; made if missing. Raises `IndexBusy` at once when another process holds it.

    The operating system frees the lock when its holder ends, however it ends. A folder that was made for nothing goes again.
    """
    made = not folder.exists()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(folder / FILE)
        lock.acquire(timeout=0)
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
