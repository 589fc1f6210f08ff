"""When an entry was published."""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from index import dates
from index.errors import InvalidRequest

PARIS = ZoneInfo("Europe/Paris")


def clocks(text: str) -> list[time]:
    return [time(int(clock[:2]), int(clock[3:])) for clock in text.split()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Europe/Paris", PARIS),
        ("UTC", UTC),
        ("Etc/UTC", ZoneInfo("Etc/UTC")),
        ("+02:00", timezone(timedelta(hours=2))),
        ("-03:30", timezone(timedelta(hours=-3, minutes=-30))),
        ("+0200", timezone(timedelta(hours=2))),
        ("+00:00", UTC),
    ],
)
def test_a_zone_has_a_name_or_an_offset(name: str, expected: tzinfo) -> None:
    assert dates.zone(name) == expected


@pytest.mark.parametrize(
    "name",
    [
        "",
        "Europe/Pariss",
        "a/" * 600 + "b",
        "a" * 5000,
        "Europe/Par\0is",
        "paris",
        "Europe",
        "+",
        "-",
        "+25:00",
        "+2",
        "2",
        "../etc/passwd",
        "/etc/passwd",
        "a\0b",
        "\ud83d",
        "x" * 5000,
    ],
)
def test_a_zone_that_there_is_not_is_named(name: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        dates.zone(name)
    assert str(caught.value) == f"no time zone '{name}': give an IANA name such as Europe/Paris, or an offset such as +02:00"
    assert caught.value.field == "tz"


@given(st.integers(-24 * 3600 + 1, 24 * 3600 - 1))
def test_the_name_of_an_offset_is_read_back_as_the_same_offset(seconds: int) -> None:
    offset = timedelta(seconds=seconds)
    at = datetime(2023, 5, 23, tzinfo=timezone(offset))
    assert at.replace(tzinfo=dates.zone(dates.zone_name(at.tzinfo))).utcoffset() == offset


@pytest.mark.parametrize(
    ("of", "name"),
    [
        (PARIS, "Europe/Paris"),
        (UTC, "UTC"),
        (None, "UTC"),
        (timezone(timedelta(0)), "UTC"),
        (timezone(timedelta(hours=2), "CEST"), "+02:00"),
        (timezone(timedelta(minutes=-30)), "-00:30"),
    ],
)
def test_a_zone_is_stored_by_its_name(of: tzinfo | None, name: str) -> None:
    assert dates.zone_name(of) == name


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-05-23", "2023-05-23T00:00:00+02:00"),
        (" 2023-05-23 ", "2023-05-23T00:00:00+02:00"),
        ("20230523", "2023-05-23T00:00:00+02:00"),
        ("2023-01-23", "2023-01-23T00:00:00+01:00"),
        ("2023-05-23T11:58", "2023-05-23T11:58:00+02:00"),
        ("2023-05-23 11:58:30", "2023-05-23T11:58:30+02:00"),
        ("2023-05-23T11:58Z", "2023-05-23T11:58:00+00:00"),
        ("2023-05-23T11:58-04:00", "2023-05-23T11:58:00-04:00"),
        ("2023-05-23T11:58:30.123456789Z", "2023-05-23T11:58:30.123456+00:00"),
    ],
)
def test_a_moment_without_an_offset_is_in_the_zone(text: str, expected: str) -> None:
    assert dates.moment(text, PARIS).isoformat() == expected


@pytest.mark.parametrize(
    "text", ["", "mardi", "23/05/2023", "2023-13-01", "2023-02-30", "2023-05-23T25:00", "11h58", "\ud83d", "1684836000"]
)
def test_what_is_no_date_is_named_with_its_field(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        dates.moment(text, PARIS, "since")
    assert str(caught.value) == f"'{text}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"
    assert caught.value.field == "since"


def test_a_long_wrong_date_is_not_repeated_whole() -> None:
    with pytest.raises(InvalidRequest) as caught:
        dates.moment("x" * 1_000_000, PARIS)
    assert len(str(caught.value)) < 120


@given(st.text(max_size=30) | st.from_regex(r"\d{4}-?\d\d-?\d\d.?\d\d:?\d\d.{0,8}", fullmatch=True))
def test_any_text_is_a_moment_with_an_offset_or_refused(text: str) -> None:
    try:
        found = dates.moment(text, PARIS)
    except InvalidRequest:
        return
    assert found.utcoffset() is not None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Nothing to tell it from: the usual order.
        ("", True),
        ("11:58", True),
        ("11:58 11:58", True),
        ("11:58 07:58 07:44 06:35 06:25", True),
        ("06:25 06:35 07:44 11:58", False),
        ("08:00 07:00", True),
        ("07:00 08:00", False),
        # Midnight on the way.
        ("00:20 00:10 23:50 23:40", True),
        ("23:40 23:50 00:10 00:20", False),
        ("00:10 23:50", True),
        ("23:50 00:10", False),
        ("00:10 22:00 00:20 22:00 00:30 22:00", True),
        # As many steps this way as that: how far they go.
        ("00:10 23:50 23:40", True),
        ("23:40 23:50 00:10", False),
        ("12:00 11:40 11:42", True),
        ("11:42 11:40 12:00", False),
        # One entry out of order.
        ("12:00 11:40 11:42 11:30", True),
        ("11:30 11:42 11:40 12:00", False),
    ],
)
def test_the_order_of_a_page_is_that_of_most_of_its_steps(text: str, expected: bool) -> None:
    assert dates.newest_first(clocks(text)) == expected


@given(st.integers(0, 24 * 60 - 1), st.lists(st.integers(1, 300), min_size=1, max_size=20))
def test_a_page_turned_over_has_the_other_order(start: int, gaps: list[int]) -> None:
    # Entries at most five hours apart, over as many midnights as may be.
    minutes = [start]
    for gap in gaps:
        minutes.append(minutes[-1] + gap)
    page = [time(minute // 60 % 24, minute % 60) for minute in minutes]
    assert not dates.newest_first(page)
    assert dates.newest_first(page[::-1])
    days = [minute // (24 * 60) for minute in minutes]
    if all(gap < 23 * 60 for gap in gaps):
        assert dates.day_offsets(page, backwards=False) == [day - days[0] for day in days]
        assert dates.day_offsets(page[::-1], backwards=True) == [day - days[-1] for day in days[::-1]]


@pytest.mark.parametrize(
    ("text", "backwards", "expected"),
    [
        ("", True, []),
        ("11:58", True, [0]),
        ("11:58 07:58 07:44", True, [0, 0, 0]),
        ("00:10 23:50 22:00", True, [0, -1, -1]),
        ("08:00 17:00 09:00 18:00", True, [0, -1, -1, -2]),
        ("22:00 23:50 00:10 23:00 01:00", False, [0, 0, 1, 1, 2]),
        # The same minute twice, and an entry up to an hour out of order, are on the same day.
        ("11:58 11:58 11:40", True, [0, 0, 0]),
        ("12:00 11:40 11:42 11:30", True, [0, 0, 0, 0]),
        ("11:30 11:42 11:40 12:00", False, [0, 0, 0, 0]),
        ("12:00 11:00 11:59 10:00", True, [0, 0, 0, 0]),
        ("12:00 11:00 12:00 10:00", True, [0, 0, -1, -1]),
    ],
)
def test_days_are_counted_where_the_clock_passes_midnight(text: str, backwards: bool, expected: list[int]) -> None:
    assert dates.day_offsets(clocks(text), backwards) == expected


@pytest.mark.parametrize(
    ("day", "clock", "utc"),
    [
        (date(2023, 5, 23), time(11, 58), "2023-05-23T09:58:00+00:00"),
        (date(2023, 12, 23), time(11, 58), "2023-12-23T10:58:00+00:00"),
        # Clocks are set back from three to two: the first of two half past twos.
        (date(2023, 10, 29), time(2, 30), "2023-10-29T00:30:00+00:00"),
        # Clocks are set forward from two to three: there is no half past two.
        (date(2023, 3, 26), time(2, 30), "2023-03-26T01:30:00+00:00"),
    ],
)
def test_a_clock_is_read_in_the_zone_of_the_page(day: date, clock: time, utc: str) -> None:
    assert dates.instant(day, clock, PARIS).astimezone(UTC).isoformat() == utc


def test_midnight_is_the_first_moment_of_the_day_in_the_zone() -> None:
    assert dates.midnight(date(2023, 5, 23), PARIS).astimezone(UTC).isoformat() == "2023-05-22T22:00:00+00:00"


def test_days_are_moved_over_the_ends_of_months() -> None:
    assert [dates.shift(date(2024, 3, 1), -1), dates.shift(date(2023, 12, 31), 1)] == [date(2024, 2, 29), date(2024, 1, 1)]


def test_the_first_and_last_years_of_the_calendar_are_out_of_reach() -> None:
    reached = [dates.in_reach(day) for day in (date.min, date(2, 1, 1), date(2023, 5, 23), date(9998, 12, 31), date.max)]
    assert reached == [False, True, True, True, False]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2023-05-23", ("2023-05-23T00:00:00+02:00", "day")),
        ("23/05/2023", ("2023-05-23T00:00:00+02:00", "day")),
        ("05/23/2023", ("2023-05-23T00:00:00+02:00", "day")),
        ("Mardi 23 mai 2023", ("2023-05-23T00:00:00+02:00", "day")),
        ("1er janvier 2023", ("2023-01-01T00:00:00+01:00", "day")),
        ("May 23rd, 2023", ("2023-05-23T00:00:00+02:00", "day")),
        ("mar. 23 mai 2023", ("2023-05-23T00:00:00+02:00", "day")),
        ("Mar 23, 2023", ("2023-03-23T00:00:00+01:00", "day")),
        ("Mar, 23 mai 2023 11:58:00 +0200", ("2023-05-23T11:58:00+02:00", "second")),
        ("23 mai 2023 à 11h58", ("2023-05-23T11:58:00+02:00", "minute")),
        ("23/05/2023 11:58", ("2023-05-23T11:58:00+02:00", "minute")),
        ("2023-05-23T11:58", ("2023-05-23T11:58:00+02:00", "minute")),
        ("2023-05-23 11:58:30 +02:00", ("2023-05-23T11:58:30+02:00", "second")),
        ("2023-05-23T11:58:30.25Z", ("2023-05-23T11:58:30+00:00", "second")),
        ("2023-05-23T11:58:30-0400", ("2023-05-23T11:58:30-04:00", "second")),
        ("23 May 2023 11:58 BST", ("2023-05-23T11:58:00+01:00", "minute")),
        ("Tue, 23 May 2023 09:58:00 GMT", ("2023-05-23T09:58:00+00:00", "second")),
        ("Tue, 23 May 2023 11:58:00 +0200", ("2023-05-23T11:58:00+02:00", "second")),
        ("1684835880", ("2023-05-23T11:58:00+02:00", "second")),
        (1684835880000, ("2023-05-23T11:58:00+02:00", "second")),
        (1684835880.5, ("2023-05-23T11:58:00.500000+02:00", "second")),
    ],
)
def test_a_moment_is_read_as_feeds_tables_and_pages_write_it(text: object, expected: tuple[str, str]) -> None:
    found, precision = dates.reading(text, PARIS)
    assert (found.isoformat(), precision) == expected


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("31/02/2023", "there is no day '31/02/2023': correct it in the document"),
        ("31 février 2023", "there is no day '31 février 2023': correct it in the document"),
        ("2023-02-31T11:58", "there is no day '2023-02-31': correct it in the document"),
        ("Mercredi 23 mai 2023", "'Mercredi 23 mai 2023' names a weekday that 2023-05-23 was not: correct it in the document"),
        ("23 mai 2023 25h61", "there is no time of day '25h61': correct it in the document"),
        ("2023-05-23T25:61:00", "there is no time of day 'T25:61:00': correct it in the document"),
        ("hier", "'hier' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("23 mai", "'23 mai' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("2023-05-23 vers midi", "'2023-05-23 vers midi' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("", "'' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        (True, "'True' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ("0001-01-01", "'0001-01-01' is out of reach: years 2 to 9998"),
        ("Fri, 31 Feb 2023 09:58:00 GMT", None),
        ("Tue, 23 May 99999999999 09:58:00 GMT", None),
        ("Tue, 23 May 2023 09:58:00 +99999999999999", None),
    ],
)
def test_what_is_no_moment_is_named(text: object, reason: str | None) -> None:
    with pytest.raises(InvalidRequest) as caught:
        dates.reading(text, PARIS)
    assert reason is None or str(caught.value) == reason


@given(st.text(max_size=40) | st.from_regex(r"\d{1,4}[-/. ]\w{1,9}[-/. ]\d{1,4}.{0,12}", fullmatch=True) | st.integers())
@example(-62_135_596_801)  # a second before the year 1
@example(99_999_999_999_999)
def test_anything_is_a_moment_or_named_and_never_a_crash(text: object) -> None:
    try:
        found, precision = dates.reading(text, PARIS)
    except InvalidRequest:
        known = dates.salvaged(text, PARIS)
        assert known.published is None or known.clock is None
        assert known.kept.startswith("the entry is kept with")
        return
    assert found.utcoffset() is not None
    assert precision in ("second", "minute", "day")


@given(st.dates(date(2, 1, 1), date(9998, 12, 31)))
def test_a_day_written_in_any_usual_way_is_read_back(day: date) -> None:
    months = "janvier février mars avril mai juin juillet août septembre octobre novembre décembre".split()
    weekdays = "lundi mardi mercredi jeudi vendredi samedi dimanche".split()
    french = f"{weekdays[day.weekday()]} {day.day} {months[day.month - 1]} {day.year:04}"
    english = f"{day:%A}, {day:%B} {day.day}, {day.year:04}"
    for written in (french, french.upper(), english, day.isoformat(), f"{day.day}/{day.month}/{day.year:04}"):
        found = dates.written_day(written)
        assert found is not None
        assert (found.resolve(), found.end) == (day, len(written))
