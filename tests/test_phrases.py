"""Phrases, word for word: the engine finds the passages that a look at every text finds."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed import ModelCard
from index.conditions import Contains, Not, Or, Phrase, Word, joined
from index.errors import InvalidRequest
from index.lexical import TantivyTerms
from index.phrases import forms, holds, is_accented
from index.reader import Filters, Snapshot, searchable
from index.records import Entry, Window
from index.space import KINDS, Space
from index.store import Changes, NewPassage, Origin, Store
from index.terms import passage_terms
from index.vectors import FaissVectors

CARD = ModelCard("demo", "1", 4, 64)
SPACE = Space({kind: dict.fromkeys(("fr", "en"), np.zeros(4, dtype=np.float32)) for kind in KINDS})

SAYS = [
    ("L’attaque de Belgorod", "attaque de belgorod", True),
    ("L’attaque de Belgorod", "l'attaque", True),
    ("L’attaque de Belgorod", "de l'attaque", False),
    ("Le vice‑président", "vice président", True),
    ("Le vice-président", "vice‐president", True),
    ("Des F-16 décollent", "F 16", True),
    ("Des F-16 décollent", "F16", False),
    ("Des F-16 décollent", "f-1", False),
    ("Il est préparé", "prepare", True),
    ("Il est préparé", "préparé", True),
    ("Il est préparé", "prépare", False),
    ("Il est prepare", "préparé", False),
    ("À la mer", "a la mer", True),
    ("Il a la mer", "à la mer", False),
    ("« Nous sommes prêts », dit-il", '"nous sommes prets, dit-il"', True),
    ("Le cœur, l’œuvre", "coeur l oeuvre", True),
    ("11\u202f000 morts", "11 000 morts", True),
    ("11\u202f000 morts", "000 morts", True),
    ("11\u202f000 morts", "1 000", False),
    ("aujourd’hui", "hui", True),
    ("un deux deux trois", "deux trois", True),
    ("un deux", "deux un", False),
    ("un, deux", "un deux trois", False),
    ("E\u0301lysée", "élysée", True),
    ("Élysée", "e\u0301lyse\u0301e", True),
    ("Rien", "…", False),
    ("", "rien", False),
]


@pytest.mark.parametrize(("text", "phrase", "said"), SAYS)
def test_a_text_says_a_phrase_or_does_not(text: str, phrase: str, said: bool) -> None:
    assert holds(text, phrase) is said


def test_an_accent_is_only_asked_for_where_it_is_written() -> None:
    assert [is_accented(phrase) for phrase in ("l'été", "l'ete", "Ça", "œuvre")] == [True, False, True, False]


WORDS = [
    "L’été",
    "ete",
    "F-16",
    "16",
    "O'Brien's",
    "aujourd’hui",
    "hui",
    "À",
    "a",
    "préparé",
    "prepare",
    "le",
    "US",
    "U.S.",
    "1 000",
]
MARKS = [" ", ", ", "-", "’", " « ", "… ", "\u00a0"]
texts = st.lists(st.tuples(st.sampled_from(WORDS), st.sampled_from(MARKS)), min_size=1, max_size=7).map(
    lambda parts: "".join(part for pair in parts for part in pair).strip() or "rien"
)
odd = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


def snapshot(folder: Path, entries: list[Entry]) -> Snapshot:
    """An index of entries, each of which is one passage."""
    store = Store.create(folder, CARD, lambda: SPACE)
    passages = [(entry, [NewPassage(0, len(entry.text), b"")]) for entry in entries]
    store.commit(Changes([Origin("s", "s", "UTC")], passages), CARD)
    terms = TantivyTerms.create(folder / "lexical", "owner")
    for batch in store.born(0, 1):
        terms.add(*searchable(batch))
    terms.commit(1)
    return Snapshot(1, CARD, SPACE, FaissVectors(4).view(), terms.view(), store)


@given(
    said=st.lists(st.tuples(texts | odd, texts | odd, st.sampled_from(["fr", "en", "und"])), min_size=1, max_size=8),
    phrase=texts | odd,
    cut=st.tuples(st.integers(0, 6), st.integers(1, 4)),
)
@settings(max_examples=40, deadline=None)
def test_the_engine_finds_what_reading_every_text_finds(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, str]], phrase: str, cut: tuple[int, int]
) -> None:
    entries = [Entry("s", str(n), title, text, lang) for n, (title, text, lang) in enumerate(said)]
    found = snapshot(tmp_path_factory.mktemp("phrases"), entries)
    with found.store:
        # A part of what is said, so that there is something to find.
        part = " ".join(forms(said[0][1])[cut[0] : cut[0] + cut[1]])
        for asked in filter(forms, (phrase, part)):
            expected = [n for n, one in enumerate(entries, 1) if holds(one.text, asked) or holds(one.title, asked)]
            assert found.allowed(Filters(where=Phrase(asked))).tolist() == expected  # type: ignore[union-attr]
            titled = [n for n, one in enumerate(entries, 1) if holds(one.title, asked)]
            assert found.allowed(Filters(where=Phrase(asked, "title"))).tolist() == titled  # type: ignore[union-attr]
            others = found.allowed(Filters(where=Not(Phrase(asked))))
            assert others is not None
            assert sorted([*others.tolist(), *expected]) == list(range(1, len(entries) + 1))
            # Without an engine every text is read.
            assert found.store.allowed(1, Window(), condition=Phrase(asked)).tolist() == expected


@given(said=st.lists(st.tuples(texts, texts, st.sampled_from(["fr", "en", "und"])), min_size=1, max_size=8), word=texts | odd)
@settings(max_examples=25, deadline=None)
def test_a_word_is_found_in_whatever_ending(
    tmp_path_factory: pytest.TempPathFactory, said: list[tuple[str, str, str]], word: str
) -> None:
    try:
        condition = Word(word)
    except InvalidRequest:
        return
    entries = [Entry("s", str(n), title, text, lang) for n, (title, text, lang) in enumerate(said)]
    found = snapshot(tmp_path_factory.mktemp("words"), entries)
    with found.store:
        expected = [
            n
            for n, one in enumerate(entries, 1)
            if set(condition.terms) & set(passage_terms(f"{one.title}\n{one.text}", one.lang))
        ]
        assert found.allowed(Filters(where=condition)).tolist() == expected  # type: ignore[union-attr]
        assert found.store.allowed(1, Window(), condition=condition).tolist() == expected


def test_a_title_and_its_text_are_not_one(tmp_path: Path) -> None:
    with snapshot(tmp_path, [Entry("s", "1", "Le vice", "président parle", "fr")]).store as store:
        assert store.allowed(1, Window(), condition=Phrase("vice président")).tolist() == []


def test_text_conditions_join_others(tmp_path: Path) -> None:
    found = snapshot(
        tmp_path,
        [Entry("s", "1", "", "Un drone.", "fr", url="https://Example.org/A"), Entry("s", "2", "", "Des drones.", "fr")],
    )
    with found.store:
        for condition, expected in (
            (joined(Word("drone"), Not(Phrase("drones"))), [1]),
            (Or((Phrase("un drone"), Phrase("des drones"))), [1, 2]),
            (Contains("url", "example.ORG"), [1]),
            (Not(Contains("url", "example")), [2]),
            (joined(None, Word("drones"), None), [1, 2]),
        ):
            assert found.allowed(Filters(where=condition)).tolist() == expected, condition  # type: ignore[union-attr]
    assert joined(None, None) is None


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Phrase("…"), "there is no word to look for in '…'"),
        (lambda: Phrase("a\ud800"), "query: the text holds half a character"),
        (lambda: Word(" "), "there is no word to look for"),
        (lambda: Contains("published", "x"), "'published' is no text to look for parts of"),
        (lambda: Contains("url", ""), "url: there is no text to look for"),
        (lambda: Contains("url", "\udfff"), "url: the text holds half a character"),
    ],
)
def test_a_text_that_cannot_be_looked_for_is_refused(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(InvalidRequest, match=message.replace("…", ".")):
        make()
