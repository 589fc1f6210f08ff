"""Benchmarks run and give figures; how large the figures are is no matter for a test."""

import math
from collections.abc import Callable

import pytest

from embed import Encoder
from embed.hashing import HashingEncoder
from index import bench
from index.bench import Comparison


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_PASSAGES", 8)
    monkeypatch.setattr(bench, "_VECTORS", 400)


NAMES = {
    "embed": (bench.embedding, "hashing itself", ["passages/s", "tokens/s", "one question, ms"]),
    "ingest": (bench.ingesting, "hashing itself alone", ["entries/s"]),
    "search": (bench.searching, "exact search in NumPy", ["nearest 10, ms", "nearest 10 of a tenth, ms"]),
}


@pytest.mark.parametrize("what", NAMES)
def test_a_benchmark_gives_finite_figures_beside_its_rival_s(what: str) -> None:
    run, rival, rows = NAMES[what]
    found = run(HashingEncoder())
    assert (found.what, found.rival, [row.name for row in found.rows]) == (what, rival, rows)
    assert len(found.notes) == 1
    for row in found.rows:
        assert all(math.isfinite(figure) and figure > 0 for figure in (row.ours, row.rivals, row.ratio))
        better = row.rivals / row.ours if row.name.endswith("ms") else row.ours / row.rivals
        assert row.ratio == pytest.approx(better)


def test_the_engines_that_are_compared_find_the_same(encoder: HashingEncoder) -> None:
    assert bench.searching(encoder).notes == ["400 vectors of 256 dimensions; recall@10 1.000"]


def test_notes_say_what_was_measured(encoder: HashingEncoder) -> None:
    tokens = sum(encoder.count_tokens(bench.texts(8))) / 8
    assert bench.embedding(encoder).notes == [f"8 passages of {tokens:.0f} tokens"]


def test_texts_are_the_same_for_the_same_arguments() -> None:
    assert bench.texts(20, seed=3) == bench.texts(20, seed=3)
    assert bench.texts(20, seed=3) != bench.texts(20, seed=4)
    assert [text.count(".") for text in bench.texts(5, sentences=3)] == [3] * 5
    assert len(set(bench.texts(96))) == 96


def test_ours_and_the_rival_s_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first round does not count, so its ends are not looked at.
    clock = iter([0.0, 0.0, *(at for lap in (3.0, 5.0, 2.0, 7.0, 4.0, 6.0) for at in (10.0, 10.0 + lap))])
    turns: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("index.bench.time.perf_counter", lambda: next(clock))
        best = bench._alternate(lambda: turns.append("ours"), lambda: turns.append("theirs"))
    assert turns == ["ours", "theirs"] * 4
    assert best == (2.0, 5.0)


@pytest.mark.model
@pytest.mark.parametrize("run", [bench.embedding, bench.ingesting], ids=["embed", "ingest"])
def test_the_rival_of_the_real_model_is_sentence_transformers(model: Encoder, run: Callable[[Encoder], Comparison]) -> None:
    found = run(model)
    assert found.rival.startswith("sentence-transformers encode")
    assert all(math.isfinite(row.ratio) and row.ratio > 0 for row in found.rows)
