"""Token buckets."""

from hypothesis import given, settings
from hypothesis import strategies as st

from api import rates
from api.rates import Rates


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_minutes_requests_may_come_at_once_and_then_as_they_fill() -> None:
    clock = Clock()
    found = Rates(120, clock)
    assert [found.wait("a") for _ in range(121)] == [0] * 120 + [1]
    clock.now = 0.5
    assert (found.wait("a"), found.wait("a")) == (0, 1)
    # Being refused costs nothing, and nobody pays for another.
    assert found.wait("b") == 0
    clock.now = 1.0
    assert found.wait("a") == 0


def test_it_says_when_to_come_again_and_then_there_is_one() -> None:
    clock = Clock()
    found = Rates(1, clock)
    assert found.wait("a") == 0
    assert found.wait("a") == 60
    clock.now = 59.9
    assert found.wait("a") == 1
    clock.now = 60
    assert found.wait("a") == 0


@settings(deadline=None)
@given(st.integers(1, 600), st.lists(st.floats(0, 120), max_size=300))
def test_in_no_time_pass_more_than_a_minutes_and_what_filled(per_minute: int, pauses: list[float]) -> None:
    clock = Clock()
    found = Rates(per_minute, clock)
    passed = 0
    for pause in pauses:
        clock.now += pause
        passed += found.wait("a") == 0
        assert passed <= per_minute + clock.now * per_minute / 60 + 1e-6


def test_only_so_many_are_remembered() -> None:
    found = Rates(10, Clock())
    for number in range(rates.MOST + 500):
        found.wait(str(number))
    assert len(found._left) == rates.MOST
    # Those who came last are still known.
    assert str(rates.MOST + 499) in found._left
    assert "0" not in found._left
