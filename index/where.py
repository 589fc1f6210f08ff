"""How does SQL, or what engines have found, tell which passages a condition holds for?

>>> from index.conditions import Comparison
>>> young = And((Comparison("lang", "eq", "fr"), Not(Comparison("day", "lt", "2023-05-23"))))
>>> compiled(young).text
'(v.lang IS :c0 AND NOT (ifnull(local_day(v.published, v.tz) < :c1, 0)))'
>>> compiled(young).values
{'c0': 'fr', 'c1': '2023-05-23'}

Engines can tell which passages can say a phrase or a word (`found`), so that not every text has to be read; the text itself
decides.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index import dates
from index.conditions import ATTRIBUTES, And, Condition, Contains, Not, Or, Phrase, Value, Word
from index.phrases import holds, is_accented
from index.records import Ids
from index.terms import passage_terms

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Compiled:
    """A condition as SQL over passages `p`, their versions `v`, entries `e` and sources `s`, with the values to bind."""

    text: str
    values: Mapping[str, str | int | float]


def compiled(condition: Condition, prefix: str = "c", found: Mapping[Phrase | Word, Ids] | None = None) -> Compiled:
    """`condition` as SQL: no word of it is the caller's, whose values are all bound, to names that begin with `prefix`.

    `found` has for phrases and words the ids of all passages that can say them; of one that is not there, every text is read.
    The connection has the `FUNCTIONS`. The text is never null, so that NOT of it is its contrary.
    """
    values: dict[str, str | int | float] = {}
    return Compiled(_sql(condition, values, prefix, found or {}), values)


def is_decided(condition: Condition | None, found: Mapping[Phrase | Word, Ids]) -> bool:
    """Whether it takes nothing but `found` to say which passages fulfil a condition; see `compiled`.

    >>> is_decided(Not(Word("mine")), {Word("mine"): np.array([3])}), is_decided(Not(Word("mine")), {})
    (True, False)
    """
    if isinstance(condition, Not):
        return is_decided(condition.condition, found)
    if isinstance(condition, And | Or):
        return all(is_decided(one, found) for one in condition.conditions)
    return condition is None or (condition in found and _is_sure(condition))


def fulfilling(condition: Condition, ids: Ids, found: Mapping[Phrase | Word, Ids]) -> NDArray[np.bool_]:
    """Of each of `ids`, whether it fulfils a condition that `is_decided`.

    >>> fulfilling(Not(Word("mine")), np.array([2, 3]), {Word("mine"): np.array([3])})
    array([ True, False])
    """
    if isinstance(condition, Not):
        return ~fulfilling(condition.condition, ids, found)
    if isinstance(condition, And | Or):
        joining = np.logical_and if isinstance(condition, And) else np.logical_or
        each: NDArray[np.bool_] = joining.reduce([fulfilling(one, ids, found) for one in condition.conditions])
        return each
    assert isinstance(condition, Phrase | Word)  # nothing else is decided
    return np.isin(ids, found[condition])


def local_day(micros: int | None, tz: str | None) -> str | None:
    """The day of an instant, in microseconds since 1970 UTC, in the zone of that name; None of None.

    >>> local_day(1684792800_000000, "Europe/Paris"), local_day(1684792800_000000, "UTC")
    ('2023-05-23', '2023-05-22')
    """
    if micros is None:
        return None
    # Asked for each passage of an index; days begin with a whole second.
    return datetime.fromtimestamp(micros // 1_000_000, _zone(tz or "UTC")).isoformat()[:10]


_zone = lru_cache(dates.zone)


def _has_part(text: str | None, part: str) -> bool | None:
    return None if text is None else part.casefold() in text.casefold()


def _says_within(text: str, start: int, end: int, phrase: str) -> bool:
    return holds(text[start:end], phrase)


def _has_word(title: str, text: str, start: int, end: int, lang: str, word: str) -> bool:
    return not set(_terms(word)).isdisjoint(passage_terms(f"{title}\n{text[start:end]}", lang))


@lru_cache
def _terms(word: str) -> tuple[str, ...]:
    return Word(word).terms


FUNCTIONS: Mapping[str, tuple[int, Callable[..., Any]]] = {
    "local_day": (2, local_day),
    "says": (2, holds),
    "says_within": (4, _says_within),
    "has_part": (2, _has_part),
    "has_word": (6, _has_word),
}
"""What a connection must have: how many values each takes, and what it makes of them."""


_SIGNS = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<="}


# Cut in Python: SQLite takes a zero character for the end of a text.
_PASSAGE = 'v.text, p.start, p."end"'


def _is_sure(condition: Condition) -> bool:
    """Whether engines tell which passages fulfil it, and not only which may: they know words without accents."""
    return isinstance(condition, Word) or (isinstance(condition, Phrase) and not is_accented(condition.text))


def _sql(condition: Condition, values: dict[str, str | int | float], prefix: str, found: Mapping[Phrase | Word, Ids]) -> str:
    def bind(value: str | int | float) -> str:
        values[f"{prefix}{len(values)}"] = value
        return f":{prefix}{len(values) - 1}"

    if isinstance(condition, Not):
        return f"NOT ({_sql(condition.condition, values, prefix, found)})"
    if isinstance(condition, And | Or):
        word = " AND " if isinstance(condition, And) else " OR "
        return f"({word.join(_sql(one, values, prefix, found) for one in condition.conditions)})"
    if isinstance(condition, Contains):
        return f"ifnull(has_part({ATTRIBUTES[condition.attribute].sql}, {bind(condition.text)}), 0)"
    if isinstance(condition, Phrase | Word):
        # In JSON they are one value, however many they are.
        can = (
            f"p.id IN (SELECT value FROM json_each({bind(json.dumps(found[condition].tolist()))}))"
            if condition in found
            else ""
        )
        if can and _is_sure(condition):
            return can
        says = bind(condition.text)
        if isinstance(condition, Word):
            does = f"has_word(v.title, {_PASSAGE}, v.lang, {says})"
        elif condition.part == "title":
            does = f"says(v.title, {says})"
        else:
            does = f"(says(v.title, {says}) OR says_within({_PASSAGE}, {says}))"
        return f"({can} AND {does})" if can else does
    names = [bind(_bound(value)) for value in condition.values]
    column = ATTRIBUTES[condition.attribute].sql
    match condition.operator:
        case "eq":
            return f"{column} IS {names[0]}"
        case "ne":
            return f"{column} IS NOT {names[0]}"
        case "in":
            return f"ifnull({column} IN ({', '.join(names)}), 0)"
        case "nin":
            return f"ifnull({column} NOT IN ({', '.join(names)}), 1)"
    return f"ifnull({column} {_SIGNS[condition.operator]} {names[0]}, 0)"


def _bound(value: Value) -> str | int | float:
    return (value - _EPOCH) // timedelta(microseconds=1) if isinstance(value, datetime) else value
