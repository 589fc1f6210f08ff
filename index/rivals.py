"""Other engines for nearest vectors that run in a process, behind one shape, for `index.bench_vectors` alone.

Each is built with what its makers recommend, keeps vectors in half precision or smaller where it can, and has one knob that
buys recall with time. What is not installed is left out; `pip install 'filrouge[bench]'` brings them.
"""

from collections.abc import Sequence
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from embed.encoder import Vectors
from index.quantised import Quantised, build
from index.records import Ids
from index.tierfile import Manifest
from index.tiers import Tier
from index.vectors import FaissVectors

_LINKS, _EFFORT = 16, 128
"""Of a graph: neighbours of a node on either side, and how many it looks at while it is built."""
_BATCH = 20_000
_EFFORTS = (16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024)


class Rival(Protocol):
    """An engine. `knobs` are the values of what buys recall with time, ascending; `files` the bytes of the files that it has
    mapped, where all of them count as memory.
    """

    name: str
    knobs: Sequence[int]
    files: int

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """Take in rows of length 1, numbered from 0; what needs files has them in `folder`."""
        ...

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """The ten nearest; of `among` alone, where the engine knows filters."""
        ...


class Ours:
    """The tier of filrouge for the number of vectors, or one that is named."""

    knobs: Sequence[int] = (0,)
    files = 0

    def __init__(self, tier: Tier) -> None:
        self.name, self._tier = f"filrouge {tier}", tier

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """See `Rival.build`."""
        wanted = Manifest("0", 1, self._tier, vectors.shape[1], len(vectors), self._tier)
        batches = ((np.arange(at, at + len(some)), some) for at, some in _batches(vectors))
        tier = Quantised(build(folder, wanted, batches, threads), vectors.shape[1])
        self.name, self.files = f"filrouge {tier.manifest.tier}", tier.manifest.bytes
        self._view = FaissVectors(vectors.shape[1], tier).view()

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """See `Rival.nearest`."""
        return self._view.nearest(vector, 10, among).ids


class Hnswlib:
    """HNSW by its author, in single precision; filters by a function that is asked of each vector."""

    name = "hnswlib"
    knobs: Sequence[int] = _EFFORTS
    files = 0

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """See `Rival.build`."""
        index: Any = import_module("hnswlib").Index(space="ip", dim=vectors.shape[1])
        index.init_index(max_elements=len(vectors), M=_LINKS, ef_construction=_EFFORT)
        for at, some in _batches(vectors):
            index.add_items(some, np.arange(at, at + len(some)), num_threads=threads)
        self._index = index

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """See `Rival.nearest`."""
        self._index.set_ef(knob)
        found: Ids = self._index.knn_query(vector, k=10, num_threads=1)[0][0].astype(np.int64)
        return found


class Usearch:
    """HNSW of Unum, in half precision; without filters."""

    name = "usearch f16"
    knobs: Sequence[int] = _EFFORTS
    files = 0

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """See `Rival.build`."""
        index: Any = import_module("usearch.index").Index(
            ndim=vectors.shape[1], metric="ip", dtype="f16", connectivity=_LINKS, expansion_add=_EFFORT
        )
        for at, some in _batches(vectors):
            index.add(np.arange(at, at + len(some)), some, threads=threads)
        self._index = index

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """See `Rival.nearest`."""
        self._index.expansion_search = knob
        found: Ids = self._index.search(vector, 10, threads=1).keys.astype(np.int64)
        return found


class Svs:
    """Vamana of Intel, with vectors of 4 and 8 bits (LVQ); without filters."""

    name = "svs Vamana LVQ4x8"
    knobs: Sequence[int] = _EFFORTS
    files = 0

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """See `Rival.build`."""
        svs: Any = import_module("svs")
        parameters = svs.VamanaBuildParameters(
            alpha=0.95, graph_max_degree=2 * _LINKS, window_size=_EFFORT, max_candidate_pool_size=4 * _EFFORT
        )
        file = f"{folder}/vectors.fvecs"
        svs.write_vecs(np.asarray(vectors), file)
        loader = svs.VectorDataLoader(file, svs.DataType.float32, dims=vectors.shape[1])
        packed = svs.LVQLoader(loader, primary=4, residual=8)
        self._index = svs.Vamana.build(parameters, packed, svs.DistanceType.MIP, num_threads=threads)
        self._index.num_threads = 1

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """See `Rival.nearest`."""
        self._index.search_window_size = max(knob, 10)
        found: Ids = self._index.search(vector.reshape(1, -1), 10)[0][0].astype(np.int64)
        return found


class Lance:
    """LanceDB: inverted lists of RaBitQ codes on the disk, refined with the vectors; filters by SQL."""

    name = "LanceDB IVF_RQ"
    knobs: Sequence[int] = (10, 20, 40, 80, 160, 320)
    files = 0

    def build(self, vectors: Vectors, folder: Path, threads: int) -> None:
        """See `Rival.build`."""
        arrow: Any = import_module("pyarrow")
        dimension = vectors.shape[1]

        def batches() -> Any:
            for at, some in _batches(vectors):
                flat = arrow.array(np.asarray(some, dtype=np.float16).ravel())
                columns = [arrow.array(np.arange(at, at + len(some))), arrow.FixedSizeListArray.from_arrays(flat, dimension)]
                yield arrow.RecordBatch.from_arrays(columns, names=["id", "vector"])

        schema = arrow.schema([("id", arrow.int64()), ("vector", arrow.list_(arrow.float16(), dimension))])
        table: Any = import_module("lancedb").connect(str(folder)).create_table("t", data=batches(), schema=schema)
        table.create_index(metric="dot", index_type="IVF_RQ", num_partitions=1 << round(np.log2(len(vectors)) / 2))
        table.create_scalar_index("id")
        self._table = table

    def nearest(self, vector: Vectors, knob: int, among: Ids | None) -> Ids:
        """See `Rival.nearest`."""
        found = self._table.search(vector).metric("dot").limit(10).nprobes(knob).refine_factor(20).select(["id", "_distance"])
        return np.array(found.to_arrow()["id"].to_pylist(), dtype=np.int64)


_PACKAGES: dict[str, type[Rival]] = {"hnswlib": Hnswlib, "usearch": Usearch, "svs": Svs, "lancedb": Lance}


def installed() -> list[str]:
    """The packages of rivals that are there."""
    return [package for package in _PACKAGES if find_spec(package)]


def missing() -> list[str]:
    """Those that are not."""
    return [package for package in _PACKAGES if not find_spec(package)]


def opened(name: str) -> Rival:
    """The rival of a package; `lists` and `quantised` are our own."""
    if name in ("lists", "quantised"):
        return Ours("lists" if name == "lists" else "quantised")
    return _PACKAGES[name]()


def _batches(vectors: Vectors) -> Any:
    for at in range(0, len(vectors), _BATCH):
        yield at, np.ascontiguousarray(vectors[at : at + _BATCH])
