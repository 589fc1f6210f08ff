"""OpenAI's filter language: every operator becomes its comparison, and what is wrong is named by its place."""

from datetime import UTC
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from api import filters
from index.conditions import MAX_COMPARISONS, MAX_DEPTH, OPERATORS, And, Or, compare
from index.errors import InvalidRequest

FRENCH = {"type": "eq", "key": "lang", "value": "fr"}


@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_is_a_comparison(operator: str) -> None:
    value: Any = ["fr", "en"] if operator in ("in", "nin") else "fr"
    assert filters.read({"type": operator, "key": "lang", "value": value}, UTC) == compare("lang", operator, value)


def test_groups_are_nested_as_they_are_written() -> None:
    written = {"type": "and", "filters": [FRENCH, {"type": "or", "filters": [FRENCH, {"type": "and", "filters": [FRENCH]}]}]}
    french = compare("lang", "eq", "fr")
    assert filters.read(written, UTC) == And((french, Or((french, And((french,))))))


def test_a_time_without_an_offset_is_in_the_zone_of_the_corpus() -> None:
    paris = ZoneInfo("Europe/Paris")
    for key in ("published", "published_at"):
        written = {"type": "gte", "key": key, "value": "2023-05-23"}
        assert filters.read(written, paris) == compare("published", "gte", "2023-05-23T00:00+02:00")


def deep(levels: int) -> Any:
    found: Any = FRENCH
    for _ in range(levels):
        found = {"type": "and", "filters": [found]}
    return found


@pytest.mark.parametrize(
    ("written", "place", "message"),
    [
        (3, "filters", "is not an object with a type"),
        ([FRENCH], "filters", "is not an object with a type"),
        ({}, "filters.type", "is missing"),
        ({"type": 3}, "filters.type", "is not text"),
        ({"type": "not", "filters": [FRENCH]}, "filters.type", "there is no 'not'; there are eq, ne, gt, gte, lt, lte, in"),
        ({"type": "eq", "value": "fr"}, "filters.key", "is missing"),
        ({"type": "eq", "key": "lang"}, "filters.value", "is missing"),
        ({"type": "eq", "key": 3, "value": "fr"}, "filters.key", "is not text"),
        ({**FRENCH, "boost": 2}, "filters.boost", "is not known"),
        ({"type": "eq", "key": "lang", "value": ["fr"]}, "filters.value", "'eq' compares with one value"),
        ({"type": "in", "key": "lang", "value": "fr"}, "filters.value", "'in' compares with a list of values"),
        ({"type": "eq", "key": "lang", "value": None}, "filters.value", "lang: None is not the code of a language"),
        ({"type": "eq", "key": "author", "value": "x"}, "filters.key", "no attribute 'author' to filter by: there are"),
        ({"type": "or"}, "filters.filters", "is missing"),
        ({"type": "or", "filters": FRENCH}, "filters.filters", "is not a list of filters"),
        ({"type": "or", "filters": []}, "filters", "'or' joins no condition: give at least one"),
        ({"type": "or", "filters": [FRENCH], "key": "lang"}, "filters.key", "is not known"),
        ({"type": "or", "filters": [FRENCH, 3]}, "filters.filters[1]", "is not an object with a type"),
        (
            {"type": "or", "filters": [FRENCH, {"type": "and", "filters": [{"type": "gt", "key": "year", "value": "x"}]}]},
            "filters.filters[1].filters[0].value",
            "year: 'x' is not a number",
        ),
        (
            {"type": "and", "filters": [FRENCH] * (MAX_COMPARISONS + 1)},
            "filters",
            f"{MAX_COMPARISONS + 1} comparisons; at most {MAX_COMPARISONS} are made",
        ),
        (deep(MAX_DEPTH + 1), "filters" + ".filters[0]" * MAX_DEPTH, f"is nested more than {MAX_DEPTH} deep"),
    ],
)
def test_what_is_wrong_is_named_by_its_place(written: Any, place: str, message: str) -> None:
    with pytest.raises(InvalidRequest) as raised:
        filters.read(written, UTC)
    assert raised.value.field == place
    assert str(raised.value).startswith(f"{place}: {message}")


def test_a_filter_may_be_as_deep_as_a_condition() -> None:
    assert isinstance(filters.read(deep(MAX_DEPTH), UTC), And)
