"""What there is in an index: its generations, sources, entries, and what these said before."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from index.database import Database
from index.errors import InvalidRequest, NotFound
from index.records import Entry, Version
from index.rows import (
    ALIVE,
    ENTRY,
    EPOCH,
    FROM_VERSIONS,
    Holding,
    Source,
    batches,
    counted,
    entry_of,
    marks,
    micros_of,
    moment_of,
)

_MINUTE = 60_000_000


class Catalogue(Database):
    """Reading generations, sources, entries and versions."""

    # Of the generation that was asked about last, with its number: what one has never changes, and every search asks.
    _committed: tuple[int, datetime] = (-1, EPOCH)
    _counts: tuple[int, tuple[int, int]] = (-1, (0, 0))

    def generation(self) -> int:
        """The number of the newest commit; 0 is the empty index."""
        with self.reading() as db:
            return int(db.execute("SELECT max(number) FROM generations").fetchone()[0])

    def committed(self, generation: int) -> datetime:
        """When a generation came to be."""
        number, moment = self._committed
        if number != generation:
            with self.reading() as db:
                row = db.execute("SELECT committed FROM generations WHERE number = ?", (generation,)).fetchone()
            moment = moment_of(row[0], "UTC") or EPOCH
            self._committed = generation, moment
        return moment

    def generation_at(self, moment: datetime) -> int:
        """The generation that was the newest at `moment`. Raises `InvalidRequest` before the first, and for what is to come."""
        with self.reading() as db:
            row = db.execute(
                """SELECT (SELECT max(number) FROM generations WHERE committed <= ? AND number > 0),
                          (SELECT committed FROM generations WHERE number = 1), max(committed) FROM generations""",
                (micros_of(moment),),
            ).fetchone()
        return generation_known(moment, int(row[0] or 0), moment_of(row[1], "UTC"), moment_of(row[2], "UTC"))

    def counts(self, generation: int) -> tuple[int, int]:
        """How many entries and passages a reader of `generation` sees."""
        number, found = self._counts
        if number != generation:
            with self.reading() as db:
                found = counted(db, "versions", generation), counted(db, "passages", generation)
            self._counts = generation, found
        return found

    def zone(self, generation: int | None = None) -> str:
        """The time zone that most sources are in, of those that there were in `generation`; UTC when there is none."""
        with self.reading() as db:
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
        with self.reading() as db:
            row = db.execute(
                f"""SELECT max(CASE v.precision WHEN 'day' THEN v.ends - 1 ELSE v.published + :minute END)
                    FROM versions v WHERE {ALIVE.format("v")}""",
                {"generation": generation, "minute": _MINUTE},
            ).fetchone()
        return moment_of(row[0], "UTC")

    def sources(self, generation: int) -> list[Source]:
        """Every source with an entry in `generation`, by name."""
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT s.name, count(*), group_concat(DISTINCT v.lang), min(v.published), max(v.published), s.tz,
                       sum((SELECT count(*) FROM passages p WHERE p.version_id = v.id AND {ALIVE.format("p")}))
                    FROM versions v JOIN entries e ON e.id = v.entry_id JOIN sources s ON s.id = e.source_id
                    WHERE {ALIVE.format("v")} GROUP BY s.id ORDER BY s.name""",
                {"generation": generation},
            ).fetchall()
        return [
            Source(name, entries, passages, tuple(sorted(langs.split(","))), moment_of(first, tz), moment_of(last, tz))
            for name, entries, langs, first, last, tz, passages in rows
        ]

    def holdings(self, generation: int) -> dict[str, Holding]:
        """What is kept in `generation` of every source that it ever had, by name."""
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT s.name, min(b.committed),
                       sum(CASE WHEN {ALIVE.format("v")} THEN length(CAST(v.title || v.text AS BLOB)) ELSE 0 END)
                    {FROM_VERSIONS} JOIN generations b ON b.number = v.born
                    WHERE v.born <= :generation GROUP BY s.id""",
                {"generation": generation},
            ).fetchall()
        return {name: Holding(moment_of(since, "UTC") or EPOCH, size) for name, since, size in rows}

    def current(self, source: str, keys: Sequence[str]) -> dict[str, bytes]:
        """The content hash of the newest version of each entry of `source` that is there, by key."""
        found: dict[str, bytes] = {}
        with self.reading() as db:
            for some in batches(keys):
                rows = db.execute(
                    f"""SELECT e.key, v.content_hash FROM sources s JOIN entries e ON e.source_id = s.id
                        JOIN versions v ON v.entry_id = e.id AND v.died IS NULL
                        WHERE s.name = ? AND e.key IN ({marks(some)})""",
                    (source, *some),
                )
                found.update(rows)
        return found

    def keys(self, source: str) -> dict[str, str]:
        """The key of every entry of `source` that is there now -> its id."""
        with self.reading() as db:
            rows = db.execute(
                """SELECT e.key, e.id FROM sources s JOIN entries e ON e.source_id = s.id
                   JOIN versions v ON v.entry_id = e.id AND v.died IS NULL WHERE s.name = ?""",
                (source,),
            ).fetchall()
        return dict(rows)

    def published(self, source: str, keys: Sequence[str]) -> dict[str, datetime | None]:
        """When each of these entries of `source` was published, by key; of those that are there now."""
        found: dict[str, datetime | None] = {}
        with self.reading() as db:
            for some in batches(keys):
                rows = db.execute(
                    f"""SELECT e.key, v.published, v.tz FROM sources s JOIN entries e ON e.source_id = s.id
                        JOIN versions v ON v.entry_id = e.id AND v.died IS NULL
                        WHERE s.name = ? AND e.key IN ({marks(some)})""",
                    (source, *some),
                )
                found.update((key, moment_of(published, tz)) for key, published, tz in rows)
        return found

    def origin(self, source: str) -> str | None:
        """The file that `source` was last read from; None when the index does not have it."""
        with self.reading() as db:
            row = db.execute("SELECT origin FROM sources WHERE name = ?", (source,)).fetchone()
        return str(row[0]) if row else None

    def entry(self, entry_id: str, generation: int) -> Entry:
        """The entry as it stood in `generation`. Raises `NotFound`, which says so where it stood there at another time."""
        with self.reading() as db:
            row = db.execute(
                f"SELECT {ENTRY} {FROM_VERSIONS} WHERE e.id = :entry AND {ALIVE.format('v')}",
                {"entry": entry_id, "generation": generation},
            ).fetchone()
            known = row or db.execute("SELECT 1 FROM entries WHERE id = ?", (entry_id,)).fetchone()
        if row is None:
            raise not_there(entry_id, known is not None)
        return entry_of(row)

    def around(self, entry: Entry, generation: int, reach: int) -> tuple[list[Entry], list[Entry]]:
        """The nearest `reach` entries of the same source on either side, as they stood in `generation`, oldest first.

        They follow one another by their times, and where these are the same, in the order in which they were read.
        """
        place = "(ifnull(v.published, 0), ifnull(v.clock, ''), v.id)"
        found = []
        with self.reading() as db:
            (own,) = db.execute(
                "SELECT max(v.id) FROM versions v WHERE v.entry_id = :entry AND v.born <= :generation",
                {"entry": entry.id, "generation": generation},
            ).fetchone()
            clock = entry.clock.isoformat() if entry.clock else ""
            here = {"published": micros_of(entry.published) or 0, "clock": clock, "id": own, "source": entry.source}
            for than, order in (("<", "DESC"), (">", "ASC")):
                rows = db.execute(
                    f"""SELECT {ENTRY} {FROM_VERSIONS}
                        WHERE s.name = :source AND {ALIVE.format("v")} AND {place} {than} (:published, :clock, :id)
                        ORDER BY ifnull(v.published, 0) {order}, ifnull(v.clock, '') {order}, v.id {order} LIMIT :reach""",
                    {**here, "generation": generation, "reach": reach},
                ).fetchall()
                found.append([entry_of(row) for row in rows])
        return found[0][::-1], found[1]

    def latest(self, generation: int, most: int) -> list[Entry]:
        """The entries of `generation` that were published last, the newest first."""
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT {ENTRY} {FROM_VERSIONS} WHERE v.id IN (
                        SELECT v.id FROM versions v WHERE {ALIVE.format("v")} ORDER BY v.published DESC, v.id LIMIT :most
                    ) ORDER BY v.published DESC, v.id""",
                {"generation": generation, "most": most},
            ).fetchall()
        return [entry_of(row) for row in rows]

    def source_names(self) -> list[str]:
        """The name of every source that was ever read."""
        with self.reading() as db:
            return [name for (name,) in db.execute("SELECT name FROM sources ORDER BY name")]

    def versions(self, entry_id: str, generation: int) -> list[Version]:
        """What an entry said up to `generation`, oldest first, whether or not it is still there. Raises `NotFound`."""
        with self.reading() as db:
            rows = db.execute(
                f"""SELECT v.born, b.committed, v.died, d.committed, {ENTRY} {FROM_VERSIONS}
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
                entry_of(row[4:]),
                row[0],
                moment_of(row[1], "UTC") or EPOCH,
                moment_of(row[3], "UTC"),
                row[3] is not None and row[2] not in followers,
            )
            for number, row in enumerate(rows, start=1)
        ]

    def has_source(self, part: str) -> bool:
        """Whether the name of any source contains `part`, in whatever case."""
        with self.reading() as db:
            return bool(db.execute("SELECT EXISTS (SELECT 1 FROM sources WHERE has_part(name, ?))", (part,)).fetchone()[0])

    def all_current(self) -> Iterator[tuple[int, Entry]]:
        """Every version that is there now, with its number."""
        return self._versions("v.died IS NULL")

    def all_versions(self) -> Iterator[tuple[int, Entry]]:
        """Every version that there ever was, with its number."""
        return self._versions("TRUE")

    def _versions(self, where: str) -> Iterator[tuple[int, Entry]]:
        last = 0
        while True:
            with self.reading() as db:
                rows = db.execute(
                    f"SELECT v.id, {ENTRY} {FROM_VERSIONS} WHERE {where} AND v.id > ? ORDER BY v.id LIMIT 500",
                    (last,),
                ).fetchall()
            if not rows:
                return
            last = rows[-1][0]
            for row in rows:
                yield row[0], entry_of(row[1:])


def generation_known(moment: datetime, found: int, first: datetime | None, last: datetime | None) -> int:
    """The generation `found` as the newest at `moment`, where the first and the last came to be then. Raises `InvalidRequest`
    before the first, and for what is to come.
    """
    shown = moment.isoformat()
    if found == 0 or first is None:
        began = f"it holds what was known from {first.isoformat()} on" if first else "it is empty"
        raise InvalidRequest(f"the index did not exist at {shown}: {began}", "as_of")
    # The last may be ahead of a clock that was set back.
    if moment > max(datetime.now(UTC), last or first):
        raise InvalidRequest(f"{shown} is still to come, and what will be known then is not known", "as_of")
    return found


def not_there(entry_id: str, known: bool) -> NotFound:
    """What is said of an entry that a generation does not have; `known` when another one does."""
    return NotFound(
        f"the entry '{entry_id}' is not in the index at this time; its versions say when it was"
        if known
        else f"no entry '{entry_id}' in this index"
    )
