"""Which terms has a passage, and how often? What an index that leads from terms to passages cannot tell.

What speaks for a passage is asked word by word, of some hundred passages. An inverted index goes through the passages that hold
the word, for one word after the other; here each passage is looked up once, for all of them.

Two files lie beside those of the inverted index, and are only ever added to:

    forward.places    24 bytes each time that a passage came or went: its id, how many terms it has, how many different ones,
                      and where its counts begin; -1 where it went
    forward.counts    8 bytes for each term of a passage: 48 bits of its number, and 16 for how often it occurs

How much of them counts, and the checksum of that much, is in the stamp of the inverted index. What a killed process wrote
behind it is written over.
"""

import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from index.bm25 import rounded_length, saturated, term_number
from index.engine import rarity
from index.records import Ids, Scores

PLACES, COUNTS = "forward.places", "forward.counts"
FILES = (PLACES, COUNTS)
_PLACE = np.dtype([("id", "<i8"), ("length", "<i4"), ("different", "<i4"), ("start", "<i8")])
_OFTEN = 16
_MOST = (1 << _OFTEN) - 1
_GONE = -1
_STEP = 1 << 20

Extent = tuple[int, int]
"""How many bytes of a file count, and their checksum."""


@dataclass(frozen=True)
class Counted:
    """The passages of one commit, ids ascending. It never changes."""

    ids: Ids
    lengths: NDArray[np.int32]
    different: NDArray[np.int32]
    starts: NDArray[np.int64]
    counts: NDArray[np.uint64]

    def scored(self, words: Sequence[Mapping[str, float]], holders: Mapping[str, int], total: int, ids: Ids) -> Scores:
        """See `TermView.scored`; `holders` says how many of `total` passages have each term."""
        found = np.zeros((len(ids), len(words)), dtype=np.float32)
        terms = sorted({_mark(term) for word in words for term in word})
        if not terms or not len(ids) or not len(self.ids):
            return found
        place = np.minimum(np.searchsorted(self.ids, ids), len(self.ids) - 1)
        rows = np.flatnonzero(self.ids[place] == ids)
        place = place[rows]
        often, row, term = self._occurring(np.array(terms, dtype=np.uint64), place)
        mean = float(self.lengths.mean())
        by_term = np.zeros((len(rows), len(terms)), dtype=np.float32)
        by_term[row, term] = saturated(often, rounded_length(self.lengths[place])[row], mean)
        weights = np.zeros((len(terms), len(words)), dtype=np.float32)
        for column, word in enumerate(words):
            for one, weight in word.items():
                if holders[one]:
                    weights[terms.index(_mark(one)), column] = weight * rarity(min(holders[one], total), total)
        found[rows] = by_term @ weights
        return found

    def _occurring(
        self, terms: NDArray[np.uint64], place: NDArray[np.int64]
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """How often each term occurs, by row of `place` and by its own place; where it does."""
        different = self.different[place]
        row = np.repeat(np.arange(len(place)), different)
        begins = np.cumsum(different) - different
        at = np.arange(len(row)) + np.repeat(self.starts[place] - begins, different)
        counts = self.counts[at]
        marks = counts >> np.uint64(_OFTEN)
        term = np.minimum(np.searchsorted(terms, marks), len(terms) - 1)
        held = terms[term] == marks
        return (counts[held] & np.uint64(_MOST)).astype(np.float64), row[held], term[held]


class Forward:
    """The two files in a folder, as far as `extents` say, by name; what is added shows in `counted` after `commit`.

    Raises `ValueError` where a file is shorter than that.
    """

    def __init__(self, folder: Path, extents: Mapping[str, Extent]) -> None:
        self._folder = folder
        self.extents: dict[str, Extent] = dict(extents)
        self._places: list[tuple[int, int, int, int]] = []
        self._counts: list[NDArray[np.uint64]] = []
        self._start = self.extents[COUNTS][0] // 8
        self.counted = self._read()

    @staticmethod
    def create(folder: Path) -> dict[str, Extent]:
        """Make both files, empty, and say how far they go."""
        for name in FILES:
            (folder / name).write_bytes(b"")
        return dict.fromkeys(FILES, (0, 0))

    @staticmethod
    def damaged(folder: Path, extents: Mapping[str, Extent]) -> str | None:
        """The name of a file that is not as it was written, as far as it counts."""
        for name in FILES:
            left, kept = extents[name]
            check = 0
            with (folder / name).open("rb") as file:
                while left > 0 and (part := file.read(min(left, _STEP))):
                    check, left = zlib.crc32(part, check), left - len(part)
            if left or check != kept:
                return name
        return None

    def add(self, i: int, terms: Sequence[str]) -> None:
        """Take in a passage, or other terms of one that is there."""
        counts = Counter(map(_mark, terms))
        self._places.append((i, len(terms), len(counts), self._start))
        self._counts.append(np.array([mark << _OFTEN | min(often, _MOST) for mark, often in counts.items()], dtype=np.uint64))
        self._start += len(counts)

    def remove(self, ids: Ids) -> None:
        """Forget passages; ids that are not known are passed over."""
        self._places.extend((i, 0, 0, _GONE) for i in ids.tolist())

    def write(self) -> None:
        """Write what was added and removed. It counts once `extents` are kept, and shows after `commit`."""
        places = np.array(self._places, dtype=_PLACE).tobytes()
        counts = b"".join(some.astype("<u8").tobytes() for some in self._counts)
        extents = {}
        for name, data in ((PLACES, places), (COUNTS, counts)):
            size, check = self.extents[name]
            with (self._folder / name).open("r+b") as file:
                file.truncate(size)
                file.seek(size)
                file.write(data)
            extents[name] = (size + len(data), zlib.crc32(data, check))
        self.extents, self._places, self._counts = extents, [], []

    def commit(self) -> None:
        """Show what was written."""
        self.counted = self._read()

    def _read(self) -> Counted:
        if any((self._folder / name).stat().st_size < self.extents[name][0] for name in FILES):
            raise ValueError("a file of counts is cut off")
        places = np.fromfile(self._folder / PLACES, dtype=_PLACE, count=self.extents[PLACES][0] // _PLACE.itemsize)
        ids = places["id"].astype(np.int64)
        if np.any(np.diff(ids) <= 0):
            # What came or went again: the last time counts.
            order = np.argsort(ids, kind="stable")
            places = places[order[np.append(np.diff(ids[order]) > 0, True)]]
        places = places[places["start"] != _GONE]
        size = self.extents[COUNTS][0] // 8
        # Mapped, since a question touches some hundred of them.
        counts = np.memmap(self._folder / COUNTS, dtype="<u8", mode="r", shape=(size,)) if size else np.zeros(0, np.uint64)
        ids, lengths, different, starts = (np.ascontiguousarray(places[name]) for name in _PLACE.names or ())
        return Counted(ids, lengths, different, starts, np.asarray(counts))


def _mark(term: str) -> int:
    return term_number(term) >> 15
