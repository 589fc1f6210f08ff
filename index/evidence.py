"""What speaks for a passage, of all that a question finds."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed import Encoder
from embed.encoder import Vectors
from index.engine import TermView
from index.fuse import Evidence
from index.language import question_language
from index.lexicon import translated_terms
from index.rarity import balanced
from index.reader import Filters, Snapshot
from index.records import Ids, Ranking, Scores
from index.space import Codes, matches, word_spans
from index.terms import question_spellings

REACH = 2
"""How many passages before and after one are near it."""


@dataclass(frozen=True)
class Asked:
    """A question, ready to be compared with the passages of one generation.

    `words` are its words as `Space.question_words` gives them, `terms` the terms of each word that any passage holds, with
    their weights, and `translated` the terms of its words in the other language.
    """

    text: str
    lang: str
    vector: Vectors
    words: Vectors
    terms: Sequence[Mapping[str, float]]
    translated: Mapping[str, float]


def understand(question: str, encoder: Encoder, snapshot: Snapshot) -> Asked:
    """A question, read by the encoder and looked up in the terms of the snapshot."""
    lang = question_language(question)
    reading = encoder.read_query(question, word_spans(question))
    return Asked(
        question,
        lang,
        snapshot.space.question(reading.vector, lang),
        snapshot.space.question_words(reading.words, lang),
        balanced(question_spellings(question, lang), snapshot.terms),
        translated_terms(question, lang),
    )


def gather(asked: Asked, depth: int, filters: Filters, snapshot: Snapshot) -> tuple[Evidence, Mapping[str, Ranking]]:
    """What speaks for every passage that is among the best `depth` by vector, by terms or by translated terms; and those
    rankings, with that of the same passages by their words.
    """
    among = snapshot.allowed(filters)
    terms = {term: weight for word in asked.terms for term, weight in word.items()}
    dense = snapshot.vectors.nearest(asked.vector, depth, among)
    lexical = snapshot.terms.matching(terms, depth, among)
    bridged = snapshot.terms.matching(asked.translated, depth, among)
    found = np.unique(np.concatenate([dense.ids, lexical.ids, bridged.ids]))
    near = snapshot.neighbours(found, REACH)
    # Each ranking is asked about what only the others found, so that no score is missing and none is guessed.
    ids = np.array(sorted(near), dtype=np.int64)
    # While a writer is at work an engine may still show what is no longer there.
    found = np.intersect1d(found, ids)
    cosines = _complete(dense, ids, lambda rest: snapshot.vectors.nearest(asked.vector, len(rest), rest))
    points = _points(asked.terms, ids, snapshot.terms)
    bridges = _complete(bridged, ids, lambda rest: snapshot.terms.matching(asked.translated, len(rest), rest))
    matched = _matched(asked.words, ids, snapshot.store.words(ids.tolist()))
    versions = np.array([near[i][0] for i in ids.tolist()], dtype=np.int64)
    wanted = np.isin(ids, found)
    own = np.full(len(ids), np.nan, dtype=np.float32)
    worded = ~np.isnan(matched).any(axis=1)
    own[worded] = matched[worded].mean(axis=1)
    evidence = Evidence(
        found,
        versions[wanted],
        cosines[wanted],
        own[wanted],
        np.nanmean(_around(cosines, ids, versions), axis=0)[wanted],
        np.fmax.reduce(_around(matched, ids, versions)).mean(axis=1)[wanted],
        np.fmax.reduce(_around(points, ids, versions)).sum(axis=1)[wanted],
        np.nansum(_around(bridges, ids, versions), axis=0)[wanted],
        np.array([near[i][1] != asked.lang for i in found.tolist()], dtype=bool),
    )
    words = Ranking.best(ids[worded & wanted], own[worded & wanted])
    return evidence, {"dense": dense, "words": words, "lexical": lexical, "translated": bridged}


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
