"""Conditions: what SQL finds by one is what a plain reading of it says of each passage, and what is wrong is named."""

import itertools
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed import ModelCard
from index.conditions import (
    ATTRIBUTES,
    MAX_COMPARISONS,
    MAX_DEPTH,
    MAX_VALUES,
    OPERATORS,
    And,
    Comparison,
    Condition,
    Not,
    Or,
    compare,
)
from index.errors import InvalidRequest
from index.records import Entry, Passage, Precision, Window
from index.space import KINDS, Space
from index.store import Changes, NewPassage, Origin, Store
from index.where import compiled

CARD = ModelCard("demo", "1", 4, 64)
SPACE = Space({kind: dict.fromkeys(("fr", "en"), np.zeros(4, dtype=np.float32)) for kind in KINDS})
PARIS, YORK = ZoneInfo("Europe/Paris"), ZoneInfo("America/New_York")
NEW_YEAR = datetime(2023, 1, 1, tzinfo=PARIS)
TIMES = [
    # Days and years end at other instants in other zones, and clocks are set forward and back.
    *(NEW_YEAR + timedelta(hours=hours) for hours in (-6, -1, 0, 1, 23, 24)),
    *(datetime(2022, 12, 31, hour, tzinfo=YORK) for hours in (17, 18, 19) for hour in (hours, hours + 4)),
    datetime(2023, 3, 26, 0, 30, tzinfo=PARIS),
    datetime(2023, 10, 29, 23, 30, tzinfo=PARIS),
    datetime(2023, 5, 23, 4, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=45))),
    datetime(1969, 7, 20, 20, 17, tzinfo=UTC),
]
# Beyond the basic plane and before its end; composed and decomposed; what SQL or C would take for more than text.
TEXTS = ["", "a", "A", "\u00e9", "e\u0301", "’", "🙂", "\uffff", "%", "' OR 1 --", "a\0b", "a\0c", "10", "9"]
PRECISIONS: list[Precision | None] = ["minute", "second", None]
URLS = [None, "https://fil.example/1", "a"]
ENTRIES = [
    *(
        Entry(
            f"fil/{n % 3}.txt", f"{n}{text}", text, "Oui. Non.", ("fr", "en", "und")[n % 3], moment, PRECISIONS[n % 3], url=url
        )
        for n, (text, moment, url) in enumerate(zip(TEXTS, TIMES, URLS * 5, strict=False))
    ),
    Entry("fil/0.txt", "day", "a", "Oui. Non.", "fr", datetime(2023, 5, 23, tzinfo=PARIS), "day"),
    Entry("fil/1.txt", "none", "a", "Oui. Non.", "fr", url="https://fil.example/2"),
]


@pytest.fixture(scope="module")
def passages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Store, list[Passage]]]:
    """A store with two passages of every entry, and these."""
    with Store.create(tmp_path_factory.mktemp("index"), CARD, lambda: SPACE) as store:
        cut = [NewPassage(0, 4, b"1"), NewPassage(5, 9, b"2")]
        origins = [Origin(f"fil/{n}.txt", "", "Europe/Paris") for n in range(3)]
        store.commit(Changes(origins, [(entry, cut) for entry in ENTRIES]), CARD)
        found = store.passages(range(1, 2 * len(ENTRIES) + 1))
        assert len(found) == 2 * len(ENTRIES)
        yield store, [found[i] for i in sorted(found)]


# The plain reading


def own(passage: Passage, attribute: str) -> Any:
    entry = passage.entry
    match attribute:
        case "entry_id":
            return entry.id
        case "passage_id":
            return passage.id
        case "start" | "end":
            return getattr(passage, attribute)
        case "day":
            return entry.published and entry.published.date().isoformat()
        case "year":
            return entry.published and entry.published.year
    return getattr(entry, attribute)


def holds(condition: Condition, passage: Passage) -> bool:
    match condition:
        case Not(inner):
            return not holds(inner, passage)
        case And(parts):
            return all(holds(part, passage) for part in parts)
        case Or(parts):
            return any(holds(part, passage) for part in parts)
    assert isinstance(condition, Comparison)
    mine: Any = own(passage, condition.attribute)
    other: Any = condition.value
    match condition.operator:
        case "eq":
            return bool(mine == other)
        case "ne":
            return bool(mine != other)
        case "in":
            return mine in other
        case "nin":
            return mine not in other
    if mine is None:
        return False
    return {"gt": mine > other, "gte": mine >= other, "lt": mine < other, "lte": mine <= other}[condition.operator]  # type: ignore[no-any-return]


def ids(store: Store, condition: Condition) -> list[int]:
    return list(store.allowed(1, Window(), condition=condition))


# Values that are there, and some beside them.
NEAR: dict[str, list[Any]] = {
    "text": [*TEXTS, *(f"fil/{n}.txt" for n in range(4)), *(entry.id for entry in ENTRIES), "https://fil.example/1", "day"],
    "lang": ["fr", "en", "und", "de"],
    "number": [-1, 0, 0.5, 1, 4, 5, 7, 9.0, 20, 1969, 2022, 2022.5, 2023, 2024, 2.0**62, 2**63 - 1],
    "time": [moment + timedelta(microseconds=nudge) for moment in TIMES for nudge in (-1, 0, 1)],
    "day": sorted({(moment + timedelta(days=step)).date().isoformat() for moment in TIMES for step in (-1, 0, 1)}),
}


@st.composite
def comparisons(draw: st.DrawFn) -> Comparison:
    name = draw(st.sampled_from(list(ATTRIBUTES)))
    values = st.sampled_from(NEAR[ATTRIBUTES[name].kind])
    operator = draw(st.sampled_from(OPERATORS))
    value = draw(st.lists(values, max_size=5).map(tuple) if operator in ("in", "nin") else values)
    return Comparison(name, operator, value)


def grouped(inner: st.SearchStrategy[Condition]) -> st.SearchStrategy[Condition]:
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    return some.map(And) | some.map(Or) | inner.map(Not)


CONDITIONS: st.SearchStrategy[Condition] = st.recursive(comparisons(), grouped, max_leaves=6)


@given(condition=CONDITIONS)
@settings(max_examples=600, deadline=None)
def test_sql_finds_what_a_plain_reading_says(passages: tuple[Store, list[Passage]], condition: Condition) -> None:
    store, all_of_them = passages
    assert ids(store, condition) == [passage.id for passage in all_of_them if holds(condition, passage)]


@pytest.mark.parametrize("name", ATTRIBUTES)
@pytest.mark.parametrize("operator", OPERATORS)
def test_every_operator_compares_every_attribute(passages: tuple[Store, list[Passage]], name: str, operator: str) -> None:
    store, all_of_them = passages
    some = {own(passage, name) for passage in all_of_them} - {None}
    found = []
    for value in sorted(some)[:: 3 if len(some) > 5 else 1]:
        condition = compare(name, operator, [value] if operator in ("in", "nin") else value)
        found.append(ids(store, condition))
        assert found[-1] == [passage.id for passage in all_of_them if holds(condition, passage)]
    assert any(0 < len(one) < len(all_of_them) for one in found)


@given(condition=CONDITIONS)
@settings(max_examples=100, deadline=None)
def test_not_is_the_contrary(passages: tuple[Store, list[Passage]], condition: Condition) -> None:
    store, all_of_them = passages
    assert sorted([*ids(store, condition), *ids(store, Not(condition))]) == [passage.id for passage in all_of_them]


@given(condition=CONDITIONS)
def test_no_value_of_a_caller_is_in_the_text(condition: Condition) -> None:
    found = compiled(condition)
    assert "OR 1" not in found.text
    assert "fil" not in found.text
    assert all(f":{name}" in found.text for name in found.values)


# What is missing


@pytest.mark.parametrize(
    ("operator", "value", "found"),
    [
        ("eq", 0, False), ("ne", 0, True), ("in", [0], False), ("nin", [0], True),
        ("gt", 0, False), ("gte", 0, False), ("lt", 4e9, False), ("lte", 4e9, False),
    ],
)  # fmt: skip
@pytest.mark.parametrize("name", ["published", "year"])
def test_what_is_missing_equals_nothing_and_is_above_and_below_nothing(
    passages: tuple[Store, list[Passage]], name: str, operator: str, value: object, found: bool
) -> None:
    store, all_of_them = passages
    undated = [passage.id for passage in all_of_them if passage.entry.published is None]
    assert undated
    condition = compare(name, operator, value)
    assert (set(undated) <= set(ids(store, condition))) == found
    assert (set(undated) <= set(ids(store, Not(condition)))) == (not found)


def test_an_empty_list_holds_nothing(passages: tuple[Store, list[Passage]]) -> None:
    store, all_of_them = passages
    assert ids(store, compare("url", "in", [])) == []
    assert len(ids(store, compare("url", "nin", []))) == len(all_of_them)


# Days and times


def test_a_day_is_that_of_the_place_where_the_entry_was_written(passages: tuple[Store, list[Passage]]) -> None:
    store, all_of_them = passages
    found = ids(store, compare("day", "eq", "2022-12-31"))
    zones = {str(all_of_them[i - 1].entry.published.tzinfo) for i in found}  # type: ignore[union-attr]
    assert zones == {"Europe/Paris", "America/New_York"}


def test_times_are_written_in_several_ways() -> None:
    noon = datetime(2023, 5, 23, 12, tzinfo=PARIS)
    for written in (noon, noon.astimezone(UTC), 1684836000, 1684836000.0, "2023-05-23T12:00+02:00", "2023-05-23T10:00:00Z"):
        assert compare("published", "eq", written) == Comparison("published", "eq", noon)
    for written in ("2023-05-23T12:00", datetime(2023, 5, 23, 12)):
        assert compare("published", "eq", written, PARIS) == Comparison("published", "eq", noon)
    assert compare("published", "gte", "2023-05-23", PARIS).value == datetime(2023, 5, 23, tzinfo=PARIS)
    assert compare("published", "eq", 1684836000.25).value == noon + timedelta(seconds=0.25)
    assert compare("day", "eq", date(2023, 5, 23)) == compare("day", "eq", "2023-05-23")


# What is refused


@pytest.mark.parametrize(
    ("name", "operator", "value", "field", "message"),
    [
        ("author", "eq", "x", "key", "no attribute 'author' to filter by: there are entry_id, "),
        ("s.name", "eq", "x", "key", "no attribute 's.name' to filter by"),
        ("lang", "like", "fr", "type", "no operator 'like': there are eq, ne, gt, gte, lt, lte, in, nin"),
        ("lang", "eq", 3, "lang", "lang: 3 is not the code of a language, such as 'fr' or 'en'"),
        ("lang", "eq", "French", "lang", "lang: 'French' is not the code of a language"),
        ("lang", "eq", None, "lang", "lang: None is not the code"),
        ("title", "eq", True, "title", "title: True is not text"),
        ("title", "in", ["a", 1], "title", "title: 1 is not text"),
        ("title", "eq", "\ud83d", "title", "title: the text holds half a character"),
        ("title", "eq", {"a": 1}, "title", "title: a dict is not text"),
        ("year", "eq", "2023", "year", "year: '2023' is not a number"),
        ("year", "eq", False, "year", "year: False is not a number"),
        ("year", "gt", float("nan"), "year", "year: the number is out of range"),
        ("year", "gt", 10**5000, "year", "year: the number is out of range"),
        ("passage_id", "eq", 2**63, "passage_id", "passage_id: the number is out of range"),
        ("published", "gt", "hier", "published", "published: 'hier' is not a date or time: write 2023-05-23"),
        ("published", "gt", True, "published", "published: True is not a time: write "),
        ("published", "gt", 1e20, "published", "published: the number is no time: write seconds since 1970"),
        ("published", "gt", float("inf"), "published", "published: the number is no time"),
        ("published", "gt", float("nan"), "published", "published: the number is no time"),
        ("day", "eq", "23/05/2023", "day", "day: '23/05/2023' is not a day such as '2023-05-23'"),
        ("day", "eq", "20230523", "day", "day: '20230523' is not a day"),
        ("day", "eq", datetime(2023, 5, 23), "day", "day: datetime.datetime(2023, 5, 23, 0, 0) is not a day"),
        ("lang", "in", "fr", "lang", "lang: 'in' compares with a list of values"),
        ("lang", "eq", ["fr"], "lang", "lang: 'eq' compares with one value"),
        ("year", "in", [2023] * 501, "year", f"year: 501 values in a list; at most {MAX_VALUES} are compared"),
    ],
    ids=itertools.count(),
)
def test_a_value_that_cannot_be_compared_is_refused_by_name(
    name: str, operator: str, value: object, field: str, message: str
) -> None:
    with pytest.raises(InvalidRequest) as raised:
        compare(name, operator, value)
    assert str(raised.value).startswith(message)
    assert raised.value.field == field
    assert len(str(raised.value)) < 250


def test_a_naive_time_is_no_time() -> None:
    with pytest.raises(InvalidRequest, match=r"published: .* is not a time"):
        Comparison("published", "eq", datetime(2023, 5, 23))


def test_conditions_have_bounds() -> None:
    years = list(range(251))
    leaf = compare("lang", "eq", "fr")
    deep: Condition = leaf
    for _ in range(MAX_DEPTH):
        deep = Not(deep)
    with pytest.raises(InvalidRequest, match="nested 9 deep; at most 8"):
        Or((deep,))
    wide = And((leaf,) * MAX_COMPARISONS)
    with pytest.raises(InvalidRequest, match="101 comparisons; at most 100"):
        Or((wide, leaf))
    with pytest.raises(InvalidRequest, match="502 values to compare with; at most 500"):
        And((compare("year", "in", years), compare("year", "nin", years)))
    for group in (And, Or):
        with pytest.raises(InvalidRequest, match=f"'{group.__name__.lower()}' joins no condition"):
            group(())


def test_the_largest_conditions_are_understood_by_sqlite(passages: tuple[Store, list[Passage]]) -> None:
    store, all_of_them = passages
    condition: Condition = And((Or(tuple(compare("day", "in", ["2023-05-23"] * 5) for _ in range(MAX_COMPARISONS))),))
    for _ in range(MAX_DEPTH - 2):
        condition = Not(condition)
    assert ids(store, condition) == [p.id for p in all_of_them if own(p, "day") == "2023-05-23"]
