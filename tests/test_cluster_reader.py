"""An index on a Milvus server answers at every door as the folder does that it was published from."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from embed.hashing import HashingEncoder
from index.errors import InvalidRequest, ModelMismatch
from index.migrate import difference
from index.place import Opened, store_of
from index.reader import Filters
from index.repair import rebuild_caches
from index.search import Searcher
from index.store import Store
from tests.cluster_index import FIRST, WIRE, Both, both

pytestmark = pytest.mark.milvus

QUESTIONS = [
    "Le port de Marseille rouvre-t-il ?", "Que fait le volcan ?", "volcano", "Who speaks about the port?", "coffee",
    '"le port" vent', "préfet -wire", "source:wire port", "lang:en copy", "before:2024-01-12 volcan",
    "Wire copy number 12", "zzz",
]  # fmt: skip


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    with both() as pair:
        # Engines of a folder count what was removed until they are made anew; a server never does.
        rebuild_caches(pair.folder, pair.encoder.card)
        yield pair


@pytest.fixture(scope="module")
def searchers(pair: Both) -> Iterator[tuple[Searcher, Searcher]]:
    with Searcher(pair.folder, pair.encoder) as folder, Searcher(pair.server, pair.encoder) as server:
        yield folder, server


@pytest.fixture(scope="module")
def clients(pair: Both) -> Iterator[tuple[TestClient, TestClient]]:
    apps = [create_app(lambda place=place: Searcher(place, HashingEncoder())) for place in (pair.folder, pair.server)]  # type: ignore[misc]
    with TestClient(apps[0]) as folder, TestClient(apps[1]) as server:
        yield folder, server


def test_questions_find_the_same_as_of_every_generation(searchers: tuple[Searcher, Searcher]) -> None:
    folder, server = searchers
    for generation in (1, 3, 4):
        moment = folder.reader.store.committed(generation)
        for question in QUESTIONS:
            ours, theirs = (one.search(question, 10, as_of=moment) for one in (folder, server))
            assert difference(ours.hits, theirs.hits) == "", question
            assert (ours.total, ours.known, ours.generation, ours.reading) == (
                theirs.total, theirs.known, theirs.generation, theirs.reading,
            )  # fmt: skip
            assert [hit.highlights for hit in ours.hits] == [hit.highlights for hit in theirs.hits]
            assert [hit.twins for hit in ours.hits] == [hit.twins for hit in theirs.hits]


ADDRESSES = [
    "/search?q=port&lang=fr", "/search?q=port&since=2024-01-12&until=2024-02-10&k=20",
    "/search?q=port&source=fil/wire.jsonl",
    "/search?q=%22le port%22", "/search?q=-port",
    "/ask?q=Le port de Marseille rouvre-t-il ?&now=newest", "/ask?q=Who speaks?&now=2024-02-10",
    "/histogram", "/histogram?step=week&split=source", "/histogram?q=-port", "/facets", "/facets?q=%22le port%22",
    "/facets?q=volcan&least=0.001",
    "/sources", "/export?format=csv", "/export?q=port&format=jsonl&limit=20", "/export?q=port&format=trec",
    "/export?format=ris&lang=en",
    "/feed.atom?q=port", "/search?q=nothing&source=nowhere", "/search?q=", "/entries/nobody", "/v1/vector_stores",
]  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_every_address_answers_as_that_of_the_folder(clients: tuple[TestClient, TestClient], address: str) -> None:
    ours, theirs = (client.get(address) for client in clients)
    assert theirs.status_code == ours.status_code
    if "json" in ours.headers["content-type"] and "jsonl" not in address:
        assert same(ours.json(), theirs.json()) == ""
    else:
        assert len(theirs.text.splitlines()) == len(ours.text.splitlines())
        assert theirs.text.splitlines()[:1] == ours.text.splitlines()[:1]


def same(ours: object, theirs: object, where: str = "") -> str:
    """Where two replies differ, but for the last digits of numbers and the ids of requests; nothing where they do not."""
    if where == ".request_id":
        return ""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        if ours.keys() != theirs.keys():
            return f"{where}: {sorted(ours.keys() ^ theirs.keys())}"
        return next(filter(None, (same(ours[key], theirs[key], f"{where}.{key}") for key in ours)), "")
    if isinstance(ours, list) and isinstance(theirs, list):
        if len(ours) != len(theirs):
            return f"{where}: {len(ours)} and {len(theirs)}"
        return next(filter(None, (same(a, b, f"{where}[{n}]") for n, (a, b) in enumerate(zip(ours, theirs, strict=True)))), "")
    if isinstance(ours, float) and isinstance(theirs, float):
        return "" if ours == pytest.approx(theirs, abs=2e-4) else f"{where}: {ours} and {theirs}"
    return "" if ours == theirs else f"{where}: {ours!r} and {theirs!r}"


def test_entries_answer_as_those_of_the_folder(clients: tuple[TestClient, TestClient], pair: Both) -> None:
    with Store.open(pair.folder) as store:
        entries = [entry.id for _, entry in store.all_versions()][:9]
        then = store.committed(1).isoformat().replace("+", "%2B")
    for entry in entries:
        for address in (
            f"/entries/{entry}",
            f"/entries/{entry}?as_of={then}",
            f"/entries/{entry}/versions",
            f"/entries/{entry}/similar",
            f"/entries/{entry}/similar?lang=fr&k=3",
        ):
            ours, theirs = (client.get(address) for client in clients)
            assert theirs.status_code == ours.status_code
            assert same(ours.json(), theirs.json()) == "", address
        pages = [client.get(f"/entry/{entry}") for client in clients]
        assert pages[0].status_code == pages[1].status_code
        assert pages[0].text == pages[1].text


def test_pages_go_on_to_the_last_passage_and_a_cursor_stays_with_its_generation(searchers: tuple[Searcher, Searcher]) -> None:
    folder, server = searchers
    seen: list[list[int]] = []
    for one in (folder, server):
        cursor, ids = None, []
        for _ in range(80):
            page = one.search("Le préfet parle du port", 20, Filters(lang="en"), cursor=cursor)
            ids += [hit.passage.id for hit in page.hits]
            cursor = page.next
            if cursor is None:
                break
        assert cursor is None
        seen.append(ids)
    assert seen[0] == seen[1]
    # A cursor of the one is a cursor of the other: they are the same index.
    first = folder.search("port", 5)
    assert (
        server.search("port", 5, cursor=first.next).hits[0].passage
        == folder.search("port", 5, cursor=first.next).hits[0].passage
    )


def test_what_is_published_is_seen_at_once_and_what_is_not_never(pair: Both) -> None:
    def grow(fresh: Both) -> None:
        fresh.read("direct", FIRST)

    with both(grow) as fresh, Searcher(fresh.server, fresh.encoder) as searcher:
        before = searcher.search("Wire copy number 12", 5)
        fresh.read("wire", WIRE, published=False)
        assert searcher.search("Wire copy number 12", 5).generation == before.generation == 1
        fresh.read("wire", WIRE[:30])
        after = searcher.search("Wire copy number 12", 5)
        assert (after.generation, after.hits[0].text) == (3, "Wire copy number 12 about the port. Le préfet parle.")
        # What was found before can be gone on with.
        moment = searcher.reader.store.committed(1) + timedelta(microseconds=1)
        assert searcher.search("Wire copy number 12", 5, as_of=moment).hits == before.hits


def test_many_ask_while_one_publishes_and_each_answer_is_of_one_generation() -> None:
    def grow(fresh: Both) -> None:
        fresh.read("wire", WIRE[:10])

    with both(grow) as fresh, Searcher(fresh.server, fresh.encoder) as searcher:
        done = threading.Event()
        failures: list[BaseException] = []
        seen: set[tuple[int, int]] = set()

        def ask() -> None:
            try:
                while not done.is_set():
                    found = searcher.search("Wire copy about the port", 50)
                    assert found.total == len(found.hits) + sum(len(hit.twins) for hit in found.hits)
                    seen.add((found.generation, found.total or 0))
            except BaseException as error:
                failures.append(error)

        threads = [threading.Thread(target=ask) for _ in range(3)]
        for thread in threads:
            thread.start()
        try:
            for many in (20, 15, 30):
                fresh.read("wire", WIRE[:many])
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert failures == []
        assert seen <= {(1, 10), (2, 20), (3, 15), (4, 30)}
        assert len(seen) >= 2


def test_another_model_is_refused(pair: Both) -> None:
    with pytest.raises(ModelMismatch, match=r"was built with the model 'hashing'.*drop --model"):
        Opened.at(pair.server, HashingEncoder(64).card)


def test_a_store_is_opened_wherever_it_is(pair: Both) -> None:
    with store_of(pair.folder) as folder, store_of(pair.server) as server:
        assert folder.identity() == server.identity()


def test_a_time_before_the_index_is_refused_as_in_a_folder(searchers: tuple[Searcher, Searcher]) -> None:
    for one in searchers:
        with pytest.raises(InvalidRequest, match="did not exist at"):
            one.search("port", as_of=one.reader.store.committed(1) - timedelta(days=1))
