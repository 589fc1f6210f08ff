"""A whole entry, as it is and as it was."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.entries import whole_entry
from index.errors import InvalidRequest, NotFound
from index.ingest import ingest
from index.records import Entry
from index.search import Searcher

SAID = "La région a été attaquée ce matin. Deux personnes ont été blessées, selon le gouverneur."
BEFORE = datetime(2023, 5, 23, tzinfo=UTC)


def write(page: Path, *texts: str) -> None:
    """A page of entries with these texts."""
    page.write_text("".join(json.dumps({"_id": str(n), "text": text, "lang": "fr"}) + "\n" for n, text in enumerate(texts)))


def test_an_entry_comes_whole_with_its_passages_and_twins_and_as_it_was(tmp_path: Path, encoder: HashingEncoder) -> None:
    page = tmp_path / "fil.jsonl"
    write(page, SAID, SAID, "Rien.")
    ingest([page], tmp_path / "index", encoder)
    with Searcher(tmp_path / "index", encoder) as searcher:
        source = searcher.search(SAID, 1).hits[0].entry.source
        first, second = (Entry(source, key, "", "", "fr").id for key in "01")
        whole = whole_entry(searcher, first)
        assert (whole.entry.id, whole.entry.text, whole.twins) == (first, SAID, (second,))
        assert [passage.text for passage in whole.passages] == [SAID]
        then = datetime.now(UTC)
        write(page, "Un mort.", SAID, "Rien.")
        ingest([page], tmp_path / "index", encoder)
        now, was = whole_entry(searcher, first), whole_entry(searcher, first, then)
        assert (now.entry.text, [passage.text for passage in now.passages], now.twins) == ("Un mort.", ["Un mort."], ())
        assert (was.entry, [passage.text for passage in was.passages], was.twins) == (whole.entry, [SAID], (second,))
        with pytest.raises(InvalidRequest):
            whole_entry(searcher, first, BEFORE)
        with pytest.raises(NotFound):
            whole_entry(searcher, "nothing")
