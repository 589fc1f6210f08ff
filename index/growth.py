"""When is a tier of the vectors built, and by whom.

It is made from the store, which has all vectors at any time, so that neither a search nor a commit waits for it. Who builds
holds a lock of its own: one process does, and the others pick the tier up when it is there.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import filelock

from embed import ModelCard
from embed.encoder import Vectors
from index import tierfile, tiers
from index.quantised import Quantised, build
from index.records import Ids
from index.store import Store
from index.tierfile import DamagedTier, Manifest
from index.tiers import Tier

log = logging.getLogger("filrouge.index")
LOCK = "tier.lock"
_PAUSE = 5.0
"""Seconds between two looks for whether a tier is to be built or to be had."""


@dataclass(frozen=True)
class Grown:
    """What became of a tier: `tier` is the one that searches use now, with its `manifest` unless it is exact, and `why` says
    what kept a larger one from being used; it was `refused` where it was built and found too little.
    """

    tier: Tier
    manifest: Manifest | None = None
    why: str | None = None
    refused: bool = False


def owner_of(store: Store, card: ModelCard) -> str:
    """Whose a cache is: the index's and the model's."""
    return f"{store.identity()[:12]}-{card.fingerprint}"


def opened(cache: Path, owner: str, dimension: int, upto: int) -> Quantised | None:
    """The newest intact tier of `owner` up to a generation; a damaged one is told of in the log and passed over."""
    for folder in tierfile.folders(cache, owner, upto):
        try:
            return Quantised(folder, dimension)
        except DamagedTier as error:
            log.warning("the vectors in %s are passed over, and made anew from the store: %s", folder, error)
    return None


def grow(folder: Path, card: ModelCard, asked: Tier | None = None, threads: int = 1, anew: bool = False) -> Grown:
    """Build the tier that the index in `folder` needs, unless it is there, or another process builds it.

    `asked` is a tier to take whatever the size, and `anew` builds also what is there. Raises `TooLittleMemory` where the tier
    that was asked for does not fit, and what `Store` raises.
    """
    cache = folder / "cache"
    with Store.open(folder) as store:
        owner, generation = owner_of(store, card), store.generation()
        count = store.passage_count(generation)
        tier = tiers.choose(count, card.dimension, tiers.free_memory(), asked)
        if tier == "exact" or count == 0:
            return Grown("exact")
        # Not among the caches, which may be deleted while it is held.
        lock = filelock.FileLock(folder / LOCK)
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            return Grown("exact", why="another process builds the tier")
        try:
            there = None if anew else _there(store, cache, owner, generation, asked)
            if there is None:
                batches = _vectors(store, generation)
                wanted = Manifest(owner, generation, tier, card.dimension, count, tier)
                there = tierfile.read(build(cache, wanted, batches, threads))
                # What the tier stands for: a file with every vector in single precision.
                for path in cache.glob(f"vectors-{owner}-*.faiss"):
                    path.unlink(missing_ok=True)
        except DamagedTier as error:
            log.warning("no tier for the vectors of %s, which are searched exactly: %s", folder, error)
            return Grown("exact", why=str(error), refused=True)
        finally:
            lock.release()
    fallen = f"lists found less than {tiers.RECALL} of the ten nearest" if there.tier != there.wanted else None
    return Grown(there.tier, there, fallen)


def _there(store: Store, cache: Path, owner: str, generation: int, asked: Tier | None) -> Manifest | None:
    """The tier that is there, where it is the one that was asked for and not outgrown."""
    for path in tierfile.folders(cache, owner, generation):
        try:
            # Who opens it compares the checksums.
            held = tierfile.read(path)
        except DamagedTier:
            continue
        since = store.born_count(held.generation, generation) + len(store.died(held.generation, generation))
        if since <= tiers.SHARE * held.count and asked in (None, held.wanted):
            return held
    return None


def _vectors(store: Store, generation: int) -> Iterator[tuple[Ids, Vectors]]:
    space = store.space()
    assert space is not None  # the reader has refused the index otherwise
    for ids, langs, vectors in store.born_vectors(-1, generation):
        yield ids, space.passages(vectors, langs)


class Growth:
    """A thread that sees to the tier of an open index, when `look` is called and there is something to see to."""

    def __init__(self, folder: Path, card: ModelCard, asked: Tier | None, adopt: Callable[[Quantised], None]) -> None:
        self._folder, self._card, self._asked, self._adopt = folder, card, asked, adopt
        self._thread: threading.Thread | None = None
        self._next = 0.0
        self._refused = 0

    def look(self, held: Quantised | None, outgrown: bool, count: int) -> None:
        """Begin to build or to pick up a tier, if `held` is not the one for `count` vectors; returns at once."""
        if (self._thread and self._thread.is_alive()) or time.monotonic() < self._next:
            return
        self._next = time.monotonic() + _PAUSE
        # What was refused is not tried again before there are more passages to try it with.
        if count <= self._refused * (1 + tiers.SHARE):
            return
        tier = self._asked or tiers.choose(count, self._card.dimension, tiers.free_memory())
        if tier == "exact" or (held and not outgrown and self._asked in (None, held.manifest.wanted)):
            return
        self._thread = threading.Thread(target=self._work, args=(held, count), name="filrouge-tier", daemon=True)
        self._thread.start()

    def wait(self) -> None:
        """Until the thread has ended."""
        if self._thread:
            self._thread.join()

    def _work(self, held: Quantised | None, count: int) -> None:
        try:
            # Another process may have built it; none that is damaged is opened.
            found = self._newer(held)
            if found is None:
                grown = grow(self._folder, self._card, self._asked, anew=held is None)
                found = self._newer(held)
                if grown.refused:
                    self._refused = count
            if found:
                self._adopt(found)
        except Exception as error:
            # The exact search goes on; what went wrong is told, and tried again later.
            log.warning("cannot build a tier for the vectors of %s: %s", self._folder, error)
            self._next = time.monotonic() + 60 * _PAUSE

    def _newer(self, held: Quantised | None) -> Quantised | None:
        with Store.open(self._folder) as store:
            owner, newest = owner_of(store, self._card), store.generation()
        cache = self._folder / "cache"
        there = tierfile.folders(cache, owner, newest)
        if held and (not there or there[0].name == held.folder.name):
            return None
        return opened(cache, owner, self._card.dimension, newest)
