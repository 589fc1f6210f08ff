"""What entries near another one look like on the wire, and how they are asked for."""

from typing import Annotated

from pydantic import BaseModel, Field

from api.schemas import CardOut, Filtering, HitOut, WindowOut, address, card_out, hit_out, iso, window_out
from index.search import MAX_HITS
from index.similar import Similar


class SimilarQuery(Filtering):
    """The query string of `GET /entries/{entry_id}/similar`."""

    k: Annotated[int, Field(ge=1, le=MAX_HITS, description="How many entries.")] = 10


class SimilarOut(BaseModel):
    """Entries near another one in meaning, each as its nearest passage, nearest first."""

    entry_id: str
    title: Annotated[str, Field(description="Of the entry that others were compared with.")]
    window: WindowOut | None
    as_of: str | None
    generation: Annotated[int, Field(description="The state of the index that was searched.")]
    known: Annotated[str, Field(description="When that state came to be.")]
    permalink: Annotated[str, Field(description="Finds the same whatever is indexed later.")]
    model: str
    card: CardOut
    hits: list[HitOut]


def similar_out(found: Similar) -> SimilarOut:
    """Near entries for the wire."""
    return SimilarOut(
        entry_id=found.entry.id,
        title=found.entry.title,
        window=window_out(found.filters.window),
        as_of=iso(found.as_of),
        generation=found.generation,
        known=found.known.isoformat(),
        permalink=address(f"/entries/{found.entry.id}/similar", {"k": found.k}, found.filters, found.known),
        model=found.card.name,
        card=card_out(found.card),
        hits=[hit_out(hit) for hit in found.hits],
    )
