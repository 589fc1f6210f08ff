"""Counts on the wire."""

from api.counting import MOST_VALUES, TallyOut, ValueOut, values_out
from index.histogram import Tally


def test_values_are_listed_in_their_order_and_the_last_of_many_are_one() -> None:
    few = {"b": Tally(2, 3), "a": Tally(1, 1)}
    assert values_out(few) == [ValueOut(value="b", entries=2, passages=3), ValueOut(value="a", entries=1, passages=1)]
    many = values_out({f"{n:03}": Tally(1, 2) for n in range(MOST_VALUES + 5)})
    assert (len(many), many[-1]) == (MOST_VALUES + 1, ValueOut(value=None, entries=5, passages=10))
    assert values_out({}) == []


def test_a_count_has_entries_and_passages() -> None:
    assert list(TallyOut.model_fields) == ["entries", "passages"]
