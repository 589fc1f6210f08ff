"""Benchmarks run and give figures; how large the figures are is no matter for a test."""

import math

import pytest

import embed.bench
from embed import Encoder, load
from embed.bench import Rival, alternate, clients, embedding
from embed.hashing import HashingEncoder
from index import bench


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_PASSAGES", 8)
    monkeypatch.setattr(bench, "_VECTORS", 400)
    monkeypatch.setattr(embed.bench, "_TEXTS", {20: 4, 80: 4, 400: 2})
    monkeypatch.setattr(embed.bench, "_ALONE", 12)
    monkeypatch.setattr(embed.bench, "_TURN", 4)
    monkeypatch.setattr(embed.bench, "_TOGETHER", 64)


def assert_finite(rows: list[embed.bench.Row]) -> None:
    for row in rows:
        assert all(math.isfinite(figure) and figure > 0 for figure in (row.ours, row.rivals, row.ratio))
        better = row.rivals / row.ours if ", ms" in row.name or "cold" in row.name else row.ours / row.rivals
        assert row.ratio == pytest.approx(better)


def test_embedding_is_measured_beside_its_rival(encoder: HashingEncoder) -> None:
    found = embedding(encoder, Rival(encoder))
    assert (found.what, found.rival) == ("embed", "hashing itself")
    assert [row.name for row in found.rows] == [
        "passages/s, 20 tokens",
        "passages/s, 80 tokens",
        "tokens/s",
        "passages/s, 400 tokens",
        "one question, p50, ms",
        "one question, p99, ms",
        "questions/s, 16 clients; beside ours one at a time",
        "p99 with 16 clients, ms; beside p50 of one",
    ]
    assert_finite(found.rows)
    assert found.notes[-1] == "cosine to the rival's float32: mean 1.0000, least 1.0000"


def test_ingest_is_measured_beside_embedding_alone(encoder: HashingEncoder) -> None:
    found = bench.ingesting(encoder, Rival(encoder))
    assert (found.what, found.rival, [row.name for row in found.rows]) == ("ingest", "hashing itself alone", ["entries/s"])
    assert_finite(found.rows)


def test_search_is_measured_beside_numpy_and_finds_the_same(encoder: HashingEncoder) -> None:
    found = bench.searching(encoder)
    assert (found.what, found.rival) == ("search", "exact search in NumPy")
    assert [row.name for row in found.rows] == ["nearest 10, ms", "nearest 10 of a tenth, ms"]
    assert_finite(found.rows)
    assert found.notes == ["400 vectors of 256 dimensions; recall@10 1.000"]


def test_ours_and_the_rival_s_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first round does not count, so its ends are not looked at.
    clock = iter([0.0] * 4 + [at for lap in (3.0, 5.0, 2.0, 7.0, 4.0, 6.0) for at in (10.0, 10.0 + lap)])
    turns: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("embed.bench.time.perf_counter", lambda: next(clock))
        best = alternate(lambda: turns.append("ours"), lambda: turns.append("theirs"))
    assert turns == ["ours", "theirs"] * 4
    assert best == (2.0, 5.0)


def test_clients_ask_every_question_once() -> None:
    asked: list[str] = []
    _, waits = clients(asked.append, [str(number) for number in range(100)], 8)
    assert sorted(asked, key=int) == [str(number) for number in range(100)]
    assert len(waits) == 100


@pytest.mark.model
def test_the_rival_of_the_real_model_is_sentence_transformers(model: Encoder) -> None:
    rival = Rival(load(device="torch"))
    found = embedding(model, rival)
    found.rows.extend(embed.bench.processes(model.folder, rival.model))  # type: ignore[attr-defined]
    assert found.rival == "sentence-transformers encode"
    assert [row.name for row in found.rows[-3:]] == [
        "cold start, seconds",
        "cold start, processor seconds",
        "cold start, resident MB",
    ]
    assert_finite(found.rows)
    assert any("GOP/s" in note for note in found.notes)
