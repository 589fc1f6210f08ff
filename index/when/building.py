"""What rules of either language make of what they fit: days, spans and points from numbers, units and names."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from index.records import Window
from index.when import days, local, parts
from index.when.clock import Clock, part, within
from index.when.days import Days, Named, Yearly
from index.when.grammar import Match
from index.when.phrases import Unreal, Why
from index.when.readings import Moment, Reading, Side
from index.when.vocabulary import FEW

_MINUTES: Mapping[str, int] = {"minute": 1, "hour": 60}
_DAYS: Mapping[str, int] = {"day": 1, "week": 7, "fortnight": 14}
_MONTHS: Mapping[str, int] = {"month": 1, "quarter": 3, "year": 12, "decade": 120}


@dataclass(frozen=True)
class Duration:
    """So many units; `more` minutes beside; `few` where the number is not said."""

    count: int
    unit: str
    more: int = 0
    few: bool = False


def few(unit: str) -> Duration:
    """No more than what *a few* is taken for."""
    return Duration(FEW[unit], unit, few=True)


def halves(count: int, unit: str) -> Duration | None:
    """So many and a half."""
    minutes, whole = _MINUTES.get(unit, 0), _DAYS.get(unit, 0)
    if minutes:
        return Duration(count, unit, more=minutes // 2)
    if whole:
        return Duration(count * whole + whole // 2, "day")
    return Duration(count * _MONTHS[unit] + _MONTHS[unit] // 2, "month") if _MONTHS[unit] > 1 else None


def _minutes(duration: Duration) -> timedelta:
    return timedelta(minutes=duration.count * _MINUTES[duration.unit] + duration.more)


def day_before(today: date, duration: Duration) -> date:
    """The day so long before today (after it, for a negative number)."""
    if duration.unit in _DAYS:
        return local.later(today, -duration.count * _DAYS[duration.unit])
    return local.months_later(today, -duration.count * _MONTHS[duration.unit])


def ago(duration: Duration, moment: Moment) -> Reading:
    """So long ago: the day of days and weeks, the calendar month or year of months and years, the time around of hours.

    A few days ago is from the most that *a few* may be to two.
    """
    if duration.few:
        latest = since(replace(duration, count=1), moment)
        return Reading(exact=Window(since(duration, moment), latest))
    if duration.unit in _MINUTES:
        at, margin = moment.ago(_minutes(duration)), timedelta(minutes=30 if duration.unit == "hour" else 5)
        ended = min(at + margin, moment.now)
        return Reading(exact=Window(local.fixed(at - margin, moment.zone), local.fixed(max(ended, at), moment.zone)))
    return Reading(days=_around(day_before(moment.today, duration), duration.unit))


def _around(day: date, unit: str) -> Days:
    if unit in ("month", "quarter"):
        return days.month_of(day.year, day.month)
    return days.year_of(day.year) if unit in ("year", "decade") else days.one_day(day)


def ahead(duration: Duration, moment: Moment) -> Reading:
    """So long from now, as `ago` is before it."""
    if duration.few:
        return during(duration, moment, future=True)
    if duration.unit in _MINUTES:
        at, margin = moment.ago(-_minutes(duration)), timedelta(minutes=30 if duration.unit == "hour" else 5)
        begun = max(at - margin, moment.now)
        return Reading(exact=Window(local.fixed(begun, moment.zone), local.fixed(at + margin, moment.zone)))
    return Reading(days=_around(day_before(moment.today, replace(duration, count=-duration.count)), duration.unit))


def since(duration: Duration, moment: Moment) -> datetime:
    """The instant so long before now; of days and more, the midnight that the day then began with."""
    if duration.unit in _MINUTES:
        return moment.ago(_minutes(duration))
    return local.begins(day_before(moment.today, duration), 0, moment.zone)


def during(duration: Duration, moment: Moment, future: bool = False) -> Reading:
    """So long until now, or from now; whole days of the calendar for days and more."""
    if not future:
        return Reading(exact=Window(since(duration, moment), _now(moment)))
    if duration.unit in _MINUTES:
        return Reading(exact=Window(_now(moment), moment.ago(-_minutes(duration))))
    last = day_before(moment.today, replace(duration, count=-duration.count))
    return Reading(exact=Window(_now(moment), local.begins(local.later(last, 1), 0, moment.zone)))


def _now(moment: Moment) -> datetime:
    return local.fixed(moment.now, moment.zone)


def so_far(named: Days, moment: Moment) -> Reading:
    """From the beginning of those days until now; a minute at least."""
    begun = local.begins(named.first, 0, moment.zone)
    return Reading(exact=Window(begun, max(_now(moment), local.fixed(begun + timedelta(minutes=1), moment.zone))))


def relative(unit: str, away: int, today: date) -> Days:
    """The week, month or year that today is in, or one so many before or after.

    >>> relative("month", -1, date(2026, 1, 31))
    Days(first=datetime.date(2025, 12, 1), until=datetime.date(2026, 1, 1))
    """
    if unit == "day":
        return days.one_day(local.later(today, away))
    if unit == "week":
        return days.week_of(local.later(today, 7 * away))
    if unit == "month":
        first = local.months_later(today.replace(day=1), away)
        return days.month_of(first.year, first.month)
    if unit == "quarter":
        first = local.months_later(date(today.year, 1 + (today.month - 1) // 3 * 3, 1), 3 * away)
        return days.month_of(first.year, first.month, 3)
    if unit == "decade":
        return days.year_of(today.year // 10 * 10 + 10 * away, 10)
    return days.year_of(today.year + away)


def weekend(today: date, away: int) -> Days:
    """Saturday and Sunday: the latest that has begun, the one that is over (-1), or the next that begins (+1).

    >>> weekend(date(2023, 5, 23), 0) == weekend(date(2023, 5, 23), -1) == Days(date(2023, 5, 20), date(2023, 5, 22))
    True
    """
    saturday = local.later(today, -((today.weekday() - 5) % 7))
    if away < 0 and today.weekday() >= 5:
        saturday = local.later(saturday, -7)
    elif away > 0:
        saturday = local.later(saturday, 7)
    return Days(saturday, local.later(saturday, 2))


def third(unit: str, which: str, of: Days) -> Days:
    """The beginning, the middle or the end of a week, a month, a year or a decade."""
    if unit == "week":
        return Days(*parts.third_of_week(of.first, which))
    if unit == "month":
        return Days(*parts.third_of_month(of.first.year, of.first.month, which))
    if unit in ("decade", "century"):
        return Days(*parts.third_of_decade(of.first.year, which, 10 if unit == "decade" else 100))
    return Days(*parts.third_of_year(of.first.year, which))


def month(number: int, year: int | None, which: str | None = None) -> Named:
    """A month or a third of it, of that year or of every one."""

    def of(some: int) -> Days:
        whole = days.month_of(some, number)
        return third("month", which, whole) if which else whole

    return of(year) if year is not None else Yearly(of)


def months(first: int, count: int, year: int | None) -> Named:
    """A season, a quarter or a half, of that year or of every one."""
    return days.month_of(year, first, count) if year is not None else Yearly(lambda some: days.month_of(some, first, count))


def week_of_month(month: Named, which: int | None) -> Named | None:
    """Its first seven days, the second, third or fourth; its last seven without a number."""
    if isinstance(month, Yearly):
        return Yearly(lambda year: _seven(month.of(year), which))
    return _seven(month, which) if isinstance(month, Days) else None


def _seven(month: Days, which: int | None) -> Days:
    first = local.later(month.until, -7) if which is None else local.later(month.first, 7 * (which - 1))
    return Days(first, local.later(first, 7))


def weekend_of(day: date) -> Days:
    """The weekend that the day is in, else the one after it."""
    saturday = local.later(day, (5 - day.weekday()) if day.weekday() < 6 else -1)
    return Days(saturday, local.later(saturday, 2))


def by(named: Named, moment: Moment) -> Reading | None:
    """From now to the end of the next such day; None where that is past."""
    days_ = days.following(named, moment.today)
    ends = local.begins(days_.until, 0, moment.zone)
    return Reading(exact=Window(_now(moment), ends)) if ends > moment.now else None


def verse(match: Match) -> bool:
    """Whether it is *John 3:16*: a name before, and a colon after one digit."""
    before = match.before()
    colon = len(match.tokens) > 1 and match.tokens[1].gap == ":" and len(match.tokens[0].form) == 1
    return colon and before is not None and before.capital and match.start > 1


def dashed(match: Match) -> bool:
    """Whether a dash stands between two tokens that fit."""
    return any(token.gap.strip() in ("-", "‐", "‑", "–", "—") for token in match.tokens[1:])


def in_week(weekday: int, week: Days) -> Days:
    """That weekday of that week."""
    return days.one_day(local.later(week.first, weekday))


def point(named: Named | None, part_: Clock | None, clock: Clock | None) -> Reading:
    """A day, a part of it, and a time of day within that."""
    if clock is not None and part_ is not None:
        clock = within(clock, part_)
    elif clock is not None and named is not None and clock.midnight:
        clock = within(clock, Clock(0, local.DAY))
    return Reading(days=named, clock=clock or part_)


def night(day: Named, until: Named | None, moment: Moment, name: str) -> Reading:
    """The night that begins on that day; `until`, where it is said, must be the day after."""
    begun = days.latest(day, moment.today)
    if until is not None and days.first_from(until, begun.until) != days.one_day(begun.until):
        raise Unreal(Why.BACKWARDS)
    return Reading(days=begun, clock=part(name))


def spoken_clock(match: Match) -> bool:
    """Whether nothing after an hour says that it is a distance or a duration: *à deux heures de route*."""
    following, beyond = match.after(), match.after(1)
    if following is None or following.form not in ("de", "d", "sur"):
        return True
    return following.form != "sur" and beyond is not None and beyond.form in ("l", "nuit", "la")


def sided(side: Side, reading: Reading) -> Reading | None:
    """That side of what is read; None where it has a side already."""
    if reading.side is not Side.ITSELF:
        return None
    if reading.exact is None:
        return replace(reading, side=side)
    whole = reading.exact
    if whole.since is None or whole.until is None:
        return None
    after = {Side.SINCE: Window(whole.since, None), Side.AFTER: Window(whole.until, None)}
    return Reading(exact=after.get(side) or Window(None, whole.since if side is Side.BEFORE else whole.until))
