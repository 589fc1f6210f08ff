"""Answers on the wire."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest

from api.answers import AnswerOut, AskedWindowOut, PhraseOut, QuoteOut, answer_out, quote_out
from api.schemas import WindowOut, card_out
from embed.hashing import HashingEncoder
from index.answer import Answer, Narrowing, Quote, Reason, Relaxed
from index.reader import Filters
from index.records import Entry, Window
from index.search import Results
from index.when import TimePhrase

PARIS = ZoneInfo("Europe/Paris")
NOON = datetime(2023, 5, 23, 12, tzinfo=PARIS)
WINDOW = Window(NOON, NOON + timedelta(hours=1))
ENTRY = Entry("fil.txt", "1", "Titre", "Un café. Deux.", "fr", NOON, "day", url="https://example.org/")
QUESTION = "Qui, mardi à midi, au Mans ?"


def answer(filters: Filters | None = None, narrowing: Narrowing | None = None, reason: Reason | None = None) -> Answer:
    results = Results(QUESTION, "fr", filters or Filters(), 7, HashingEncoder().card, (), NOON, None)
    return Answer(0.25, (Quote(ENTRY, 3, 9, 14),), results, narrowing or Narrowing(), NOON, 0.12, reason)


def test_a_quote_for_the_wire() -> None:
    quote = Quote(ENTRY, 3, 0, 8, superseded=datetime(2023, 5, 24, tzinfo=UTC))
    assert quote_out(quote) == QuoteOut(
        text="Un café.",
        entry_id=ENTRY.id,
        passage_id=3,
        start=0,
        end=8,
        published="2023-05-23",
        url="https://example.org/",
        title="Titre",
        source="fil.txt",
        lang="fr",
        superseded="2023-05-24T00:00:00+00:00",
    )


def test_an_answer_for_the_wire() -> None:
    noon = NOON.isoformat()
    assert answer_out(answer()) == AnswerOut(
        question=QUESTION,
        operators=None,
        lang="fr",
        answered=True,
        confidence=0.25,
        threshold=0.12,
        answer=[quote_out(Quote(ENTRY, 3, 9, 14))],
        reason=None,
        code=None,
        window=None,
        now="2023-05-23T12:00:00+02:00",
        as_of=None,
        generation=7,
        known="2023-05-23T12:00:00+02:00",
        permalink="/ask?" + urlencode({"q": QUESTION, "k": 10, "now": noon, "threshold": 0.12, "as_of": noon}),
        model="hashing",
        card=card_out(HashingEncoder().card),
        hits=[],
    )


@pytest.mark.parametrize("reason", Reason)
def test_an_answer_that_is_none_has_its_reason_and_no_quotes(reason: Reason) -> None:
    out = answer_out(answer(reason=reason))
    assert (out.answered, out.answer, out.code, bool(out.reason)) == (False, [], str(reason), True)


def test_the_window_is_told_where_there_is_one() -> None:
    since, until = "2023-05-23T12:00:00+02:00", "2023-05-23T13:00:00+02:00"
    meant = Narrowing((TimePhrase(5, 17, WINDOW),), WINDOW, names=((22, 26),))
    told = AskedWindowOut(
        since=since,
        until=until,
        asked=WindowOut(since=since, until=until),
        phrases=[PhraseOut(text="mardi à midi", start=5, end=17)],
        names=[PhraseOut(text="Mans", start=22, end=26)],
        relaxed=None,
        note=None,
    )
    assert answer_out(answer(Filters(WINDOW), meant)).window == told
    # A time that was given up is told beside what was searched instead.
    relaxed = answer_out(answer(Filters(Window(NOON, None)), replace(meant, relaxed=Relaxed.EMPTY))).window
    assert relaxed is not None
    assert (relaxed.since, relaxed.until, relaxed.asked, relaxed.relaxed) == (since, None, told.asked, "empty")
    assert relaxed.note is not None
    # The caller's own window alone is told too.
    own = answer_out(answer(Filters(WINDOW))).window
    assert own is not None
    assert (own.since, own.asked, own.phrases) == (since, None, [])
