"""Several rankings -> one."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from index.records import Ids, Ranking, Scores


@dataclass(frozen=True)
class Weights:
    """How much each kind of evidence adds to the log-odds that a passage answers; in natural logarithms."""

    cosine: float
    """A cosine of 1 between the vectors of question and passage."""
    words: float
    """A late interaction of 1 (`index.space.late_interaction`)."""
    terms: float
    """A point of ln(1 + BM25)."""
    prior: float
    """What every passage starts with."""


# Fitted on the development sets by tests/bench/fit.py, and validated between them: see ARCHITECTURE.md.
SAME = Weights(cosine=14.0, words=14.0, terms=0.7, prior=-16.0)
"""Of a passage in the language of the question."""
OTHER = Weights(cosine=15.0, words=15.0, terms=0.4, prior=-15.2)
"""Of a passage in another language: it shares only names and figures with the question, and its cosines are smaller."""


@dataclass(frozen=True)
class Evidence:
    """What the rankings say of the same passages; arrays of one length."""

    ids: Ids
    cosine: Scores
    words: Scores
    """Not a number where a passage or the question has no words; its cosine then stands in."""
    terms: Scores
    """BM25; 0 without a term of the question."""
    other: NDArray[np.bool_]
    """Whether the passage is in another language than the question."""


def fuse(evidence: Evidence) -> Ranking:
    """Rank passages by the probability that they answer, between 0 and 1.

    The evidence is added up as a logistic regression does it, with other weights for passages in the language of the question
    than for the others. The logarithm of BM25 bounds what many rare words in common can outweigh. Probabilities are rounded
    to six digits, so that noise in the last digits never changes the order; equal ones stand in the order of the ids.

    >>> two = np.array([0.5, 0.5], dtype=np.float32)
    >>> fuse(Evidence(np.array([1, 2]), two, two, np.array([0.0, 6.389], np.float32), np.array([False, False])))
    Ranking([(2, 0.3543), (1, 0.1192)])
    """
    words = np.where(np.isnan(evidence.words), evidence.cosine, evidence.words)
    features = np.stack([evidence.cosine, words, np.log1p(evidence.terms), np.ones(len(words))], axis=1)
    weights = np.array([[w.cosine, w.words, w.terms, w.prior] for w in (SAME, OTHER)])
    odds = (features * weights[evidence.other.astype(int)]).sum(axis=1)
    return Ranking.best(evidence.ids, np.round(1 / (1 + np.exp(-odds)), 6).astype(np.float32))
