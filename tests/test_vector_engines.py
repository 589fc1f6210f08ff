"""One promise, every engine and tier of vectors: each is compared with brute force over the same passages, ids and scores."""

import math
import os
import tempfile
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import index.quantised
from index.engine import ExactVectors, VectorEngine, VectorView
from index.quantised import Quantised, build
from index.records import Ids
from index.tierfile import Manifest
from index.tiers import Tier
from index.vectors import FaissVectors
from tests import milvus_engines
from tests.engine_cases import Everything, assert_best, engines, ids_of, read_while_writing, subsets

DIMENSION = 6
Rows = dict[int, np.ndarray]
# One commit: passages removed before any are added, how many are added, passages removed after.
removals = st.lists(st.integers(1, 40), max_size=6)
commits = st.lists(st.tuples(removals, st.integers(0, 12), removals), min_size=1, max_size=6)


class Tiered:
    """Vectors of which every second commit makes a tier, as growing does; what comes between lies beside it."""

    def __init__(self, dimension: int, tier: Tier) -> None:
        self._dimension, self._tier = dimension, tier
        self._inner = FaissVectors(dimension)
        self._held: Rows = {}
        self._folder = tempfile.TemporaryDirectory()
        weakref.finalize(self, self._folder.cleanup)

    @property
    def generation(self) -> int:
        return self._inner.generation

    def add(self, ids: Ids, vectors: np.ndarray) -> None:
        self._held.update(zip(ids.tolist(), vectors, strict=True))
        self._inner.add(ids, vectors)

    def remove(self, ids: Ids) -> None:
        for i in ids.tolist():
            self._held.pop(i, None)
        self._inner.remove(ids)

    def commit(self, generation: int) -> None:
        self._inner.commit(generation)
        if generation % 2 == 0 and self._held:
            ids = ids_of(list(self._held))
            wanted = Manifest("ab", generation, self._tier, self._dimension, len(ids), self._tier)
            with pytest.MonkeyPatch.context() as patch:
                # How well it finds is for test_quantised.py.
                patch.setattr(index.quantised, "_SAMPLE", 20)
                rows = np.stack([self._held[i] for i in ids.tolist()])
                folder = build(Path(self._folder.name), wanted, [(ids, rows)])
            self._inner = FaissVectors(self._dimension, Quantised(folder, self._dimension))

    def view(self) -> VectorView:
        return self._inner.view()


VECTOR_ENGINES: dict[str, Callable[[int], VectorEngine]] = {
    "exact": ExactVectors,
    "faiss": FaissVectors,
    "quantised": lambda dimension: Tiered(dimension, "quantised"),
    "lists": lambda dimension: Tiered(dimension, "lists"),
    "milvus": milvus_engines.Vectors,
}


@pytest.fixture(params=engines(VECTOR_ENGINES))
def new_vectors(request: pytest.FixtureRequest) -> Callable[[], VectorEngine]:
    return lambda: VECTOR_ENGINES[request.param](DIMENSION)


def rows(count: int, seed: int) -> np.ndarray:
    """Unit rows, in half precision as a tier holds them; every fourth one is like the first, so that there are ties."""
    vectors = np.random.default_rng(seed).standard_normal((count, DIMENSION)).astype(np.float32)
    vectors[::4] = 1.0
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float16).astype(np.float32)


def cosines(held: Mapping[int, np.ndarray], vector: np.ndarray) -> Everything:
    return [(i, math.fsum(float(a) * float(b) for a, b in zip(row, vector, strict=True))) for i, row in held.items()]


@pytest.mark.parametrize("kind", engines(VECTOR_ENGINES))
@given(commits=commits)
# A whole server takes a fifth of a second for each search.
@settings(max_examples=2 if milvus_engines.AT in os.environ else 40, deadline=None)
def test_vectors_agree_with_brute_force_after_any_changes(kind: str, commits: list[tuple[list[int], int, list[int]]]) -> None:
    engine = VECTOR_ENGINES[kind](DIMENSION)
    held: Rows = {}
    taken = [(engine.view(), dict(held), -1)]
    following = 1
    for generation, (before, added, after) in enumerate(commits, start=1):
        engine.remove(ids_of(before))
        held = {i: row for i, row in held.items() if i not in before}
        ids = range(following, following + added)
        vectors = rows(added, seed=following)
        engine.add(ids_of(ids), vectors)
        held |= dict(zip(ids, vectors, strict=True))
        following += added
        engine.remove(ids_of(after))
        held = {i: row for i, row in held.items() if i not in after}
        # Not committed, not visible.
        taken.append((engine.view(), taken[-1][1], generation - 1 if generation > 1 else -1))
        engine.commit(generation)
        taken.append((engine.view(), dict(held), generation))
    assert engine.generation == len(commits)
    question = rows(2, seed=7)[1]
    for view, then, generation in taken:
        assert view.generation == generation
        for among in subsets(list(then)):
            for k in (1, 3, 200):
                assert_best(view.nearest(question, k, among), cosines(then, question), k, among)


def test_a_vector_engine_without_passages_finds_nothing(new_vectors: Callable[[], VectorEngine]) -> None:
    engine = new_vectors()
    question = rows(1, seed=1)[0]
    assert engine.generation == -1
    assert list(engine.view().nearest(question, 5)) == []
    engine.add(ids_of([1]), rows(1, seed=1))
    engine.commit(1)
    engine.remove(ids_of([1]))
    engine.commit(2)
    assert list(engine.view().nearest(question, 5)) == []
    assert list(engine.view().nearest(question, 5, ids_of([1, 2]))) == []


@pytest.mark.parametrize("kind", ["exact", "faiss"])
def test_of_equal_vectors_those_with_the_smallest_ids_are_found(kind: str) -> None:
    engine = VECTOR_ENGINES[kind](DIMENSION)
    row = rows(1, seed=1)
    for generation, first in enumerate((300, 200, 100), start=1):
        engine.add(np.arange(first, first + 30), np.repeat(row, 30, axis=0))
        engine.commit(generation)
    assert engine.view().nearest(row[0], 3).ids.tolist() == [100, 101, 102]
    assert engine.view().nearest(row[0], 3, np.arange(110, 330)).ids.tolist() == [110, 111, 112]


def test_removing_an_unknown_vector_does_not_keep_it_out_later(new_vectors: Callable[[], VectorEngine]) -> None:
    engine = new_vectors()
    row = rows(1, seed=1)
    engine.remove(ids_of([5]))
    engine.commit(1)
    engine.add(ids_of([5]), row)
    engine.commit(2)
    assert engine.view().nearest(row[0], 1).ids.tolist() == [5]


def test_no_vectors_are_asked_for_and_none_are_found(new_vectors: Callable[[], VectorEngine]) -> None:
    engine = new_vectors()
    engine.add(ids_of([1, 2]), rows(2, seed=1))
    engine.commit(1)
    assert list(engine.view().nearest(rows(1, seed=1)[0], 0)) == []


def test_many_threads_search_vectors_while_one_writes(new_vectors: Callable[[], VectorEngine]) -> None:
    engine = new_vectors()
    question = rows(2, seed=7)[1]
    held: Rows = {}

    def change(generation: int) -> Callable[[], None]:
        ids = range(generation * 20, generation * 20 + 20)
        vectors = rows(20, seed=generation)
        gone = [i for i in held if i % 3 == 0]
        engine.remove(ids_of(gone))
        engine.add(ids_of(ids), vectors)
        engine.commit(generation)
        for i in gone:
            del held[i]
        held.update(zip(ids, vectors, strict=True))
        view, then = engine.view(), cosines(held, question)
        among = ids_of([i for i in held if i % 2])

        def check() -> None:
            assert view.generation == generation
            assert_best(view.nearest(question, 10), then, 10, None)
            assert_best(view.nearest(question, 10, among), then, 10, among)

        return check

    read_while_writing(change, count=12)
