"""What the read walk and the doors ask of a store: `index.store` gives it from a folder, `index.cluster_store` from Milvus."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, Self

from embed import ModelCard
from embed.encoder import Vectors
from index.conditions import Condition, Phrase, Word
from index.records import Entry, Ids, Passage, Version, Window
from index.rows import Dated, Holding, Source
from index.space import Codes, Space


class StoreView(Protocol):
    """Everything that is true of an index, to be read. What each gives is told where `Store` has it."""

    def card(self) -> ModelCard:
        """See `Database.card`."""
        ...

    def space(self) -> Space | None:
        """See `Database.space`."""
        ...

    def identity(self) -> str:
        """See `Database.identity`."""
        ...

    def require(self, card: ModelCard) -> None:
        """See `Database.require`."""
        ...

    def close(self) -> None:
        """See `Database.close`."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(self, *exc: object) -> None: ...

    def generation(self) -> int:
        """See `Catalogue.generation`."""
        ...

    def committed(self, generation: int) -> datetime:
        """See `Catalogue.committed`."""
        ...

    def generation_at(self, moment: datetime) -> int:
        """See `Catalogue.generation_at`."""
        ...

    def counts(self, generation: int) -> tuple[int, int]:
        """See `Catalogue.counts`."""
        ...

    def zone(self, generation: int | None = None) -> str:
        """See `Catalogue.zone`."""
        ...

    def newest(self, generation: int) -> datetime | None:
        """See `Catalogue.newest`."""
        ...

    def sources(self, generation: int) -> list[Source]:
        """See `Catalogue.sources`."""
        ...

    def holdings(self, generation: int) -> dict[str, Holding]:
        """See `Catalogue.holdings`."""
        ...

    def source_names(self) -> list[str]:
        """See `Catalogue.source_names`."""
        ...

    def has_source(self, part: str) -> bool:
        """See `Catalogue.has_source`."""
        ...

    def origin(self, source: str) -> str | None:
        """See `Catalogue.origin`."""
        ...

    def entry(self, entry_id: str, generation: int) -> Entry:
        """See `Catalogue.entry`."""
        ...

    def around(self, entry: Entry, generation: int, reach: int) -> tuple[list[Entry], list[Entry]]:
        """See `Catalogue.around`."""
        ...

    def latest(self, generation: int, most: int) -> list[Entry]:
        """See `Catalogue.latest`."""
        ...

    def versions(self, entry_id: str, generation: int) -> list[Version]:
        """See `Catalogue.versions`."""
        ...

    def moments(self, ids: Sequence[int]) -> dict[int, tuple[datetime | None, bool]]:
        """See `Passages.moments`."""
        ...

    def passages_of(self, entry_id: str, generation: int, past: bool = False) -> list[Passage]:
        """See `Passages.passages_of`."""
        ...

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """See `Passages.passages`."""
        ...

    def entry_keys(self, ids: Sequence[int]) -> dict[int, str]:
        """See `Passages.entry_keys`."""
        ...

    def neighbours(self, ids: Ids, reach: int, generation: int, past: bool = False) -> dict[int, tuple[int, str]]:
        """See `Passages.neighbours`."""
        ...

    def words(self, ids: Sequence[int]) -> dict[int, Codes]:
        """See `Passages.words`."""
        ...

    def vectors(self, ids: Sequence[int]) -> tuple[list[str], Vectors]:
        """See `Passages.vectors`."""
        ...

    def allowed(
        self,
        generation: int,
        window: Window,
        lang: str | None = None,
        source: str | None = None,
        condition: Condition | None = None,
        past: bool = False,
        found: Mapping[Phrase | Word, Ids] | None = None,
    ) -> Ids:
        """See `Passages.allowed`."""
        ...

    def newest_first(self, ids: Ids, k: int | None = None) -> Ids:
        """See `Passages.newest_first`."""
        ...

    def in_order(self, ids: Ids) -> Ids:
        """See `Passages.in_order`."""
        ...

    def dated(self, ids: Ids | None, generation: int, past: bool = False) -> list[Dated]:
        """See `Passages.dated`."""
        ...

    def passage_count(self, generation: int) -> int:
        """See `Passages.passage_count`."""
        ...

    def passages_then(self, generation: int) -> int:
        """See `Passages.passages_then`."""
        ...
