"""The promise of a search engine over passages, and its exact implementation, which every other must agree with.

An engine is written by one thread at a time; its views are read by any number.
"""

import copy
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from embed.encoder import Vectors
from index.records import Ids, Ranking, Scores

K1, B = 1.2, 0.75
"""BM25's saturation and length normalisation, as in Robertson and Zaragoza, "The Probabilistic Relevance Framework" (2009)."""


_TIED = 16
"""Passages that are asked for beyond the best, to see whether those at the cut are equal."""

Terms = Sequence[str] | Mapping[str, float]
"""Terms to look for, with weights above 0 where they do not count alike."""


Part = Literal["title", "text"]
"""Of a passage: the title of its entry, or its own text."""


@dataclass(frozen=True)
class Said:
    """The words of a passage's title and text in order (`index.phrases.plain_forms`): what phrases are found in."""

    title: Sequence[str] = ()
    text: Sequence[str] = ()


def rarity(holders: int, total: int) -> float:
    """What a term adds to BM25 that `holders` of `total` passages have; above 0, and the more the fewer they are.

    >>> round(rarity(1, 3), 3), round(rarity(3, 3), 3)
    (0.981, 0.134)
    """
    return math.log(1 + (total - holders + 0.5) / (holders + 0.5))


def weighted(terms: Terms) -> Mapping[str, float]:
    """Each term once, with its weight.

    >>> weighted(["drone", "drone"]), weighted({"drone": 0.5})
    ({'drone': 1.0}, {'drone': 0.5})
    """
    return terms if isinstance(terms, Mapping) else dict.fromkeys(terms, 1.0)


def settled(search: Callable[[int], Ranking], k: int, most: int) -> Ranking:
    """The best `k` of a library's `search`, of equal ones those with the smallest ids. It finds so many as it is asked for, of
    `most`, and of equal ones those that lie first: others in every state of its segments.

    >>> lying = [7, 5, 3, 1]
    >>> settled(lambda many: Ranking.best(np.array(lying[:many]), np.zeros(many, dtype=np.float32)), k=2, most=4).ids.tolist()
    [1, 3]
    """
    depth = k
    while True:
        depth = min(depth + _TIED, most)
        found = search(depth)
        if len(found) < depth or depth == most or found.scores[-1] < found.scores[k - 1]:
            return Ranking(found.ids[:k], found.scores[:k])
        depth *= 4


class VectorView(Protocol):
    """What a `VectorEngine` held at one generation; it never changes."""

    @property
    def generation(self) -> int:
        """The commit that it shows."""
        ...

    @property
    def approximate(self) -> bool:
        """Whether `nearest` may miss some of the nearest where it chooses from many; never where it may choose all."""
        ...

    def nearest(self, vector: Vectors, k: int, among: Ids | None = None) -> Ranking:
        """The `k` passages with the greatest cosine to `vector`, of length 1; of `among` alone (ascending) when given. Of equal
        ones it is those with the smallest ids, where all are compared.
        """
        ...


class VectorEngine(Protocol):
    """Finds passages by their vectors. What was added and removed shows in the views taken after the next `commit`."""

    @property
    def generation(self) -> int:
        """The last commit; -1 when there was none."""
        ...

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """Take in passages; `vectors` are rows of length 1, one for each id. An id is added once."""
        ...

    def remove(self, ids: Ids) -> None:
        """Forget passages; ids that are not known are passed over."""
        ...

    def commit(self, generation: int) -> None:
        """Make what was added and removed visible, as `generation`."""
        ...

    def view(self) -> VectorView:
        """What is visible now."""
        ...


class TermView(Protocol):
    """What a `TermEngine` held at one generation; it never changes."""

    @property
    def generation(self) -> int:
        """The commit that it shows."""
        ...

    def __len__(self) -> int:
        """How many passages it shows."""
        ...

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """How many passages hold each of `terms`; what was removed may be counted for a while."""
        ...

    def matching(self, terms: Terms, k: int, among: Ids | None = None) -> Ranking:
        """The `k` passages with the greatest BM25 score that hold any of `terms`, of equal ones those with the smallest ids; of
        `among` alone (ascending) when given.

        A term counts as often as its weight says, and once when there are none.
        """
        ...

    def scored(self, words: Sequence[Mapping[str, float]], ids: Ids) -> Scores:
        """The BM25 of each of `ids` (ascending) by each of `words`, terms with weights: float32 of shape (ids, words).
        A passage that is not there has 0, or what it had when it was.
        """
        ...

    def saying(self, words: Sequence[str], part: Part) -> Ids:
        """The passages, ascending, that say `words` one after the other in that part of them; none for no words."""
        ...


def scored_one_by_one(view: TermView, words: Sequence[Mapping[str, float]], ids: Ids) -> Scores:
    """`TermView.scored`, for a view that is best asked for one word after the other."""
    found = np.zeros((len(ids), len(words)), dtype=np.float32)
    for column, word in enumerate(words):
        if word:
            ranking = view.matching(word, len(ids), ids)
            found[np.searchsorted(ids, ranking.ids), column] = ranking.scores
    return found


class TermEngine(Protocol):
    """Finds passages by their terms. What was added and removed shows in the views taken after the next `commit`."""

    @property
    def generation(self) -> int:
        """The last commit; -1 when there was none."""
        ...

    def add(self, passages: Sequence[tuple[int, Sequence[str]]], said: Mapping[int, Said] | None = None) -> None:
        """Take in passages with their terms, repeated as often as they occur, and with what those say that phrases are looked
        for in, by id. An id that is there is replaced.
        """
        ...

    def remove(self, ids: Ids) -> None:
        """Forget passages; ids that are not known are passed over."""
        ...

    def commit(self, generation: int) -> None:
        """Make what was added and removed visible, as `generation`."""
        ...

    def view(self) -> TermView:
        """What is visible now."""
        ...


class ExactVectors:
    """Cosine by one matrix product, in NumPy.

    >>> engine = ExactVectors(2)
    >>> engine.add(np.array([7, 8]), np.array([[1, 0], [0, 1]], dtype=np.float32))
    >>> engine.commit(1)
    >>> engine.view().nearest(np.array([0.6, 0.8], dtype=np.float32), k=1)
    Ranking([(8, 0.8)])
    """

    def __init__(self, dimension: int) -> None:
        self._ids = np.zeros(0, dtype=np.int64)
        self._vectors = np.zeros((0, dimension), dtype=np.float32)
        self.generation = -1
        self._shown = copy.copy(self)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """See `VectorEngine.add`."""
        self._ids = np.concatenate([self._ids, ids])
        self._vectors = np.concatenate([self._vectors, vectors])

    def remove(self, ids: Ids) -> None:
        """See `VectorEngine.remove`."""
        kept = ~np.isin(self._ids, ids)
        self._ids, self._vectors = self._ids[kept], self._vectors[kept]

    def commit(self, generation: int) -> None:
        """See `VectorEngine.commit`."""
        self.generation = generation
        # Its arrays are never written to again.
        self._shown = copy.copy(self)
        del self._shown._shown

    def view(self) -> "ExactVectors":
        """A copy made by the last commit."""
        return self._shown

    @property
    def approximate(self) -> bool:
        """See `VectorView.approximate`."""
        return False

    def nearest(self, vector: Vectors, k: int, among: Ids | None = None) -> Ranking:
        """See `VectorView.nearest`."""
        scores = self._vectors @ vector
        if among is None:
            return Ranking.best(self._ids, scores, k)
        kept = np.isin(self._ids, among)
        return Ranking.best(self._ids[kept], scores[kept], k)


class ExactTerms:
    """BM25 by the book: the sum over the question's terms of

        ln(1 + (N - n + 0.5) / (n + 0.5)) * f (K1 + 1) / (f + K1 (1 - B + B l / L))

    for N passages, n of them with the term, f times in this one, which has l terms where the mean is L.

    >>> engine = ExactTerms()
    >>> engine.add([(1, ["kremlin", "drone"]), (2, ["drone", "drone"]), (3, ["kremlin"])])
    >>> engine.commit(1)
    >>> engine.view().matching(["drone"], k=5)
    Ranking([(2, 0.6118), (1, 0.4345)])
    """

    def __init__(self) -> None:
        self._terms: dict[int, Counter[str]] = {}
        self._said: dict[int, Said] = {}
        self.generation = -1
        self._shown = copy.copy(self)
        self._shown._terms, self._shown._said = {}, {}

    def add(self, passages: Sequence[tuple[int, Sequence[str]]], said: Mapping[int, Said] | None = None) -> None:
        """See `TermEngine.add`."""
        self._terms.update((i, Counter(terms)) for i, terms in passages)
        self._said.update((i, (said or {}).get(i, Said())) for i, _ in passages)

    def remove(self, ids: Ids) -> None:
        """See `TermEngine.remove`."""
        for i in ids.tolist():
            self._terms.pop(i, None)

    def commit(self, generation: int) -> None:
        """See `TermEngine.commit`."""
        self.generation = generation
        self._shown = copy.copy(self)
        self._shown._terms, self._shown._said = dict(self._terms), dict(self._said)
        del self._shown._shown

    def view(self) -> "ExactTerms":
        """A copy made by the last commit."""
        return self._shown

    def __len__(self) -> int:
        return len(self._terms)

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """See `TermView.frequencies`."""
        return [sum(term in held for held in self._terms.values()) for term in terms]

    def matching(self, terms: Terms, k: int, among: Ids | None = None) -> Ranking:
        """See `TermView.matching`."""
        held = len(self._terms)
        mean = sum(c.total() for c in self._terms.values()) / held if held else 1.0
        scores: dict[int, float] = {}
        for term, counts in weighted(terms).items():
            holders = {i: c for i, c in self._terms.items() if term in c}
            weight = counts * rarity(self.frequencies([term])[0], len(self))
            for i, counter in holders.items():
                frequency = counter[term]
                norm = K1 * (1 - B + B * counter.total() / mean)
                scores[i] = scores.get(i, 0.0) + weight * frequency * (K1 + 1) / (frequency + norm)
        allowed = None if among is None else set(among.tolist())
        ids = [i for i in scores if allowed is None or i in allowed]
        return Ranking.best(np.array(ids, dtype=np.int64), np.array([scores[i] for i in ids], dtype=np.float32), k)

    def scored(self, words: Sequence[Mapping[str, float]], ids: Ids) -> Scores:
        """See `TermView.scored`."""
        return scored_one_by_one(self, words, ids)

    def saying(self, words: Sequence[str], part: Part) -> Ids:
        """See `TermView.saying`."""
        wanted = list(words)
        found = []
        for i in sorted(self._terms) if wanted else []:
            there = list(getattr(self._said[i], part))
            if any(there[at : at + len(wanted)] == wanted for at in range(len(there) - len(wanted) + 1)):
                found.append(i)
        return np.array(found, dtype=np.int64)
