"""Documents cut into shards, each of which is embedded for itself; and the files of vectors that come of them, as one."""

import hashlib
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from embed import Encoder, ModelCard
from index import carried, readers
from index.carried import CarriedVectors
from index.documents import Document, Facts, Failure, find
from index.embedding import Text, encoded, passages
from index.errors import StorageError, UnreadableDocument, UnreadableVectors
from index.records import Entry
from index.rows import Encoded
from index.space import Space

TARGET = 8 * 1024 * 1024
"""Bytes of text of a shard, about: some minutes of embedding on a few cores."""
_SUFFIX = ".vectors"
_BATCH = 512
"""Texts that are embedded at once."""
_LAYOUT = 1
"""Raised when `index.chunk` or what the model reads of a passage changes, so that shards are made anew."""
_ABANDONED = 24 * 3600
"""Seconds."""


@dataclass(frozen=True)
class Part:
    """A document, or so many of its entries from `start` on."""

    document: Document
    digest: str
    start: int = 0
    stop: int | None = None


@dataclass(frozen=True)
class Shard:
    """What one process embeds at a time. Its name comes of the content and the model, and of nothing else."""

    parts: tuple[Part, ...]
    model: str

    @property
    def name(self) -> str:
        """Of its file."""
        said = [
            (part.digest, part.start, part.stop, part.document.facts.lang, part.document.facts.title) for part in self.parts
        ]
        return hashlib.blake2b(repr((_LAYOUT, self.model, said)).encode(), digest_size=16).hexdigest() + _SUFFIX


def plan(paths: Iterable[Path], given: Facts, card: ModelCard, target: int = TARGET) -> Iterator[Shard]:
    """The shards of every document below `paths`, in the order in which `ingest` reads them.

    A document that is new or has changed gives new shards, and leaves those that are not near it as they were. A large one of
    JSON Lines is cut; an archive is not, so that many of a fair size are better than one. What cannot be read is left to
    `ingest`, which says why.
    """
    parts: list[Part] = []
    size = 0
    for document in find(paths, given):
        if isinstance(document, Failure):
            continue
        for part, weight in _parts(document, target):
            parts.append(part)
            size += weight
            # By lot, one in a quarter of the target: where shards end hangs on what is near, and not on all that came before.
            ends = int(part.digest[:8], 16) / 2**32 < 4 * weight / target
            if size >= target or part.stop is not None or (ends and size >= target // 4):
                yield Shard(tuple(parts), card.fingerprint)
                parts, size = [], 0
    if parts:
        yield Shard(tuple(parts), card.fingerprint)


def _parts(document: Document, target: int) -> Iterator[tuple[Part, int]]:
    """A document in parts of at most `target` bytes of text, with what each weighs."""
    try:
        with document.path.open("rb") as file:
            digest = hashlib.file_digest(file, "blake2b").hexdigest()
        # Packed, it may be ten times as long.
        if document.meter.size * 10 < target or readers.kind(document) != "jsonl":
            yield Part(document, digest), document.meter.size
            return
        start = size = number = 0
        for number, item in enumerate(readers.read(document), start=1):
            size += len(item.text) if isinstance(item, Entry) else 0
            if size >= target:
                yield Part(document, digest, start, number), size
                start, size = number, 0
        if start < number:
            yield Part(document, digest, start, number if start else None), size
    except (OSError, UnreadableDocument):
        # What was given of it stands; that it cannot be read to its end is for `ingest` to say.
        return


def make(shard: Shard, folder: Path, encoder: Encoder, space: Space) -> int:
    """Embed a shard, and write its file below `folder`; return how many vectors it has. There whole or not at all."""

    def batches() -> Iterator[dict[bytes, Encoded]]:
        texts: dict[bytes, Text] = {}
        known: set[bytes] = set()
        for part in shard.parts:
            for entry in _entries(part):
                new = {passage.vector_hash: text for passage, text in passages(entry, encoder)}
                texts.update({key: text for key, text in new.items() if key not in known})
                known.update(new)
                if len(texts) >= _BATCH:
                    yield encoded(texts, encoder, space)
                    texts = {}
        if texts:
            yield encoded(texts, encoder, space)

    return carried.write_vectors(folder / shard.name, encoder.card, space, batches())


def _entries(part: Part) -> Iterator[Entry]:
    for document in readers.expand(part.document):
        if isinstance(document, Document):
            try:
                for item in islice(readers.read(document), part.start, part.stop):
                    if isinstance(item, Entry):
                        yield item
            except UnreadableDocument:
                # What it gave before is embedded; `ingest` says what is wrong with it.
                continue


def prepare(folder: Path) -> None:
    """Make the folder of the shards, and throw away what a process that was killed had begun. Raises `StorageError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob(f".*{_SUFFIX}.*"):
            # What is younger may be somebody's work.
            if time.time() - left.stat().st_mtime > _ABANDONED:
                left.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"cannot write to {folder}: {error.strerror or error}") from error


def is_made(shard: Shard, folder: Path) -> bool:
    """Whether its file is there."""
    return (folder / shard.name).is_file()


class ShardVectors:
    """The files of several shards as one file of vectors (`Carried`), read in about the order in which they were planned.

    Raises what `CarriedVectors` raises; a damaged file is named, to be deleted and made again.
    """

    def __init__(self, paths: Iterable[Path], card: ModelCard) -> None:
        self._paths = list(paths)
        self._card = card
        self._at = 0
        self._open = self._opened(0)
        self.space = self._open.space

    def close(self) -> None:
        """Close the file that is open."""
        self._open.close()

    def __enter__(self) -> "ShardVectors":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def require(self, space: Space) -> None:
        """See `CarriedVectors.require`."""
        self._open.require(space)

    def find(self, hashes: Iterable[bytes]) -> dict[bytes, Encoded]:
        """See `CarriedVectors.find`."""
        found: dict[bytes, Encoded] = {}
        left = list(hashes)
        # What is asked for next lies where the last was found, or in the file behind it.
        for at in [*range(self._at, len(self._paths)), *range(self._at)]:
            if not left:
                break
            if at != self._at:
                self._open.close()
                self._open, self._at = self._opened(at), at
            try:
                found.update(self._open.find(left))
            except UnreadableVectors as error:
                raise UnreadableVectors(f"{error}; or delete it and run the same command again") from error
            left = [key for key in left if key not in found]
        return found

    def _opened(self, at: int) -> CarriedVectors:
        return CarriedVectors(self._paths[at], self._card)
