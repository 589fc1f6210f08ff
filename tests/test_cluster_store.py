"""A store on a Milvus server says of every generation what the folder says that it was published from."""

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index.cluster_store import ClusterStore
from index.conditions import ATTRIBUTES, And, Comparison, Condition, Contains, Not, Or, Phrase, Word
from index.errors import InvalidRequest, NotFound, StorageError
from index.milvus import Milvus
from index.records import Window
from index.store import Store
from tests.cluster_index import Both, both

pytestmark = pytest.mark.milvus


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    with both() as pair:
        yield pair


@pytest.fixture(scope="module")
def stores(pair: Both) -> Iterator[tuple[Store, ClusterStore]]:
    with Store.open(pair.folder) as store, ClusterStore(Milvus(pair.server)) as cluster:
        yield store, cluster


def test_what_is_known_of_the_whole_index_is_the_same(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    space, other = store.space(), cluster.space()
    assert (cluster.identity(), cluster.card()) == (store.identity(), store.card())
    assert space
    assert space.to_json() == other.to_json()
    assert cluster.generation() == store.generation() == 4
    for generation in range(5):
        assert cluster.committed(generation) == store.committed(generation)
        assert cluster.counts(generation) == store.counts(generation)
        assert cluster.passages_then(generation) == store.passages_then(generation)
        assert cluster.zone(generation) == store.zone(generation)
        assert cluster.newest(generation) == store.newest(generation)


def test_generations_are_found_by_their_time(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    moments = [store.committed(g) + timedelta(microseconds=m) for g in range(1, 5) for m in (0, 1)]
    assert [cluster.generation_at(m) for m in moments] == [store.generation_at(m) for m in moments]
    for moment in (store.committed(1) - timedelta(seconds=1), datetime.now(UTC) + timedelta(days=1)):
        said = []
        for one in stores:
            with pytest.raises(InvalidRequest) as refused:
                one.generation_at(moment)
            said.append(str(refused.value))
        assert said[0] == said[1]


def test_sources_are_the_same(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    assert cluster.sources(4) == store.sources(4)
    assert cluster.holdings(4) == store.holdings(4)
    assert cluster.source_names() == store.source_names() == ["fil/direct.jsonl", "fil/wire.jsonl"]
    for part in ("WIRE", "fil/direct.jsonl", "nowhere", ""):
        assert cluster.has_source(part) == store.has_source(part)
        assert cluster.origin(part) == store.origin(part)
    assert cluster.origin("fil/wire.jsonl") == store.origin("fil/wire.jsonl") is not None


def test_entries_their_versions_and_their_neighbours_are_the_same(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    entries = {entry.id: entry for _, entry in store.all_versions()}
    assert len(entries) == 48
    for entry_id in entries:
        for generation in (1, 2, 3, 4):
            told: list[list[object]] = []
            for one in stores:
                try:
                    entry = one.entry(entry_id, generation)
                    row: list[object] = [entry, one.passages_of(entry_id, generation)]
                    row += [one.around(entry, generation, reach) for reach in (1, 3)]
                except NotFound as error:
                    row = [str(error)]
                try:
                    told.append([*row, one.versions(entry_id, generation)])
                except NotFound as error:
                    told.append([*row, str(error)])
            assert told[0] == told[1]
    for generation, most in ((1, 3), (1, 100), (4, 1), (4, 20), (4, 1000)):
        assert cluster.latest(generation, most) == store.latest(generation, most)
    with pytest.raises(NotFound):
        cluster.entry('nobody" or "" == "', 4)


def test_passages_and_what_the_model_made_of_them_are_the_same(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    everything = store.allowed(4, Window())
    some = [*everything.tolist()[::7], *store.allowed(1, Window()).tolist()[:5]]
    assert cluster.passages(some) == store.passages(some)
    some.append(10_000)
    for one in (store, cluster):
        with pytest.raises(StorageError, match=r"passage 10000 .* is lost"):
            one.passages(some)
    assert cluster.moments(some) == store.moments(some)
    assert cluster.entry_keys(some) == store.entry_keys(some)
    langs, vectors = store.vectors(some)
    other_langs, other_vectors = cluster.vectors(some)
    assert langs == other_langs
    assert np.array_equal(vectors, other_vectors)
    words, others = store.words(some), cluster.words(some)
    assert words.keys() == others.keys()
    assert all(np.array_equal(words[i], others[i]) for i in words)
    for generation in (1, 4):
        ids = np.array(some, dtype=np.int64)
        assert cluster.neighbours(ids, 2, generation) == store.neighbours(ids, 2, generation)
    # Nothing asked, nothing found.
    assert (cluster.passages([]), cluster.words([]), cluster.vectors([])[0]) == ({}, {}, [])


def test_orders_and_counts_are_the_same(stores: tuple[Store, ClusterStore]) -> None:
    store, cluster = stores
    ids = store.allowed(4, Window())
    assert cluster.newest_first(ids).tolist() == store.newest_first(ids).tolist()
    assert cluster.newest_first(ids, 3).tolist() == store.newest_first(ids, 3).tolist()
    assert cluster.in_order(ids).tolist() == store.in_order(ids).tolist()
    for some in (None, ids, ids[::3], ids[:0]):
        assert Counter(cluster.dated(some, 4)) == Counter(store.dated(some, 4))
    assert Counter(cluster.dated(None, 1)) == Counter(store.dated(None, 1, past=True))


# Filters

TIMES = [datetime(2024, 1, day, hour, tzinfo=UTC) for day in (10, 11, 12) for hour in (0, 11, 23)] + [
    datetime(1969, 12, 31, 22, tzinfo=UTC), datetime(2024, 2, 9, 10, tzinfo=UTC)
]  # fmt: skip
TEXTS = ["fil/direct.jsonl", "fil/wire.jsonl", "a", "b\t\"'\\%_", "fr", "en", "day", "minute", "", "Éruption du volcan", "é",
         '" or id > 0 or "',
         "https://www.example.org/Direct?x=1&y=2#a", "2024-01-10", "2024-01-11"]  # fmt: skip
texts = st.sampled_from(TEXTS) | st.text(st.characters(exclude_categories=["Cs"]), max_size=4)
numbers = st.integers(-3, 300) | st.sampled_from([2024, 1969, 1.5, 2023.5, -1, 2.0])
VALUES = {
    "text": texts,
    "number": numbers,
    "time": st.sampled_from(TIMES),
    "day": st.sampled_from(["2024-01-10", "1969-12-31", "2024-02-01"]),
    "lang": st.sampled_from(["fr", "en", "de"]),
}
comparisons = st.sampled_from(sorted(ATTRIBUTES)).flatmap(
    lambda name: (
        st.builds(
            Comparison, st.just(name), st.sampled_from(["eq", "ne", "lt", "lte", "gt", "gte"]), VALUES[ATTRIBUTES[name].kind]
        )
        | st.builds(
            Comparison,
            st.just(name),
            st.sampled_from(["in", "nin"]),
            st.lists(VALUES[ATTRIBUTES[name].kind], max_size=3).map(tuple),
        )
    )
)
said = st.builds(
    Phrase,
    st.sampled_from(
        ["le port", "port de Marseille", "préfet", "prefet", "l’élu", "L'alerte est rouge", "nowhere", "it's cold", "Vent"]
    ),
    st.sampled_from(["anywhere", "title"]),
)
held = st.builds(Word, st.sampled_from(["ports", "port", "volcano", "volcans", "number", "nowhere", "préfets"]))
parts = st.builds(
    Contains, st.sampled_from(["source", "url"]), st.sampled_from(["WIRE", "direct", "example", "é", "?X=1&Y", "%", "_"])
)
conditions: st.SearchStrategy[Condition] = st.recursive(
    comparisons | said | held | parts,
    lambda inner: st.builds(Not, inner)
    | st.lists(inner, min_size=1, max_size=3).map(lambda some: And(tuple(some)))
    | st.lists(inner, min_size=1, max_size=3).map(lambda some: Or(tuple(some))),
    max_leaves=5,
)  # fmt: skip


@given(condition=conditions, generation=st.sampled_from([1, 3, 4]))
@settings(max_examples=200, deadline=None)
def test_conditions_hold_for_the_same_passages(
    stores: tuple[Store, ClusterStore], condition: Condition, generation: int
) -> None:
    store, cluster = stores
    expected = store.allowed(generation, Window(), condition=condition, past=True)
    assert cluster.allowed(generation, Window(), condition=condition).tolist() == expected.tolist()


@given(
    since=st.none() | st.sampled_from(TIMES),
    until=st.none() | st.sampled_from(TIMES),
    lang=st.sampled_from([None, "fr", "en"]),
    source=st.sampled_from([None, "fil/wire.jsonl", "nowhere"]),
)
@settings(max_examples=60, deadline=None)
def test_windows_languages_and_sources_hold_for_the_same_passages(
    stores: tuple[Store, ClusterStore], since: datetime | None, until: datetime | None, lang: str | None, source: str | None
) -> None:
    store, cluster = stores
    expected = store.allowed(4, Window(since, until), lang, source)
    assert cluster.allowed(4, Window(since, until), lang, source).tolist() == expected.tolist()


def test_what_a_server_cannot_be_asked_is_refused_and_named(stores: tuple[Store, ClusterStore]) -> None:
    with pytest.raises(InvalidRequest, match="parts of title, only of source and url"):
        stores[1].allowed(4, Window(), condition=Contains("title", "port"))


def test_more_passages_than_are_listed_are_refused_and_never_cut_short(
    stores: tuple[Store, ClusterStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.cluster_store.LISTED", 10)
    with pytest.raises(InvalidRequest, match=r"a Milvus index lists 10 at most .*narrow it"):
        stores[1].allowed(4, Window())


def test_answers_that_are_cut_short_are_asked_for_in_parts(
    stores: tuple[Store, ClusterStore], monkeypatch: pytest.MonkeyPatch
) -> None:
    store, cluster = stores
    monkeypatch.setattr("index.milvus.MOST", 7)
    assert cluster.allowed(4, Window()).tolist() == store.allowed(4, Window()).tolist()
