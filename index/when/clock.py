"""A time of day, or a part of one, in minutes after the midnight that its day begins with."""

from dataclasses import dataclass, replace

from index.when.local import DAY
from index.when.parts import PARTS
from index.when.phrases import Unreal, Why

NOON = DAY // 2


@dataclass(frozen=True)
class Clock:
    """Minutes `[start, end)`; more than 24 hours is the next day.

    `stated` are the minutes that the words name, which clocks may skip; `certain` says that it is no matter of morning or
    afternoon; `point` that it is a moment, not a stretch; `midnight` that it is a day's end where the day is named before.
    """

    start: int
    end: int
    stated: tuple[int, ...] = ()
    certain: bool = True
    point: bool = False
    midnight: bool = False


def at(hours: int, minutes: int = 0, certain: bool = True, midnight: bool = False) -> Clock:
    """The minute that clocks show so; raises `Unreal` for 25h61.

    >>> at(14, 30).start, at(14, 30).end
    (870, 871)
    """
    if hours > 24 or minutes > 59 or (hours == 24 and minutes):
        raise Unreal(Why.TIME)
    start = hours * 60 + minutes
    return Clock(start, start + 1, (start,), certain, point=True, midnight=midnight or hours == 24)


def part(name: str) -> Clock:
    """A part of the day."""
    return Clock(*PARTS[name])


def moved(clock: Clock, minutes: int) -> Clock:
    """The same clock, later by so many minutes."""
    stated = tuple(one + minutes for one in clock.stated)
    return replace(clock, start=clock.start + minutes, end=clock.end + minutes, stated=stated)


def halved(clock: Clock, half: str) -> Clock:
    """The clock before noon (`am`) or after it (`pm`); raises `Unreal` for 13 am."""
    hours = clock.start // 60
    if hours == 0 and half == "am":
        return clock
    if hours > 12 or hours == 0:
        if half == "pm" and clock.certain and hours > 12:
            return clock
        raise Unreal(Why.TIME)
    minutes = clock.start % NOON + (NOON if half == "pm" else 0)
    return replace(moved(clock, minutes - clock.start), certain=True)


def within(clock: Clock, part: Clock) -> Clock:
    """The clock that is meant within a part of the day: 8 in the evening is 20:00, 2 at night is the next day's.

    >>> within(at(8, certain=False), Clock(*PARTS["evening"])).start // 60
    20
    """
    if clock.midnight:
        return clock if clock.start == DAY else moved(clock, DAY)
    moves = (0, DAY) if clock.certain else (0, NOON, DAY)
    for minutes in moves:
        if clock.start < NOON or minutes != NOON:
            tried = moved(clock, minutes)
            if part.start <= tried.start < part.end:
                return tried
    return clock


def around(clock: Clock) -> Clock:
    """Half an hour either side of a round hour, a quarter of an hour of any other time."""
    margin = 30 if clock.start % 60 == 0 else 15
    return replace(clock, start=clock.start - margin, end=clock.start + margin, point=False)


def close(clock: Clock, before: bool) -> Clock:
    """The half-hour before, or the one that begins then."""
    start = clock.start - 30 if before else clock.start
    return replace(clock, start=start, end=start + 30, point=False)


def between(first: Clock, second: Clock) -> Clock:
    """From one time to another, over midnight if that takes at most twelve hours; raises `Unreal` where it takes more.

    >>> span = between(at(22), at(2))
    >>> span.start // 60, span.end // 60
    (22, 26)
    """
    end = second.start if second.point else second.end
    if second.midnight and second.start == 0:
        end = DAY
    if end <= first.start:
        end += DAY
        if end - first.start > NOON:
            raise Unreal(Why.BACKWARDS)
    return Clock(first.start, end, (*first.stated, *(end for _ in second.stated)))
