"""Batches hold every text once, in few shapes, and end together."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed.packing import Batch, batches, packs, regular
from embed.pieces import Tokens

BUDGET = 512


def cut(lengths: Sequence[int], places: Sequence[int]) -> list[Tokens]:
    """Tokens that tell which text they are of."""
    return [Tokens([place + 2] * lengths[place], [(place, place)] * lengths[place]) for place in places]


def packed(lengths: Sequence[int], lanes: int = 1) -> list[Batch]:
    """Batches of texts of so many tokens, each of four letters."""
    return list(batches(["mot " * length for length in lengths], partial(cut, lengths), lanes))


@given(st.lists(st.integers(0, 140) | st.integers(0, 3000), max_size=80), st.integers(1, 5))
def test_batches_hold_every_text_once_within_the_budget(lengths: list[int], lanes: int) -> None:
    seen: list[int] = []
    for batch in packed(lengths, lanes):
        longest = max(lengths[at] for at in batch.places)
        assert batch.ids.shape == batch.mask.shape
        # A question alone has one of two lengths.
        alone = len(batch.places) == 1 and longest <= 32
        assert batch.ids.shape == (len(batch.places), (16 if longest <= 16 else 32) if alone else regular(longest))
        assert batch.ids.size <= BUDGET or len(batch.places) == 1
        for place, tokens, row, used in zip(batch.places, batch.tokens, batch.ids, batch.mask, strict=True):
            assert row[: lengths[place]].tolist() == tokens.ids == [place + 2] * lengths[place]
            assert set(row[lengths[place] :].tolist()) <= {1}
            assert used.tolist() == [1] * lengths[place] + [0] * (len(used) - lengths[place])
        seen.extend(batch.places)
    assert sorted(seen) == list(range(len(lengths)))


def test_the_places_of_texts_that_are_shorter_than_their_letters_say_are_right() -> None:
    texts = ["mot " * 400, "a", "b" * 300]
    lengths = [400, 1, 2]
    found = {
        place: tokens.ids
        for batch in batches(texts, partial(cut, lengths))
        for place, tokens in zip(batch.places, batch.tokens, strict=True)
    }
    assert found == {place: [place + 2] * length for place, length in enumerate(lengths)}


def test_batches_come_in_few_shapes() -> None:
    lot = np.random.default_rng(1)
    shapes = set()
    for count in range(1, 200):
        for batch in packed(lot.integers(1, 129, count).tolist(), 2):
            rows, longest = batch.ids.shape
            assert rows % 4 == 0 or rows < 4
            assert longest % (16 if longest > 48 else 8 if longest > 24 else 4) == 0
            shapes.add((rows, longest))
    # As they are, those texts come in 129 lengths, and several hundred shapes.
    assert len(shapes) < 80


def test_little_is_padding() -> None:
    lengths = np.random.default_rng(2).integers(20, 129, 1000).tolist()
    padded = sum(batch.ids.size for batch in packed(lengths, 2))
    assert sum(lengths) <= padded < 1.15 * sum(lengths)


@pytest.mark.parametrize("lanes", [1, 2, 4])
@pytest.mark.parametrize(
    "lengths", [[16] * 16, [100] * 24, [400] * 8, list(range(20, 120))], ids=["questions", "some", "long", "mixed"]
)
def test_lanes_end_at_about_the_same_time(lengths: list[int], lanes: int) -> None:
    ends = [0] * lanes
    for batch in packed(lengths, lanes):
        ends[ends.index(min(ends))] += batch.ids.size
    assert min(ends) > 0
    assert max(ends) - min(ends) <= max(192, regular(max(lengths)))


def test_a_batch_comes_before_all_texts_are_cut() -> None:
    asked: list[int] = []

    def counted(places: Sequence[int]) -> list[Tokens]:
        asked.extend(places)
        return cut([100] * 500, places)

    source = batches(["mot " * 100] * 500, counted, 2)
    next(source)
    assert len(asked) < 50
    rest = list(source)
    assert len(asked) == 500
    assert all(len(batch.places) == 4 for batch in rest[:100])


def test_nothing_is_in_no_batch() -> None:
    assert packed([]) == []
    assert list(packs([], 10)) == []


@pytest.mark.parametrize("length", [1, 2, 4, 23, 24, 25, 48, 49, 80, 255, 256, 511, 512, 513, 3000, 8192])
def test_a_length_is_rounded_up_by_little(length: int) -> None:
    step = 4 if length <= 24 else 8 if length <= 48 else max(16, length / 16)
    assert length <= regular(length) < length + step
    assert regular(regular(length)) == regular(length)
