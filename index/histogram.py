"""Entries over time, and by what is known of them: bars and facets."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Literal

from embed.stages import stage
from index import dates
from index.errors import InvalidRequest
from index.records import STEPS, Step
from index.store import Dated

Split = Literal["source", "lang"]
FEW_BARS = 62
"""A step that nobody chose makes at most so many, but for years."""
MOST_BARS = 5000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Tally:
    """How many entries, and how many of their passages."""

    entries: int = 0
    passages: int = 0

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(self.entries + other.entries, self.passages + other.passages)


@dataclass(frozen=True)
class Bar:
    """What was published in `[since, until)`, which are the bounds of an hour, a day, a week … where clocks show them."""

    since: datetime
    until: datetime
    count: Tally
    parts: Mapping[str, Tally] = field(default_factory=dict)
    """The same by source or language; those without an entry are left out."""


@dataclass(frozen=True)
class Histogram:
    """Counts over time: bars without a gap, from the first entry to the last. Beside them stand entries that no bar can hold:
    those without a time, and where bars are hours those of which only the day is known.
    """

    step: Step
    bars: Sequence[Bar]
    total: Tally
    undated: Tally
    day_only: Tally


@stage("count")
def histogram(entries: Sequence[Dated], zone: tzinfo, step: Step | None = None, split: Split | None = None) -> Histogram:
    """Entries over time, in hours, days, weeks (from Monday on), months or years of `zone`; in the finest of them that makes at
    most FEW_BARS where no `step` is given.

    >>> noon = Dated(1684836000_000000, "Europe/Paris", False, "a", "fr", 2)
    >>> [(bar.since.isoformat(), bar.count) for bar in histogram([noon], dates.zone("Europe/Paris"), "day").bars]
    [('2023-05-23T00:00:00+02:00', Tally(entries=1, passages=2))]

    An entry of which only the day is known counts in the day that it is dated to, wherever that was. Raises `InvalidRequest`
    for a step that makes more than MOST_BARS.
    """
    dated = [one for one in entries if one.published is not None]
    days = [one for one in dated if one.day_only]
    undated = tally(one for one in entries if one.published is None)
    step = step or _fitting(dated, zone, bool(days))
    placed = [one for one in dated if not (step == "hour" and one.day_only)]
    apart = tally(days) if step == "hour" else Tally()
    if not placed:
        return Histogram(step, [], tally(entries), undated, apart)
    moments = [_micros(one, zone) for one in placed]
    bounds = list(_bounds(min(moments), max(moments), zone, step, MOST_BARS))
    if len(bounds) > MOST_BARS + 1:
        told = f"a step of one {step} makes more than {MOST_BARS} bars: choose a longer one, or narrow the window"
        raise InvalidRequest(told, "step")
    starts = [(bound - _EPOCH) // timedelta(microseconds=1) for bound in bounds]
    held: list[list[Dated]] = [[] for _ in bounds[1:]]
    for one, moment in zip(placed, moments, strict=True):
        held[bisect_right(starts, moment) - 1].append(one)
    bars = [
        Bar(since, until, tally(some), _by(some, _SPLITS[split]) if split else {})
        for since, until, some in zip(bounds, bounds[1:], held, strict=False)
    ]
    return Histogram(step, bars, tally(entries), undated, apart)


@stage("count")
def facets(entries: Sequence[Dated], zone: tzinfo) -> dict[str, dict[str, Tally]]:
    """Entries by source, language, and year, month and day in `zone`; times in their order, the others with the most entries
    first. What has no time is in none of those.

    >>> facets([Dated(1684836000_000000, "Europe/Paris", False, "a", "fr", 2)], dates.zone("UTC"))["month"]
    {'2023-05': Tally(entries=1, passages=2)}
    """
    found = {name: _by(entries, key) for name, key in _SPLITS.items()}
    day_of = lru_cache(1 << 16)(lambda one: _local(_micros(one, zone), zone).date().isoformat())
    dated = [(one, day_of(one)) for one in entries if one.published is not None]
    for name, length in (("year", 4), ("month", 7), ("day", 10)):
        tallies: dict[str, Tally] = {}
        for one, day in dated:
            tallies[day[:length]] = tallies.get(day[:length], Tally()) + Tally(1, one.passages)
        found[name] = dict(sorted(tallies.items()))
    return found


_SPLITS: Mapping[str, Callable[[Dated], str]] = {"source": lambda one: one.source, "lang": lambda one: one.lang}


def tally(entries: Iterable[Dated]) -> Tally:
    """All of them."""
    passages = [one.passages for one in entries]
    return Tally(len(passages), sum(passages))


def _by(entries: Iterable[Dated], key: Callable[[Dated], str]) -> dict[str, Tally]:
    entry_counts: Counter[str] = Counter()
    passage_counts: Counter[str] = Counter()
    for one in entries:
        entry_counts[key(one)] += 1
        passage_counts[key(one)] += one.passages
    ordered = sorted(entry_counts, key=lambda value: (-entry_counts[value], value))
    return {value: Tally(entry_counts[value], passage_counts[value]) for value in ordered}


def _micros(one: Dated, zone: tzinfo) -> int:
    """When an entry was published; of one known to the day, the beginning of the day of that name in `zone`."""
    assert one.published is not None
    if not one.day_only:
        return one.published
    day = _local(one.published, dates.zone(one.tz or "UTC")).date()
    return (datetime.combine(day, time(), zone) - _EPOCH) // timedelta(microseconds=1)


def _local(micros: int, zone: tzinfo) -> datetime:
    return (_EPOCH + timedelta(microseconds=micros)).astimezone(zone)


def _fitting(dated: Sequence[Dated], zone: tzinfo, days: bool) -> Step:
    moments = [_micros(one, zone) for one in dated]
    for step in STEPS[1:] if days else STEPS:
        if not moments or sum(1 for _ in _bounds(min(moments), max(moments), zone, step, FEW_BARS)) <= FEW_BARS + 1:
            return step
    return "year"


def _bounds(first: int, last: int, zone: tzinfo, step: Step, most: int) -> Iterator[datetime]:
    """Where steps begin, from the one that `first` lies in to the end of the one that `last` lies in; not many over `most`."""
    at = _local(first, zone)
    end = _EPOCH + timedelta(microseconds=last)
    bound = at.replace(minute=0, second=0, microsecond=0) if step == "hour" else _midnight(_first_day(at.date(), step), zone)
    for _ in range(most + 2):
        yield bound
        if bound > end:
            return
        if step == "hour":
            # Of an hour that clocks show twice there are two.
            bound = (bound.astimezone(UTC) + timedelta(hours=1)).astimezone(zone)
        else:
            bound = _midnight(_next_day(bound.date(), step), zone)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone)


def _first_day(day: date, step: Step) -> date:
    if step == "week":
        return day - timedelta(days=day.weekday())
    if step == "month":
        return day.replace(day=1)
    return day.replace(month=1, day=1) if step == "year" else day


def _next_day(day: date, step: Step) -> date:
    if step in ("day", "week"):
        return day + timedelta(days=7 if step == "week" else 1)
    if step == "month" and day.month < 12:
        return day.replace(month=day.month + 1)
    return date(day.year + 1, 1, 1)
