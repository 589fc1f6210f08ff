"""Entries over time, where clocks are changed and days are all that is known."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.errors import InvalidRequest
from index.histogram import FEW_BARS, Tally, facets, histogram
from index.records import STEPS, Step
from index.store import Dated

PARIS = ZoneInfo("Europe/Paris")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def entry(
    moment: datetime | None, source: str = "a", lang: str = "fr", day_only: bool = False, tz: str = "Europe/Paris"
) -> Dated:
    micros = None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)
    return Dated(micros, None if moment is None else tz, day_only, source, lang, 2)


def at(*when: int, zone: ZoneInfo = PARIS, fold: int = 0) -> datetime:
    return datetime(*when, tzinfo=zone, fold=fold)  # type: ignore[arg-type, misc]


def bars(entries: list[Dated], step: Step | None = None, zone: ZoneInfo = PARIS) -> list[tuple[str, int]]:
    return [(bar.since.isoformat(), bar.count.entries) for bar in histogram(entries, zone, step).bars]


def test_hours_in_spring_are_twenty_three_a_day_and_twenty_five_in_autumn() -> None:
    for day, hours in ((at(2023, 3, 26), 23), (at(2023, 10, 29), 25), (at(2023, 5, 23), 24)):
        last = datetime(day.year, day.month, day.day, 23, 59, tzinfo=PARIS)
        found = bars([entry(day), entry(last)], "hour")
        assert len(found) == hours
        assert (found[0][1], found[-1][1], sum(count for _, count in found)) == (1, 1, 2)


def test_an_hour_that_clocks_show_twice_has_two_bars() -> None:
    found = bars([entry(at(2023, 10, 29, 2, 30)), entry(at(2023, 10, 29, 2, 40, fold=1))], "hour")
    assert found == [("2023-10-29T02:00:00+02:00", 1), ("2023-10-29T02:00:00+01:00", 1)]


def test_days_begin_at_midnight_on_either_side_of_a_change() -> None:
    moments = [at(2023, 3, 25, 23, 59), at(2023, 3, 26, 0, 0), at(2023, 3, 26, 23, 59), at(2023, 3, 27, 0, 0)]
    assert bars([entry(one) for one in moments], "day") == [
        ("2023-03-25T00:00:00+01:00", 1),
        ("2023-03-26T00:00:00+01:00", 2),
        ("2023-03-27T00:00:00+02:00", 1),
    ]


def test_weeks_begin_on_mondays_and_months_and_years_where_they_do() -> None:
    some = [entry(at(2022, 12, 31, 23, 30)), entry(at(2023, 1, 2, 0, 30))]
    assert [since[:10] for since, _ in bars(some, "week")] == ["2022-12-26", "2023-01-02"]
    assert [since[:10] for since, _ in bars(some, "month")] == ["2022-12-01", "2023-01-01"]
    assert [since[:10] for since, _ in bars(some, "year")] == ["2022-01-01", "2023-01-01"]
    # In another zone the same instants are of other years.
    assert [since[:10] for since, _ in bars(some, "year", ZoneInfo("America/New_York"))] == ["2022-01-01", "2023-01-01"]
    assert bars([entry(at(2023, 1, 1, 3))], "year", ZoneInfo("America/New_York")) == [("2022-01-01T00:00:00-05:00", 1)]


def test_an_entry_of_which_the_day_is_known_is_in_that_day_wherever_it_was() -> None:
    tokyo = entry(at(2023, 5, 23, zone=ZoneInfo("Asia/Tokyo")), day_only=True, tz="Asia/Tokyo")
    assert bars([tokyo], "day") == [("2023-05-23T00:00:00+02:00", 1)]
    assert facets([tokyo], PARIS)["day"] == {"2023-05-23": Tally(1, 2)}


def test_what_no_bar_can_hold_is_counted_apart() -> None:
    some = [entry(None), entry(at(2023, 5, 23), day_only=True), entry(at(2023, 5, 23, 11))]
    hours = histogram(some, PARIS, "hour")
    assert (hours.undated, hours.day_only, [bar.count.entries for bar in hours.bars]) == (Tally(1, 2), Tally(1, 2), [1])
    days = histogram(some, PARIS, "day")
    assert (days.undated, days.day_only, [bar.count.entries for bar in days.bars]) == (Tally(1, 2), Tally(), [2])
    # Of its own accord it takes no step that leaves any out.
    assert histogram(some, PARIS).step == "day"
    assert histogram([entry(None)], PARIS).bars == []
    assert histogram([], PARIS).total == Tally()


@pytest.mark.parametrize(
    ("span", "step"),
    [
        (timedelta(minutes=5), "hour"),
        (timedelta(hours=60), "hour"),
        (timedelta(hours=70), "day"),
        (timedelta(days=60), "day"),
        (timedelta(days=100), "week"),
        (timedelta(days=800), "month"),
        (timedelta(days=9000), "year"),
        (timedelta(days=90000), "year"),
    ],
)
def test_a_step_that_nobody_chose_makes_few_bars(span: timedelta, step: Step) -> None:
    made = histogram([entry(at(1750, 1, 1)), entry(at(1750, 1, 1) + span)], PARIS)
    assert made.step == step
    assert len(made.bars) <= FEW_BARS or step == "year"


def test_a_step_that_makes_too_many_bars_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="a step of one hour makes more than 5000 bars") as caught:
        histogram([entry(at(2020, 1, 1)), entry(at(2023, 1, 1))], PARIS, "hour")
    assert caught.value.field == "step"


def test_bars_and_facets_can_be_split() -> None:
    some = [entry(at(2023, 5, 23), "a", "fr"), entry(at(2023, 5, 23), "b", "en"), entry(at(2023, 5, 25), "b", "fr")]
    made = histogram(some, PARIS, "day", "source")
    assert [dict(bar.parts) for bar in made.bars] == [{"a": Tally(1, 2), "b": Tally(1, 2)}, {}, {"b": Tally(1, 2)}]
    assert [list(bar.parts) for bar in histogram(some, PARIS, "day", "lang").bars] == [["en", "fr"], [], ["fr"]]
    by = facets(some, PARIS)
    assert (by["source"], by["lang"]) == ({"b": Tally(2, 4), "a": Tally(1, 2)}, {"fr": Tally(2, 4), "en": Tally(1, 2)})
    assert list(by["day"]) == ["2023-05-23", "2023-05-25"]


moments = st.integers(-2_000_000_000, 4_000_000_000).map(lambda seconds: EPOCH + timedelta(seconds=seconds))
zones = st.sampled_from(
    ["Europe/Paris", "America/Sao_Paulo", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC"]
)


@given(st.lists(st.tuples(moments, st.booleans()), min_size=1, max_size=20), st.sampled_from(STEPS[1:]), zones)
@settings(max_examples=80, deadline=None)
def test_bars_follow_one_another_and_hold_every_entry(some: list[tuple[datetime, bool]], step: Step, name: str) -> None:
    zone = ZoneInfo(name)
    entries = [
        entry(datetime(local.year, local.month, local.day, tzinfo=zone) if day_only else moment, day_only=day_only, tz=name)
        for moment, day_only in some
        if (local := moment.astimezone(zone))
    ]
    try:
        made = histogram(entries, zone, step)
    except InvalidRequest:
        assert step in ("day", "week")
        return
    assert all(former.until == later.since for former, later in zip(made.bars, made.bars[1:], strict=False))
    assert made.bars[0].count.entries
    assert made.bars[-1].count.entries
    # A bar is what its own local dates say.
    length = {"day": 10, "month": 7, "year": 4}.get(step)
    if length:
        dates = Counter(moment.astimezone(zone).isoformat()[:length] for moment, _ in some)
        assert {bar.since.isoformat()[:length]: bar.count.entries for bar in made.bars if bar.count.entries} == dates
    assert sum(bar.count.entries for bar in made.bars) == len(entries)
