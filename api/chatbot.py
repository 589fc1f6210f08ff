"""What a chatbot can call, and how it is taught to ask. Tools answer what HTTP answers, whatever brings the call."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from api import problems, replies
from api.answers import AnswerOut, AskBody, Asking
from api.schemas import EntryOut, HitOut, SearchBody, SearchOut
from embed import EmbedError
from index.errors import FilrougeError, InvalidRequest, NotFound
from index.search import MAX_QUESTION, Searcher

log = logging.getLogger("filrouge.api")

ENTRY = "filrouge://entries/"
"""What an entry's address as a resource begins with."""
SOURCES = "filrouge://sources"
SHOWN = 100
"""Characters of a caller's own words that an error repeats."""

INSTRUCTIONS = """
Live blogs of news organisations: short dated entries, in French and English. Everything here is quoted word for word,
with its source, its time and its place in the text; nothing is written by a model.

Ask a whole question, in French or in English, whichever the user speaks: entries in both languages are found either
way, so do not translate it and do not ask twice. « Qui a revendiqué l’attaque de Belgorod ? » does better than
"Belgorod attack".

`ask` is for one question with an answer: it gives exact quotes, or says that the corpus does not tell, which is an
answer too: pass it on, and do not fill it in from memory. `search_passages` is for reading around, or for narrowing by
time, source and language. `search` and `fetch` are for connectors. Quote `text` as it stands, and say when it was
`published`.
""".strip()

_SEARCH = """
Find entries of live blogs by a question in French or English; entries in both languages are found whichever it is asked
in. Times in words are understood ("hier", "mardi soir", "last night", "in the past two hours") and narrow the search,
where anything was published then. Give an `id` to `fetch` to read the whole entry.
""".strip()

_FETCH = """
Read a whole entry by the `id` that `search` gave: its text word for word, when it was published, and where.
""".strip()

_SEARCH_PASSAGES = """ Find the passages that answer a question best, in French or English; passages in both languages are
found whichever it is asked in. `text` is exactly what the entry says from `start` to `end`; `score`, from 0 to 1, can be
compared between questions. Words for a time in `query` are searched for like any others: give `since` and `until` (ISO 8601,
half-open) to narrow, or use `ask`. In `query`, `"exact words"` demands them and `-word` excludes it, as do `source:`, `lang:`,
`title:`, `before:`, `after:` and `published:` with a value; `operators` says what was understood. A quotation inside of a
question demands nothing. The `cursor` of the next page is `next`. `as_of` shows what was known at an instant, in the words of
then; `lang` is the language of passages, not of the question. """.strip()

_ASK = """
Answer one question, in French or English, with one to three sentences quoted word for word from the live blogs, in
whichever language they were written. Ask one thing, as a person would: « Combien de blessés hier soir à Kiev ? »,
"Who is training Ukrainian pilots?". Words such as "hier", "ce matin", "depuis mardi", "last night" or "in the past two
hours" are understood, and seen from now; for an old live blog, set `now` to "newest" or to a time. When `answered` is
false, `reason` says why: that the corpus does not tell is an honest answer, and `hits` are merely the nearest passages.
`confidence` is the probability that the first quote answers. Give several questions one at a time.
""".strip()


class ConnectorQuery(BaseModel):
    """What a connector searches with: a query and nothing else."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[
        str,
        Field(
            max_length=MAX_QUESTION,
            description="A question, in French or English; it may say when.",
            examples=["Who is training Ukrainian pilots on F-16s?", "Qu’a dit le Kremlin mardi soir ?"],
        ),
    ]


class ConnectorId(BaseModel):
    """What a connector fetches with."""

    model_config = ConfigDict(extra="forbid")

    id: Annotated[str, Field(max_length=200, description="The `id` of a result of `search`.")]


class FoundOut(BaseModel):
    """An entry that a connector's query found."""

    id: str
    title: str
    url: Annotated[str, Field(description="Where it was published; where that is not known, its address as a resource.")]
    text: Annotated[str, Field(description="The passage that it was found by.")]


class FoundsOut(BaseModel):
    """What a connector's query found, best first; an entry stands here once."""

    results: list[FoundOut]


class DocumentOut(BaseModel):
    """An entry as connectors read it."""

    id: str
    title: str
    text: str
    url: str
    metadata: Annotated[dict[str, str], Field(description="`source`, `lang`, and `published` or `clock` where known.")]


@dataclass(frozen=True)
class Tool:
    """Something to call: what it takes, what it gives, and what a model is told of it."""

    title: str
    description: str
    takes: type[BaseModel]
    gives: type[BaseModel]
    run: Callable[[Searcher, Any, float | None], BaseModel]


def _search(searcher: Searcher, asked: ConnectorQuery, threshold: float | None) -> FoundsOut:
    # Nothing but the query can be given, so it must be allowed to say when, as it is to `ask`.
    # And the connector has no way to show what was understood as an operator.
    hits = replies.answered(searcher, asked.query, Asking(literal=True), threshold).hits
    best: dict[str, HitOut] = {}
    for hit in hits:
        best.setdefault(hit.entry_id, hit)
    return FoundsOut(
        results=[FoundOut(id=i, title=_title(hit), url=hit.url or ENTRY + i, text=hit.text) for i, hit in best.items()]
    )


def _fetch(searcher: Searcher, asked: ConnectorId, threshold: float | None) -> DocumentOut:
    entry = replies.entry(searcher, asked.id)
    # The time of day alone, where no day is known.
    when = {"published": entry.published} if entry.published else {"clock": entry.clock}
    return DocumentOut(
        id=entry.entry_id,
        title=_title(entry),
        text=entry.text,
        url=entry.url or ENTRY + entry.entry_id,
        metadata={"source": entry.source, "lang": entry.lang} | {name: value for name, value in when.items() if value},
    )


def _title(entry: HitOut | EntryOut) -> str:
    """What a reader is shown to choose by: untitled entries have their source and time."""
    return entry.title or ", ".join(filter(None, (entry.source, entry.published)))


def _search_passages(searcher: Searcher, asked: SearchBody, threshold: float | None) -> SearchOut:
    return replies.found(searcher, asked.query, asked, asked.cursor)


def _ask(searcher: Searcher, asked: AskBody, threshold: float | None) -> AnswerOut:
    return replies.answered(searcher, asked.question, asked, threshold)


TOOLS: Mapping[str, Tool] = {
    "search": Tool("Search live blogs", _SEARCH, ConnectorQuery, FoundsOut, _search),
    "fetch": Tool("Read an entry", _FETCH, ConnectorId, DocumentOut, _fetch),
    "search_passages": Tool("Search passages", _SEARCH_PASSAGES, SearchBody, SearchOut, _search_passages),
    "ask": Tool("Ask live blogs", _ASK, AskBody, AnswerOut, _ask),
}


class CallFailed(Exception):
    """A call that cannot be answered; the message names the field and the repair, and nothing of this machine."""


def call(searcher: Searcher, name: str, arguments: Mapping[str, Any], threshold: float | None = None) -> BaseModel:
    """What the tool answers; for `threshold` see `create_app`. Raises `CallFailed` and nothing else.

    >>> call(searcher, "fetch", {"id": "xkk35moolenmajn2"}).title  # doctest: +SKIP
    'Le Premier ministre russe à Shanghai pour notamment rencontrer Xi Jinping'
    """
    tool = TOOLS.get(name)
    if tool is None:
        raise CallFailed(f"name: there is no tool '{name[:SHOWN]}'; there are {', '.join(TOOLS)}")
    try:
        return tool.run(searcher, tool.takes.model_validate(arguments), threshold)
    except ValidationError as error:
        wrong = problems.in_a_line(problems.faults([dict(one) for one in error.errors()]))
        raise CallFailed(f"{wrong}. `{name}` takes {', '.join(tool.takes.model_fields)}") from error
    except InvalidRequest as error:
        # What is a query to all others is a question to `ask`.
        field = "question" if error.field == "query" and tool.takes is AskBody else error.field
        raise CallFailed(f"{field}: {error}" if field else str(error)) from error
    except NotFound as error:
        raise CallFailed(f"id: {error}; take an id from a result of `search`") from error
    except Exception as error:
        raise CallFailed(_told(f"tool {name}", error)) from error


def read(searcher: Searcher, uri: str) -> str:
    """The JSON at an address that begins with `filrouge://`, as HTTP has it. Raises `NotFound` where nothing is there, and
    `CallFailed`.
    """
    try:
        if uri == SOURCES:
            return replies.sources(searcher).model_dump_json()
        if uri.startswith(ENTRY):
            return replies.entry(searcher, uri.removeprefix(ENTRY)[:SHOWN]).model_dump_json()
    except NotFound as error:
        raise NotFound(f"uri: {error}") from error
    except Exception as error:
        raise CallFailed(_told("resource", error)) from error
    raise NotFound(f"uri: nothing is at '{uri[:SHOWN]}'; there are {SOURCES} and {ENTRY}ID, with the `entry_id` of a hit")


def _told(what: str, error: Exception) -> str:
    """What a caller is told of a failure of ours; the rest goes to the log, as it may name folders."""
    known = isinstance(error, FilrougeError | EmbedError)
    log.error("%s: %s", what, error, exc_info=None if known else error)
    return problems.of(error)[1]
