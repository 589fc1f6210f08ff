"""Benchmarks run and give figures; how large the figures are is no matter for a test."""

import json
import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

import api.bench
import embed.bench
from embed import Encoder, ModelCard, load
from embed.bench import Rival, alternate, clients, embedding
from embed.bundled import default_cache
from embed.encoder import Vectors
from embed.hashing import HashingEncoder
from index import bench, judgements


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "_PASSAGES", 8)
    monkeypatch.setattr(embed.bench, "_TEXTS", {20: 4, 80: 4, 400: 2})
    monkeypatch.setattr(embed.bench, "_ALONE", 12)
    monkeypatch.setattr(embed.bench, "_ROUNDS", 2)
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
        "questions/s, 16 clients; beside the rival one at a time",
        "p99 with 16 clients, ms; beside p50 of one",
    ]
    assert_finite(found.rows)
    assert found.notes[-1] == "cosine to float32: mean 1.0000, least 1.0000"


def test_reading_is_measured_beside_embedding_for_every_kind_of_document(
    encoder: HashingEncoder, write: Callable[..., Path], tmp_path: Path
) -> None:
    found = bench.reading(encoder)
    kinds = ("text", "jsonl", "live page", "article page")
    assert [row.name for row in found.rows] == [f"entries/s, {kind}" for kind in kinds]
    assert_finite(found.rows)
    paths = [write("fil.txt", "10h00 : Un\nPremière entrée.\n"), tmp_path / "none.txt", write("vide.txt", "")]
    own = bench.reading(encoder, paths)
    assert [row.name for row in own.rows] == ["entries/s, text"]
    assert [note.rpartition(": ")[2] for note in own.notes[:2]] == ["no such file or folder", "is empty"]


def test_ingest_is_measured_beside_embedding_alone(encoder: HashingEncoder) -> None:
    found = bench.ingesting(encoder, Rival(encoder))
    assert (found.what, found.rival, [row.name for row in found.rows]) == ("ingest", "hashing itself alone", ["entries/s"])
    assert_finite(found.rows)


class Blurred(HashingEncoder):
    """An encoder whose vectors lose much."""

    def __init__(self) -> None:
        super().__init__()
        self._card = ModelCard("hashing", "blurred", 256, 128)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        vectors = super().encode_passages(texts)
        vectors[:, 8:] = 0
        vectors[:, 0] += 0.01
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors


@pytest.fixture
def judged(write: Callable[..., Path]) -> judgements.EvaluationSet:
    """A set of twelve entries in two languages, each with a question that has its words."""
    words = "drone pont grève volcan train vote juge stade usine neige port loup".split()
    lang = ["fr", "en"]
    corpus = [{"_id": f"d{n}", "text": f"Il y a un {word} ici.", "lang": lang[n % 2]} for n, word in enumerate(words)]
    queries = [{"_id": f"q{n}", "text": word, "lang": lang[n % 2]} for n, word in enumerate(words)]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        folder = write(f"set/{name}.jsonl", "".join(json.dumps(row) + "\n" for row in rows)).parent
    write("set/qrels.tsv", "".join(f"q{n}\td{n}\t1\n" for n in range(len(words))))
    return judgements.load(folder)


def test_what_arithmetic_loses_is_measured_on_the_same_questions(
    judged: judgements.EvaluationSet, encoder: HashingEncoder, tmp_path: Path
) -> None:
    heard: list[tuple[int, int]] = []
    found = bench.losing(encoder, encoder, [judged], 4, tmp_path / "cache", lambda done, total: heard.append((done, total)))
    assert (found.what, found.rival) == ("precision", "float32")
    directions = ["fr-fr", "en-en", "fr-mix", "en-mix"]
    assert [row.name for row in found.rows] == [f"nDCG@10, set {direction}, 4 questions" for direction in directions]
    assert [row.ratio for row in found.rows] == [1.0] * 4
    assert [note.split("; ")[1] for note in found.notes] == ["lost 0.0000 ± 0.0000"] * 2
    assert heard[-1] == (32, 32)
    # And one that does lose.
    found = bench.losing(Blurred(), encoder, [judged], 99, tmp_path / "cache")
    assert [row.name for row in found.rows] == [f"nDCG@10, set {direction}, 6 questions" for direction in directions]
    lost = np.mean([row.rivals - row.ours for row in found.rows])
    assert found.notes[0].split("lost ")[1].startswith(f"{lost:.4f} ± ")
    assert not found.notes[1].split("lost ")[1].startswith(("0.0000", "-"))


def test_ours_and_the_rival_s_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    # The first round does not count, so its ends are not looked at.
    clock = iter([0.0] * 4 + [at for lap in (3.0, 5.0, 2.0, 7.0, 4.0, 6.0, 9.0, 8.0, 9.0, 8.0) for at in (10.0, 10.0 + lap)])
    turns: list[str] = []
    with monkeypatch.context() as patch:
        patch.setattr("embed.bench.time.perf_counter", lambda: next(clock))
        best = alternate(lambda: turns.append("ours"), lambda: turns.append("theirs"))
    assert turns == ["ours", "theirs"] * 6
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


@pytest.mark.model
def test_serving_is_measured_beside_a_plain_server_and_every_door_beside_search(
    model: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("_PASSAGES", 60), ("_CLIENTS", 2), ("_ROUNDS", 1), ("_ALONE", 2), ("_TOGETHER", 4)):
        monkeypatch.setattr(api.bench, name, value)
    found = api.bench.serving(model, model.card.name, default_cache())
    assert found.what == "serve"
    assert [row.name for row in found.rows[:3]] == ["/search, p50, ms", "/search, 2 clients, requests/s", "resident MB"]
    assert [row.name.split(",")[0] for row in found.rows[3:5]] == ["2 workers", "2 workers"]
    assert [row.name.split(",")[0] for row in found.rows[5:]] == [door.split(",")[0] for door in api.bench.DOORS]
    for row in found.rows:
        better = row.ours / row.rivals if "requests/s" in row.name else row.rivals / row.ours
        assert row.ratio == pytest.approx(better)


def test_a_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="ended without an address"), api.bench.started(["true"]):
        pass
