"""Vectors that were computed on another machine: a file of them, written from one index and read by another.

Embedding is nearly all of what indexing costs, and a vector depends on nothing but the model and the text. The file is an
SQLite database without a word of the texts: the vector and the words of each passage under the hash of its text, with the
card and the space of the model.
"""

import contextlib
import hashlib
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Protocol

import numpy as np

from embed import ModelCard
from index import durable
from index.errors import ModelMismatch, StorageError, UnreadableVectors
from index.space import Space
from index.store import Encoded, Store

_APPLICATION_ID = 0x46494C56  # "FILV"
_LAYOUT = 1
_BATCH = 500
"""Values bound to one statement."""
_OFF = 0.01
"""How far from 1 the length of a vector in half precision may be."""


class Carried(Protocol):
    """Vectors that need not be computed, wherever they lie."""

    @property
    def space(self) -> Space:
        """Where they are compared, and words kept."""
        ...

    def require(self, space: Space) -> None:
        """See `CarriedVectors.require`."""
        ...

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Encoded]:
        """See `CarriedVectors.find`."""
        ...


class CarriedVectors:
    """The vectors in the file `path`, for the model of `card`; for one thread at a time.

    Raises `UnreadableVectors` when it is no such file, of a newer release, or damaged, and `ModelMismatch` when its vectors are
    another model's.

    >>> with CarriedVectors(path, encoder.card) as vectors: vectors.find([passage.vector_hash])  # doctest: +SKIP
    """

    def __init__(self, path: Path, card: ModelCard) -> None:
        self._path = path
        if not path.is_file():
            raise UnreadableVectors(f"no file of vectors {path}: write one with filrouge vectors {path} where the index is")
        with self._errors():
            # Never written to, so that it may lie where nothing can be written.
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True, isolation_level=None, check_same_thread=False
            )
        try:
            with self._errors():
                application, layout = (
                    self._db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version")
                )
            if application != _APPLICATION_ID:
                raise UnreadableVectors(f"{path} is no file of vectors: filrouge vectors writes them")
            if layout > _LAYOUT:
                raise UnreadableVectors(f"{path} was written by a newer filrouge (layout {layout}); upgrade this one")
            with self._errors():
                meta = dict(self._db.execute("SELECT key, value FROM meta"))
                own, self.space = ModelCard.from_json(meta["card"]), Space.from_json(meta["space"])
            if own.fingerprint != card.fingerprint:
                raise ModelMismatch(
                    f"the vectors in {path} are of the model {_named(own)}, and the index is to have those of {_named(card)}: "
                    "leave out --vectors, or use the same model"
                )
        except BaseException:
            self._db.close()
            raise
        self._dimension = card.dimension

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def __enter__(self) -> "CarriedVectors":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def require(self, space: Space) -> None:
        """Raise `ModelMismatch` unless the words of passages were kept as an index in `space` keeps them."""
        if not self.space.is_near(space):
            raise ModelMismatch(
                f"the vectors in {self._path} were made by another release, which keeps words otherwise: leave out --vectors"
            )

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Encoded]:
        """What the file has of these texts, each checked. Raises `UnreadableVectors` when a vector is not what was written."""
        found = {}
        wanted = list(hashes)
        for at in range(0, len(wanted), _BATCH):
            some = wanted[at : at + _BATCH]
            marks = ",".join("?" * len(some))
            with self._errors():
                rows = self._db.execute(
                    f"SELECT hash, vector, words, sum FROM vectors WHERE hash IN ({marks})", some
                ).fetchall()
            for key, vector, words, written in rows:
                found[key] = self._checked(key, vector, words, written)
        return found

    def _checked(self, key: bytes, vector: bytes, words: bytes, written: bytes) -> Encoded:
        width = -(-self._dimension // 8)
        if _sum(key, vector, words) != written or len(vector) != 2 * self._dimension or len(words) % width:
            raise UnreadableVectors(f"the file of vectors {self._path} is damaged; copy or write it again")
        row = np.frombuffer(vector, dtype="<f2").astype(np.float32)
        # Also true of numbers that are none.
        if not abs(float(np.linalg.norm(row)) - 1) <= _OFF:
            raise UnreadableVectors(f"the file of vectors {self._path} holds a vector that is none; write it again")
        return Encoded(row, np.frombuffer(words, dtype=np.uint8).reshape(-1, width))

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, KeyError, ValueError, TypeError) as error:
            raise UnreadableVectors(f"{self._path} is damaged, or no file of vectors: {error}") from error


def write(store: Store, path: Path) -> int:
    """Write all vectors that `store` has of its model, also those of earlier versions, to `path`; return how many.

    Raises what `write_vectors` raises, and `ModelMismatch` when the index has to be embedded anew first.
    """
    card = store.card()
    store.require(card)
    space = store.space()
    assert space is not None
    return write_vectors(path, card, space, store.all_vectors())


def write_vectors(path: Path, card: ModelCard, space: Space, batches: Iterable[Mapping[bytes, Encoded]]) -> int:
    """Write vectors of the model of `card`, with words as they are kept in `space`, to `path`; return how many.

    The file is there whole or not at all, and takes the place of an older one. Raises `StorageError` when it cannot be
    written, or when something else than vectors lies there.
    """
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        if path.exists() and not _is_ours(path):
            raise StorageError(f"{path} is there and holds no vectors; choose another name")
        with contextlib.closing(sqlite3.connect(part, isolation_level=None)) as db:
            # A file that is not finished is thrown away, so that nothing has to be rolled back.
            db.execute("PRAGMA journal_mode = OFF")
            # Most of a page of 4 kB would stay empty beside one passage's vector and words.
            db.execute("PRAGMA page_size = 16384")
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_LAYOUT}")
            db.execute("BEGIN")
            db.execute("CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
            db.execute(
                "CREATE TABLE vectors (hash BLOB PRIMARY KEY, vector BLOB NOT NULL, words BLOB NOT NULL, sum BLOB NOT NULL)"
            )
            db.executemany("INSERT INTO meta VALUES (?, ?)", [("card", card.to_json()), ("space", space.to_json())])
            count = 0
            for batch in batches:
                rows = ((key, one.vector.astype("<f2").tobytes(), one.words.tobytes()) for key, one in batch.items())
                db.executemany("INSERT INTO vectors VALUES (?, ?, ?, ?)", [(*row, _sum(*row)) for row in rows])
                count += len(batch)
            db.execute("COMMIT")
        durable.put(part, path)
    except (OSError, sqlite3.Error) as error:
        raise StorageError(f"cannot write {path}: {getattr(error, 'strerror', None) or error}") from error
    finally:
        # Not there where nothing could be written, and in the way of nothing if it stays.
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    return count


def _is_ours(path: Path) -> bool:
    # Where SQLite keeps the application's number.
    with path.open("rb") as file:
        return file.read(72)[68:] == _APPLICATION_ID.to_bytes(4, "big")


def _sum(key: bytes, vector: bytes, words: bytes) -> bytes:
    return hashlib.blake2b(key + vector + words, digest_size=8).digest()


def _named(card: ModelCard) -> str:
    """A model, and what tells its build apart.

    >>> _named(ModelCard("demo", "1", 4, 16, precision="int8"))
    "'demo' (4 dimensions, int8, 1)"
    """
    return f"'{card.name}' ({card.dimension} dimensions, {card.precision}, {card.revision})"
