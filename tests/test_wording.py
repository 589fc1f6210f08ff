"""What is said of an answer, in both languages and without a gap."""

from datetime import UTC, datetime

import pytest

from api import wording
from embed.hashing import HashingEncoder
from index.answer import Answer, Narrowing, Reason, Relaxed
from index.reader import Filters
from index.search import Results
from index.when import Why

NOW = datetime(2023, 5, 23, tzinfo=UTC)
LANGS = ("fr", "en")


def answer(lang: str, reason: Reason | None = None, narrowing: Narrowing | None = None) -> Answer:
    results = Results("?", lang, Filters(), 1, HashingEncoder().card, ())
    return Answer(0.1, (), results, narrowing or Narrowing(), NOW, 0.3, reason)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_is_told_in_the_language_of_the_question(reason: Reason) -> None:
    told = {lang: wording.reason(answer(lang, reason, Narrowing(impossible=Why.DAY))) for lang in LANGS}
    assert all(told.values())
    assert told["fr"] != told["en"]
    assert all("{" not in str(text) for text in told.values())


@pytest.mark.parametrize("why", Why)
def test_a_time_that_there_is_not_is_explained(why: Why) -> None:
    told = {wording.reason(answer(lang, Reason.NO_SUCH_TIME, Narrowing(impossible=why))) for lang in LANGS}
    others = {wording.reason(answer(lang, Reason.NO_SUCH_TIME)) for lang in LANGS}
    assert len(told | others) == 4


@pytest.mark.parametrize("relaxed", Relaxed)
def test_every_window_that_was_not_searched_is_told(relaxed: Relaxed) -> None:
    told = {wording.relaxed(answer(lang, narrowing=Narrowing(relaxed=relaxed))) for lang in LANGS}
    assert len(told) == 2
    assert None not in told


def test_a_reader_of_the_other_language_is_told_in_theirs() -> None:
    for lang, other in (LANGS, LANGS[::-1]):
        theirs = answer(other, Reason.NOT_IN_CORPUS, Narrowing(relaxed=Relaxed.EMPTY))
        ours = answer(lang, Reason.NOT_IN_CORPUS, Narrowing(relaxed=Relaxed.EMPTY))
        assert wording.reason(theirs, lang) == wording.reason(ours)
        assert wording.relaxed(theirs, lang) == wording.relaxed(ours)


def test_nothing_is_told_where_there_is_nothing_to_tell() -> None:
    assert wording.reason(answer("fr")) is None
    assert wording.relaxed(answer("fr")) is None


def test_french_has_its_typography() -> None:
    for reason in Reason:
        text = str(wording.reason(answer("fr", reason, Narrowing(impossible=Why.TIME))))
        assert "'" not in text
        assert not any(f"{before}{mark}" in text for mark in ":;?!" for before in " abcdefghijklmnopqrstuvwxyzé")
