"""Rarity of words, by the document frequencies that it is made of."""

from collections.abc import Sequence

import numpy as np
import pytest

from index.engine import ExactTerms, rarity
from index.rarity import MOST_WORDS, Word, balanced


def engine(*passages: list[str]) -> ExactTerms:
    made = ExactTerms()
    made.add(list(enumerate(passages, start=1)))
    made.commit(1)
    return made


def test_a_word_is_as_rare_in_one_language_as_in_the_other() -> None:
    view = engine(["fr:gilet"], ["fr:gilet"], ["fr:gilet"], ["en:gilet"], ["en:vest"], ["fr:paris"]).view()
    (word,) = balanced([("fr:gilet", "en:gilet", "gilet")], view)
    assert list(word.terms) == ["fr:gilet", "en:gilet"]
    # Each passage has the term once and is as long as the mean, so that BM25 is the rarity itself.
    scores = dict(view.matching(word.terms, 9))
    assert scores == pytest.approx(dict.fromkeys([1, 2, 3, 4], rarity(4, 6)), abs=2e-3)
    apart = dict(view.matching(list(word.terms), 9))
    assert apart[4] == pytest.approx(rarity(1, 6))
    assert apart[1] == pytest.approx(rarity(3, 6))


def test_a_word_that_no_passage_holds_is_left_out() -> None:
    view = engine(["fr:gilet"], ["en:vest"]).view()
    assert balanced([("fr:absent", "absent"), ("fr:gilet", "absent")], view) == [Word({"fr:gilet": 1.0})]
    assert balanced([("fr:gilet",)], engine().view()) == []
    assert balanced([], view) == []


def test_the_rarest_words_come_first_and_only_so_many_count() -> None:
    view = engine(*[[f"w{n}" for n in range(place, MOST_WORDS + 10)] for place in range(MOST_WORDS + 10)]).view()
    words = [(f"w{n}",) for n in range(MOST_WORDS + 10)]
    found = [next(iter(word.terms)) for word in balanced(words[::-1], view)]
    assert found == [f"w{n}" for n in range(MOST_WORDS)]


def test_more_holders_than_passages_make_no_weight_negative() -> None:
    class Counting(ExactTerms):
        """Counts removed passages too, as an engine may."""

        def frequencies(self, terms: Sequence[str]) -> list[int]:
            return [9, 2][: len(terms)]

    made = Counting()
    made.add([(1, ["a"]), (2, ["b"])])
    (word,) = balanced([("a", "b")], made)
    assert all(0 < weight <= 1 for weight in word.terms.values())
    assert np.isfinite(list(word.terms.values())).all()


def test_the_translations_of_a_word_have_one_rarity_and_are_worth_less_than_the_word() -> None:
    view = engine(["fr:gilet"], ["fr:gilet"], ["fr:gilet"], ["fr:veste"], ["en:vest"], ["en:rain"]).view()
    (word,) = balanced([("en:vest",)], view, [{"fr:gilet": 0.7, "fr:veste": 0.5, "fr:absent": 0.4}])
    assert list(word.terms) == ["en:vest"]
    scores = dict(view.matching(word.translated, 9))
    assert scores == pytest.approx({**dict.fromkeys([1, 2, 3], 0.7 * rarity(4, 6)), 4: 0.5 * rarity(4, 6)}, abs=2e-3)


def test_a_word_that_only_its_translations_are_held_of_is_looked_for_by_them() -> None:
    view = engine(["fr:gilet"], ["en:rain"]).view()
    assert balanced([("en:vest",), ("en:hail",)], view, [{"fr:gilet": 0.7}, {"fr:grele": 0.7}]) == [Word({}, {"fr:gilet": 0.7})]
