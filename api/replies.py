"""What every door says to the same request: what a caller wrote goes in, the index is asked, and schemas come out."""

from api.answers import AnswerOut, Asking, answer_out
from api.schemas import EntryOut, Narrowing, SearchOut, SourcesOut, entry_out, make_moment, search_out, source_out
from index import dates
from index.answer import Answer, ask, seen_from
from index.entries import whole_entry
from index.search import Searcher


def found(searcher: Searcher, question: str, narrowing: Narrowing) -> SearchOut:
    """The passages that answer `question` best. Raises what `Searcher.search` raises."""
    zone = dates.zone(searcher.reader.store.zone())
    return search_out(searcher.search(question, narrowing.k, narrowing.filters(zone), narrowing.moment(zone)))


def answered(searcher: Searcher, question: str, asking: Asking, threshold: float | None = None) -> AnswerOut:
    """The quotes that answer `question`; `threshold` is for callers who state none. Raises what `Searcher.search` raises."""
    return answer_out(answer(searcher, question, asking, threshold))


def answer(searcher: Searcher, question: str, asking: Asking, threshold: float | None = None) -> Answer:
    """The same, as the index gives it."""
    zone = dates.zone(searcher.reader.store.zone())
    as_of = asking.moment(zone)
    now = seen_from(searcher, asking.now, as_of)
    least = threshold if asking.threshold is None else asking.threshold
    return ask(searcher, question, asking.k, asking.filters(zone), as_of, now, least, times=asking.times)


def entry(searcher: Searcher, entry_id: str, as_of: str | None = None) -> EntryOut:
    """A whole entry, as it is or as it was known at `as_of`. Raises `NotFound`, and `InvalidRequest` for what is no time."""
    moment = make_moment(dates.zone(searcher.reader.store.zone()), as_of)
    return entry_out(whole_entry(searcher, entry_id, moment))


def sources(searcher: Searcher) -> SourcesOut:
    """The documents and live blogs that are indexed."""
    store, generation = searcher.reader.store, searcher.reader.snapshot().generation
    return SourcesOut(generation=generation, sources=[source_out(source) for source in store.sources(generation)])
