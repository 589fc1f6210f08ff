"""The files that say which terms a passage has."""

from pathlib import Path

import numpy as np
import pytest

from index.forward import COUNTS, FILES, PLACES, Forward
from index.records import Ids


def some(*numbers: int) -> Ids:
    return np.array(numbers, dtype=np.int64)


@pytest.fixture
def forward(tmp_path: Path) -> Forward:
    return Forward(tmp_path, Forward.create(tmp_path))


def commit(forward: Forward) -> None:
    forward.write()
    forward.commit()


def often(forward: Forward, term: str, *ids: int) -> list[bool]:
    """Whether each passage has the term, by its score."""
    return [bool(score) for score in forward.counted.scored([{term: 1.0}], {term: 1}, 10, some(*ids))[:, 0]]


def test_what_was_added_last_counts_and_what_went_does_not(forward: Forward) -> None:
    forward.add(3, ["drone"])
    forward.add(1, ["drone", "kremlin"])
    commit(forward)
    forward.remove(some(3, 9))
    forward.add(1, ["kremlin"])
    forward.add(2, ["drone"])
    commit(forward)
    assert often(forward, "drone", 1, 2, 3, 9) == [False, True, False, False]
    assert often(forward, "kremlin", 1, 2, 3) == [True, False, False]
    # Only what is there has a length.
    assert forward.counted.lengths.tolist() == [1, 1]
    forward.add(3, ["drone"])
    commit(forward)
    assert often(forward, "drone", 3) == [True]


def test_what_is_not_written_and_committed_does_not_show(forward: Forward) -> None:
    forward.add(1, ["drone"])
    before = forward.counted
    forward.write()
    assert often(forward, "drone", 1) == [False]
    forward.commit()
    assert often(forward, "drone", 1) == [True]
    assert len(before.ids) == 0


def test_what_lies_behind_the_extents_is_written_over(tmp_path: Path, forward: Forward) -> None:
    forward.add(1, ["drone"])
    commit(forward)
    kept = dict(forward.extents)
    forward.add(2, ["drone", "drone", "kremlin"])
    commit(forward)
    # The process ended before anybody was told.
    again = Forward(tmp_path, kept)
    assert often(again, "drone", 1, 2) == [True, False]
    again.add(4, ["kremlin"])
    commit(again)
    assert often(again, "kremlin", 1, 2, 4) == [False, False, True]
    assert Forward.damaged(tmp_path, again.extents) is None
    assert [(tmp_path / name).stat().st_size for name in FILES] == [again.extents[name][0] for name in FILES]


@pytest.mark.parametrize("name", FILES)
def test_damage_is_named(tmp_path: Path, forward: Forward, name: str) -> None:
    forward.add(1, ["drone"])
    commit(forward)
    data = bytearray((tmp_path / name).read_bytes())
    data[-1] ^= 1
    (tmp_path / name).write_bytes(data)
    assert Forward.damaged(tmp_path, forward.extents) == name
    (tmp_path / name).write_bytes(data[:-1])
    assert Forward.damaged(tmp_path, forward.extents) == name
    with pytest.raises(ValueError, match="cut off"):
        Forward(tmp_path, forward.extents)


def test_a_term_that_never_ends_counts_as_often_as_can_be_written(forward: Forward) -> None:
    forward.add(1, ["drone"] * 70_000)
    forward.add(2, ["drone"] * 65_535)
    commit(forward)
    assert often(forward, "drone", 1, 2) == [True, True]
    assert forward.counted.lengths.tolist() == [70_000, 65_535]


def test_a_passage_without_terms_has_none(tmp_path: Path, forward: Forward) -> None:
    forward.add(1, [])
    commit(forward)
    assert often(forward, "drone", 1) == [False]
    assert (tmp_path / PLACES).stat().st_size == 24
    assert (tmp_path / COUNTS).stat().st_size == 0
