"""When what was found was published: passages counted in equal parts of a span of time, and the bars of a drawing of them."""

from bisect import bisect_right
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from index.records import Window

MOST_BARS = 48
_STEPS = tuple(
    timedelta(minutes=minutes) for minutes in (1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2 * 1440, 7 * 1440)
)
_MONTHS = (1, 3, 6, 12, 24, 60, 120, 240, 600, 1200)
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Bar:
    """How many passages were published in `[since, until)`, and how many of these are `shown` as hits."""

    since: datetime
    until: datetime
    count: int
    shown: int


@dataclass(frozen=True)
class Timeline:
    """Bars that follow one another without a gap, oldest first; `undated` passages are in none."""

    bars: Sequence[Bar]
    undated: int

    @property
    def highest(self) -> int:
        """The count of the highest bar."""
        return max(bar.count for bar in self.bars)

    @property
    def total(self) -> int:
        """How many passages it counts."""
        return sum(bar.count for bar in self.bars)

    @property
    def window(self) -> Window:
        """From the first bar to the last."""
        return Window(self.bars[0].since, self.bars[-1].until)


def timeline(moments: Mapping[int, datetime | None], shown: Collection[int], zone: tzinfo) -> Timeline | None:
    """Passages in time, by their ids; None where they were all published at once, or at no known time.

    >>> hours = {1: datetime(2023, 5, 23, 6, tzinfo=UTC), 2: datetime(2023, 5, 23, 9, 30, tzinfo=UTC), 3: None}
    >>> drawn = timeline(hours, [2], UTC)
    >>> len(drawn.bars), drawn.bars[0].count, drawn.bars[-1].shown, drawn.undated
    (43, 1, 1, 1)
    """
    known = sorted((moment.astimezone(zone), i) for i, moment in moments.items() if moment is not None)
    if not known or known[0][0] == known[-1][0]:
        return None
    bounds = _bounds(known[0][0], known[-1][0])
    counts, listed = [0] * (len(bounds) - 1), [0] * (len(bounds) - 1)
    # Instants are compared, and not what clocks show: those show an hour twice a year.
    instants = [bound.astimezone(UTC) for bound in bounds]
    for moment, i in known:
        at = bisect_right(instants, moment.astimezone(UTC)) - 1
        counts[at] += 1
        listed[at] += i in shown
    bars = [Bar(*bars) for bars in zip(bounds, bounds[1:], counts, listed, strict=False)]
    return Timeline(bars, len(moments) - len(known))


def _bounds(first: datetime, last: datetime) -> list[datetime]:
    """Round bounds around two moments of one zone, in the smallest steps that make no more than MOST_BARS."""
    for step in _STEPS:
        if (last - first) / step < MOST_BARS - 1:
            return _days(first, last, step // _DAY) if step >= _DAY else _minutes(first, last, step)
    months = next((step for step in _MONTHS if (last - first) / (_DAY * 30 * step) < MOST_BARS - 2), _MONTHS[-1])
    return _months(first, last, months)


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
        found.append(date(at // 12, at % 12 + 1, 1))
        at += step
    return [datetime.combine(one, time(), first.tzinfo) for one in found]
