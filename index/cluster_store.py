"""What is found in an index on a Milvus server: a `StoreView`, every part of which is asked of the server."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from embed.encoder import Vectors
from index.cluster import every_id
from index.cluster_catalogue import ClusterCatalogue, dated_of
from index.cluster_rows import READINGS, VERSIONS, known_time, listed, readings_in, spelt, there, unspelt
from index.cluster_where import Lookup, expression
from index.conditions import Condition, Phrase, Word
from index.errors import InvalidRequest, StorageError
from index.milvus import Milvus
from index.phrases import holds
from index.reader import Filters
from index.records import Ids, Passage, Window
from index.remembered import Remembered
from index.rows import Dated, Encoded, beside
from index.space import Codes

LISTED = 100_000
"""Passages that are listed one by one."""
_AT_ONCE = 1000
_REMEMBERED_READINGS = 5000


class ClusterStore(ClusterCatalogue):
    """The store of an index on a server; see `index.store_view`. Safe for several threads."""

    def __init__(self, milvus: Milvus, generation: int | None = None) -> None:
        super().__init__(milvus, generation)
        self._readings: Remembered[Encoded] = Remembered("readings", _REMEMBERED_READINGS)

    def _rows(self, ids: Sequence[int], fields: Sequence[str], where: str = "") -> list[dict[str, Any]]:
        """Fields of these passages, in no order."""
        found: list[dict[str, Any]] = []
        for at in range(0, len(ids), _AT_ONCE):
            wanted = listed("id", ids[at : at + _AT_ONCE]) + (f" and {where}" if where else "")
            found += self.milvus.rows(self.collection, wanted, ["id", *fields])
        return found

    def _passages(self, rows: Sequence[Mapping[str, Any]]) -> list[Passage]:
        entries = self.entries_of({int(row["version"]) for row in rows})
        return [Passage(int(row["id"]), entries[int(row["version"])], int(row["start"]), int(row["end"])) for row in rows]

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """See `Passages.passages`."""
        found = {one.id: one for one in self._found(ids)}
        for i in ids:
            if i not in found:
                raise StorageError(
                    f"passage {i} of the index at {self.milvus.server} is lost: publish it anew with filrouge migrate"
                )
        return found

    def _found(self, ids: Sequence[int]) -> list[Passage]:
        return self._passages(self._rows(list(ids), ["version", "start", "end"]))

    def passages_of(self, entry_id: str, generation: int, past: bool = False) -> list[Passage]:
        """See `Passages.passages_of`."""
        where = f'entry_id == "{spelt(entry_id)}" and {there(generation)}'
        rows = self.milvus.rows(self.collection, where, ["id", "version", "start", "end"])
        return sorted(self._passages(rows), key=lambda one: one.start)

    def moments(self, ids: Sequence[int]) -> dict[int, tuple[datetime | None, bool]]:
        """See `Passages.moments`."""
        return {one.id: (one.entry.published, one.entry.day_only) for one in self._found(ids)}

    def entry_keys(self, ids: Sequence[int]) -> dict[int, str]:
        """See `Passages.entry_keys`."""
        return {int(row["id"]): unspelt(row["key"]) or "" for row in self._rows(list(ids), ["key"])}

    def neighbours(self, ids: Ids, reach: int, generation: int, past: bool = False) -> dict[int, tuple[int, str]]:
        """See `Passages.neighbours`."""
        # The passages of a version were numbered one after the other.
        wanted = np.unique(ids[:, np.newaxis] + np.arange(-reach, reach + 1))
        rows = {
            int(row["id"]): (int(row["version"]), unspelt(row["lang"]) or "")
            for row in self._rows(wanted.tolist(), ["version", "lang"], there(generation))
        }
        return beside(ids, rows, reach)

    def readings(self, ids: Sequence[int]) -> dict[int, Encoded]:
        """What the model made of each passage."""
        found = {i: reading for i in ids if (reading := self._readings.find(i)) is not None}
        missing = [i for i in ids if i not in found]
        for at in range(0, len(missing), _AT_ONCE):
            rows = self.milvus.rows(READINGS, listed("passage", missing[at : at + _AT_ONCE]), ["part", "passage", "value"])
            for i, reading in readings_in(rows, self.card().dimension).items():
                found[i] = reading
                self._readings.keep(i, reading)
        return found

    def words(self, ids: Sequence[int]) -> dict[int, Codes]:
        """See `Passages.words`."""
        return {i: reading.words for i, reading in self.readings(ids).items()}

    def vectors(self, ids: Sequence[int]) -> tuple[list[str], Vectors]:
        """See `Passages.vectors`."""
        readings = self.readings(ids)
        langs = {int(row["id"]): unspelt(row["lang"]) or "" for row in self._rows(list(ids), ["lang"])}
        known = sorted(readings.keys() & langs.keys())
        vectors = [readings[i].vector for i in known]
        empty = np.zeros((0, self.card().dimension), dtype=np.float32)
        return [langs[i] for i in known], np.stack(vectors) if vectors else empty

    # Filters

    def passing(self, generation: int, filters: Filters) -> str:
        """The condition for a passage of a generation to pass, in the server's language."""

        def ids(where: str) -> Ids:
            return self.listed(f"{there(generation)} and {where}")

        def saying(where: str, phrase: Phrase) -> Ids:
            found = self._passages(
                self.milvus.every(self.collection, f"{there(generation)} and {where}", ["version", "start", "end"])
            )
            said = [
                one.id
                for one in found
                if holds(one.entry.title, phrase.text) or (phrase.part != "title" and holds(one.text, phrase.text))
            ]
            return np.array(sorted(said), dtype=np.int64)

        return expression(filters, Lookup(ids, saying, self.source_names))

    def listed(self, where: str) -> Ids:
        """The ids of the passages that the condition holds for, ascending. Raises `InvalidRequest` for more than LISTED."""
        count = self.milvus.count(self.collection, where)
        if count > LISTED:
            raise InvalidRequest(
                f"{count} passages would have to be listed, and a Milvus index lists {LISTED} at most (for exports, counts, "
                "last pages and -words): narrow it by dates, source or language, or ask a folder that filrouge migrate made",
                "where",
            )
        return every_id(self.milvus, self.collection, where)

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
        """See `Passages.allowed`; `found` is not needed."""
        return self.listed(f"{there(generation)} and {self.passing(generation, Filters(window, lang, source, condition))}")

    def count(self, generation: int, where: str) -> int:
        """How many passages of a generation the condition holds for."""
        return self.milvus.count(self.collection, f"{there(generation)} and {where}")

    def passage_count(self, generation: int) -> int:
        """See `Passages.passage_count`."""
        return self.counts(generation)[1]

    def passages_then(self, generation: int) -> int:
        """See `Passages.passages_then`."""
        return self.counts(generation)[1]

    # Orders and counts

    def newest_first(self, ids: Ids, k: int | None = None) -> Ids:
        """See `Passages.newest_first`."""
        rows = self._rows(ids.tolist(), ["published", "entry_id", "start"])
        rows.sort(key=lambda row: (-int(row["published"]), row["entry_id"], int(row["start"]), int(row["id"])))
        return np.array([int(row["id"]) for row in rows[:k]], dtype=np.int64)

    def in_order(self, ids: Ids) -> Ids:
        """See `Passages.in_order`."""
        rows = self._rows(ids.tolist(), ["published", "source", "key", "version", "start"])
        rows.sort(key=_in_order)
        return np.array([int(row["id"]) for row in rows], dtype=np.int64)

    def dated(self, ids: Ids | None, generation: int, past: bool = False) -> list[Dated]:
        """See `Passages.dated`."""
        if ids is None:
            return self.dated_versions(generation)
        counts: dict[int, int] = {}
        for row in self._rows(ids.tolist(), ["version"], there(generation)):
            counts[int(row["version"])] = counts.get(int(row["version"]), 0) + 1
        found, versions = [], sorted(counts)
        for at in range(0, len(versions), _AT_ONCE):
            where = f"place == 0 and {listed('version', versions[at : at + _AT_ONCE])}"
            fields = ["version", "published", "tz", "precision", "source", "lang"]
            found += [dated_of(row, counts[int(row["version"])]) for row in self.milvus.rows(VERSIONS, where, fields)]
        return found


def _in_order(row: Mapping[str, Any]) -> tuple[Any, ...]:
    moment = known_time(row["published"])
    return moment is None, moment or 0, row["source"], row["key"], int(row["version"]), int(row["start"])
