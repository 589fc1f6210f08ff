"""What there is in an index on a Milvus server: its generations, sources, entries, and what these said before."""

import json
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Any, Self

from embed import ModelCard
from index.catalogue import generation_known, not_there
from index.cluster_rows import META, NO_TIME, VERSIONS, entry_in, known_time, listed, passages_of, spelt, there, unspelt
from index.errors import ModelMismatch, NotAnIndex, NotFound, StorageError
from index.milvus import Milvus, Row
from index.records import Entry, Version
from index.remembered import Remembered
from index.rows import EPOCH, Dated, Holding, Source, micros_of, moment_of
from index.space import Space

CARD, SPACE, CURRENT = "card", "space", "current"
GENERATION, CATALOGUE = "generation", "catalogue"
"""Names of what is known of a generation: behind each stands its number."""
CATALOGUES = 8
"""Generations whose list of sources is kept."""
_REMEMBERED = 64
_REMEMBERED_ENTRIES = 4096
_TOGETHER = 100
"""Entries whose text is asked for at once."""
_LATEST = 1 << 58
"""Microseconds: no time is further from 1970."""
_FIRST_WINDOW = 3600_000_000
ORDER = ["version", "published", "clock"]


class ClusterCatalogue:
    """Reading generations, sources and entries; `generation` stands for the newest one where it is given, seen or not.

    Raises `NotAnIndex` for a server without an index.
    """

    def __init__(self, milvus: Milvus, generation: int | None = None) -> None:
        self.milvus = milvus
        self._generation = generation
        self._seen: int | None = None
        identity = milvus.identity(META.name)
        if identity is None:
            raise NotAnIndex(f"no index at {milvus.server}: publish one with filrouge migrate FOLDER {milvus.server}")
        self._identity = identity
        self._known: Remembered[Any] = Remembered(_REMEMBERED)
        self._entries: Remembered[Entry] = Remembered(_REMEMBERED_ENTRIES)
        if self.meta(CARD) is None or (generation is None and self.meta(CURRENT) is None):
            raise NotAnIndex(
                f"the index at {milvus.server} was never published whole: run filrouge migrate again, which goes on with it"
            )
        self.collection = passages_of(self.card().dimension)

    def close(self) -> None:
        """Let the connection go."""
        self.milvus.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def meta(self, key: str) -> Any:
        """What is known by that name, as it is now; None where nothing is."""
        return read_meta(self.milvus, key)

    def _once(self, key: str, make: Callable[[], Any]) -> Any:
        return self._known.get(key, make)

    def card(self) -> ModelCard:
        """See `Database.card`."""
        return ModelCard.from_json(str(self._once(CARD, lambda: self.meta(CARD))))

    def space(self) -> Space:
        """See `Database.space`."""
        space: Space = self._once(SPACE, lambda: Space.from_json(str(self.meta(SPACE))))
        return space

    def identity(self) -> str:
        """See `Database.identity`."""
        return self._identity

    def require(self, card: ModelCard) -> None:
        """See `Database.require`."""
        own = self.card()
        if own.fingerprint != card.fingerprint:
            raise ModelMismatch(
                f"the index at {self.milvus.server} was built with the model '{own.name}' ({own.dimension} dimensions, "
                f"{own.revision}, {own.precision}), not with '{card.name}' ({card.dimension} dimensions, {card.revision}, "
                f"{card.precision}): drop --model, or publish an index of that model to another database"
            )

    # Generations

    def generation(self) -> int:
        """See `Catalogue.generation`."""
        self._seen = int(self.meta(CURRENT)) if self._generation is None else self._generation
        return self._seen

    def stamp(self, generation: int) -> dict[str, int]:
        """What is known of a generation: when it was `committed`, and how many `entries`, `passages` and `terms` it has."""
        if generation == 0:
            return {"committed": 0, "entries": 0, "passages": 0, "terms": 0}
        found = self._once(f"{GENERATION}/{generation}", lambda: self.meta(f"{GENERATION}@{generation}"))
        if found is None:
            raise StorageError(f"generation {generation} is not in the index at {self.milvus.server}")
        return dict(found)

    def committed(self, generation: int) -> datetime:
        """See `Catalogue.committed`."""
        return moment_of(self.stamp(generation)["committed"], "UTC") or EPOCH

    def generation_at(self, moment: datetime) -> int:
        """See `Catalogue.generation_at`."""
        low, last = 0, self.generation()
        high = last
        while low < high:
            middle = (low + high + 1) // 2
            low, high = (middle, high) if self.committed(middle) <= moment else (low, middle - 1)
        return generation_known(moment, low, self.committed(1) if last else None, self.committed(last) if last else None)

    def counts(self, generation: int) -> tuple[int, int]:
        """See `Catalogue.counts`."""
        stamp = self.stamp(generation)
        return stamp["entries"], stamp["passages"]

    # Sources

    def catalogue(self, generation: int | None = None) -> list[dict[str, Any]]:
        """What is known of every source that there was up to a generation, the last one that was seen where none is given."""
        number = generation
        if number is None:
            number = self.generation() if self._seen is None else self._seen
        if number == 0:
            return []
        found: list[dict[str, Any]] | None = self._once(f"{CATALOGUE}/{number}", lambda: self.meta(f"{CATALOGUE}@{number}"))
        if found is None:
            raise StorageError(
                f"the sources of generation {number} are no longer listed at {self.milvus.server}, which has newer: ask again"
            )
        return found

    def zone(self, generation: int | None = None) -> str:
        """See `Catalogue.zone`."""
        counts: dict[str, int] = {}
        for source in self.catalogue():
            if generation is None or source["born"] <= generation:
                counts[source["tz"]] = counts.get(source["tz"], 0) + 1
        return min(counts, key=lambda tz: (-counts[tz], tz), default="UTC")

    def sources(self, generation: int) -> list[Source]:
        """See `Catalogue.sources`."""
        return [
            Source(
                one["name"],
                one["entries"],
                one["passages"],
                tuple(one["languages"]),
                moment_of(one["first"], one["tz"]),
                moment_of(one["last"], one["tz"]),
            )
            for one in self.catalogue(generation)
            if one["entries"]
        ]

    def holdings(self, generation: int) -> dict[str, Holding]:
        """See `Catalogue.holdings`."""
        return {
            one["name"]: Holding(moment_of(one["since"], "UTC") or EPOCH, one["bytes"]) for one in self.catalogue(generation)
        }

    def source_names(self) -> list[str]:
        """See `Catalogue.source_names`."""
        return [one["name"] for one in self.catalogue()]

    def has_source(self, part: str) -> bool:
        """See `Catalogue.has_source`."""
        return any(part.casefold() in name.casefold() for name in self.source_names())

    def origin(self, source: str) -> str | None:
        """See `Catalogue.origin`."""
        return next((one["origin"] for one in self.catalogue() if one["name"] == source), None)

    # Entries

    def entries_of(self, versions: Iterable[int]) -> dict[int, Entry]:
        """What each of these versions says."""
        found = {i: entry for i in versions if (entry := self._entries.find(i)) is not None}
        missing = sorted({*versions} - found.keys())
        for at in range(0, len(missing), _TOGETHER):
            where = listed("version", missing[at : at + _TOGETHER])
            for version, entry in _entries_in(self.milvus.rows(VERSIONS, where, list(VERSIONS.fields)[:-1])).items():
                found[version] = entry
                self._entries.keep(version, entry)
        return found

    def entry(self, entry_id: str, generation: int) -> Entry:
        """See `Catalogue.entry`."""
        where = f'entry == "{spelt(entry_id)}"'
        rows = self.milvus.rows(VERSIONS, f"{where} and {there(generation)}", list(VERSIONS.fields)[:-1])
        if not rows:
            raise not_there(entry_id, self.milvus.count(VERSIONS, where) > 0)
        return entry_in(rows)

    def versions(self, entry_id: str, generation: int) -> list[Version]:
        """See `Catalogue.versions`."""
        where = f'entry == "{spelt(entry_id)}" and born <= {int(generation)}'
        rows = self.milvus.rows(VERSIONS, where, list(VERSIONS.fields)[:-1])
        if not rows:
            raise NotFound(f"no entry '{entry_id}' in this index")
        lives = {int(row["version"]): (int(row["born"]), int(row["died"])) for row in rows}
        # A version that another one replaced died in the generation that the other was born in.
        followers = {born for born, _ in lives.values()}
        return [
            Version(
                number,
                entry,
                lives[version][0],
                self.committed(lives[version][0]),
                self.committed(lives[version][1]) if lives[version][1] <= generation else None,
                lives[version][1] <= generation and lives[version][1] not in followers,
            )
            for number, (version, entry) in enumerate(sorted(_entries_in(rows).items()), start=1)
        ]

    def around(self, entry: Entry, generation: int, reach: int) -> tuple[list[Entry], list[Entry]]:
        """See `Catalogue.around`."""
        place = f'place == 0 and entry == "{spelt(entry.id)}" and born <= {int(generation)}'
        own = max(int(row["version"]) for row in self.milvus.rows(VERSIONS, place, ["version"]))
        at = micros_of(entry.published) or 0
        here = (at, entry.clock.isoformat() if entry.clock else "", own)
        where = f'place == 0 and source == "{spelt(entry.source)}" and {there(generation)}'
        before = self._nearest(where, at, reach, lambda order: order < here, -1)
        after = self._nearest(where, at, reach, lambda order: order > here, 1)
        entries = self.entries_of([*before, *after])
        return [entries[i] for i in reversed(before)], [entries[i] for i in after]

    def _nearest(
        self, where: str, at: int, reach: int, beside: Callable[[tuple[int, str, int]], bool], direction: int
    ) -> list[int]:
        """The `reach` versions that were published next to the time `at`, on one side; a server sorts nothing, so that windows
        are widened until there are enough in them.
        """
        window = _FIRST_WINDOW
        while True:
            low, high = (at - window, at) if direction < 0 else (at, at + window)
            bounds = f"published >= {low} and published <= {high}"
            # What has no time stands where 1970 begins.
            undated = f"({bounds} or published == {NO_TIME})" if low <= 0 <= high else bounds
            rows = self.milvus.every(VERSIONS, f"{where} and {undated}", ORDER)
            places = sorted((known_time(row["published"]) or 0, row["clock"], int(row["version"])) for row in rows)
            found = [place for place in places if beside(place)]
            if len(found) >= reach or window > _LATEST:
                return [version for _, _, version in (found[:reach] if direction > 0 else found[::-1][:reach])]
            window *= 8

    def newest(self, generation: int) -> datetime | None:
        """See `Catalogue.newest`."""
        return moment_of(self._once(f"newest/{generation}", lambda: self._last(generation)) or None, "UTC")

    def _last(self, generation: int) -> int:
        """The greatest time that an entry of a generation reaches to, told by halving; 0 where none is dated."""
        alive = f"place == 0 and {there(generation)} and reaches"
        low, high = -_LATEST, _LATEST
        if not self.milvus.count(VERSIONS, f"{alive} > {low}"):
            return 0
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if self.milvus.count(VERSIONS, f"{alive} > {middle}") else (low, middle)
        return high

    def latest(self, generation: int, most: int) -> list[Entry]:
        """See `Catalogue.latest`."""
        where = f"place == 0 and {there(generation)}"
        last = micros_of(self.newest(generation)) or 0
        window, total = _FIRST_WINDOW, self.counts(generation)[0]
        rows: list[dict[str, Any]] = []
        while len(rows) < min(most, total):
            undated = "" if window > _LATEST else f" and published > {last - window}"
            rows = self.milvus.every(VERSIONS, where + undated, ORDER)
            window *= 8
        order = sorted(rows, key=lambda row: (-int(row["published"]), int(row["version"])))[:most]
        entries = self.entries_of([int(row["version"]) for row in order])
        return [entries[int(row["version"])] for row in order]

    def dated_versions(self, generation: int) -> list[Dated]:
        """Every entry of a generation, with how many passages it has."""
        fields = ["published", "tz", "precision", "source", "lang", "passages"]
        return [
            dated_of(row, int(row["passages"]))
            for row in self.milvus.every(VERSIONS, f"place == 0 and {there(generation)}", fields)
        ]


def dated_of(row: Row, passages: int) -> Dated:
    """What counts need of a version."""
    source = unspelt(row["source"]) or ""
    return Dated(known_time(row["published"]), row["tz"] or None, row["precision"] == "day", source, row["lang"], passages)


def read_meta(milvus: Milvus, key: str) -> Any:
    """What is known of an index by that name, as it is now; None where nothing is."""
    found = milvus.rows(META, f'key == "{key}"', ["value"], strong=True)
    if not found:
        return None
    count, _, text = found[0]["value"].partition(" ")
    if int(count) > 1:
        keys = ",".join(f'"{key}/{number}"' for number in range(1, int(count)))
        rows = {row["key"]: row["value"] for row in milvus.rows(META, f"key in [{keys}]", ["key", "value"], strong=True)}
        text += "".join(rows[f"{key}/{number}"] for number in range(1, int(count)))
    return json.loads(text)


def _entries_in(rows: Sequence[Row]) -> dict[int, Entry]:
    """What each version says, of rows of several."""
    by_version: dict[int, list[Row]] = {}
    for row in rows:
        by_version.setdefault(int(row["version"]), []).append(row)
    return {version: entry_in(some) for version, some in by_version.items()}
