"""When an entry was published: page day + time of day + zone -> instant."""

import itertools
from collections.abc import Sequence
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from index.errors import InvalidRequest


def zone(name: str) -> tzinfo:
    """The time zone of an IANA name such as `Europe/Paris`, or of an offset such as `+02:00`.

    >>> zone("Europe/Paris"), zone("+02:00")
    (zoneinfo.ZoneInfo(key='Europe/Paris'), datetime.timezone(datetime.timedelta(seconds=7200)))
    """
    if name == "UTC":
        return UTC
    if name[:1] in "+-":
        try:
            offset = datetime.fromisoformat(f"2000-01-01T00:00{name}").tzinfo
        except ValueError:
            offset = None
        if offset is not None:
            return offset
    else:
        try:
            return ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            pass
    raise InvalidRequest(f"no time zone '{name}': give an IANA name such as Europe/Paris, or an offset such as +02:00", "tz")


def zone_name(of: tzinfo | None) -> str:
    """What `zone` reads back.

    >>> zone_name(zone("Europe/Paris")), zone_name(zone("-03:30")), zone_name(UTC)
    ('Europe/Paris', '-03:30', 'UTC')
    """
    if isinstance(of, ZoneInfo) and of.key:
        return of.key
    offset = of.utcoffset(None) if isinstance(of, timezone) else None
    return datetime(2000, 1, 1, tzinfo=of).isoformat()[len("2000-01-01T00:00:00") :] if offset else "UTC"


def moment(text: str, within: tzinfo, field: str = "") -> datetime:
    """Read an ISO 8601 date or time; without an offset it is in the zone `within`, and a date is its first moment.

    >>> moment("2023-05-23", zone("Europe/Paris")).isoformat()
    '2023-05-23T00:00:00+02:00'
    """
    try:
        found = datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidRequest(
            f"'{text[:40]}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00", field
        ) from error
    return found if found.tzinfo else found.replace(tzinfo=within)


_DISORDER = 60
"""Minutes by which an entry may stand out of order; midnight passes where the clock is further off."""
_DAY = 24 * 60


def newest_first(clocks: Sequence[time]) -> bool:
    """Whether a page lists its entries backwards: more of its steps go back in time than forward.

    >>> newest_first([time(11, 58), time(7, 44), time(6, 25)]), newest_first([time(23, 50), time(0, 10), time(0, 20)])
    (True, False)

    A step goes the short way round the clock, so that one over midnight counts for what it is. With as many of the one as of
    the other, how far they go decides; a page that does not move has the usual order, which is the newest first.

    >>> newest_first([time(0, 10), time(23, 50)]), newest_first([time(11, 58), time(11, 58)])
    (True, True)
    """
    half = _DAY // 2
    steps = [(_minutes(after) - _minutes(before) + half) % _DAY - half for before, after in itertools.pairwise(clocks)]
    back, forward = sum(step < 0 for step in steps), sum(step > 0 for step in steps)
    return back > forward or (back == forward and sum(steps) <= 0)


def day_offsets(clocks: Sequence[time], backwards: bool) -> list[int]:
    """How many days each entry lies from the topmost, where the clock passes midnight between two entries.

    >>> day_offsets([time(0, 10), time(23, 50), time(22, 0)], backwards=True)
    [0, -1, -1]

    An entry that stands a little out of order is not a day away.

    >>> day_offsets([time(12, 0), time(11, 40), time(11, 42), time(11, 30)], backwards=True)
    [0, 0, 0, 0]
    """
    offsets = [0] if clocks else []
    for before, after in itertools.pairwise(clocks):
        against = (_minutes(after) - _minutes(before)) * (1 if backwards else -1)
        offsets.append(offsets[-1] + (0 if against < _DISORDER else -1 if backwards else 1))
    return offsets


def _minutes(clock: time) -> int:
    return clock.hour * 60 + clock.minute


def instant(day: date, clock: time, within: tzinfo) -> datetime:
    """The moment at which clocks in the zone show `clock` on `day`; the first of two when they are set back.

    >>> instant(date(2023, 10, 29), time(2, 30), zone("Europe/Paris")).isoformat()
    '2023-10-29T02:30:00+02:00'
    """
    return datetime.combine(day, clock, within)


def midnight(day: date, within: tzinfo) -> datetime:
    """The first moment of `day`."""
    return instant(day, time(), within)


def in_reach(day: date) -> bool:
    """Whether `day` and its neighbours exist in every zone: years 2 to 9998."""
    return 1 < day.year < 9999


def shift(day: date, days: int) -> date:
    """`day` moved by whole days."""
    return day + timedelta(days=days)
