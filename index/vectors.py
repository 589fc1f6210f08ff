"""Nearest vectors with FAISS: a `VectorEngine` in memory, with a file that saves reading every vector from the store.

Vectors lie in segments that never change, newest last; a segment that is not much larger than the one after it is merged
with it, so that there are few and each vector is copied a logarithmic number of times. A view is the list of segments at
its moment, which is why adding never disturbs a search.

Where there are many, most of them lie in a tier (`index.quantised`) that was built at some generation; the segments have what
came since, exactly, and what went since is passed over in it.
"""

import os
import re
import tempfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import faiss
import numpy as np

from embed.encoder import Vectors
from embed.stages import stage
from index import durable
from index.engine import settled
from index.quantised import Mask, Quantised, working
from index.records import Ids, Ranking
from index.tiers import SHARE

_FILE = re.compile(r"vectors-(?P<owner>[0-9a-f-]+)-(?P<generation>\d+)\.faiss")
_STEP = 4096
"""Vectors that are copied at once."""
_CHECK = 4
"""Bytes of the checksum that a file ends with."""


@dataclass(frozen=True)
class _Segment:
    ids: Ids
    index: Any  # faiss.IndexFlatIP, in the order of the ids
    owner: Any = None
    """Whose memory the index lies in; taking it over, with SWIG's `acquire`, ends the process sooner or later."""


class FaissVectors:
    """A `VectorEngine`; see `index.engine`."""

    def __init__(self, dimension: int, tier: Quantised | None = None) -> None:
        self.tier = tier
        self.generation = tier.manifest.generation if tier else -1
        self._dimension = dimension
        self._gone: Mask | None = None  # of each place in the tier, whether it is passed over; none is
        self._segments: list[_Segment] = []
        self._dead = np.zeros(0, dtype=np.int64)  # in a segment, and passed over
        self._removed = np.zeros(0, dtype=np.int64)  # dead after the next commit
        self._added: list[Ids] = []  # the ids of `_fresh`, in its order
        self._fresh: Any = None  # faiss.IndexFlatIP, of what was added since the last commit
        self._lost = np.zeros(0, dtype=np.int64)  # added and removed again before a commit

    def expect(self, count: int) -> None:
        """Make room for `count` vectors that are about to be added: without it, they are copied as they become many."""
        index = self._fresh = self._fresh or faiss.IndexFlatIP(self._dimension)
        held = index.codes.size()
        # Made smaller again, it keeps its room.
        index.codes.resize(held + count * self._dimension * 4)
        index.codes.resize(held)

    def abandon(self) -> None:
        """Forget what was added and removed since the last commit."""
        self._added, self._fresh = [], None
        self._removed = self._lost = np.zeros(0, dtype=np.int64)

    def add(self, ids: Ids, vectors: Vectors) -> None:
        """See `VectorEngine.add`."""
        if vectors.shape != (len(ids), self._dimension):
            raise ValueError(f"{len(ids)} ids with vectors of shape {vectors.shape}; dimension {self._dimension}")
        self._fresh = self._fresh or faiss.IndexFlatIP(self._dimension)
        # Copied into the index at once, so that nothing is held twice.
        self._fresh.add(np.ascontiguousarray(vectors, dtype=np.float32))
        self._added.append(ids.astype(np.int64))

    def remove(self, ids: Ids) -> None:
        """See `VectorEngine.remove`."""
        if self._added:
            self._lost = np.union1d(self._lost, np.intersect1d(np.concatenate(self._added), ids))
        self._removed = np.union1d(self._removed, ids)

    def commit(self, generation: int) -> None:
        """See `VectorEngine.commit`."""
        # Replaced, never changed: views hold the old lists.
        segments = list(self._segments)
        removed = _held(segments, self._removed)
        if self.tier and len(gone := self.tier.places(self._removed)):
            mask = np.zeros(len(self.tier), dtype=bool) if self._gone is None else self._gone.copy()
            mask[gone] = True
            self._gone = mask
        self._dead = np.union1d(self._dead, removed)
        if self._added:
            fresh = _Segment(np.concatenate(self._added), self._fresh)
            segments.append(self._merged([fresh], self._lost) if len(self._lost) else fresh)
        self.abandon()
        while len(segments) > 1 and len(segments[-2].ids) < 2 * len(segments[-1].ids):
            segments[-2:] = [self._merged(segments[-2:], self._dead)]
        self._dead = _held(segments, self._dead)
        held = sum(len(segment.ids) for segment in segments)
        if len(self._dead) > held // 5:
            segments = [self._merged(segments, self._dead)]
            self._dead = np.zeros(0, dtype=np.int64)
        self._segments = segments
        self.generation = generation

    def view(self) -> "FaissView":
        """See `VectorEngine.view`."""
        return FaissView(self.generation, tuple(self._segments), self._dead, self.tier, self._gone)

    @property
    def outgrown(self) -> bool:
        """Whether so much has come and gone since the tier was built that it should be made anew."""
        return self.tier is not None and self._delta + self._gone_count > SHARE * len(self.tier)

    @property
    def _gone_count(self) -> int:
        return 0 if self._gone is None else int(self._gone.sum())

    @property
    def _delta(self) -> int:
        return sum(len(segment.ids) for segment in self._segments) - len(self._dead)

    def _merged(self, segments: Sequence[_Segment], without: Ids) -> _Segment:
        kept = [~np.isin(segment.ids, without) for segment in segments]
        index = faiss.IndexFlatIP(self._dimension)
        index.codes.resize(sum(int(some.sum()) for some in kept) * self._dimension * 4)
        index.codes.resize(0)
        for segment, some in zip(segments, kept, strict=True):
            for at in range(0, len(segment.ids), _STEP):
                rows = segment.index.reconstruct_n(at, min(_STEP, len(segment.ids) - at))
                index.add(np.ascontiguousarray(rows[some[at : at + _STEP]]))
        ids = [segment.ids[some] for segment, some in zip(segments, kept, strict=True)]
        return _Segment(np.concatenate(ids) if ids else np.zeros(0, dtype=np.int64), index)

    def __len__(self) -> int:
        return self._delta + (len(self.tier) - self._gone_count if self.tier else 0)

    def save(self, folder: Path, owner: str) -> None:
        """Write everything to one file of `folder`, whole or not at all; other such files are deleted. For an engine without a
        tier, which has files of its own.

        `owner` says whose vectors these are: `load` finds them under the same one only. The file ends with a checksum.
        """
        assert self.tier is None
        one = len(self._segments) == 1 and not len(self._dead)
        whole = self._segments[0] if one else self._merged(self._segments, self._dead)
        # Put around the index that there is, since adding to it would copy every vector.
        mapped: Any = faiss.IndexIDMap(faiss.IndexFlatIP(self._dimension))
        mapped.index = whole.index
        faiss.copy_array_to_vector(whole.ids, mapped.id_map)
        mapped.ntotal = len(whole.ids)
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / f"vectors-{owner}-{self.generation}.faiss"
        handle, name = tempfile.mkstemp(prefix=".vectors-", dir=folder)
        try:
            with os.fdopen(handle, "wb") as file:
                check = _seed(target)

                def write(part: bytes) -> None:
                    nonlocal check
                    check = zlib.crc32(part, check)
                    file.write(part)

                # FAISS comes with a description of its types that leaves this class out.
                faiss.write_index(mapped, faiss.PyCallbackIOWriter(write))  # type: ignore[attr-defined]
                file.write(check.to_bytes(_CHECK, "little"))
            durable.put(Path(name), target)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        # Also what a process that was killed had begun.
        for path in (*folder.glob("vectors-*.faiss"), *folder.glob(".vectors-*")):
            if path != target:
                path.unlink(missing_ok=True)

    @classmethod
    def is_whole(cls, path: Path) -> bool:
        """Whether a file that `save` wrote is as it was written."""
        try:
            return _intact(path)
        except OSError:
            return False

    @classmethod
    def saved(cls, folder: Path, owner: str, upto: int) -> int:
        """The newest generation up to `upto` that `save` wrote a file of, whether or not that can be read; -1 for none."""
        return max((generation for generation, _ in _files(folder, owner, upto)), default=-1)

    @classmethod
    def load(cls, folder: Path, owner: str, dimension: int, upto: int) -> "FaissVectors":
        """What `save` wrote for `owner` at a generation up to `upto`; empty when there is no such file or it is damaged."""
        engine = cls(dimension)
        for generation, path in sorted(_files(folder, owner, upto), reverse=True):
            try:
                if not _intact(path):
                    continue  # a cache: the store has it all
                mapped: Any = faiss.read_index(str(path))
                ids = faiss.vector_to_array(mapped.id_map).astype(np.int64)
                index: Any = faiss.downcast_index(mapped.index)
            except (OSError, RuntimeError, AttributeError):
                continue
            if index.d == dimension and index.ntotal == len(ids):
                engine._segments = [_Segment(ids, index, mapped)] if len(ids) else []
                engine.generation = generation
                break
        return engine


@dataclass(frozen=True)
class FaissView:
    """A `VectorView`; see `index.engine`."""

    generation: int
    segments: tuple[_Segment, ...]
    dead: Ids
    tier: Quantised | None
    gone: Mask | None

    @property
    def approximate(self) -> bool:
        """See `VectorView.approximate`."""
        return self.tier is not None

    @stage("nearest")
    def nearest(self, vector: Vectors, k: int, among: Ids | None = None) -> Ranking:
        """See `VectorView.nearest`."""
        found = [self._in_segment(segment, vector, k, among) for segment in self.segments]
        if self.tier:
            found.append(self.tier.nearest(vector, k, among, self.gone))
        found = [ranking for ranking in found if len(ranking)]
        if not found:
            return Ranking.empty()
        return Ranking.best(
            np.concatenate([ranking.ids for ranking in found]), np.concatenate([ranking.scores for ranking in found]), k
        )

    def _in_segment(self, segment: _Segment, vector: Vectors, k: int, among: Ids | None) -> Ranking:
        if k < 1:
            return Ranking.empty()
        parameters = None
        count = len(segment.ids)
        if among is not None or len(self.dead):
            mask = np.ones(count, dtype=bool) if among is None else _members(segment.ids, among)
            mask &= ~_members(segment.ids, self.dead)
            count = int(mask.sum())
            bits = np.packbits(mask, bitorder="little")
            selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
            parameters = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]
        if count == 0:
            return Ranking.empty()

        def search(depth: int) -> Ranking:
            with working(1):
                scores, places = segment.index.search(vector.reshape(1, -1), depth, params=parameters)
            # A short answer is padded with -1.
            real = places[0] >= 0
            return Ranking.best(segment.ids[places[0][real]], scores[0][real])

        return settled(search, k, count)


def _files(folder: Path, owner: str, upto: int) -> list[tuple[int, Path]]:
    """The files of `owner` of generations up to `upto`, with these."""
    return [
        (int(match["generation"]), path)
        for path in folder.glob("vectors-*.faiss")
        if (match := _FILE.fullmatch(path.name)) and match["owner"] == owner and int(match["generation"]) <= upto
    ]


def _held(segments: Sequence[_Segment], ids: Ids) -> Ids:
    """Those of `ids` that lie in a segment."""
    if len(ids) == 0 or not segments:
        return np.zeros(0, dtype=np.int64)
    return ids[np.isin(ids, np.concatenate([segment.ids for segment in segments]))]


def _seed(path: Path) -> int:
    """What the checksum begins with: the name, so that one file is not taken for another that was put in its place."""
    return zlib.crc32(path.name.encode())


def _intact(path: Path) -> bool:
    """Whether the file ends with its checksum; FAISS itself believes whatever it reads."""
    check, left = _seed(path), path.stat().st_size - _CHECK
    with path.open("rb") as file:
        while left > 0 and (part := file.read(min(left, 1 << 20))):
            check, left = zlib.crc32(part, check), left - len(part)
        return left == 0 and file.read() == check.to_bytes(_CHECK, "little")


def _members(ids: Ids, of: Ids) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Which of `ids` are in the ascending `of`; a table is many times faster than sorting, and a look for each of a few."""
    found: np.ndarray[Any, np.dtype[np.bool_]]
    if len(ids) == 0 or len(of) == 0:
        return np.zeros(len(ids), dtype=bool)
    if len(ids) < len(of) // 16:
        found = of[np.minimum(np.searchsorted(of, ids), len(of) - 1)] == ids
        return found
    table = np.zeros(max(int(ids.max()), int(of[-1])) + 1, dtype=bool)
    table[of] = True
    found = table[ids]
    return found
