"""What is a vector store of OpenAI's here? The whole index is one, and each source is one; a file in it is an entry."""

import base64
import binascii
import unicodedata
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api import filters
from api.schemas import iso, make_moment
from index import dates
from index.answer import ask, seen_from
from index.errors import InvalidRequest, NotFound
from index.merge import merged
from index.reader import Filters
from index.records import Hit, published_text
from index.search import MAX_QUESTION, Results, Searcher
from index.store import Holding, Source

WHOLE = "vs_filrouge"
"""The id of the store that is the whole index. Those of sources begin alike, and what follows is no base64 of a name."""
MAX_RESULTS = 50
MAX_QUERIES = 10
LONGEST = 512
"""Characters of an attribute that is text."""


class StoreList(BaseModel):
    """Which of the stores are listed."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=100, description="How many stores.")] = 20
    order: Annotated[Literal["asc", "desc"], Field(description="By the time at which they were first indexed.")] = "desc"
    after: Annotated[str | None, Field(description="Those behind the store of this id.")] = None
    before: Annotated[str | None, Field(description="Those before the store of this id.")] = None


class FileCounts(BaseModel):
    """The entries of a store, all of which are ready."""

    in_progress: int = 0
    completed: int
    failed: int = 0
    cancelled: int = 0
    total: int


class VectorStoreOut(BaseModel):
    """The index, or one of its sources."""

    id: str
    object: Literal["vector_store"] = "vector_store"
    created_at: Annotated[int, Field(description="When it was first indexed, in seconds since 1970.")]
    name: Annotated[str, Field(description="The name of the source; `filrouge` for the whole index.")]
    usage_bytes: Annotated[int, Field(description="Of the texts and titles of its entries.")]
    file_counts: FileCounts
    status: Literal["completed"] = "completed"
    expires_after: None = None
    expires_at: None = None
    last_active_at: Annotated[int, Field(description="When the index was last written to.")]
    metadata: dict[str, str]


class VectorStoresOut(BaseModel):
    """A page of stores."""

    object: Literal["list"] = "list"
    data: list[VectorStoreOut]
    first_id: str | None
    last_id: str | None
    has_more: bool


def _queries(value: Any) -> Any:
    """Texts that can be asked, before the types are looked at: one message, where a union would have two."""
    texts = value if isinstance(value, list) else [value]
    if not all(isinstance(text, str) for text in texts):
        raise PydanticCustomError("query_type", "is neither a text nor a list of texts")
    if not texts:
        raise PydanticCustomError("too_short", "is an empty list: give one question at least")
    if len(texts) > MAX_QUERIES:
        raise PydanticCustomError("too_long", f"has {len(texts)} questions; at most {MAX_QUERIES} are asked at once")
    if any("\ud800" <= character <= "\udfff" for text in texts for character in text):
        raise PydanticCustomError("query_value", "holds half a character, which none can be asked about")
    if any(len(text) > MAX_QUESTION for text in texts):
        raise PydanticCustomError("string_too_long", f"is too long: at most {MAX_QUESTION} characters of a question are read")
    return value


class RankingOptions(BaseModel):
    """How hits are ranked, and which are good enough."""

    model_config = ConfigDict(extra="forbid")

    ranker: Annotated[
        Literal["none", "auto", "default-2024-11-15"], Field(description="There is one ranking, whichever is named.")
    ] = "auto"
    score_threshold: Annotated[float, Field(ge=0.0, le=1.0, description="The score that a hit must have at least.")] = 0.0


class StoreSearchBody(BaseModel):
    """A search of a store."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[
        str | list[str],
        BeforeValidator(_queries),
        Field(description="A question, in French or English, or several whose hits are united.", examples=["Qui ?"]),
    ]
    max_num_results: Annotated[int, Field(ge=1, le=MAX_RESULTS, description="How many hits.")] = 10
    rewrite_query: Annotated[
        bool, Field(description="Whether words for a time in the question narrow the search, and are not sought.")
    ] = False
    filters: Annotated[
        Any,
        Field(
            description="What must hold of the attributes of a hit: a comparison, or several joined by `and` or `or`.",
            examples=[{"type": "eq", "key": "lang", "value": "fr"}],
        ),
    ] = None
    ranking_options: RankingOptions = RankingOptions()
    as_of: Annotated[str | None, Field(description="What was known at this ISO 8601 time; not part of OpenAI's contract.")] = (
        None
    )


class ContentOut(BaseModel):
    """The text of a hit."""

    type: Literal["text"] = "text"
    text: Annotated[str, Field(description="The passage: exactly the entry's text from `start` to `end`.")]


class StoreHitOut(BaseModel):
    """A passage, as a part of a file."""

    file_id: Annotated[str, Field(description="The id of the entry.")]
    filename: Annotated[str, Field(description="The name of the entry's source.")]
    score: Annotated[float, Field(description="Between 0 and 1, higher is better; comparable between questions.")]
    attributes: Annotated[dict[str, str | int | float], Field(description="What is known of the passage and its entry.")]
    content: list[ContentOut]


class StoreHitsOut(BaseModel):
    """What a search of a store found, best first."""

    object: Literal["vector_store.search_results.page"] = "vector_store.search_results.page"
    search_query: Annotated[list[str], Field(description="What was sought.")]
    data: list[StoreHitOut]
    has_more: Literal[False] = False
    next_page: None = None
    generation: Annotated[int, Field(description="The state of the index that was searched; not part of OpenAI's contract.")]
    known: Annotated[str | None, Field(description="When that state came to be: `as_of` this, the search finds the same.")]
    model: Annotated[str, Field(description="The embedding model.")]


# Stores


def store_id(source: str) -> str:
    """The id of the store that is a source: its name, as an address can hold it.

    >>> store_id("seeds/a.txt"), source_of("vs_c2VlZHMvYS50eHQ")
    ('vs_c2VlZHMvYS50eHQ', 'seeds/a.txt')
    """
    return "vs_" + base64.urlsafe_b64encode(source.encode()).decode().rstrip("=")


def source_of(store: str) -> str | None:
    """The source whose store has this id, whether or not there is one; None for what is no such id."""
    body = store.removeprefix("vs_")
    try:
        name = base64.b64decode(body + "=" * (-len(body) % 4), altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    return name if store_id(name) == store else None


def all_stores(searcher: Searcher, asked: StoreList) -> VectorStoresOut:
    """The stores that are asked for. Raises `InvalidRequest` for a place in the list that there is not."""
    stores = sorted(_described(searcher), key=lambda one: (one.created_at, one.id != WHOLE, one.name))
    if asked.order == "desc":
        # The whole index is as old as its first source, and stands before it either way.
        stores.sort(key=lambda one: -one.created_at)
    places = {one.id: place for place, one in enumerate(stores)}
    for field, cursor in (("after", asked.after), ("before", asked.before)):
        if cursor is not None and cursor not in places:
            raise InvalidRequest(f"there is no vector store '{cursor[:80]}' to list from", field)
    begin = 0 if asked.after is None else places[asked.after] + 1
    end = len(stores) if asked.before is None else places[asked.before]
    rest = stores[begin:end]
    # Whoever pages backwards wants those that stand next to the place, not the first of all.
    page = rest[-asked.limit :] if asked.before is not None and asked.after is None else rest[: asked.limit]
    return VectorStoresOut(
        data=page,
        first_id=page[0].id if page else None,
        last_id=page[-1].id if page else None,
        has_more=len(rest) > len(page),
    )


def one_store(searcher: Searcher, store: str) -> VectorStoreOut:
    """The store of this id. Raises `NotFound`."""
    for one in _described(searcher):
        if one.id == store:
            return one
    raise _unknown(store)


def _unknown(store: str) -> NotFound:
    return NotFound(f"there is no vector store '{store[:80]}'; GET /v1/vector_stores lists them", "vector_store_id")


def _described(searcher: Searcher) -> list[VectorStoreOut]:
    kept, snapshot = searcher.reader.store, searcher.reader.snapshot()
    sources, holdings = kept.sources(snapshot.generation), kept.holdings(snapshot.generation)
    active = int(kept.committed(snapshot.generation).timestamp())
    whole = Source(
        "filrouge",
        sum(one.entries for one in sources),
        sum(one.passages for one in sources),
        tuple(sorted({lang for one in sources for lang in one.languages})),
        min((one.first for one in sources if one.first), default=None),
        max((one.last for one in sources if one.last), default=None),
    )
    began = min((one.since for one in holdings.values()), default=kept.committed(0))
    everything = Holding(began, sum(holdings[one.name].bytes for one in sources))
    known = {"model": snapshot.card.name, "generation": str(snapshot.generation)}
    return [
        _store(WHOLE, whole, everything, active, known),
        *(_store(store_id(one.name), one, holdings[one.name], active, known) for one in sources),
    ]


def _store(store: str, source: Source, holding: Holding, active: int, known: dict[str, str]) -> VectorStoreOut:
    told = {
        **known,
        "languages": ", ".join(source.languages),
        "passages": str(source.passages),
        "first": iso(source.first),
        "last": iso(source.last),
    }
    return VectorStoreOut(
        id=store,
        created_at=int(holding.since.timestamp()),
        name=source.name,
        usage_bytes=holding.bytes,
        file_counts=FileCounts(completed=source.entries, total=source.entries),
        last_active_at=active,
        metadata={name: shortened(value) for name, value in told.items() if value},
    )


# Searching


def search(searcher: Searcher, store: str, asked: StoreSearchBody) -> StoreHitsOut:
    """What passes the filters and answers best. Raises `NotFound` for the store, and what `Searcher.search` raises."""
    source = None
    if store != WHOLE:
        source = source_of(store)
        if source is None or searcher.reader.store.origin(source) is None:
            raise _unknown(store)
    zone = dates.zone(searcher.reader.store.zone())
    where = None if asked.filters is None else filters.read(asked.filters, zone)
    narrowed = Filters(source=source, where=where)
    as_of = make_moment(zone, asked.as_of)
    questions = asked.query if isinstance(asked.query, list) else [asked.query]
    sought, found = [], []
    for question in questions:
        words, results = _found(searcher, question, asked, narrowed, as_of)
        sought.append(words)
        found.append(results)
    hits = found[0].hits if len(found) == 1 else merged([one.hits for one in found], asked.max_num_results)
    return StoreHitsOut(
        search_query=sought,
        data=[_hit(hit) for hit in hits if hit.score >= asked.ranking_options.score_threshold],
        generation=found[0].generation,
        known=iso(found[0].known),
        model=found[0].card.name,
    )


def _found(
    searcher: Searcher, question: str, asked: StoreSearchBody, narrowed: Filters, as_of: datetime | None
) -> tuple[str, Results]:
    """What was sought, and what was found."""
    # It has filters of its own, and no way to show what was understood as an operator.
    if not asked.rewrite_query:
        return question, searcher.search(question, asked.max_num_results, narrowed, as_of, literal=True)
    now = seen_from(searcher, as_of=as_of)
    answer = ask(searcher, question, asked.max_num_results, narrowed, as_of, now, literal=True)
    words = question
    if answer.results.filters != narrowed:
        for phrase in sorted(answer.narrowing.phrases, key=lambda one: -one.start):
            words = f"{words[: phrase.start]} {words[phrase.end :]}"
    return " ".join(words.split()), answer.results


def _hit(hit: Hit) -> StoreHitOut:
    entry = hit.passage.entry
    return StoreHitOut(
        file_id=entry.id,
        filename=entry.source,
        score=round(hit.score, 6),
        attributes=attributes(hit),
        content=[ContentOut(text=hit.passage.text)],
    )


def attributes(hit: Hit) -> dict[str, str | int | float]:
    """What is known of a hit, at most sixteen things, each a number or text of at most LONGEST characters.

    A title that is longer is shortened. A name or address is left out instead, since half of one leads nowhere; and so is what
    is not known.
    """
    passage, entry = hit.passage, hit.passage.entry
    found: dict[str, str | int | float | None] = {
        "entry_id": entry.id,
        "passage_id": passage.id,
        "start": passage.start,
        "end": passage.end,
        "lang": entry.lang,
        "title": shortened(entry.title),
        "published_at": published_text(entry.published, entry.precision),
        "precision": entry.precision,
    }
    if entry.published is not None:
        seconds = entry.published.timestamp()
        found["published"] = int(seconds) if seconds.is_integer() else seconds
        found["day"] = entry.published.date().isoformat()
        found["year"] = entry.published.year
    for name, value in (("source", entry.source), ("key", entry.key), ("url", entry.url)):
        found[name] = value if value is not None and len(value) <= LONGEST else None
    return {name: value for name, value in found.items() if value is not None}


def shortened(text: str) -> str:
    """A text of at most LONGEST characters: the beginning of a longer one, up to a space where one is near, and an ellipsis.

    >>> shortened("Belgorod"), len(shortened("ab " * 300)), shortened("ab " * 300)[-4:]
    ('Belgorod', 510, ' ab…')
    """
    if len(text) <= LONGEST:
        return text
    kept = text[: LONGEST - 1]
    words, _, _ = kept.rpartition(" ")
    # Without a space near by the cut is where it must be, but never within what readers see as one character.
    if len(words) > LONGEST - 40:
        return words.rstrip() + "…"
    end = len(kept)
    while end > 1 and _joins(text[end - 1], text[end]):
        end -= 1
    return kept[:end] + "…"


def _joins(before: str, after: str) -> bool:
    """Whether two characters are seen as one: an accent, a modifier or a selector follows, or a joiner stands between."""
    return unicodedata.category(after) in ("Mn", "Me", "Mc", "Sk") or "\u200d" in (before, after)
