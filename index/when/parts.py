"""Where the parts of a day, a month, a week, a year and a decade begin and end; everything that is vague is decided here."""

from collections.abc import Mapping
from datetime import date

from index.when import local

Minutes = tuple[int, int]


def _hours(first: float, until: float) -> Minutes:
    return int(first * 60), int(until * 60)


PARTS: Mapping[str, Minutes] = {
    "morning": _hours(5, 12),
    "noon": _hours(12, 14),
    "afternoon": _hours(12, 18),
    "evening": _hours(18, 24),
    # Into the next day; an English night begins with the evening, a French one does not.
    "nuit": _hours(22, 30),
    "night": _hours(18, 30),
    "small hours": _hours(0, 6),
    "dawn": _hours(4, 8),
    "early morning": _hours(5, 8),
    "mid morning": _hours(8, 10),
    "late morning": _hours(10, 12),
    "early afternoon": _hours(12, 14),
    "mid afternoon": _hours(14, 16),
    "late afternoon": _hours(16, 18),
    "early evening": _hours(18, 20),
    "mid evening": _hours(20, 22),
    "late evening": _hours(21, 24),
    "late night": _hours(21, 30),
}
"""Minutes after the midnight that the day begins with; what passes 24:00 belongs to the day on which it began."""

THIRDS = ("early", "mid", "late")


def third_of_month(year: int, month: int, third: str) -> tuple[date, date]:
    """The 1st to the 10th, the 11th to the 20th, or the rest.

    >>> third_of_month(2023, 5, "late")
    (datetime.date(2023, 5, 21), datetime.date(2023, 6, 1))
    """
    first = local.day_of(year, month, 1)
    cuts = (first, first.replace(day=11), first.replace(day=21), local.months_later(first, 1))
    place = THIRDS.index(third)
    return cuts[place], cuts[place + 1]


def third_of_week(monday: date, third: str) -> tuple[date, date]:
    """Monday and Tuesday, Wednesday and Thursday, or Friday to Sunday."""
    cuts = (0, 2, 4, 7)
    place = THIRDS.index(third)
    return local.later(monday, cuts[place]), local.later(monday, cuts[place + 1])


def third_of_year(year: int, third: str) -> tuple[date, date]:
    """Four months each."""
    first = local.day_of(year, 1 + 4 * THIRDS.index(third), 1)
    return first, local.months_later(first, 4)


def third_of_decade(year: int, third: str, years: int = 10) -> tuple[date, date]:
    """Four years, three, and the last three; of a century, 34, 33 and 33.

    >>> third_of_decade(1990, "mid")
    (datetime.date(1994, 1, 1), datetime.date(1997, 1, 1))
    """
    cuts = (0, 4, 7, 10) if years == 10 else (0, 34, 67, 100)
    place = THIRDS.index(third)
    return local.day_of(year + cuts[place], 1, 1), local.day_of(year + cuts[place + 1], 1, 1)
