"""The vectors of a tier: short forms of all, which say which few to compare in half precision. One never changes once built.

A sketch has a bit for each dimension and two factors (Gao and Long, "RaBitQ", 2024). A question with a filter looks through the
sketches of what passes, so that what a filter leaves is found wherever it lies. One without a filter looks through the lists of
vectors nearest to it, which are there in codes of four bits for three dimensions (Jégou, Douze and Schmid, "Product
Quantization", 2011), 32 at a time (André, Kermarrec and Le Scouarnec, "Quicker ADC", 2019); where there are no lists, through
all sketches. What looks best is compared with the vector itself, which is where scores come from. They are those of vectors
rounded to half precision: a cosine of 384 dimensions differs by 0.00005 at most.
"""

import contextlib
import itertools
import time
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from embed.encoder import Vectors
from index import tierfile
from index.records import Ids, Ranking, Scores
from index.threads import one_thread
from index.tierfile import DamagedTier, Manifest
from index.tiers import RECALL, Tier, piece

Halves = NDArray[np.float16]
Mask = NDArray[np.bool_]

_FEW = 1000
"""Vectors that are compared without looking at sketches first."""
_GATHERED = 0.2
"""Share of passages up to which the sketches of those that pass are copied together, where all are looked at otherwise."""
_BLOCK = 8192
"""Vectors that are in single precision at once."""
_SAMPLE, _TEN = 600, 10
"""Questions that a build is measured with, half of them to set it and half to judge it; and how many passages each wants."""
_CANDIDATES = (100, 200, 400, 800, 1600)
_PROBED = (0.03, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.35, 0.4, 0.5, 0.75, 1.0)
"""How many candidates, and which share of the lists, a build is tried with."""
_WORTH = 85
"""Codes in lists that are looked through while one candidate is compared: among a million passages on a Zen 4."""
_MARGIN = 0.005
"""How much better than it must be a build is set, since half of its questions only say so much of the other half."""
_SAME = 1e-5
"""Cosines that differ by less are equal: the sum of the same products in another order."""
_EQUAL = 100
"""Of passages that are as near as the tenth, as many count."""
_TRAINED = 64
"""Vectors of the sample that each list is found with."""
_KINDS = 16
"""What four bits tell apart: so many vectors are needed at least to find them."""


class Quantised:
    """A tier, open for searching by any number of threads."""

    def __init__(self, folder: Path, dimension: int) -> None:
        """Open the tier in `folder`. Raises `DamagedTier` unless every file is as it was written, and of this dimension."""
        self.folder = folder
        self.manifest = manifest = tierfile.read(folder)
        if manifest.dimension != dimension:
            raise DamagedTier("it has vectors of another dimension")
        tierfile.verify(folder, manifest)
        try:
            self._open(folder, manifest)
        except (OSError, ValueError, RuntimeError, AttributeError) as error:
            # FAISS tells of a file that is none in several ways.
            raise DamagedTier(f"it cannot be read: {type(error).__name__}") from error

    def _open(self, folder: Path, manifest: Manifest) -> None:
        count, dimension = manifest.count, manifest.dimension
        self.ids: Ids = np.memmap(folder / tierfile.IDS, dtype=np.int64, mode="r")
        self._rows = np.memmap(folder / tierfile.ROWS, dtype=np.float16, mode="r", shape=(count, dimension))
        # Mapped, so that several processes share the pages.
        sketches: Any = faiss.read_index(str(folder / tierfile.SKETCHES), faiss.IO_FLAG_MMAP_IFC)
        self._sketches: Any = sketches
        self._all: Any = sketches
        """What a question without a filter looks through."""
        if manifest.tier == "lists":
            self._all = faiss.read_index(str(folder / tierfile.LISTS), faiss.IO_FLAG_MMAP_IFC)
            self._all.nprobe = manifest.probes
        held = (sketches, self._all)
        if any((index.ntotal, index.d) != (count, dimension) for index in held) or np.any(np.diff(self.ids) <= 0):
            raise DamagedTier("its files are not of one tier")
        # Each as one thing: NumPy copies some of them in half the time that it takes for rows of bytes.
        self._codes = faiss.rev_swig_ptr(sketches.codes.data(), count * sketches.code_size).view(f"V{sketches.code_size}")
        self._places = np.full(int(self.ids[-1]) + 1, -1, dtype=np.int32)
        self._places[self.ids] = np.arange(count, dtype=np.int32)

    def __len__(self) -> int:
        return self.manifest.count

    def places(self, ids: Ids) -> Ids:
        """Where those of `ids` stand that are here."""
        known = ids[(ids >= 0) & (ids < len(self._places))]
        places = self._places[known]
        found: Ids = places[places >= 0].astype(np.int64)
        return found

    def nearest(self, vector: Vectors, k: int, among: Ids | None = None, gone: Mask | None = None) -> Ranking:
        """The `k` passages with the greatest cosine; of `among` alone when given. `gone` says of each place whether it is
        passed over.
        """
        chosen = None if among is None else self.places(among)
        if chosen is not None and gone is not None:
            chosen = chosen[~gone[chosen]]
        count = len(chosen) if chosen is not None else len(self) - (0 if gone is None else int(gone.sum()))
        wanted = max(self.manifest.candidates, 4 * k)
        if k < 1 or count == 0:
            return Ranking.empty()
        if count <= max(_FEW, 2 * wanted):
            places = self._but(gone) if chosen is None else chosen
        elif chosen is None:
            found = self._unfiltered(vector, wanted)
            places = found if gone is None else found[~gone[found]]
            if len(places) < wanted - wanted // 4:
                # Much of what lies there is gone, or the lists that were looked through are short.
                places = self._filtered(vector, wanted, self._but(gone))
        else:
            places = self._filtered(vector, wanted, chosen)
        found, scores = _best(self._rows, vector, places, k)
        return Ranking.best(self.ids[found], scores, k)

    def _but(self, gone: Mask | None) -> Ids:
        return np.arange(len(self)) if gone is None else np.flatnonzero(~gone)

    def _unfiltered(self, vector: Vectors, wanted: int) -> Ids:
        return _search(self._all, vector, wanted)

    def _filtered(self, vector: Vectors, wanted: int, places: Ids) -> Ids:
        if len(places) <= _GATHERED * len(self):
            some: Any = faiss.IndexRaBitQ(self._sketches.d, self._sketches.metric_type)
            some.center, some.qb, some.is_trained = self._sketches.center, self._sketches.qb, True
            some.add_sa_codes(self._codes.take(places).view(np.uint8).reshape(len(places), -1))
            return places[_search(some, vector, wanted)]
        mask = np.zeros(len(self), dtype=bool)
        mask[places] = True
        bits = np.packbits(mask, bitorder="little")
        parameters: Any = faiss.RaBitQSearchParameters()
        parameters.sel = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
        parameters.qb, parameters.centered = self._sketches.qb, self._sketches.centered
        return _search(self._sketches, vector, wanted, parameters)


def build(cache: Path, manifest: Manifest, vectors: Iterable[tuple[Ids, Vectors]], threads: int = 1) -> Path:
    """Write a tier of `vectors`, ids ascending, to `cache`, measure it, and put it in its place; return its folder.

    `manifest` says of whom, of which generation and which tier. Raises `DamagedTier` where the sample finds too little with
    the tier that was wanted and with the one below: the exact search stays then.
    """
    began = time.monotonic()
    with tierfile.writing(cache) as folder, one_thread():
        count = _write_rows(folder, vectors, manifest.dimension)
        rows = np.memmap(folder / tierfile.ROWS, dtype=np.float16, mode="r", shape=(count, manifest.dimension))
        with working(threads):
            sketches: Any = _sketched(rows)
            lists: Any = _listed(rows) if manifest.tier == "lists" and count >= _KINDS else None
            settled = _Measured(rows, sketches, lists)
        faiss.write_index(sketches, str(folder / tierfile.SKETCHES))
        tier: Tier = "lists" if settled.probes else "quantised"
        if tier == "lists":
            faiss.write_index(lists, str(folder / tierfile.LISTS))
        whole = replace(
            manifest,
            tier=tier,
            count=count,
            lists=lists.nlist if tier == "lists" else 0,
            probes=settled.probes,
            candidates=settled.candidates,
            recall=settled.recall,
            built=datetime.now(UTC).isoformat(timespec="seconds"),
            seconds=round(time.monotonic() - began, 1),
        )
        return tierfile.put(folder, whole)


def _write_rows(folder: Path, vectors: Iterable[tuple[Ids, Vectors]], dimension: int) -> int:
    count, last = 0, -1
    with (folder / tierfile.IDS).open("wb") as ids_file, (folder / tierfile.ROWS).open("wb") as rows_file:
        for ids, rows in vectors:
            assert rows.shape == (len(ids), dimension)
            assert np.all(np.diff(ids, prepend=last) > 0)
            ids.astype(np.int64).tofile(ids_file)
            rows.astype(np.float16).tofile(rows_file)
            count, last = count + len(ids), int(ids[-1])
    return count


def _sketched(rows: Halves) -> Any:
    sketches: Any = faiss.IndexRaBitQ(rows.shape[1], faiss.METRIC_INNER_PRODUCT)
    sketches.train(_drawn(rows, 50_000))
    for at in range(0, len(rows), _BLOCK):
        sketches.add(rows[at : at + _BLOCK].astype(np.float32))
    return sketches


def _listed(rows: Halves) -> Any:
    # With twice as many a question is as fast, and the lists take four times as long to find.
    count = min(2 << round(np.log2(len(rows)) / 2), len(rows))
    dimension = rows.shape[1]
    # Codes of vectors, not of what tells them from the middles of their lists: one table a question does for all lists.
    lists: Any = faiss.index_factory(dimension, f"IVF{count},PQ{dimension // piece(dimension)}x4fs", faiss.METRIC_INNER_PRODUCT)
    lists.cp.niter, lists.cp.max_points_per_centroid = 8, _TRAINED
    lists.cp.min_points_per_centroid = lists.pq.cp.min_points_per_centroid = 1
    lists.train(_drawn(rows, count * _TRAINED))
    for at in range(0, len(rows), _BLOCK):
        lists.add(rows[at : at + _BLOCK].astype(np.float32))
    return lists


class _Measured:
    """How many candidates and how many lists a sample of questions needs, and what it finds with them."""

    def __init__(self, rows: Halves, sketches: Any, lists: Any) -> None:
        self._rows = rows
        questions = like_questions(rows, _SAMPLE, seed=1)
        self._halves = [(half, _tenth(rows, half)) for half in (questions[::2], questions[1::2])]
        self.probes = 0
        found = self._found(sketches)
        good = [at for at in range(len(_CANDIDATES)) if _is_good(found[:, at])]
        if not good:
            raise DamagedTier(f"its sketches find {found[1, -1]:.3f} of the ten nearest, and {RECALL} are wanted")
        self.candidates = _CANDIDATES[good[0]]
        share = float(found[1, good[0]])
        self.recall = {"all": share, "sketches": share}
        if lists is not None:
            self._list(lists, good[0])

    def _list(self, lists: Any, least: int) -> None:
        """Take the fastest setting of lists that finds enough, with as many candidates as sketches need or more."""
        settings = itertools.product(_PROBED, range(least, len(_CANDIDATES)))
        seen: dict[float, Scores] = {}
        for share, at in sorted(settings, key=lambda one: one[0] * len(self._rows) + _WORTH * _CANDIDATES[one[1]]):
            lists.nprobe = max(1, round(share * lists.nlist))
            found = seen[share] = seen[share] if share in seen else self._found(lists)
            if _is_good(found[:, at]):
                self.probes, self.candidates = lists.nprobe, _CANDIDATES[at]
                self.recall["all"] = float(found[1, at])
                return

    def _found(self, index: Any) -> Scores:
        """The share of the ten nearest that each half of the questions finds with so many candidates, of shape (halves,
        _CANDIDATES); of equal ones, one is as good as another.
        """
        found = np.zeros((len(self._halves), len(_CANDIDATES)), dtype=np.float32)
        wanted = min(_TEN, len(self._rows))
        for half, (questions, bounds) in enumerate(self._halves):
            places = index.search(questions, min(_CANDIDATES[-1], len(self._rows)))[1]
            for question, some, bound in zip(questions, places, bounds, strict=True):
                # Lists may hold less than was asked for, which ends in -1.
                best, scores = _best(self._rows, question, some[some >= 0], _EQUAL)
                upto = np.cumsum(np.isin(some, best[scores >= bound - _SAME]))[np.minimum(_CANDIDATES, len(some)) - 1]
                found[half] += np.minimum(upto, wanted)
            found[half] /= len(questions) * wanted
        return found


def _is_good(found: Scores) -> bool:
    """Whether the second half of the questions finds enough, and the first more than that."""
    return bool(found[0] >= RECALL + _MARGIN and found[1] >= RECALL)


def like_questions(rows: Vectors | Halves, count: int, seed: int) -> Vectors:
    """Vectors that lie to passages as questions do: of a passage 0.6, and 0.8 of what tells two others apart.

    Passages themselves are found too easily. Of 40,000 real passages these have, as their ten nearest, as many in the 5, 10 and
    20 % of lists nearest to them as 600 real questions have: .82, .91 and .96, beside .84, .92 and .97.
    """
    lot = np.random.default_rng(seed)
    own, one, other = (rows[np.sort(lot.integers(0, len(rows), count))].astype(np.float32) for _ in range(3))
    apart = lot.permutation(one) - other
    apart /= np.maximum(np.linalg.norm(apart, axis=1, keepdims=True), 1e-6)
    questions = 0.6 * own + 0.8 * apart
    questions /= np.maximum(np.linalg.norm(questions, axis=1, keepdims=True), 1e-6)
    shaped: Vectors = np.ascontiguousarray(questions, dtype=np.float32)
    return shaped


def _tenth(rows: Halves, questions: Vectors) -> Scores:
    """The cosine of the tenth nearest to each question, by comparing all."""
    best = np.zeros((len(questions), 0), dtype=np.float32)
    for at in range(0, len(rows), _BLOCK):
        best = np.concatenate([best, questions @ rows[at : at + _BLOCK].astype(np.float32).T], axis=1)
        if best.shape[1] > _TEN:
            best = -np.partition(-best, _TEN - 1, axis=1)[:, :_TEN]
    tenth: Scores = best.min(axis=1)
    return tenth


def _drawn(rows: Halves, most: int) -> Vectors:
    """So many rows by lot, in single precision."""
    if len(rows) > most:
        rows = rows[np.sort(np.random.default_rng(2).choice(len(rows), most, replace=False))]
    drawn: Vectors = rows.astype(np.float32)
    return drawn


def _best(rows: Halves, vector: Vectors, places: Ids, k: int) -> tuple[Ids, Scores]:
    """The `k` of these places whose rows have the greatest cosines, and these.

    FAISS multiplies half precision as it is, in a third of the time that NumPy takes to make it single.
    """
    if len(places) == 0:
        # The lists that were looked into may be empty.
        return places, np.zeros(0, dtype=np.float32)
    found, scores = [], []
    for at in range(0, len(places), _BLOCK):
        some = places[at : at + _BLOCK]
        held: Any = faiss.IndexScalarQuantizer(rows.shape[1], faiss.ScalarQuantizer.QT_fp16, faiss.METRIC_INNER_PRODUCT)
        held.add_sa_codes(rows[some].view(np.uint8))
        with working(1):
            best, order = held.search(vector.reshape(1, -1), min(k, len(some)))
        found.append(some[order[0]])
        scores.append(best[0])
    return np.concatenate(found), np.concatenate(scores)


def _search(index: Any, vector: Vectors, wanted: int, parameters: Any = None) -> Ids:
    """The places of what looks best; a short answer is padded with -1."""
    with working(1):
        places: Ids = index.search(vector.reshape(1, -1), min(wanted, index.ntotal), params=parameters)[1][0]
    return places[places >= 0]


@contextlib.contextmanager
def working(threads: int) -> Iterator[None]:
    """Within, FAISS works with so many threads. It gives each query to one, and the others turn on the spot: with one query
    they only take processor time.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(threads)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
