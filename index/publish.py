"""A folder's index -> a Milvus server: what changed since the last time is written there, and then seen at once.

The store stays what is true, and the only place that is written to; a server holds generations of it. Rows are written in the
order of versions, each time as they stand, so that a run that was killed is gone on with, or begun anew, and comes to the same.
What it had written is seen by nobody: the last thing that is written is which generation readers see.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from index import lock
from index.cluster_catalogue import CARD, CATALOGUE, CATALOGUES, CURRENT, GENERATION, SPACE, read_meta
from index.cluster_reader import MEAN
from index.cluster_rows import (
    COLLECTIONS,
    META,
    NEVER,
    READINGS,
    VERSIONS,
    counted,
    meta_rows,
    passage_row,
    passages_of,
    reading_rows,
    version_rows,
)
from index.errors import ModelMismatch, NotAnIndex, StorageError
from index.milvus import Milvus, Row, Server
from index.records import Entry
from index.rows import ENTRY, FROM_VERSIONS, LAST, Encoded, entry_of, micros_of, vector_of
from index.store import Store

PROGRESS = "progress"
_TOGETHER = 200
"""Versions that are written before it is noted how far they go."""
_SAMPLE = 1000
"""Versions that the mean length is taken over."""

Prove = Callable[[int], None]
Progress = Callable[[int], None]
"""Called from time to time with how many passages were written so far."""


@dataclass(frozen=True)
class Life:
    """A version with its passages, and from which generation to which it was there; `died` is NEVER where it still is."""

    version: int
    entry: Entry
    published: int | None
    ends: int | None
    tz: str | None
    born: int
    died: int
    passages: Sequence[tuple[int, int, int, bytes]]
    """Of each its id, start, end, and the hash that its vector is kept under."""


def publish(folder: Path, server: Server, progress: Progress | None = None, prove: Prove | None = None, shards: int = 1) -> int:
    """Bring the server to the newest generation of the index in `folder`, and return its number. `prove` is called with it when
    all is written and nothing is seen yet: what it raises keeps that so. `shards` counts when the collections are made.

    Raises `StorageError` for a server that is away, slow or too old, `NotAnIndex` for one that holds something else or another
    history of this index, and `ModelMismatch` for an index that was embedded anew since.
    """
    with Store.open(folder) as store, lock.writing(folder), Milvus(server) as milvus:
        milvus.require_sparse()
        upto = store.generation()
        if upto == 0:
            raise StorageError(f"the index {folder} is empty: there is nothing to publish")
        current = _prepared(store, milvus, shards)
        if current < upto:
            _write(store, milvus, current, upto, progress or (lambda count: None))
        if prove:
            prove(upto)
        if current < upto:
            milvus.write(META, meta_rows(CURRENT, upto))
            milvus.delete(META, f'key == "{PROGRESS}"')
            _forget(milvus, upto)
        return upto


def _prepared(store: Store, milvus: Milvus, shards: int) -> int:
    """The generation that readers of the server see, after whatever has to be there for it to hold one."""
    identity, card, space = store.identity(), store.card(), store.space()
    store.require(card)
    assert space is not None  # which the store has just been asked
    collections = (VERSIONS, READINGS, passages_of(card.dimension), META)
    there = {name: milvus.identity(name) for name in COLLECTIONS}
    for name, own in there.items():
        if own not in (None, identity):
            raise NotAnIndex(
                f"the collection '{name}' of {milvus.server} belongs to another index: name another database behind the "
                "address, as http://host:19530/second"
            )
    if there[META.name] and not milvus.loaded(META):
        milvus.create(META, identity, shards)
    known = read_meta(milvus, CARD) if there[META.name] else None
    if known is not None and type(card).from_json(str(known)).fingerprint != card.fingerprint:
        raise ModelMismatch(_anew(milvus))
    for collection in collections:
        # Without a card, whoever made them may have been killed.
        if known is None or there[collection.name] is None:
            milvus.create(collection, identity, shards)
    if known is None:
        for key, value in ((SPACE, space.to_json()), (MEAN, _mean(store)), (CARD, card.to_json())):
            milvus.write(META, meta_rows(key, value))
    current = int(read_meta(milvus, CURRENT) or 0)
    if current:
        _check_history(store, milvus, current)
    return current


def _check_history(store: Store, milvus: Milvus, current: int) -> None:
    committed = read_meta(milvus, f"{GENERATION}@{current}")["committed"]
    if current > store.generation() or committed != micros_of(store.committed(current)):
        raise NotAnIndex(
            f"the server {milvus.server} holds generation {current} of another copy of this index, which was written to since "
            "the two were one: publish from that copy, or to another database"
        )
    with store.reading() as db:
        row = db.execute(
            f"""SELECT EXISTS (SELECT 1 FROM passages p JOIN versions v ON v.id = p.version_id
                WHERE p.born > ? AND v.born <= ? AND {LAST})""",
            (current, current),
        ).fetchone()
    if row[0]:
        raise ModelMismatch(_anew(milvus))


def _anew(milvus: Milvus) -> str:
    return (
        f"the index was embedded anew since it was published to {milvus.server}: publish it to another database, as "
        "http://host:19530/second, and drop the old one when nothing reads it any more"
    )


def _write(store: Store, milvus: Milvus, current: int, upto: int, progress: Progress) -> None:
    """All rows of the generations behind `current`, up to `upto`."""
    done: Mapping[str, int] = read_meta(milvus, PROGRESS) or {"upto": 0, "version": 0}
    space, mean = store.space(), float(read_meta(milvus, MEAN))
    assert space is not None
    passages, written = passages_of(store.card().dimension), 0
    grown: dict[int, Counter[str]] = {number: Counter() for number in range(current + 1, upto + 1)}
    for lives in _lives(store, current, upto):
        # What an earlier run wrote stands as it was then: what has died since is written again.
        some = [life for life in lives if life.version > done["version"] or done["upto"] < life.died <= upto]
        readings = _readings(store, [hash_ for life in some for *_, hash_ in life.passages])
        rows: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
        for life in lives:
            _count(grown, life)
        for life in some:
            times = (life.published, life.ends, life.tz)
            rows[0].extend(version_rows(life.version, life.entry, *times, len(life.passages), life.born, life.died))
            for i, start, end, vector_hash in life.passages:
                span, alive, reading = (start, end), (life.born, life.died), readings[vector_hash]
                rows[1].append(passage_row(i, life.version, life.entry, span, alive, times, reading, vector_hash, space, mean))
                if life.born > current:
                    rows[2].extend(reading_rows(i, reading))
        for collection, some_rows in zip((VERSIONS, passages, READINGS), rows, strict=True):
            milvus.write(collection, some_rows)
        if lives[-1].version > done["version"]:
            # Not before all that an earlier run wrote has been gone over: what died of it would be forgotten.
            milvus.write(META, meta_rows(PROGRESS, {"upto": upto, "version": lives[-1].version}))
        written += len(rows[1])
        progress(written)
    _stamp(store, milvus, current, upto, grown)


def _count(grown: dict[int, Counter[str]], life: Life) -> None:
    """Add a version to the generation that it was born in, and take it from the one that it died in."""
    text = life.entry.text
    terms = sum(sum(counted(life.entry.title, text[start:end], life.entry.lang).values()) for _, start, end, _ in life.passages)
    for number, sign in ((life.born, 1), (life.died, -1)):
        if number in grown:
            grown[number].update({"entries": sign, "passages": sign * len(life.passages), "terms": sign * terms})


def _stamp(store: Store, milvus: Milvus, current: int, upto: int, grown: Mapping[int, Counter[str]]) -> None:
    """What is known of the generations, and of the sources of the last one."""
    known = read_meta(milvus, f"{GENERATION}@{current}") if current else {}
    totals = Counter({name: int(known.get(name, 0)) for name in ("entries", "passages", "terms")})
    rows: list[Row] = []
    for number in range(current + 1, upto + 1):
        totals.update(grown[number])
        rows += meta_rows(f"{GENERATION}@{number}", {**totals, "committed": micros_of(store.committed(number))})
    milvus.write(META, [*rows, *meta_rows(f"{CATALOGUE}@{upto}", _catalogue(store, upto))])


def _catalogue(store: Store, generation: int) -> list[dict[str, Any]]:
    """What is known of every source that there was up to a generation, by name."""
    now, kept = {one.name: one for one in store.sources(generation)}, store.holdings(generation)
    with store.reading() as db:
        rows = db.execute(
            f"SELECT s.name, s.origin, s.tz, min(v.born) {FROM_VERSIONS} WHERE v.born <= ? GROUP BY s.id ORDER BY s.name",
            (generation,),
        ).fetchall()
    return [
        {
            "name": name,
            "origin": origin,
            "tz": tz,
            "born": born,
            "since": micros_of(kept[name].since),
            "bytes": kept[name].bytes,
            "entries": now[name].entries if name in now else 0,
            "passages": now[name].passages if name in now else 0,
            "languages": now[name].languages if name in now else [],
            "first": micros_of(now[name].first) if name in now else None,
            "last": micros_of(now[name].last) if name in now else None,
        }
        for name, origin, tz, born in rows
    ]


def _forget(milvus: Milvus, upto: int) -> None:
    """Delete the lists of sources that no reader has any use for."""
    old = [f"{CATALOGUE}@{number}" for number in range(max(1, upto - 4 * CATALOGUES), upto - CATALOGUES + 1)]
    for key in old:
        milvus.delete(META, f'key == "{key}" or key like "{key}/%"')


def _lives(store: Store, after: int, upto: int) -> Iterator[list[Life]]:
    """The versions that were born or died behind `after`, as they stood in `upto`, in their order; a few at a time."""
    last = 0
    while True:
        with store.reading() as db:
            rows = db.execute(
                f"""SELECT v.id, v.published, v.ends, v.tz, v.born, v.died, {ENTRY} {FROM_VERSIONS}
                    WHERE v.id > :last AND v.born <= :upto AND (v.born > :after OR (v.died > :after AND v.died <= :upto))
                    ORDER BY v.id LIMIT :most""",
                {"last": last, "after": after, "upto": upto, "most": _TOGETHER},
            ).fetchall()
            if not rows:
                return
            versions = [row[0] for row in rows]
            cut: dict[int, list[tuple[int, int, int, bytes]]] = {version: [] for version in versions}
            for version, *passage in db.execute(
                f"""SELECT p.version_id, p.id, p.start, p."end", p.vector_hash FROM passages p
                    WHERE p.version_id IN ({",".join(map(str, versions))}) AND {LAST} ORDER BY p.id"""
            ):
                cut[version].append((passage[0], passage[1], passage[2], passage[3]))
        last = versions[-1]
        yield [
            Life(version, entry_of(entry), published, ends, tz, born, died if died and died <= upto else NEVER, cut[version])
            for version, published, ends, tz, born, died, *entry in rows
        ]


def _readings(store: Store, hashes: Sequence[bytes]) -> dict[bytes, Encoded]:
    """What the model made of these texts. Raises `StorageError` where it has not read one."""
    card = store.card()
    width = -(-card.dimension // 8)
    found: dict[bytes, Encoded] = {}
    wanted = sorted({*hashes})
    with store.reading() as db:
        for at in range(0, len(wanted), 500):
            some = wanted[at : at + 500]
            for key, vector, words in db.execute(
                f"SELECT hash, vector, words FROM vectors WHERE model = ? AND hash IN ({','.join('?' * len(some))})",
                (card.fingerprint, *some),
            ):
                if words is not None:
                    codes = np.frombuffer(words, dtype=np.uint8).reshape(-1, width)
                    found[key] = Encoded(vector_of(vector, card.dimension), codes)
    if len(found) < len(wanted):
        raise StorageError(
            f"{len(wanted) - len(found)} passages were embedded with another model only: embed the history of the index "
            "with filrouge repair, and publish it again"
        )
    return found


def _mean(store: Store) -> float:
    """How many terms a passage has, of some all over the index."""
    with store.reading() as db:
        (most,) = db.execute("SELECT max(id) FROM versions").fetchone()
        rows = db.execute(
            f'SELECT v.title, v.lang, substr(v.text, p.start + 1, p."end" - p.start) FROM versions v '
            f"JOIN passages p ON p.version_id = v.id WHERE v.id % ? = 0 AND {LAST} LIMIT 5000",
            (max(1, most // _SAMPLE),),
        ).fetchall()
    lengths = [sum(counted(title, text, lang).values()) for title, lang, text in rows]
    return max(1.0, sum(lengths) / max(1, len(lengths)))
