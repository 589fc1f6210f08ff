"""All passages that were asked for, of one generation, in the order in which they are taken away."""

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from embed import ModelCard
from index.errors import InvalidRequest
from index.highlight import highlights, wanted_terms
from index.language import question_language
from index.operators import Reading
from index.reader import Filters
from index.records import Entry, Hit, Ids, Ranking, Scores, Vote
from index.search import Searcher, check_filters, check_question, check_source
from index.store_view import StoreView

MATCH = 0.01
"""The score from which on an entry has to do with a question: what has not is below .003, measured on the seeds."""
_AT_ONCE = 200
"""Passages that are loaded together: with each comes the whole text of its entry."""
_BY_WORDS = ("lexical", "translated")
"""The rankings of the passages that hold words of the question, or translations of them."""


@dataclass(frozen=True)
class Selection:
    """Passages of one generation: best first where there was a `question`, else in order of publication.

    Rows are never changed, so what `hits` gives is of that generation whatever is committed meanwhile.
    """

    store: StoreView
    generation: int
    card: ModelCard
    filters: Filters
    ids: Ids
    as_of: datetime | None = None
    question: str | None = None
    scores: Scores | None = None
    """Of each of `ids`; None without a question."""
    votes: Mapping[str, Ranking] = field(default_factory=dict)
    reading: Reading | None = None
    """What was understood of the query; `question` are the words of it that passages were ranked by."""

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def known(self) -> datetime:
        """When the generation came to be; the same selection as of that moment is this one."""
        return self.store.committed(self.generation)

    def hits(self, marked: bool = True) -> Iterator[Hit]:
        """The passages one by one, loaded a few at a time; `marked` with their highlights. Without a question they have a score
        of 0 and no votes.

        Unlike those of a search, hits that say the same are not folded into one: each passage stands for itself.
        """
        lang = question_language(self.question) if self.question else ""
        wanted = wanted_terms(self.question, lang) if self.question else frozenset[str]()
        votes = {name: _Places(ranking) for name, ranking in self.votes.items()}
        ranks = itertools.count(1)
        for at in range(0, len(self), _AT_ONCE):
            some = self.ids[at : at + _AT_ONCE]
            scores = [0.0] * len(some) if self.scores is None else self.scores[at : at + _AT_ONCE].tolist()
            passages = self.store.passages(some.tolist())
            said = {name: places.votes(some) for name, places in votes.items()}
            for place, (i, score) in enumerate(zip(some.tolist(), scores, strict=True)):
                passage = passages[i]
                own = {name: vote for name, row in said.items() if (vote := row[place])}
                # To look for words takes longer than all else; whether there are any is known.
                worded = marked and not own.keys().isdisjoint(_BY_WORDS)
                spans = highlights(passage.text, passage.entry.lang, wanted) if worded else ()
                yield Hit(next(ranks), passage, score, own, highlights=tuple(spans))

    def entries(self) -> Iterator[Hit]:
        """Each entry once, by its first passage: the best one where there was a question. None is marked."""
        seen: set[str] = set()
        for hit in self.hits(marked=False):
            if hit.passage.entry.id not in seen:
                seen.add(hit.passage.entry.id)
                yield hit


class _Places:
    """A ranking that is asked what it says of an id."""

    def __init__(self, ranking: Ranking) -> None:
        self._order = np.argsort(ranking.ids)
        self._ids = ranking.ids[self._order]
        self._scores = ranking.scores

    def votes(self, ids: Ids) -> list[Vote | None]:
        """What it says of each; None where it has nothing to say."""
        if not len(self._ids):
            return [None] * len(ids)
        near = np.minimum(np.searchsorted(self._ids, ids), len(self._ids) - 1)
        there, places = self._ids[near] == ids, self._order[near]
        scores = self._scores[places]
        return [
            Vote(place + 1, score) if found else None
            for found, place, score in zip(there.tolist(), places.tolist(), scores.tolist(), strict=True)
        ]


def published(store: StoreView, filters: Filters, as_of: datetime | None = None, generation: int | None = None) -> Selection:
    """All passages that pass the filters, in order of publication; of `generation`, the newest when it is None, or of what was
    known at `as_of`. No model is needed.

    Raises `InvalidRequest` for filters and an `as_of` that `Searcher.search` refuses.
    """
    check_filters(filters)
    check_source(filters, store)
    if as_of is not None:
        generation = store.generation_at(as_of)
    elif generation is None:
        generation = store.generation()
    ids = store.allowed(generation, filters.window, filters.lang, filters.source, filters.where, past=as_of is not None)
    return Selection(store, generation, store.card(), filters, store.in_order(ids), as_of)


def ranked(
    searcher: Searcher,
    question: str,
    filters: Filters,
    as_of: datetime | None = None,
    least: float = 0.0,
    literal: bool = False,
) -> Selection:
    """All passages that pass the filters and answer `question` with a score of `least`, best first. Operators in the question
    are filters, unless it is `literal`; where they leave no word to rank by, all of them in order of publication.

    Raises what `Searcher.search` raises, and `InvalidRequest` for a `least` outside 0 to 1.
    """
    check_question(question)
    check_filters(filters)
    if not 0 <= least <= 1:
        raise InvalidRequest(f"min_score is {least:g}; scores lie between 0 and 1", "min_score")
    snapshot = searcher.snapshot(filters, as_of)
    reading = searcher.read(question, snapshot.zone, literal)
    filters = reading.narrowed(filters)
    if reading.wordless:
        if least:
            raise InvalidRequest("min_score needs words: operators alone rank nothing", "min_score")
        ids = snapshot.store.in_order(snapshot.ids(filters))
        return Selection(snapshot.store, snapshot.generation, snapshot.card, filters, ids, as_of, reading=reading)
    found = searcher.everything(reading.question, filters, snapshot)
    best = found.fused
    # Scores fall, so those that are high enough stand before all others.
    kept = int(np.count_nonzero(best.scores >= np.float32(least)))
    return Selection(
        snapshot.store,
        snapshot.generation,
        snapshot.card,
        filters,
        best.ids[:kept],
        as_of,
        reading.question,
        best.scores[:kept],
        found.votes,
        reading,
    )


def newest(hits: Iterable[Hit], k: int, least: float = MATCH) -> list[Hit]:
    """The `k` newest entries of hits, best first, with a score of `least`, each by its best passage; undated ones come last.

    >>> from index.records import Passage
    >>> old, new = (Entry("s", key, "", "t", "fr", datetime(2023, 5, int(key), tzinfo=UTC)) for key in ("22", "23"))
    >>> found = [Hit(1, Passage(1, old, 0, 1), 0.9), Hit(2, Passage(2, new, 0, 1), 0.5), Hit(3, Passage(3, new, 0, 1), 0.4)]
    >>> [hit.rank for hit in newest(found, 10)], [hit.rank for hit in newest(found, 10, 0.6)]
    ([2, 1], [1])
    """
    best: dict[str, Hit] = {}
    for hit in hits:
        if hit.score >= least:
            best.setdefault(hit.passage.entry.id, hit)
    return sorted(best.values(), key=lambda hit: _moment(hit.passage.entry), reverse=True)[:k]


def _moment(entry: Entry) -> tuple[bool, datetime, str]:
    return entry.published is not None, entry.published or datetime.min.replace(tzinfo=UTC), entry.id
