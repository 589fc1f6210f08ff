"""Stores, and what is told of a hit within the bounds of the contract."""

import unicodedata
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from api.vector_stores import LONGEST, WHOLE, StoreList, all_stores, attributes, one_store, shortened, source_of, store_id
from embed.hashing import HashingEncoder
from index.errors import InvalidRequest, NotFound
from index.ingest import ingest
from index.records import Entry, Hit, Passage
from index.search import Searcher


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_id_of_a_store_is_the_name_of_its_source(name: str) -> None:
    store = store_id(name)
    assert source_of(store) == name
    assert store.replace("_", "").replace("-", "").isalnum()


@pytest.mark.parametrize("store", [WHOLE, "vs_A", "vs_AB", "vs_é", "vs_YQ==", "YQ", "vs_YR", "vs_/w"])
def test_what_is_no_id_of_a_source_has_none(store: str) -> None:
    # Among them one that is not written as we write it, and one that is no text.
    assert source_of(store) is None


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Searcher:
    """An index of three sources, the third of which came later."""
    folder = tmp_path_factory.mktemp("stores")
    line = '{"_id": "%d", "text": "Le texte numéro %d."}\n'
    for name, count in (("a", 1), ("b", 2)):
        (folder / f"{name}.jsonl").write_text("".join(line % (n, n) for n in range(count)), encoding="utf-8")
    index = folder.parent / f"{folder.name}-index"
    ingest([folder / "a.jsonl", folder / "b.jsonl"], index, HashingEncoder())
    (folder / "c.jsonl").write_text(line % (7, 7), encoding="utf-8")
    ingest([folder / "c.jsonl"], index, HashingEncoder())
    return Searcher(index, HashingEncoder())


def names(searcher: Searcher, **asked: object) -> list[str]:
    return [Path(one.name).name for one in all_stores(searcher, StoreList.model_validate(asked)).data]


def test_stores_are_listed_newest_first_page_by_page(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    stores = {Path(one.name).stem: one for one in all_stores(searcher, StoreList()).data}
    assert {name: one.file_counts.total for name, one in stores.items()} == {"filrouge": 4, "a": 1, "b": 2, "c": 1}
    assert {name: one.usage_bytes for name, one in stores.items()} == {
        name: count * len("Le texte numéro 0.".encode()) for name, count in {"filrouge": 4, "a": 1, "b": 2, "c": 1}.items()
    }
    assert stores["filrouge"].created_at == stores["a"].created_at <= stores["c"].created_at <= stores["a"].last_active_at
    order = names(searcher)
    assert sorted(order) == ["a.jsonl", "b.jsonl", "c.jsonl", "filrouge"]
    first = all_stores(searcher, StoreList(limit=3))
    assert (first.has_more, first.first_id, first.last_id) == (True, first.data[0].id, first.data[2].id)
    second = all_stores(searcher, StoreList(limit=3, after=first.last_id))
    assert [one.id for one in (*first.data, *second.data)] == [one.id for one in all_stores(searcher, StoreList()).data]
    assert not second.has_more
    assert names(searcher, before=second.first_id, limit=2) == order[1:3]
    assert names(searcher, before=first.first_id) == []
    assert names(searcher, order="asc")[0] == "filrouge"


def test_a_store_that_there_is_not_is_named(searcher: Searcher) -> None:
    with pytest.raises(NotFound, match="no vector store 'vs_none'"):
        one_store(searcher, "vs_none")
    with pytest.raises(InvalidRequest) as raised:
        all_stores(searcher, StoreList(after="vs_none"))
    assert raised.value.field == "after"
    with pytest.raises(ValidationError):
        StoreList(limit=0)


# Attributes


def hit(**known: object) -> Hit:
    entry = Entry(**{"source": "fil", "key": "k", "title": "", "text": "Oui.", "lang": "fr", **known})  # type: ignore[arg-type]
    return Hit(1, Passage(7, entry, 0, 4), 0.5)


def test_what_is_not_known_is_left_out() -> None:
    assert attributes(hit()) == {
        "entry_id": hit().passage.entry.id,
        "passage_id": 7,
        "start": 0,
        "end": 4,
        "lang": "fr",
        "title": "",
        "source": "fil",
        "key": "k",
    }


def test_a_time_is_told_in_seconds_and_in_words() -> None:
    noon = datetime(2023, 5, 23, 12, tzinfo=UTC)
    found = attributes(hit(published=noon, precision="minute", url="https://fil.example/1"))
    assert (found["published"], found["published_at"]) == (1684843200, "2023-05-23T12:00:00+00:00")
    assert (found["day"], found["year"], found["url"]) == ("2023-05-23", 2023, "https://fil.example/1")
    assert isinstance(found["published"], int)
    assert attributes(hit(published=noon.replace(microsecond=250000), precision="second"))["published"] == 1684843200.25
    assert len(found) <= 16


def test_half_a_name_or_address_is_not_told() -> None:
    fits, too_long = "a" * LONGEST, "a" * (LONGEST + 1)
    assert {attributes(hit(source=fits, key=fits, url=fits))[name] for name in ("source", "key", "url")} == {fits}
    assert not {"source", "key", "url"} & attributes(hit(source=too_long, key=too_long, url=too_long)).keys()


@given(st.text(st.sampled_from("ab é\u0301👨\u200d👩🏽\ufe0f "), min_size=500, max_size=600))
def test_a_text_is_shortened_between_what_readers_see_as_characters(text: str) -> None:
    found = shortened(text)
    assert len(found) <= LONGEST
    if len(text) <= LONGEST:
        assert found == text
    else:
        kept, rest = found[:-1], text[len(found) - 1 :]
        assert (found[-1], text.startswith(kept)) == ("…", True)
        # A space ends whatever stands before it; a text of joiners alone is cut anyhow.
        if rest[0] != " " and kept.strip("\u0301\u200d🏽\ufe0f"):
            assert unicodedata.category(rest[0]) not in ("Mn", "Sk")
            assert "\u200d" not in (kept[-1], rest[0])


def test_a_long_title_ends_with_a_word() -> None:
    title = "Une attaque de drones " * 40
    found = str(attributes(hit(title=title))["title"])
    assert found == title[: len(found) - 1] + "…"
    assert found.endswith(("Une…", "attaque…", "de…", "drones…"))
