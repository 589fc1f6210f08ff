"""Filters in the language of Milvus: what `index.conditions` compiles to SQL for the store.

>>> expression(Filters(lang="fr"), Lookup())
'lang == "agGhC"'

A server need not know *not* (Milvus Lite does not), so that each condition is written together with its contrary. What a text
says has none there: of such a condition the passages are found, and left out one by one.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from index.bm25 import term_number
from index.cluster_rows import NO_TIME, NO_YEAR, listed, said, spelt
from index.conditions import ATTRIBUTES, And, Comparison, Condition, Contains, Not, Or, Phrase, Value, Word
from index.errors import InvalidRequest
from index.phrases import is_accented, plain_forms
from index.reader import Filters
from index.records import Ids, Window
from index.rows import micros_of

NONE, ALL = "id < 0", "id >= 0"
_SIGNS = {"eq": "==", "ne": "!=", "lt": "<", "gte": ">=", "gt": ">", "lte": "<="}
_CONTRARY = {"==": "!=", "!=": "==", "<": ">=", ">=": "<", ">": "<=", "<=": ">"}
_MISSING = {"published": NO_TIME, "year": NO_YEAR}
_PARTS_OF = {"source": "source", "url": "url_folded"}


@dataclass(frozen=True)
class Lookup:
    """What has to be asked for while a filter is written: the passages that a condition holds for, those of them whose text
    says a phrase as it is written, and the names of all sources.
    """

    ids: Callable[[str], Ids] = lambda where: np.zeros(0, dtype=np.int64)
    saying: Callable[[str, Phrase], Ids] = lambda where, phrase: np.zeros(0, dtype=np.int64)
    sources: Callable[[], Sequence[str]] = lambda: ()


@dataclass(frozen=True)
class _Clause:
    """A condition and its contrary, each written when it is wanted."""

    holds: Callable[[], str]
    fails: Callable[[], str]

    def contrary(self) -> "_Clause":
        return _Clause(self.fails, self.holds)


def expression(filters: Filters, lookup: Lookup) -> str:
    """The condition for a passage to pass; ALL when there is none.

    Raises `InvalidRequest` for a part of an attribute that Milvus cannot be asked for.
    """
    clauses = [*_window(filters.window)]
    if filters.lang is not None:
        clauses.append(f'lang == "{spelt(filters.lang)}"')
    if filters.source is not None:
        clauses.append(f'source == "{spelt(filters.source)}"')
    if filters.where is not None:
        clauses.append(_clause(filters.where, lookup).holds())
    return " and ".join(clauses) or ALL


def _window(window: Window) -> list[str]:
    clauses = []
    if window.until is not None:
        clauses.append(f"published < {micros_of(window.until)} and published != {NO_TIME}")
    if window.since is not None:
        since = micros_of(window.since)
        # The end of a day is the first moment after it, so it is compared with another bound than a known moment.
        clauses.append(f"(ends > {since} or (ends == {since} and day_only == false))")
    return clauses


def _clause(condition: Condition, lookup: Lookup) -> _Clause:
    if isinstance(condition, Not):
        return _clause(condition.condition, lookup).contrary()
    if isinstance(condition, And | Or):
        parts = [_clause(one, lookup) for one in condition.conditions]
        return _all(parts) if isinstance(condition, And) else _all([part.contrary() for part in parts]).contrary()
    if isinstance(condition, Comparison):
        return _comparison(condition)
    if isinstance(condition, Contains):
        return _contains(condition, lookup)
    if isinstance(condition, Word):
        numbers = ",".join(str(term_number(term)) for term in condition.terms)
        return _text(f"array_contains_any(terms, [{numbers}])", lookup)
    return _phrase(condition, lookup)


def _all(parts: Sequence[_Clause]) -> _Clause:
    return _Clause(
        lambda: f"({' and '.join(part.holds() for part in parts)})", lambda: f"({' or '.join(part.fails() for part in parts)})"
    )


def _simple(text: str, contrary: str) -> _Clause:
    return _Clause(lambda: text, lambda: contrary)


def _comparison(comparison: Comparison) -> _Clause:
    name = comparison.attribute
    if comparison.operator in ("in", "nin"):
        some = [_comparison(Comparison(name, "ne", value)) for value in comparison.values]
        none = _all(some) if some else _simple(ALL, NONE)
        return none if comparison.operator == "nin" else none.contrary()
    (value,) = comparison.values
    sign, column = _SIGNS[comparison.operator], _COLUMNS.get(name, name)
    if ATTRIBUTES[name].kind in ("text", "day", "lang"):
        written = f'"{spelt(str(value))}"'
        missing = '""'
    else:
        sign, written = _whole(sign, value)
        missing = str(_MISSING.get(name, NO_TIME))
        if not written:
            return _simple(ALL, NONE) if sign == "!=" else _simple(NONE, ALL)
    clause = _simple(f"{column} {sign} {written}", f"{column} {_CONTRARY[sign]} {written}")
    if sign in ("<", "<=", ">", ">="):
        # What is missing is neither above nor below anything.
        return _all([clause, _simple(f"{column} != {missing}", f"{column} == {missing}")])
    # It equals nothing, not even what stands for it.
    if written == missing:
        return _simple(NONE, ALL) if sign == "==" else _simple(ALL, NONE)
    return clause


_COLUMNS = {"passage_id": "id"}


def _whole(sign: str, value: Value) -> tuple[str, str]:
    """The same comparison with a whole number; without one where no whole number is equal."""
    if not isinstance(value, int | float):
        return sign, str(micros_of(value))  # type: ignore[arg-type]  # a time
    if isinstance(value, int) or value.is_integer():
        return sign, str(int(value))
    if sign in ("==", "!="):
        return sign, ""
    return (sign[0], str(math.ceil(value))) if sign in ("<", ">=") else (sign, str(math.floor(value)))


def _contains(condition: Contains, lookup: Lookup) -> _Clause:
    part = condition.text.casefold()
    if condition.attribute == "source":
        held = ",".join(f'"{spelt(name)}"' for name in lookup.sources() if part in name.casefold())
        return _simple(f"source in [{held}]", f"source not in [{held}]") if held else _simple(NONE, ALL)
    if condition.attribute not in _PARTS_OF:
        raise InvalidRequest(
            f"a Milvus index cannot be asked for parts of {condition.attribute}, only of {' and '.join(_PARTS_OF)}: compare "
            "the whole of it, or ask a folder that filrouge migrate made",
            condition.attribute,
        )
    return _text(f'{_PARTS_OF[condition.attribute]} like "%{spelt(part)[1:]}%"', lookup)


def _phrase(phrase: Phrase, lookup: Lookup) -> _Clause:
    # Folded words are letters and digits alone.
    words = said(plain_forms(phrase.text))
    where = f'said_title like "%{words}%"'
    if phrase.part != "title":
        where = f'({where} or said_text like "%{words}%")'
    if not is_accented(phrase.text):
        return _text(where, lookup)
    # Words are kept without accents, so that the texts have to be read.
    return _Clause(lambda: _among(lookup.saying(where, phrase)), lambda: _beside(lookup.saying(where, phrase)))


def _text(where: str, lookup: Lookup) -> _Clause:
    return _Clause(lambda: where, lambda: _beside(lookup.ids(where)))


def _among(ids: Ids) -> str:
    return listed("id", ids.tolist()) if len(ids) else NONE


def _beside(ids: Ids) -> str:
    return listed("id", ids.tolist()).replace(" in ", " not in ", 1) if len(ids) else ALL
