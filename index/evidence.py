"""What speaks for a passage, of all that a question finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embed import Encoder
from embed.encoder import Vectors
from embed.stages import stage
from index.fuse import Evidence
from index.language import question_language
from index.lexicon import translated_words
from index.rarity import Word, balanced
from index.reader import Filters, Snapshot
from index.records import Ids, Ranking, Scores
from index.space import Codes, matches, word_spans
from index.terms import question_spellings

REACH = 2
"""How many passages before and after one are near it."""
_AT_ONCE = 500
"""Passages whose words are compared at a time; they take 40 MB."""

Votes = Mapping[str, Ranking]
"""Rankings by the name of what they rank by."""


@dataclass(frozen=True)
class Asked:
    """A question, ready to be compared with the passages of one generation.

    `words` are its words as `Space.question_words` gives them, `terms` what each word that any passage holds, in either
    language, is looked for by.
    """

    text: str
    lang: str
    vector: Vectors
    words: Vectors
    terms: Sequence[Word]

    def spelled(self) -> dict[str, float]:
        """The terms of all words, with their weights."""
        return {term: weight for word in self.terms for term, weight in word.terms.items()}

    def translated(self) -> dict[str, float]:
        """Those of their translations."""
        return {term: weight for word in self.terms for term, weight in word.translated.items()}


@stage("understand")
def understand(question: str, encoder: Encoder, snapshot: Snapshot) -> Asked:
    """A question, read by the encoder and looked up in the terms of the snapshot."""
    lang = question_language(question)
    with stage("encode"):
        reading = encoder.read_query(question, word_spans(question))
    spellings = question_spellings(question, lang)
    return Asked(
        question,
        lang,
        snapshot.space.question(reading.vector, lang),
        snapshot.space.question_words(reading.words, lang),
        balanced(spellings, snapshot.terms, translated_words(spellings, lang)),
    )


def gather(asked: Asked, depth: int, filters: Filters, snapshot: Snapshot) -> tuple[Evidence, Votes]:
    """What speaks for every passage that is among the best `depth` by vector, by terms or by translated terms; and those
    rankings, with that of the same passages by their words.
    """
    vectors, terms = snapshot.vectors, snapshot.terms
    dense = snapshot.nearest(asked.vector, depth, filters)
    lexical = snapshot.matching(asked.spelled(), depth, filters)
    bridged = snapshot.matching(asked.translated(), depth, filters)
    # Each ranking is asked about what only the others found, so that no score is missing and none is guessed.
    scores = Scorers(
        lambda ids: _complete(dense, ids, lambda rest: vectors.nearest(asked.vector, len(rest), rest)),
        lambda ids: terms.scored([word.terms for word in asked.terms], ids),
        lambda ids: terms.scored([word.translated for word in asked.terms], ids),
    )
    evidence = _weigh(asked, np.unique(np.concatenate([dense.ids, lexical.ids, bridged.ids])), snapshot, scores)
    return evidence, _votes(evidence, dense, lexical, bridged)


def gather_all(asked: Asked, filters: Filters, snapshot: Snapshot) -> tuple[Evidence, Votes]:
    """The same for every passage that passes the filters, a few hundred at a time: what is held at once for a passage is a few
    numbers.
    """
    allowed = snapshot.allowed(filters)
    ids = snapshot.all_ids() if allowed is None else allowed
    # With the neighbours, which speak for a passage whether they pass the filters or not.
    wide = None if allowed is None else np.unique(np.maximum(ids[:, np.newaxis] + np.arange(-REACH, REACH + 1), 1))
    most = len(ids if wide is None else wide)
    dense = snapshot.vectors.nearest(asked.vector, most, wide)
    cosines = _by_id(dense)
    scores = Scorers(
        lambda some: _looked_up(cosines, some),
        lambda some: snapshot.terms.scored([word.terms for word in asked.terms], some),
        lambda some: snapshot.terms.scored([word.translated for word in asked.terms], some),
    )
    evidence = Evidence.joined(
        [_weigh(asked, ids[at : at + _AT_ONCE], snapshot, scores) for at in range(0, max(len(ids), 1), _AT_ONCE)]
    )
    lexical = snapshot.terms.matching(asked.spelled(), most, allowed)
    bridged = snapshot.terms.matching(asked.translated(), most, allowed)
    return evidence, _votes(evidence, dense if allowed is None else dense.among(allowed), lexical, bridged)


@dataclass(frozen=True)
class Scorers:
    """How to find, for ascending ids, the cosine of each, and its BM25 by each word of the question and by the translations of
    each: of shape (ids, words).
    """

    cosines: Callable[[Ids], Scores]
    points: Callable[[Ids], Scores]
    bridges: Callable[[Ids], Scores]


@stage("weigh")
def _weigh(asked: Asked, found: Ids, snapshot: Snapshot, scores: Scorers) -> Evidence:
    near = snapshot.neighbours(found, REACH)
    return weigh(asked, found, near, snapshot.store.words(sorted(near)), scores)


def weigh(
    asked: Asked, found: Ids, near: Mapping[int, tuple[int, str]], words: Mapping[int, Codes], scores: Scorers
) -> Evidence:
    """What speaks for each of `found` (ascending). `near` has those that there are, and the passages near them: version and
    language; `words` has the words of each.
    """
    ids = np.array(sorted(near), dtype=np.int64)
    # While a writer is at work an engine may still show what is no longer there.
    found = np.intersect1d(found, ids)
    other = np.array([near[i][1] != asked.lang for i in ids.tolist()], dtype=bool)
    cosines = scores.cosines(ids)
    points = scores.points(ids)
    bridges = np.zeros_like(points)
    if other.any():
        bridges[other] = scores.bridges(ids[other])
    matched = _matched(asked.words, ids, words)
    versions = np.array([near[i][0] for i in ids.tolist()], dtype=np.int64)
    wanted = np.isin(ids, found)
    own = np.full(len(ids), np.nan, dtype=np.float32)
    worded = ~np.isnan(matched).any(axis=1)
    own[worded] = matched[worded].mean(axis=1)
    beside = _beside(ids, versions)
    spelled, translated = (np.fmax.reduce(_around(scored, beside)) for scored in (points, bridges))
    return Evidence(
        found,
        versions[wanted],
        cosines[wanted],
        own[wanted],
        np.nanmean(_around(cosines, beside), axis=0)[wanted],
        np.fmax.reduce(_around(matched, beside)).mean(axis=1)[wanted],
        spelled.sum(axis=1)[wanted],
        np.maximum(translated - spelled, 0).sum(axis=1)[wanted],
        other[wanted],
    )


def _votes(evidence: Evidence, dense: Ranking, lexical: Ranking, bridged: Ranking) -> Votes:
    worded = ~np.isnan(evidence.words)
    words = Ranking.best(evidence.ids[worded], evidence.words[worded])
    return {"dense": dense, "words": words, "lexical": lexical, "translated": bridged}


def _complete(ranking: Ranking, ids: Ids, ask: Callable[[Ids], Ranking]) -> Scores:
    """The score of each of `ids` (ascending): from `ranking`, else asked for, else 0."""
    scores = np.zeros(len(ids), dtype=np.float32)
    for some in (ranking, ask(np.setdiff1d(ids, ranking.ids))):
        known = np.isin(some.ids, ids)
        scores[np.searchsorted(ids, some.ids[known])] = some.scores[known]
    return scores


def _by_id(ranking: Ranking) -> Ranking:
    """The same, in the order of the ids."""
    order = np.argsort(ranking.ids)
    return Ranking(ranking.ids[order], ranking.scores[order])


def _looked_up(ranking: Ranking, ids: Ids) -> Scores:
    """The score of each of `ids` in a ranking in the order of ids, else 0."""
    if len(ranking) == 0:
        return np.zeros(len(ids), dtype=np.float32)
    place = np.minimum(np.searchsorted(ranking.ids, ids), len(ranking) - 1)
    return np.where(ranking.ids[place] == ids, ranking.scores[place], np.float32(0))


def _matched(question: Vectors, ids: Ids, codes: Mapping[int, Codes]) -> Vectors:
    """For each passage and word of the question the greatest cosine to a word of the passage; not a number where there
    are no words.
    """
    found = np.full((len(ids), max(len(question), 1)), np.nan, dtype=np.float32)
    worded = [place for place, i in enumerate(ids.tolist()) if i in codes and len(codes[i])]
    if len(question) and worded:
        found[worded] = matches(question, [codes[int(ids[place])] for place in worded])
    return found


def _beside(ids: Ids, versions: Ids) -> tuple[Ids, NDArray[np.bool_]]:
    """Where the passages up to REACH places before and after each stand, and whether they are there and of the same version:
    of shape (places, ids). `ids` are ascending.
    """
    wanted = ids + np.arange(-REACH, REACH + 1)[:, np.newaxis]
    places = np.minimum(np.searchsorted(ids, wanted), max(len(ids) - 1, 0))
    return places, (ids[places] == wanted) & (versions[places] == versions)


def _around(values: Vectors, beside: tuple[Ids, NDArray[np.bool_]]) -> Vectors:
    """The values of each passage's neighbours, one array a place; not a number where there is none."""
    places, there = beside
    return np.where(there.reshape(*there.shape, *[1] * (values.ndim - 1)), values[places], np.float32(np.nan))
