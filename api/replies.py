"""What every door says to the same request: what a caller wrote goes in, the index is asked, and schemas come out."""

from datetime import datetime, tzinfo

from api.answers import AnswerOut, Asking, answer_out
from api.counting import CountQuery, FacetsOut, HistogramOut, HistogramQuery, facets_out, histogram_out
from api.nearby import SimilarOut, SimilarQuery, similar_out
from api.schemas import (
    EntryOut,
    Filtering,
    Narrowing,
    SearchOut,
    SourcesOut,
    entry_out,
    make_moment,
    search_out,
    source_out,
)
from index import dates
from index.answer import Answer, ask, seen_from
from index.counts import Counted, count
from index.entries import whole_entry
from index.histogram import facets, histogram
from index.search import Searcher
from index.similar import similar


def found(searcher: Searcher, question: str, narrowing: Narrowing, cursor: str | None = None) -> SearchOut:
    """The passages that answer `question` best; with a `cursor`, those behind an earlier page. Raises what `Searcher.search`
    raises.
    """
    zone, as_of = _seen_from(searcher, narrowing)
    filters = narrowing.filters(zone)
    return search_out(searcher.search(question, narrowing.k, filters, as_of, cursor=cursor, literal=narrowing.literal))


def answered(searcher: Searcher, question: str, asking: Asking, threshold: float | None = None) -> AnswerOut:
    """The quotes that answer `question`; `threshold` is for callers who state none. Raises what `Searcher.search` raises."""
    return answer_out(answer(searcher, question, asking, threshold))


def answer(searcher: Searcher, question: str, asking: Asking, threshold: float | None = None) -> Answer:
    """The same, as the index gives it."""
    zone, as_of = _seen_from(searcher, asking)
    now = seen_from(searcher, asking.now, as_of)
    least = threshold if asking.threshold is None else asking.threshold
    filters, literal = asking.filters(zone), asking.literal
    return ask(searcher, question, asking.k, filters, as_of, now, least, times=asking.times, literal=literal)


def entry(searcher: Searcher, entry_id: str, as_of: str | None = None) -> EntryOut:
    """A whole entry, as it is or as it was known at `as_of`. Raises `NotFound`, and `InvalidRequest` for what is no time."""
    moment = make_moment(dates.zone(searcher.reader.store.zone()), as_of)
    return entry_out(whole_entry(searcher, entry_id, moment))


def sources(searcher: Searcher) -> SourcesOut:
    """The documents and live blogs that are indexed."""
    store, generation = searcher.reader.store, searcher.reader.snapshot().generation
    return SourcesOut(generation=generation, sources=[source_out(source) for source in store.sources(generation)])


def counted_over_time(searcher: Searcher, asked: HistogramQuery) -> HistogramOut:
    """Entries over time. Raises what `index.counts.count` and `histogram` raise."""
    counted = _counted(searcher, asked)
    zone = counted.snapshot.zone
    return histogram_out(counted, histogram(counted.entries, zone, asked.step, asked.split), asked)


def counted_by_facets(searcher: Searcher, asked: CountQuery) -> FacetsOut:
    """Entries by source, language and calendar. Raises what `index.counts.count` raises."""
    counted = _counted(searcher, asked)
    return facets_out(counted, facets(counted.entries, counted.snapshot.zone))


def _counted(searcher: Searcher, asked: CountQuery) -> Counted:
    zone, as_of = _seen_from(searcher, asked)
    return count(searcher, asked.q, asked.filters(zone), as_of, asked.least, asked.literal)


def near(searcher: Searcher, entry_id: str, asked: SimilarQuery) -> SimilarOut:
    """The entries nearest to one. Raises what `index.similar.similar` raises."""
    zone, as_of = _seen_from(searcher, asked)
    return similar_out(similar(searcher, entry_id, asked.k, asked.filters(zone), as_of))


def _seen_from(searcher: Searcher, asked: Filtering) -> tuple[tzinfo, datetime | None]:
    """The zone of the corpus, as it was at the moment that was asked for, and that moment."""
    as_of = asked.moment(searcher.zone())
    return searcher.zone(as_of), as_of
