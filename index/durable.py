"""How does a file come to be there for good, whole or not at all?"""

import os
from pathlib import Path


def put(part: Path, target: Path) -> None:
    """Give a finished file its place, or that of an older one. When this returns, a loss of power takes it away no more."""
    sync(part)
    part.replace(target)
    sync(target.parent)


def sync(path: Path) -> None:
    """Wait until what was written to a file, or the names in a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
