"""Which index and which model do the settings choose, and how is either opened?"""

from typing import TYPE_CHECKING

from api.settings import Settings
from embed import Encoder

if TYPE_CHECKING:
    from index.place import Place
    from index.store_view import StoreView


def open_encoder(settings: Settings, threads: int | None = None, place: "Place | None" = None) -> Encoder:
    """The model that was asked for; else the one that the index was built with, at `place` or where questions are asked; else
    the default. For `threads` see `load`: who asks one question needs a single one, and is ready a quarter of a second sooner.
    """
    from index.own_model import own_encoder

    asked_for = settings.model if "model" in settings.model_fields_set else None
    return own_encoder(place or settings.place, asked_for, settings.device, settings.cache, threads)


def open_store(settings: Settings) -> "StoreView":
    """The index that is asked, for what needs no model."""
    from index.place import store_of

    return store_of(settings.place)


def require_index(settings: Settings) -> None:
    """Raise what opening the index would, before anything is loaded that takes long."""
    with open_store(settings):
        pass
