"""A Milvus server: the only module that speaks to one. What its collections hold is `index.cluster_rows`'s."""

import contextlib
import json
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from embed.encoder import Vectors
from index.errors import NotAnIndex, StorageError
from index.records import Ids, Ranking

LAYOUT = 1
"""Raised when what collections hold changes."""
MOST = 16_384
"""Rows that the server gives at once."""
LONGEST = 65_535
"""Bytes of a text in one field."""
TIMEOUT = 10.0
_MARK = "filrouge"
_DISTANCE = "IP"
_STRONG = "Strong"
_INDEXES = {"vector": "FLAT", "sparse": "SPARSE_INVERTED_INDEX"}
"""The kinds of fields that are searched, and by what."""
_AT_ONCE = 1000
"""Rows that are written in one request."""
_AGAIN = 0.5
"""Seconds after which a file whose server went away is tried once more."""

_TURNS = threading.RLock()
"""Milvus Lite, which one process has for itself, shows rows that are being replaced as missing: requests to it take turns."""
_OPEN: Counter[str] = Counter()
"""How many connections of this process there are to each file."""

Kind = Literal["number", "flag", "text", "numbers", "vector", "sparse"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Server:
    """Where a Milvus server is, as in `http://127.0.0.1:19530`, with its database behind a slash; or a file of Milvus Lite,
    whose name ends in `.db`. `token` is `user:password` or a key, and is never shown. `timeout` is in seconds, for one request.

    >>> Server("http://127.0.0.1:19530", token="root:secret")
    Server(uri='http://127.0.0.1:19530', timeout=10.0)
    """

    uri: str
    token: str = field(default="", repr=False)
    timeout: float = TIMEOUT

    @property
    def is_file(self) -> bool:
        """Whether it is a file of Milvus Lite."""
        return self.uri.endswith(".db")

    def __str__(self) -> str:
        return self.uri


@dataclass(frozen=True)
class Collection:
    """A collection: its fields by name. The first one is the key: a number, or a text."""

    name: str
    fields: Mapping[str, Kind]
    dimension: int = 2
    """Of the field of kind `vector`."""

    @property
    def key(self) -> str:
        """The field that tells rows apart."""
        return next(iter(self.fields))


class Milvus:
    """An open connection. Safe for several threads. While it is `strong`, reads see all that was written before them, and wait
    for that; else what is some seconds old.

    Raises `StorageError` when the server is away, slow or refuses, and when the client is not installed.
    """

    def __init__(self, server: Server) -> None:
        self.server = server
        self.strong = True
        self._file: str | None = None
        with _asking(server):
            try:
                import pymilvus
            except ImportError as error:
                raise StorageError("Milvus needs its client: pip install 'filrouge[milvus]'") from error
            # The client writes every failure to its log, with a trace; ours are told once, in words.
            for name in [name for name in logging.root.manager.loggerDict if name.partition(".")[0] == "pymilvus"]:
                logging.getLogger(name).setLevel(logging.CRITICAL)
            self._types = pymilvus.DataType
            if not server.uri.strip():
                raise StorageError("no Milvus server is named: give its address with --uri, as http://127.0.0.1:19530")
            self._client: Any = _opened(pymilvus.MilvusClient, server)
            if server.is_file:
                self._file = str(Path(server.uri).resolve())
                _OPEN[self._file] += 1

    def close(self) -> None:
        """Let the connection go; with the last one of this process to a file, Milvus Lite gives the file free."""
        with contextlib.suppress(Exception):
            self._client.close()
        if self._file is not None:
            with _TURNS:
                _OPEN[self._file] -= 1
                if not _OPEN[self._file]:
                    # The client has loaded it, and never ends what it started.
                    sys.modules["milvus_lite.server_manager"].server_manager_instance.release_server(self._file)
            self._file = None

    def __enter__(self) -> "Milvus":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def _limits(self) -> dict[str, Any]:
        # Without a number of its own the client tries a refused request 75 times.
        return {"timeout": self.server.timeout, "retry_times": 0}

    def require_sparse(self) -> None:
        """Raise `StorageError` for a server that is too old to find passages by their terms."""
        try:
            version = str(self._client.get_server_version(**self._limits))
        except Exception:  # Milvus Lite does not say, and is new enough; of a server that is away the next request tells
            return
        numbers = [int(part) for part in version.removeprefix("v").split("-")[0].split(".")[:2] if part.isdigit()]
        if len(numbers) == 2 and tuple(numbers) < (2, 4):
            raise StorageError(
                f"Milvus at {self.server} is version {version}, which has no sparse vectors: passages could not be found by "
                "their words; upgrade it to 2.4 or later"
            )

    # Collections

    def identity(self, name: str) -> str | None:
        """Whose a collection is; None when there is none of that name.

        Raises `NotAnIndex` for one that is not ours, or of another layout.
        """
        with _asking(self.server):
            if not self._client.has_collection(name, **self._limits):
                return None
            told = self._client.describe_collection(name, **self._limits).get("description") or ""
        try:
            mark = json.loads(told)
            layout, identity = int(mark[_MARK]), str(mark["index"])
        except (ValueError, KeyError, TypeError) as error:
            raise NotAnIndex(
                f"the collection '{name}' of {self.server} was not made by filrouge and is left alone: name another database "
                "behind the address, as http://host:19530/filrouge"
            ) from error
        if layout != LAYOUT:
            raise NotAnIndex(
                f"the collection '{name}' of {self.server} has layout {layout} and this release reads {LAYOUT}: publish the "
                "index to another database with this release"
            )
        return identity

    def create(self, collection: Collection, identity: str, shards: int = 1) -> None:
        """Make a collection of the index of that identity, and load it; or what is missing of one, since whoever makes it may
        be killed between two of these steps.
        """
        with _asking(self.server):
            if not self._client.has_collection(collection.name, **self._limits):
                mark = json.dumps({_MARK: LAYOUT, "index": identity})
                schema = self._client.create_schema(auto_id=False, enable_dynamic_field=False, description=mark)
                for name, kind in collection.fields.items():
                    schema.add_field(name, **self._field(kind, collection.dimension), is_primary=name == collection.key)
                self._client.create_collection(
                    collection.name, schema=schema, num_shards=shards, consistency_level=_STRONG, **self._limits
                )
            there = self._client.list_indexes(collection.name)
            for name, kind in collection.fields.items():
                if kind in _INDEXES and name not in there:
                    indexes = self._client.prepare_index_params()
                    indexes.add_index(name, index_name=name, index_type=_INDEXES[kind], metric_type=_DISTANCE)
                    self._client.create_index(collection.name, indexes, **self._limits)
            self._client.load_collection(collection.name, **self._limits)

    def loaded(self, collection: Collection) -> bool:
        """Whether a collection that there is can be asked, which is the last step of making it."""
        with _asking(self.server):
            state = self._client.get_load_state(collection.name, **self._limits)["state"]
        return str(getattr(state, "name", state)) == "Loaded"

    def _field(self, kind: Kind, dimension: int) -> dict[str, Any]:
        types = self._types
        return {
            "number": {"datatype": types.INT64},
            "flag": {"datatype": types.BOOL},
            "text": {"datatype": types.VARCHAR, "max_length": LONGEST},
            "numbers": {"datatype": types.ARRAY, "element_type": types.INT64, "max_capacity": 4096},
            "vector": {"datatype": types.FLOAT_VECTOR, "dim": dimension},
            "sparse": {"datatype": types.SPARSE_FLOAT_VECTOR},
        }[kind]

    # Rows

    def write(self, collection: Collection, rows: Sequence[Row]) -> None:
        """Put rows in the place of those with the same key, or beside them. Raises `StorageError` for too long a text."""
        texts = [name for name, kind in collection.fields.items() if kind == "text"]
        for row in rows:
            for name in texts:
                if len(row[name]) > LONGEST // 4 and len(row[name].encode()) > LONGEST:
                    raise StorageError(
                        f"the {name} of {collection.key} {row[collection.key]} in {collection.name} has "
                        f"{len(row[name].encode())} bytes and Milvus keeps {LONGEST}: shorten it in its document"
                    )
        with _asking(self.server):
            for at in range(0, len(rows), _AT_ONCE):
                self._client.upsert(collection.name, list(rows[at : at + _AT_ONCE]), **self._limits)

    def delete(self, collection: Collection, where: str) -> None:
        """Delete the rows that `where` holds for."""
        with _asking(self.server):
            self._client.delete(collection.name, filter=where, **self._limits)

    def rows(self, collection: Collection, where: str, fields: Sequence[str], strong: bool = False) -> list[dict[str, Any]]:
        """The rows that `where` holds for, in no order; at most MOST, which the caller sees to. `strong` is for this read."""
        with _asking(self.server):
            found = self._client.query(
                collection.name, filter=where, output_fields=list(fields), limit=MOST, **self._level(strong), **self._limits
            )
            return [dict(row) for row in found]

    def count(self, collection: Collection, where: str) -> int:
        """How many rows `where` holds for."""
        with _asking(self.server):
            found = self._client.query(
                collection.name, filter=where, output_fields=["count(*)"], **self._level(), **self._limits
            )
            return int(found[0]["count(*)"])

    def nearest(self, collection: Collection, name: str, vector: Vectors | Mapping[int, float], k: int, where: str) -> Ranking:
        """The `k` rows with the greatest inner product of the field `name` and `vector` that `where` holds for; `k` is at most
        MOST.
        """
        with _asking(self.server):
            (found,) = self._client.search(
                collection.name,
                data=[vector if isinstance(vector, np.ndarray) else dict(vector)],
                anns_field=name,
                limit=k,
                filter=where,
                search_params={"metric_type": _DISTANCE, "params": {}},
                output_fields=[],
                **self._level(),
                **self._limits,
            )
            ids: Ids = np.array([hit[collection.key] for hit in found], dtype=np.int64)
            return Ranking.best(ids, np.array([hit["distance"] for hit in found], dtype=np.float32))

    def _level(self, strong: bool = False) -> dict[str, Any]:
        return {"consistency_level": _STRONG if strong or self.strong else "Bounded"}

    def every(self, collection: Collection, where: str, fields: Sequence[str]) -> list[dict[str, Any]]:
        """All rows that `where` holds for, however many, in the order of their keys, which are numbers."""
        found: list[dict[str, Any]] = []
        key, wanted, last = collection.key, [*{collection.key, *fields}], -1
        while True:
            rows = self.rows(collection, f"{key} > {last} and {where}", wanted)
            if len(rows) < MOST:
                return sorted([*found, *rows], key=lambda row: int(row[key]))
            # Which of them these are is the server's choice: a range is halved until all of it is given.
            upto = max(int(row[key]) for row in rows)
            while len(rows) == MOST:
                upto = last + max(1, (upto - last) // 2)
                rows = self.rows(collection, f"{key} > {last} and {key} <= {upto} and {where}", wanted)
            found += rows
            last = upto


def _opened(client: Callable[..., Any], server: Server) -> Any:
    """A client of the server. Milvus Lite now and then tells one to go away that has asked too often whether it is there; the
    next is welcome.
    """
    try:
        return client(server.uri, token=server.token, timeout=server.timeout)
    except Exception as error:
        # Whatever the client lets through; one that is refused for another reason is refused again.
        if not (server.is_file and "unavailable" in str(error).lower()):
            raise
        time.sleep(_AGAIN)
        return client(server.uri, token=server.token, timeout=server.timeout)


@contextlib.contextmanager
def _asking(server: Server) -> Iterator[None]:
    """One request; the client's failures as ours, each with what to do about it; the token is in none of them."""
    try:
        with _TURNS if server.is_file else contextlib.nullcontext():
            yield
    except StorageError:
        raise
    except Exception as error:
        # The client lets failures of several libraries through, and of those beneath them.
        text = str(getattr(error, "message", "") or error).replace(server.token or "\0", "…")
        lowered = text.lower()
        if "milvus-lite is required" in lowered:
            why = "is a file of Milvus Lite, which is not installed: pip install milvus-lite"
        elif "open local milvus failed" in lowered:
            why = "cannot be opened: its folder is missing, or another process has it, for Milvus Lite serves one at a time"
        elif any(word in lowered for word in ("deadline", "timeout", "timed out")):
            why = f"did not answer within {server.timeout:g} s: try again, or allow it more with the setting engine_timeout"
        elif any(word in lowered for word in ("connect", "unavailable", "resolve", "refused")):
            why = "cannot be reached: check that the server runs and that the address is right"
        elif any(word in lowered for word in ("auth", "permission", "privilege")):
            why = "refuses the token: set FILROUGE_MILVUS_TOKEN to user:password or to a key"
        elif "not loaded" in lowered:
            why = "has collections that are not loaded, since whoever made them was ended: publish the index, or copy it, again"
        else:
            why = f"fails: {text.strip().splitlines()[0][:300] if text.strip() else type(error).__name__}"
        raise StorageError(f"Milvus at {server} {why}") from error
