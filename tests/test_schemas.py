"""What travels on the wire, made from what the walks give."""

import subprocess
import sys
from dataclasses import asdict, fields
from datetime import UTC, datetime, time
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pytest

from api.schemas import (
    EntryOut,
    HitOut,
    ReportOut,
    SearchBody,
    SpanOut,
    VoteOut,
    entry_out,
    hit_out,
    make_filters,
    report_out,
    search_out,
    source_out,
)
from embed.hashing import HashingEncoder
from index.documents import Failure
from index.entries import WholeEntry
from index.errors import InvalidRequest
from index.ingest import Report
from index.reader import Filters
from index.records import Entry, Hit, Passage, Vote, Window
from index.search import Results
from index.store import Source

PARIS = ZoneInfo("Europe/Paris")
ENTRY = Entry(
    source="fil.txt",
    key="2023-05-23T11:58",
    title="Titre",
    text="Oui. Le café est prêt 🙂.",
    lang="fr",
    published=datetime(2023, 5, 23, 11, 58, tzinfo=PARIS),
    precision="minute",
    clock=time(11, 58),
    url="https://example.org/",
)


def test_a_hit_for_the_wire() -> None:
    hit = Hit(2, Passage(7, ENTRY, 5, 24), 0.12345678, {"lexical": Vote(1, 3.00000049)}, ("abc",), ((3, 7),))
    assert hit_out(hit) == HitOut(
        rank=2,
        score=0.123457,
        entry_id=ENTRY.id,
        passage_id=7,
        title="Titre",
        text="Le café est prêt 🙂.",
        start=5,
        end=24,
        published="2023-05-23T11:58:00+02:00",
        lang="fr",
        source="fil.txt",
        url="https://example.org/",
        ranks={"lexical": VoteOut(rank=1, score=3.0)},
        twins=["abc"],
        highlights=[SpanOut(start=3, end=7)],
    )


def test_an_entry_for_the_wire() -> None:
    bare = Entry("fil.txt", "07:44", "", "Texte", "en", clock=time(7, 44))
    passages = (Passage(6, ENTRY, 0, 4), Passage(7, ENTRY, 5, 24))
    assert entry_out(WholeEntry(ENTRY, passages, ("b", "a"))).model_dump() == {
        "entry_id": ENTRY.id,
        "source": "fil.txt",
        "key": "2023-05-23T11:58",
        "title": "Titre",
        "text": "Oui. Le café est prêt 🙂.",
        "published": "2023-05-23T11:58:00+02:00",
        "clock": "11:58",
        "lang": "fr",
        "url": "https://example.org/",
        "twins": ["b", "a"],
        "passages": [
            {"passage_id": 6, "start": 0, "end": 4, "text": "Oui."},
            {"passage_id": 7, "start": 5, "end": 24, "text": "Le café est prêt 🙂."},
        ],
    }
    assert entry_out(WholeEntry(bare, (), ())) == EntryOut(
        entry_id=bare.id,
        source="fil.txt",
        key="07:44",
        title="",
        text="Texte",
        published=None,
        clock="07:44",
        lang="en",
        url=None,
        twins=[],
        passages=[],
    )


@pytest.mark.parametrize(
    ("window", "told"),
    [
        (Window(), None),
        (Window(datetime(2023, 5, 23, tzinfo=PARIS)), {"since": "2023-05-23T00:00:00+02:00", "until": None}),
        (Window(None, datetime(2023, 1, 1, tzinfo=UTC)), {"since": None, "until": "2023-01-01T00:00:00+00:00"}),
    ],
)
def test_results_for_the_wire(window: Window, told: Any) -> None:
    hits = (Hit(1, Passage(7, ENTRY, 5, 24), 0.5),)
    noon, later = datetime(2023, 5, 23, 12, tzinfo=UTC), datetime(2023, 5, 24, tzinfo=PARIS)
    results = Results("Où ?", "fr", Filters(window, "fr"), 3, HashingEncoder().card, hits, noon, later, k=4)
    out = search_out(results).model_dump()
    permalink = urlsplit(out.pop("permalink"))
    told_times = {name: value for name, value in (told or {}).items() if value}
    asked = {"q": "Où ?", "k": "4", "lang": "fr", **told_times, "as_of": "2023-05-23T12:00:00+00:00"}
    assert (permalink.path, dict(parse_qsl(permalink.query))) == ("/search", asked)
    assert out == {
        "as_of": "2023-05-24T00:00:00+02:00",
        "known": "2023-05-23T12:00:00+00:00",
        "query": "Où ?",
        "operators": None,
        "order": "relevance",
        "lang": "fr",
        "window": told,
        "generation": 3,
        "model": "hashing",
        "card": asdict(HashingEncoder().card),
        "total": None,
        "next": None,
        "passed": [],
        "hits": [hit_out(results.hits[0]).model_dump()],
    }


def test_a_source_for_the_wire() -> None:
    first, last = datetime(2023, 5, 22, 6, 25, tzinfo=PARIS), datetime(2023, 5, 23, 11, 58, tzinfo=PARIS)
    assert source_out(Source("fil.txt", 6, 15, ("en", "fr"), first, last)).model_dump() == {
        "source": "fil.txt",
        "entries": 6,
        "passages": 15,
        "languages": ["en", "fr"],
        "first": "2023-05-22T06:25:00+02:00",
        "last": "2023-05-23T11:58:00+02:00",
    }
    assert source_out(Source("nue.txt", 1, 1, ("und",), None, None)).model_dump()["first"] is None


def test_a_report_for_the_wire_has_all_that_a_report_has() -> None:
    report = Report(1, 2, 3, 4, 5, 6, 7, [Failure("a.txt", "is empty")], 8, {"entry": 2})
    assert report_out(report).model_dump() == {
        "documents": 1,
        "added": 2,
        "changed": 3,
        "unchanged": 4,
        "withdrawn": 5,
        "passages": 6,
        "embedded": 7,
        "failures": [{"source": "a.txt", "reason": "is empty"}],
        "generation": 8,
        "dated": {"entry": 2},
    }
    # How far a run has come is for its progress, and what it built is told by itself.
    assert {field.name for field in fields(Report)} - {"read", "size", "grown"} == set(ReportOut.model_fields)


def test_a_time_without_an_offset_is_in_the_zone_of_the_corpus() -> None:
    filters = make_filters(PARIS, "en", "2023-05-23", "2023-05-23T12:00+00:00", "fil.txt")
    assert filters == Filters(
        Window(datetime(2023, 5, 23, tzinfo=PARIS), datetime(2023, 5, 23, 12, tzinfo=UTC)), "en", "fil.txt"
    )
    assert make_filters(PARIS) == Filters()


@pytest.mark.parametrize("field", ["since", "until"])
def test_a_bound_that_is_no_time_is_refused_by_name(field: str) -> None:
    for text in ("", "demain", "23/05/2023"):
        with pytest.raises(InvalidRequest, match="is not a date or time: write 2023-05-23") as raised:
            make_filters(PARIS, **{field: text})
        assert raised.value.field == field


def test_a_body_may_call_the_question_q() -> None:
    assert SearchBody.model_validate({"q": "x", "k": 3}) == SearchBody(query="x", k=3)
    until = datetime(2023, 5, 23, tzinfo=PARIS)
    assert SearchBody(query="x", until="2023-05-23").filters(PARIS) == Filters(Window(None, until))


def test_what_reads_documents_is_not_loaded_to_search() -> None:
    code = (
        "import sys, api.schemas; print([name for name in sys.modules if name.startswith(('index.readers', 'index.ingest'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
