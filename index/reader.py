"""An open index: the store, and engines kept in step with it.

The store says what is true; the engines are caches of one generation each. A snapshot is what both engines showed at one
generation, and never changes; `Reader.snapshot` gives the newest there is.
"""

import contextlib
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cached_property
from pathlib import Path

import numpy as np

from embed import ModelCard
from embed.encoder import Vectors
from embed.stages import stage
from index import dates, lock, tierfile, tiers
from index.conditions import Condition, Phrase, Word, texts
from index.engine import Part, Said, Terms, TermView, VectorView
from index.errors import IndexBusy, StorageError
from index.growth import Growth, grow, opened, owner_of
from index.lexical import TantivyTerms
from index.phrases import plain_forms
from index.quantised import Quantised
from index.records import Ids, Ranking, Window
from index.remembered import Remembered
from index.space import Space
from index.store import Indexed, Store
from index.store_view import StoreView
from index.termfile import CacheUnusable
from index.terms import passage_terms
from index.tiers import Tier
from index.vectors import FaissVectors

log = logging.getLogger("filrouge.index")
REMEMBERED_FILTERS = 32
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Filters:
    """Which passages are asked for; None is no restriction. `source` is a source's whole name, and `where` whatever else must
    hold.
    """

    window: Window = field(default_factory=Window)
    lang: str | None = None
    source: str | None = None
    where: Condition | None = None

    def __bool__(self) -> bool:
        return self != Filters()

    def told(self) -> str:
        """The same for the same filters, whatever zone their times are written in."""
        bounds = [bound and (bound - _EPOCH) // timedelta(microseconds=1) for bound in (self.window.since, self.window.until)]
        return repr((*bounds, self.lang, self.source, self.where))


@dataclass
class Snapshot:
    """One generation, as both engines show it. `past` says that they were made for it alone (`index.past`)."""

    generation: int
    card: ModelCard
    space: Space
    vectors: VectorView
    terms: TermView
    store: StoreView
    past: bool = False
    _allowed: Remembered[Ids] = field(default_factory=lambda: Remembered("filters", REMEMBERED_FILTERS))

    def allowed(self, filters: Filters) -> Ids | None:
        """The ids that pass `filters`, ascending; None when all do. The last few are remembered: a session repeats its own."""
        if not filters:
            return None
        return self._allowed.get(filters, lambda: self._found(filters))

    @stage("filter")
    def _found(self, filters: Filters) -> Ids:
        found = {text: self._holding(text) for text in texts(filters.where)}
        return self.store.allowed(
            self.generation, filters.window, filters.lang, filters.source, filters.where, self.past, found
        )

    def _holding(self, text: Phrase | Word) -> Ids:
        """The ids of all passages that can say it, and few others, so that not every text has to be read."""
        if isinstance(text, Word):
            return np.sort(self.terms.matching(text.terms, len(self.terms)).ids)
        parts: Sequence[Part] = ("title",) if text.part == "title" else ("title", "text")
        return np.unique(np.concatenate([self.terms.saying(plain_forms(text.text), part) for part in parts]))

    def nearest(self, vector: Vectors, k: int, filters: Filters) -> Ranking:
        """The `k` passages nearest to `vector` that pass `filters`."""
        return self.vectors.nearest(vector, k, self.allowed(filters))

    def matching(self, terms: Terms, k: int, filters: Filters) -> Ranking:
        """The `k` passages with the greatest BM25 for `terms` that pass `filters`."""
        return self.terms.matching(terms, k, self.allowed(filters))

    def all_ids(self) -> Ids:
        """The ids of all passages, ascending."""
        return self.store.allowed(self.generation, Window(), past=self.past)

    def ids(self, filters: Filters) -> Ids:
        """The ids that pass `filters`, ascending, also when all do."""
        allowed = self.allowed(filters)
        return self.all_ids() if allowed is None else allowed

    def count(self, filters: Filters) -> int:
        """How many passages pass `filters`."""
        allowed = self.allowed(filters)
        return self._size if allowed is None else len(allowed)

    @cached_property
    def _size(self) -> int:
        return self.store.passages_then(self.generation) if self.past else self.store.passage_count(self.generation)

    @cached_property
    def zone(self) -> tzinfo:
        """The time zone that most of its sources are in."""
        return dates.zone(self.store.zone(self.generation))

    def neighbours(self, ids: Ids, reach: int) -> dict[int, tuple[int, str]]:
        """See `Store.neighbours`."""
        return self.store.neighbours(ids, reach, self.generation, self.past)


def searchable(batch: Sequence[Indexed]) -> tuple[list[tuple[int, list[str]]], Mapping[int, Said]]:
    """What a term engine needs of passages."""
    # The title belongs to the entry, so every passage of it can be found by it.
    terms = [(one.id, passage_terms(f"{one.title}\n{one.text}", one.lang)) for one in batch]
    return terms, {one.id: Said(plain_forms(one.title), plain_forms(one.text)) for one in batch}


def catch_up(folder: Path, card: ModelCard, tier: Tier | None = None) -> None:
    """Bring the caches of the index in `folder` up to the store; for who holds the lock. Vectors for a tier are left to
    `index.growth`.

    The file of vectors only saves reading them from the store. So a few new ones are left to its readers, which have all others
    in memory: whoever adds entries every second would read and write all vectors every second.
    """
    with Store.open(folder) as store:
        store.require(card)
        newest = store.generation()
        cache, owner = folder / "cache", owner_of(store, card)
        saved = FaissVectors.saved(cache, owner, newest)
        few = not _worth_saving(store.born_count(saved, newest), store.passage_count(saved))
        if few or _is_large(store, cache, owner, newest, tier):
            show(folder, store)
            return
    Reader(folder, card, writing=True, tier=tier).close()


def show(folder: Path, store: Store) -> None:
    """Let readers see the newest generation of the index in `folder`, whose vectors they read from the store; the same."""
    _fed_terms(store, folder, _opened_terms(store, folder), store.generation())


def _worth_saving(added: int, before: int) -> bool:
    return added > max(1000, before // 10)


def _is_large(store: Store, cache: Path, owner: str, generation: int, tier: Tier | None) -> bool:
    """Whether vectors are held in a tier, or will be."""
    if tier is not None:
        return tier != "exact"
    return bool(tierfile.folders(cache, owner, generation)) or store.passage_count(generation) >= tiers.LISTS_FROM


def _lexical(folder: Path) -> Path:
    return folder / "cache" / "lexical"


def _opened_terms(store: Store, folder: Path) -> TantivyTerms | None:
    try:
        return TantivyTerms(_lexical(folder), store.identity())
    except CacheUnusable:
        return None


def _fed_terms(store: Store, folder: Path, terms: TantivyTerms | None, upto: int) -> TantivyTerms:
    """The term engine `terms`, or one made anew, at `upto`; under the lock."""
    try:
        if terms is None or terms.stale or terms.generation > upto:
            terms = TantivyTerms.create(_lexical(folder), store.identity())
        after = terms.generation
        if after == upto:
            return terms
        terms.remove(store.died(after, upto))
        for batch in store.born(after, upto):
            terms.add(*searchable(batch))
        terms.commit(upto)
    except (OSError, ValueError) as error:
        # tantivy tells of a full disk with a ValueError, at length and in its own words.
        why = (error.strerror if isinstance(error, OSError) else None) or "the disk may be full"
        raise StorageError(
            f"cannot write the search cache of {folder}: {why}; every entry is safe: free some space and try again"
        ) from error
    return terms


class Reader:
    """The index in `folder`, open for reading. Safe for several threads.

    Opening and `snapshot` bring the caches up to the store when no other process is about to. `tier` is the structure that
    vectors are held in, where it is not chosen by their number; a `growing` reader builds it in the background when it is due.

    Raises `NotAnIndex` when there is none, `ModelMismatch` unless it was built with the model of `card` (None takes its own),
    and `IndexBusy` or `StorageError` when the caches cannot be made and there are no older ones to answer from; where they do
    not fit into memory, that is `TooLittleMemory`.
    """

    def __init__(
        self,
        folder: Path,
        card: ModelCard | None,
        writing: bool = False,
        tier: Tier | None = None,
        growing: bool = False,
    ) -> None:
        self.folder = folder
        self.store = Store.open(folder)
        try:
            self.card = card = card or self.store.card()
            self.store.require(card)
            self._space = self._opened_space()
            self._owner = owner_of(self.store, card)
            self._tier = tier
            self._writing = writing
            self._refreshing = threading.Lock()
            self._terms: TantivyTerms | None = None
            self._vectors = self._loaded_vectors()
            self._snapshot = self._refreshed(self.store.generation())
            self._growth = Growth(folder, card, tier, self._adopt) if growing else None
        except BaseException:
            self.store.close()
            raise

    def close(self) -> None:
        """Give the store's connections back."""
        self.store.close()

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def snapshot(self) -> Snapshot:
        """The newest generation that the engines can show: the store's own, or an older one while a writer is at work or the
        caches cannot be written.
        """
        newest = self.store.generation()
        # One thread brings the engines up; the others go on with what there is.
        if newest != self._snapshot.generation and self._refreshing.acquire(blocking=False):
            try:
                self._snapshot = self._refreshed(newest)
            finally:
                self._refreshing.release()
        if self._growth:
            self._growth.look(self._vectors.tier, self._vectors.outgrown, len(self._vectors))
        return self._snapshot

    def _loaded_vectors(self) -> FaissVectors:
        upto, dimension = self.store.generation(), self.card.dimension
        if self._writing and self._is_large(upto):
            # They are brought up in a tier, when nothing is written.
            return FaissVectors(dimension)
        found = None if self._tier == "exact" else opened(self._cache, self._owner, dimension, upto)
        return FaissVectors(dimension, found) if found else FaissVectors.load(self._cache, self._owner, dimension, upto)

    def _is_large(self, generation: int) -> bool:
        return _is_large(self.store, self._cache, self._owner, generation, self._tier)

    def _adopt(self, tier: Quantised) -> None:
        """Search in `tier` from now on, and exactly in what came since."""
        with self._refreshing:
            before = self._vectors
            self._vectors = FaissVectors(self.card.dimension, tier)
            try:
                self._snapshot = self._refreshed(self.store.generation())
            except BaseException:
                self._vectors = before
                raise

    @property
    def _cache(self) -> Path:
        return self.folder / "cache"

    def _refreshed(self, newest: int) -> Snapshot:
        self.store.require(self.card)
        terms = self._terms = self._terms_upto(newest)
        if self._vectors.generation < terms.generation and not (self._writing and self._is_large(terms.generation)):
            self._feed_vectors(terms.generation)
        return Snapshot(self._vectors.generation, self.card, self._space, self._vectors.view(), terms.view(), self.store)

    def _terms_upto(self, newest: int) -> TantivyTerms:
        """The term engine at `newest`; an older one while another process holds the lock or the disk is full."""
        terms = self._terms
        if terms is not None and not self._writing:
            # Where the folder was deleted since, what is open still answers.
            with contextlib.suppress(CacheUnusable):
                terms.refresh()
        terms = terms or self._opened_terms()
        if terms is not None and terms.generation == newest:
            return terms
        if self._writing:
            return self._fed_terms(terms, newest)
        try:
            with lock.writing(self.folder, wait=False):
                # What was read before the lock may be old.
                return self._fed_terms(self._opened_terms(), self.store.generation())
        except StorageError as error:
            # One that is being made holds nothing yet.
            if terms is not None and terms.generation >= max(self._vectors.generation, 0):
                if not isinstance(error, IndexBusy):
                    log.warning("answering from generation %d: %s", terms.generation, error)
                return terms
            if isinstance(error, IndexBusy):
                raise IndexBusy(
                    f"the index {self.folder} is being built by another process; try again when it has ended"
                ) from None
            raise

    def _opened_terms(self) -> TantivyTerms | None:
        return _opened_terms(self.store, self.folder)

    def _fed_terms(self, terms: TantivyTerms | None, upto: int) -> TantivyTerms:
        return _fed_terms(self.store, self.folder, terms, upto)

    def _opened_space(self) -> Space:
        space = self.store.space()
        assert space is not None  # the store has refused the card otherwise
        return space

    def _feed_vectors(self, upto: int) -> None:
        if self._vectors.generation < 0:
            self._make_room(upto)
            if self._vectors.generation >= upto:
                return
        before = len(self._vectors)
        died = self.store.died(self._vectors.generation, upto)
        added = 0
        try:
            self._vectors.remove(died)
            self._vectors.expect(self.store.born_count(self._vectors.generation, upto))
            for ids, langs, vectors in self.store.born_vectors(self._vectors.generation, upto):
                self._vectors.add(ids, self._space.passages(vectors, langs))
                added += len(ids)
            # They are of the model that the index has now, and it may have been given another since the last look.
            self.store.require(self.card)
        except BaseException:
            # Half of them would be added twice the next time.
            self._vectors.abandon()
            raise
        self._vectors.commit(upto)
        if self._writing and _worth_saving(added, before):
            self._save_vectors()

    def _make_room(self, upto: int) -> None:
        """See to it that all vectors can be held: exactly, or in a tier that is built for them now."""
        count, memory, dimension = self.store.born_count(-1, upto), tiers.free_memory(), self.card.dimension
        if self._tier == "exact":
            tiers.choose(count, dimension, memory, "exact")
        elif count * tiers.needed("exact", dimension) > memory:
            grow(self.folder, self.card, self._tier)
            found = opened(self._cache, self._owner, dimension, self.store.generation())
            if found:
                self._vectors = FaissVectors(dimension, found)

    def _save_vectors(self) -> None:
        try:
            self._vectors.save(self._cache, self._owner)
        except OSError as error:
            # A cache: without it the next process reads the vectors from the store.
            log.warning("cannot write the vector cache of %s: %s", self.folder, error.strerror or error)
