"""Which entries are near one in meaning?

An entry is compared as a whole: the mean of its passages' vectors with the vector of each other passage, and its rarest words
with those of each. Twins, which say the very same, are no news and left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from embed import ModelCard
from embed.encoder import Vectors
from index.rarity import balanced
from index.reader import Filters, Snapshot
from index.records import Entry, Hit, Ids, Passage, Ranking
from index.search import CANDIDATES, Searcher, check_filters, check_k
from index.shown import Ranked, hits, pick
from index.terms import question_spellings

WORDS = 0.3
"""What the words count, of 1; the rest is the vectors'."""


@dataclass(frozen=True)
class Similar:
    """The entries near `entry`, each as its nearest passage, nearest first; of one generation, which came to be when it was
    `known`.
    """

    entry: Entry
    hits: tuple[Hit, ...]
    filters: Filters
    generation: int
    card: ModelCard
    known: datetime
    as_of: datetime | None
    k: int


def similar(
    searcher: Searcher, entry_id: str, k: int = 10, filters: Filters | None = None, as_of: datetime | None = None
) -> Similar:
    """The `k` entries nearest to this one that pass the filters, or fewer where there are fewer; of what was known at `as_of`.
    No model is needed: what the entry says was embedded before.

    A score is between 0 and 1: WORDS times the share of the entry's own BM25 that the passage has, and the rest times their
    cosine (0 where it is below). Raises `NotFound`, and what `Searcher.search` raises.
    """
    filters = filters or Filters()
    check_k(k)
    check_filters(filters)
    snapshot = searcher.snapshot(filters, as_of)
    store = snapshot.store
    entry = store.entry(entry_id, snapshot.generation)
    own = store.passages_of(entry_id, snapshot.generation, snapshot.past)
    known = store.committed(snapshot.generation)
    twins = searcher.twins(entry_id, as_of)
    same = [p for twin in twins for p in store.passages_of(twin, snapshot.generation, snapshot.past)]
    text = f"{entry.title}\n{entry.text}"
    words = balanced(question_spellings(text, entry.lang), snapshot.terms)
    terms = {term: weight for word in words for term, weight in word.terms.items()}
    ranked = _ranked(own, same, terms, max(CANDIDATES, 3 * k), filters, snapshot)
    best = replace(ranked, fused=_once(ranked.fused, snapshot))
    shown = hits(text, entry.lang, pick(store, best.fused, k), [best])
    return Similar(entry, shown, filters, snapshot.generation, snapshot.card, known, as_of, k)


def _ranked(
    own: list[Passage], same: list[Passage], terms: Mapping[str, float], depth: int, filters: Filters, snapshot: Snapshot
) -> Ranked:
    """Passages of other entries that are near by vector or by words."""
    ids = np.array([passage.id for passage in own], dtype=np.int64)
    left_out = np.array([*ids.tolist(), *(passage.id for passage in same)], dtype=np.int64)
    view = snapshot.terms
    centre = _centre(ids, snapshot)
    dense = snapshot.nearest(centre, depth + len(left_out), filters).without(left_out)
    lexical = snapshot.matching(terms, depth + len(left_out), filters).without(left_out)
    found = np.union1d(dense.ids, lexical.ids)
    cosines = snapshot.vectors.nearest(centre, len(found), found)
    points = view.matching(terms, len(found), found)
    most = view.matching(terms, 1, ids)
    scores = np.zeros(len(found), dtype=np.float32)
    scores[np.searchsorted(found, cosines.ids)] = (1 - WORDS) * np.clip(cosines.scores, 0, 1)
    if len(most):
        scores[np.searchsorted(found, points.ids)] += WORDS * np.clip(points.scores / most.scores[0], 0, 1)
    # Rounded, so that noise in the last digits never changes the order.
    fused = Ranking.best(found, np.round(scores, 6))
    return Ranked(fused, {"dense": cosines, "lexical": points}, fused)


def _centre(ids: Ids, snapshot: Snapshot) -> Vectors:
    langs, vectors = snapshot.store.vectors(ids.tolist())
    mean: Vectors = snapshot.space.passages(vectors, langs).mean(axis=0)
    return (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)


def _once(ranking: Ranking, snapshot: Snapshot) -> Ranking:
    """Of each entry its best passage."""
    passages = snapshot.store.passages(ranking.ids.tolist())
    first: dict[str, int] = {}
    for i in ranking.ids.tolist():
        first.setdefault(passages[i].entry.id, i)
    return ranking.without([i for i in ranking.ids.tolist() if first[passages[i].entry.id] != i])
