"""Numbers, days of the month, years, dates in digits and times of day in digits: what both languages write alike."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from index.when import clock, days
from index.when.days import Named
from index.when.grammar import DIGITS, Grammar
from index.when.phrases import Unreal, Why
from index.when.tokens import Token
from index.when.vocabulary import COUNTED, LONGEST_NUMBER, MONTHS, NUMBERS, ORDINALS, UNITS, WEEKDAYS

Found = tuple[int, Any] | None
_SPACE = re.compile(r"[ \u00a0\u202f\u2009]?")
_THOUSANDS = re.compile(r"[ \u00a0\u202f\u2009,]")
_ORDINAL_ENDINGS = frozenset("er re st nd rd th e eme".split())
_TWO_DIGITS = re.compile(r"[0-9]{2}")


@dataclass(frozen=True)
class Numeric:
    """A date in digits; `short` are those without their year, or with two digits of it, which may be other numbers."""

    named: Named | Unreal
    short: bool = False


def _short(read: Callable[[], Named]) -> Numeric:
    try:
        return Numeric(read(), short=True)
    except Unreal as unreal:
        return Numeric(unreal, short=True)


def _digits(tokens: Sequence[Token], place: int, most: int = 2) -> int | None:
    if place >= len(tokens) or len(tokens[place].form) > most:
        return None
    return tokens[place].number


def _gap(tokens: Sequence[Token], place: int) -> str | None:
    return tokens[place].gap if place < len(tokens) else None


def _word(tokens: Sequence[Token], place: int) -> str:
    """The word at a place that a space at most divides from the one before."""
    gap = _gap(tokens, place)
    return tokens[place].form if gap is not None and _SPACE.fullmatch(gap) else ""


def _number(lang: str, tokens: Sequence[Token], place: int) -> Found:
    if tokens[place].form.isdecimal():
        value, end = tokens[place].number, place + 1
        while len(tokens[place].form) <= 3 and end < len(tokens) and end < place + 3:
            following = tokens[end]
            if not _THOUSANDS.fullmatch(following.gap) or not re.fullmatch("[0-9]{3}", following.form):
                break
            value, end = (value or 0) * 1000 + int(following.form), end + 1
        return (end, value) if value is not None else None
    words: tuple[str, ...] = ()
    best: Found = None
    for end in range(place, min(place + LONGEST_NUMBER, len(tokens))):
        if end > place and not tokens[end].joined:
            break
        words = (*words, tokens[end].form)
        if words in NUMBERS[lang]:
            best = end + 1, NUMBERS[lang][words]
    return best


def _day(lang: str, tokens: Sequence[Token], place: int) -> Found:
    value = _digits(tokens, place)
    if value is None:
        return (place + 1, 1) if ORDINALS[lang].get(tokens[place].form) == 1 else None
    end = place + 1
    if end < len(tokens) and tokens[end].glued and tokens[end].form in _ORDINAL_ENDINGS:
        end += 1
    return end, value


def _ordinal_day(tokens: Sequence[Token], place: int) -> Found:
    found = _day("en", tokens, place)
    return found if found is not None and found[0] > place + 1 else None


def _counts(tokens: Sequence[Token], place: int) -> bool:
    return place < len(tokens) and tokens[place].joined and tokens[place].form in COUNTED


def _year(tokens: Sequence[Token], place: int) -> Found:
    end = place + 1
    if len(tokens[place].form) != 4 or _gap(tokens, end) == "" or _counts(tokens, end):
        return None
    return end, tokens[place].number


def _long_year(tokens: Sequence[Token], place: int) -> Found:
    """A year after a date, where a longer number is one out of reach."""
    if len(tokens[place].form) < 5:
        return _year(tokens, place)
    return place + 1, Unreal(Why.REACH)


def _decade(tokens: Sequence[Token], place: int) -> Found:
    """`1990s`, `90s`, `1990`, `90`: the year that it begins with."""
    value, end = tokens[place].number, place + 1
    if value is None or len(tokens[place].form) not in (2, 4) or value % 10:
        return None
    if end < len(tokens) and tokens[end].glued:
        if tokens[end].form != "s":
            return None
        end += 1
    elif end < len(tokens) and tokens[end].gap in ("'", "’") and tokens[end].form == "s":
        end += 1
    return end, value if value >= 100 else (2000 if value < 30 else 1900) + value


def _numeric_date(tokens: Sequence[Token], place: int) -> Found:
    numbers, gap, end = [tokens[place]], _gap(tokens, place + 1), place + 1
    while gap in ("/", ".", "-", "‑") and end < len(tokens) and tokens[end].gap == gap and tokens[end].form.isdecimal():
        numbers.append(tokens[end])
        end += 1
    lengths = [len(number.form) for number in numbers]
    first, *others = [number.number or 0 for number in numbers]
    try:
        if lengths == [4, 2, 2] and gap != ".":
            # "2023-05-23T14:30"
            if end + 1 < len(tokens) and tokens[end].glued and tokens[end].form == "t" and tokens[end + 1].glued:
                end += 1
            return end, Numeric(days.date_of(others[1], others[0], first, None))
        if len(lengths) == 3 and max(lengths[:2]) <= 2 and lengths[2] in (2, 4):
            day, month, year = first, others[0], others[1]
            if month > 12 >= day:
                day, month = month, day
            if lengths[2] == 2:
                return end, _short(lambda: days.date_of(day, month, _full(year), None))
            return end, Numeric(days.date_of(day, month, year, None))
        if lengths in ([2, 2], [1, 2]) and gap == "/" and others[0] <= 12:
            return end, _short(lambda: days.date_of(first, others[0], None, None))
        if lengths in ([2, 4], [1, 4]) and gap == "/" and 1 <= first <= 12:
            return end, _short(lambda: days.month_of(others[0], first))
    except Unreal as unreal:
        return end, unreal
    return None


def _full(year: int) -> int:
    return 2000 + year if year < 50 else 1900 + year


def _half(tokens: Sequence[Token], place: int) -> tuple[int, str] | None:
    word = _word(tokens, place)
    if word in ("am", "pm"):
        return place + 1, word
    if word in ("a", "p") and _gap(tokens, place + 1) == "." and tokens[place + 1].form == "m":
        return place + 2, f"{word}m"
    return None


def _colons(tokens: Sequence[Token], place: int, marks: str = ":") -> tuple[int, int] | None:
    """The minutes after `14:`, and where they end; seconds are passed over."""
    end = place + 1
    gap = _gap(tokens, end)
    if not gap or gap not in marks or not _TWO_DIGITS.fullmatch(tokens[end].form):
        return None
    minutes, end = tokens[end].number or 0, end + 1
    if gap == ":" and _gap(tokens, end) == ":" and _TWO_DIGITS.fullmatch(tokens[end].form):
        end += 1
    return end, minutes


def _exact(tokens: Sequence[Token], place: int) -> Found:
    """`14h30`, `14 h 30`, `14:30`, `2.30pm`, `2 p.m.`: what can hardly be anything but a time of day."""
    hours = _digits(tokens, place)
    if hours is None:
        return None
    certain = hours > 12 or tokens[place].form.startswith("0")
    end, minutes, stated = place + 1, 0, False
    colons = _colons(tokens, place, ":.")
    if colons is not None:
        (end, minutes), stated = colons, _gap(tokens, place + 1) == ":"
    half = _half(tokens, end)
    try:
        if half is not None:
            if hours > 12 or hours == 0:
                raise Unreal(Why.TIME)
            return half[0], clock.halved(clock.at(hours, minutes, certain=False), half[1])
        if stated:
            return end, clock.at(hours, minutes, certain)
        if _word(tokens, end) == "h" and colons is None and _TWO_DIGITS.fullmatch(_word(tokens, end + 1)):
            return end + 2, clock.at(hours, int(_word(tokens, end + 1)), certain)
    except Unreal as unreal:
        # Numbers such as 90:00 are scores and verses, where nothing says that they are times.
        reached = end if half is None else half[0]
        if half is None and not stated:
            reached = end + 2
        return reached, unreal
    return None


def _pointed(tokens: Sequence[Token], place: int) -> Found:
    """`14.30`: a time of day where a word before it says so."""
    hours, colons = _digits(tokens, place), _colons(tokens, place, ".")
    if hours is None or colons is None or hours > 23 or colons[1] > 59 or _counts(tokens, colons[0]):
        return None
    return colons[0], clock.at(hours, colons[1], hours > 12)


def _hour(lang: str, tokens: Sequence[Token], place: int) -> Found:
    """`14 h`, `14 heures`, `deux heures`: also how long things take."""
    found = _number(lang, tokens, place)
    if found is None or found[1] > 99 or _word(tokens, found[0]) not in ("h", "heure", "heures"):
        return None
    try:
        return found[0] + 1, clock.at(found[1], 0, found[1] > 12)
    except Unreal as unreal:
        return found[0] + 1, unreal


def _table(words: Mapping[str, int] | Mapping[str, str]) -> Any:
    def read(tokens: Sequence[Token], place: int) -> Found:
        value = words.get(tokens[place].form)
        return None if value is None else (place + 1, value)

    return read


def add(grammar: Grammar, lang: str) -> None:
    """Give a grammar these kinds, with the words of its language."""
    numbers = {words[0] for words in NUMBERS[lang]} | {DIGITS}
    for name, table in (("weekday", WEEKDAYS), ("month", MONTHS), ("ordinal", ORDINALS), ("unit", UNITS)):
        grammar.terminal(name, table[lang], _table(table[lang]))
    grammar.terminal("n", numbers, lambda tokens, place: _number(lang, tokens, place))
    grammar.terminal("dom", {*ORDINALS[lang], DIGITS}, lambda tokens, place: _day(lang, tokens, place))
    grammar.terminal("hour", numbers, lambda tokens, place: _hour(lang, tokens, place))
    for name, reads in (
        ("nth", _ordinal_day), ("year", _year), ("longyear", _long_year), ("decade", _decade), ("numeric", _numeric_date),
        ("exact", _exact), ("pointed", _pointed),
    ):  # fmt: skip
        grammar.terminal(name, {DIGITS}, reads)
