"""What a query asks for beside its question, and what stays a question."""

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.conditions import And, Comparison, Contains, Not, Or, Phrase, Word
from index.errors import InvalidRequest
from index.operators import FIELDS, literal, read
from index.reader import Filters
from index.records import Window

PARIS = ZoneInfo("Europe/Paris")

NATURAL = [
    "Qui a revendiqué l’attaque de Belgorod ?",
    "Who is training Ukrainian pilots on F-16s?",
    "Que demande-t-il à 18:30 ?",
    "« 11h58 : » que se passe-t-il ?",
    'Who said "we are ready"?',
    "Who said “we are ready” in May?",
    "Qui a parlé d’« opération spéciale » en mai ?",
    'Qui a écrit "Germinal"',
    "https://example.org/a:b",
    "voir http://example.org/lang:fr",
    "Le président -en visite à Kiev- a dit",
    "dit -il hier",
    "que veut -elle -même",
    "-12 degrés à Moscou",
    "score 2:1 contre 16:9",
    "Paris - Berlin – Kiev — Moscou -",
    "source: Reuters",
    "D’après une source : qui a tiré ?",
    "source:",
    "Note:ceci est important",
    "Jean 3:16",
    "C:\\temp",
    "aujourd’hui l'attaque d'Avdiivka",
    "le 'camp' ukrainien",
    '5" de diamètre',
    '"jamais fermé',
    "« jamais fermé non plus",
    '""',
    "«»",
    '"…"',
    "-Qui a attaqué ?",
    "-Wagner a-t-il attaqué ?",
    "author:smith",
    "C++ +1 1+1",
    "-", "+", ":", "x:", "OR", "a OR b",
]  # fmt: skip


@pytest.mark.parametrize("query", NATURAL)
def test_a_question_without_operators_stays_as_it_is(query: str) -> None:
    found = read(query, PARIS)
    assert (found.question, found.narrows, found.where, found.window) == (query, False, None, Window())
    assert found.narrowed(Filters(lang="fr")) == Filters(lang="fr")
    assert not found.wordless


def test_what_looks_like_an_operator_and_is_none_is_told() -> None:
    told = {part.kind for query in ('Who said "we are ready"?', "source: Reuters") for part in read(query, PARIS).parts}
    assert told == {"quoted", "words"}


def phrase(text: str) -> Phrase:
    return Phrase(text)


CONDITIONS: list[tuple[str, str, Any]] = [
    ('"air defence" Kyiv', "air defence Kyiv", phrase("air defence")),
    ("« défense aérienne » Kiev", "défense aérienne Kiev", phrase("défense aérienne")),
    ("Kiev “défense aérienne”", "Kiev défense aérienne", phrase("défense aérienne")),
    ("„Luftabwehr“ Kiew", "Luftabwehr Kiew", phrase("Luftabwehr")),
    ('Who said +"we are ready"?', "Who said we are ready ?", phrase("we are ready")),
    ('Who attacked? "Belgorod region"', "Who attacked? Belgorod region", phrase("Belgorod region")),
    ('Who attacked -"Belgorod region"?', "Who attacked ?", Not(phrase("Belgorod region"))),
    ("Ukraine -Wagner", "Ukraine", Not(Word("Wagner"))),
    ("Who attacked Kiev -drone, -missile?", "Who attacked Kiev , ?", And((Not(Word("drone")), Not(Word("missile"))))),
    ("-Wagner Ukraine", "Ukraine", Not(Word("Wagner"))),
    ("pilotes -F-16", "pilotes", Not(phrase("F-16"))),
    ("source:AFP Kiev", "Kiev", Contains("source", "AFP")),
    ("Kiev -source:AFP", "Kiev", Not(Contains("source", "AFP"))),
    ("source:a source:b Kiev", "Kiev", Or((Contains("source", "a"), Contains("source", "b")))),
    ("Kiev lang:fr", "Kiev", Comparison("lang", "eq", "fr")),
    ("Kiev langue:Anglais", "Kiev", Comparison("lang", "eq", "en")),
    ("LANG:FR Kiev (lang:en)", "Kiev ( )", Or((Comparison("lang", "eq", "fr"), Comparison("lang", "eq", "en")))),
    ('titre:"Xi Jinping" Chine', "Chine", Phrase("Xi Jinping", "title")),
    ("title:« Xi Jinping » title:Chine", "", And((Phrase("Xi Jinping", "title"), Phrase("Chine", "title")))),
    ("url:https://example.org/a Kiev", "Kiev", Contains("url", "https://example.org/a")),
    ("entry:ABC", "", Comparison("entry_id", "eq", "abc")),
    ('"F-16" OR "Mirage 2000"', "F-16 OR Mirage 2000", Or((phrase("F-16"), phrase("Mirage 2000")))),
    ("title:a | title:b OU lang:fr", "| OU", Or((Phrase("a", "title"), Phrase("b", "title"), Comparison("lang", "eq", "fr")))),
]  # fmt: skip


@pytest.mark.parametrize(("query", "question", "where"), CONDITIONS)
def test_operators_become_conditions_and_the_words_are_left(query: str, question: str, where: object) -> None:
    found = read(query, PARIS)
    assert (" ".join(found.question.split()), found.where) == (question, where)
    # Places in what is left are places in the query.
    assert len(found.question) == len(query)
    assert all(left in (own, " ") for left, own in zip(found.question, query, strict=True))


def at(*when: int) -> datetime:
    return datetime(*when, tzinfo=PARIS)  # type: ignore[arg-type, misc]


TIMES = [
    ("before:2023-05-24", None, at(2023, 5, 24)),
    ("avant:2023-05", None, at(2023, 5, 1)),
    ("until:2023", None, at(2023, 1, 1)),
    ("after:2023-05-23T11:58", at(2023, 5, 23, 11, 58), None),
    ("depuis:2023-05-23T11:58+02:00", at(2023, 5, 23, 11, 58), None),
    ("since:2023-05-23 until:2023-05-24", at(2023, 5, 23), at(2023, 5, 24)),
    ("published:2023-05-23", at(2023, 5, 23), at(2023, 5, 24)),
    ("publié:2023-12", at(2023, 12, 1), at(2024, 1, 1)),
    ("published:2023", at(2023, 1, 1), at(2024, 1, 1)),
    ("published:2023-05-23T11:58", at(2023, 5, 23, 11, 58), at(2023, 5, 23, 11, 59)),
    ("published:2023-05..2023-06-02", at(2023, 5, 1), at(2023, 6, 3)),
    ("published:..2023", None, at(2024, 1, 1)),
    ("published:2023.. after:2022 before:2025", at(2023, 1, 1), at(2025, 1, 1)),
    # The clock is set forward on that day.
    ("published:2023-03-26", at(2023, 3, 26), at(2023, 3, 27)),
]  # fmt: skip


@pytest.mark.parametrize(("query", "since", "until"), TIMES)
def test_times_become_a_window(query: str, since: datetime | None, until: datetime | None) -> None:
    found = read(f"Kiev {query}", PARIS)
    assert (found.window, found.where, found.question.split()) == (Window(since, until), None, ["Kiev"])


def test_the_window_of_a_query_narrows_the_caller_s() -> None:
    found = read("Kiev after:2023-05-23", UTC)
    early, late = datetime(2023, 5, 1, tzinfo=UTC), datetime(2023, 6, 1, tzinfo=UTC)
    mine = datetime(2023, 5, 23, tzinfo=UTC)
    assert found.narrowed(Filters(Window(early, late), "fr")) == Filters(Window(mine, late), "fr")
    with pytest.raises(InvalidRequest, match="have nothing in common") as caught:
        found.narrowed(Filters(Window(None, early)))
    assert caught.value.field == "query"


def test_the_caller_s_condition_holds_too() -> None:
    own = Comparison("year", "eq", 2023)
    assert read("Kiev lang:fr", UTC).narrowed(Filters(where=own)).where == And((own, Comparison("lang", "eq", "fr")))


REFUSED = [
    ("lang:de", "lang:de: write lang:fr or lang:en"),
    ("sorce:AFP Kiev", r"sorce:AFP: there is no field 'sorce'; did you mean source:\?"),
    ("before:18:30", "before:18:30 is no time: write 2023"),
    ("published:2023-13", "published:2023-13 is no time"),
    ("after:0000", "after:0000 is no time"),
    ("published:9999", "published:9999 is no time"),
    ("published:2024..2023", "published:2024..2023 ends before it begins"),
    ("after:2024 before:2023", "before:2023: nothing is left of the other times"),
    ('title:"…"', 'title:"…": there is no word to look for'),
    ("-before:2023", "-before:2023: a time cannot be taken away"),
    ('"a" OR -b', "-b: OR joins"),
    ('"a" OR before:2023', "before:2023: OR joins"),
    ('"a\ud800"', "half a character"),
    (" ".join(f'"{n}"' for n in range(101)), "at most 100"),
]


@pytest.mark.parametrize(
    ("query", "message"), REFUSED, ids=[query[:20].encode(errors="replace").decode() for query, _ in REFUSED]
)
def test_an_operator_that_makes_no_sense_is_named(query: str, message: str) -> None:
    with pytest.raises(InvalidRequest, match=message):
        read(query, PARIS)


def test_a_literal_query_has_no_operators() -> None:
    found = literal('"air defence" -drone')
    assert (found.question, found.parts, found.narrows, found.is_literal) == ('"air defence" -drone', (), False, True)


@pytest.mark.parametrize(
    ("query", "wordless", "alone"),
    [
        ("lang:fr", True, True),
        ("-drone before:2023", True, True),
        ('"air defence"', False, True),
        ('"a b" OR "c d"', False, True),
        ("title:Kiev | title:Lviv", True, True),
        ('"air defence" Kiev', False, False),
        ("Kiev lang:fr", False, False),
        ("Kiev", False, False),
        ("???", False, False),
    ],
)
def test_operators_may_stand_alone(query: str, wordless: bool, alone: bool) -> None:
    found = read(query, PARIS)
    assert (found.wordless, found.alone) == (wordless, alone)


PIECES = ['"', "«", "»", "“", "”", "-", "+", ":", "(", ")", " ", "OR", "?", "a", "Kiev", "2023", "..", *FIELDS]


@given(st.lists(st.sampled_from(PIECES), max_size=20).map("".join) | st.text(max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_understood_or_refused_and_keeps_its_length(query: str) -> None:
    try:
        found = read(query, PARIS)
    except InvalidRequest:
        return
    assert len(found.question) == len(query)
    assert found.question == query or found.narrows
    for part in found.parts:
        assert 0 <= part.start < part.end <= len(query)
    assert [part.start for part in found.parts] == sorted(part.start for part in found.parts)


def test_more_operators_than_can_be_compared_are_the_querys_fault() -> None:
    with pytest.raises(InvalidRequest, match="comparisons; at most") as raised:
        read("mot " + "-drone " * 1000, UTC)
    assert raised.value.field == "query"
