"""What must hold of an index whatever happened to it: it is whole, and finds what exact search finds."""

import json
import os
import select
import signal
import sqlite3
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

# What a fork would import each time.
import numpy.ma
import numpy.random

from embed.encoder import Vectors
from embed.hashing import HashingEncoder
from index.engine import ExactTerms, ExactVectors, VectorView
from index.phrases import plain_forms
from index.reader import Reader, searchable
from index.terms import question_terms
from index.vectors import FaissView
from index.verify import verify

QUESTIONS = ("Que dit le Kremlin ?", "drone abattu numéro 7", "What did Kyiv say?")
PHRASES = ("le kremlin", "drone abattu")


def require_exact(folder: Path) -> dict[str, str]:
    """Open the index, compare what it finds with exact search over its own rows, and verify it.

    Returns the content hash of every entry that is there, by its id; raises `AssertionError` where anything is wrong.
    """
    encoder = HashingEncoder()
    with Reader(folder, encoder.card) as reader:
        snapshot, store = reader.snapshot(), reader.store
        generation = store.generation()
        assert snapshot.generation == generation
        vectors, terms = ExactVectors(encoder.card.dimension), ExactTerms()
        for ids, langs, rows in store.born_vectors(-1, generation):
            vectors.add(ids, snapshot.space.passages(rows, langs))
        for batch in store.born(-1, generation):
            terms.add(*searchable(batch))
        vectors.commit(generation)
        terms.commit(generation)
        every = len(terms.view())
        for question in QUESTIONS:
            vector = snapshot.space.question(encoder.encode_query(question), "fr")
            require_near(snapshot.vectors, vectors.view(), vector, every)
            wanted = question_terms(question, "fr")
            found, expected = (dict(view.matching(wanted, every)) for view in (snapshot.terms, terms.view()))
            assert found.keys() == expected.keys(), question
        for phrase in PHRASES:
            words = plain_forms(phrase)
            assert snapshot.terms.saying(words, "text").tolist() == terms.view().saying(words, "text").tolist(), phrase
        current = {entry.id: entry.content_hash.hex() for _, entry in store.all_current()}
    found_wrong = verify(folder, HashingEncoder).findings
    assert found_wrong == [], found_wrong
    return current


def lose_from_list(db: sqlite3.Connection, path: Path, name: str, table: str) -> None:
    """Take row 2 of a table out of one of SQLite's lists of it, as a damaged page does; closes `db`, which is of `path`."""
    row = db.execute(f"SELECT * FROM {table} WHERE rowid = 2").fetchone()
    schema = db.execute("SELECT * FROM sqlite_master WHERE name = ?", (name,)).fetchone()
    db.execute("PRAGMA foreign_keys = OFF")
    db.execute(f"DELETE FROM {table} WHERE rowid = 2")
    for change, values in (
        ("DELETE FROM sqlite_master WHERE name = ?", (name,)),
        (f"INSERT INTO {table} VALUES ({','.join('?' * len(row))})", row),
        ("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", schema),
    ):
        db.execute("PRAGMA writable_schema = ON")
        db.execute(change, values)
        db.close()
        # What is in the schema is read again.
        db = sqlite3.connect(path, isolation_level=None)
    db.close()


def require_near(view: VectorView, exact: VectorView, vector: Vectors, every: int) -> None:
    """Compare the nearest vectors with the exact ones."""
    if isinstance(view, FaissView) and view.tier is not None:
        # A tier has rows in half precision, and gives the nearest alone.
        assert np.allclose(view.nearest(vector, 5).scores, exact.nearest(vector, 5).scores, atol=5e-3)
        return
    found, expected = dict(view.nearest(vector, every)), dict(exact.nearest(vector, every))
    assert found.keys() == expected.keys()
    assert np.allclose([found[i] for i in expected], list(expected.values()), atol=1e-5)


@dataclass
class Ended:
    """How a fork ended: what it said, in order; whether it was killed while it was at work; its exit status."""

    said: list[Any]
    killed: bool
    status: int


def forked(
    work: Callable[[], object], kill_after: float | None = None, patience: float = 120.0, may_end: bool = False
) -> Ended:
    """Run `work` in a fork of this process, which has imported everything already, and kill it after so many seconds.

    What it gives to `say` arrives also when it is killed; what `work` returns is said last. A failure of it is raised here, and
    that it ended in another way than by returning, unless it `may_end` so.
    """
    reads, writes = os.pipe()
    child = os.fork()
    if child == 0:
        _run_and_exit(work, writes)
    os.close(writes)
    content, killed, ends = b"", False, time.monotonic() + (patience if kill_after is None else kill_after)
    while True:
        ready, _, _ = select.select([reads], [], [], max(ends - time.monotonic(), 0))
        if ready:
            part = os.read(reads, 1 << 16)
            if not part:
                break
            content += part
        elif not killed:
            os.kill(child, signal.SIGKILL)
            killed, ends = True, time.monotonic() + patience
    os.close(reads)
    _, status = os.waitpid(child, 0)
    assert kill_after is not None or not killed, f"nothing came of it in {patience} seconds"
    # What the last line was to be, if it was cut off, was not said.
    said = [json.loads(line) for line in content.split(b"\n")[:-1]]
    failed = next((one["failed"] for one in said if isinstance(one, dict) and "failed" in one), None)
    assert failed is None, failed
    assert killed or may_end or status == 0, f"it ended with status {status}, after {said[-1:]}"
    return Ended(said, os.WIFSIGNALED(status) and killed, status)


def _run_and_exit(work: Callable[[], object], writes: int) -> NoReturn:
    status = 1
    try:
        _writes.append(writes)
        say(work())
        status = 0
    except BaseException:
        say({"failed": traceback.format_exc()})
    finally:
        os._exit(status)


_writes: list[int] = []


def say(what: object) -> None:
    """Tell the process that this one was forked from, in one piece."""
    line = json.dumps(what).encode() + b"\n"
    while line:
        line = line[os.write(_writes[-1], line) :]
