"""Making again what can be made again, and saying what cannot."""

import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from embed import Encoder, ModelCard
from index import lock, seal, tiers
from index.carried import Carried
from index.database import FILE, connect
from index.embedding import embed_missing
from index.errors import NotAnIndex, StorageError
from index.growth import Grown, grow
from index.integrity import Finding, damage, damaged_vectors, only_lists
from index.reader import Reader
from index.store import Store
from index.tiers import Tier


@dataclass(frozen=True)
class Caches:
    """The generation that caches were made of, and what they hold vectors in."""

    generation: int
    grown: Grown


@dataclass(frozen=True)
class Mended:
    """What was wrong and is no more: whether SQLite's lists were made again, how many vectors were made again, how many that no
    passage has were cleared away; and the caches, which were made anew.
    """

    lists: bool
    embedded: int
    cleared: int
    caches: Caches


def mend(folder: Path, encoder: Encoder, carried: Carried | None = None, tier: Tier | None = None) -> Mended:
    """Mend the index in `folder`, which `encoder` belongs to, as far as its rows are whole.

    SQLite's lists are made from the rows, damaged and missing vectors from the texts, and the caches from both. Raises
    `StorageError` where texts are damaged, and says which and what to do; nothing is lost by trying.
    """
    # Opened before the lock, which would leave its file in a folder that is no index.
    with closing(Store.look(folder)), lock.writing(folder):
        lists, bad = _mended_rows(folder)
        # What is left is all that there is, also where more was committed.
        (folder / seal.FILE).unlink(missing_ok=True)
        with closing(Store(folder)) as store:
            store.require(encoder.card)
            if bad:
                store.drop_vectors(bad)
            embedded = embed_missing(store, encoder, carried)
            cleared = store.drop_unused_vectors()
            store.seal()
            generation = _new_caches(store, folder, encoder.card, tier)
    return Mended(lists, embedded, cleared, Caches(generation, grow(folder, encoder.card, tier)))


def rebuild_caches(folder: Path, card: ModelCard, tier: Tier | None = None) -> Caches:
    """Delete the search caches of the index and make them anew from the store.

    `tier` is the structure to hold the vectors in, where it is not chosen by their number. Raises `IndexBusy` while another
    process writes, `ModelMismatch` unless `card` is the index's own, and `TooLittleMemory` where the tier does not fit.
    """
    # Opened before the lock, which would leave its file in a folder that is no index.
    with Store.open(folder) as store, lock.writing(folder):
        store.require(card)
        generation = _new_caches(store, folder, card, tier)
    return Caches(generation, grow(folder, card, tier))


def _new_caches(store: Store, folder: Path, card: ModelCard, tier: Tier | None) -> int:
    generation = store.generation()
    # Before what there is is deleted.
    tiers.choose(store.born_count(-1, generation), card.dimension, tiers.free_memory(), tier)
    shutil.rmtree(folder / "cache", ignore_errors=True)
    Reader(folder, card, writing=True, tier=tier).close()
    return generation


def _mended_rows(folder: Path) -> tuple[bool, list[int]]:
    """Whether SQLite's lists of rows were made anew, where only they were wrong; and the numbers of damaged vectors.

    Raises `StorageError` where anything else is damaged.
    """
    with closing(connect(folder / FILE)) as db:
        found = list(damage(db))
        lists = bool(found) and only_lists(found)
        if lists:
            try:
                db.execute("REINDEX")
            except sqlite3.DatabaseError as error:
                raise _beyond_repair(folder, [Finding(FILE, str(error), "")]) from error
            found = list(damage(db))
        if any(not one.is_vector for one in found):
            raise _beyond_repair(folder, [one for one in found if not one.is_vector])
        return lists, [number for number, _ in damaged_vectors(db)] if found else []


def _beyond_repair(folder: Path, found: list[Finding]) -> StorageError:
    told = "\n".join(f"  {one.place}: {one.offence}" for one in found[:20])
    more = f"\n  and {len(found) - 20} more" if len(found) > 20 else ""
    return NotAnIndex(
        f"the index {folder} is damaged where nothing can be made again:\n{told}{more}\n"
        f"bring a backup back with filrouge restore FILE --index {folder} --replace, or write all that is whole to a new index "
        f"with filrouge repair --index {folder} --into DIR"
    )
