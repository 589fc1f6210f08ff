"""Fusion, by arithmetic that a reader can do again."""

import math
from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.fuse import OTHER, POINTS, SAME, Evidence, features, fuse


def evidence(*passages: tuple[int, float, float, float, float, float, bool]) -> Evidence:
    """From rows of id, cosine, near cosine, near words, near terms, near translations, other.

    Each passage is of a version of its own, and its words match as its cosine does.
    """
    ids, cosines, *columns = list(zip(*passages, strict=True)) or [()] * 7
    columns = [ids, ids, cosines, cosines, *columns]
    kinds = (np.int64, np.int64, *[np.float32] * 6, np.bool_)
    return Evidence(*(np.array(column, dtype=kind) for column, kind in zip(columns, kinds, strict=True)))


def probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def test_the_evidence_is_added_up_as_log_odds() -> None:
    fused = fuse(evidence((1, 0.5, 0.4, 0.3, POINTS, 0.0, False), (2, 0.5, 0.4, 0.3, 2 * POINTS, POINTS / 2, True)))
    same = SAME.prior + 0.5 * SAME.cosine + 0.4 * SAME.near_cosine + 0.3 * SAME.near_words + SAME.near_terms
    other = OTHER.prior + 0.5 * OTHER.cosine + 0.4 * OTHER.near_cosine + 0.3 * OTHER.near_words
    other += 2 * OTHER.near_terms + OTHER.near_translations / 2
    assert dict(fused) == pytest.approx({1: probability(same), 2: probability(other)}, abs=1e-6)


def test_more_evidence_of_any_kind_never_lowers_a_passage() -> None:
    for weights in (SAME, OTHER):
        assert min(getattr(weights, field.name) for field in fields(weights) if field.name != "prior") >= 0


def test_without_words_the_cosine_stands_in() -> None:
    with_words, without = evidence((1, 0.5, 0.4, 0.5, 0.0, 0.0, False)), evidence((1, 0.5, 0.4, math.nan, 0.0, 0.0, False))
    assert list(fuse(without)) == list(fuse(with_words))
    assert features(without).tolist() == features(with_words).tolist()


def test_of_the_passages_of_an_entry_the_one_that_has_most_of_its_own_comes_first() -> None:
    rows = [(3, 0.2, 0.6), (4, 0.5, 0.5), (5, 0.3, 0.4), (9, 0.1, 0.5)]
    apart = evidence(*((i, own, near, near, 0.0, 0.0, False) for i, own, near in rows))
    scores = dict(fuse(apart))
    shared = dict(fuse(replace(apart, versions=np.array([7, 7, 7, 8]))))
    # 4 has most of its own, then 5, then 3; of another version nothing is taken.
    best = sorted((scores[i] for i in (3, 4, 5)), reverse=True)
    assert shared == {4: best[0], 5: best[1], 3: best[2], 9: scores[9]}
    # Words count as much as the cosine, which stands in for them.
    worded = replace(apart, versions=np.array([7, 7, 7, 8]), words=np.array([math.nan, 0.0, 0.3, 0.0], dtype=np.float32))
    assert dict(fuse(worded)) == {5: best[0], 4: best[1], 3: best[2], 9: scores[9]}


def test_equal_scores_come_in_the_order_of_their_ids() -> None:
    row = (0.5, 0.5, 0.5, 1.0, 0.0, False)
    assert fuse(evidence((3, *row), (5, *row), (9, *row))).ids.tolist() == [3, 5, 9]
    # Noise in the seventh digit is no evidence.
    noisy = replace(evidence((3, *row), (5, *row)), cosine=np.array([0.5, 0.5 + 1e-8], dtype=np.float32))
    assert fuse(noisy).ids.tolist() == [3, 5]


def test_nothing_fuses_to_nothing() -> None:
    assert list(fuse(evidence())) == []


cosines = st.floats(-1, 1, width=32)
points = st.floats(0, 60, width=32)


@given(
    st.dictionaries(st.integers(1, 30), st.tuples(cosines, cosines, cosines | st.just(math.nan), points, points, st.booleans()))
)
def test_every_passage_is_ranked_once_best_first_with_a_probability(
    passages: dict[int, tuple[float, float, float, float, float, bool]],
) -> None:
    fused = list(fuse(evidence(*((i, *row) for i, row in sorted(passages.items())))))
    assert {i for i, _ in fused} == set(passages)
    assert fused == sorted(fused, key=lambda pair: (-pair[1], pair[0]))
    assert all(0 <= score <= 1 for _, score in fused)
