"""What the rows of the database hold, and what becomes of them: the shapes in which they are read and written."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from datetime import time as clock_time
from typing import Any

import numpy as np

from embed.encoder import Vectors
from index import dates
from index.errors import InvalidRequest, StorageError
from index.records import Entry, Ids
from index.space import Codes

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH = 500
"""Values bound to one statement; SQLite allows more, in builds that we do not choose."""
ALIVE = "{0}.born <= :generation AND ({0}.died IS NULL OR {0}.died > :generation)"
_LAST = "{0}.born = (SELECT max(last.born) FROM passages last WHERE last.version_id = {0}.version_id)"
_THEN = f"{ALIVE.format('v')} AND {_LAST}"
LAST, THEN = _LAST.format("p"), _THEN.format("p")
"""Of an earlier generation are the versions that were there, and of each the last passages that it got: when an index is given
another model, every version gets passages for that one, and the others cannot be compared with its questions."""
ENTRY = "s.name, e.key, v.title, v.text, v.lang, v.published, v.tz, v.precision, v.clock, v.url, v.content_hash"
FROM_VERSIONS = "FROM versions v JOIN entries e ON e.id = v.entry_id JOIN sources s ON s.id = e.source_id"
FROM_PASSAGES = (
    "FROM passages p JOIN versions v ON v.id = p.version_id JOIN entries e ON e.id = v.entry_id "
    "JOIN sources s ON s.id = e.source_id"
)


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
class Encoded:
    """What is kept of the model's reading of a passage: its vector, of length 1, and its words (`Space.codes`)."""

    vector: Vectors
    words: Codes


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


def present(past: bool, passage: str = "p") -> str:
    """The condition for a passage `p`, or what else it is called, of a version `v` to be there in `:generation`; `past` when
    that is an earlier one.
    """
    return (_THEN if past else ALIVE).format(passage)


def counted(db: sqlite3.Connection, table: str, generation: int) -> int:
    """How many rows of a table a reader of `generation` sees."""
    # Two numbers out of indexes; going through the rows takes four times as long.
    row = db.execute(
        f"""SELECT (SELECT count(*) FROM {table} WHERE born <= :generation)
                 - (SELECT count(*) FROM {table} WHERE died <= :generation)""",
        {"generation": generation},
    ).fetchone()
    return int(row[0])


def vector_of(blob: bytes, dimension: int) -> Vectors:
    """A vector as it is kept: in half precision, or in single precision by an earlier release."""
    return np.frombuffer(blob, dtype="<f2" if len(blob) == 2 * dimension else "<f4").astype(np.float32)


def entry_with(values: Sequence[Any]) -> Entry:
    """The entry with these values, as they are kept: those of the columns `ENTRY` but for the last, its content hash."""
    source, key, title, text, lang, published, tz, precision, clock, url = values
    return Entry(
        source=source,
        key=key,
        title=title,
        text=text,
        lang=lang,
        published=moment_of(published, tz),
        precision=precision,
        clock=clock_time.fromisoformat(clock) if clock else None,
        url=url,
    )


def entry_of(row: Sequence[Any]) -> Entry:
    """The entry in a row of the columns `ENTRY`. Raises `StorageError` unless it has the content hash that was kept with it."""
    *values, kept = row
    try:
        entry = entry_with(values)
        whole = entry.content_hash == kept
    except (ValueError, TypeError, AttributeError, OverflowError, InvalidRequest):
        # A number where a text was, a zone that is none: SQLite keeps whatever its bytes say.
        whole = False
    if not whole:
        raise StorageError(
            f"an entry of the index is damaged, and not what was written: '{values[1]}' of '{values[0]}'; filrouge verify says "
            "what else is, and filrouge restore brings a backup back"
        )
    return entry


def micros_of(moment: datetime | None) -> int | None:
    """A moment in microseconds since 1970 UTC, as it is kept.

    >>> micros_of(datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC))
    1000000
    """
    return None if moment is None else (moment - EPOCH) // timedelta(microseconds=1)


def moment_of(micros: int | None, tz: str | None) -> datetime | None:
    """The moment that is kept so, in the zone of that name; UTC when there is none."""
    return None if micros is None else (EPOCH + timedelta(microseconds=micros)).astimezone(dates.zone(tz or "UTC"))


def batches(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The values in the same order, as many at once as one statement takes."""
    for at in range(0, len(values), _BATCH):
        yield values[at : at + _BATCH]


def marks(values: Sequence[Any]) -> str:
    """The question marks that values are bound to.

    >>> marks(["a", "b"])
    '?,?'
    """
    return ",".join("?" * len(values))


def beside(ids: Ids, rows: Mapping[int, tuple[int, str]], reach: int) -> dict[int, tuple[int, str]]:
    """Those of `rows`, passages with their version and language, that are among `ids` or within `reach` of one of them that is
    of the same version. What is not in `rows` is not there: an engine may be ahead of the generation that is asked about.

    >>> beside(np.array([2, 9]), {1: (7, "fr"), 2: (7, "fr"), 3: (7, "fr"), 4: (7, "fr"), 5: (8, "en")}, 1)
    {1: (7, 'fr'), 2: (7, 'fr'), 3: (7, 'fr')}
    """
    there = np.array(sorted(rows), dtype=np.int64)
    asked = np.intersect1d(ids, there)
    if len(asked) == 0:
        return {}
    versions = np.array([rows[i][0] for i in there.tolist()], dtype=np.int64)
    near = np.zeros(len(there), dtype=bool)
    # The passages of a version stand side by side, so that the nearest of `ids` on either side are of it, if any is.
    for place in (np.searchsorted(asked, there, side="right") - 1, np.searchsorted(asked, there)):
        one = asked[np.clip(place, 0, len(asked) - 1)]
        near |= (np.abs(one - there) <= reach) & (versions[np.searchsorted(there, one)] == versions)
    return {i: rows[i] for i in there[near].tolist()}
