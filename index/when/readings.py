"""What a phrase says, and the instants that follow from it: days, a time of day, and a side on which it is open."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from enum import Enum

from index.records import Window
from index.when import clock as clocks
from index.when import local
from index.when.clock import Clock
from index.when.days import Days, Named, first_from, latest, one_day
from index.when.phrases import Unreal, Why


class Side(Enum):
    """What of a time is meant."""

    ITSELF = "itself"
    SINCE = "since"
    BEFORE = "before"
    AFTER = "after"
    UNTIL = "until"


@dataclass(frozen=True)
class Moment:
    """The present, in the zone that days and clocks are read in."""

    now: datetime
    zone: tzinfo

    @property
    def today(self) -> date:
        """The day that calendars of the zone show."""
        return self.now.astimezone(self.zone).date()

    def ago(self, span: timedelta) -> datetime:
        """The instant so long before."""
        try:
            moved = self.now.astimezone(UTC) - span
        except OverflowError as error:
            raise Unreal(Why.REACH) from error
        if not 2 <= moved.year <= 9998:
            raise Unreal(Why.REACH)
        return local.fixed(moved, self.zone)

    @property
    def minute_over(self) -> datetime:
        """A minute from now, for what would otherwise be empty."""
        return self.ago(timedelta(minutes=-1))


@dataclass(frozen=True)
class Reading:
    """Days with or without a time of day, a time of day without its day, or instants (`exact`)."""

    days: Named | None = None
    clock: Clock | None = None
    side: Side = Side.ITSELF
    exact: Window | None = None
    impossible: Why | None = None


def settle(reading: Reading, moment: Moment, period: Days | None = None) -> Reading:
    """The reading with days of this or that year.

    Of what comes again, the first in the `period` that the question names is meant, else the latest that has begun.
    """
    if reading.days is None or isinstance(reading.days, Days):
        return reading
    if period is not None:
        found = next(reading.days.forth(period.first), None)
        if found is not None and found.until <= period.until:
            return replace(reading, days=found)
    return replace(reading, days=latest(reading.days, moment.today))


def window_of(reading: Reading, moment: Moment, day: Days | None = None) -> Window:
    """The instants that a reading means; `day` is the one of the question, for a time of day that says none.

    Without any, it is the most recent such time; for what was before it or until then, today's. Raises `Unreal`.
    """
    if reading.exact is not None:
        return reading.exact
    days = latest(reading.days, moment.today) if reading.days is not None else day
    if reading.clock is None:
        assert days is not None
        whole = Window(local.begins(days.first, 0, moment.zone), local.begins(days.until, 0, moment.zone))
        return _side(whole, reading.side, stretch=True)
    if days is None:
        days = _day_of(reading, moment)
    return _side(_on(days, reading.clock, moment.zone), reading.side, stretch=not reading.clock.point)


def _day_of(reading: Reading, moment: Moment) -> Days:
    assert reading.clock is not None
    begun = local.begins(moment.today, reading.clock.start, moment.zone) <= moment.now
    if begun or reading.side in (Side.BEFORE, Side.UNTIL):
        return one_day(moment.today)
    return one_day(local.later(moment.today, -1))


def _on(days: Days, clock: Clock, zone: tzinfo) -> Window:
    final = local.later(days.until, -1)
    for stated in clock.stated:
        # An end is real where clocks show it, or jump from it.
        closing = stated == clock.end and local.is_shown(final, stated, zone, until=True)
        if not closing and not local.is_shown(final if stated == clock.end else days.first, stated, zone):
            raise Unreal(Why.SKIPPED)
    since, until_ = local.begins(days.first, clock.start, zone), local.ends(final, clock.end, zone)
    return Window(since, until_)


def _side(whole: Window, side: Side, stretch: bool) -> Window:
    """The side of a window that is meant; of a moment, which is no `stretch`, what comes after begins with it."""
    assert whole.since is not None
    assert whole.until is not None
    if side is Side.SINCE:
        return Window(whole.since, None)
    if side is Side.BEFORE:
        return Window(None, whole.since)
    if side is Side.AFTER:
        return Window(whole.until if stretch else whole.since, None)
    if side is Side.UNTIL:
        return Window(None, whole.until if stretch else whole.since)
    return whole


def between(first: Reading, second: Reading, moment: Moment) -> Reading:
    """From one reading to another, its end included where it is a stretch; raises `Unreal` where it goes backwards."""
    if first.days is None and first.clock and second.days and second.clock:
        # "from 14:00 to 16:00 on Tuesday"
        return replace(second, clock=clocks.between(first.clock, second.clock))
    if first.exact or second.exact or (first.days is None and second.days):
        begins, ends = window_of(first, moment).since, window_of(second, moment).until
        return Reading(exact=_forward(begins, ends))
    if second.days is None:
        if first.clock is None or second.clock is None:
            raise Unreal(Why.BACKWARDS)
        return replace(first, clock=clocks.between(first.clock, second.clock))
    assert first.days is not None
    if isinstance(second.days, Days) and not isinstance(first.days, Days):
        # "from 24 December to 2 January 2023": the last such day before.
        start, end = latest(first.days, second.days.first), second.days
    else:
        start = latest(first.days, moment.today)
        end = first_from(second.days, start.first)
    since = window_of(replace(first, days=start), moment).since
    point = second.clock is not None and second.clock.point
    whole = window_of(replace(second, days=end), moment)
    return Reading(exact=_forward(since, whole.since if point else whole.until))


def _forward(since: datetime | None, until: datetime | None) -> Window:
    if since is None or until is None or until <= since:
        raise Unreal(Why.BACKWARDS)
    return Window(since, until)
