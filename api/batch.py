"""Many questions at once: a table of questions in, a table of all hits or answers out."""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api import wording
from api.answers import answer_out
from api.exports import FORMATS
from api.questions import AskedRow, read_questions
from api.rows import HIT_COLUMNS, QUOTE_COLUMNS, hit_row, quote_row, state
from api.schemas import make_moment, search_out
from api.tables import csv_lines
from index import dates
from index.answer import Answer, ask, seen_from
from index.errors import InvalidRequest
from index.reader import Filters
from index.runs import run_lines
from index.search import MAX_HITS, Results, Searcher
from index.store_view import StoreView

MOST = 1000
"""Questions that are taken over HTTP at once; the command line takes any number."""
NOTHING = "no passage passes these filters"
FOUND_COLUMNS = ("id", "question", *HIT_COLUMNS, "note")
ANSWER_COLUMNS = ("id", "question", "answered", "confidence", "code", "rank", *QUOTE_COLUMNS, "note")

BatchFormat = Literal["csv", "jsonl", "trec"]
Progress = Callable[[int, int], None]
Outcome = Results | Answer | InvalidRequest
"""What became of a question; an error where it could not be asked."""


class BatchQuery(BaseModel):
    """The query string of `POST /batch`."""

    model_config = ConfigDict(extra="forbid")

    k: Annotated[int, Field(ge=1, le=MAX_HITS, description="How many passages for each question.")] = 10
    ask: Annotated[bool, Field(description="Answer the questions, where they are searched for otherwise.")] = False
    format: Annotated[BatchFormat, Field(description="What is written.")] = "csv"
    as_of: Annotated[str | None, Field(description="What was known at this ISO 8601 time, for all questions.")] = None
    now: Annotated[str | None, Field(description="For answers: what *yesterday* is seen from, as `/ask` takes it.")] = None
    threshold: Annotated[float | None, Field(ge=0, le=1, description="For answers, as `/ask` takes it.")] = None
    bom: Annotated[bool, Field(description="Begin a CSV with a byte order mark, for Excel.")] = False


class MissedOut(BaseModel):
    """A question that found nothing, was not answered, or could not be asked."""

    row: Annotated[int, Field(description="Where it stands in the table; the names of the columns are row 1.")]
    id: str
    question: str
    why: str


class BatchOut(BaseModel):
    """What became of a table of questions."""

    format: BatchFormat
    questions: int
    asked: Annotated[int, Field(description="As many as `questions`, unless it was broken off.")]
    missed: Annotated[list[MissedOut], Field(description="Those that found nothing, or were not answered, and why.")]
    failed: Annotated[int, Field(description="How many of these could not be asked.")]
    generation: Annotated[int, Field(description="The one state of the index that all were asked of.")]
    known: Annotated[str, Field(description="When that state came to be: as of then, the same is found again.")]
    model: str
    card: dict[str, Any]


def prepare(data: bytes, asked: BatchQuery, store: StoreView) -> list[AskedRow]:
    """The questions of a table. Raises `InvalidRequest` for all that can be told to be wrong without a model."""
    if asked.ask and asked.format == "trec":
        raise InvalidRequest("a TREC run holds rankings and no answers: choose another format, or leave `ask` out", "format")
    if not asked.ask and (asked.now is not None or asked.threshold is not None):
        raise InvalidRequest("now and threshold are for answers: give them with `ask`", "now" if asked.now else "threshold")
    zone = dates.zone(store.zone())
    moment = make_moment(zone, asked.as_of)
    if moment is not None:
        store.generation_at(moment)
    if asked.now not in (None, "newest"):
        dates.moment(str(asked.now), zone, "now")
    return read_questions(data, store, spaceless=asked.format == "trec")


class Batch:
    """Questions on their way into a file: `parts` asks and writes them one by one, and `about` says what became of them.

    All are asked of one state of the index. One that cannot be asked is named and the others go on; any other failure is
    raised where it happens, and what was written before it stands.
    """

    def __init__(
        self,
        rows: Sequence[AskedRow],
        asked: BatchQuery,
        searcher: Searcher,
        threshold: float | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._rows = rows
        self._asked = asked
        self._searcher = searcher
        self._threshold = threshold if asked.threshold is None else asked.threshold
        self._progress = progress
        zone = dates.zone(searcher.reader.store.zone())
        self._as_of = make_moment(zone, asked.as_of)
        self._snapshot = searcher.snapshot(Filters(), self._as_of)
        self._now: datetime = seen_from(searcher, asked.now, self._as_of)
        self._known = searcher.reader.store.committed(self._snapshot.generation)
        self._done = self._failed = 0
        self._missed: list[MissedOut] = []

    @property
    def media(self) -> str:
        """The media type of the file."""
        return FORMATS[self._asked.format].media

    @property
    def filename(self) -> str:
        """A name for the file."""
        what = "answers" if self._asked.ask else "hits"
        return f"filrouge-{what}-g{self._snapshot.generation}{FORMATS[self._asked.format].suffix}"

    def parts(self) -> Iterator[str]:
        """The file, piece by piece; a question is asked when its piece is wanted."""
        if self._asked.format == "jsonl":
            return (json.dumps(_line(one, found), ensure_ascii=False) + "\n" for one, found in self._outcomes())
        if self._asked.format == "trec":
            return (line for one, found in self._outcomes() for line in _run(one, found))
        common = state(self._snapshot.generation, self._known, self._snapshot.card)
        cells = (common | row for one, found in self._outcomes() for row in _rows(one, found))
        return csv_lines(ANSWER_COLUMNS if self._asked.ask else FOUND_COLUMNS, cells, self._asked.bom)

    def about(self) -> BatchOut:
        """What became of those that were asked so far."""
        return BatchOut(
            format=self._asked.format,
            questions=len(self._rows),
            asked=self._done,
            missed=self._missed,
            failed=self._failed,
            generation=self._snapshot.generation,
            known=self._known.isoformat(),
            model=self._snapshot.card.name,
            card=asdict(self._snapshot.card),
        )

    def _outcomes(self) -> Iterator[tuple[AskedRow, Outcome]]:
        for one in self._rows:
            found = self._outcome(one)
            why = note(found)
            if why is not None:
                self._missed.append(MissedOut(row=one.number, id=one.id, question=one.question, why=why))
            self._failed += isinstance(found, InvalidRequest)
            self._done += 1
            if self._progress:
                self._progress(self._done, len(self._rows))
            yield one, found

    def _outcome(self, one: AskedRow) -> Outcome:
        searcher, k, snapshot = self._searcher, self._asked.k, self._snapshot
        try:
            if self._asked.ask:
                return ask(searcher, one.question, k, one.filters, self._as_of, self._now, self._threshold, snapshot)
            return searcher.search(one.question, k, one.filters, self._as_of, snapshot)
        except InvalidRequest as error:
            return error


def note(found: Outcome) -> str | None:
    """Why a question has nothing; None where it has something."""
    if isinstance(found, InvalidRequest):
        return f"could not be asked: {found}"
    if isinstance(found, Answer):
        return wording.reason(found)
    return None if found.hits else NOTHING


def _line(one: AskedRow, found: Outcome) -> dict[str, Any]:
    """A line of JSON Lines: what `/search` or `/ask` answers to one question, with its id, and why there is nothing."""
    known = {"id": one.id, "note": note(found)}
    if isinstance(found, Answer):
        return known | answer_out(found).model_dump()
    if isinstance(found, Results):
        return known | search_out(found).model_dump()
    return known | {"question": one.question}


def _rows(one: AskedRow, found: Outcome) -> Iterator[dict[str, Any]]:
    """The rows of a CSV: one for each hit or quote, and one with a note for a question that has none."""
    common: dict[str, Any] = {"id": one.id, "question": one.question, "note": note(found)}
    rows: list[dict[str, Any]] = []
    if isinstance(found, Answer):
        code = found.reason.value if found.reason else None
        common |= {"answered": found.answered, "confidence": found.confidence, "code": code}
        rows = [{"rank": rank} | quote_row(quote) for rank, quote in enumerate(found.quotes, start=1)]
    elif isinstance(found, Results):
        rows = [hit_row(hit) for hit in found.hits]
    yield from (common | row for row in rows or [{}])


def _run(one: AskedRow, found: Outcome) -> Iterator[str]:
    hits = found.hits if isinstance(found, Results) else ()
    return run_lines(one.id, ((hit.passage.name, hit.score) for hit in hits))
