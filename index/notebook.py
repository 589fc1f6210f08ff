"""What does an index answer in a notebook: hits, quotes, entries and sources that can be looked at, and become data frames?"""

from collections.abc import Callable, Mapping, Sequence
from datetime import tzinfo
from html import escape
from typing import TYPE_CHECKING

from index.answer import Answer, Quote
from index.entries import WholeEntry
from index.frames import Table, indented, linked, plain
from index.records import Entry, Hit, Passage, published_text
from index.search import Results
from index.store import Source

if TYPE_CHECKING:
    from pandas import DataFrame


def when(entry: Entry) -> str:
    """When an entry was published, as far as that is known; empty where it is not.

    >>> from datetime import time
    >>> when(Entry("s", "k", "", "Oui.", "fr", clock=time(11, 58)))
    '11:58'
    """
    return published_text(entry.published, entry.precision) or (f"{entry.clock:%H:%M}" if entry.clock else "")


class Hits(Table[Hit]):
    """What a question found, best first; `results` has the question and what it was searched in."""

    noun = "hit"

    def __init__(self, results: Results, zone: tzinfo) -> None:
        self.results = results
        columns: Mapping[str, Callable[[Hit], object]] = {
            "rank": lambda hit: hit.rank,
            "score": lambda hit: hit.score,
            "published": lambda hit: hit.entry.published,
            "precision": lambda hit: hit.entry.precision,
            "title": lambda hit: hit.entry.title,
            "text": lambda hit: hit.text,
            "lang": lambda hit: hit.entry.lang,
            "source": lambda hit: hit.entry.source,
            "url": lambda hit: hit.entry.url,
            "entry_id": lambda hit: hit.entry.id,
            "passage_id": lambda hit: hit.passage.id,
            "start": lambda hit: hit.start,
            "end": lambda hit: hit.end,
        }
        shown: Mapping[str, Callable[[Hit], str]] = {
            "rank": lambda hit: f"{hit.rank}.",
            "score": lambda hit: f"{hit.score:.3f}",
            "published": lambda hit: when(hit.entry),
            "title": lambda hit: hit.entry.title or hit.entry.source,
            "text": lambda hit: hit.text,
        }
        super().__init__(results.hits, columns, shown, zone, ("published",), {"title": lambda hit: hit.entry.url})

    def _heading(self) -> str:
        return f"{super()._heading()} for “{self.results.question}”, generation {self.results.generation}"


class Quotes(Table[Quote]):
    """Sentences that answer, best first."""

    noun = "quote"

    def __init__(self, quotes: Sequence[Quote], zone: tzinfo) -> None:
        columns: Mapping[str, Callable[[Quote], object]] = {
            "text": lambda quote: quote.text,
            "published": lambda quote: quote.entry.published,
            "precision": lambda quote: quote.entry.precision,
            "title": lambda quote: quote.entry.title,
            "lang": lambda quote: quote.entry.lang,
            "source": lambda quote: quote.entry.source,
            "url": lambda quote: quote.entry.url,
            "entry_id": lambda quote: quote.entry.id,
            "passage_id": lambda quote: quote.passage_id,
            "start": lambda quote: quote.start,
            "end": lambda quote: quote.end,
            "superseded": lambda quote: quote.superseded,
        }
        shown: Mapping[str, Callable[[Quote], str]] = {
            "published": lambda quote: when(quote.entry),
            "title": lambda quote: quote.entry.title or quote.entry.source,
            "superseded": lambda quote: f"superseded {quote.superseded.isoformat()}" if quote.superseded else "",
            "text": lambda quote: quote.text,
        }
        times = ("published", "superseded")
        super().__init__(quotes, columns, shown, zone, times, {"title": lambda quote: quote.entry.url})


class Reply:
    """What a question is answered with: `quotes`, or a `reason` why there are none; `hits` are what was found either way.

    `answer` has all else that is known: the window, what times were seen from, the threshold.
    """

    def __init__(self, answer: Answer, zone: tzinfo) -> None:
        self.answer = answer
        self.answered, self.confidence = answer.answered, answer.confidence
        self.reason = answer.reason.value if answer.reason else None
        self.quotes, self.hits = Quotes(answer.quotes, zone), Hits(answer.results, zone)

    def to_pandas(self) -> "DataFrame":
        """The quotes as a data frame: see `Table.to_pandas`."""
        return self.quotes.to_pandas()

    def _told(self) -> str:
        why = "answered" if self.answered else f"no answer: {self.reason}"
        return f"{why} (confidence {self.confidence:.2f}, threshold {self.answer.threshold:.2f})"

    def __repr__(self) -> str:
        return "\n".join([self._told(), *([repr(self.quotes)] if self.answered else [])])

    def _repr_html_(self) -> str:
        return f"<p>{escape(self._told())}</p>{self.quotes._repr_html_() if self.answered else ''}"


class EntryView:
    """A whole entry; `passages` are what searches find of it, `twins` the ids of entries that say the same."""

    def __init__(self, whole: WholeEntry) -> None:
        self.entry: Entry = whole.entry
        self.passages: tuple[Passage, ...] = whole.passages
        self.twins = whole.twins
        self.title, self.text, self.published = whole.entry.title, whole.entry.text, whole.entry.published

    def _told(self) -> str:
        return "  ".join(filter(None, (when(self.entry), plain(self.entry.source), self.entry.id)))

    def __repr__(self) -> str:
        paragraphs = [indented(plain(line)) for line in self.text.splitlines() if line.strip()]
        return "\n".join(filter(None, [self._told(), plain(self.title), *paragraphs]))

    def _repr_html_(self) -> str:
        title = f"<h4>{linked(self.title or self.entry.source, self.entry.url)}</h4>"
        paragraphs = "".join(f"<p>{escape(line)}</p>" for line in self.text.splitlines() if line.strip())
        return f"{title}<p>{escape(self._told())}</p>{paragraphs}"


class Sources(Table[Source]):
    """The documents and live blogs that are indexed."""

    noun = "source"

    def __init__(self, sources: Sequence[Source], zone: tzinfo) -> None:
        columns: Mapping[str, Callable[[Source], object]] = {
            "source": lambda source: source.name,
            "entries": lambda source: source.entries,
            "passages": lambda source: source.passages,
            "languages": lambda source: ", ".join(source.languages),
            "first": lambda source: source.first,
            "last": lambda source: source.last,
        }
        shown: Mapping[str, Callable[[Source], str]] = {
            "source": lambda source: source.name,
            "entries": lambda source: f"{source.entries} {'entry' if source.entries == 1 else 'entries'}",
            "languages": lambda source: ", ".join(source.languages),
            "times": lambda source: " – ".join(bound.isoformat() for bound in (source.first, source.last) if bound),
        }
        super().__init__(sources, columns, shown, zone, ("first", "last"))
