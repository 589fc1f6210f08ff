"""How likely is it that a sentence answers, and that the best one answers at all?"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from index.question import Kind
from index.quotes import Sentence, Sought

LEAD = 5
"""The place of the passage that the best one is compared with: an answer often stands in two or three."""


@dataclass(frozen=True)
class Weights:
    """What each kind of evidence adds to the log-odds that a sentence is the one that answers."""

    passage: float
    words: float
    cover: float
    names: dict[Kind, float]


@dataclass(frozen=True)
class Trust:
    """What each kind of evidence adds to the log-odds that the best sentence answers at all."""

    lead: float
    """Of how far the best passage lies above the one in place LEAD, in log-odds."""
    words: float
    """Of late interaction with the best sentence."""
    unknown: float
    """Of each word of the question that no passage of the corpus holds, in either language."""
    prior: float


# Fitted and validated by tests/bench/fit_answers.py: see ARCHITECTURE.md.
SENTENCE = Weights(
    passage=2.35,
    words=18.5,
    cover=1.09,
    names={Kind.TIME: 3.38, Kind.NUMBER: 2.11, Kind.PLACE: 1.41, Kind.PERSON: 1.68, Kind.OTHER: 0.0},
)
TRUST = Trust(lead=0.778, words=11.25, unknown=-0.362, prior=-6.4)


def odds(sentence: Sentence) -> float:
    """The log-odds that a sentence is the one that answers, up to a constant of the question."""
    return (
        SENTENCE.passage * logit(sentence.score)
        + SENTENCE.words * sentence.words
        + SENTENCE.cover * sentence.cover
        + SENTENCE.names[sentence.kind] * sentence.names
    )


def confidence(ranked: Sequence[Sentence], others: Sequence[float], sought: Sought) -> float:
    """The probability that the first of the sentences answers; 0 without any.

    `others` are the scores of the passages that it stands among, best first.
    """
    if not ranked:
        return 0.0
    sum_ = TRUST.lead * lead(ranked, others) + TRUST.words * ranked[0].words + TRUST.unknown * sought.unknown + TRUST.prior
    return round(1 / (1 + math.exp(-sum_)), 4)


def lead(sentences: Sequence[Sentence], others: Sequence[float]) -> float:
    """How far the best passage of the sentences lies in log-odds above the one in place LEAD of the `others`."""
    return logit(max(one.score for one in sentences)) - logit(others[min(len(others), LEAD) - 1])


def logit(score: float) -> float:
    """The log-odds of a probability; bounded, since scores are rounded."""
    bounded = min(max(score, 1e-6), 1 - 1e-6)
    return math.log(bounded / (1 - bounded))
