"""Embedding on a cluster: several nodes in a network of their own, one of them killed on the way."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import Vectors
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import shards
from index.backfill import Cluster, Model, backfill
from index.documents import Facts
from index.errors import FilrougeError
from index.ingest import ingest
from index.search import Searcher
from index.space import space_of
from index.store import Store

DRIVE = """
import json, sys
from pathlib import Path
from ray.cluster_utils import Cluster as Nodes
from embed.hashing import HashingEncoder
from index import backfill, shards

documents, folder, files = map(Path, sys.argv[1:])
# Small ones, so that there are many.
shards.plan.__defaults__ = (20_000,)
nodes = Nodes(
    initialize_head=True,
    head_node_args={"num_cpus": 1, "node_ip_address": "127.0.0.1", "object_store_memory": 80 << 20, "include_dashboard": False},
)
others = [nodes.add_node(num_cpus=1, object_store_memory=80 << 20) for _ in range(2)]
told = []


def count(done, total):
    told.append([done, total])
    if done == 2:
        nodes.remove_node(others.pop(), allow_graceful=False)


cluster = backfill.Cluster(nodes.address, cpus=1)
encoder = HashingEncoder()
report = backfill.backfill([documents], folder, files, encoder, backfill.Model("hashing"), cluster=cluster, count=count)
again = backfill.backfill([documents], folder, files, encoder, backfill.Model("nowhere"), cluster=cluster, count=count)
refused = ""
(documents / "z.txt").write_text("Un de plus.", encoding="utf-8")
try:
    backfill.backfill([documents], folder, files, encoder, backfill.Model("nowhere"), cluster=cluster)
except Exception as error:
    refused = f"{type(error).__name__}: {error}"
nodes.shutdown()
print(json.dumps({"told": told, "embedded": report.embedded, "passages": report.passages, "killed": len(others) == 1,
                  "again": [again.unchanged, again.embedded], "refused": refused}))
"""


def test_without_ray_the_extra_is_named(seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(FilrougeError, match=r"a backfill needs Ray: pip install 'filrouge\[ray\]'"):
        backfill([seeds], tmp_path / "index", tmp_path / "shards", HashingEncoder(), Model("hashing"))
    assert not (tmp_path / "index").exists()


def test_what_is_embedded_needs_no_cluster(seeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    encoder, files = HashingEncoder(), tmp_path / "shards"
    files.mkdir()
    for shard in shards.plan([seeds], Facts(), encoder.card):
        shards.make(shard, files, encoder, space_of(encoder))
    report = backfill([seeds], tmp_path / "index", files, encoder, Model("hashing"), cluster=Cluster("nowhere:1"))
    assert (report.added, report.embedded, report.failures) == (6, 0, [])
    # What cannot be read is named, as ever.
    report = backfill([seeds / "none.txt"], tmp_path / "none", files, encoder, Model("hashing"))
    assert [failure.reason for failure in report.failures] == ["no such file or folder"]
    assert not (tmp_path / "none").exists()


@pytest.mark.cluster
def test_a_backfill_is_the_local_index_also_when_a_node_is_killed(tmp_path: Path, write: Callable[..., Path]) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'filrouge[ray]'")
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-n", "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network namespaces on this machine: Ray would listen where others can reach it")
    texts = sample_texts(3000, seed=7, lengths=(3, 6))
    for place in range(24):
        some = texts[place * 125 : place * 125 + 125]
        lines = (json.dumps({"_id": str(n), "text": text, "lang": "fr"}) for n, text in enumerate(some))
        write(f"fil/{place:02}.jsonl", "\n".join(lines))
    documents = write("fil/fil.txt", "11h58 : Un titre\nUn texte.\n").parent
    done = subprocess.run(
        [unshare, "-n", "sh", "-c", 'ip link set lo up && exec "$@"', "sh", sys.executable, "-c", DRIVE,
         str(documents), str(tmp_path / "index"), str(tmp_path / "shards")],
        cwd=Path(__file__).resolve().parent.parent, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    told = json.loads(done.stdout.splitlines()[-1])
    total = len(list((tmp_path / "shards").glob("*.vectors")))
    assert total > 12
    assert told["killed"]
    assert told["told"] == [[n, total] for n in range(1, total + 1)]
    assert (told["embedded"], told["again"]) == (0, [3001, 0])
    # A machine without the model ends it in a sentence.
    assert told["refused"].startswith("FilrougeError: the cluster failed: ")
    (documents / "z.txt").unlink()
    encoder = HashingEncoder()
    ingest([documents], tmp_path / "local", encoder)
    local, far = (everything(tmp_path / name) for name in ("local", "index"))
    assert list(local) == list(far)
    for ours, theirs in zip(local.values(), far.values(), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-3)
    with Searcher(tmp_path / "local", encoder) as here, Searcher(tmp_path / "index", encoder) as there:
        for question in texts[::300]:
            assert len({tuple(hit.passage.id for hit in one.search(question[:200]).hits) for one in (here, there)}) == 1


def everything(folder: Path) -> dict[tuple[int, str], Vectors]:
    """The vector of each passage, by its id and that of its entry."""
    with Store.open(folder) as store:
        generation = store.generation()
        vectors = {
            i: row for ids, _, rows in store.born_vectors(-1, generation) for i, row in zip(ids.tolist(), rows, strict=True)
        }
        return {(i, passage.entry.id): vectors[i] for i, passage in store.passages(sorted(vectors)).items()}
