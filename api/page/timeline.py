"""When what was found was published: passages counted in equal parts of a span of time, and the bars of a drawing of them."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

MOST_BARS = 48
_STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440)
)
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 12000)
_DAY = timedelta(days=1)
_MONTH = timedelta(days=30)


@dataclass(frozen=True)
class Bar:
    """How many passages were published in `[since, until)`, and how many of these are `shown` as hits."""

    since: datetime
    until: datetime
    count: int
    shown: int


@dataclass(frozen=True)
class Timeline:
    """Bars that follow one another without a gap, oldest first; how many passages have no known place in them."""

    bars: Sequence[Bar]
    left_out: int

    @property
    def highest(self) -> int:
        """The count of the highest bar."""
        return max(bar.count for bar in self.bars)

    @property
    def total(self) -> int:
        """How many passages it counts."""
        return sum(bar.count for bar in self.bars)


def timeline(moments: Mapping[int, tuple[datetime | None, bool]], shown: Collection[int], zone: tzinfo) -> Timeline | None:
    """Passages in time, by their ids, each with whether only its day is known; None where there is nothing to compare.

    Bars are parts of a day where that is known of most of them; what is known to the day is then left out with the undated.

    >>> six, half_past_nine = datetime(2023, 5, 23, 6, tzinfo=UTC), datetime(2023, 5, 23, 9, 30, tzinfo=UTC)
    >>> drawn = timeline({1: (six, False), 2: (half_past_nine, False), 3: (None, False)}, [2], UTC)
    >>> len(drawn.bars), drawn.bars[0].count, drawn.bars[-1].shown, drawn.left_out
    (43, 1, 1, 1)
    """
    known = sorted((at.astimezone(zone), i, day_only) for i, (at, day_only) in moments.items() if at is not None)
    exact = [one for one in known if not one[2]]
    if 2 * len(exact) > len(known) and _step(exact[0][0], exact[-1][0]) < _DAY:
        known, least = exact, _STEPS[0]
    else:
        least = _DAY
    if not known:
        return None
    bounds = _bounds(known[0][0], known[-1][0], least)
    if len(bounds) < 3:
        return None
    counts, listed = [0] * (len(bounds) - 1), [0] * (len(bounds) - 1)
    # Instants are compared, and not what clocks show: those show an hour twice a year.
    instants = [bound.astimezone(UTC) for bound in bounds]
    for moment, i, _ in known:
        at = bisect_right(instants, moment.astimezone(UTC)) - 1
        counts[at] += 1
        listed[at] += i in shown
    bars = [Bar(*bar) for bar in zip(bounds[:-1], bounds[1:], counts, listed, strict=True)]
    return Timeline(bars, len(moments) - len(known))


def _step(first: datetime, last: datetime) -> timedelta:
    """The smallest of the steps that makes no more than MOST_BARS; a month where none does."""
    return next((step for step in _STEPS if (last - first) / step < MOST_BARS - 1), _MONTH)


def _bounds(first: datetime, last: datetime, least: timedelta) -> list[datetime]:
    """Round bounds around two moments of one zone, in steps of `least` or more."""
    step = max(_step(first, last), least)
    if step < _DAY:
        return _minutes(first, last, step)
    if step < _MONTH:
        return _days(first, last, step // _DAY)
    return _months(first, last, next(step for step in _MONTHS if (last - first) / (_MONTH * step) < MOST_BARS - 2))


def _minutes(first: datetime, last: datetime, step: timedelta) -> list[datetime]:
    zone = first.tzinfo
    midnight = datetime.combine(first.date(), time(), zone).astimezone(UTC)
    at = midnight + (first.astimezone(UTC) - midnight) // step * step
    found = [at]
    while at <= last:
        at += step
        found.append(at)
    return [one.astimezone(zone) for one in found]


def _days(first: datetime, last: datetime, step: int) -> list[datetime]:
    # Weeks begin on Mondays.
    begin = first.date() - timedelta(days=first.weekday() if step == 7 else 0)
    found = [begin]
    while found[-1] <= last.date():
        found.append(found[-1] + timedelta(days=step))
    return [datetime.combine(one, time(), first.tzinfo) for one in found]


def _months(first: datetime, last: datetime, step: int) -> list[datetime]:
    at = (first.year * 12 + first.month - 1) // step * step
    found: list[date] = []
    while not found or found[-1] <= last.date():
        # There is no year behind the last.
        found.append(date(at // 12, at % 12 + 1, 1) if 12 <= at < 12 * 10_000 else date.min if at < 12 else date.max)
        at += step
    return [datetime.combine(one, time(), first.tzinfo) for one in found]
