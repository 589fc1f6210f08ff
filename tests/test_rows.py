"""Passages and quotes as rows."""

from datetime import UTC, datetime

from api.answers import quote_out
from api.rows import HIT_COLUMNS, QUOTE_COLUMNS, STATE, hit_row, quote_row, state
from api.schemas import hit_out
from index.answer import ask
from index.search import Searcher


def test_the_row_of_a_hit_is_the_hit_with_a_link_to_the_passage(awkward: Searcher) -> None:
    hits = {hit.passage.entry.key: hit for hit in awkward.search("café coffee cold", 10).hits}
    row = hit_row(hits["a"])
    link = row.pop("link")
    assert row == hit_out(hits["a"]).model_dump()
    assert link.startswith("https://www.example.org/direct?x=1&y=2#a:~:text=%3D1%2B1%20")
    assert hit_row(hits["d"])["link"] is None
    assert (*hit_row(hits["d"]), *STATE) == HIT_COLUMNS


def test_the_row_of_a_quote_is_the_quote_with_a_link_to_it(awkward: Searcher) -> None:
    answer = ask(awkward, "Is it very cold outside?", threshold=0.0)
    row = quote_row(answer.quotes[0])
    assert (*row, *STATE) == QUOTE_COLUMNS
    assert str(row.pop("link")).startswith("https://example.org/{b}?q=a b#:~:text=")
    assert row == quote_out(answer.quotes[0]).model_dump()


def test_the_state_is_told_by_these_names(awkward: Searcher) -> None:
    told = state(3, datetime(2026, 11, 26, tzinfo=UTC), awkward.encoder.card)
    assert tuple(told) == STATE
    assert told == {"generation": 3, "known": "2026-11-26T00:00:00+00:00", "model": "hashing"}


def test_items_of_a_run_are_told_apart_and_have_no_spaces(awkward: Searcher) -> None:
    names = [hit.passage.name for hit in awkward.search("café", 10).hits]
    assert len(set(names)) == len(names) == 5
    assert not any(" " in name for name in names)
