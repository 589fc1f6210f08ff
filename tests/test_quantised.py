"""A tier finds what the exact engine finds, with its scores, whatever the filter and whatever has gone."""

from pathlib import Path

import numpy as np
import pytest

from index import quantised
from index.bench_vectors import like_passages
from index.engine import ExactVectors
from index.quantised import Quantised, build, like_questions
from index.records import Ids
from index.tierfile import DamagedTier, Manifest
from index.tiers import RECALL, Tier
from index.vectors import FaissVectors

COUNT, DIMENSION = 12_000, 64


@pytest.fixture(scope="module")
def vectors(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """In half precision, as a tier holds them: scores are then the same to the last digits."""
    path = tmp_path_factory.mktemp("vectors") / "vectors.npy"
    like_passages(path, COUNT, DIMENSION)
    return np.load(path).astype(np.float16).astype(np.float32)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def ids() -> Ids:
    """With gaps, as they have where entries were edited."""
    return np.arange(COUNT, dtype=np.int64) * 3 + 7


@pytest.fixture(scope="module", params=["quantised", "lists"])
def tier(request: pytest.FixtureRequest, vectors: np.ndarray, ids: Ids, tmp_path_factory: pytest.TempPathFactory) -> Quantised:
    return built(tmp_path_factory.mktemp("cache"), request.param, vectors, ids)


def built(cache: Path, tier: Tier, vectors: np.ndarray, ids: Ids) -> Quantised:
    batches = [(ids[at : at + 5000], vectors[at : at + 5000]) for at in range(0, len(ids), 5000)]
    wanted = Manifest("ab", 4, tier, vectors.shape[1], len(ids), tier)
    return Quantised(build(cache, wanted, batches), vectors.shape[1])


@pytest.fixture(scope="module")
def exact(vectors: np.ndarray, ids: Ids) -> ExactVectors:
    engine = ExactVectors(DIMENSION)
    engine.add(ids, vectors)
    engine.commit(4)
    return engine.view()


@pytest.fixture
def always_sketches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantised, "_FEW", 0)


@pytest.mark.usefixtures("always_sketches")
@pytest.mark.parametrize("share", [None, 0.5, 0.1, 0.04, 0.01, 0.0001])
def test_ten_nearest_are_those_of_the_exact_engine_under_every_filter(
    tier: Quantised, exact: ExactVectors, vectors: np.ndarray, ids: Ids, share: float | None
) -> None:
    lot = np.random.default_rng(1)
    among = None if share is None else np.sort(lot.choice(ids, max(5, round(share * COUNT)), replace=False))
    found = total = 0
    for question in like_questions(vectors, 60, seed=9):
        best, right = tier.nearest(question, 10, among), exact.nearest(question, 10, among)
        assert len(best) == len(right)
        assert list(best) == sorted(best, key=lambda pair: (-pair[1], pair[0]))
        scores = dict(exact.nearest(question, COUNT, best.ids[np.argsort(best.ids)]))
        assert [scores[i] for i in best.ids.tolist()] == pytest.approx(best.scores.tolist(), abs=1e-6)
        if among is not None:
            assert np.isin(best.ids, among).all()
        found += len(np.intersect1d(best.ids, right.ids))
        total += len(right)
    assert found / total >= RECALL - 0.01


def test_all_of_them_are_ranked_as_the_exact_engine_ranks_them(
    tier: Quantised, exact: ExactVectors, vectors: np.ndarray
) -> None:
    question = like_questions(vectors, 1, seed=9)[0]
    best, right = tier.nearest(question, COUNT), exact.nearest(question, COUNT)
    assert np.array_equal(np.sort(best.ids), np.sort(right.ids))
    assert best.scores.tolist() == pytest.approx(right.scores.tolist(), abs=1e-6)


def test_scores_of_vectors_in_single_precision_differ_by_what_rounding_does(tmp_path: Path) -> None:
    like_passages(tmp_path / "vectors.npy", 3000, 384)
    vectors = np.load(tmp_path / "vectors.npy")
    tier = built(tmp_path, "quantised", vectors, np.arange(3000, dtype=np.int64))
    for question in like_questions(vectors, 20, seed=2):
        best = tier.nearest(question, 100)
        assert np.abs(best.scores - vectors[best.ids] @ question).max() < 5e-5


def test_what_is_gone_is_not_found_and_others_take_its_place(tier: Quantised, exact: ExactVectors, vectors: np.ndarray) -> None:
    for question in like_questions(vectors, 5, seed=4):
        # Everything near the question goes: what lies behind it must be found none the less.
        near = np.sort(exact.nearest(question, 500).ids)
        gone = np.zeros(COUNT, dtype=bool)
        gone[tier.places(near)] = True
        left = np.setdiff1d(tier.ids, near)
        best, right = tier.nearest(question, 10, None, gone), exact.nearest(question, 10, left)
        assert not np.isin(best.ids, near).any()
        assert len(best) == 10
        # They are many and lie equally far: which of them are found matters less than how near they are.
        assert best.scores.tolist() == pytest.approx(right.scores.tolist(), abs=0.01)
        assert len(tier.nearest(question, 10, near, gone)) == 0


def test_ids_that_are_not_there_are_passed_over(tier: Quantised, vectors: np.ndarray) -> None:
    strangers = np.array([-1, 0, 8, 10**9], dtype=np.int64)
    assert tier.places(strangers).tolist() == []
    assert len(tier.nearest(vectors[0], 5, strangers)) == 0
    assert tier.nearest(vectors[0], 5, np.array([7, 8])).ids.tolist() == [7]


def test_none_are_asked_for_and_none_are_found(tier: Quantised, vectors: np.ndarray) -> None:
    assert len(tier.nearest(vectors[0], 0)) == 0


def test_the_manifest_says_what_was_measured(tier: Quantised) -> None:
    manifest = tier.manifest
    assert RECALL <= manifest.recall["all"] <= 1
    assert RECALL <= manifest.recall["sketches"] <= 1
    assert (manifest.count, manifest.dimension, manifest.generation) == (COUNT, DIMENSION, 4)
    assert (manifest.lists > 0, manifest.probes > 0) == (manifest.tier == "lists",) * 2
    assert manifest.built.endswith("+00:00")


def test_a_build_that_finds_too_little_is_refused_and_leaves_nothing(
    tmp_path: Path, vectors: np.ndarray, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "_CANDIDATES", (10,))
    with pytest.raises(DamagedTier, match=r"its sketches find 0\.\d+ of the ten nearest, and 0\.98 are wanted"):
        built(tmp_path, "quantised", vectors, ids)
    assert list(tmp_path.iterdir()) == []


def test_lists_are_set_to_look_through_no_more_than_is_needed(
    tmp_path: Path, vectors: np.ndarray, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = built(tmp_path / "few", "lists", vectors, ids).manifest
    assert few.probes < few.lists
    # Where a candidate costs as much as all of the lists, as few of them are compared as sketches need.
    monkeypatch.setattr(quantised, "_WORTH", COUNT)
    assert built(tmp_path / "many", "lists", vectors, ids).manifest.probes >= few.probes


def test_fewer_vectors_than_a_code_tells_apart_have_no_lists(tmp_path: Path, vectors: np.ndarray) -> None:
    for count, tier in ((1, "quantised"), (15, "quantised"), (16, "lists")):
        held = built(tmp_path / str(count), "lists", vectors[:count], np.arange(count, dtype=np.int64))
        assert (held.manifest.tier, len(held)) == (tier, count)
        assert held.nearest(vectors[0], 1).ids.tolist() == [0]


@pytest.mark.parametrize("dimension", [48, 50, 31])
def test_lists_are_made_of_vectors_of_any_dimension(tmp_path: Path, dimension: int) -> None:
    like_passages(tmp_path / "vectors.npy", 2000, dimension)
    vectors = np.load(tmp_path / "vectors.npy")
    tier = built(tmp_path, "lists", vectors, np.arange(2000, dtype=np.int64))
    assert (tier.manifest.tier, tier.manifest.wanted) == ("lists", "lists")
    assert tier.manifest.recall["all"] >= RECALL


def test_lists_that_find_too_little_give_way_to_the_tier_below(
    tmp_path: Path, vectors: np.ndarray, ids: Ids, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantised, "_PROBED", (0.001,))
    tier = built(tmp_path, "lists", vectors, ids)
    assert (tier.manifest.wanted, tier.manifest.tier, tier.manifest.lists) == ("lists", "quantised", 0)


def test_a_tier_with_what_came_since_is_one_engine(tier: Quantised, vectors: np.ndarray) -> None:
    engine = FaissVectors(DIMENSION, tier)
    assert (engine.generation, len(engine), engine.outgrown) == (4, COUNT, False)
    before = engine.view()
    question = vectors[17]
    engine.add(np.array([90_000]), question[np.newaxis])
    engine.remove(np.array([7 + 3 * 17, 5]))
    engine.commit(5)
    after = engine.view()
    assert before.nearest(question, 1).ids.tolist() == [7 + 3 * 17]
    assert after.nearest(question, 1).ids.tolist() == [90_000]
    assert (len(engine), engine.outgrown) == (COUNT, False)
    engine.remove(tier.ids[:2000])
    engine.commit(6)
    assert (len(engine), engine.outgrown) == (COUNT - 1999, True)
