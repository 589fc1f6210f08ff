"""Where an index is: in a folder of this machine, or on a Milvus server; and how it is opened, wherever that is.

>>> place_of("http://127.0.0.1:19530"), place_of("articles.db"), place_of("~/articles").is_absolute()
(Server(uri='http://127.0.0.1:19530', timeout=10.0), Server(uri='articles.db', timeout=10.0), True)
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from embed import ModelCard
from index.cluster_reader import ClusterReader
from index.cluster_store import ClusterStore
from index.milvus import TIMEOUT, Milvus, Server
from index.past import Past
from index.reader import Reader, Snapshot
from index.store import Store
from index.store_view import StoreView
from index.tiers import Tier

Place = Path | Server


def place_of(text: str, token: str = "", timeout: float = TIMEOUT) -> Place:
    """The place that a caller wrote: an address, a file of Milvus Lite (`.db`), or a folder."""
    server = Server(text, token, timeout)
    if "://" in text or server.is_file:
        return server
    return Path(text).expanduser()


class OpenReader(Protocol):
    """An index that is open for reading: its store, and its newest generation."""

    @property
    def card(self) -> ModelCard:
        """The model that it was built with."""
        ...

    @property
    def store(self) -> StoreView:
        """What is true of it."""
        ...

    def snapshot(self) -> Snapshot:
        """The newest generation that can be searched."""
        ...

    def close(self) -> None:
        """Give back what was opened."""
        ...


class OpenPast(Protocol):
    """The earlier generations of an open index."""

    def at(self, moment: datetime) -> Snapshot:
        """What was known at `moment`. Raises `InvalidRequest` where that is before all or still to come."""
        ...

    def close(self) -> None:
        """Forget all of them."""
        ...


@dataclass(frozen=True)
class Opened:
    """An index that is open for reading."""

    reader: OpenReader
    past: OpenPast

    @classmethod
    def at(cls, place: Place, card: ModelCard | None, tier: Tier | None = None, growing: bool = False) -> "Opened":
        """Open the index at a place, with the model of `card`, or its own for None; for `tier` and `growing`, of a folder, see
        `Reader`. Raises what `Reader` and `ClusterReader` raise.
        """
        if isinstance(place, Server):
            cluster = ClusterReader(place, card)
            return cls(cluster, cluster)
        reader = Reader(place, card, tier=tier, growing=growing)
        return cls(reader, Past(reader))


def store_of(place: Place) -> StoreView:
    """What is true of the index at a place; whoever opens it closes it. Raises `NotAnIndex` and `StorageError`."""
    if not isinstance(place, Server):
        return Store.open(place)
    milvus = Milvus(place)
    try:
        return ClusterStore(milvus)
    except BaseException:
        milvus.close()
        raise
