"""Which tier is chosen for how many vectors and how much memory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import TooLittleMemory
from index.tiers import LISTS_FROM, TIERS, bytes_each, choose, needed

PLENTY = 1 << 50


@pytest.mark.parametrize(
    ("count", "tier"),
    [
        (0, "exact"),
        (LISTS_FROM - 1, "exact"),
        (LISTS_FROM, "lists"),
        (10**9, "lists"),
    ],
)
def test_the_number_of_vectors_chooses(count: int, tier: str) -> None:
    assert choose(count, 384, PLENTY) == tier


def test_a_passage_takes_at_most_what_was_promised() -> None:
    assert all(bytes_each(tier, 384) <= 1100 for tier in ("quantised", "lists"))


@given(st.integers(0, 10**9), st.integers(0, 1 << 40), st.sampled_from(TIERS))
def test_what_is_chosen_fits_or_is_what_needs_least(count: int, memory: int, asked: str) -> None:
    tier = choose(count, 384, memory)
    least = min(TIERS, key=lambda one: needed(one, 384))
    assert count * needed(tier, 384) <= memory or tier == least
    if count * needed(asked, 384) <= memory:  # type: ignore[arg-type]
        assert choose(count, 384, memory, asked) == asked  # type: ignore[arg-type]
    else:
        with pytest.raises(TooLittleMemory):
            choose(count, 384, memory, asked)  # type: ignore[arg-type]


def test_too_little_memory_is_told_with_what_it_takes_and_what_would_do() -> None:
    with pytest.raises(TooLittleMemory) as caught:
        choose(10_000_000, 384, 8_000_000_000, "exact")
    assert str(caught.value) == (
        "the tier exact takes 15.4 GB of memory for 10,000,000 passages, and 8.0 GB are free: free some, choose quantised, "
        "which takes 680.0 MB, or leave the choice to filrouge"
    )
