"""SQLite: the only truth. Entries, their versions, passages, vectors, and the generation that is visible."""

import contextlib
import itertools
import json
import queue
import sqlite3
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Any

import numpy as np

from embed import ModelCard
from embed.encoder import Vectors
from index import dates, lock, migrations
from index.conditions import FUNCTIONS, Condition, Phrase, Word, compiled
from index.errors import FilrougeError, InvalidRequest, ModelMismatch, NotAnIndex, NotFound, StorageError
from index.records import Entry, Ids, Passage, Version, Window
from index.space import Codes, Space

FILE = "index.sqlite"
_APPLICATION_ID = 0x46494C52  # "FILR"
_PAGE = 16384
"""Bytes of a page of the database. A passage's vector and words take over half of one of SQLite's usual 4,096, so that the rest
of each would stay empty."""
_MINUTE = 60_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 500
"""Values bound to one statement; SQLite allows more, in builds that we do not choose."""


@dataclass(frozen=True)
class Source:
    """A document or live blog as a caller sees it: its name, and what of it is searchable now."""

    name: str
    entries: int
    passages: int
    languages: tuple[str, ...]
    first: datetime | None
    last: datetime | None


@dataclass(frozen=True)
class Holding:
    """What is kept of a source: since when, and how much text, title included."""

    since: datetime
    bytes: int


@dataclass(frozen=True)
class NewPassage:
    """A passage about to be written: its span, and the hash under which its vector is kept."""

    start: int
    end: int
    vector_hash: bytes


@dataclass(frozen=True)
class Origin:
    """Where a source is read from, and the zone it is in."""

    source: str
    path: str
    tz: str


@dataclass(frozen=True)
class Encoded:
    """What is kept of the model's reading of a passage: its vector, of length 1, and its words (`Space.codes`)."""

    vector: Vectors
    words: Codes


@dataclass(frozen=True)
class Changes:
    """What one commit writes. `entries` are new or edited, with their passages; `withdrawn` are ids of entries that are gone.

    `origins` has the sources of the entries, where the store may not know them yet, and `vectors` those of their passages.
    """

    origins: Sequence[Origin] = ()
    entries: Sequence[tuple[Entry, Sequence[NewPassage]]] = ()
    withdrawn: Sequence[str] = ()
    vectors: Mapping[bytes, Encoded] | None = None

    def __bool__(self) -> bool:
        return bool(self.entries or self.withdrawn)


@dataclass(frozen=True)
class Dated:
    """When and where an entry was published, and how many of the passages that were asked for are its own."""

    published: int | None
    """Microseconds since 1970 UTC; of an entry known to the day, the beginning of its day."""
    tz: str | None
    day_only: bool
    source: str
    lang: str
    passages: int


@dataclass(frozen=True)
class Indexed:
    """What an engine needs of a passage: its id, language, and the texts that it is found by."""

    id: int
    lang: str
    title: str
    text: str


class Store:
    """The database of one index folder. Safe for several threads; one writer at a time is the caller's duty (`index.lock`)."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / FILE
        self._idle: queue.LifoQueue[sqlite3.Connection] = queue.LifoQueue()
        self._open: list[sqlite3.Connection] = []

    @classmethod
    def open(cls, folder: Path) -> "Store":
        """Open an existing index. Raises `NotAnIndex` when there is none, or one that this release cannot read."""
        if not (folder / FILE).is_file():
            raise NotAnIndex(f"no index in {folder}: make one with filrouge index PATH --index {folder}")
        store = cls(folder)
        try:
            with store._reading() as db:
                application = db.execute("PRAGMA application_id").fetchone()[0]
                version = db.execute("PRAGMA user_version").fetchone()[0]
            if application != _APPLICATION_ID:
                raise NotAnIndex(f"{folder / FILE} is not a filrouge index; choose another folder")
            if version > len(migrations.STEPS):
                raise NotAnIndex(f"{folder} was written by a newer filrouge (layout {version}); upgrade this one")
            if version < len(migrations.STEPS):
                store._migrate(version)
        except BaseException:
            store.close()
            raise
        return store

    @classmethod
    def create(cls, folder: Path, card: ModelCard, space: Callable[[], Space]) -> "Store":
        """Open the index in `folder`, which exists, made first if the folder is empty, in what `space` gives.

        Raises `ModelMismatch` when it was built with another model, and `NotAnIndex` when the folder holds something else.
        """
        if (folder / FILE).is_file():
            store = cls.open(folder)
            try:
                store.require(card)
            except BaseException:
                store.close()
                raise
            return store
        cls.refuse_foreign(folder)
        # It may take a second, in which a process that is killed must leave nothing.
        means = space().to_json()
        store = cls(folder)
        try:
            with store._reading() as db:
                db.execute(f"PRAGMA page_size = {_PAGE}")
            with store.writing() as db:
                db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            store._migrate(0)
            with store.writing() as db:
                db.execute("INSERT INTO meta VALUES ('card', ?)", (card.to_json(),))
                db.execute("INSERT INTO meta VALUES ('identity', ?)", (uuid.uuid4().hex,))
                db.execute("INSERT INTO meta VALUES ('space', ?)", (means,))
        except BaseException:
            # Half an index would be refused ever after.
            store.close()
            cls.discard(folder)
            raise
        return store

    @classmethod
    def refuse_foreign(cls, folder: Path) -> None:
        """Raise `NotAnIndex` when `folder` holds something and no index: an index gets a folder of its own."""
        try:
            if (folder / FILE).is_file() or not folder.exists():
                return
            if any(path.name != lock.FILE for path in folder.iterdir()):
                raise NotAnIndex(f"{folder} is not empty and holds no index; choose another folder for --index")
        except OSError as error:
            raise StorageError(f"cannot make an index in {folder}: {error.strerror or error}") from error

    @classmethod
    def discard(cls, folder: Path) -> None:
        """Delete the database of `folder`, so that it is no index any more."""
        for name in (FILE, f"{FILE}-wal", f"{FILE}-shm"):
            with contextlib.suppress(OSError):
                (folder / name).unlink(missing_ok=True)

    def close(self) -> None:
        """Give every connection back; the store must not be used afterwards."""
        for db in self._open:
            db.close()
        self._open.clear()

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    # Connections

    @contextlib.contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with _storage_errors(self._path):
            try:
                db = self._idle.get_nowait()
            except queue.Empty:
                # A connection serves one thread at a time and may serve another next.
                db = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=30)
                self._open.append(db)
                db.execute("PRAGMA foreign_keys = ON")
                db.execute("PRAGMA synchronous = FULL")
                for name, (takes, function) in FUNCTIONS.items():
                    db.create_function(name, takes, function, deterministic=True)
            try:
                yield db
            finally:
                self._idle.put(db)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is written, and on the disk, when the block ends; or nothing is."""
        with self._reading() as db:
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
            except BaseException:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise
            try:
                db.execute("COMMIT")
            except sqlite3.Error:
                if db.in_transaction:
                    db.execute("ROLLBACK")
                raise

    def _migrate(self, version: int) -> None:
        with self._reading() as db:
            db.execute("PRAGMA journal_mode = WAL")
        while version < len(migrations.STEPS):
            with self.writing() as db:
                # Another process may have been first.
                version = db.execute("PRAGMA user_version").fetchone()[0]
                if version < len(migrations.STEPS):
                    migrations.STEPS[version](db)
                    version += 1
                    db.execute(f"PRAGMA user_version = {version}")

    # What the index is

    def card(self) -> ModelCard:
        """The model that every vector of this index was made with."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'card'").fetchone()
        if row is None:
            raise NotAnIndex(f"{self._path.parent} was never finished; delete the folder and index again")
        return ModelCard.from_json(row[0])

    def space(self) -> Space | None:
        """Where the vectors of this index are compared; None in one that was made before there were spaces."""
        with self._reading() as db:
            row = db.execute("SELECT value FROM meta WHERE key = 'space'").fetchone()
        return Space.from_json(row[0]) if row else None

    def identity(self) -> str:
        """A name that no other index has; caches carry it, so that one is never taken for another's."""
        with self._reading() as db:
            return str(db.execute("SELECT value FROM meta WHERE key = 'identity'").fetchone()[0])

    def require(self, card: ModelCard) -> None:
        """Raise `ModelMismatch` unless vectors of `card` may be compared with those of this index, and it has all we need."""
        own = self.card()
        if own.fingerprint != card.fingerprint:
            which = f"the model '{own.name}'" if own.name != card.name else f"another build of the model '{own.name}'"
            raise ModelMismatch(
                f"the index {self._path.parent} was built with {which} ({own.dimension} dimensions, {own.revision}), not with "
                f"'{card.name}' ({card.dimension} dimensions, {card.revision}): drop --model, or embed it anew with "
                f"filrouge repair --index {self._path.parent} --model {card.name}"
            )
        if self.space() is None:
            raise ModelMismatch(
                f"the index {self._path.parent} was embedded by an earlier release, without words: "
                f"embed it anew with filrouge repair --index {self._path.parent}"
            )

    def generation(self) -> int:
        """The number of the newest commit; 0 is the empty index."""
        with self._reading() as db:
            return int(db.execute("SELECT max(number) FROM generations").fetchone()[0])

    def committed(self, generation: int) -> datetime:
        """When a generation came to be."""
        with self._reading() as db:
            row = db.execute("SELECT committed FROM generations WHERE number = ?", (generation,)).fetchone()
        return _moment(row[0], "UTC") or _EPOCH

    def generation_at(self, moment: datetime) -> int:
        """The generation that was the newest at `moment`. Raises `InvalidRequest` before the first, and for what is to come."""
        with self._reading() as db:
            row = db.execute(
                """SELECT (SELECT max(number) FROM generations WHERE committed <= ? AND number > 0),
                          (SELECT committed FROM generations WHERE number = 1), max(committed) FROM generations""",
                (_micros(moment),),
            ).fetchone()
        found, first, last = int(row[0] or 0), _moment(row[1], "UTC"), _moment(row[2], "UTC")
        shown = moment.isoformat()
        if found == 0 or first is None:
            began = f"it holds what was known from {first.isoformat()} on" if first else "it is empty"
            raise InvalidRequest(f"the index did not exist at {shown}: {began}", "as_of")
        # The last may be ahead of a clock that was set back.
        if moment > max(datetime.now(UTC), last or first):
            raise InvalidRequest(f"{shown} is still to come, and what will be known then is not known", "as_of")
        return found

    def counts(self, generation: int) -> tuple[int, int]:
        """How many entries and passages a reader of `generation` sees."""
        with self._reading() as db:
            row = db.execute(
                f"""SELECT (SELECT count(*) FROM versions v WHERE {_ALIVE.format("v")}),
                           (SELECT count(*) FROM passages p WHERE {_ALIVE.format("p")})""",
                {"generation": generation},
            ).fetchone()
        return int(row[0]), int(row[1])

    def zone(self, generation: int | None = None) -> str:
        """The time zone that most sources are in, of those that there were in `generation`; UTC when there is none."""
        with self._reading() as db:
            row = db.execute(
                """SELECT tz FROM sources s WHERE :generation IS NULL OR EXISTS (
                       SELECT 1 FROM entries e JOIN versions v ON v.entry_id = e.id
                       WHERE e.source_id = s.id AND v.born <= :generation
                   ) GROUP BY tz ORDER BY count(*) DESC, tz LIMIT 1""",
                {"generation": generation},
            ).fetchone()
        return str(row[0]) if row else "UTC"

    def newest(self, generation: int) -> datetime | None:
        """The end of the minute, or else of the day, in which the newest entry of `generation` was published; None where no
        entry is dated.
        """
        with self._reading() as db:
            row = db.execute(
                f"""SELECT max(CASE v.precision WHEN 'day' THEN v.ends - 1 ELSE v.published + :minute END)
                    FROM versions v WHERE {_ALIVE.format("v")}""",
                {"generation": generation, "minute": _MINUTE},
            ).fetchone()
        return _moment(row[0], "UTC")

    def sources(self, generation: int) -> list[Source]:
        """Every source with an entry in `generation`, by name."""
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT s.name, count(*), group_concat(DISTINCT v.lang), min(v.published), max(v.published), s.tz,
                       sum((SELECT count(*) FROM passages p WHERE p.version_id = v.id AND {_ALIVE.format("p")}))
                    FROM versions v JOIN entries e ON e.id = v.entry_id JOIN sources s ON s.id = e.source_id
                    WHERE {_ALIVE.format("v")} GROUP BY s.id ORDER BY s.name""",
                {"generation": generation},
            ).fetchall()
        return [
            Source(name, entries, passages, tuple(sorted(langs.split(","))), _moment(first, tz), _moment(last, tz))
            for name, entries, langs, first, last, tz, passages in rows
        ]

    def holdings(self, generation: int) -> dict[str, Holding]:
        """What is kept in `generation` of every source that it ever had, by name."""
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT s.name, min(b.committed),
                       sum(CASE WHEN {_ALIVE.format("v")} THEN length(CAST(v.title || v.text AS BLOB)) ELSE 0 END)
                    {_FROM_VERSIONS} JOIN generations b ON b.number = v.born
                    WHERE v.born <= :generation GROUP BY s.id""",
                {"generation": generation},
            ).fetchall()
        return {name: Holding(_moment(since, "UTC") or _EPOCH, size) for name, since, size in rows}

    # Reading

    def current(self, source: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The content hash of the newest version of each entry of `source` that is there, by key."""
        found: dict[str, bytes] = {}
        with self._reading() as db:
            for some in _batches(keys):
                rows = db.execute(
                    f"""SELECT e.key, v.content_hash FROM sources s JOIN entries e ON e.source_id = s.id
                        JOIN versions v ON v.entry_id = e.id AND v.died IS NULL
                        WHERE s.name = ? AND e.key IN ({_marks(some)})""",
                    (source, *some),
                )
                found.update(rows)
        return found

    def keys(self, source: str) -> dict[str, str]:
        """The key of every entry of `source` that is there now -> its id."""
        with self._reading() as db:
            rows = db.execute(
                """SELECT e.key, e.id FROM sources s JOIN entries e ON e.source_id = s.id
                   JOIN versions v ON v.entry_id = e.id AND v.died IS NULL WHERE s.name = ?""",
                (source,),
            ).fetchall()
        return dict(rows)

    def published(self, source: str, keys: Sequence[str]) -> dict[str, datetime | None]:
        """When each of these entries of `source` was published, by key; of those that are there now."""
        found: dict[str, datetime | None] = {}
        with self._reading() as db:
            for some in _batches(keys):
                rows = db.execute(
                    f"""SELECT e.key, v.published, v.tz FROM sources s JOIN entries e ON e.source_id = s.id
                        JOIN versions v ON v.entry_id = e.id AND v.died IS NULL
                        WHERE s.name = ? AND e.key IN ({_marks(some)})""",
                    (source, *some),
                )
                found.update((key, _moment(published, tz)) for key, published, tz in rows)
        return found

    def origin(self, source: str) -> str | None:
        """The file that `source` was last read from; None when the index does not have it."""
        with self._reading() as db:
            row = db.execute("SELECT origin FROM sources WHERE name = ?", (source,)).fetchone()
        return str(row[0]) if row else None

    def entry(self, entry_id: str, generation: int) -> Entry:
        """The entry as it stood in `generation`. Raises `NotFound`, which says so where it stood there at another time."""
        with self._reading() as db:
            row = db.execute(
                f"SELECT {_ENTRY} {_FROM_VERSIONS} WHERE e.id = :entry AND {_ALIVE.format('v')}",
                {"entry": entry_id, "generation": generation},
            ).fetchone()
            known = row or db.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone()
        if row is None:
            raise NotFound(
                f"the entry '{entry_id}' is not in the index at this time; its versions say when it was"
                if known
                else f"no entry '{entry_id}' in this index"
            )
        return _entry(row)

    def around(self, entry: Entry, generation: int, reach: int) -> tuple[list[Entry], list[Entry]]:
        """The nearest `reach` entries of the same source on either side, as they stood in `generation`, oldest first.

        They follow one another by their times, and where these are the same, in the order in which they were read.
        """
        place = "(ifnull(v.published, 0), ifnull(v.clock, ''), v.id)"
        found = []
        with self._reading() as db:
            (own,) = db.execute(
                "SELECT max(v.id) FROM versions v WHERE v.entry_id = :entry AND v.born <= :generation",
                {"entry": entry.id, "generation": generation},
            ).fetchone()
            clock = entry.clock.isoformat() if entry.clock else ""
            here = {"published": _micros(entry.published) or 0, "clock": clock, "id": own, "source": entry.source}
            for than, order in (("<", "DESC"), (">", "ASC")):
                rows = db.execute(
                    f"""SELECT {_ENTRY} {_FROM_VERSIONS}
                        WHERE s.name = :source AND {_ALIVE.format("v")} AND {place} {than} (:published, :clock, :id)
                        ORDER BY ifnull(v.published, 0) {order}, ifnull(v.clock, '') {order}, v.id {order} LIMIT :reach""",
                    {**here, "generation": generation, "reach": reach},
                ).fetchall()
                found.append([_entry(row) for row in rows])
        return found[0][::-1], found[1]

    def latest(self, generation: int, most: int) -> list[Entry]:
        """The entries of `generation` that were published last, the newest first."""
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT {_ENTRY} {_FROM_VERSIONS} WHERE v.id IN (
                        SELECT v.id FROM versions v WHERE {_ALIVE.format("v")} ORDER BY v.published DESC, v.id LIMIT :most
                    ) ORDER BY v.published DESC, v.id""",
                {"generation": generation, "most": most},
            ).fetchall()
        return [_entry(row) for row in rows]

    def moments(self, ids: Sequence[int]) -> dict[int, tuple[datetime | None, bool]]:
        """When the entry of each of these passages was published, and whether only the day of that is known."""
        found: dict[int, tuple[datetime | None, bool]] = {}
        with self._reading() as db:
            for some in _batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, v.published, v.tz, v.precision FROM passages p JOIN versions v ON v.id = p.version_id
                        WHERE p.id IN ({_marks(some)})""",
                    some,
                )
                found.update((i, (_moment(published, tz), precision == "day")) for i, published, tz, precision in rows)
        return found

    def source_names(self) -> list[str]:
        """The name of every source that was ever read."""
        with self._reading() as db:
            return [name for (name,) in db.execute("SELECT name FROM sources ORDER BY name")]

    def versions(self, entry_id: str, generation: int) -> list[Version]:
        """What an entry said up to `generation`, oldest first, whether or not it is still there. Raises `NotFound`."""
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT v.born, b.committed, v.died, d.committed, {_ENTRY} {_FROM_VERSIONS}
                    JOIN generations b ON b.number = v.born
                    LEFT JOIN generations d ON d.number = v.died AND v.died <= :generation
                    WHERE e.id = :entry AND v.born <= :generation ORDER BY v.id""",
                {"entry": entry_id, "generation": generation},
            ).fetchall()
        if not rows:
            raise NotFound(f"no entry '{entry_id}' in this index")
        # A version that another one replaced died in the generation that the other was born in.
        followers = {row[0] for row in rows}
        return [
            Version(
                number,
                _entry(row[4:]),
                row[0],
                _moment(row[1], "UTC") or _EPOCH,
                _moment(row[3], "UTC"),
                row[3] is not None and row[2] not in followers,
            )
            for number, row in enumerate(rows, start=1)
        ]

    def passages_of(self, entry_id: str, generation: int, past: bool = False) -> list[Passage]:
        """The passages of an entry as it stood in `generation`, in the order of its text; for `past` see `_THEN`."""
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT p.id, p.start, p."end", {_ENTRY} {_FROM_PASSAGES}
                    WHERE e.id = :entry AND {_there(past)} ORDER BY p.start""",
                {"entry": entry_id, "generation": generation},
            ).fetchall()
        return [Passage(row[0], _entry(row[3:]), row[1], row[2]) for row in rows]

    def passages(self, ids: Sequence[int]) -> dict[int, Passage]:
        """The passages with these ids, of whatever generation."""
        found: dict[int, Passage] = {}
        with self._reading() as db:
            for some in _batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, p.start, p."end", {_ENTRY} {_FROM_PASSAGES} WHERE p.id IN ({_marks(some)})""", some
                )
                for row in rows:
                    found[row[0]] = Passage(row[0], _entry(row[3:]), row[1], row[2])
        return found

    def entry_keys(self, ids: Sequence[int]) -> dict[int, str]:
        """The key of the entry that each passage belongs to."""
        found: dict[int, str] = {}
        with self._reading() as db:
            for some in _batches(ids):
                rows = db.execute(f"SELECT p.id, e.key {_FROM_PASSAGES} WHERE p.id IN ({_marks(some)})", some)
                found.update(rows)
        return found

    def neighbours(self, ids: Ids, reach: int, generation: int, past: bool = False) -> dict[int, tuple[int, str]]:
        """These passages of `generation` and the nearest `reach` of the same version on either side: version and language."""
        # The passages of a version were numbered one after the other.
        wanted = np.unique(ids[:, np.newaxis] + np.arange(-reach, reach + 1))
        rows: dict[int, tuple[int, str]] = {}
        there = _there(past).replace(":generation", str(int(generation)))
        with self._reading() as db:
            for some in _batches(wanted.tolist()):
                found = db.execute(
                    f"""SELECT p.id, p.version_id, v.lang FROM passages p JOIN versions v ON v.id = p.version_id
                        WHERE p.id IN ({_marks(some)}) AND {there}""",
                    some,
                )
                rows.update((i, (version, lang)) for i, version, lang in found)
        # An engine may be ahead of the generation that is asked about, and show what that does not have.
        near = {(i + step, rows[i][0]) for i in ids.tolist() if i in rows for step in range(-reach, reach + 1)}
        return {i: row for i, row in rows.items() if (i, row[0]) in near}

    def words(self, ids: Sequence[int]) -> dict[int, Codes]:
        """The words of each passage as signs."""
        found: dict[int, Codes] = {}
        with self._reading() as db:
            card = ModelCard.from_json(db.execute("SELECT value FROM meta WHERE key = 'card'").fetchone()[0])
            width = -(-card.dimension // 8)
            for some in _batches(ids):
                rows = db.execute(
                    f"""SELECT p.id, x.words FROM passages p
                        CROSS JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash WHERE p.id IN ({_marks(some)})""",
                    (card.fingerprint, *some),
                )
                found.update((i, np.frombuffer(signs, dtype=np.uint8).reshape(-1, width)) for i, signs in rows)
        return found

    def vectors(self, ids: Sequence[int]) -> tuple[list[str], Vectors]:
        """The languages and vectors of these passages, in the order of their ids; those that have none are missing."""
        langs: list[str] = []
        rows: list[Vectors] = []
        card = self.card()
        with self._reading() as db:
            for some in _batches(sorted(ids)):
                for lang, blob in db.execute(
                    f"""SELECT v.lang, x.vector FROM passages p JOIN versions v ON v.id = p.version_id
                        CROSS JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash
                        WHERE p.id IN ({_marks(some)}) ORDER BY p.id""",
                    (card.fingerprint, *some),
                ):
                    langs.append(lang)
                    rows.append(_vector(blob, card.dimension))
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
        which the condition holds; for `found` see `index.conditions.compiled`.
        """
        where = [_there(past)]
        values: dict[str, Any] = {"generation": generation}
        if window.until is not None:
            where.append("v.published < :until")
            values["until"] = _micros(window.until)
        if window.since is not None:
            # The end of a day is the first moment after it, so it is compared with another bound than a known moment.
            where.append("(v.ends > :since OR (v.ends = :since AND v.precision IS NOT 'day'))")
            values["since"] = _micros(window.since)
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
        tables = _FROM_PASSAGES if wide else "FROM passages p JOIN versions v ON v.id = p.version_id"
        with self._reading() as db:
            rows = db.execute(f"SELECT p.id {tables} WHERE {' AND '.join(where)}", values)
            passing = np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64)
        passing.sort()
        return passing

    def newest_first(self, ids: Ids, k: int | None = None) -> Ids:
        """The `k` of these passages that were published last, in that order, undated ones behind; all of them when it is None.
        Those of one entry stand in the order of its text.
        """
        with self._reading() as db:
            rows = db.execute(
                """SELECT p.id FROM passages p JOIN versions v ON v.id = p.version_id
                   WHERE p.id IN (SELECT value FROM json_each(?))
                   ORDER BY v.published IS NULL, v.published DESC, v.entry_id, p.start, p.id LIMIT ?""",
                (json.dumps(ids.tolist()), -1 if k is None else k),
            )
            return np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64)

    def dated(self, ids: Ids | None, generation: int, past: bool = False) -> list[Dated]:
        """The entries that these passages of `generation` belong to, each with how many of them are its own; of all passages
        when `ids` is None.
        """
        where = _there(past)
        values: dict[str, Any] = {"generation": generation}
        if ids is not None:
            where += " AND p.id IN (SELECT value FROM json_each(:ids))"
            values["ids"] = json.dumps(ids.tolist())
        with self._reading() as db:
            rows = db.execute(
                f"""SELECT v.published, v.tz, v.precision IS 'day', s.name, v.lang, count(*)
                    {_FROM_PASSAGES} WHERE {where} GROUP BY v.id""",
                values,
            ).fetchall()
        return [Dated(*row) for row in rows]

    def has_source(self, part: str) -> bool:
        """Whether the name of any source contains `part`, in whatever case."""
        with self._reading() as db:
            return bool(db.execute("SELECT EXISTS (SELECT 1 FROM sources WHERE has_part(name, ?))", (part,)).fetchone()[0])

    def in_order(self, ids: Ids) -> Ids:
        """These passages in the order in which they were published, undated ones last; those of one moment by source, entry
        and place.
        """
        with self._reading() as db:
            # In JSON they are one value, however many they are.
            rows = db.execute(
                f"""SELECT p.id {_FROM_PASSAGES} WHERE p.id IN (SELECT value FROM json_each(?))
                    ORDER BY v.published IS NULL, v.published, s.name, e.key, v.id, p.start""",
                (json.dumps(ids.tolist()),),
            )
            return np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64)

    # What engines catch up with

    def born(self, after: int, upto: int) -> Iterator[list[Indexed]]:
        """The passages that are there in generation `upto` and were not in `after`, in batches, ids ascending."""
        return self._indexed(f"p.born > {int(after)} AND {_ALIVE.format('p')}", upto)

    def then(self, generation: int) -> Iterator[list[Indexed]]:
        """The passages that were there in an earlier generation, in batches, ids ascending; see `_THEN`."""
        return self._indexed(_THEN, generation)

    def _indexed(self, where: str, generation: int) -> Iterator[list[Indexed]]:
        last = 0
        while True:
            with self._reading() as db:
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
        with self._reading() as db:
            return int(
                db.execute(
                    f"SELECT count(*) FROM passages p WHERE p.born > {int(after)} AND {_ALIVE.format('p')}",
                    {"generation": upto},
                ).fetchone()[0]
            )

    def born_vectors(self, after: int, upto: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        """The ids of the passages of `born` with their languages and vectors, in batches, ids ascending."""
        return self._vectors(f"p.born > {int(after)} AND {_ALIVE.format('p')}", upto)

    def vectors_then(self, generation: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        """The same of the passages of `then`; those that the model of the index has not read are missing."""
        return self._vectors(_THEN, generation)

    def passages_then(self, generation: int) -> int:
        """How many there are."""
        with self._reading() as db:
            return int(
                db.execute(
                    f"SELECT count(*) FROM passages p JOIN versions v ON v.id = p.version_id WHERE {_THEN}",
                    {"generation": generation},
                ).fetchone()[0]
            )

    def any_died(self, generation: int) -> bool:
        """Whether any passage was gone by `generation`."""
        with self._reading() as db:
            row = db.execute("SELECT EXISTS (SELECT 1 FROM passages WHERE died <= ?)", (generation,)).fetchone()
        return bool(row[0])

    def _vectors(self, where: str, generation: int) -> Iterator[tuple[Ids, list[str], Vectors]]:
        card = self.card()
        last = 0
        while True:
            with self._reading() as db:
                # CROSS JOIN keeps SQLite from going through all passages for each vector: it does not know how many there are.
                rows = db.execute(
                    f"""SELECT p.id, v.lang, x.vector FROM passages p JOIN versions v ON v.id = p.version_id
                        CROSS JOIN vectors x ON x.model = :model AND x.hash = p.vector_hash
                        WHERE {where} AND p.id > :last ORDER BY p.id LIMIT 5000""",
                    {"generation": generation, "last": last, "model": card.fingerprint},
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield (
                np.array([i for i, _, _ in rows], dtype=np.int64),
                [lang for _, lang, _ in rows],
                np.stack([_vector(blob, card.dimension) for _, _, blob in rows]),
            )

    def died(self, after: int, upto: int) -> Ids:
        """The ids of the passages that were there in `after` and are not in `upto`, ascending."""
        with self._reading() as db:
            rows = db.execute(
                "SELECT id FROM passages WHERE died > ? AND died <= ? AND born <= ? ORDER BY id", (after, upto, after)
            )
            return np.fromiter(itertools.chain.from_iterable(rows), dtype=np.int64)

    def known_vectors(self, hashes: Iterable[bytes], model: str) -> set[bytes]:
        """Which of these texts have a vector of the model, and words, already."""
        found: set[bytes] = set()
        with self._reading() as db:
            for some in _batches(list(hashes)):
                rows = db.execute(
                    f"SELECT hash FROM vectors WHERE model = ? AND words IS NOT NULL AND hash IN ({_marks(some)})",
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
            with self._reading() as db:
                rows = db.execute(
                    """SELECT id, hash, vector, words FROM vectors
                       WHERE model = ? AND words IS NOT NULL AND id > ? ORDER BY id LIMIT 5000""",
                    (card.fingerprint, last),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            yield {
                key: Encoded(_vector(vector, card.dimension), np.frombuffer(words, dtype=np.uint8).reshape(-1, width))
                for _, key, vector, words in rows
            }

    # Writing

    def commit(self, changes: Changes, card: ModelCard) -> int:
        """Write all of `changes` in one transaction and return the new generation; the moment it becomes visible."""
        with self.writing() as db:
            generation = _next_generation(db)
            for origin in changes.origins:
                db.execute(
                    """INSERT INTO sources (name, origin, tz) VALUES (?, ?, ?)
                       ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, tz = excluded.tz""",
                    (origin.source, origin.path, origin.tz),
                )
            _insert_vectors(db, changes.vectors or {}, card.fingerprint)
            for entry_id in changes.withdrawn:
                _bury(db, entry_id, generation)
            for entry, passages in changes.entries:
                db.execute(
                    """INSERT INTO entries SELECT ?, id, ? FROM sources WHERE name = ? ON CONFLICT DO NOTHING""",
                    (entry.id, entry.key, entry.source),
                )
                _bury(db, entry.id, generation)
                version = _insert_version(db, entry, generation)
                _insert_passages(db, version, passages, generation)
            _stamp(db, generation)
        return generation

    def all_current(self) -> Iterator[tuple[int, Entry]]:
        """Every version that is there now, with its number."""
        return self._versions("v.died IS NULL")

    def all_versions(self) -> Iterator[tuple[int, Entry]]:
        """Every version that there ever was, with its number."""
        return self._versions("TRUE")

    def _versions(self, where: str) -> Iterator[tuple[int, Entry]]:
        last = 0
        while True:
            with self._reading() as db:
                rows = db.execute(
                    f"SELECT v.id, {_ENTRY} {_FROM_VERSIONS} WHERE {where} AND v.id > ? ORDER BY v.id LIMIT 500",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield row[0], _entry(row[1:])

    def is_embedded(self) -> bool:
        """Whether every passage, also of earlier versions, has a vector and words of the model that the index has now."""
        with self._reading() as db:
            row = db.execute(
                f"""SELECT EXISTS (SELECT 1 FROM passages p LEFT JOIN vectors x ON x.model = ? AND x.hash = p.vector_hash
                    WHERE {_LAST} AND x.words IS NULL)""",
                (self.card().fingerprint,),
            ).fetchone()
        return not row[0]

    def add_vectors(self, vectors: Mapping[bytes, Encoded], model: str) -> None:
        """Keep vectors and words under the hashes of their texts; those that are there already stay."""
        with self.writing() as db:
            _insert_vectors(db, vectors, model)

    def replace_passages(self, passages: Iterable[tuple[int, Sequence[NewPassage]]], card: ModelCard, space: Space) -> int:
        """Give versions other passages, made for another model, with its card and space; one transaction.

        A version that is no longer there gets some too, to be found by as what was known at its time.
        """
        with self.writing() as db:
            generation = _next_generation(db)
            db.execute("UPDATE passages SET died = ? WHERE died IS NULL", (generation,))
            for version, some in passages:
                _insert_passages(db, version, some, generation)
            db.execute(
                """UPDATE passages SET died = :generation
                   WHERE born = :generation AND version_id IN (SELECT id FROM versions WHERE died IS NOT NULL)""",
                {"generation": generation},
            )
            db.execute("UPDATE meta SET value = ? WHERE key = 'card'", (card.to_json(),))
            db.execute(
                "INSERT INTO meta VALUES ('space', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value",
                (space.to_json(),),
            )
            _stamp(db, generation)
        return generation


_ALIVE = "{0}.born <= :generation AND ({0}.died IS NULL OR {0}.died > :generation)"
_LAST = "p.born = (SELECT max(last.born) FROM passages last WHERE last.version_id = p.version_id)"
_THEN = f"{_ALIVE.format('v')} AND {_LAST}"
"""Of an earlier generation are the versions that were there, and of each the last passages that it got: when an index is given
another model, every version gets passages for that one, and the others cannot be compared with its questions."""
_ENTRY = "s.name, e.key, v.title, v.text, v.lang, v.published, v.tz, v.precision, v.clock, v.url"
_FROM_VERSIONS = "FROM versions v JOIN entries e ON e.id = v.entry_id JOIN sources s ON s.id = e.source_id"
_FROM_PASSAGES = (
    "FROM passages p JOIN versions v ON v.id = p.version_id JOIN entries e ON e.id = v.entry_id "
    "JOIN sources s ON s.id = e.source_id"
)


def _there(past: bool) -> str:
    return _THEN if past else _ALIVE.format("p")


def _next_generation(db: sqlite3.Connection) -> int:
    generation = int(db.execute("SELECT max(number) FROM generations").fetchone()[0]) + 1
    db.execute("INSERT INTO generations VALUES (?, 0)", (generation,))
    return generation


def _stamp(db: sqlite3.Connection, generation: int) -> None:
    """Write down when a generation came to be: last, as near to the moment at which it can be seen as may be.

    A clock that was set back must not let a generation come before the one that it follows.
    """
    db.execute(
        "UPDATE generations SET committed = max(?, (SELECT committed + 1 FROM generations WHERE number = ?)) WHERE number = ?",
        (time.time_ns() // 1000, generation - 1, generation),
    )


def _bury(db: sqlite3.Connection, entry_id: str, generation: int) -> None:
    for (version,) in db.execute("SELECT id FROM versions WHERE entry_id = ? AND died IS NULL", (entry_id,)).fetchall():
        db.execute("UPDATE versions SET died = ? WHERE id = ?", (generation, version))
        db.execute("UPDATE passages SET died = ? WHERE version_id = ? AND died IS NULL", (generation, version))


def _insert_version(db: sqlite3.Connection, entry: Entry, generation: int) -> int:
    cursor = db.execute(
        """INSERT INTO versions
           (entry_id, title, text, lang, url, published, ends, tz, precision, clock, content_hash, born)
           VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
        (
            entry.id,
            entry.title,
            entry.text,
            entry.lang,
            entry.url,
            _micros(entry.published),
            _micros(entry.ends),
            dates.zone_name(entry.published.tzinfo) if entry.published else None,
            entry.precision,
            entry.clock.isoformat() if entry.clock else None,
            entry.content_hash,
            generation,
        ),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _insert_passages(db: sqlite3.Connection, version: int, passages: Sequence[NewPassage], generation: int) -> None:
    db.executemany(
        'INSERT INTO passages (version_id, start, "end", vector_hash, born) VALUES (?, ?, ?, ?, ?)',
        [(version, passage.start, passage.end, passage.vector_hash, generation) for passage in passages],
    )


def _insert_vectors(db: sqlite3.Connection, vectors: Mapping[bytes, Encoded], model: str) -> None:
    """Half precision keeps four digits of a cosine, more than 8-bit weights have."""
    db.executemany(
        """INSERT INTO vectors (model, hash, vector, words) VALUES (?, ?, ?, ?)
           ON CONFLICT (model, hash) DO UPDATE SET vector = excluded.vector, words = excluded.words WHERE words IS NULL""",
        [(model, key, one.vector.astype("<f2").tobytes(), one.words.tobytes()) for key, one in vectors.items()],
    )


def _vector(blob: bytes, dimension: int) -> Vectors:
    """A vector as it is kept: in half precision, or in single precision by an earlier release."""
    return np.frombuffer(blob, dtype="<f2" if len(blob) == 2 * dimension else "<f4").astype(np.float32)


def _entry(row: Sequence[Any]) -> Entry:
    source, key, title, text, lang, published, tz, precision, clock, url = row
    return Entry(
        source=source,
        key=key,
        title=title,
        text=text,
        lang=lang,
        published=_moment(published, tz),
        precision=precision,
        clock=clock_time.fromisoformat(clock) if clock else None,
        url=url,
    )


def _micros(moment: datetime | None) -> int | None:
    return None if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)


def _moment(micros: int | None, tz: str | None) -> datetime | None:
    return None if micros is None else (_EPOCH + timedelta(microseconds=micros)).astimezone(dates.zone(tz or "UTC"))


def _batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for at in range(0, len(values), _BATCH):
        yield values[at : at + _BATCH]


def _marks(values: Sequence[Any]) -> str:
    return ",".join("?" * len(values))


@contextlib.contextmanager
def _storage_errors(path: Path) -> Iterator[None]:
    """SQLite's failures as ours, each with what to do about it."""
    try:
        yield
    except FilrougeError:
        raise
    except sqlite3.Error as error:
        text = str(error)
        if "disk is full" in text or "disk I/O error" in text:
            why = f"{text}; free some space and run the same command again: nothing of the unfinished step was kept"
        elif "readonly" in text or "unable to open" in text:
            why = f"{text}; check that the folder exists and may be written"
        elif "not a database" in text or "malformed" in text:
            raise NotAnIndex(f"{path} is damaged or not an index: {text}") from error
        else:
            why = text
        raise StorageError(f"the index {path.parent}: {why}") from error
