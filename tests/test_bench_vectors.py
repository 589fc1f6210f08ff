"""The benchmark of nearest vectors gives its figures, and draws vectors that lie as real ones do."""

import math
from pathlib import Path

import numpy as np
import pytest

from index import bench_vectors, rivals
from index.bench_vectors import like_passages, searching
from index.quantised import like_questions


def test_nearest_vectors_are_measured_beside_flat_and_every_engine_that_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_vectors, "_QUESTIONS", 6)
    monkeypatch.setattr(bench_vectors, "_SETTING", 6)
    # Rivals take minutes: one that is not there is passed over and told of.
    monkeypatch.setattr(rivals, "_PACKAGES", {"no_such_engine": rivals.Hnswlib})
    told: list[str] = []
    found = searching(64, 3000, told.append)
    assert (found.what, found.rival) == ("search", "exact FAISS Flat")
    assert [row.name for row in found.rows] == [
        "nearest 10, ms",
        "nearest 10 of 50 %, ms",
        "nearest 10 of 10 %, ms",
        "nearest 10 of 1 %, ms",
        "nearest 10 of 0.01 %, ms",
    ]
    for row in found.rows:
        assert all(math.isfinite(figure) and figure > 0 for figure in (row.ours, row.rivals))
        assert row.ratio == pytest.approx(row.rivals / row.ours)
    assert found.notes[0].startswith("3,000 vectors of 64 dimensions")
    assert told == [found.notes[1]]
    assert told[0].startswith("filrouge lists: recall@10 ")
    assert found.notes[-1] == "not installed: no_such_engine (pip install 'filrouge[bench]')"


def test_drawn_vectors_have_length_one_neighbours_and_few_dimensions_that_matter(tmp_path: Path) -> None:
    like_passages(tmp_path / "vectors.npy", 4000, 384)
    vectors = np.load(tmp_path / "vectors.npy")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(4000), abs=1e-5)
    like_passages(tmp_path / "again.npy", 4000, 384)
    assert np.array_equal(vectors, np.load(tmp_path / "again.npy"))
    cosines = np.sort(vectors[:200] @ vectors.T, axis=1)
    # Real ones among 8,000: .52 to the nearest, .15 to the thousandth.
    assert 0.4 < np.median(cosines[:, -2]) < 0.75
    assert np.median(cosines[:, -1000]) < 0.3
    variances = np.linalg.eigvalsh(np.cov(vectors.T))
    assert variances.sum() ** 2 / (variances**2).sum() < 150
    questions = like_questions(vectors, 200, seed=3)
    # Less like any passage than passages are to each other.
    assert np.median(np.sort(questions @ vectors.T, axis=1)[:, -3]) < np.median(cosines[:, -3])


def test_an_engine_that_fails_is_told_of_and_the_others_are_measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    like_passages(tmp_path / "vectors.npy", 2000, 32)
    vectors = np.load(tmp_path / "vectors.npy")
    questions = like_questions(vectors, 2, seed=1)
    flat = bench_vectors._Flat(vectors, questions, questions)
    with pytest.raises(RuntimeError, match="KeyError: 'nonesuch'"):
        bench_vectors._measure("nonesuch", tmp_path / "vectors.npy", flat)
