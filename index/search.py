"""The read walk: question -> language, filters -> nearest vectors and matching terms -> one ranking -> hits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np

from embed import Encoder, ModelCard
from embed.encoder import Vectors
from index.engine import TermView
from index.errors import InvalidRequest
from index.fuse import Evidence, fuse
from index.highlight import highlights, wanted_terms
from index.language import LANGUAGES, question_language
from index.lexicon import translated_terms
from index.past import Past
from index.rarity import balanced
from index.reader import Filters, Reader, Snapshot
from index.records import Hit, Ids, Passage, Ranking, Scores, Vote
from index.space import Codes, matches, word_spans
from index.terms import question_spellings
from index.twins import ALIKE, Wording, alike, likeness, wording

MAX_HITS = 100
MAX_QUESTION = 4000
"""Characters; more than any model here reads."""
CANDIDATES = 60
"""How deep each ranking is read before they are fused, for up to a third as many hits."""
_TWIN_PASSAGES = 8
"""Passages of an entry that its twins are looked for by; a long one has as many in common with each."""
REACH = 2
"""How many passages before and after one are near it."""


@dataclass(frozen=True)
class Ranked:
    """A fused ranking and those it came from; ids, not yet passages."""

    fused: Ranking
    votes: Mapping[str, Ranking]


@dataclass(frozen=True)
class Results:
    """What a question found. `hits` are best first, at most `k`; none means that nothing passes the filters.

    `known` is when the generation that was searched came to be: `as_of` that moment, the question finds the same again.
    """

    question: str
    lang: str
    filters: Filters
    generation: int
    card: ModelCard
    hits: tuple[Hit, ...]
    known: datetime | None = None
    as_of: datetime | None = None
    k: int = 10


class Searcher:
    """Answers questions from the index in `folder`, with the encoder that it was built with.

    Raises what `Reader` raises. Safe for several threads.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.reader = Reader(folder, encoder.card)
        self.past = Past(self.reader)

    def close(self) -> None:
        """Close the index."""
        self.past.close()
        self.reader.close()

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def search(self, question: str, k: int = 10, filters: Filters | None = None, as_of: datetime | None = None) -> Results:
        """The `k` passages that answer `question` best, or fewer when fewer pass the filters; of what was known at `as_of`.

        Raises `InvalidRequest` for an empty or overlong question, a `k` outside 1 to MAX_HITS, a window that ends before it
        begins, a language other than French and English, a source that the index does not have, or an `as_of` at which there
        was no index yet.
        """
        filters = filters or Filters()
        check(question, k, filters)
        if filters.source is not None and self.reader.store.origin(filters.source) is None:
            raise InvalidRequest(f"no source '{filters.source}' in this index", "source")
        snapshot = self.reader.snapshot() if as_of is None else self.past.at(as_of)
        ranked = self.rank(question, max(CANDIDATES, 3 * k), filters, snapshot)
        lang = question_language(question)
        hits = self._hits(question, lang, ranked, k)
        known = self.reader.store.committed(snapshot.generation)
        return Results(question, lang, filters, snapshot.generation, snapshot.card, hits, known, as_of, k)

    def twins(self, entry_id: str, as_of: datetime | None = None) -> tuple[str, ...]:
        """The ids of other entries whose whole text says the same as that of this one, the most alike first.

        Raises `NotFound`, and for `as_of` what `search` does.
        """
        snapshot = self.reader.snapshot() if as_of is None else self.past.at(as_of)
        store = snapshot.store
        said = wording(store.entry(entry_id, snapshot.generation).text)
        own = store.passages_of(entry_id, snapshot.generation, snapshot.past)
        langs, vectors = store.vectors([passage.id for passage in own[:_TWIN_PASSAGES]])
        found: set[int] = set()
        # Whoever says the same says it in passages that lie near, wherever their cuts fall.
        for vector in snapshot.space.passages(vectors, langs) if langs else ():
            found.update(snapshot.vectors.nearest(vector, CANDIDATES).ids.tolist())
        others = {passage.entry.id: passage.entry.text for passage in store.passages(sorted(found)).values()}
        shares = {other: likeness(said, wording(text)) for other, text in sorted(others.items()) if other != entry_id}
        return tuple(sorted((other for other, share in shares.items() if share >= ALIKE), key=lambda other: -shares[other]))

    def rank(self, question: str, depth: int, filters: Filters, snapshot: Snapshot) -> Ranked:
        """Every passage that is among the best `depth` by vector or by terms, ranked by all the evidence."""
        evidence, votes = self.evidence(question, depth, filters, snapshot)
        return Ranked(fuse(evidence), votes)

    def evidence(
        self, question: str, depth: int, filters: Filters, snapshot: Snapshot
    ) -> tuple[Evidence, Mapping[str, Ranking]]:
        """What speaks for every passage that is among the best `depth` by vector, by terms or by translated terms; and
        those rankings, with that of the same passages by their words.
        """
        among = snapshot.allowed(filters)
        lang = question_language(question)
        reading = self.encoder.read_query(question, word_spans(question))
        vector = snapshot.space.question(reading.vector, lang)
        words = balanced(question_spellings(question, lang), snapshot.terms)
        terms = {term: weight for word in words for term, weight in word.items()}
        translated = translated_terms(question, lang)
        dense = snapshot.vectors.nearest(vector, depth, among)
        lexical = snapshot.terms.matching(terms, depth, among)
        bridged = snapshot.terms.matching(translated, depth, among)
        found = np.unique(np.concatenate([dense.ids, lexical.ids, bridged.ids]))
        near = snapshot.neighbours(found, REACH)
        # Each ranking is asked about what only the others found, so that no score is missing and none is guessed.
        ids = np.array(sorted(near), dtype=np.int64)
        # While a writer is at work an engine may still show what is no longer there.
        found = np.intersect1d(found, ids)
        cosines = _complete(dense, ids, lambda rest: snapshot.vectors.nearest(vector, len(rest), rest))
        points = _points(words, ids, snapshot.terms)
        bridges = _complete(bridged, ids, lambda rest: snapshot.terms.matching(translated, len(rest), rest))
        matched = _matched(snapshot.space.question_words(reading.words, lang), ids, snapshot.store.words(ids.tolist()))
        versions = np.array([near[i][0] for i in ids.tolist()], dtype=np.int64)
        wanted = np.isin(ids, found)
        around = np.fmax.reduce(_around(matched, ids, versions)).mean(axis=1)
        evidence = Evidence(
            found,
            cosines[wanted],
            np.nanmean(_around(cosines, ids, versions), axis=0)[wanted],
            around[wanted],
            np.fmax.reduce(_around(points, ids, versions)).sum(axis=1)[wanted],
            np.nansum(_around(bridges, ids, versions), axis=0)[wanted],
            np.array([near[i][1] != lang for i in found.tolist()], dtype=bool),
        )
        own = matched[wanted].mean(axis=1)
        worded = ~np.isnan(own)
        late = Ranking.best(found[worded], own[worded])
        return evidence, {"dense": dense, "words": late, "lexical": lexical, "translated": bridged}

    def _hits(self, question: str, lang: str, ranked: Ranked, k: int) -> tuple[Hit, ...]:
        shown, wanted = self._folded(ranked.fused, k), wanted_terms(question, lang)
        votes: dict[int, dict[str, Vote]] = {one.passage.id: {} for one in shown}
        for name, ranking in ranked.votes.items():
            for place, (i, score) in enumerate(ranking, start=1):
                if i in votes:
                    votes[i][name] = Vote(place, score)
        return tuple(
            Hit(
                rank,
                one.passage,
                one.score,
                votes[one.passage.id],
                tuple(dict.fromkeys(one.twins)),
                tuple(highlights(one.passage.text, one.passage.entry.lang, wanted)),
            )
            for rank, one in enumerate(shown, start=1)
        )

    def _folded(self, fused: Ranking, k: int) -> list["_Shown"]:
        """The best `k` passages, those of other entries that say the same folded into the first of them."""
        shown: list[_Shown] = []
        order = list(fused)
        for at in range(0, len(order), k):
            some = order[at : at + k]
            passages = self.reader.store.passages([i for i, _ in some])
            for i, score in some:
                passage = passages[i]
                said = wording(passage.text)
                twin = next((one for one in shown if one.passage.entry.id != passage.entry.id and alike(one.said, said)), None)
                if twin is not None:
                    twin.twins.append(passage.entry.id)
                elif len(shown) < k:
                    shown.append(_Shown(passage, score, said))
            if len(shown) >= k:
                break
        return shown


@dataclass
class _Shown:
    """A passage that becomes a hit."""

    passage: Passage
    score: float
    said: Wording
    twins: list[str] = field(default_factory=list)


def _complete(ranking: Ranking, ids: Ids, ask: Callable[[Ids], Ranking]) -> Scores:
    """The score of each of `ids` (ascending): from `ranking`, else asked for, else 0."""
    scores = np.zeros(len(ids), dtype=np.float32)
    for some in (ranking, ask(np.setdiff1d(ids, ranking.ids))):
        known = np.isin(some.ids, ids)
        scores[np.searchsorted(ids, some.ids[known])] = some.scores[known]
    return scores


def _points(words: Sequence[Mapping[str, float]], ids: Ids, view: TermView) -> Scores:
    """The BM25 of each of `ids` (ascending) by each word of the question alone; 0 where a passage has it not."""
    points = np.zeros((len(ids), len(words)), dtype=np.float32)
    for column, word in enumerate(words):
        found = view.matching(word, len(ids), ids)
        points[np.searchsorted(ids, found.ids), column] = found.scores
    return points


def _matched(question: Vectors, ids: Ids, codes: Mapping[int, Codes]) -> Vectors:
    """For each passage and word of the question the greatest cosine to a word of the passage; not a number where there
    are no words.
    """
    found = np.full((len(ids), max(len(question), 1)), np.nan, dtype=np.float32)
    worded = [place for place, i in enumerate(ids.tolist()) if i in codes and len(codes[i])]
    if len(question) and worded:
        found[worded] = matches(question, [codes[int(ids[place])] for place in worded])
    return found


def _around(values: Vectors, ids: Ids, versions: Ids) -> Vectors:
    """The values of each passage's neighbours, one array a place; not a number where there is none. `ids` are ascending."""
    shifted = []
    for step in range(-REACH, REACH + 1):
        place = np.clip(np.searchsorted(ids, ids + step), 0, max(len(ids) - 1, 0))
        there = (ids[place] == ids + step) & (versions[place] == versions) if len(ids) else np.zeros(0, dtype=bool)
        shifted.append(np.where(there.reshape(-1, *[1] * (values.ndim - 1)), values[place], np.nan))
    return np.stack(shifted)


def check(question: str, k: int, filters: Filters) -> None:
    """Raise `InvalidRequest` for what `Searcher.search` would refuse of any index, without one and without a model."""
    if not 1 <= k <= MAX_HITS:
        raise InvalidRequest(f"k is {k}; ask for 1 to {MAX_HITS} hits", "k")
    if not question.strip():
        raise InvalidRequest("the question is empty", "query")
    if len(question) > MAX_QUESTION:
        raise InvalidRequest(f"the question has {len(question)} characters; at most {MAX_QUESTION} are read", "query")
    if any("\ud800" <= character <= "\udfff" for character in filters.source or ""):
        raise InvalidRequest("the name of the source holds half a character, which none does", "source")
    if filters.lang is not None and filters.lang not in LANGUAGES:
        raise InvalidRequest(f"no language '{filters.lang}' to filter by: give {' or '.join(LANGUAGES)}", "lang")
    window = filters.window
    if window.since and window.until and window.since >= window.until:
        raise InvalidRequest("the window ends before it begins: since must be earlier than until", "until")
