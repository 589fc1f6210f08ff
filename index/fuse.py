"""Several kinds of evidence -> one ranking."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from index.records import Ids, Ranking, Scores

POINTS = 30
"""BM25 that a good match has; brings it to the size of the other evidence."""


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence adds to the log-odds that a passage answers."""

    cosine: float
    near_cosine: float
    near_words: float
    near_terms: float
    near_translations: float
    prior: float
    """What every passage starts with."""


# Fitted and validated by tests/bench/fit_ranking.py: see ARCHITECTURE.md.
SAME = Weights(cosine=1.4, near_cosine=3.28, near_words=3.67, near_terms=2.74, near_translations=0.0, prior=-7.27)
"""Of a passage in the language of the question."""
OTHER = Weights(cosine=1.84, near_cosine=4.02, near_words=2.71, near_terms=2.47, near_translations=3.1, prior=-6.7)
"""Of a passage in another language: it shares only names and figures with the question, and its cosines are smaller.
Translations were fitted at 4.18 with a prior of -6.9: from 3 on the sets are as good, and at 3.1 fewer passages come up that
share no more than common words, in translation."""


@dataclass(frozen=True)
class Evidence:
    """What is known of some passages, for one question; arrays of one length.

    A passage is *near* those of its entry up to two places before and after it, and itself: an answer often needs what the
    sentences around it say, and a passage beside the best one of an entry is seldom about something else.
    """

    ids: Ids
    versions: Ids
    """Of the entry's version that each passage is cut from."""
    cosine: Scores
    """Between question and passage, less what all texts of a language have in common."""
    words: Scores
    """Late interaction of the question's words with the passage alone; not a number without words."""
    near_cosine: Scores
    """The mean of the near passages' cosines."""
    near_words: Scores
    """The same with all near passages; where it is not a number the cosine stands in."""
    near_terms: Scores
    """The same with terms: for each word of the question its greatest BM25 in any near passage; their sum."""
    near_translations: Scores
    """What translations add, by dictionary: for each word of the question how far the greatest BM25 of its translations in any
    near passage exceeds its own there; their sum. 0 in the language of the question."""
    other: NDArray[np.bool_]
    """Whether the passage is in another language than the question."""

    @classmethod
    def joined(cls, parts: Sequence["Evidence"]) -> "Evidence":
        """That of all passages of `parts`, of which there is one at least."""
        return cls(*(np.concatenate([getattr(part, one.name) for part in parts]) for one in fields(cls)))


def fuse(evidence: Evidence) -> Ranking:
    """Rank passages by the probability that they answer, between 0 and 1.

    The evidence is added up as a logistic regression does it, with other weights for passages in the language of the question
    than for the others. Nearly all of it is told by the surroundings of a passage, which the passages of an entry share: which
    of them gets the best of their probabilities is told by its own cosine and words. Probabilities are rounded to six digits,
    so that noise in the last digits never changes the order; equal ones stand in the order of the ids.

    >>> half, none, ids = np.full(2, 0.5, np.float32), np.zeros(2, np.float32), np.array([1, 2])
    >>> terms = np.array([0, 9], np.float32)
    >>> [i for i, _ in fuse(Evidence(ids, ids, half, half, half, half, terms, none, np.array([False, False])))]
    [2, 1]
    """
    columns = [(w.cosine, w.near_cosine, w.near_words, w.near_terms, w.near_translations, w.prior) for w in (SAME, OTHER)]
    odds = (features(evidence) * np.array(columns)[evidence.other.astype(int)]).sum(axis=1)
    scores = np.round(1 / (1 + np.exp(-odds)), 6).astype(np.float32)
    own = evidence.cosine + np.where(np.isnan(evidence.words), evidence.cosine, evidence.words)
    shared = np.empty_like(scores)
    # Version by version, the best score to the passage that has most of its own.
    shared[np.lexsort((evidence.ids, -own, evidence.versions))] = scores[np.lexsort((-scores, evidence.versions))]
    return Ranking.best(evidence.ids, shared)


def features(evidence: Evidence) -> NDArray[np.float64]:
    """What the weights are multiplied with: a row for each passage, a column for each weight."""
    words = np.where(np.isnan(evidence.near_words), evidence.cosine, evidence.near_words)
    terms, translations = evidence.near_terms / POINTS, evidence.near_translations / POINTS
    columns = (evidence.cosine, evidence.near_cosine, words, terms, translations, np.ones(len(words)))
    return np.stack(columns, axis=1).astype(np.float64)
