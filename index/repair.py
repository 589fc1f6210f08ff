"""Making again what can be made again."""

import shutil
from pathlib import Path

from embed import ModelCard
from index import lock, tiers
from index.growth import grow
from index.reader import Reader
from index.store import Store
from index.tiers import Tier


def rebuild_caches(folder: Path, card: ModelCard, tier: Tier | None = None) -> int:
    """Delete the search caches of the index and make them anew from the store; return its generation.

    `tier` is the structure to hold the vectors in, where it is not chosen by their number. Raises `IndexBusy` while another
    process writes, `ModelMismatch` unless `card` is the index's own, and `TooLittleMemory` where the tier does not fit.
    """
    # Opened before the lock, which would leave its file in a folder that is no index.
    with Store.open(folder) as store, lock.writing(folder):
        store.require(card)
        generation = store.generation()
        tiers.choose(store.born_count(-1, generation), card.dimension, tiers.free_memory(), tier)
        shutil.rmtree(folder / "cache", ignore_errors=True)
        Reader(folder, card, writing=True, tier=tier).close()
    grow(folder, card, tier)
    return generation
