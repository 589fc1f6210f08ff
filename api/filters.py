"""How is OpenAI's filter language read? Comparisons of attributes, joined by `and` and `or`, become `index.conditions`."""

from collections.abc import Mapping
from datetime import tzinfo

from index.conditions import LISTS, MAX_DEPTH, OPERATORS, And, Condition, Or, compare
from index.errors import InvalidRequest

ALIASES = {"published_at": "published"}
"""Attributes that hits have twice: a time for programs, and the same for readers."""
_GROUPS: Mapping[str, type[And] | type[Or]] = {"and": And, "or": Or}


def read(filters: object, zone: tzinfo, place: str = "filters", depth: int = 0) -> Condition:
    """The condition that a filter sets; times without an offset are in `zone`.

    Raises `InvalidRequest`, whose field is the place within the filter that is wrong.

    >>> from datetime import UTC
    >>> read({"type": "eq", "key": "lang", "value": "fr"}, UTC)
    Comparison(attribute='lang', operator='eq', value='fr')
    >>> read({"type": "and", "filters": [{"type": "eq", "key": "lang", "value": 3}]}, UTC)
    Traceback (most recent call last):
    index.errors.InvalidRequest: filters.filters[0].value: lang: 3 is not the code of a language, such as 'fr' or 'en'
    """
    if not isinstance(filters, Mapping):
        raise _wrong(place, "is not an object with a type")
    kind = filters.get("type")
    if not isinstance(kind, str):
        raise _wrong(f"{place}.type", "is missing" if kind is None else "is not text")
    if kind in _GROUPS:
        _only(filters, place, "filters")
        parts = filters["filters"]
        if not isinstance(parts, list):
            raise _wrong(f"{place}.filters", "is not a list of filters")
        if depth == MAX_DEPTH:
            raise _wrong(place, f"is nested more than {MAX_DEPTH} deep")
        read_parts = tuple(read(part, zone, f"{place}.filters[{n}]", depth + 1) for n, part in enumerate(parts))
        try:
            return _GROUPS[kind](read_parts)
        except InvalidRequest as error:
            raise _wrong(place, str(error)) from error
    if kind not in OPERATORS:
        raise _wrong(f"{place}.type", f"there is no '{kind[:40]}'; there are {', '.join((*OPERATORS, *_GROUPS))}")
    _only(filters, place, "key", "value")
    key, value = filters["key"], filters["value"]
    if not isinstance(key, str):
        raise _wrong(f"{place}.key", "is not text")
    if (kind in LISTS) != isinstance(value, list):
        raise _wrong(f"{place}.value", f"'{kind}' compares with {'a list of values' if kind in LISTS else 'one value'}")
    try:
        return compare(ALIASES.get(key, key), kind, value, zone)
    except InvalidRequest as error:
        raise _wrong(f"{place}.{'key' if error.field == 'key' else 'value'}", str(error)) from error


def _only(filters: Mapping[str, object], place: str, *names: str) -> None:
    """Raise unless a filter has these parts beside its type, and no others."""
    for name in names:
        if name not in filters:
            raise _wrong(f"{place}.{name}", "is missing")
    for name in filters:
        if name not in ("type", *names):
            raise _wrong(f"{place}.{name[:40]}", "is not known")


def _wrong(place: str, why: str) -> InvalidRequest:
    return InvalidRequest(f"{place}: {why}", place)
