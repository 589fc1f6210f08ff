"""How much is there about a question, or that passes filters?"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from embed.stages import stage
from index.errors import InvalidRequest
from index.histogram import Tally, tally
from index.operators import Reading
from index.reader import Filters, Snapshot
from index.search import Searcher, check_filters, check_question
from index.store import Dated

LEAST = 0.03
"""The score from which on a passage counts as about a question, where a caller does not say: see ARCHITECTURE.md."""


@dataclass(frozen=True)
class Counted:
    """What passed, entry by entry, of one generation. `least` is the score that a passage had to have for the question, None
    where there was nothing to rank by.
    """

    entries: Sequence[Dated]
    snapshot: Snapshot
    known: datetime
    filters: Filters
    reading: Reading | None
    as_of: datetime | None
    least: float | None

    @property
    def total(self) -> Tally:
        """All of it."""
        return tally(self.entries)


@stage("count")
def count(
    searcher: Searcher,
    question: str | None = None,
    filters: Filters | None = None,
    as_of: datetime | None = None,
    least: float | None = None,
    literal: bool = False,
) -> Counted:
    """The entries that pass the filters and the operators of `question`, with their passages that do; of what was known at
    `as_of`.

    For the words of a question every passage has some score, so those count that have `least` (LEAST when it is None). That
    ranks all passages that pass, which takes seconds for a hundred thousand; without words no model is needed.

    Raises what `Searcher.search` raises, and `InvalidRequest` for a `least` outside 0 to 1 or without words.
    """
    filters = filters or Filters()
    check_filters(filters)
    if question is not None:
        check_question(question)
    if least is not None and not 0 <= least <= 1:
        raise InvalidRequest(f"least is {least:g}; scores lie between 0 and 1", "least")
    snapshot = searcher.snapshot(filters, as_of)
    reading = None if question is None else searcher.read(question, snapshot.zone, literal)
    narrowed = filters if reading is None else reading.narrowed(filters)
    ids = snapshot.allowed(narrowed)
    if reading is not None and not reading.alone:
        least = LEAST if least is None else least
        ranked = searcher.everything(reading.question, narrowed, snapshot).fused
        ids = np.sort(ranked.ids[ranked.scores >= np.float32(least)])
    elif least is not None:
        raise InvalidRequest("least is a score, and without words to rank by nothing has one: ask a question too", "least")
    entries = snapshot.store.dated(ids, snapshot.generation, snapshot.past)
    known = snapshot.store.committed(snapshot.generation)
    return Counted(entries, snapshot, known, narrowed, reading, as_of, least)
