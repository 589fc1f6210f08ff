"""The timeline counts every passage once, in bars that follow one another without a gap."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.page.timeline import MOST_BARS, timeline

PARIS = ZoneInfo("Europe/Paris")
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))
SPREAD = st.tuples(MOMENTS, st.lists(st.integers(0, 10**9), min_size=1, max_size=20), st.sampled_from([1, 60, 3600, 40_000]))


@given(SPREAD, st.booleans())
def test_every_passage_is_in_the_bar_of_its_time(spread: tuple[datetime, list[int], int], day_only: bool) -> None:
    first, steps, unit = spread
    moments = {i: (first + timedelta(seconds=step % (2000 * unit)), day_only) for i, step in enumerate(steps)}
    drawn = timeline(moments, {0}, PARIS)
    if drawn is None:
        return
    assert drawn.total == len(moments)
    assert drawn.left_out == 0
    assert 2 <= len(drawn.bars) <= MOST_BARS
    assert sum(bar.shown for bar in drawn.bars) == 1
    assert all(one.until == other.since for one, other in zip(drawn.bars, drawn.bars[1:], strict=False))
    for bar in drawn.bars:
        since, until = bar.since.astimezone(UTC), bar.until.astimezone(UTC)
        assert since < until
        assert bar.count == sum(since <= at < until for at, _ in moments.values())
    assert drawn.bars[0].count
    assert drawn.bars[-1].count


@pytest.mark.parametrize(
    ("first", "last", "width"),
    [
        ("2023-05-23T06:25", "2023-05-23T06:58", timedelta(minutes=1)),
        ("2023-05-23T06:25", "2023-05-23T11:58", timedelta(minutes=10)),
        ("2023-05-23T06:25", "2023-06-23T11:58", timedelta(days=1)),
        ("2023-05-23T06:25", "2024-03-23T11:58", timedelta(days=7)),
    ],
)
def test_bars_are_as_fine_as_their_number_allows(first: str, last: str, width: timedelta) -> None:
    bounds = [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in (first, last)]
    drawn = timeline({i: (at, False) for i, at in enumerate(bounds)}, [], UTC)
    assert drawn is not None
    assert {bar.until - bar.since for bar in drawn.bars} == {width}


def test_weeks_begin_on_mondays_and_months_on_their_first() -> None:
    begin = datetime(2023, 5, 24, 12, tzinfo=UTC)
    weeks = timeline({1: (begin, False), 2: (begin + timedelta(days=200), False)}, [], UTC)
    months = timeline({1: (begin, False), 2: (begin + timedelta(days=1000), False)}, [], UTC)
    assert weeks is not None
    assert months is not None
    assert {bar.since.weekday() for bar in weeks.bars} == {0}
    assert {bar.since.day for bar in months.bars} == {1}


def test_what_is_known_to_the_day_has_no_place_among_hours() -> None:
    day = datetime(2023, 5, 23, tzinfo=UTC)
    hours = {1: (day.replace(hour=6), False), 2: (day.replace(hour=9), False), 3: (day, True), 4: (None, False)}
    drawn = timeline(hours, [], UTC)
    assert drawn is not None
    assert (drawn.total, drawn.left_out, drawn.bars[0].since) == (2, 2, day.replace(hour=6))
    # Where most are known to the day, days are drawn.
    days = {n: (day + timedelta(days=n), True) for n in range(3)} | {9: (day.replace(hour=6), False)}
    drawn = timeline(days, [], UTC)
    assert drawn is not None
    assert [bar.count for bar in drawn.bars] == [2, 1, 1]


@pytest.mark.parametrize("moments", [{}, {1: (None, False)}, {1: (datetime(2023, 5, 23, tzinfo=UTC), True)}])
def test_there_is_nothing_to_draw_of_one_time(moments: dict[int, tuple[datetime | None, bool]]) -> None:
    assert timeline(moments, [], UTC) is None


def test_an_hour_that_comes_twice_has_two_bars() -> None:
    # Clocks of Paris went back from 3 to 2 on 29 October 2023.
    begin = datetime(2023, 10, 29, 0, 10, tzinfo=UTC)
    drawn = timeline({1: (begin, False), 2: (begin + timedelta(hours=1), False)}, [], PARIS)
    assert drawn is not None
    assert [bar.count for bar in drawn.bars if bar.count] == [1, 1]
