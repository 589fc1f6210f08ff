"""Log-odds, by arithmetic that a reader can do again."""

import math
from dataclasses import replace

import numpy as np
import pytest

from index.confidence import LEAD, SENTENCE, TRUST, confidence, lead, logit, odds
from index.question import Kind
from index.quotes import Sentence, Sought
from index.records import Entry, Passage


def test_confidence_rises_with_every_signal_and_is_zero_without_a_sentence() -> None:
    passage = Passage(1, Entry("fil.txt", "1", "", "Douze drones.", "fr"), 0, 13)

    def sure(score: float, words: float, unknown: int, rest: float = 0.1) -> float:
        sentence = Sentence(passage, 0, 5, score, words, 0.5, Kind.OTHER, False)
        return confidence([sentence], [score, *[rest] * 9], Sought([], np.zeros(0, np.float32), unknown))

    usual = sure(0.5, 0.3, 1)
    assert 0 < usual < min(sure(0.6, 0.3, 1), sure(0.5, 0.4, 1), sure(0.5, 0.3, 0), sure(0.5, 0.3, 1, rest=0.05)) < 1
    # By hand: a lead of ln 9, words of .3, one word unknown.
    odds = TRUST.lead * math.log(9) + TRUST.words * 0.3 + TRUST.unknown + TRUST.prior
    assert usual == pytest.approx(1 / (1 + math.exp(-odds)), abs=1e-4)
    assert sure(1.0, 1.0, 0, rest=0.0) <= 1
    assert confidence([], [], Sought([], np.zeros(0, np.float32), 0)) == 0.0
    assert logit(0.5) == 0.0
    assert logit(0.0) == pytest.approx(-logit(1.0))


def sentence(score: float) -> Sentence:
    return Sentence(
        Passage(1, Entry("fil.txt", "1", "", "Douze drones.", "fr"), 0, 13), 0, 13, score, 0.4, 0.5, Kind.NUMBER, True
    )


def test_the_evidence_for_a_sentence_is_added_up() -> None:
    # A score of one half has log-odds of 0.
    named = 0.4 * SENTENCE.words + 0.5 * SENTENCE.cover + SENTENCE.names[Kind.NUMBER]
    assert odds(sentence(0.5)) == pytest.approx(named)
    assert odds(replace(sentence(0.5), names=False)) == pytest.approx(named - SENTENCE.names[Kind.NUMBER])
    assert odds(sentence(0.9)) - odds(sentence(0.5)) == pytest.approx(SENTENCE.passage * math.log(9))


def test_the_lead_is_over_the_fifth_passage_or_the_last_of_fewer() -> None:
    scores = [0.9, 0.8, 0.7, 0.6, 0.5, 0.1]
    assert lead([sentence(0.7), sentence(0.9)], scores) == pytest.approx(math.log(9))
    assert scores[LEAD - 1] == 0.5
    assert lead([sentence(0.9)], [0.9]) == 0.0
