"""What is found in an index: passages, with what the model and the engines need of them."""

import itertools
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from embed import ModelCard
from embed.encoder import Vectors
from index.conditions import Condition, Phrase, Word
from index.database import Database
from index.errors import StorageError
from index.records import Ids, Passage, Window
from index.rows import (
    ALIVE,
    ENTRY,
    FROM_PASSAGES,
    LAST,
    THEN,
    Dated,
    Encoded,
    Indexed,
    batches,
    counted,
    entry_of,
    marks,
    micros_of,
    moment_of,
    present,
    vector_of,
)
from index.space import Codes
from index.sums import are_whole_words, is_whole_vector
from index.where import compiled, fulfilling, is_decided

_NONE: Ids = np.zeros(0, dtype=np.int64)


class Passages(Database):
    """Reading passages, their vectors and words, and which of them pass a filter."""

    _born: tuple[int, Ids] = (-1, _NONE)
    """A generation, and the ids of all passages that were born up to it."""

    def moments(self, ids: Sequence[int]) -> dict[int, tuple[datetime | None, bool]]:
        """When the entry of each of these passages was published, and whether only the day of that is known."""
        found: dict[int, tuple[datetime | None, bool]] = {}
        with self.reading() as db:
            for some in batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, v.published, v.tz, v.precision FROM passages p JOIN versions v ON v.id = p.version_id
                        WHERE p.id IN ({marks(some)})""",
                    some,
                )
                found.update((i, (moment_of(published, tz), precision == "day")) for i, published, tz, precision in rows)
        return found

    def passages_of(self, entry_id: str, generation: int, past: bool = False) -> list[Passage]:
        """The passages of an entry as it stood in `generation`, in the order of its text; for `past` see `THEN`."""
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT p.id, p.start, p."end", {ENTRY} {FROM_PASSAGES}
                    WHERE e.id = :entry AND {present(past)} ORDER BY p.start""",
                {"entry": entry_id, "generation": generation},
            ).fetchall()
        return [Passage(row[0], entry_of(row[3:]), row[1], row[2]) for row in rows]

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The passages with these ids, of whatever generation. Raises `StorageError` for one that there is not: it was lost."""
        found: dict[int, Passage] = {}
        with self.reading() as db:
            for some in batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, p.start, p."end", {ENTRY} {FROM_PASSAGES} WHERE p.id IN ({marks(some)})""", some
                )
                for row in rows:
                    found[row[0]] = Passage(row[0], entry_of(row[3:]), row[1], row[2])
        for i in ids:
            if i not in found:
                raise StorageError(
                    f"passage {i} of the index {self._path.parent} is lost: filrouge verify says what else is damaged, and "
                    "filrouge restore brings a backup back"
                )
        return found

    def entry_keys(self, ids: Sequence[int]) -> dict[int, str]:
        """The key of the entry that each passage belongs to."""
        found: dict[int, str] = {}
        with self.reading() as db:
            for some in batches(ids):
                rows = db.execute(f"SELECT p.id, e.key {FROM_PASSAGES} WHERE p.id IN ({marks(some)})", some)
                found.update(rows)
        return found

    def neighbours(self, ids: Ids, reach: int, generation: int, past: bool = False) -> dict[int, tuple[int, str]]:
        """These passages of `generation` and the nearest `reach` of the same version on either side: version and language."""
        found: dict[int, tuple[int, str]] = {}
        generation, reach = int(generation), int(reach)
        there = " AND ".join(present(past, one) for one in ("p", "q")).replace(":generation", str(generation))
        with self.reading() as db:
            for some in batches(ids.tolist()):
                # The passages of a version were numbered one after the other.
                rows = db.execute(
                    f"""SELECT q.id, q.version_id, v.lang FROM passages p CROSS JOIN versions v ON v.id = p.version_id
                        CROSS JOIN passages q ON q.version_id = p.version_id AND q.id BETWEEN p.id - {reach} AND p.id + {reach}
                        WHERE p.id IN ({marks(some)}) AND {there}""",
                    some,
                )
                found.update((i, (version, lang)) for i, version, lang in rows)
        return found

    def words(self, ids: Sequence[int]) -> dict[int, Codes]:
        """The words of each passage as signs."""
        found: dict[int, Codes] = {}
        with self.reading() as db:
            card = ModelCard.from_json(db.execute("SELECT value FROM meta WHERE key = 'card'").fetchone()[0])
            width = -(-card.dimension // 8)
            for some in batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, x.hash, x.words, x.sum FROM passages p
                        CROSS JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash WHERE p.id IN ({marks(some)})""",
                    (card.fingerprint, *some),
                )
                for i, key, signs, kept in rows:
                    if not are_whole_words(key, signs, kept):
                        raise self._damaged("the words are", i)
                    found[i] = np.frombuffer(signs, dtype=np.uint8).reshape(-1, width)
        return found

    def vectors(self, ids: Sequence[int]) -> tuple[list[str], Vectors]:
        """The languages and vectors of these passages, in the order of their ids; those that have none are missing."""
        langs: list[str] = []
        rows: list[Vectors] = []
        card = self.card()
        with self.reading() as db:
            for some in batches(sorted(ids)):
                for i, lang, key, blob, kept in db.execute(
                    f"""SELECT p.id, v.lang, x.hash, x.vector, x.sum FROM passages p JOIN versions v ON v.id = p.version_id
                        CROSS JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash
                        WHERE p.id IN ({marks(some)}) ORDER BY p.id""",
                    (card.fingerprint, *some),
                ):
                    if not is_whole_vector(key, blob, kept):
                        raise self._damaged("the vector is", i)
                    langs.append(lang)
                    rows.append(vector_of(blob, card.dimension))
        return langs, np.stack(rows) if rows else np.zeros((0, card.dimension), dtype=np.float32)

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
        """The ids, ascending, of the passages of `generation` within the window, in the language, of the source, and for
        which the condition holds; for `found` see `index.where.compiled`.
        """
        if not past and (window, lang, source) == (Window(), None, None) and is_decided(condition, found or {}):
            # No row has to be read, which takes a tenth of a second for two hundred thousand.
            there = self._there(generation)
            return there if condition is None else there[fulfilling(condition, there, found or {})]
        where = [present(past)]
        values: dict[str, Any] = {"generation": generation}
        if window.until is not None:
            where.append("v.published < :until")
            values["until"] = micros_of(window.until)
        if window.since is not None:
            # The end of a day is the first moment after it, so it is compared with another bound than a known moment.
            where.append("(v.ends > :since OR (v.ends = :since AND v.precision IS NOT 'day'))")
            values["since"] = micros_of(window.since)
        if lang is not None:
            where.append("v.lang = :lang")
            values["lang"] = lang
        if source is not None:
            where.append("s.name = :source")
            values["source"] = source
        if condition is not None:
            sql = compiled(condition, found=found)
            where.append(sql.text)
            values.update(sql.values)
        wide = source is not None or condition is not None
        tables = FROM_PASSAGES if wide else "FROM passages p JOIN versions v ON v.id = p.version_id"
        with self.reading() as db:
            rows = db.execute(f"SELECT p.id {tables} WHERE {' AND '.join(where)}", values)
            passing = _numbers(rows)
        passing.sort()
        return passing

    def _there(self, generation: int) -> Ids:
        """The ids, ascending, of the passages of `generation`."""
        upto, born = self._born
        if generation < upto:
            upto, born = -1, _NONE
        with self.reading() as db:
            rows = db.execute("SELECT id FROM passages WHERE born > ? AND born <= ? ORDER BY id", (upto, generation))
            born = np.concatenate([born, _numbers(rows)])
            died = _numbers(db.execute("SELECT id FROM passages WHERE died <= ?", (generation,)))
        if generation > self._born[0]:
            # No generation gets more once it is there, so that only what is newer has to be read the next time.
            self._born = generation, born
        return born[~np.isin(born, died)]

    def newest_first(self, ids: Ids, k: int | None = None) -> Ids:
        """The `k` of these passages that were published last, in that order, undated ones behind; all of them when it is None.
        Those of one entry stand in the order of its text.
        """
        with self.reading() as db:
            rows = db.execute(
                """SELECT p.id FROM passages p JOIN versions v ON v.id = p.version_id
                   WHERE p.id IN (SELECT value FROM json_each(?))
                   ORDER BY v.published IS NULL, v.published DESC, v.entry_id, p.start, p.id LIMIT ?""",
                (json.dumps(ids.tolist()), -1 if k is None else k),
            )
            return _numbers(rows)

    def dated(self, ids: Ids | None, generation: int, past: bool = False) -> list[Dated]:
        """The entries that these passages of `generation` belong to, each with how many of them are its own; of all passages
        when `ids` is None.
        """
        where = present(past)
        values: dict[str, Any] = {"generation": generation}
        if ids is not None:
            where += " AND p.id IN (SELECT value FROM json_each(:ids))"
            values["ids"] = json.dumps(ids.tolist())
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT v.published, v.tz, v.precision IS 'day', s.name, v.lang, count(*)
                    {FROM_PASSAGES} WHERE {where} GROUP BY v.id""",
                values,
            ).fetchall()
        return [Dated(*row) for row in rows]

    def in_order(self, ids: Ids) -> Ids:
        """These passages in the order in which they were published, undated ones last; those of one moment by source, entry
        and place.
        """
        with self.reading() as db:
            # In JSON they are one value, however many they are.
            rows = db.execute(
                f"""SELECT p.id {FROM_PASSAGES} WHERE p.id IN (SELECT value FROM json_each(?))
                    ORDER BY v.published IS NULL, v.published, s.name, e.key, v.id, p.start""",
                (json.dumps(ids.tolist()),),
            )
            return _numbers(rows)

    def born(self, after: int, upto: int) -> Iterator[list[Indexed]]:
        """The passages that are there in generation `upto` and were not in `after`, in batches, ids ascending."""
        return self._indexed(f"p.born > {int(after)} AND {ALIVE.format('p')}", upto)

    def then(self, generation: int) -> Iterator[list[Indexed]]:
        """The passages that were there in an earlier generation, in batches, ids ascending; see `THEN`."""
        return self._indexed(THEN, generation)

    def _indexed(self, where: str, generation: int) -> Iterator[list[Indexed]]:
        last = 0
        while True:
            with self.reading() as db:
                rows = db.execute(
                    f"""SELECT p.id, v.lang, v.title, v.text, p.start, p."end"
                        FROM passages p JOIN versions v ON v.id = p.version_id
                        WHERE {where} AND p.id > :last ORDER BY p.id LIMIT 2000""",
                    {"generation": generation, "last": last},
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield [Indexed(i, lang, title, text[start:end]) for i, lang, title, text, start, end in rows]

    def born_count(self, after: int, upto: int) -> int:
        """How many passages `born` gives."""
        with self.reading() as db:
            return int(
                db.execute(
                    f"SELECT count(*) FROM passages p WHERE p.born > {int(after)} AND {ALIVE.format('p')}",
                    {"generation": upto},
                ).fetchone()[0]
            )

    def born_vectors(self, after: int, upto: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        """The ids of the passages of `born` with their languages and vectors, in batches, ids ascending."""
        return self._vectors(f"p.born > {int(after)} AND {ALIVE.format('p')}", upto)

    def vectors_then(self, generation: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        """The same of the passages of `then`; those that the model of the index has not read are missing."""
        return self._vectors(THEN, generation)

    def passage_count(self, generation: int) -> int:
        """How many passages a reader of `generation` sees."""
        with self.reading() as db:
            return counted(db, "passages", generation)

    def passages_then(self, generation: int) -> int:
        """How many passages `vectors_then` gives, where none is missing."""
        with self.reading() as db:
            return int(
                db.execute(
                    f"SELECT count(*) FROM passages p JOIN versions v ON v.id = p.version_id WHERE {THEN}",
                    {"generation": generation},
                ).fetchone()[0]
            )

    def any_died(self, generation: int) -> bool:
        """Whether any passage was gone by `generation`."""
        with self.reading() as db:
            row = db.execute("SELECT EXISTS (SELECT 1 FROM passages WHERE died <= ?)", (generation,)).fetchone()
        return bool(row[0])

    def _vectors(self, where: str, generation: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        card = self.card()
        last = 0
        while True:
            with self.reading() as db:
                # CROSS JOIN keeps SQLite from going through all passages for each vector: it does not know how many there are.
                rows = db.execute(
                    f"""SELECT p.id, v.lang, x.hash, x.vector, x.sum FROM passages p JOIN versions v ON v.id = p.version_id
                        CROSS JOIN vectors x ON x.model = :model AND x.hash = p.vector_hash
                        WHERE {where} AND p.id > :last ORDER BY p.id LIMIT 5000""",
                    {"generation": generation, "last": last, "model": card.fingerprint},
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for i, _, key, blob, kept in rows:
                if not is_whole_vector(key, blob, kept):
                    raise self._damaged("the vector is", i)
            yield (
                np.array([row[0] for row in rows], dtype=np.int64),
                [row[1] for row in rows],
                np.stack([vector_of(row[3], card.dimension) for row in rows]),
            )

    def _damaged(self, what: str, passage: int) -> StorageError:
        return StorageError(
            f"passage {passage} of the index {self._path.parent} is damaged, {what} not what was written: "
            "filrouge verify says what else is damaged, and filrouge repair embeds it again"
        )

    def all_passages(self) -> Iterator[tuple[int, str, str, str, bytes]]:
        """Every passage there ever was: its id, language, title and text, and what its vector is kept under."""
        return self._passages("TRUE")

    def unread_passages(self) -> Iterator[tuple[int, str, str, str, bytes]]:
        """The same of those that the index's model should have read and has not."""
        model = self.card().fingerprint
        read = f"EXISTS (SELECT 1 FROM vectors x WHERE x.model = '{model}' AND x.hash = p.vector_hash AND x.words IS NOT NULL)"
        return self._passages(f"{LAST} AND NOT {read}")

    def _passages(self, where: str) -> Iterator[tuple[int, str, str, str, bytes]]:
        last = 0
        while True:
            with self.reading() as db:
                rows = db.execute(
                    f"""SELECT p.id, v.lang, v.title, v.text, p.start, p."end", p.vector_hash
                        FROM passages p JOIN versions v ON v.id = p.version_id
                        WHERE {where} AND p.id > ? ORDER BY p.id LIMIT 2000""",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield from ((i, lang, title, text[start:end], key) for i, lang, title, text, start, end, key in rows)

    def unused_vectors(self) -> int:
        """How many vectors are of no passage, of whatever generation or model."""
        with self.reading() as db:
            return int(
                db.execute("SELECT count(*) FROM vectors WHERE hash NOT IN (SELECT vector_hash FROM passages)").fetchone()[0]
            )

    def died(self, after: int, upto: int) -> Ids:
        """The ids of the passages that were there in `after` and are not in `upto`, ascending."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT id FROM passages WHERE died > ? AND died <= ? AND born <= ? ORDER BY id", (after, upto, after)
            )
            return _numbers(rows)

    def known_vectors(self, hashes: Iterable[bytes], model: str) -> set[bytes]:
        """Which of these texts have a vector of the model, and words, already."""
        found: set[bytes] = set()
        with self.reading() as db:
            for some in batches(list(hashes)):
                rows = db.execute(
                    f"SELECT hash FROM vectors WHERE model = ? AND words IS NOT NULL AND hash IN ({marks(some)})",
                    (model, *some),
                )
                found.update(row[0] for row in rows)
        return found

    def all_vectors(self) -> Iterator[dict[bytes, Encoded]]:
        """The vectors and words of every passage there ever was, by hash, in batches; of the model that the index has now."""
        card = self.card()
        width = -(-card.dimension // 8)
        last = 0
        while True:
            with self.reading() as db:
                rows = db.execute(
                    """SELECT id, hash, vector, words FROM vectors
                       WHERE model = ? AND words IS NOT NULL AND id > ? ORDER BY id LIMIT 5000""",
                    (card.fingerprint, last),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield {
                key: Encoded(vector_of(vector, card.dimension), np.frombuffer(words, dtype=np.uint8).reshape(-1, width))
                for _, key, vector, words in rows
            }

    def is_embedded(self) -> bool:
        """Whether every passage, also of earlier versions, has a vector and words of the model that the index has now."""
        with self.reading() as db:
            row = db.execute(
                f"""SELECT EXISTS (SELECT 1 FROM passages p LEFT JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash
                    WHERE {LAST} AND x.words IS NULL)""",
                (self.card().fingerprint,),
            ).fetchone()
        return not row[0]


def _numbers(rows: Iterable[tuple[int]]) -> Ids:
    """What a query for one number a row found."""
    return np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64)
