"""Fusion, by arithmetic that a reader can do again."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fuse import LEXICAL_WEIGHT, fuse


def test_a_score_is_the_cosine_plus_the_weighted_logarithm_of_one_plus_bm25() -> None:
    fused = fuse({1: 0.80, 2: 0.85, 3: 0.81}, {1: math.e - 1, 3: math.e**2 - 1})
    # ln(1 + e - 1) is 1, and ln(1 + e² - 1) is 2.
    scores = {1: 0.80 + LEXICAL_WEIGHT, 2: 0.85, 3: 0.81 + 2 * LEXICAL_WEIGHT}
    assert dict(fused) == pytest.approx(scores, abs=1e-6)
    assert fused.ids.tolist() == sorted(scores, key=lambda i: -scores[i])


def test_without_a_term_in_common_the_cosine_alone_decides() -> None:
    assert fuse({4: 0.5, 7: 0.9, 2: 0.7}, {}).ids.tolist() == [7, 2, 4]


def test_equal_scores_come_in_the_order_of_their_ids() -> None:
    assert fuse({9: 0.5, 3: 0.5, 5: 0.5}, {}).ids.tolist() == [3, 5, 9]
    assert fuse({9: 0.5, 3: 0.5, 5: 0.5}, {5: 1.0, 9: 1.0}).ids.tolist() == [5, 9, 3]


def test_what_has_no_cosine_is_not_ranked() -> None:
    assert fuse({1: 0.5}, {1: 2.0, 2: 30.0}).ids.tolist() == [1]


def test_nothing_fuses_to_nothing() -> None:
    assert list(fuse({}, {})) == []


def test_many_rare_words_in_common_weigh_little_more_than_some() -> None:
    weak, strong, extreme = (fuse({1: 0.8}, {1: points}).scores[0] for points in (5.0, 20.0, 80.0))
    # ln 6, ln 21 and ln 81: each step of four times the points adds less than ln 4.
    assert 0 < extreme - strong < LEXICAL_WEIGHT * math.log(4)
    assert 0 < strong - weak < LEXICAL_WEIGHT * math.log(4)


@given(
    dense=st.dictionaries(st.integers(1, 30), st.floats(-1, 1, width=32), max_size=20),
    lexical=st.dictionaries(st.integers(1, 30), st.floats(0, 60, width=32), max_size=20),
)
def test_everything_with_a_cosine_is_ranked_once_best_first(dense: dict[int, float], lexical: dict[int, float]) -> None:
    fused = list(fuse(dense, lexical))
    assert {i for i, _ in fused} == set(dense)
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))
    for i, score in fused:
        assert score == pytest.approx(dense[i] + LEXICAL_WEIGHT * math.log(1 + lexical.get(i, 0)), abs=1e-6)
