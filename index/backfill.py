"""Embedding on many machines, with Ray Data: shards of documents in, files of vectors out, and then an index as ever."""

import contextlib
import logging
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from embed import Encoder, ModelCard, load
from embed.precision import cores
from index import shards
from index.documents import Facts
from index.errors import FilrougeError, ModelMismatch
from index.ingest import Progress, Report, ingest
from index.shards import Shard, ShardVectors
from index.space import Space, space_of
from index.store import FILE, Store


@dataclass(frozen=True)
class Cluster:
    """Where the model runs. `address` is that of a Ray cluster, None this machine alone; `cpus` is what each process gets."""

    address: str | None = None
    cpus: int = 2


@dataclass(frozen=True)
class Model:
    """How each process opens the model: see `embed.load`."""

    name: str
    device: str | None = None
    cache: Path | None = None


def backfill(
    paths: Iterable[Path],
    folder: Path,
    files: Path,
    encoder: Encoder,
    model: Model,
    given: Facts | None = None,
    cluster: Cluster | None = None,
    progress: Progress | None = None,
    count: Callable[[int, int], None] | None = None,
) -> Report:
    """What `ingest` does, after everything was embedded by the processes of a cluster.

    `paths` are read and `files` is written on every machine, under the same names. A shard whose file is there is not made
    again: what was interrupted goes on, and what was added costs what it adds. `encoder` is `model` on this machine. `count` is
    told how many shards are made, and of how many.

    Raises what `ingest` raises, and `FilrougeError` where Ray is missing or the cluster fails; what was embedded is kept.
    """
    paths, given = list(paths), given or Facts()
    shards.prepare(files)
    planned = list(shards.plan(paths, given, encoder.card))
    missing = [shard for shard in planned if not shards.is_made(shard, files)]
    if missing:
        _embed(missing, files, encoder.card, _space(folder, encoder), model, cluster or Cluster(), count)
    with contextlib.ExitStack() as stack:
        vectors = None
        if planned:
            vectors = stack.enter_context(ShardVectors([files / shard.name for shard in planned], encoder.card))
        return ingest(paths, folder, encoder, given, progress, vectors)


def _space(folder: Path, encoder: Encoder) -> Space:
    """That of the index, or the one that it will have."""
    if (folder / FILE).is_file():
        with Store.open(folder) as store:
            store.require(encoder.card)
            found = store.space()
            assert found is not None  # the store has refused the card otherwise
            return found
    return space_of(encoder)


def _embed(
    missing: Sequence[Shard],
    files: Path,
    card: ModelCard,
    space: Space,
    model: Model,
    cluster: Cluster,
    count: Callable[[int, int], None] | None,
) -> None:
    with _connected(cluster) as ray:
        rows = [{"shard": pickle.dumps(shard)} for shard in missing]
        most = max(int(ray.cluster_resources().get("CPU", 0)) // cluster.cpus, 1)
        made = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
            _Embedder,
            fn_constructor_args=(model, cluster.cpus, card, space.to_json(), files),
            batch_size=1,
            num_cpus=cluster.cpus,
            num_gpus=1 if (model.device or "").startswith("cuda") else 0,
            compute=ray.data.ActorPoolStrategy(min_size=1, max_size=min(most, len(rows))),
        )
        try:
            for done, _ in enumerate(made.iter_rows(), start=1):
                if count:
                    count(done, len(missing))
        except (ray.exceptions.RayError, ray.data.exceptions.UserCodeException) as error:
            why = str(error).strip().splitlines()[-1]
            raise FilrougeError(f"the cluster failed: {why}; what is embedded is kept: run the same command again") from error


@contextlib.contextmanager
def _connected(cluster: Cluster) -> Iterator[Any]:
    # Ray would tell its makers that it was used.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise FilrougeError("a backfill needs Ray: pip install 'filrouge[ray]'") from error
    # What it does is told by the bar.
    logging.getLogger("ray").setLevel(logging.ERROR)
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    try:
        if cluster.address:
            ray.init(address=cluster.address, log_to_driver=False, configure_logging=False)
        else:
            # On the loopback, where nobody else can reach it.
            ray.init(
                num_cpus=max(cores(), cluster.cpus),
                include_dashboard=False,
                log_to_driver=False,
                configure_logging=False,
                _node_ip_address="127.0.0.1",
            )
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise FilrougeError(f"no Ray cluster at {cluster.address or 'this machine'}: {error}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        yield ray
    finally:
        ray.shutdown()


class _Embedder:
    """Lives in a process of the cluster, with a model of its own."""

    def __init__(self, model: Model, cpus: int, card: ModelCard, space: str, files: Path) -> None:
        self._encoder = load(model.name, model.device, model.cache, card.precision, cpus)
        if self._encoder.card.fingerprint != card.fingerprint:
            raise ModelMismatch(f"a machine of the cluster has another build of {card.name}: {self._encoder.card.to_json()}")
        self._space = Space.from_json(space)
        self._files = files

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Embed the shards of a batch; how many vectors each has."""
        return {"vectors": [shards.make(pickle.loads(one), self._files, self._encoder, self._space) for one in batch["shard"]]}
