"""The first page: before anything is asked, with what a question is answered with, or with what went wrong."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from api import wording
from api.exports import FormatName
from api.links import deep_link
from api.page import manner
from api.page.address import Asked
from api.page.frame import Frame
from api.page.marked import hit_pieces
from api.page.timeline import Timeline, timeline
from api.page.words import LANGUAGES, counted
from api.schemas import address, iso
from index import dates
from index.answer import Answer, Reason
from index.errors import InvalidRequest
from index.operators import Reading
from index.records import Entry, Window
from index.search import MAX_HITS, Searcher

_DRAWN = 100
"""Passages on the timeline; of those behind them most have little to do with the question."""
_LATEST = 5
_EXPORTED = 100
_MORE = 20
_FORMATS: Mapping[FormatName, str] = {
    "csv": "CSV",
    "jsonl": "JSON Lines",
    "ris": "RIS (Zotero, EndNote)",
    "bibtex": "BibTeX",
    "csl-json": "CSL-JSON",
    "trec": "TREC",
}
_TWINS = 5
"""Of each hit; an agency's dispatch may stand in hundreds of live blogs."""


@dataclass(frozen=True)
class Chip:
    """Something that narrows the search, in words, and the address without it; or another way on."""

    text: str
    link: str


def start(frame: Frame, searcher: Searcher, whole: bool = True) -> str:
    """Before anything is asked, what is there and how to ask: the page, or without `whole` only what is below its form."""
    store, generation = searcher.reader.store, searcher.reader.snapshot().generation
    entries, _ = store.counts(generation)
    more = {"latest": store.latest(generation, _LATEST), "entries": entries, "sources": len(store.source_names())}
    return _page(frame, searcher, "start.html", **more) if whole else frame.render("start.html", **more)


def answered(frame: Frame, answer: Answer, searcher: Searcher, whole: bool = True) -> str:
    """What a question is answered with; for `whole` see `start`."""
    asked, results, store = frame.asked, answer.results, searcher.reader.store
    best = results.ranked.ids[:_DRAWN].tolist()
    drawn = timeline(store.moments(best), {hit.passage.id for hit in results.hits}, frame.zone)
    more = {
        "answer": answer,
        "verdict": _verdict(answer),
        "confidence": manner.confidence(answer.confidence, frame.language),
        "reason": wording.reason(answer, frame.language),
        "note": wording.relaxed(answer, frame.language),
        "newest": asked.link(now="newest") if answer.narrowing.relaxed and not asked.now else None,
        "passage": lambda hit: hit_pieces(hit, answer.leading.get(hit.passage.id)),
        "entry_link": lambda entry, start, end, superseded=None: _entry_link(frame, entry, start, end, superseded),
        "twins": lambda hit: [store.entry(twin, results.generation) for twin in hit.twins[:_TWINS]],
        "chips": _chips(frame, answer),
        "drawn": drawn,
        "bars": _bars(frame, drawn) if drawn else (),
        "ticks": _ticks(frame, drawn) if drawn else (),
        "more": asked.link(k=str(min(results.k + _MORE, MAX_HITS))) if results.k == len(results.hits) < MAX_HITS else None,
        "permalink": asked.link(as_of=iso(results.known) or "", ui=""),
        "feed": Asked(asked.q, asked.lang, asked.source, asked.since, asked.until).link("/feed.atom"),
        "exported": _EXPORTED,
        # Of the window that was searched, whatever the question says of times.
        "exports": {
            shown: address("/export", {"q": asked.q, "format": name, "limit": _EXPORTED}, results.filters, results.known)
            for name, shown in _FORMATS.items()
        },
        "deep_link": deep_link,
    }
    return _page(frame, searcher, "results.html", **more) if whole else frame.render("results.html", **more)


def failed(frame: Frame, failure: Exception, searcher: Searcher, whole: bool = True) -> str:
    """What became of a question that could not be asked; for `whole` see `start`."""
    asked, theirs = frame.asked, isinstance(failure, InvalidRequest)
    # What is wrong with a question stays wrong when it is asked again.
    way_on = Chip(frame.strings["clear"], asked.cleared()) if theirs else Chip(frame.strings["retry"], asked.link())
    more = {"failure": frame.explained(failure), "chips": _chips(frame, None), "way_on": way_on}
    if not whole:
        return frame.render("failure.html", **more)
    # Of an index that cannot be read nothing can be told.
    names = searcher.reader.store.source_names() if theirs else []
    return frame.render("page.html", below="failure.html", source_names=names, generation=0, known=0, **more)


def _page(frame: Frame, searcher: Searcher, below: str, **more: Any) -> str:
    store, generation = searcher.reader.store, searcher.reader.snapshot().generation
    known, _ = store.counts(generation)
    names = store.source_names()
    return frame.render("page.html", below=below, source_names=names, generation=generation, known=known, **more)


def _verdict(answer: Answer) -> str:
    """What heads the result, by the name of its words."""
    named = {None: "answer", Reason.NOT_A_QUESTION: "keywords", Reason.NOT_IN_CORPUS: "not_in_corpus"}
    return named.get(answer.reason, "no_answer")


def _entry_link(frame: Frame, entry: Entry, start: int, end: int, superseded: datetime | None) -> str:
    """The address of a stretch of an entry; of one that was `superseded`, in the last moment before."""
    until = {"as_of": iso(superseded - timedelta(microseconds=1)) or ""} if superseded else {}
    return f"{frame.asked.link(f'/entry/{entry.id}', **until)}&at={start}-{end}#passage"


def _chips(frame: Frame, answer: Answer | None) -> list[Chip]:
    """What narrows the search; without an answer only what can be told from the address."""
    asked, strings = frame.asked, frame.strings
    found = []
    if asked.lang in LANGUAGES:
        found.append(Chip(strings["chip_lang"].format(lang=strings[asked.lang]), asked.link(lang="")))
    if asked.source:
        found.append(Chip(asked.source, asked.link(source="")))
    if words := _window_asked(frame):
        found.append(Chip(words, asked.link(since="", until="")))
    if answer:
        found += _operators(asked, answer.results.reading)
        narrowing = answer.narrowing
        if narrowing.window and not narrowing.relaxed:
            phrase = ", ".join(answer.results.question[one.start : one.end] for one in narrowing.phrases)
            words = manner.span(narrowing.window, frame.zone, frame.language)
            found.append(Chip(strings["chip_time"].format(phrase=phrase, window=words), asked.link(times="no")))
        if answer.results.as_of:
            words = manner.instant(answer.results.as_of.astimezone(frame.zone), frame.language, weekday=False)
            found.append(Chip(strings["chip_as_of"].format(moment=words), asked.link(as_of="")))
    if asked.now == "newest":
        found.append(Chip(strings["since_newest"], asked.link(now="")))
    return found


def _operators(asked: Asked, reading: Reading | None) -> list[Chip]:
    """The operators of the question as they were written, each to be taken away."""
    parts = [part for part in reading.parts if part.narrows] if reading else []
    without = [f"{asked.q[: part.start]} {asked.q[part.end :]}" for part in parts]
    return [
        Chip(asked.q[part.start : part.end], asked.link(q=" ".join(rest.split())))
        for part, rest in zip(parts, without, strict=True)
    ]


def _window_asked(frame: Frame) -> str:
    """The dates of the form in words; none where one of them is no date."""
    asked = frame.asked
    try:
        since, until = (
            dates.moment(text, frame.zone, name) if text else None
            for name, text in (("since", asked.since), ("until", asked.until))
        )
    except InvalidRequest:
        return ""
    return manner.span(Window(since, until), frame.zone, frame.language)


def _bars(frame: Frame, drawn: Timeline) -> list[dict[str, Any]]:
    """The bars of a timeline as shares of its width and height, in hundredths, each with its words and its address."""
    width = 100 / len(drawn.bars)
    return [
        {
            "x": round(at * width, 3),
            "width": round(width, 3),
            "height": round(100 * bar.count / drawn.highest, 1),
            "shown": round(100 * bar.shown / drawn.highest, 1),
            "label": frame.strings["bar"].format(
                when=manner.span(Window(bar.since, bar.until), frame.zone, frame.language),
                n=counted(frame.language, "found", bar.count),
            ),
            "link": frame.asked.link(since=written(bar.since), until=written(bar.until)),
        }
        for at, bar in enumerate(drawn.bars)
        if bar.count
    ]


def _ticks(frame: Frame, drawn: Timeline) -> list[dict[str, Any]]:
    """The bounds of the bars: as the form has them, and in words, as short as the whole timeline allows."""
    bounds = [*(bar.since for bar in drawn.bars), drawn.bars[-1].until]
    return [
        {
            "x": round(100 * at / len(drawn.bars), 2),
            "value": written(bound),
            "text": manner.tick(bound, bounds[0], bounds[-1], frame.language),
            "words": manner.instant(bound, frame.language, weekday=False),
        }
        for at, bound in enumerate(bounds)
    ]


def written(moment: datetime) -> str:
    """A bound as a form has it: a day, or a day with the minute where it is no midnight.

    >>> written(datetime(2023, 5, 23)), written(datetime(2023, 5, 23, 6, 30))
    ('2023-05-23', '2023-05-23T06:30')
    """
    return moment.date().isoformat() if (moment.hour, moment.minute) == (0, 0) else f"{moment:%Y-%m-%dT%H:%M}"
