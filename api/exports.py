"""What researchers take away: all passages of a question, a window or a source, as a file."""

import itertools
import json
import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field

from api.citations import Citation, bibtex, cite, csl, ris
from api.rows import HIT_COLUMNS, hit_row, state
from api.schemas import Filtering, OperatorsOut, QuestionText, address, is_literal, iso, operators_out
from api.tables import csv_lines
from index import dates, operators
from index.errors import InvalidRequest
from index.reader import Filters
from index.records import Hit
from index.runs import check_run_id, run_lines
from index.search import Searcher, check_filters, check_question, check_source
from index.selection import Selection, published, ranked
from index.store_view import StoreView

FormatName = Literal["csv", "jsonl", "ris", "bibtex", "csl-json", "trec"]


class ExportQuery(Filtering):
    """The query string of `GET /export`."""

    q: QuestionText | None = None
    format: Annotated[
        FormatName, Field(description="What is written: rows of passages, records of entries, or a TREC run.")
    ] = "csv"
    limit: Annotated[int | None, Field(ge=1, description="At most so many rows or records; all when it is not given.")] = None
    min_score: Annotated[
        float | None, Field(ge=0, le=1, description="Only passages with at least this score; needs a question.")
    ] = None
    literal: Annotated[bool, Field(description="Whether operators in `q` are words like any others.")] = False
    qid: Annotated[str, Field(max_length=200, description="The question's id in a TREC run.")] = "1"
    bom: Annotated[bool, Field(description="Begin a CSV with a byte order mark, for Excel.")] = False


class ExportOut(BaseModel):
    """What was exported, and how to have it again."""

    format: FormatName
    operators: Annotated[OperatorsOut | None, Field(description="What of the question is no plain word; null where all is.")]
    rows: Annotated[int, Field(description="Passages, or entries in a format of records.")]
    note: Annotated[str | None, Field(description="Why there are none; null where there are.")]
    generation: Annotated[int, Field(description="The one state of the index that all of it is from.")]
    known: Annotated[str, Field(description="When that state came to be.")]
    as_of: Annotated[str | None, Field(description="The moment whose knowledge was asked for; null for the newest.")]
    model: Annotated[str, Field(description="The embedding model.")]
    card: Annotated[dict[str, Any], Field(description="All that tells this model from others.")]
    permalink: Annotated[str, Field(description="Gives the same again, whatever is indexed later.")]


def check(asked: ExportQuery, store: StoreView) -> None:
    """Raise `InvalidRequest` for what this index cannot export, without a model."""
    if asked.q is None and asked.min_score is not None:
        raise InvalidRequest("min_score needs a question: without one, passages have no scores", "min_score")
    if asked.format == "trec":
        if asked.q is None:
            raise InvalidRequest("a TREC run ranks passages for a question: give one, or choose another format", "q")
        check_run_id(asked.qid)
    if asked.q is not None:
        check_question(asked.q)
    filters, _ = _narrowed(asked, store)
    check_filters(filters)
    check_source(filters, store)
    if asked.q is not None and not asked.literal:
        operators.read(asked.q, dates.zone(store.zone())).narrowed(filters)


def select(asked: ExportQuery, searcher: Searcher) -> Selection:
    """The passages that were asked for. Raises what `Searcher.search` and `check` raise."""
    store = searcher.reader.store
    if asked.q is None:
        return select_published(asked, store, searcher.reader.snapshot().generation)
    check(asked, store)
    filters, moment = _narrowed(asked, store)
    return ranked(searcher, asked.q, filters, moment, asked.min_score or 0.0, asked.literal)


def select_published(asked: ExportQuery, store: StoreView, generation: int | None = None) -> Selection:
    """The same without a question, for which a store is enough; of its newest generation where none is given."""
    check(asked, store)
    filters, moment = _narrowed(asked, store)
    return published(store, filters, moment, generation)


def _narrowed(asked: ExportQuery, store: StoreView) -> tuple[Filters, datetime | None]:
    moment = asked.moment(dates.zone(store.zone()))
    generation = store.generation_at(moment) if moment else None
    return asked.filters(dates.zone(store.zone(generation))), moment


class Export:
    """A selection on its way into a file: `parts` writes it, and `about` says what was written, once it is."""

    def __init__(self, asked: ExportQuery, selection: Selection) -> None:
        self._asked = asked
        self._selection = selection
        self._known = selection.known
        self._rows = 0

    @property
    def format(self) -> "Format":
        """What it is written in."""
        return FORMATS[self._asked.format]

    @property
    def filename(self) -> str:
        """A name for the file, in ASCII: of the question, or else the source, and the generation."""
        words = self._selection.question or self._selection.filters.source or ""
        letters = (letter for letter in unicodedata.normalize("NFKD", words.lower()) if not unicodedata.combining(letter))
        slug = "-".join(re.findall("[a-z0-9]+", "".join(letters)))[:40].strip("-")
        return "-".join(filter(None, ("filrouge", slug, f"g{self._selection.generation}"))) + self.format.suffix

    def parts(self) -> Iterator[str]:
        """The file, piece by piece."""
        self._rows = 0
        return self.format.write(self)

    @property
    def bom(self) -> bool:
        """Whether a table begins with a byte order mark."""
        return self._asked.bom

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """A row for each passage, as `HIT_COLUMNS` name its cells; where nothing was asked, it has no score."""
        common = state(self._selection.generation, self._known, self._selection.card)
        if self._selection.question is None:
            common["score"] = None
        for hit in self._counted(self._selection.hits()):
            yield hit_row(hit) | common

    def items(self) -> Iterator[str]:
        """The lines of a TREC run."""
        named = ((hit.passage.name, hit.score) for hit in self._counted(self._selection.hits(marked=False)))
        return run_lines(self._asked.qid, named)

    def citations(self) -> Iterator[Citation]:
        """A record for each entry, in the place of its best passage, which is its abstract; without a question, its text is."""
        store, generation = self._selection.store, self._selection.generation
        blogs = {source.name for source in store.sources(generation) if source.entries > 1}
        model, day = self._selection.card.name, self._known.date()
        provenance = f"filrouge, generation {generation} known at {iso(self._known)}, model {model}"
        for hit in self._counted(self._selection.entries()):
            entry = hit.passage.entry
            abstract = entry.text if self._selection.question is None else hit.passage.text
            yield cite(entry, abstract, entry.source in blogs, day, provenance)

    def about(self) -> ExportOut:
        """What `parts` wrote so far."""
        selection, asked = self._selection, self._asked
        given = {
            "q": asked.q,
            "format": asked.format,
            "limit": asked.limit,
            "min_score": asked.min_score,
            "literal": is_literal(selection.reading),
            "qid": asked.qid if asked.format == "trec" else None,
            "bom": "true" if asked.bom else None,
        }
        return ExportOut(
            format=asked.format,
            operators=operators_out(selection.reading),
            rows=self._rows,
            note=None if self._rows else _NOTHING[bool(asked.min_score)],
            generation=selection.generation,
            known=self._known.isoformat(),
            as_of=iso(selection.as_of),
            model=selection.card.name,
            card=asdict(selection.card),
            permalink=address("/export", given, selection.filters, self._known),
        )

    def _counted(self, hits: Iterator[Hit]) -> Iterator[Hit]:
        for hit in itertools.islice(hits, self._asked.limit):
            self._rows += 1
            yield hit


_NOTHING = {
    False: "no passage passes these filters: the file holds none",
    True: "no passage passes these filters with such a score: the file holds none",
}


@dataclass(frozen=True)
class Format:
    """A kind of file: its media type, how its name ends, and how it is written."""

    media: str
    suffix: str
    write: Callable[[Export], Iterator[str]]


def _jsonl(export: Export) -> Iterator[str]:
    return (json.dumps(one, ensure_ascii=False) + "\n" for one in export.rows())


def _csl(export: Export) -> Iterator[str]:
    """One array, an item a line."""
    yield "["
    before = "\n"
    for citation in export.citations():
        yield before + csl(citation)
        before = ",\n"
    yield "\n]\n"


FORMATS: Mapping[str, Format] = {
    "csv": Format("text/csv; charset=utf-8; header=present", ".csv", lambda one: csv_lines(HIT_COLUMNS, one.rows(), one.bom)),
    "jsonl": Format("application/x-ndjson", ".jsonl", _jsonl),
    "ris": Format("application/x-research-info-systems; charset=utf-8", ".ris", lambda one: map(ris, one.citations())),
    "bibtex": Format("application/x-bibtex; charset=utf-8", ".bib", lambda one: map(bibtex, one.citations())),
    "csl-json": Format("application/vnd.citationstyles.csl+json", ".json", _csl),
    "trec": Format("text/plain; charset=utf-8", ".trec", Export.items),
}
