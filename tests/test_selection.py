"""All passages that were asked for, of one generation."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed.hashing import HashingEncoder
from index import selection
from index.documents import Facts
from index.errors import InvalidRequest
from index.ingest import ingest
from index.reader import Filters
from index.records import Window
from index.search import Searcher
from index.store import Store

QUESTIONS = ("Qui a revendiqué l’attaque de Belgorod ?", "drones", "What did the Kremlin say?")


def keys(found: selection.Selection) -> list[str]:
    return [hit.passage.entry.key for hit in found.hits()]


def test_without_a_question_passages_come_in_order_of_publication_and_undated_ones_last(awkward: Searcher) -> None:
    found = selection.published(awkward.reader.store, Filters())
    dated = [hit.passage.entry.published for hit in found.hits()]
    assert [hit.rank for hit in found.hits()] == [1, 2, 3, 4, 5]
    assert keys(found)[:3] == ["c", "b", "a"]
    assert dated[3:] == [None, None]
    # Those of no moment stand by their source and key.
    assert [(hit.passage.entry.source, hit.passage.entry.key) for hit in found.hits()][3:] == sorted(
        (hit.passage.entry.source, hit.passage.entry.key) for hit in found.hits() if hit.passage.entry.published is None
    )
    assert [(hit.score, hit.ranks, hit.highlights) for hit in found.hits()] == [(0.0, {}, ())] * 5


def test_passages_of_an_entry_come_in_the_order_of_its_text(seed_index: Path) -> None:
    with Store.open(seed_index) as store:
        found = [(hit.passage.entry.id, hit.passage.start) for hit in selection.published(store, Filters()).hits()]
    assert len(found) == 11
    for entry in {entry for entry, _ in found}:
        starts = [start for other, start in found if other == entry]
        assert starts == sorted(starts)


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_finds_all_that_a_search_finds_with_the_same_scores_and_marks(seed_index: Path, question: str) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        found = list(selection.ranked(searcher, question, Filters()).hits())
        searched = searcher.search(question, 100).hits
    assert [(hit.rank, hit.passage, hit.score, hit.highlights) for hit in found] == [
        (hit.rank, hit.passage, hit.score, hit.highlights) for hit in searched
    ]
    # Of eleven passages a search ranks all, too.
    assert [hit.ranks for hit in found] == [hit.ranks for hit in searched]


@pytest.mark.parametrize("question", QUESTIONS)
def test_least_keeps_the_passages_with_that_score_and_no_others(seed_index: Path, question: str) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        every = [(hit.passage.id, hit.score) for hit in selection.ranked(searcher, question, Filters()).hits()]
        least = every[3][1]
        kept = [(hit.passage.id, hit.score) for hit in selection.ranked(searcher, question, Filters(), least=least).hits()]
        assert kept == [(i, score) for i, score in every if score >= least]
        assert 4 <= len(kept) < len(every)
        for wrong in (-0.1, 1.5):
            with pytest.raises(InvalidRequest, match="scores lie between 0 and 1") as caught:
                selection.ranked(searcher, question, Filters(), least=wrong)
            assert caught.value.field == "min_score"


def test_passages_that_are_not_marked_are_the_same_otherwise(seed_index: Path) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        found = selection.ranked(searcher, "Belgorod", Filters())
        assert any(hit.highlights for hit in found.hits())
        assert not any(hit.highlights for hit in found.hits(marked=False))
        assert [hit.passage.id for hit in found.hits(marked=False)] == found.ids.tolist()


@given(st.sampled_from([None, "fr", "en"]), st.sampled_from([None, 10, 11]), st.sampled_from([None, 11, 12]), st.booleans())
@settings(max_examples=40, deadline=None)
def test_both_ways_select_exactly_what_passes_the_filters(
    awkward_index: Path, lang: str | None, since: int | None, until: int | None, asked: bool
) -> None:
    if since and until and since >= until:
        return
    bounds = [None if day is None else datetime(2024, 1, day, tzinfo=UTC) for day in (since, until)]
    filters = Filters(Window(*bounds), lang)
    with Searcher(awkward_index, HashingEncoder()) as searcher:
        every = [hit.passage for hit in selection.published(searcher.reader.store, Filters()).hits()]
        found = selection.ranked(searcher, "café", filters) if asked else selection.published(searcher.reader.store, filters)
        passing = {one.id for one in every if filters.window.contains(one.entry) and lang in (None, one.entry.lang)}
        assert set(found.ids.tolist()) == passing
        assert len(found) == len(passing)


@pytest.mark.parametrize(
    ("filters", "field"),
    [
        (Filters(source="nowhere"), "source"),
        (Filters(lang="de"), "lang"),
        (Filters(Window(datetime(2024, 1, 2, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC))), "until"),
    ],
)
def test_filters_that_cannot_be_are_refused_by_both(awkward: Searcher, filters: Filters, field: str) -> None:
    for select in (
        lambda: selection.published(awkward.reader.store, filters),
        lambda: selection.ranked(awkward, "café", filters),
    ):
        with pytest.raises(InvalidRequest) as caught:
            select()
        assert caught.value.field == field


def test_a_selection_stays_of_its_generation_while_a_writer_commits(
    write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    text = "\n".join(f'{{"_id": "{i}", "text": "Entrée {i} du fil.", "date": "2024-01-10"}}' for i in range(500))
    fil, index = write("fil.jsonl", text), tmp_path / "index"
    ingest([fil], index, encoder, Facts(tz="UTC"))
    with Searcher(index, encoder) as searcher:
        for found in (
            selection.published(searcher.reader.store, Filters()),
            selection.ranked(searcher, "Entrée du fil", Filters()),
        ):
            hits = found.hits()
            first = next(hits)
            # All entries are edited and half of them withdrawn, while the first of the old ones is read.
            write("fil.jsonl", text.replace("Entrée", f"Version {found.question}")[: len(text) // 2].rpartition("\n")[0])
            ingest([fil], index, encoder, Facts(tz="UTC"))
            said = [first.passage.text, *(hit.passage.text for hit in hits)]
            assert sorted(said) == sorted(f"Entrée {i} du fil." for i in range(500))
            write("fil.jsonl", text)
            ingest([fil], index, encoder, Facts(tz="UTC"))
        # And is had again as of the moment at which it was known.
        again = selection.published(searcher.reader.store, Filters(), as_of=found.known + timedelta(microseconds=1))
        assert again.generation == found.generation < searcher.reader.store.generation()
        assert {hit.passage.text for hit in again.hits()} == set(said)
