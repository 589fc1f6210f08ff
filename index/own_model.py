"""Which model does an index belong to, and how is it opened?"""

from pathlib import Path

from embed import DEFAULT_MODEL, Encoder, ModelNotFound, load
from index.place import Place, store_of
from index.store import FILE


def own_encoder(
    place: Place,
    model: str | None = None,
    device: str | None = None,
    cache: Path | None = None,
    threads: int | None = None,
) -> Encoder:
    """The encoder that the index at `place` was built with, in the arithmetic of then; `model` in its place where another is
    named. Where there is no index yet, `model` or the default. For `device`, `cache` and `threads` see `embed.load`.

    Raises what `embed.load` raises, and `ModelNotFound` for an index that was built with a folder's model: its card has the
    name, and not where it lies.

    >>> own_encoder(Path("nowhere"), "hashing").card.name
    'hashing'
    """
    if isinstance(place, Path) and not (place / FILE).is_file():
        return load(model or DEFAULT_MODEL, device, cache, threads=threads)
    with store_of(place) as store:
        own = store.card()
    if model is not None and model != own.name:
        return load(model, device, cache, threads=threads)
    try:
        return load(own.name, device, cache, own.precision, threads=threads)
    except ModelNotFound as error:
        raise ModelNotFound(
            f"{place} was built with the model '{own.name}': say where it is with --model, or model= in Python"
        ) from error
