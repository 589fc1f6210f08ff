"""From a question to the times that it speaks of."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, tzinfo

from index.records import Window
from index.when import english, french
from index.when.days import Days
from index.when.grammar import Parse
from index.when.names import names
from index.when.phrases import TimePhrase, Unreal, When, Why
from index.when.readings import Moment, Reading, Side, settle, window_of
from index.when.tokens import Token, tokens

_GRAMMARS = {"fr": french.GRAMMAR, "en": english.GRAMMAR}
_LINKS = {"fr": re.compile(r"\s*,?\s(?:et|ou|ou\sbien|puis)\s", re.I), "en": re.compile(r"\s*,?\s(?:and|or|then)\s", re.I)}


@dataclass(frozen=True)
class _Found:
    """A phrase as it was read: tokens `[first, until)`."""

    first: int
    until: int
    reading: Reading


def read_when(question: str, lang: str, now: datetime, zone: tzinfo) -> When:
    """The times that `question` speaks of, in French (`fr`) or English, seen from `now` (aware), on calendars of `zone`.

    >>> from datetime import UTC
    >>> from zoneinfo import ZoneInfo
    >>> now = datetime(2023, 10, 29, 12, tzinfo=UTC)
    >>> window = read_when("What happened today?", "en", now, ZoneInfo("Europe/Paris")).window
    >>> window.since.isoformat(), window.until.isoformat()
    ('2023-10-29T00:00:00+02:00', '2023-10-30T00:00:00+01:00')

    Bounds have the offset that clocks of the zone show at that instant; the day above is 25 hours long. A phrase that names no
    time that there is (31 February) has no window, and the others count.
    """
    tongue = "fr" if lang == "fr" else "en"
    found = tokens(question)
    spans = names(question, found)
    moment = Moment(now, zone)
    parse = Parse(_GRAMMARS[tongue], found, moment, _within(found, spans))
    phrases = _linked(list(_phrases(question, parse, moment)), question, tongue)
    return When(tuple(phrases), _in_common([phrase.window for phrase in phrases if phrase.window]), spans)


def _within(found: Sequence[Token], spans: Sequence[tuple[int, int]]) -> frozenset[int]:
    """The places of tokens in spans; both are in order."""
    places, at = set(), 0
    for place, token in enumerate(found):
        while at < len(spans) and spans[at][1] <= token.start:
            at += 1
        if at < len(spans) and spans[at][0] < token.end:
            places.add(place)
    return frozenset(places)


def _phrases(question: str, parse: Parse, moment: Moment) -> Iterator[TimePhrase]:
    read = list(_read(question, parse))
    period = _named_once(one.reading for one in read)
    read = [replace(one, reading=_settled(one.reading, moment, period)) for one in read]
    day = _named_once(one.reading for one in read)
    for one in read:
        start, end = parse.tokens[one.first].start, parse.tokens[one.until - 1].end
        if one.reading.impossible is not None:
            yield TimePhrase(start, end, None, one.reading.impossible)
            continue
        try:
            window = window_of(one.reading, moment, day)
            if window.since is not None and window.until is not None and window.until <= window.since:
                raise Unreal(Why.BACKWARDS)
            yield TimePhrase(start, end, window)
        except Unreal as unreal:
            yield TimePhrase(start, end, None, unreal.why)


def _read(question: str, parse: Parse) -> Iterator[_Found]:
    place = 0
    while place < len(parse.tokens):
        found = parse.longest("phrase", place) if _may_begin(parse.tokens, place) else None
        if found is None or not _may_end(question, parse.tokens, found[0]):
            place += 1
            continue
        value = found[1]
        yield _Found(place, found[0], Reading(impossible=value.why) if isinstance(value, Unreal) else value)
        place = found[0]


def _settled(reading: Reading, moment: Moment, period: Days | None) -> Reading:
    try:
        return settle(reading, moment, period)
    except Unreal as unreal:
        return Reading(impossible=unreal.why)


def _may_begin(found: Sequence[Token], place: int) -> bool:
    """Whether a token is not the rest of another: of *x14:30*, *1.30*, *F-16*, *foss.in 2005*."""
    token = found[place]
    if place == 0:
        return not token.gap.endswith(("#", "@", "$", "€", "£"))
    if token.gap in ("", ".") or token.gap.endswith(("#", "@", "_", "$", "€", "£")):
        return False
    return not (token.form.isdecimal() and token.gap in (":", "/", ",", "-"))


def _may_end(question: str, found: Sequence[Token], until: int) -> bool:
    if until == len(found):
        return not question[found[-1].end :].lstrip().startswith("%")
    gap, following = found[until].gap, found[until]
    if gap == "" or gap.lstrip().startswith(("/", "%", "€", "$", "£", "_", "@")):
        return False
    return not (following.form.isdecimal() and gap in (".", ":", ","))


def _named_once(readings: Iterable[Reading]) -> Days | None:
    """The days that the question names, where it names but one stretch of them.

    Its times of day are on these, and its days that come again are among them.
    """
    named = {reading.days for reading in readings if isinstance(reading.days, Days) and reading.side is Side.ITSELF}
    return named.pop() if len(named) == 1 else None


def _linked(phrases: list[TimePhrase], question: str, tongue: str) -> list[TimePhrase]:
    """Phrases with *et*, *or* and the like between them as one, from the first to the last: *lundi et mardi*."""
    linked: list[TimePhrase] = []
    for phrase in phrases:
        before = linked[-1] if linked else None
        if (
            before and before.window and phrase.window and _LINKS[tongue].fullmatch(question[before.end : phrase.start])
            and _closed(before.window) and _closed(phrase.window)
        ):  # fmt: skip
            linked[-1] = replace(before, end=phrase.end, window=_from_first_to_last([before.window, phrase.window]))
        else:
            linked.append(phrase)
    return linked


def _closed(window: Window) -> bool:
    return window.since is not None and window.until is not None


def _in_common(windows: Sequence[Window]) -> Window | None:
    if not windows:
        return None
    since = max((window.since for window in windows if window.since), default=None)
    until = min((window.until for window in windows if window.until), default=None)
    if since is not None and until is not None and until <= since:
        return _from_first_to_last(windows)
    return Window(since, until)


def _from_first_to_last(windows: Sequence[Window]) -> Window | None:
    since = [window.since for window in windows if window.since]
    until = [window.until for window in windows if window.until]
    first = min(since) if len(since) == len(windows) else None
    last = max(until) if len(until) == len(windows) else None
    return Window(first, last) if first is not None or last is not None else None
