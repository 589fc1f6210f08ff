"""What travels on the wire, the same for HTTP and for `--json`."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, tzinfo
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlencode

from pydantic import AliasChoices, BaseModel, ConfigDict, Field

from embed import ModelCard
from index import dates
from index.entries import WholeEntry
from index.operators import Reading
from index.pages import MAX_CURSOR
from index.reader import Filters
from index.records import Entry, Hit, Version, Window, published_text
from index.search import MAX_HITS, MAX_QUESTION, Results
from index.store import Source

if TYPE_CHECKING:
    # Whoever searches need not load what reads documents.
    from index.documents import Failure
    from index.follow import Look
    from index.ingest import Report


class Filtering(BaseModel):
    """Which passages are asked for, of which time."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    lang: Annotated[Literal["fr", "en"] | None, Field(description="Only passages in this language.")] = None
    since: Annotated[
        str | None,
        Field(
            description="Only entries published at or after this ISO 8601 time; without offset, in the corpus's zone.",
            examples=["2023-05-23", "2023-05-23T11:58:00+02:00"],
        ),
    ] = None
    until: Annotated[str | None, Field(description="Only entries published before this time.", examples=["2023-05-24"])] = None
    source: Annotated[
        str | None,
        Field(
            description="Only entries of this source, by its whole name (see `/sources`).",
            examples=["seeds/000_43b67c511cce9011.txt"],
        ),
    ] = None

    as_of: Annotated[
        str | None,
        Field(
            description="What was known at this ISO 8601 time: the entries that were there then, in the words of then.",
            examples=["2023-05-23T12:00:00+02:00"],
        ),
    ] = None

    def moment(self, zone: tzinfo) -> datetime | None:
        """`as_of`; without an offset in `zone`."""
        return make_moment(zone, self.as_of)

    def filters(self, zone: tzinfo) -> Filters:
        """The same for `index.search`; times without an offset are in `zone`."""
        return make_filters(zone, self.lang, self.since, self.until, self.source)


class Narrowing(Filtering):
    """What narrows a search."""

    k: Annotated[int, Field(ge=1, le=MAX_HITS, description="How many passages.")] = 10
    literal: Annotated[
        bool,
        Field(description='Whether operators (`"exact phrase"`, `-word`, `field:value`) are words like any others.'),
    ] = False


class Searching(Narrowing):
    """What narrows a search, and where its page begins."""

    cursor: Annotated[
        str | None,
        Field(max_length=MAX_CURSOR, description="The `next` of an earlier reply to the same question: what comes after it."),
    ] = None


def make_moment(zone: tzinfo, as_of: str | None) -> datetime | None:
    """The moment that a caller wrote. Raises `InvalidRequest` for what is not a time."""
    return None if as_of is None else dates.moment(as_of, zone, "as_of")


def make_filters(
    zone: tzinfo,
    lang: str | None = None,
    since: str | None = None,
    until: str | None = None,
    source: str | None = None,
) -> Filters:
    """Filters from what a caller wrote. Raises `InvalidRequest` for what is not a time."""
    return Filters(dates.window(since, until, zone), lang, source)


QuestionText = Annotated[
    str,
    Field(
        max_length=MAX_QUESTION,
        description="A question, in French or English.",
        examples=["Who is training Ukrainian pilots on F-16s?"],
    ),
]
"""A question in a query string."""


class SearchQuery(Searching):
    """The query string of `GET /search`."""

    q: QuestionText


class SearchBody(Searching):
    """The body of `POST /search`."""

    query: Annotated[
        str,
        Field(
            max_length=MAX_QUESTION,
            validation_alias=AliasChoices("query", "q"),
            description="A question, in French or English; `q` is understood too.",
            examples=["Qui a revendiqué l’attaque de Belgorod ?"],
        ),
    ]


class VoteOut(BaseModel):
    """One ranking's say."""

    rank: Annotated[int, Field(description="Place in that ranking, from 1.")]
    score: Annotated[float, Field(description="Score there: a cosine (dense, words) or BM25 points (lexical, translated).")]


class SpanOut(BaseModel):
    """A part of a text: from `start`, up to and without `end`, in Unicode code points."""

    start: int
    end: int


class HitOut(BaseModel):
    """A ranked passage."""

    rank: int
    score: Annotated[float, Field(description="Between 0 and 1, higher is better; comparable between questions.")]
    entry_id: str
    passage_id: Annotated[int, Field(description="Never reused within an index.")]
    title: Annotated[str, Field(description="The entry's title; empty when it has none.")]
    text: Annotated[str, Field(description="The passage: exactly the entry's text from `start` to `end`.")]
    start: Annotated[int, Field(description="Unicode code points from the beginning of the entry's text.")]
    end: int
    published: Annotated[
        str | None, Field(description="ISO 8601; a date alone where only the day is known; null where nothing is.")
    ]
    lang: str
    source: str
    url: str | None
    ranks: Annotated[
        dict[str, VoteOut],
        Field(description="Which rankings voted for the passage (`dense`, `words`, `lexical`, `translated`), and how high."),
    ]
    twins: Annotated[
        list[str], Field(description="Other entries that say the same, best first, which are not among the hits for that.")
    ]
    highlights: Annotated[
        list[SpanOut],
        Field(description="Where the question's words, or their translations, stand in `text`."),
    ]


class WindowOut(BaseModel):
    """A span of time: from `since`, up to and without `until`."""

    since: str | None
    until: str | None


class CardOut(BaseModel):
    """All that tells a model from others."""

    name: str
    revision: Annotated[str, Field(description="Which weights.")]
    dimension: int
    token_limit: int
    query_prefix: str
    passage_prefix: str
    precision: Annotated[str, Field(description="The arithmetic that vectors come from.")]
    licence: str


class PartOut(BaseModel):
    """A part of a query that is more than words, or looks like it: `query[start:end]`."""

    text: str
    start: int
    end: int
    kind: Annotated[
        Literal["phrase", "word", "field", "quoted", "words"],
        Field(description="What it was taken for; what is `quoted` in a question, and mere `words`, narrow nothing."),
    ]
    field: Annotated[str | None, Field(description="Which field, of a `field`.")]
    value: str
    excluded: Annotated[bool, Field(description="Whether it must not be so.")]


class OperatorsOut(BaseModel):
    """What was understood of a query beside its words."""

    question: Annotated[str, Field(description="The words that are left, which passages are ranked by; may be empty.")]
    parts: list[PartOut]


class PassedOut(BaseModel):
    """An entry that was passed over, as it says what a hit of an earlier page says."""

    entry_id: str
    passage_id: Annotated[int, Field(description="That hit's passage.")]


class SearchOut(BaseModel):
    """What a question found, best first."""

    query: str
    operators: Annotated[OperatorsOut | None, Field(description="What of it is no plain word; null where all is.")]
    order: Annotated[
        Literal["relevance", "newest"],
        Field(description="`newest`, with scores of 0, where operators leave no words."),
    ]
    lang: Annotated[str, Field(description="The language that the question was taken to be in.")]
    window: Annotated[WindowOut | None, Field(description="The window that was searched; null when it was open.")]
    as_of: Annotated[str | None, Field(description="The moment whose knowledge was searched; null for the newest.")]
    generation: Annotated[int, Field(description="The state of the index that was searched.")]
    known: Annotated[str | None, Field(description="When that state came to be.")]
    permalink: Annotated[
        str, Field(description="Answers the same whatever is indexed later, as long as the index keeps its model.")
    ]
    model: Annotated[str, Field(description="The embedding model.")]
    card: CardOut
    total: Annotated[int | None, Field(description="How many passages pass the filters and operators.")]
    next: Annotated[str | None, Field(description="The `cursor` that gives what comes next; null where nothing is left.")]
    passed: Annotated[list[PassedOut], Field(description="Entries left out, as a hit of an earlier page says the same.")]
    hits: list[HitOut]


class PassageOut(BaseModel):
    """A passage of an entry."""

    passage_id: int
    start: int
    end: int
    text: str


class EntryOut(BaseModel):
    """A whole entry."""

    entry_id: str
    source: str
    key: Annotated[str, Field(description="What tells the entry from the others of its source.")]
    title: str
    text: str
    published: str | None
    clock: Annotated[str | None, Field(description="The time of day that the page gives, where the day is not known.")]
    lang: str
    url: str | None
    twins: Annotated[list[str], Field(description="Other entries whose whole text says the same, the most alike first.")]
    passages: list[PassageOut]


class VersionOut(BaseModel):
    """What an entry said for a time."""

    version: Annotated[int, Field(description="From 1, the oldest.")]
    generation: Annotated[int, Field(description="The first state of the index that had it.")]
    seen: Annotated[str, Field(description="When it was first seen: when that state came to be.")]
    ended: Annotated[str | None, Field(description="When another took its place or the entry was withdrawn; null until then.")]
    withdrawn: Annotated[bool, Field(description="Whether the entry was gone after it.")]
    content_hash: Annotated[str, Field(description="Equal for two versions exactly when a reader sees no difference.")]
    title: str
    text: str
    published: str | None
    clock: str | None
    lang: str
    url: str | None


class VersionsOut(BaseModel):
    """All that an entry ever said, oldest first."""

    entry_id: str
    source: str
    key: str
    withdrawn: Annotated[bool, Field(description="Whether the entry is gone: searches do not find it.")]
    versions: list[VersionOut]


class SourceOut(BaseModel):
    """A document or live blog."""

    source: str
    entries: int
    passages: int
    languages: list[str]
    first: Annotated[str | None, Field(description="When its oldest dated entry was published.")]
    last: str | None


class SourcesOut(BaseModel):
    """Everything that is indexed."""

    generation: int
    sources: list[SourceOut]


class HealthOut(BaseModel):
    """The process is alive."""

    status: Literal["alive"] = "alive"


class ReadyOut(BaseModel):
    """The index and the model are loaded."""

    status: Literal["ready"] = "ready"
    generation: int
    entries: int
    passages: int
    model: str


class FieldProblem(BaseModel):
    """One thing that is wrong with a request."""

    field: str
    message: str


class Problem(BaseModel):
    """An error, as RFC 9457 has it (`application/problem+json`)."""

    type: Annotated[str, Field(description="Names the kind of problem.", examples=["urn:filrouge:invalid-request"])]
    title: str
    status: int
    detail: Annotated[str, Field(description="What is wrong, and what to do.")]
    errors: Annotated[list[FieldProblem], Field(description="The fields at fault, where there are any.")] = []
    request_id: Annotated[
        str | None,
        Field(description="Names the request in the server's log; the header `X-Request-ID` says it of every answer."),
    ] = None


class FailureOut(BaseModel):
    """A document, or a part of one, that was not indexed."""

    source: str
    reason: str


class ReportOut(BaseModel):
    """What `filrouge index` did; counts of entries unless they say otherwise."""

    documents: int
    added: int
    changed: int
    unchanged: int
    withdrawn: int
    passages: Annotated[int, Field(description="Passages of new and changed entries.")]
    embedded: Annotated[int, Field(description="Passages whose vector had to be computed.")]
    failures: list[FailureOut]
    generation: int
    dated: Annotated[
        dict[str, int],
        Field(description="Entries by where their day comes from: `entry`, `document`, `manifest` (or --date), `unknown`."),
    ]


class LookOut(BaseModel):
    """What one look of `filrouge follow` gave."""

    look: Annotated[int, Field(description="From 1.")]
    outcome: Annotated[Literal["read", "unchanged", "failed"], Field(description="`unchanged` is a page that was not read.")]
    reason: Annotated[str | None, Field(description="Why it failed; null where it did not.")]
    report: ReportOut | None
    wait: Annotated[float, Field(description="Seconds before the next look; 0 where there is none.")]


def look_out(look: "Look") -> LookOut:
    """A look for the wire."""
    report = report_out(look.report) if look.report else None
    return LookOut(look=look.number, outcome=look.outcome, reason=look.reason or None, report=report, wait=round(look.wait, 1))


def hit_out(hit: Hit) -> HitOut:
    """A hit for the wire."""
    entry = hit.passage.entry
    return HitOut(
        rank=hit.rank,
        score=round(hit.score, 6),
        entry_id=entry.id,
        passage_id=hit.passage.id,
        title=entry.title,
        text=hit.passage.text,
        start=hit.passage.start,
        end=hit.passage.end,
        published=published_text(entry.published, entry.precision),
        lang=entry.lang,
        source=entry.source,
        url=entry.url,
        ranks={name: VoteOut(rank=vote.rank, score=round(vote.score, 6)) for name, vote in hit.ranks.items()},
        twins=list(hit.twins),
        highlights=[SpanOut(start=start, end=end) for start, end in hit.highlights],
    )


def search_out(results: Results) -> SearchOut:
    """Results for the wire."""
    return SearchOut(
        query=results.question,
        operators=operators_out(results.reading),
        order="newest" if results.reading and results.reading.wordless else "relevance",
        lang=results.lang,
        window=window_out(results.filters.window),
        as_of=iso(results.as_of),
        generation=results.generation,
        known=iso(results.known),
        permalink=_permalink(results),
        model=results.card.name,
        card=card_out(results.card),
        total=results.total,
        next=results.next,
        passed=[PassedOut(entry_id=entry, passage_id=passage) for entry, passage in results.passed],
        hits=[hit_out(hit) for hit in results.hits],
    )


def card_out(card: ModelCard) -> CardOut:
    """A model's card for the wire."""
    return CardOut(**asdict(card))


def window_out(window: Window) -> WindowOut | None:
    """A window for the wire; None when it is open."""
    return None if window == Window() else WindowOut(since=iso(window.since), until=iso(window.until))


def operators_out(reading: Reading | None) -> OperatorsOut | None:
    """What was understood of a query, for the wire; None where it is all words."""
    if reading is None or not reading.parts:
        return None
    parts = [
        PartOut(
            text=reading.query[part.start : part.end],
            start=part.start,
            end=part.end,
            kind=part.kind,
            field=part.name or None,
            value=part.value,
            excluded=part.excluded,
        )
        for part in reading.parts
    ]
    return OperatorsOut(question=" ".join(reading.question.split()), parts=parts)


def is_literal(reading: Reading | None) -> Literal["true"] | None:
    """How an address says that operators are words, where that makes a difference."""
    return "true" if reading is not None and reading.is_literal else None


def _permalink(results: Results) -> str:
    asked = {"q": results.question, "k": results.k, "literal": is_literal(results.reading), "cursor": results.cursor}
    return address("/search", asked, results.filters, results.known)


def address(path: str, asked: Mapping[str, object], filters: Filters, as_of: datetime | None) -> str:
    """A path with a query string of what was asked, and of the filters; None is left out.

    >>> address("/search", {"q": "Qui ?", "limit": None}, Filters(lang="fr"), None)
    '/search?q=Qui+%3F&lang=fr'
    """
    narrowed = {
        "lang": filters.lang,
        "since": iso(filters.window.since),
        "until": iso(filters.window.until),
        "source": filters.source,
        "as_of": iso(as_of),
    }
    there = {name: value for name, value in {**asked, **narrowed}.items() if value is not None}
    return f"{path}?{urlencode(there, errors='replace')}"


def entry_out(whole: WholeEntry) -> EntryOut:
    """An entry with its passages and twins for the wire."""
    entry = whole.entry
    return EntryOut(
        entry_id=entry.id,
        source=entry.source,
        key=entry.key,
        title=entry.title,
        text=entry.text,
        published=published_text(entry.published, entry.precision),
        clock=_clock(entry),
        lang=entry.lang,
        url=entry.url,
        twins=list(whole.twins),
        passages=[PassageOut(passage_id=p.id, start=p.start, end=p.end, text=p.text) for p in whole.passages],
    )


def versions_out(versions: Sequence[Version]) -> VersionsOut:
    """All versions of an entry, at least one, for the wire."""
    last = versions[-1]
    return VersionsOut(
        entry_id=last.entry.id,
        source=last.entry.source,
        key=last.entry.key,
        withdrawn=last.withdrawn,
        versions=[_version(version) for version in versions],
    )


def _version(version: Version) -> VersionOut:
    entry = version.entry
    return VersionOut(
        version=version.number,
        generation=version.generation,
        seen=version.seen.isoformat(),
        ended=iso(version.ended),
        withdrawn=version.withdrawn,
        content_hash=entry.content_hash.hex(),
        title=entry.title,
        text=entry.text,
        published=published_text(entry.published, entry.precision),
        clock=_clock(entry),
        lang=entry.lang,
        url=entry.url,
    )


def source_out(source: Source) -> SourceOut:
    """A source for the wire."""
    return SourceOut(
        source=source.name,
        entries=source.entries,
        passages=source.passages,
        languages=list(source.languages),
        first=iso(source.first),
        last=iso(source.last),
    )


def report_out(report: "Report") -> ReportOut:
    """A report for the wire."""
    fields: Mapping[str, Any] = {name: getattr(report, name) for name in ReportOut.model_fields if name != "failures"}
    return ReportOut(**fields, failures=[_failure(failure) for failure in report.failures])


def _failure(failure: "Failure") -> FailureOut:
    return FailureOut(source=failure.source, reason=failure.reason)


def _clock(entry: Entry) -> str | None:
    return entry.clock.isoformat("minutes") if entry.clock else None


def iso(moment: datetime | date | None) -> str | None:
    """ISO 8601; None for none."""
    return moment.isoformat() if moment else None
