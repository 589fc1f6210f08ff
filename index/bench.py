"""Speed of the whole walks, beside a named rival in the same run; `embed.bench` has the embedding alone."""

import itertools
import statistics
import tempfile
from pathlib import Path

import numpy as np

from embed import Encoder
from embed.bench import Comparison, Rival, Row, alternate
from embed.sample import sample_texts
from index.engine import ExactVectors
from index.ingest import ingest
from index.records import Ids
from index.vectors import FaissVectors

_PASSAGES = 96
_VECTORS = 50_000


def ingesting(encoder: Encoder, rival: Rival) -> Comparison:
    """File to searchable index, beside sentence-transformers' `encode` alone, which makes no index of anything."""
    rounds = itertools.count()

    def texts() -> list[str]:
        # Other texts each time: the index must not find them done.
        return sample_texts(_PASSAGES, seed=next(rounds), lengths=(3,))

    def walk() -> None:
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "direct.txt"
            lines = [f"{n // 60:02}h{n % 60:02} : Titre {n}\n{text}" for n, text in enumerate(texts())]
            file.write_text("\n".join(lines), encoding="utf-8")
            ingest([file], Path(name) / "index", encoder)

    ours, theirs = alternate(walk, lambda: rival.encode(texts()))
    return Comparison(
        "ingest",
        f"{rival.name} alone",
        [Row("entries/s", _PASSAGES / ours, _PASSAGES / theirs, theirs / ours)],
        [f"{_PASSAGES} entries with a title and three sentences; ours reads, cuts, embeds, commits and indexes them"],
    )


def searching(encoder: Encoder) -> Comparison:
    """Nearest vectors among 50,000, all and a tenth of them, beside an exact search in NumPy."""
    dimension = encoder.card.dimension
    lot = np.random.default_rng(1)
    vectors = lot.standard_normal((_VECTORS, dimension), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = np.arange(_VECTORS, dtype=np.int64)
    tenth: Ids = np.sort(lot.choice(ids, _VECTORS // 10, replace=False))
    ours, exact = FaissVectors(dimension), ExactVectors(dimension)
    for engine in (ours, exact):
        engine.add(ids, vectors)
        engine.commit(1)
    rows = []
    agree = 0
    questions = vectors[:20] + 0.5 * lot.standard_normal((20, dimension), dtype=np.float32) / np.sqrt(dimension)
    questions /= np.linalg.norm(questions, axis=1, keepdims=True)
    for name, among in (("nearest 10, ms", None), ("nearest 10 of a tenth, ms", tenth)):
        mine, theirs = [], []
        for question in questions:
            a, b = alternate(
                lambda q=question, m=among: ours.view().nearest(q, 10, m),  # type: ignore[misc]
                lambda q=question, m=among: exact.view().nearest(q, 10, m),  # type: ignore[misc]
            )
            mine.append(a)
            theirs.append(b)
            same = set(ours.view().nearest(question, 10, among).ids) & set(exact.view().nearest(question, 10, among).ids)
            agree += len(same)
        a, b = statistics.median(mine), statistics.median(theirs)
        rows.append(Row(name, a * 1000, b * 1000, b / a))
    return Comparison(
        "search",
        "exact search in NumPy",
        rows,
        [f"{_VECTORS} vectors of {dimension} dimensions; recall@10 {agree / (len(questions) * 20):.3f}"],
    )
