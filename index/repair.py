"""Making again what can be made again."""

import shutil
from pathlib import Path

from embed import ModelCard
from index import lock
from index.reader import Reader
from index.store import Store


def rebuild_caches(folder: Path, card: ModelCard) -> int:
    """Delete the search caches of the index and make them anew from the store; return its generation.

    Raises `IndexBusy` while another process writes, and `ModelMismatch` unless `card` is the index's own.
    """
    # Opened before the lock, which would leave its file in a folder that is no index.
    with Store.open(folder) as store, lock.writing(folder):
        store.require(card)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        with Reader(folder, card, writing=True) as reader:
            return reader.snapshot().generation
