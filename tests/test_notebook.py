"""What an index answers, as it is looked at in a notebook."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.corpus import Corpus

QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"
SHANGHAI = "Le Premier ministre russe à Shanghai"


@pytest.fixture(scope="module")
def fil(seed_index: Path) -> Iterator[Corpus]:
    with Corpus(seed_index, HashingEncoder()) as fil:
        yield fil


def test_hits_show_their_question_their_times_and_their_text(fil: Corpus) -> None:
    hits = fil.search(SHANGHAI, k=2)
    told = repr(hits)
    assert told.startswith(f"2 hits for “{SHANGHAI}”, generation 1\n1.  0.")
    assert hits[0].entry.published is not None
    for part in (hits[0].entry.published.isoformat(), hits[0].entry.title):
        assert part in told
        assert part in hits._repr_html_()
    assert "1 hit for" in repr(fil.search(SHANGHAI, k=1))


def test_hits_become_a_data_frame_with_their_places(fil: Corpus) -> None:
    hits = fil.search(SHANGHAI, k=5)
    frame = hits.to_pandas()
    assert list(frame["rank"]) == [1, 2, 3, 4, 5]
    for row, hit in zip(frame.itertuples(), hits, strict=True):
        assert (row.text, row.start, row.end) == (hit.entry.text[row.start : row.end], hit.passage.start, hit.passage.end)
        assert (row.entry_id, row.passage_id, row.score) == (hit.entry.id, hit.passage.id, hit.score)
        assert row.published == hit.entry.published
        assert row.precision == hit.entry.precision


def test_hits_that_were_never_there_are_an_empty_table(fil: Corpus) -> None:
    hits = fil.search(SHANGHAI, until="2001-01-01")
    assert (len(hits), repr(hits)) == (0, f"0 hits for “{SHANGHAI}”, generation 1")
    assert list(hits.to_pandas().columns) == list(fil.search(SHANGHAI).to_pandas().columns)


def test_an_answer_shows_its_quotes_and_how_sure_it_is(fil: Corpus) -> None:
    reply = fil.ask(QUESTION, threshold=0)
    assert (reply.answered, reply.reason) == (True, None)
    quote = reply.quotes[0]
    assert repr(reply).startswith(f"answered (confidence {reply.confidence:.2f}, threshold 0.00)\n")
    assert "".join(quote.text.split()) in "".join(repr(reply).split())
    assert quote.entry.text[quote.start : quote.end] == quote.text
    frame = reply.to_pandas()
    assert list(frame["text"]) == [one.text for one in reply.quotes]
    assert frame["superseded"].isna().all()
    assert reply._repr_html_().count("<tr>") == len(reply.quotes) + 1


def test_no_answer_says_why_and_has_what_was_found(fil: Corpus) -> None:
    reply = fil.ask("attaque Belgorod", k=3)
    assert (reply.answered, reply.reason, len(reply.quotes), len(reply.hits)) == (False, "not_a_question", 0, 3)
    assert repr(reply).startswith("no answer: not_a_question (confidence 0.")
    assert "no answer: not_a_question" in reply._repr_html_()
    assert reply.to_pandas().empty


def test_an_entry_shows_its_title_and_its_paragraphs(fil: Corpus) -> None:
    whole = fil.entry(fil.search(SHANGHAI, k=1)[0].entry.id)
    when, title, *_ = repr(whole).splitlines()
    assert (when, title) == (f"{whole.published:%Y-%m-%dT%H:%M:%S}+02:00  {whole.entry.source}  {whole.entry.id}", whole.title)
    assert whole._repr_html_().startswith(f"<h4>{whole.title}</h4>")
    assert whole._repr_html_().count("<p>") == 1 + sum(bool(line.strip()) for line in whole.text.splitlines())
    assert [passage.text in whole.text for passage in whole.passages]


def test_sources_have_their_counts_and_times(fil: Corpus) -> None:
    sources = fil.sources()
    assert [source.name for source in sources] == ["seeds/000_43b67c511cce9011.txt"]
    row = next(sources.to_pandas().itertuples())
    assert (row.source, row.entries, row.languages) == (sources[0].name, 6, "fr")
    assert row.last == datetime(2023, 5, 23, 9, 58, tzinfo=UTC)
    assert "6 entries" in repr(sources)
