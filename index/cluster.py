"""Search engines on a Milvus server: the views of `index.engine`, of any generation, which keep nothing that a server has not.

Nearest vectors are the server's. BM25 is not: a server counts what was removed, knows no weights of terms, and each of its
shards has statistics of its own. So passages lie there with what each term would count at some mean length of passages, which
is a sparse vector; the server ranks by the product with the terms' rarities, and the best of that ranking, deep enough that no
other can be among the best, are scored exactly, for the generation that is asked about.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from embed.encoder import Vectors
from embed.stages import stage
from index.bm25 import rounded_length, saturated, term_number
from index.cluster_rows import listed, said, sparse_place, there, unpacked
from index.engine import Part, Terms, rarity, scored_one_by_one, weighted
from index.milvus import MOST, Collection, Milvus
from index.records import Ids, Ranking, Scores
from index.remembered import Remembered

_SPARE = 64
"""Passages that are asked for beyond the best: those of equal scores come in no order."""
_AT_ONCE = 1000
_REMEMBERED_TERMS = 50_000
_REMEMBERED_PASSAGES = 20_000
_SLACK = 1e-4
"""What single precision may make of a score."""


def among_of(generation: int, among: Ids | str | None) -> Iterator[str]:
    """The conditions under which all passages of `among`, or that pass it, are found: several where it lists many ids."""
    if among is None or isinstance(among, str):
        yield there(generation) if not among else f"{there(generation)} and {among}"
        return
    for at in range(0, len(among), MOST):
        yield f"{there(generation)} and {listed('id', among[at : at + MOST].tolist())}"


@dataclass(frozen=True)
class ClusterVectors:
    """A `VectorView` whose `among` may be a condition of `index.cluster_where` too."""

    milvus: Milvus
    collection: Collection
    generation: int

    @property
    def approximate(self) -> bool:
        """See `VectorView.approximate`: the server compares all."""
        return False

    @stage("nearest")
    def nearest(self, vector: Vectors, k: int, among: Ids | str | None = None) -> Ranking:
        """See `VectorView.nearest`."""
        if k < 1:
            return Ranking.empty()
        if k > MOST:
            among = listed_ids(self, among)
        depth = min(k + _SPARE, MOST)
        found = [
            self.milvus.nearest(self.collection, "dense", vector, depth, where) for where in among_of(self.generation, among)
        ]
        return _best([pair for pair in found if len(pair)], k)


def _best(found: Sequence[Ranking], k: int) -> Ranking:
    if not found:
        return Ranking.empty()
    return Ranking.best(np.concatenate([one.ids for one in found]), np.concatenate([one.scores for one in found]), k)


@dataclass(frozen=True)
class Statistics:
    """What BM25 has to know of a generation: how many passages and terms it has, and the mean length that sparse vectors were
    made for.
    """

    passages: int
    terms: int
    stored_mean: float

    @property
    def mean(self) -> float:
        """How many terms a passage has."""
        return self.terms / self.passages if self.passages else 1.0


@dataclass(frozen=True)
class ClusterTerms:
    """A `TermView` whose `among` may be a condition of `index.cluster_where` too.

    Scores are those of `ExactTerms`, with lengths rounded as tantivy rounds them; passages that are gone count for nothing.
    """

    milvus: Milvus
    collection: Collection
    generation: int
    statistics: Statistics
    _frequencies: Remembered[int] = field(default_factory=lambda: Remembered("frequencies", _REMEMBERED_TERMS), repr=False)
    _counts: Remembered[Mapping[int, int]] = field(
        default_factory=lambda: Remembered("counts", _REMEMBERED_PASSAGES), repr=False
    )

    def __len__(self) -> int:
        return self.statistics.passages

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """See `TermView.frequencies`; what was removed is not counted."""
        return [self._frequencies.get(number, lambda n=number: self._holders(n)) for number in map(term_number, terms)]  # type: ignore[misc]

    def _holders(self, number: int) -> int:
        where = f"{there(self.generation)} and array_contains(terms, {number})"
        return self.milvus.count(self.collection, where)

    @stage("terms")
    def matching(self, terms: Terms, k: int, among: Ids | str | None = None) -> Ranking:
        """See `TermView.matching`."""
        if k < 1 or not len(self) or (among is not None and not len(among)):
            return Ranking.empty()
        weights = weighted(terms)
        holders = self.frequencies(list(weights))
        wanted = {
            term_number(term): weight * rarity(held, len(self))
            for (term, weight), held in zip(weights.items(), holders, strict=True)
            if held
        }
        if not wanted:
            return Ranking.empty()
        if k > MOST:
            among = listed_ids(self, among)
        if among is not None and not isinstance(among, str):
            return self._scored(among, wanted, k)
        return self._ranked(wanted, k, among)

    def _ranked(self, wanted: Mapping[int, float], k: int, among: str | None) -> Ranking:
        """The best of all that pass."""
        (where,) = among_of(self.generation, among)
        query: dict[int, float] = {}
        for number, weight in wanted.items():
            query[sparse_place(number)] = query.get(sparse_place(number), 0.0) + weight
        # Where passages have become longer than they were, one may score so many times what is stored.
        most = max(1.0, self.statistics.mean / self.statistics.stored_mean) * (1 + _SLACK)
        depth = min(2 * k + _SPARE, MOST)
        while True:
            stored = self.milvus.nearest(self.collection, "sparse", query, depth, where)
            stored = Ranking(stored.ids[stored.scores > 0], stored.scores[stored.scores > 0])
            best = self._scored(stored.ids, wanted, k)
            proven = len(best) == k and float(best.scores[-1]) > most * float(stored.scores[-1])
            if proven or len(stored) < depth or depth == MOST:
                return best
            depth = min(4 * depth, MOST)

    def _scored(self, ids: Ids, wanted: Mapping[int, float], k: int) -> Ranking:
        """The best of these passages, scored exactly."""
        mean, found, scores = self.statistics.mean, [], []
        for i, counts in self._counted(ids):
            held = [number for number in wanted if number in counts]
            if held:
                length = rounded_length(sum(counts.values()))
                found.append(i)
                scores.append(sum(wanted[number] * float(saturated(counts[number], length, mean)) for number in held))
        return Ranking.best(np.array(found, dtype=np.int64), np.array(scores, dtype=np.float32), k)

    def _counted(self, ids: Ids) -> Iterator[tuple[int, Mapping[int, int]]]:
        """How often each term stands in each of these passages that are there. The last ones are remembered: a search scores
        its candidates once for each word.
        """
        known = {i: counts for i in ids.tolist() if (counts := self._counts.find(i)) is not None}
        missing = [i for i in ids.tolist() if i not in known]
        for at in range(0, len(missing), _AT_ONCE):
            where = f"{there(self.generation)} and {listed('id', missing[at : at + _AT_ONCE])}"
            for row in self.milvus.rows(self.collection, where, ["id", "packed"]):
                known[int(row["id"])] = unpacked(row["packed"])
                self._counts.keep(int(row["id"]), known[int(row["id"])])
        return ((i, known[i]) for i in ids.tolist() if i in known)

    def scored(self, words: Sequence[Mapping[str, float]], ids: Ids) -> Scores:
        """See `TermView.scored`."""
        return scored_one_by_one(self, words, ids)

    def saying(self, words: Sequence[str], part: Part) -> Ids:
        """See `TermView.saying`."""
        if not words:
            return np.zeros(0, dtype=np.int64)
        where = f'{there(self.generation)} and said_{part} like "%{said(words)}%"'
        return every_id(self.milvus, self.collection, where)


def listed_ids(view: ClusterVectors | ClusterTerms, among: Ids | str | None) -> Ids:
    """All of `among`, one by one: a server ranks MOST passages at once, and of a list as many as there are."""
    if among is None or isinstance(among, str):
        (where,) = among_of(view.generation, among)
        return every_id(view.milvus, view.collection, where)
    return among


def every_id(milvus: Milvus, collection: Collection, where: str) -> Ids:
    """The ids of all passages that the condition holds for, ascending."""
    return np.array([int(row["id"]) for row in milvus.every(collection, where, [])], dtype=np.int64)
