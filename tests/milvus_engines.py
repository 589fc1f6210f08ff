"""Engines on a Milvus server, for `test_vector_engines.py` and `test_term_engines.py`: views are those that searches use."""

import itertools
import os
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
import pytest

from embed.encoder import Vectors as Rows
from index.bm25 import rounded_length, saturated, term_number
from index.cluster import ClusterTerms, ClusterVectors, Statistics
from index.cluster_rows import NEVER, packed, said, sparse_place
from index.engine import Said
from index.milvus import Collection, Milvus, Server
from index.records import Ids

AT = "FILROUGE_TEST_MILVUS"
"""A server that is asked in the place of Milvus Lite."""
VECTORS = {"id": "number", "born": "number", "died": "number", "dense": "vector"}
TERMS = {
    "id": "number", "born": "number", "died": "number", "said_title": "text", "said_text": "text", "packed": "text",
    "terms": "numbers", "sparse": "sparse",
}  # fmt: skip
_numbers = itertools.count()


def require_lite() -> None:
    """Skip the test where there is no Milvus Lite."""
    pytest.importorskip("milvus_lite", reason="no Milvus Lite: make milvus installs it", exc_type=ImportError)


@cache
def milvus() -> Milvus:
    """The server: one for all tests, with collections of their own."""
    if AT in os.environ:
        return Milvus(Server(os.environ[AT], timeout=60))
    require_lite()
    from tests.cluster_index import started

    return started(Server(f"{tempfile.mkdtemp(prefix='filrouge-test-')}/engines.db", timeout=60))


class Engine:
    """Rows that are born and die; what is added and removed is written by the next commit."""

    def __init__(self, fields: Mapping[str, object], dimension: int = 2) -> None:
        self.milvus = milvus()
        self.collection = Collection(f"engine_{next(_numbers)}", fields, dimension)  # type: ignore[arg-type]
        self.milvus.create(self.collection, "tests")
        self.generation = -1
        self._alive: dict[int, dict[str, object]] = {}
        self._fresh: dict[int, dict[str, object]] = {}
        self._removed: set[int] = set()

    def remove(self, ids: Ids) -> None:
        self._fresh = {i: row for i, row in self._fresh.items() if i not in ids.tolist()}
        self._removed |= self._alive.keys() & set(ids.tolist())

    def commit(self, generation: int) -> None:
        dead = [{**self._alive.pop(i), "died": generation} for i in sorted(self._removed)]
        fresh = [{**row, "born": generation, "died": NEVER} for row in self._fresh.values()]
        self.milvus.write(self.collection, [*dead, *fresh])
        self._alive.update((int(str(row["id"])), row) for row in fresh)
        self._fresh, self._removed, self.generation = {}, set(), generation


class Vectors(Engine):
    """A `VectorEngine`."""

    def __init__(self, dimension: int) -> None:
        super().__init__(VECTORS, dimension)

    def add(self, ids: Ids, vectors: Rows) -> None:
        self._fresh |= {i: {"id": i, "dense": row} for i, row in zip(ids.tolist(), vectors, strict=True)}

    def view(self) -> ClusterVectors:
        return ClusterVectors(self.milvus, self.collection, self.generation)


class Terms(Engine):
    """A `TermEngine`; the mean length that vectors are made for is that of the first commit."""

    def __init__(self) -> None:
        super().__init__(TERMS)
        self._lengths: dict[int, int] = {}
        self._mean = 0.0
        self._shown = Statistics(0, 0, 1.0)

    def add(self, passages: Sequence[tuple[int, Sequence[str]]], said_by: Mapping[int, Said] | None = None) -> None:
        self._mean = self._mean or float(np.mean([max(1, len(terms)) for _, terms in passages] or [1]))
        for i, terms in passages:
            counts: dict[int, int] = {}
            for term in terms:
                counts[term_number(term)] = counts.get(term_number(term), 0) + 1
            length = rounded_length(len(terms))
            words = (said_by or {}).get(i, Said())
            self._lengths[i] = len(terms)
            self._fresh[i] = {
                "id": i,
                "said_title": said(words.title),
                "said_text": said(words.text),
                "packed": packed(counts),
                "terms": list(counts),
                "sparse": {sparse_place(n): float(saturated(often, length, self._mean)) for n, often in counts.items()}
                or {0: 0.0},
            }

    def commit(self, generation: int) -> None:
        super().commit(generation)
        lengths = [self._lengths[i] for i in self._alive]
        self._shown = Statistics(len(lengths), sum(lengths), self._mean or 1.0)

    def view(self) -> ClusterTerms:
        return ClusterTerms(self.milvus, self.collection, self.generation, self._shown)
