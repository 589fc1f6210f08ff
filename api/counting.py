"""What counts look like on the wire, and how they are asked for."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import BaseModel, Field

from api.schemas import (
    CardOut,
    Filtering,
    OperatorsOut,
    QuestionText,
    WindowOut,
    address,
    card_out,
    is_literal,
    iso,
    operators_out,
    window_out,
)
from index import dates
from index.counts import LEAST, Counted
from index.histogram import Histogram, Split, Tally, tally
from index.records import Step

MOST_VALUES = 100
"""Of a facet, and parts of a bar; the rest is counted together."""


class CountQuery(Filtering):
    """The query string of `GET /facets`."""

    q: QuestionText | None = None
    least: Annotated[
        float | None,
        Field(ge=0, le=1, description=f"The score from which on a passage counts for the words of `q`; else {LEAST}."),
    ] = None
    literal: Annotated[bool, Field(description="Whether operators in `q` are words like any others.")] = False


class HistogramQuery(CountQuery):
    """The query string of `GET /histogram`."""

    step: Annotated[Step | None, Field(description="How long a bar is; not given, the finest step that makes few bars.")] = None
    split: Annotated[Split | None, Field(description="Count each source or language for itself, too.")] = None


class TallyOut(BaseModel):
    """A count."""

    entries: int
    passages: Annotated[int, Field(description="Those of their passages that pass.")]


class ValueOut(TallyOut):
    """How often there is a value."""

    value: Annotated[str | None, Field(description="A source, a language, a year, a month, a day; null for all others.")]


class BarOut(TallyOut):
    """What was published from `since`, up to and without `until`."""

    since: str
    until: str
    parts: Annotated[list[ValueOut] | None, Field(description="The same by source or language; null when not asked for.")]


class CountsOut(BaseModel):
    """What was counted, and how to count it again."""

    query: Annotated[str | None, Field(description="Null where all that passes the filters was counted.")]
    operators: OperatorsOut | None
    least: Annotated[float | None, Field(description="The score that passages had to have; null without words to rank by.")]
    window: WindowOut | None
    tz: Annotated[str, Field(description="The zone that hours and days are of: that of most sources.")]
    as_of: str | None
    generation: Annotated[int, Field(description="The state of the index that was counted.")]
    known: Annotated[str, Field(description="When that state came to be.")]
    permalink: Annotated[str, Field(description="Counts the same whatever is indexed later.")]
    model: str
    card: CardOut
    entries: Annotated[int, Field(description="All entries that pass.")]
    passages: Annotated[int, Field(description="All passages that pass.")]
    undated: Annotated[TallyOut, Field(description="Those of which no time is known; in no bar and no day.")]


class HistogramOut(CountsOut):
    """Counts over time."""

    step: Step
    day_only: Annotated[TallyOut, Field(description="Where bars are hours: those of which only the day is known, in no bar.")]
    bars: Annotated[list[BarOut], Field(description="One behind the other without a gap, from the first entry to the last.")]


class FacetsOut(CountsOut):
    """Counts by what is known of entries; of sources and languages the most frequent first, of times the oldest."""

    source: list[ValueOut]
    lang: list[ValueOut]
    year: list[ValueOut]
    month: list[ValueOut]
    day: list[ValueOut]


def histogram_out(counted: Counted, made: Histogram, asked: HistogramQuery) -> HistogramOut:
    """A histogram for the wire."""
    own = {"step": made.step, "split": asked.split}
    bars = [
        BarOut(
            **asdict(bar.count),
            since=bar.since.isoformat(),
            until=bar.until.isoformat(),
            parts=values_out(bar.parts) if asked.split else None,
        )
        for bar in made.bars
    ]
    return HistogramOut(
        **_counts(counted, "/histogram", own), step=made.step, day_only=TallyOut(**asdict(made.day_only)), bars=bars
    )


def facets_out(counted: Counted, made: Mapping[str, Mapping[str, Tally]]) -> FacetsOut:
    """Facets for the wire."""
    by: dict[str, Any] = {name: values_out(values) for name, values in made.items()}
    return FacetsOut(**_counts(counted, "/facets", {}), **by)


def values_out(values: Mapping[str, Tally]) -> list[ValueOut]:
    """Values in their order; of more than MOST_VALUES the last are one."""
    listed = list(values.items())
    found = [ValueOut(value=value, **asdict(tally)) for value, tally in listed[:MOST_VALUES]]
    if len(listed) > MOST_VALUES:
        found.append(ValueOut(value=None, **asdict(sum((tally for _, tally in listed[MOST_VALUES:]), Tally()))))
    return found


def _counts(counted: Counted, path: str, own: Mapping[str, object]) -> dict[str, Any]:
    reading, snapshot, total = counted.reading, counted.snapshot, counted.total
    query = reading.query if reading else None
    asked = {"q": query, "least": counted.least, "literal": is_literal(reading), **own}
    undated = tally(one for one in counted.entries if one.published is None)
    return {
        "query": query,
        "operators": operators_out(reading),
        "least": counted.least,
        "window": window_out(counted.filters.window),
        "tz": dates.zone_name(snapshot.zone),
        "as_of": iso(counted.as_of),
        "generation": snapshot.generation,
        "known": counted.known.isoformat(),
        "permalink": address(path, asked, counted.filters, counted.known),
        "model": snapshot.card.name,
        "card": card_out(snapshot.card),
        "entries": total.entries,
        "passages": total.passages,
        "undated": TallyOut(**asdict(undated)),
    }
