"""What was known at an instant: earlier generations, searched as if nothing had come after them."""

import tempfile
import threading
from collections import OrderedDict
from datetime import datetime
from pathlib import Path

from embed import ModelCard
from index.errors import StorageError
from index.lexical import TantivyTerms
from index.reader import Reader, Snapshot, searchable
from index.space import Space
from index.store import Store
from index.vectors import FaissVectors

_REMEMBERED = 2


class Past:
    """The earlier generations of an open index. Safe for several threads.

    Engines show what is there now, and their statistics are of now. So those of an earlier generation are made anew, from the
    entries that were visible then in the words that they had then: a search gives the hits and the scores of an index that was
    never told more. It takes as long as making the caches of an index of that size; the last few are remembered.
    """

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._made: OrderedDict[tuple[int, str], tuple[Snapshot, tempfile.TemporaryDirectory[str]]] = OrderedDict()
        self._lock = threading.Lock()

    def close(self) -> None:
        """Forget all of them."""
        with self._lock:
            while self._made:
                self._made.popitem()[1][1].cleanup()

    def at(self, moment: datetime) -> Snapshot:
        """What was known at `moment`, aware. Raises `InvalidRequest` where that is before all or still to come, and
        `StorageError` when passages of that time have no vectors of the model that the index has now.
        """
        store, newest = self._reader.store, self._reader.snapshot()
        generation = store.generation_at(moment)
        if generation == newest.generation and not store.any_died(generation):
            # Nothing was ever removed from the engines, so they are as good as new.
            return newest
        key = (generation, newest.card.fingerprint)
        # One at a time: two would take twice the memory, and be no sooner done.
        with self._lock:
            if key not in self._made:
                # The cleanup of what another thread still searches in takes nothing from it: what is open stays readable.
                while len(self._made) >= _REMEMBERED:
                    self._made.popitem(last=False)[1][1].cleanup()
                self._made[key] = _made(store, generation, newest.card, newest.space)
            self._made.move_to_end(key)
            return self._made[key][0]


def _made(store: Store, generation: int, card: ModelCard, space: Space) -> tuple[Snapshot, tempfile.TemporaryDirectory[str]]:
    try:
        folder = tempfile.TemporaryDirectory(prefix="filrouge-past-", ignore_cleanup_errors=True)
    except OSError as error:
        raise StorageError(f"cannot make room for an earlier state of the index: {error.strerror or error}") from error
    try:
        vectors, there = FaissVectors(card.dimension), store.passages_then(generation)
        vectors.expect(there)
        embedded = 0
        for ids, langs, rows in store.vectors_then(generation):
            vectors.add(ids, space.passages(rows, langs))
            embedded += len(ids)
        vectors.commit(generation)
        terms = _terms(store, generation, Path(folder.name))
        if embedded != there:
            raise StorageError(
                f"{there - embedded} of {there} passages of that time were embedded with another model only: "
                "embed the history of the index with filrouge repair"
            )
    except BaseException:
        folder.cleanup()
        raise
    return Snapshot(generation, card, space, vectors.view(), terms.view(), store, past=True), folder


def _terms(store: Store, generation: int, folder: Path) -> TantivyTerms:
    try:
        terms = TantivyTerms.create(folder / "lexical", store.identity())
        for batch in store.then(generation):
            terms.add(*searchable(batch))
        terms.commit(generation)
    except (OSError, ValueError) as error:
        # tantivy tells of a full disk with a ValueError.
        why = (error.strerror if isinstance(error, OSError) else None) or "the disk may be full"
        raise StorageError(f"cannot write an earlier state of the index to {folder.parent}: {why}") from error
    return terms
