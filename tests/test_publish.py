"""Publishing to a Milvus server: at whatever point it ends, readers see a whole generation, and the next run goes on."""

import itertools
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.cluster_reader import ClusterReader
from index.cluster_rows import META, VERSIONS, meta_rows
from index.errors import ModelMismatch, NotAnIndex, StorageError
from index.ingest import ingest, reembed
from index.migrate import difference
from index.milvus import Collection, Milvus, Row, Server
from index.publish import PROGRESS, publish
from index.records import Window
from index.search import Searcher
from index.space import space_of
from index.store import Store
from tests.cluster_index import FIRST, SECOND, WIRE, Both, both

pytestmark = pytest.mark.milvus


class Killed(BaseException):
    """Stands for the end of the process, which nothing can catch."""


@pytest.fixture
def pair(request: pytest.FixtureRequest) -> Iterator[Both]:
    with both(lambda fresh: fresh.read("direct", FIRST)) as fresh:
        yield fresh


def hits(place: Path | Server, question: str) -> tuple[int, list[tuple[int, float]]]:
    with Searcher(place, HashingEncoder()) as searcher:
        found = searcher.search(question, 10)
        return found.generation, [(hit.passage.id, round(hit.score, 4)) for hit in found.hits]


def test_a_run_that_ends_at_any_write_changes_nothing_and_the_next_one_goes_on(
    pair: Both, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.publish._TOGETHER", 15)
    write, question = Milvus.write, "Le port de Marseille"
    for at in range(1, 7):
        before = hits(pair.server, question)
        pair.read("wire", WIRE[at:], published=False)
        pair.read("direct", SECOND if at % 2 else FIRST, published=False)
        calls: list[str] = []

        def dying(self: Milvus, collection: Collection, rows: Sequence[Row], at: int = at, calls: list[str] = calls) -> None:
            calls.append(collection.name)
            if len(calls) == at:
                raise Killed
            write(self, collection, rows)

        with monkeypatch.context() as patch:
            patch.setattr(Milvus, "write", dying)
            with pytest.raises(Killed):
                publish(pair.folder, pair.server)
        assert hits(pair.server, question) == before
        generation = publish(pair.folder, pair.server)
        assert generation == before[0] + 2
        with Searcher(pair.folder, pair.encoder) as folder, Searcher(pair.server, pair.encoder) as server:
            moment = folder.reader.store.committed(generation)
            ours, theirs = (one.search(question, 10, as_of=moment).hits for one in (folder, server))
            assert difference(ours, theirs) == ""
            assert folder.reader.store.counts(generation) == server.reader.store.counts(generation)


def test_what_came_after_a_run_that_was_killed_is_in_the_next_one(pair: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    pair.read("wire", WIRE, published=False)
    with monkeypatch.context() as patch:
        # All is written but what readers go by.
        patch.setattr("index.publish._stamp", lambda *given: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            publish(pair.folder, pair.server)
    with Milvus(pair.server) as milvus:
        assert milvus.count(META, f'key == "{PROGRESS}"') == 1
    # Entries that were written as alive have died since, and others were edited.
    pair.read("wire", [{**WIRE[0], "text": "Rewritten."}, *WIRE[20:]], published=False)
    write, calls = Milvus.write, itertools.count(1)

    def dying(self: Milvus, collection: Collection, rows: Sequence[Row]) -> None:
        if next(calls) == 8:
            raise Killed
        write(self, collection, rows)

    monkeypatch.setattr("index.publish._TOGETHER", 5)
    with monkeypatch.context() as patch:
        # And among those the next run ends too.
        patch.setattr(Milvus, "write", dying)
        with pytest.raises(Killed):
            publish(pair.folder, pair.server)
    assert publish(pair.folder, pair.server) == 3
    with Store.open(pair.folder) as store, Searcher(pair.server, pair.encoder) as server:
        for generation in (1, 2, 3):
            assert server.reader.store.counts(generation) == store.counts(generation)
            there = server.reader.store.allowed(generation, Window()).tolist()
            assert there == store.allowed(generation, Window()).tolist()
        assert server.search("Rewritten", 1).hits[0].text == "Rewritten."
        assert server.search("Wire copy number 5 about", 20).total == store.counts(3)[1]


def test_publishing_again_writes_nothing(pair: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Milvus, "write", lambda *given: pytest.fail("wrote something"))
    assert publish(pair.folder, pair.server) == 1


def test_what_is_not_proved_is_not_seen(pair: Both) -> None:
    pair.read("wire", WIRE, published=False)

    def prove(generation: int) -> None:
        with_all = ClusterReader(pair.server, None, generation)
        assert with_all.snapshot().generation == generation == 2
        with_all.close()
        raise StorageError("not the same")

    with pytest.raises(StorageError, match="not the same"):
        publish(pair.folder, pair.server, prove=prove)
    assert hits(pair.server, "Wire")[0] == 1


def test_an_empty_index_is_not_published(pair: Both, tmp_path: Path) -> None:
    with Store.open(pair.folder) as store:
        Store.create(tmp_path, store.card(), lambda: space_of(pair.encoder)).close()
    with pytest.raises(StorageError, match="is empty: there is nothing to publish"):
        publish(tmp_path, pair.server)


def test_another_index_is_left_alone(pair: Both, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Un article.\n", encoding="utf-8")
    ingest([tmp_path / "a.txt"], tmp_path / "other", pair.encoder)
    with pytest.raises(NotAnIndex, match="belongs to another index: name another database"):
        publish(tmp_path / "other", pair.server)
    assert hits(pair.server, "volcan")[0] == 1


def test_a_copy_that_went_its_own_way_is_refused(pair: Both, tmp_path: Path) -> None:
    shutil.copytree(pair.folder, tmp_path / "copy")
    pair.read("wire", WIRE)
    other = Both(tmp_path / "copy", pair.server, pair.encoder)
    with pytest.raises(NotAnIndex, match="another copy of this index"):
        publish(other.folder, other.server)
    other.read("wire", WIRE[:3], published=False)
    with pytest.raises(NotAnIndex, match="another copy of this index"):
        publish(other.folder, other.server)


def test_an_index_that_was_embedded_anew_goes_to_another_database(pair: Both) -> None:
    reembed(pair.folder, pair.encoder)
    with pytest.raises(ModelMismatch, match="embedded anew since it was published"):
        publish(pair.folder, pair.server)
    reembed(pair.folder, HashingEncoder(64))
    with pytest.raises(ModelMismatch, match="embedded anew since it was published"):
        publish(pair.folder, pair.server)
    elsewhere = Server(pair.server.uri.replace("index.db", "second.db"), timeout=60)
    # Of the entries' earlier versions too, there are passages of the new model alone.
    assert publish(pair.folder, elsewhere) == 3
    with Searcher(elsewhere, HashingEncoder(64)) as searcher:
        then = searcher.reader.store.committed(1)
        assert searcher.search("volcan", 3, as_of=then).hits[0].entry.title == "Éruption du volcan"


def test_a_first_run_that_was_killed_is_no_index_yet(pair: Both) -> None:
    half = Server(pair.server.uri.replace("index.db", "half.db"), timeout=60)
    with Milvus(half) as milvus:
        milvus.create(META, "half")
    with pytest.raises(NotAnIndex, match=r"never published whole: run filrouge migrate again"):
        ClusterReader(half, None)
    with Milvus(half) as milvus:
        milvus.write(META, meta_rows("card", pair.encoder.card.to_json()))
    with pytest.raises(NotAnIndex, match="never published whole"):
        ClusterReader(half, None)


def test_a_collection_of_someone_else_is_left_alone(pair: Both) -> None:
    foreign = Server(pair.server.uri.replace("index.db", "foreign.db"), timeout=60)
    with Milvus(foreign) as milvus:
        schema = milvus._client.create_schema(auto_id=False, description="articles of ours")
        schema.add_field("id", milvus._types.INT64, is_primary=True)
        schema.add_field("unused", milvus._types.FLOAT_VECTOR, dim=2)
        milvus._client.create_collection(VERSIONS.name, schema=schema)
        milvus._client.insert(VERSIONS.name, [{"id": 1, "unused": [0.0, 1.0]}])
        with pytest.raises(NotAnIndex, match=r"'filrouge_versions' .* was not made by filrouge and is left alone"):
            publish(pair.folder, foreign)
        assert milvus._client.query(VERSIONS.name, filter="id == 1")
        assert milvus.identity(META.name) is None


def test_a_text_that_the_server_has_no_room_for_is_named(pair: Both) -> None:
    pair.read("wire", [{**WIRE[0], "title": "ü" * 40_000}], published=False)
    with pytest.raises(StorageError, match=r"the title of id .* has 160001 bytes and Milvus keeps 65535: shorten it"):
        publish(pair.folder, pair.server)
    assert hits(pair.server, "volcan")[0] == 1
