"""Tiers are built beside searches and commits, picked up when they are there, and done without when they are damaged."""

import logging
import shutil
import threading
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest

from embed.hashing import HashingEncoder
from index import growth, tiers
from index.bench import commit, synthesise
from index.errors import TooLittleMemory
from index.growth import grow, opened
from index.quantised import build
from index.reader import Reader
from index.repair import rebuild_caches
from index.search import Searcher
from index.space import space_of
from index.store import Store
from index.tiers import Tier

ENCODER = HashingEncoder(dimension=32, token_limit=64)
CARD = ENCODER.card


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of 600 passages."""
    folder = tmp_path_factory.mktemp("original") / "index"
    folder.mkdir()
    synthesise(folder, ENCODER, 600)
    return folder


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "index"))


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "_PAUSE", 0.0)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tiers from 500 passages on."""
    monkeypatch.setattr(tiers, "LISTS_FROM", 500)


def more(folder: Path, count: int, first: int) -> None:
    """Commit so many passages more."""
    with Store.create(folder, CARD, lambda: space_of(ENCODER)) as store:
        vectors = np.random.default_rng(first).standard_normal((count, 32)).astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        commit(store, CARD, [f"Encore {first + n}." for n in range(count)], vectors, first)


def ranked(folder: Path, tier: Tier | None = None) -> list[tuple[int, float]]:
    with Reader(folder, CARD, tier=tier) as reader:
        question = np.ones(32, dtype=np.float32) / np.sqrt(32).astype(np.float32)
        return list(reader.snapshot().vectors.nearest(question, 20))


def assert_alike(found: list[tuple[int, float]], exact: list[tuple[int, float]]) -> None:
    assert dict(found) == pytest.approx(dict(exact), abs=5e-4)


def names(folder: Path) -> list[str]:
    return sorted(path.name.split("-")[0] for path in (folder / "cache").iterdir())


def test_few_passages_stay_exact(folder: Path) -> None:
    assert grow(folder, CARD).tier == "exact"
    assert names(folder) == ["lexical"]


@pytest.mark.parametrize("tier", ["quantised", "lists"])
def test_a_tier_that_is_asked_for_is_built_once_and_searched(folder: Path, tier: Tier) -> None:
    exact = ranked(folder)
    grown = grow(folder, CARD, tier)
    assert grown.manifest is not None
    assert (grown.manifest.wanted, grown.manifest.count, grown.manifest.generation) == (tier, 600, 1)
    assert names(folder) == ["lexical", "tier"]
    assert grow(folder, CARD, tier).manifest == grown.manifest
    with Reader(folder, CARD) as reader:
        assert len(reader.snapshot().vectors.tier) == 600  # type: ignore[attr-defined]
    assert_alike(ranked(folder), exact)
    assert ranked(folder, "exact") == exact


@pytest.mark.usefixtures("small")
def test_repair_makes_a_tier_anew_and_an_open_reader_goes_on(folder: Path) -> None:
    exact = ranked(folder)
    with Reader(folder, CARD) as reader:
        assert rebuild_caches(folder, CARD).generation == 1
        assert rebuild_caches(folder, CARD).generation == 1
        assert reader.snapshot().generation == 1
    assert names(folder) == ["lexical", "tier"]
    assert_alike(ranked(folder), exact)


def test_what_comes_after_a_tier_is_found_at_once_beside_it(folder: Path) -> None:
    grow(folder, CARD, "quantised")
    with Reader(folder, CARD) as reader:
        before = reader.snapshot()
        more(folder, 20, first=600)
        after = reader.snapshot()
        assert (before.generation, after.generation) == (1, 2)
        assert len(after.vectors.nearest(np.eye(32, dtype=np.float32)[0], 700)) == 620
        assert len(before.vectors.nearest(np.eye(32, dtype=np.float32)[0], 700)) == 600
        assert not reader._vectors.outgrown
    # It is not built again for so few.
    assert grow(folder, CARD, "quantised").manifest.generation == 1  # type: ignore[union-attr]
    more(folder, 60, first=620)
    assert grow(folder, CARD, "quantised").manifest.generation == 3  # type: ignore[union-attr]


@pytest.mark.usefixtures("small")
def test_a_growing_reader_builds_in_the_background_and_swaps_between_two_searches(folder: Path) -> None:
    exact = ranked(folder)
    with Reader(folder, CARD, growing=True) as reader:
        assert reader._growth is not None
        first = reader.snapshot()
        assert first.vectors.tier is None  # type: ignore[attr-defined]
        reader._growth.wait()
        second = reader.snapshot()
        assert second.vectors.tier is not None  # type: ignore[attr-defined]
        # Whoever holds the one before goes on with it.
        question = np.ones(32, dtype=np.float32) / np.sqrt(32).astype(np.float32)
        assert list(first.vectors.nearest(question, 20)) == exact
        assert_alike(list(second.vectors.nearest(question, 20)), exact)
        # And it is built anew when much has come.
        more(folder, 90, first=600)
        reader.snapshot()
        reader._growth.wait()
        assert reader.snapshot().vectors.tier.manifest.generation == 2  # type: ignore[attr-defined]


@pytest.mark.usefixtures("small")
def test_searches_and_commits_go_on_while_a_tier_is_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, go_on = threading.Event(), threading.Event()

    def slow(*given: Any) -> Path:
        begun.set()
        assert go_on.wait(30)
        return build(*given)

    monkeypatch.setattr(growth, "build", slow)
    with Reader(folder, CARD, growing=True) as reader:
        reader.snapshot()
        assert begun.wait(30)
        more(folder, 5, first=600)
        snapshot = reader.snapshot()
        assert (snapshot.generation, len(snapshot.vectors.nearest(np.eye(32, dtype=np.float32)[0], 700))) == (2, 605)
        # Another process would not build it too.
        assert grow(folder, CARD).why == "another process builds the tier"
        go_on.set()
        assert reader._growth is not None
        reader._growth.wait()
        snapshot = reader.snapshot()
        assert snapshot.vectors.tier.manifest.generation == 1  # type: ignore[attr-defined]
        assert (snapshot.generation, len(snapshot.vectors.nearest(np.eye(32, dtype=np.float32)[0], 700))) == (2, 605)


@pytest.mark.usefixtures("small")
def test_a_reader_picks_up_what_another_process_built(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Reader(folder, CARD, growing=True) as reader:
        grow(folder, CARD)
        monkeypatch.setattr(growth, "build", lambda *given: pytest.fail("it is there"))
        reader.snapshot()
        assert reader._growth is not None
        reader._growth.wait()
        assert reader.snapshot().vectors.tier is not None  # type: ignore[attr-defined]


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("name", ["ids", "rows", "sketches", "lists", "manifest.json"])
def test_a_damaged_tier_is_told_of_passed_over_and_made_anew(folder: Path, name: str, caplog: pytest.LogCaptureFixture) -> None:
    exact = ranked(folder)
    grow(folder, CARD)
    (there,) = (folder / "cache").glob("tier-*")
    whole = (there / name).read_bytes()
    (there / name).write_bytes(whole[: len(whole) // 2] + b"!" + whole[len(whole) // 2 + 1 :])
    with caplog.at_level(logging.WARNING, "filrouge.index"):
        assert ranked(folder) == exact
    assert "are passed over, and made anew from the store" in caplog.text
    with Reader(folder, CARD, growing=True) as reader:
        reader.snapshot()
        assert reader._growth is not None
        reader._growth.wait()
        assert reader.snapshot().vectors.tier is not None  # type: ignore[attr-defined]
    assert_alike(ranked(folder), exact)


def test_a_tier_that_is_refused_leaves_the_exact_search_and_says_why(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.quantised.RECALL", 1.01)
    grown = grow(folder, CARD, "quantised")
    assert grown.tier == "exact"
    assert "of the ten nearest, and 1.01 are wanted" in str(grown.why)
    assert names(folder) == ["lexical"]
    assert len(ranked(folder)) == 20


@pytest.mark.usefixtures("small")
def test_what_was_refused_is_not_built_again_until_more_has_come(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.quantised.RECALL", 1.01)
    builds: list[object] = []

    def counted(*given: Any) -> Path:
        builds.append(given)
        return build(*given)

    monkeypatch.setattr(growth, "build", counted)
    with Reader(folder, CARD, growing=True) as reader:
        assert reader._growth is not None
        for _ in range(3):
            reader.snapshot()
            reader._growth.wait()
        assert len(builds) == 1
        more(folder, 90, first=600)
        reader.snapshot()
        reader._growth.wait()
        assert (len(builds), reader.snapshot().vectors.tier) == (2, None)  # type: ignore[attr-defined]


def test_too_little_memory_is_refused_before_anything_is_deleted(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grow(folder, CARD, "quantised")
    monkeypatch.setattr(tiers, "free_memory", lambda: 1000)
    for refused in (
        lambda: grow(folder, CARD, "lists"),
        lambda: rebuild_caches(folder, CARD, "exact"),
        lambda: Searcher(folder, ENCODER, "exact"),
    ):
        with pytest.raises(TooLittleMemory, match="are free: free some, choose quantised"):
            refused()
    assert names(folder) == ["lexical", "tier"]


def test_where_vectors_do_not_fit_exactly_a_tier_is_built_at_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exact = ranked(folder)
    # 600 passages of 32 dimensions take 82 kB exactly, and 14 kB at least in a tier.
    monkeypatch.setattr(tiers, "free_memory", lambda: 40_000)
    assert_alike(ranked(folder), exact)
    assert names(folder) == ["lexical", "tier"]


def test_a_builder_s_lock_is_free_again_when_it_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*given: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(growth, "build", fails)
        with pytest.raises(OSError, match="No space left"):
            grow(folder, CARD, "quantised")
    with filelock.FileLock(folder / growth.LOCK, timeout=0):
        pass
    assert grow(folder, CARD, "quantised").tier == "quantised"


def test_a_tier_of_another_index_or_a_later_generation_is_left_alone(folder: Path) -> None:
    grow(folder, CARD, "quantised")
    with Store.open(folder) as store:
        owner = growth.owner_of(store, CARD)
    cache = folder / "cache"
    assert opened(cache, owner, 32, upto=1) is not None
    assert opened(cache, owner, 32, upto=0) is None
    assert opened(cache, "ab", 32, upto=9) is None
