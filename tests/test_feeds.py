"""Saved questions as Atom feeds, read back by feedparser and by an XML parser."""

import html
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from xml.etree import ElementTree

import feedparser
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.app import create_app
from api.feeds import MEDIA, FeedQuery, atom
from embed import Encoder
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

ATOM = "{http://www.w3.org/2005/Atom}"
BASE = "http://127.0.0.1:8000"


@pytest.fixture
def fil(write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder) -> Iterator[TestClient]:
    """A live blog that grows, and a server of it."""
    ingest([write("fil.txt", "10h00 : Le thé\nLe thé est froid.\n")], tmp_path / "index", encoder, facts())
    with TestClient(create_app(lambda: Searcher(tmp_path / "index", encoder)), base_url=BASE) as client:
        yield client


def facts() -> Facts:
    return Facts(tz="Europe/Paris", day=date(2024, 1, 10))


def get(client: TestClient, **asked: Any) -> bytes:
    response = client.get("/feed.atom", params=asked)
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == MEDIA
    content: bytes = response.content
    return content


def read(data: bytes) -> Any:
    """As feedparser reads it; and whether it has what RFC 4287 asks for."""
    parsed = feedparser.parse(data)
    assert not parsed.bozo, parsed.get("bozo_exception")
    assert parsed.version == "atom10"
    root = ElementTree.fromstring(data)
    assert root.tag == f"{ATOM}feed"
    ids = []
    for element in [root, *root.iter(f"{ATOM}entry")]:
        for needed in ("id", "title", "updated"):
            (found,) = element.findall(f"{ATOM}{needed}")
            assert (found.text or "").strip(), needed
        ids.append(element.findtext(f"{ATOM}id"))
        assert datetime.fromisoformat(str(element.findtext(f"{ATOM}updated"))).tzinfo is not None
    assert all(re.fullmatch(r"urn:filrouge:(feed|entry):\w+", str(one)) for one in ids)
    assert len(set(ids)) == len(ids)
    for entry in root.iter(f"{ATOM}entry"):
        # The feed has no author, so every entry needs one.
        assert entry.findtext(f"{ATOM}author/{ATOM}name")
        assert len(entry.findall(f"{ATOM}link[@rel='alternate']")) == 1
    return parsed


def test_a_feed_has_the_entries_that_match_newest_first_and_undated_ones_last(awkward: Searcher) -> None:
    parsed = read(atom(awkward, FeedQuery(q="café coffee", min_score=0), BASE))
    assert [entry.get("published") for entry in parsed.entries] == [
        "2024-01-11T09:30:00+01:00",
        "2024-01-10T12:00:00+01:00",
        "2024-01-10T00:00:00+01:00",
        None,
        None,
    ]
    first = parsed.entries[0]
    hit = next(hit for hit in awkward.search("café coffee").hits if hit.passage.entry.key == "a")
    assert first.id == f"urn:filrouge:entry:{hit.passage.entry.id}"
    assert (first.title, first.author) == ("=HYPERLINK(1)", "example.org")
    assert first.content[0].value == hit.passage.entry.text
    assert first.link.startswith("https://www.example.org/direct?x=1&y=2#a:~:text=")
    assert first.updated == first.published
    assert parsed.entries[3].link.startswith(f"{BASE}/entry/")
    # A feed is as new as the newest thing in it: here an undated entry, which is as new as its reading.
    assert parsed.feed.updated == max((entry.updated for entry in parsed.entries), key=datetime.fromisoformat)


def test_a_feed_leads_to_itself_to_the_page_and_to_its_entries(client: TestClient) -> None:
    asked = {"q": "Qui a revendiqué l’attaque ?", "lang": "fr", "since": "2023-05-23", "k": 3, "min_score": 0}
    data = get(client, **asked)
    parsed = read(data)
    links = {link.rel: link.href for link in parsed.feed.links}
    assert parse_qs(urlsplit(links["alternate"]).query) == {"q": [asked["q"]], "lang": ["fr"], "since": ["2023-05-23"]}
    assert client.get(links["alternate"]).status_code == 200
    assert urlsplit(links["self"]).path == "/feed.atom"
    assert client.get(links["self"]).content == data
    assert len(parsed.entries) == 3
    for entry in parsed.entries:
        page = client.get(entry.link)
        assert page.status_code == 200
        assert entry.content[0].value.splitlines()[0] in html.unescape(page.text)


def test_only_entries_with_the_score_are_in_and_no_more_than_were_asked_for(awkward: Searcher) -> None:
    scores: dict[str, float] = {}
    for hit in awkward.search("café coffee", 100).hits:
        scores.setdefault(hit.passage.entry.id, hit.score)
    least = sorted(scores.values())[2]
    found = read(atom(awkward, FeedQuery(q="café coffee", min_score=least), BASE)).entries
    assert {entry.id.rpartition(":")[2] for entry in found} == {one for one, score in scores.items() if score >= least}
    # Of those that match, the newest.
    newest = read(atom(awkward, FeedQuery(q="café coffee", min_score=0, k=1), BASE)).entries
    assert [entry.title for entry in newest] == ["=HYPERLINK(1)"]


def test_where_nothing_matches_the_feed_is_valid_and_empty(client: TestClient) -> None:
    parsed = read(get(client, q="Belgorod", since="2031-01-01"))
    assert parsed.entries == []
    assert parsed.feed.title == "Belgorod – filrouge"


def test_a_feed_changes_when_an_entry_comes_and_its_other_entries_stay(
    fil: TestClient, write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    before = read(get(fil, q="thé", min_score=0))
    text = "10h00 : Le thé\nLe thé est froid.\n\n11h00 : Encore du thé\nLe thé est chaud.\n"
    ingest([write("fil.txt", text)], tmp_path / "index", encoder, facts())
    after = read(get(fil, q="thé", min_score=0))
    assert [entry.title for entry in after.entries] == ["Encore du thé", "Le thé"]
    assert after.entries[1] == before.entries[0]
    assert (after.feed.id, after.feed.links) == (before.feed.id, before.feed.links)
    assert after.feed.updated == "2024-01-10T11:00:00+01:00" > before.feed.updated


def test_an_edited_entry_is_the_same_entry_updated_when_the_edit_was_seen(
    fil: TestClient, write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    (before,) = read(get(fil, q="thé", min_score=0)).entries
    ingest([write("fil.txt", "10h00 : Le thé\nLe thé est tiède.\n")], tmp_path / "index", encoder, facts())
    (after,) = read(get(fil, q="thé", min_score=0)).entries
    versions = fil.get(f"/entries/{before.id.rpartition(':')[2]}/versions").json()["versions"]
    assert (after.id, after.published) == (before.id, before.published)
    assert datetime.fromisoformat(after.updated) == datetime.fromisoformat(versions[1]["seen"])
    assert after.content[0].value == "Le thé est tiède."


def test_who_has_the_feed_already_is_told_so_until_it_changes(
    fil: TestClient, write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder
) -> None:
    asked: dict[str, str | int] = {"q": "thé", "min_score": 0, "until": "2024-01-11"}
    first = fil.get("/feed.atom", params=asked)
    tag = first.headers["etag"]
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = fil.get("/feed.atom", params=asked, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    assert fil.get("/feed.atom", params=asked, headers={"If-None-Match": '"other"'}).content == first.content
    # What is indexed elsewhere does not change it.
    other = write("autre.txt", "10h00 : Le café\nLe café est froid.\n")
    ingest([other], tmp_path / "index", encoder, Facts(tz="Europe/Paris"))
    assert fil.get("/ready").json()["generation"] == 2
    assert fil.get("/feed.atom", params=asked, headers={"If-None-Match": tag}).status_code == 304
    ingest([write("fil.txt", "10h00 : Le thé\nLe thé est tiède.\n")], tmp_path / "index", encoder, facts())
    changed = fil.get("/feed.atom", params=asked, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


@given(st.text(min_size=1, max_size=40).filter(str.strip))
@settings(max_examples=30, deadline=None)
def test_any_question_gives_a_feed_that_can_be_read(seed_index: Path, question: str) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        if any("\ud800" <= character <= "\udfff" for character in question):
            return
        read(atom(searcher, FeedQuery(q=question, k=2, min_score=0), BASE))


def test_what_xml_cannot_hold_is_replaced(write: Callable[..., Path], tmp_path: Path, encoder: HashingEncoder) -> None:
    text = (
        '{"_id": "1", "title": "a \\u0001 <b> &amp; ]]>", "text": "x \\u000b\\ufffe <script>alert(1)</script> é", "lang": "fr"}'
    )
    ingest([write("fil.jsonl", text)], tmp_path / "index", encoder, Facts(tz="UTC"))
    with Searcher(tmp_path / "index", encoder) as searcher:
        said = searcher.search("script").hits[0].passage.entry
        data = atom(searcher, FeedQuery(q="\x01 script", min_score=0), BASE)
    read(data)
    root = ElementTree.fromstring(data)
    expected = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "\ufffd", said.text)
    assert root.findtext(f"{ATOM}entry/{ATOM}content") == expected
    assert "<script>alert(1)</script> é" in expected


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "x", "k": 0}, "k"),
        ({"q": "x", "k": 101}, "k"),
        ({"q": "x", "min_score": 2}, "min_score"),
        ({"q": "x", "since": "hier"}, "since"),
        ({"q": "x", "source": "nowhere"}, "source"),
        ({"q": "x", "format": "rss"}, "format"),
    ],
)
def test_a_feed_that_cannot_be_is_a_problem_that_names_the_field(client: TestClient, asked: dict[str, Any], field: str) -> None:
    response = client.get("/feed.atom", params=asked)
    assert (response.status_code, response.headers["content-type"]) == (422, "application/problem+json")
    assert [fault["field"] for fault in response.json()["errors"]] == [field]


@pytest.mark.model
def test_what_has_nothing_to_do_with_a_question_is_not_in_its_feed(model: Encoder, seeds: Path, tmp_path: Path) -> None:
    ingest([seeds], tmp_path / "index", model, Facts(tz="Europe/Paris"))
    with Searcher(tmp_path / "index", model) as searcher:
        for question in ("recette de la tarte aux pommes", "Who won the elections in Turkey?"):
            assert read(atom(searcher, FeedQuery(q=question), BASE)).entries == []
        for question in ("pilotes F-16", "drones", "Chinese energy imports", "Qui a revendiqué l’attaque de Belgorod ?"):
            assert 1 <= len(read(atom(searcher, FeedQuery(q=question), BASE)).entries) <= 5
