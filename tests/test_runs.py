"""TREC runs."""

import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from index.errors import InvalidRequest
from index.runs import run_lines


@given(st.lists(st.floats(0, 1, width=32), min_size=1, max_size=200))
def test_a_scoring_tool_keeps_the_order_whatever_the_scores(scores: list[float]) -> None:
    ranked = [(f"d{place}", score) for place, score in enumerate(sorted(scores, reverse=True))]
    run = pytrec_eval.parse_run(list(run_lines("q", ranked)))["q"]
    # The tool sorts by score, and ties by name.
    assert [item for item, _ in sorted(run.items(), key=lambda one: (-one[1], one[0]))] == [item for item, _ in ranked]
    assert len(set(run.values())) == len(ranked)


@pytest.mark.parametrize("wrong", ["", " ", "q 1", "q\t1", "q1\n"])
def test_a_questions_id_that_would_break_a_line_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidRequest, match="without spaces"):
        list(run_lines(wrong, [("a", 1.0)]))
