"""When an entry was published: page day + time of day + zone -> instant."""

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from email.utils import parsedate_to_datetime
from zoneinfo import ZoneInfo

from index.errors import InvalidRequest
from index.records import Precision, Window

_ZONE = re.compile(r"[\w+-]{1,40}(?:/[\w+-]{1,40}){0,3}", re.ASCII)


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
    # The library looks for any name among its files, and for one of very many parts until the stack ends.
    elif _ZONE.fullmatch(name):
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


def moment(when: str | date, within: tzinfo, field: str = "") -> datetime:
    """The instant that a caller means, by a date, a time, or either in ISO 8601; without an offset it is in the zone `within`,
    and a date is its first moment.

    >>> moment("2023-05-23", zone("Europe/Paris")).isoformat()
    '2023-05-23T00:00:00+02:00'
    >>> moment(date(2023, 5, 23), zone("Europe/Paris")) == moment(datetime(2023, 5, 22, 22, tzinfo=UTC), UTC)
    True
    """
    found = _written_moment(when, field) if isinstance(when, str) else when
    if not isinstance(found, datetime):
        found = datetime.combine(found, time())
    return found if found.tzinfo else found.replace(tzinfo=within)


def _written_moment(text: str, field: str) -> datetime:
    try:
        return datetime.fromisoformat(text.strip())
    except ValueError as error:
        raise InvalidRequest(
            f"'{text[:40]}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00", field
        ) from error


def window(since: str | date | None, until: str | date | None, within: tzinfo) -> Window:
    """The window between two moments that a caller means; None is open.

    >>> window("2023-05-23", None, UTC)
    Window(since=datetime.datetime(2023, 5, 23, 0, 0, tzinfo=datetime.timezone.utc), until=None)
    """
    return Window(
        None if since is None else moment(since, within, "since"), None if until is None else moment(until, within, "until")
    )


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


_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "janvier january janv jan",
            "février fevrier february févr fevr fév feb",
            "mars march mar",
            "avril april avr apr",
            "mai may",
            "juin june jun",
            "juillet july juil jul",
            "août aout august aug",
            "septembre september sept sep",
            "octobre october oct",
            "novembre november nov",
            "décembre decembre december déc dec",
        ),
        start=1,
    )
    for name in names.split()
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "lundi monday lun mon",
            "mardi tuesday mar tues tue",
            "mercredi wednesday mer wed",
            "jeudi thursday jeu thurs thu",
            "vendredi friday ven fri",
            "samedi saturday sam sat",
            "dimanche sunday dim sun",
        )
    )
    for name in names.split()
}


def _longest_first(names: Mapping[str, int]) -> str:
    return "|".join(sorted(names, key=len, reverse=True))


_WRITTEN_DAY = re.compile(
    rf"""
    (?:(?P<weekday>{_longest_first(_WEEKDAYS)})\.?,?\s+(?:the\s+|le\s+)?)?
    (?: (?P<day>\d{{1,2}})(?:er|st|nd|rd|th)?\s+(?:of\s+)?(?P<month>{_longest_first(_MONTHS)})\b\.?(?:,?\s+(?P<year>\d{{4}}))?
      | (?P<month2>{_longest_first(_MONTHS)})\b\.?\s+(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?:,?\s+(?P<year2>\d{{4}}))?
      | (?P<year3>\d{{4}})-(?P<month3>\d{{2}})-(?P<day3>\d{{2}})
      | (?P<day4>\d{{1,2}})[/.](?P<month4>\d{{1,2}})[/.](?P<year4>\d{{4}}) )
    (?!\d)
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class WrittenDay:
    """A day as people write it, perhaps without its year; `end` is where it ends in the text."""

    day: int
    month: int
    year: int | None
    weekday: int | None
    end: int

    def resolve(self, near: date | None = None) -> date | None:
        """The day itself; without a year, the one of this name nearest to `near`, or None where nothing is near.

        >>> found = written_day("MARDI 23 MAI")
        >>> found.resolve(date(2023, 5, 22)), found.resolve()
        (datetime.date(2023, 5, 23), None)
        """
        if self.year is not None:
            return date(self.year, self.month, self.day)
        if near is None:
            return None
        candidates = []
        for year in range(max(near.year - 1, 2), min(near.year + 1, 9998) + 1):
            try:
                candidate = date(year, self.month, self.day)
            except ValueError:  # 29 February of another year
                continue
            if self.weekday is None or candidate.weekday() == self.weekday:
                candidates.append(candidate)
        return min(candidates, key=lambda candidate: abs(candidate - near), default=None)


def written_day(text: str) -> WrittenDay | None:
    """The day that `text` begins with, in French or English; None when it begins with none.

    >>> written_day("Mardi 23 mai 2023 : le fil").resolve(), written_day("May 23rd, 2023").resolve()
    (datetime.date(2023, 5, 23), datetime.date(2023, 5, 23))

    Raises `InvalidRequest` for a day that there is not: 31 February, or a Wednesday that was a Tuesday. Numbers are read day
    first, as French and British papers write them, unless only the other way gives a month.
    """
    found = _WRITTEN_DAY.match(text)
    if found is None:
        return None
    day = int(found["day"] or found["day2"] or found["day3"] or found["day4"])
    name = found["month"] or found["month2"]
    month = _MONTHS[name.lower()] if name else int(found["month3"] or found["month4"])
    if found["day4"] and month > 12 >= day:
        day, month = month, day
    written = found["year"] or found["year2"] or found["year3"] or found["year4"]
    year = int(written) if written else None
    weekday = _WEEKDAYS[found["weekday"].lower()] if found["weekday"] else None
    try:
        # A leap year stands for the year that is not known.
        real = date(year if year is not None else 2024, month, day)
    except ValueError as error:
        raise InvalidRequest(f"there is no day '{found.group()}': correct it in the document") from error
    if not in_reach(real):
        raise InvalidRequest(f"'{found.group()}' is out of reach: years 2 to 9998")
    if year is not None and weekday is not None and real.weekday() != weekday:
        raise InvalidRequest(f"'{found.group()}' names a weekday that {real} was not: correct it in the document")
    return WrittenDay(day, month, year, weekday, found.end())


def written_end(text: str) -> int:
    """Where the day ends that `text` begins with, whether or not there is such a day.

    >>> written_end("31 février 2023, 11h58")
    15
    """
    found = _WRITTEN_DAY.match(text)
    return found.end() if found else 0


_CLOCK = re.compile(r"[\s,T|]*(?:(?:à|at|-|–)\s+)?(\d{1,2})\s?[:hH]\s?(\d{2})(?::(\d{2})(?:\.\d+)?)?\s*(.*)$", re.DOTALL)
_EPOCH = re.compile(r"-?\d{9,14}(?:\.\d+)?")
_SPACED = re.compile(r"(?<=[T\s]\d\d:\d\d)(:\d\d(?:\.\d+)?)? +(?=[+-]\d\d:?\d\d$)")


def reading(value: object, within: tzinfo) -> tuple[datetime, Precision]:
    """A moment as feeds, tables and pages write it, with how exactly it is known; in the zone `within` where it names none.

    >>> reading("Tue, 23 May 2023 09:58:00 GMT", zone("Europe/Paris"))[0].isoformat()
    '2023-05-23T09:58:00+00:00'
    >>> reading("23/05/2023 11h58", zone("Europe/Paris"))
    (datetime.datetime(2023, 5, 23, 11, 58, tzinfo=zoneinfo.ZoneInfo(key='Europe/Paris')), 'minute')

    Numbers are seconds, or milliseconds, since 1970. Raises `InvalidRequest`, which names what is no moment.
    """
    text = str(value).strip()
    if isinstance(value, bool) or not text:
        raise InvalidRequest(f"'{text[:40]}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00")
    if _EPOCH.fullmatch(text):
        number = float(text)
        seconds = number / 1000 if abs(number) >= 1e11 else number
        try:
            return _reached(datetime.fromtimestamp(seconds, UTC).astimezone(within), text), "second"
        except (ValueError, OverflowError, OSError) as error:
            raise InvalidRequest(f"'{text[:40]}' is out of reach: years 2 to 9998") from error
    text = _SPACED.sub(lambda found: found[1] or "", text)
    if len(text) > 10 and text[:3].isalpha() and "," in text[:12]:
        try:
            found = parsedate_to_datetime(text)
        except (ValueError, OverflowError):
            pass
        else:
            return _reached(found if found.tzinfo else found.replace(tzinfo=within), text), "second"
    day = written_day(text)
    resolved = day.resolve() if day else None
    if day is None or resolved is None:
        return _reached(moment(text, within), text), "second"
    rest = text[day.end :].strip()
    if not rest:
        return midnight(resolved, within), "day"
    clock = _CLOCK.match(text[day.end :])
    if clock is None:
        raise InvalidRequest(f"'{text[:40]}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00")
    hours, minutes, seconds_, offset = clock.groups()
    if int(hours) > 23 or int(minutes) > 59 or int(seconds_ or 0) > 59:
        raise InvalidRequest(f"there is no time of day '{text[day.end :].strip()[:40]}': correct it in the document")
    at = datetime.combine(resolved, time(int(hours), int(minutes), int(seconds_ or 0)), _offset(offset, within, text))
    return _reached(at, text), "second" if seconds_ else "minute"


def _offset(written: str, within: tzinfo, text: str) -> tzinfo:
    if not written:
        return within
    if written.upper() in ABBREVIATIONS:
        return ABBREVIATIONS[written.upper()]
    try:
        return zone(written)
    except InvalidRequest as error:
        raise InvalidRequest(f"'{text[:40]}' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00") from error


def _reached(found: datetime, text: str) -> datetime:
    if not in_reach(found):
        raise InvalidRequest(f"'{text[:40]}' is out of reach: years 2 to 9998")
    return found


_CLOCKS = re.compile(r"(?<![\d:])([01]?\d|2[0-3])\s?[hH:]\s?([0-5]\d)(?!\d)")


@dataclass(frozen=True)
class Salvaged:
    """What is known all the same of a moment that is none: its day, as its first moment, or else its time of day."""

    published: datetime | None
    clock: time | None

    @property
    def kept(self) -> str:
        """How an entry of that moment is kept.

        >>> salvaged("2023-05-23 25:61", UTC).kept
        'the entry is kept with its day alone'
        """
        how = "with its day alone" if self.published else "with its time of day alone" if self.clock else "without a time"
        return f"the entry is kept {how}"


def salvaged(value: object, within: tzinfo) -> Salvaged:
    """What is still known of a value that `reading` refuses. A time of day is as it is written, in whatever zone.

    >>> salvaged("2023-02-31T11:58:00+02:00", UTC)
    Salvaged(published=None, clock=datetime.time(11, 58))
    >>> salvaged("23/05/2023 25h61", UTC)
    Salvaged(published=datetime.datetime(2023, 5, 23, 0, 0, tzinfo=datetime.timezone.utc), clock=None)
    """
    text = str(value).strip()
    try:
        day = written_day(text)
        known = day.resolve() if day else None
    except InvalidRequest:
        known = None
    if known is not None:
        return Salvaged(midnight(known, within), None)
    found = _CLOCKS.search(text)
    return Salvaged(None, time(int(found[1]), int(found[2])) if found else None)


ABBREVIATIONS: Mapping[str, tzinfo] = {
    name: timezone(timedelta(hours=hours)) if hours else UTC
    for name, hours in {
        "Z": 0, "UTC": 0, "GMT": 0, "WET": 0, "BST": 1, "WEST": 1, "CET": 1, "CEST": 2, "EET": 2, "EEST": 3,
        "EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7,
    }.items()
}  # fmt: skip
"""Zones that headings name in letters; those that mean several are left out, and CST is the American one."""
