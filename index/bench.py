"""Speed, always beside a named rival on the same texts in the same run; figures of one run compare, those of two do not.

Repetitions of ours and the rival's take turns, so that a busy moment of the machine falls on both, and the best of each
counts, since noise only ever adds.
"""

import itertools
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed import Encoder
from index.engine import ExactVectors
from index.ingest import ingest
from index.records import Ids
from index.vectors import FaissVectors

_PASSAGES = 96
_REPETITIONS = 3
_VECTORS = 50_000
_QUESTION = "Qui a revendiqué l’attaque contre le dépôt de carburant ?"
_PARTS = (
    (
        "Le porte-parole du gouvernement",
        "La préfète de la région",
        "Le maire de la commune",
        "Un témoin joint par téléphone",
        "La direction de l’hôpital",
        "Le ministre de l’Intérieur",
        "Une source proche du dossier",
        "Le président du conseil régional",
    ),
    (
        "a confirmé mardi matin que",
        "a démenti dans un communiqué que",
        "a annoncé devant la presse que",
        "a rappelé, à la mi-journée, que",
        "estime, selon nos informations, que",
        "a indiqué peu après 14 h 30 que",
    ),
    (
        "les négociations reprendront dès demain à Bruxelles",
        "la circulation des trains restera interrompue jusqu’à vendredi",
        "plus de 1 200 habitants ont dû quitter leur logement",
        "les secours recherchaient encore trois personnes disparues",
        "le trafic aérien reprenait progressivement dans la soirée",
        "aucune victime n’était à déplorer à ce stade",
        "une enquête a été ouverte pour en déterminer l’origine",
    ),
    (
        "tandis que les syndicats appellent à une nouvelle journée de mobilisation.",
        "alors que la pluie continue de tomber sur tout le littoral.",
        "sans donner davantage de précisions sur le calendrier.",
        "après une nuit marquée par de nombreuses coupures de courant.",
        "malgré les critiques répétées de l’opposition.",
    ),
)


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is how many times better ours is, whichever way the figure counts."""

    name: str
    ours: float
    rivals: float
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """One benchmark."""

    what: str
    rival: str
    rows: list[Row]
    notes: list[str]


def texts(count: int, sentences: int = 2, seed: int = 1) -> list[str]:
    """French news passages put together by lot, about 40 tokens a sentence; the same for the same arguments."""
    lot = random.Random(seed)

    def sentence() -> str:
        return " ".join(lot.choice(part) for part in _PARTS)

    return [" ".join(sentence() for _ in range(sentences)) for _ in range(count)]


def embedding(encoder: Encoder) -> Comparison:
    """Passages and questions to vectors, beside sentence-transformers' own `encode` with its defaults."""
    passages = texts(_PASSAGES)
    rival = _Rival(encoder)
    ours, theirs = _alternate(lambda: encoder.encode_passages(passages), lambda: rival.encode(passages))
    one, other = _alternate(lambda: encoder.encode_query(_QUESTION), lambda: rival.encode([_QUESTION]), repetitions=20)
    tokens = sum(encoder.count_tokens(passages))
    return Comparison(
        "embed",
        rival.name,
        [
            Row("passages/s", _PASSAGES / ours, _PASSAGES / theirs, theirs / ours),
            Row("tokens/s", tokens / ours, tokens / theirs, theirs / ours),
            Row("one question, ms", one * 1000, other * 1000, other / one),
        ],
        [f"{_PASSAGES} passages of {tokens / _PASSAGES:.0f} tokens"],
    )


def ingesting(encoder: Encoder) -> Comparison:
    """File to searchable index, beside sentence-transformers' `encode` alone: what the whole walk adds to embedding."""
    rival = _Rival(encoder)
    rounds = itertools.count()

    def walk() -> None:
        # Other texts each time: the index must not find them done.
        with tempfile.TemporaryDirectory() as name:
            file = Path(name) / "direct.txt"
            passages = texts(_PASSAGES, seed=next(rounds))
            lines = [f"{n // 60:02}h{n % 60:02} : Titre {n}\n{text}" for n, text in enumerate(passages)]
            file.write_text("\n".join(lines), encoding="utf-8")
            ingest([file], Path(name) / "index", encoder)

    ours, theirs = _alternate(walk, lambda: rival.encode(texts(_PASSAGES, seed=next(rounds))))
    return Comparison(
        "ingest",
        f"{rival.name} alone",
        [Row("entries/s", _PASSAGES / ours, _PASSAGES / theirs, theirs / ours)],
        [f"{_PASSAGES} entries with a title, one passage each; ours reads, cuts, embeds, commits and indexes them"],
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
            a, b = _alternate(
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


class _Rival:
    """sentence-transformers with nothing of ours around it."""

    def __init__(self, encoder: Encoder) -> None:
        from embed.sentence import SentenceEncoder

        self._prefix = encoder.card.passage_prefix
        if isinstance(encoder, SentenceEncoder):
            self.name = "sentence-transformers encode"
            self._encode: Callable[[list[str]], object] = encoder.plain_encode
        else:
            # Only the test encoder comes here: it has no such rival but itself.
            self.name = f"{encoder.card.name} itself"
            self._encode = encoder.encode_passages

    def encode(self, passages: list[str]) -> None:
        self._encode([self._prefix + text for text in passages])


def _alternate(
    ours: Callable[[], object], theirs: Callable[[], object], repetitions: int = _REPETITIONS
) -> tuple[float, float]:
    """The shortest time of each, in seconds, taking turns after one round that does not count."""
    best = [float("inf"), float("inf")]
    for turn in range(repetitions + 1):
        for which, work in enumerate((ours, theirs)):
            began = time.perf_counter()
            work()
            if turn:
                best[which] = min(best[which], time.perf_counter() - began)
    return best[0], best[1]
