"""Passages and quotes as rows of a table."""

from datetime import datetime
from typing import Any

from api.answers import QuoteOut, quote_out
from api.links import deep_link
from api.schemas import HitOut, hit_out, iso
from embed import ModelCard
from index.answer import Quote
from index.records import Hit

STATE = ("generation", "known", "model")
"""What every row says of the index that it is from."""
HIT_COLUMNS = (*HitOut.model_fields, "link", *STATE)
QUOTE_COLUMNS = (*QuoteOut.model_fields, "link", *STATE)


def hit_row(hit: Hit) -> dict[str, Any]:
    """A hit as a row, with a link to the passage on the page that it was published on; less the `STATE`."""
    return hit_out(hit).model_dump() | {"link": deep_link(hit.passage.entry.url, hit.passage.text)}


def quote_row(quote: Quote) -> dict[str, Any]:
    """The same of a quote."""
    return quote_out(quote).model_dump() | {"link": deep_link(quote.entry.url, quote.text)}


def state(generation: int, known: datetime, card: ModelCard) -> dict[str, Any]:
    """The `STATE`, which all rows of a file have in common."""
    return {"generation": generation, "known": iso(known), "model": card.name}
