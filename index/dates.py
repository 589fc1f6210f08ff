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
    if not offset:
        return "UTC"
    minutes = int(offset.total_seconds() // 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


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


def newest_first(clocks: Sequence[time]) -> bool:
    """Whether a page lists its entries backwards: more of its steps go back in time than forward.

    >>> newest_first([time(11, 58), time(7, 44), time(6, 25)]), newest_first([time(23, 50), time(0, 10), time(0, 20)])
    (True, False)
    """
    steps = list(itertools.pairwise(clocks))
    return sum(a > b for a, b in steps) > sum(a < b for a, b in steps)


def day_offsets(clocks: Sequence[time], backwards: bool) -> list[int]:
    """How many days each entry lies from the topmost, where the clock passes midnight between two entries.

    >>> day_offsets([time(0, 10), time(23, 50), time(22, 0)], backwards=True)
    [0, -1, -1]
    """
    offsets = [0] if clocks else []
    for before, after in itertools.pairwise(clocks):
        passed = after > before if backwards else after < before
        offsets.append(offsets[-1] + (0 if not passed else -1 if backwards else 1))
    return offsets


def instant(day: date, clock: time, within: tzinfo) -> datetime:
    """The moment at which clocks in the zone show `clock` on `day`; the first of two when they are set back.

    >>> instant(date(2023, 10, 29), time(2, 30), zone("Europe/Paris")).isoformat()
    '2023-10-29T02:30:00+02:00'
    """
    return datetime.combine(day, clock, within)


def midnight(day: date, within: tzinfo) -> datetime:
    """The first moment of `day`."""
    return instant(day, time(), within)


def shift(day: date, days: int) -> date:
    """`day` moved by whole days."""
    return day + timedelta(days=days)
