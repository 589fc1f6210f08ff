"""Local calendars: days and clocks of a zone to instants, over the nights on which clocks change."""

from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo

from index.when.phrases import Unreal, Why

_TICK = timedelta(microseconds=1)
DAY = 24 * 60
"""Minutes of a day on its clocks."""


def day_of(year: int, month: int, day: int) -> date:
    """The day of that name; raises `Unreal` for 31 February and for years out of reach."""
    if not 2 <= year <= 9998:
        raise Unreal(Why.REACH)
    try:
        return date(year, month, day)
    except ValueError as error:
        raise Unreal(Why.DAY) from error


def later(day: date, days: int) -> date:
    """`day` moved by whole days."""
    try:
        moved = day + timedelta(days=days)
    except OverflowError as error:
        raise Unreal(Why.REACH) from error
    return _reached(moved)


def _reached(day: date) -> date:
    if not 2 <= day.year <= 9998:
        raise Unreal(Why.REACH)
    return day


def months_later(day: date, months: int) -> date:
    """`day` moved by whole months; the last day of a month that is too short for it.

    >>> months_later(date(2024, 3, 31), -1)
    datetime.date(2024, 2, 29)
    """
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    first = day_of(year, month + 1, 1)
    return first.replace(day=min(day.day, last_of_month(first)))


def last_of_month(day: date) -> int:
    """How many days the month of `day` has."""
    first = date(day.year, day.month, 1)
    following = date(day.year + day.month // 12, day.month % 12 + 1, 1)
    return (following - first).days


def _on_clocks(day: date, minutes: int) -> datetime:
    return datetime.combine(later(day, minutes // DAY), time(minutes % DAY // 60, minutes % 60))


def fixed(moment: datetime, zone: tzinfo) -> datetime:
    """The same instant as clocks of the zone show it, with the offset that they have then."""
    shown = moment.astimezone(zone)
    return shown.replace(tzinfo=timezone(shown.utcoffset() or timedelta()), fold=0)


def begins(day: date, minutes: int, zone: tzinfo) -> datetime:
    """The first instant at which clocks show so many minutes after the midnight of `day`, or more.

    >>> from zoneinfo import ZoneInfo
    >>> begins(date(2023, 10, 29), 150, ZoneInfo("Europe/Paris")).isoformat()
    '2023-10-29T02:30:00+02:00'
    """
    shown = _on_clocks(day, minutes).replace(tzinfo=zone)
    return fixed(shown.astimezone(UTC) if _shown(shown, zone) else _jump(shown), zone)


def ends(day: date, minutes: int, zone: tzinfo) -> datetime:
    """The first instant after the last at which clocks show less than so many minutes after the midnight of `day`.

    >>> from zoneinfo import ZoneInfo
    >>> ends(date(2023, 10, 29), 150, ZoneInfo("Europe/Paris")).isoformat()
    '2023-10-29T02:30:00+01:00'
    """
    before = (_on_clocks(day, minutes) - _TICK).replace(tzinfo=zone, fold=1)
    return fixed(before.astimezone(UTC) + _TICK if _shown(before, zone) else _jump(before), zone)


def _jump(shown: datetime) -> datetime:
    """The instant at which clocks jump over what they never show."""
    early, late = shown.replace(fold=1).astimezone(UTC), shown.replace(fold=0).astimezone(UTC)
    before = early.astimezone(shown.tzinfo).utcoffset()
    while late - early > _TICK:
        middle = early + (late - early) // 2
        early, late = (middle, late) if middle.astimezone(shown.tzinfo).utcoffset() == before else (early, middle)
    return late


def _shown(moment: datetime, zone: tzinfo) -> bool:
    return moment.astimezone(UTC).astimezone(zone).replace(tzinfo=None, fold=0) == moment.replace(tzinfo=None, fold=0)


def is_shown(day: date, minutes: int, zone: tzinfo, until: bool = False) -> bool:
    """Whether clocks ever show that minute; with `until`, whether they show the moment before.

    >>> from zoneinfo import ZoneInfo
    >>> [is_shown(date(2023, 3, 26), minutes, ZoneInfo("Europe/Paris")) for minutes in (119, 120, 150, 180)]
    [True, False, False, True]
    """
    moment = _on_clocks(day, minutes) - (_TICK if until else timedelta())
    return _shown(moment.replace(tzinfo=zone), zone)
