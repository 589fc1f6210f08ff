"""What is there to an entry: its text, its passages, and the others that say the same?"""

from dataclasses import dataclass
from datetime import datetime

from embed.stages import stage
from index.records import Entry, Passage
from index.search import Searcher


@dataclass(frozen=True)
class WholeEntry:
    """An entry with its passages, in their order, and the ids of the entries whose whole text says the same, nearest first."""

    entry: Entry
    passages: tuple[Passage, ...]
    twins: tuple[str, ...]


@stage("read")
def whole_entry(searcher: Searcher, entry_id: str, as_of: datetime | None = None) -> WholeEntry:
    """The entry of that id, as it is or as it was known at `as_of`.

    Raises `NotFound`, and for `as_of` what `Searcher.search` does.
    """
    store = searcher.reader.store
    generation = store.generation_at(as_of) if as_of else searcher.reader.snapshot().generation
    entry = store.entry(entry_id, generation)
    passages = store.passages_of(entry_id, generation, as_of is not None)
    return WholeEntry(entry, tuple(passages), searcher.twins(entry_id, as_of))
