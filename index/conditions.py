"""Conditions on what is known of a passage and its entry: compared, joined by and, or, not.

>>> And((Comparison("lang", "eq", "fr"), Not(Comparison("day", "lt", "2023-05-23")))).conditions[1].condition.value
'2023-05-23'

There is no third truth value. What is missing (an entry without a time has no `published`, `day`, `year` and `precision`, one
without an address no `url`) equals nothing, is in no list, and is neither above nor below anything: `ne` and `nin` hold for it,
the others do not, and `Not` turns either round.

What a text says is a condition like the others: a `Phrase`, a `Word`, or a part of an attribute. How the passages are found
that one holds for is in `index/where.py`, and for a Milvus server in `index/cluster_where.py`.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, Literal, get_args

from index import dates
from index.errors import InvalidRequest
from index.phrases import forms
from index.terms import question_terms

MAX_DEPTH = 8
"""How deep `And`, `Or` and `Not` may be nested."""
MAX_COMPARISONS = 100
MAX_VALUES = 500
"""Values that all comparisons of a condition may compare with, together."""

Operator = Literal["eq", "ne", "gt", "gte", "lt", "lte", "in", "nin"]
OPERATORS: tuple[Operator, ...] = get_args(Operator)
LISTS = ("in", "nin")
"""The operators that compare with a list of values."""
Value = str | int | float | datetime

_LARGEST = 2**63
"""The first number that SQLite keeps no integer of."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Attribute:
    """Something that is known of a passage: what its values are, where SQL has it, and what it says."""

    kind: Literal["text", "number", "time", "day", "lang"]
    sql: str
    told: str


ATTRIBUTES: Mapping[str, Attribute] = {
    "entry_id": Attribute("text", "e.id", "the entry's id"),
    "passage_id": Attribute("number", "p.id", "the passage's number"),
    "start": Attribute("number", "p.start", "where the passage begins in the entry's text, in code points"),
    "end": Attribute("number", 'p."end"', "where it ends"),
    "source": Attribute("text", "s.name", "the whole name of the entry's source"),
    "key": Attribute("text", "e.key", "what tells the entry from the others of its source"),
    "lang": Attribute("lang", "v.lang", "the entry's language, such as fr"),
    "title": Attribute("text", "v.title", "the entry's title; empty where it has none"),
    "url": Attribute("text", "v.url", "the entry's own address"),
    "published": Attribute("time", "v.published", "when the entry was published; where only the day is known, its beginning"),
    "precision": Attribute("text", "v.precision", "how exactly that is known: second, minute or day"),
    "day": Attribute("day", "local_day(v.published, v.tz)", "its day where it was written, such as 2023-05-23"),
    "year": Attribute("number", "CAST(substr(local_day(v.published, v.tz), 1, 4) AS INTEGER)", "the year of that day"),
}
"""Everything that can be compared, by name."""


@dataclass(frozen=True)
class Comparison:
    """An attribute beside a value, or a tuple of values for `in` and `nin`; text is compared code point by code point.

    `published` is compared with an aware datetime, `day` with an ISO date, and the others with text or numbers; see `compare`
    for what callers write. Raises `InvalidRequest`, which names the attribute, for a value that it cannot be compared with.
    """

    attribute: str
    operator: Operator
    value: Value | tuple[Value, ...]

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES:
            raise InvalidRequest(
                f"no attribute {_short(self.attribute)} to filter by: there are {', '.join(ATTRIBUTES)}", "key"
            )
        if self.operator not in OPERATORS:
            raise InvalidRequest(f"no operator {_short(self.operator)}: there are {', '.join(OPERATORS)}", "type")
        if (self.operator in LISTS) != isinstance(self.value, tuple):
            wanted = "a list of values" if self.operator in LISTS else "one value"
            raise InvalidRequest(f"{self.attribute}: '{self.operator}' compares with {wanted}", self.attribute)
        if len(self.values) > MAX_VALUES:
            raise InvalidRequest(
                f"{self.attribute}: {len(self.values)} values in a list; at most {MAX_VALUES} are compared", self.attribute
            )
        for value in self.values:
            _check(self.attribute, value)

    @property
    def values(self) -> tuple[Value, ...]:
        """All that the attribute is compared with."""
        return self.value if isinstance(self.value, tuple) else (self.value,)


@dataclass(frozen=True)
class And:
    """All of these hold; at least one is given."""

    conditions: tuple["Condition", ...]

    def __post_init__(self) -> None:
        _check_group(self, "and", self.conditions)


@dataclass(frozen=True)
class Or:
    """One of these holds, or more; at least one is given."""

    conditions: tuple["Condition", ...]

    def __post_init__(self) -> None:
        _check_group(self, "or", self.conditions)


@dataclass(frozen=True)
class Not:
    """The contrary of this holds."""

    condition: "Condition"

    def __post_init__(self) -> None:
        _check_group(self, "not", (self.condition,))


@dataclass(frozen=True)
class Phrase:
    """The words of `text` one after the other, in the passage or in its entry's title (or in that alone): see
    `index.phrases`.
    """

    text: str
    part: Literal["anywhere", "title"] = "anywhere"

    def __post_init__(self) -> None:
        _check_whole("query", self.text)
        if not forms(self.text):
            raise InvalidRequest(f"there is no word to look for in {_short(self.text)}", "query")


@dataclass(frozen=True)
class Word:
    """A word in whatever ending, in the passage or in its entry's title, as searches find it: see `index.terms`."""

    text: str

    def __post_init__(self) -> None:
        _check_whole("query", self.text)
        if not self.terms:
            raise InvalidRequest(f"there is no word to look for in {_short(self.text)}, or one that stands everywhere", "query")

    @property
    def terms(self) -> tuple[str, ...]:
        """The terms that it can stand in a passage as."""
        return tuple(question_terms(self.text, "und"))


@dataclass(frozen=True)
class Contains:
    """An attribute that is text contains `text`, in whatever case."""

    attribute: str
    text: str

    def __post_init__(self) -> None:
        if self.attribute not in ATTRIBUTES or ATTRIBUTES[self.attribute].kind != "text":
            raise InvalidRequest(f"{_short(self.attribute)} is no text to look for parts of", "key")
        _check_whole(self.attribute, self.text)
        if not self.text:
            raise InvalidRequest(f"{self.attribute}: there is no text to look for", self.attribute)


Condition = Comparison | Phrase | Word | Contains | And | Or | Not


def compare(attribute: str, operator: str, value: object, zone: tzinfo = UTC) -> Comparison:
    """The comparison that a caller wrote: times as datetimes, ISO 8601 or seconds since 1970; a list for `in` and `nin`.

    A time without an offset is in `zone`. Raises `InvalidRequest`, as `Comparison` does.

    >>> compare("published", "gte", 1684800000)
    Comparison(attribute='published', operator='gte', value=datetime.datetime(2023, 5, 23, 0, 0, tzinfo=datetime.timezone.utc))
    >>> compare("lang", "in", ["fr", "en"]).value
    ('fr', 'en')
    """
    kind = ATTRIBUTES[attribute].kind if attribute in ATTRIBUTES else "text"
    read: Any = value
    if isinstance(value, list | tuple):
        read = tuple(_read(attribute, kind, one, zone) for one in value)
    else:
        read = _read(attribute, kind, value, zone)
    return Comparison(attribute, operator, read)  # type: ignore[arg-type]  # which it checks


def texts(condition: Condition | None) -> list[Phrase | Word]:
    """The phrases and words of a condition."""
    if isinstance(condition, Phrase | Word):
        return [condition]
    if isinstance(condition, Not):
        return texts(condition.condition)
    return [text for part in condition.conditions for text in texts(part)] if isinstance(condition, And | Or) else []


def joined(*conditions: Condition | None) -> Condition | None:
    """All of these, where None is none."""
    there = tuple(one for one in conditions if one is not None)
    return And(there) if len(there) > 1 else (there[0] if there else None)


def _read(attribute: str, kind: str, value: object, zone: tzinfo) -> object:
    """A value as `Comparison` wants it; one that it refuses comes as it is."""
    if kind == "day":
        return value.isoformat() if isinstance(value, date) and not isinstance(value, datetime) else value
    if kind != "time" or isinstance(value, bool):
        return value
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=zone)
    if isinstance(value, str):
        try:
            return dates.moment(value, zone, attribute)
        except InvalidRequest as error:
            raise InvalidRequest(f"{attribute}: {error}", attribute) from None
    if isinstance(value, int | float):
        try:
            return _EPOCH + timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise InvalidRequest(
                f"{attribute}: the number is no time: write seconds since 1970, of the years 1 to 9999", attribute
            ) from None
    return value


def _check(attribute: str, value: object) -> None:
    """Raise `InvalidRequest` for what `attribute` cannot be compared with."""
    kind = ATTRIBUTES[attribute].kind
    if kind == "time":
        right = isinstance(value, datetime) and value.tzinfo is not None
    elif kind == "number":
        # True is a number to Python alone.
        right = isinstance(value, int | float) and not isinstance(value, bool)
    else:
        right = isinstance(value, str)
    if not right:
        raise InvalidRequest(f"{attribute}: {_short(value)} is not {_WANTED[kind]}", attribute)
    if isinstance(value, int | float) and not -_LARGEST < value < _LARGEST:
        raise InvalidRequest(f"{attribute}: the number is out of range", attribute)
    if isinstance(value, str):
        _check_whole(attribute, value)
    if kind in _FORMS and not _FORMS[kind](str(value)):
        raise InvalidRequest(f"{attribute}: {_short(value)} is not {_WANTED[kind]}", attribute)


def _check_whole(field: str, text: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidRequest(f"{field}: the text holds half a character", field)


_WANTED = {
    "text": "text",
    "number": "a number",
    "day": "a day such as '2023-05-23'",
    "lang": "the code of a language, such as 'fr' or 'en'",
    "time": "a time: write '2023-05-23T11:58+02:00', or seconds since 1970",
}


def _is_day(text: str) -> bool:
    try:
        return date.fromisoformat(text).isoformat() == text
    except ValueError:
        return False


_FORMS: Mapping[str, Callable[[str], object]] = {"day": _is_day, "lang": re.compile(r"[a-z]{2,3}(-\w+)*").fullmatch}


def _short(value: object) -> str:
    shown = repr(value) if not isinstance(value, list | tuple | dict) else f"a {type(value).__name__}"
    return shown if len(shown) <= 60 else f"{shown[:60]}…"


def _check_group(group: Condition, name: str, parts: tuple[Condition, ...]) -> None:
    if not parts:
        raise InvalidRequest(f"'{name}' joins no condition: give at least one", "where")
    depth, comparisons, values = _measure(group)
    if depth > MAX_DEPTH:
        raise InvalidRequest(f"conditions are nested {depth} deep; at most {MAX_DEPTH} are read", "where")
    if comparisons > MAX_COMPARISONS:
        raise InvalidRequest(f"{comparisons} comparisons; at most {MAX_COMPARISONS} are made", "where")
    if values > MAX_VALUES:
        raise InvalidRequest(f"{values} values to compare with; at most {MAX_VALUES} are compared", "where")


def _measure(condition: Condition) -> tuple[int, int, int]:
    """How deep a condition is, and how many comparisons and values it has."""
    if isinstance(condition, Comparison):
        return 0, 1, len(condition.values)
    if isinstance(condition, Phrase | Word | Contains):
        return 0, 1, 1
    parts = (condition.condition,) if isinstance(condition, Not) else condition.conditions
    depths, comparisons, values = zip(*(_measure(part) for part in parts), strict=True)
    return 1 + max(depths), sum(comparisons), sum(values)
