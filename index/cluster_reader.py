"""An open index on a Milvus server: what `index.reader` and `index.past` are for a folder. It keeps nothing that the server has
not, so that there may be any number of them.
"""

import time
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from embed import ModelCard
from embed.encoder import Vectors
from index.cluster import ClusterTerms, ClusterVectors, Statistics
from index.cluster_store import ClusterStore
from index.cluster_where import ALL
from index.engine import Terms
from index.milvus import Milvus, Server
from index.reader import REMEMBERED_FILTERS, Filters, Snapshot
from index.records import Ids, Ranking
from index.remembered import Remembered

MEAN = "mean"
"""The name of the mean length that sparse vectors were made for."""
_SETTLES = 10.0
"""Seconds after which a server shows what was written to all who ask, however they ask: twice its default."""
_GENERATIONS = 4


@dataclass
class ClusterSnapshot(Snapshot):
    """One generation on a server, which filters where it searches: ids are listed for what has to go through all of them."""

    _passing: Remembered[str] = field(default_factory=lambda: Remembered(REMEMBERED_FILTERS))

    def _where(self, filters: Filters) -> str | None:
        assert isinstance(self.store, ClusterStore)
        store = self.store
        return self._passing.get(filters, lambda: store.passing(self.generation, filters)) if filters else None

    def nearest(self, vector: Vectors, k: int, filters: Filters) -> Ranking:
        """See `Snapshot.nearest`."""
        assert isinstance(self.vectors, ClusterVectors)
        return self.vectors.nearest(vector, k, self._where(filters))

    def matching(self, terms: Terms, k: int, filters: Filters) -> Ranking:
        """See `Snapshot.matching`."""
        assert isinstance(self.terms, ClusterTerms)
        return self.terms.matching(terms, k, self._where(filters))

    def allowed(self, filters: Filters) -> Ids:
        """The ids that pass, ascending, also when all do. Raises `InvalidRequest` where they are too many to be listed."""
        return self._allowed.get(filters, lambda: self._found(filters))

    def all_ids(self) -> Ids:
        """See `Snapshot.all_ids`."""
        return self.allowed(Filters())

    def count(self, filters: Filters) -> int:
        """See `Snapshot.count`."""
        if not filters:
            return self._size
        assert isinstance(self.store, ClusterStore)
        return self.store.count(self.generation, self._where(filters) or ALL)

    def _found(self, filters: Filters) -> Ids:
        return self.store.allowed(self.generation, filters.window, filters.lang, filters.source, filters.where)


class ClusterReader:
    """The index on a Milvus server, open for reading; at `generation`, where it is given, whether readers see it yet or not.
    Safe for several threads.

    Raises `StorageError` when the server is away, slow, or too old, `NotAnIndex` when it holds none, and `ModelMismatch` unless
    the index was built with the model of `card` (None takes its own).
    """

    def __init__(self, server: Server, card: ModelCard | None, generation: int | None = None) -> None:
        milvus = Milvus(server)
        try:
            milvus.require_sparse()
            self.store = ClusterStore(milvus, generation)
            self.card = card = card or self.store.card()
            self.store.require(card)
            self._milvus = milvus
            self._made: Remembered[ClusterSnapshot] = Remembered(_GENERATIONS)
            self._newest, self._since = -1, 0.0
        except BaseException:
            milvus.close()
            raise

    def close(self) -> None:
        """Let the connection go."""
        self.store.close()

    def snapshot(self) -> ClusterSnapshot:
        """The newest generation."""
        newest = self.store.generation()
        if newest != self._newest:
            self._newest, self._since = newest, time.monotonic()
        # A generation is seen before all servers that hold a part of it have heard of it.
        self._milvus.strong = time.monotonic() - self._since < _SETTLES
        return self._at(newest)

    def at(self, moment: datetime) -> ClusterSnapshot:
        """What was known at `moment`: see `Past.at`. Rows of every generation are there, so that nothing has to be made."""
        return self._at(self.store.generation_at(moment))

    def _at(self, generation: int) -> ClusterSnapshot:
        return self._made.get(generation, lambda: self._make(generation))

    def _make(self, generation: int) -> ClusterSnapshot:
        stamp = self.store.stamp(generation)
        statistics = Statistics(stamp["passages"], stamp["terms"], self._mean)
        vectors = ClusterVectors(self._milvus, self.store.collection, generation)
        terms = ClusterTerms(self._milvus, self.store.collection, generation, statistics)
        return ClusterSnapshot(generation, self.card, self.store.space(), vectors, terms, self.store)

    @cached_property
    def _mean(self) -> float:
        return float(self.store.meta(MEAN))
