"""Days that a phrase names: these days, or days that come again each week, month or year."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from index.when import local
from index.when.phrases import Unreal, Why

# 29 February on a given weekday comes every 28 years, or 40 over a century that is no leap year.
_YEARS = 41


@dataclass(frozen=True)
class Days:
    """Calendar days `[first, until)`."""

    first: date
    until: date


@dataclass(frozen=True)
class Weekly:
    """A weekday, Monday being 0."""

    weekday: int

    def back(self, day: date) -> Iterator[Days]:
        """Those that began by `day`, the latest first."""
        nearest = local.later(day, -((day.weekday() - self.weekday) % 7))
        yield one_day(nearest)
        yield one_day(local.later(nearest, -7))

    def forth(self, day: date) -> Iterator[Days]:
        """Those that begin on `day` or later, the earliest first."""
        yield one_day(local.later(day, (self.weekday - day.weekday()) % 7))


@dataclass(frozen=True)
class Monthly:
    """A day of the month that is this weekday."""

    day: int
    weekday: int

    def _in(self, first: date) -> Iterator[Days]:
        if self.day <= local.last_of_month(first) and first.replace(day=self.day).weekday() == self.weekday:
            yield one_day(first.replace(day=self.day))

    def back(self, day: date) -> Iterator[Days]:
        """Those that began by `day`, the latest first."""
        for months in range(12 * _YEARS):
            yield from (days for days in self._in(local.months_later(day.replace(day=1), -months)) if days.first <= day)

    def forth(self, day: date) -> Iterator[Days]:
        """Those that begin on `day` or later, the earliest first."""
        for months in range(12 * _YEARS):
            yield from (days for days in self._in(local.months_later(day.replace(day=1), months)) if days.first >= day)


@dataclass(frozen=True)
class Yearly:
    """What each year has once; `of` raises `Unreal` for a year that has none."""

    of: Callable[[int], Days]

    def _of(self, year: int) -> Iterator[Days]:
        try:
            yield self.of(year)
        except Unreal:
            return

    def back(self, day: date) -> Iterator[Days]:
        """Those that began by `day`, the latest first."""
        for year in range(day.year, day.year - _YEARS, -1):
            yield from (days for days in self._of(year) if days.first <= day)

    def forth(self, day: date) -> Iterator[Days]:
        """Those that begin on `day` or later, the earliest first."""
        for year in range(day.year, day.year + _YEARS):
            yield from (days for days in self._of(year) if days.first >= day)


Named = Days | Weekly | Monthly | Yearly


def one_day(day: date) -> Days:
    """That day."""
    return Days(day, local.later(day, 1))


def _found(days: Days | None) -> Days:
    if days is None:
        raise Unreal(Why.DAY)
    return days


def latest(named: Named, today: date) -> Days:
    """The most recent that has begun; today where today is one.

    >>> latest(Weekly(1), date(2023, 5, 24)).first, latest(Weekly(1), date(2023, 5, 23)).first
    (datetime.date(2023, 5, 23), datetime.date(2023, 5, 23))
    """
    return named if isinstance(named, Days) else _found(next(named.back(today), None))


def last(named: Named, today: date) -> Days:
    """The most recent that is over before today."""
    if isinstance(named, Days):
        return named
    return _found(next((days for days in named.back(today) if days.until <= today), None))


def following(named: Named, today: date) -> Days:
    """The first that begins after today."""
    return named if isinstance(named, Days) else _found(next(named.forth(local.later(today, 1)), None))


def first_from(named: Named, day: date) -> Days:
    """The first that begins on `day` or later."""
    return named if isinstance(named, Days) else _found(next(named.forth(day), None))


def week_of(day: date) -> Days:
    """Its week, from Monday."""
    monday = local.later(day, -day.weekday())
    return Days(monday, local.later(monday, 7))


def month_of(year: int, month: int, months: int = 1) -> Days:
    """So many months, from that one."""
    first = local.day_of(year, month, 1)
    return Days(first, local.months_later(first, months))


def year_of(year: int, years: int = 1) -> Days:
    """So many years, from that one."""
    return Days(local.day_of(year, 1, 1), local.day_of(year + years, 1, 1))


def date_of(day: int, month: int, year: int | None, weekday: int | None) -> Named:
    """A date, perhaps without its year; raises `Unreal` for one that no year has, or that is another weekday."""
    if year is None:
        local.day_of(2024, month, day)  # a leap year: 29 February is a day

        def of(some: int) -> Days:
            found = local.day_of(some, month, day)
            if weekday is not None and found.weekday() != weekday:
                raise Unreal(Why.WEEKDAY)
            return one_day(found)

        return Yearly(of)
    found = local.day_of(year, month, day)
    if weekday is not None and found.weekday() != weekday:
        raise Unreal(Why.WEEKDAY)
    return one_day(found)
