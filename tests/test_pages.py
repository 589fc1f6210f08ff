"""Pages that show every passage once, while the index grows; and permalinks, which answer the same ever after."""

import base64
import json
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import InvalidRequest
from index.ingest import ingest
from index.pages import MAX_CURSOR, MOST_SEEN, Cursor
from index.reader import Filters
from index.records import Window
from index.search import CANDIDATES, Searcher
from index.store import Store

NOON = datetime(2023, 5, 23, 12, tzinfo=UTC)
WORDS = "incendie port Marseille pompiers fumée quai navire blessé préfet route train école maire vent pluie secours".split()
QUESTION = "incendie au port de Marseille"


def lines(count: int, seed: int = 1, name: str = "") -> dict[str, dict[str, str]]:
    dice = random.Random(seed)
    found: dict[str, dict[str, str]] = {}
    for number in range(count):
        key = f"{name}{number}"
        text = " ".join(dice.choices(WORDS, k=12)).capitalize() + f" {key}."
        if number % 7 == 3:
            # Wire copy, with a comma more.
            text = found[f"{name}{number - 1}"]["text"].replace(" ", ", ", 1)
        published = (NOON + timedelta(minutes=number)).isoformat()
        found[key] = {"_id": key, "text": text, "lang": dice.choice(["fr", "en"]), "published": published}
    return found


def put(home: Path, state: dict[str, dict[str, str]], name: str = "fil") -> None:
    path = home / "fil" / f"{name}.jsonl"
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(line) + "\n" for line in state.values()))
    ingest([path], home / "index", HashingEncoder())


@pytest.fixture
def home(tmp_path: Path) -> Path:
    put(tmp_path, lines(150))
    return tmp_path


def walk(
    searcher: Searcher, query: str = QUESTION, k: int = 7, between: Callable[[int], object] = lambda page: None, **more: Any
) -> list[Any]:
    """All pages, one after the other."""
    pages = [searcher.search(query, k, **more)]
    while pages[-1].next is not None:
        between(len(pages))
        pages.append(searcher.search(query, k, cursor=pages[-1].next, **more))
        assert len(pages) < 300
    return pages


def everything_once(pages: list[Any], passages: dict[str, int]) -> None:
    """Every entry (of one passage each) is a hit, the twin of one, or passed over; and that once."""
    seen = [hit.passage.entry.key for page in pages for hit in page.hits]
    ids = {entry_id: key for key, entry_id in passages.items()}
    folded = [ids[twin] for page in pages for hit in page.hits for twin in hit.twins]
    passed = [ids[entry_id] for page in pages for entry_id, _ in page.passed]
    assert sorted([*seen, *folded, *passed]) == sorted(passages)
    assert [hit.rank for page in pages for hit in page.hits] == list(range(1, len(seen) + 1))
    assert all(len(page.hits) == page.k for page in pages[:-1])
    shown = {hit.passage.id for page in pages for hit in page.hits}
    assert all(passage in shown for page in pages for _, passage in page.passed)


def keys(searcher: Searcher) -> dict[str, Any]:
    assert isinstance(searcher.reader.store, Store)
    return dict(searcher.reader.store.keys("fil/fil.jsonl"))


FILTERS = [Filters(), Filters(lang="fr"), Filters(window=Window(NOON, NOON + timedelta(hours=1)))]


@pytest.mark.parametrize("k", [1, 7, 100])
def test_pages_show_every_passage_once(home: Path, k: int) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        pages = walk(searcher, k=k)
        everything_once(pages, keys(searcher))
        # The first ranking is at its end long before.
        assert sum(len(page.hits) for page in pages) > CANDIDATES
        assert any(page.passed or any(hit.twins for hit in page.hits) for page in pages)


@pytest.mark.parametrize("filters", FILTERS[1:], ids=["lang", "window"])
def test_pages_show_what_passes_the_filters_and_nothing_else(home: Path, filters: Filters) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        wanted = {
            key: entry_id
            for key, entry_id in keys(searcher).items()
            if filters.lang in (None, searcher.reader.store.entry(entry_id, 1).lang)
            and filters.window.contains(searcher.reader.store.entry(entry_id, 1))
        }
        assert 0 < len(wanted) < 150
        pages = walk(searcher, filters=filters)
        everything_once(pages, wanted)
        assert {page.total for page in pages} == {len(wanted)}


@pytest.mark.parametrize("again", [False, True], ids=["in one process", "in a new one for each page"])
def test_pages_stay_what_they_were_while_the_index_grows_and_changes(home: Path, again: bool) -> None:
    state = lines(150)
    searcher = Searcher(home / "index", HashingEncoder())
    passages = keys(searcher)

    def change(page: int) -> None:
        if page > 4:
            return
        state.update(lines(5, seed=page, name=f"new{page}-"))
        del state[f"{page}"]
        state[f"{page + 10}"] = {**state[f"{page + 10}"], "text": f"incendie au port de Marseille, dit-on {page}."}
        put(home, state)

    with Searcher(home / "index", HashingEncoder()) as whole:
        before = walk(whole, k=20)
    pages = [searcher.search(QUESTION, 20)]
    while pages[-1].next:
        change(len(pages))
        if again:
            searcher.close()
            searcher = Searcher(home / "index", HashingEncoder())
        pages.append(searcher.search(QUESTION, 20, cursor=pages[-1].next))
    searcher.close()
    everything_once(pages, passages)
    assert {page.generation for page in pages} == {1}
    shown = [[hit.passage.entry.content_hash for hit in page.hits] for page in pages]
    assert shown == [[hit.passage.entry.content_hash for hit in page.hits] for page in before]


def test_pages_show_every_passage_once_after_a_history_of_edits(home: Path) -> None:
    """What was removed counts in the statistics of the engines that are open, and not in those that are made anew."""
    state = lines(150)
    for step in range(3):
        for number in range(step * 9, step * 9 + 6):
            state[f"{number}"] = {**state[f"{number}"], "text": f"Le maire et le port {step}."}
        put(home, state)
    with Searcher(home / "index", HashingEncoder()) as searcher:
        passages, first = keys(searcher), searcher.search(QUESTION, 9)
    state.update(lines(30, seed=5, name="late"))
    put(home, state)
    with Searcher(home / "index", HashingEncoder()) as searcher:
        pages = [first]
        while pages[-1].next:
            pages.append(searcher.search(QUESTION, 9, cursor=pages[-1].next))
        everything_once(pages, passages)


def test_a_page_may_have_another_length(home: Path) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        first = searcher.search(QUESTION, 3)
        second = searcher.search(QUESTION, 50, cursor=first.next)
        both = searcher.search(QUESTION, 53)
        assert [hit.passage.id for hit in (*first.hits, *second.hits)][:20] == [hit.passage.id for hit in both.hits][:20]


def test_pages_of_operators_alone_go_back_in_time(home: Path) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        pages = walk(searcher, "lang:fr -incendie")
        times = [hit.passage.entry.published for page in pages for hit in page.hits]
        assert times == sorted(times, reverse=True)
        assert {hit.score for page in pages for hit in page.hits} == {0.0}
        assert not any("incendie" in hit.passage.text.lower() for page in pages for hit in page.hits)


def test_a_query_that_finds_all_at_once_has_no_next_page(home: Path) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        found = searcher.search('"incendie" "navire" "train" "vent" "pluie"', 100)
        assert found.total is not None
        assert (found.next, found.total >= len(found.hits)) == (None, True)


def test_a_cursor_is_good_for_its_question_and_index_alone(home: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    other = tmp_path_factory.mktemp("other")
    put(other, lines(30))
    with Searcher(home / "index", HashingEncoder()) as searcher, Searcher(other / "index", HashingEncoder()) as stranger:
        cursor = searcher.search(QUESTION, 3).next
        assert cursor is not None
        refused: list[tuple[Searcher, str, dict[str, Any], str]] = [
            (searcher, "pluie", {}, "of another question"),
            (searcher, QUESTION, {"filters": Filters(lang="fr")}, "of another question"),
            (searcher, QUESTION, {"literal": True}, "of another question"),
            (stranger, QUESTION, {}, "no cursor of this index"),
        ]
        for one, question, more, message in refused:
            with pytest.raises(InvalidRequest, match=message) as caught:
                one.search(question, 3, cursor=cursor, **more)
            assert caught.value.field == "cursor"


@pytest.mark.parametrize("spoil", ["", "abc", "é", "A" * (MAX_CURSOR + 1), "=", "next", "\ud800"], ids=ascii)
def test_what_is_no_cursor_is_refused(home: Path, spoil: str) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher, pytest.raises(InvalidRequest, match="no cursor of this index"):
        searcher.search(QUESTION, 3, cursor=spoil)


def test_a_cursor_that_was_changed_anywhere_is_refused() -> None:
    cursor = Cursor(3, 10, (5, 4, 90), (7, 9))
    sealed = base64.urlsafe_b64decode(cursor.written(b"key", "q") + "==")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(InvalidRequest, match="no cursor of this index"):
            Cursor.read(base64.urlsafe_b64encode(changed).decode().rstrip("="), b"key", "q")


def test_a_cursor_remembers_so_much_and_says_when_it_is_full() -> None:
    full = Cursor(1, 10, tuple(range(1, 9 * MOST_SEEN, 9)), ())
    written = full.written(b"key", "q")
    assert len(written) <= MAX_CURSOR
    with pytest.raises(InvalidRequest, match=f"pages end at {MOST_SEEN} passages"):
        Cursor.read(written, b"key", "q")


def test_a_cursor_of_another_moment_is_refused(home: Path) -> None:
    with Searcher(home / "index", HashingEncoder()) as searcher:
        first = searcher.search(QUESTION, 3)
        put(home, {**lines(150), **lines(3, 4, "new")})
        newer = searcher.search(QUESTION, 3)
        assert searcher.search(QUESTION, 3, as_of=first.known, cursor=first.next).hits[0].rank == 4
        with pytest.raises(InvalidRequest, match="another moment than as_of"):
            searcher.search(QUESTION, 3, as_of=newer.known, cursor=first.next)


# Over HTTP, with permalinks


def answered(client: TestClient, address: str) -> bytes:
    reply = client.get(address)
    assert reply.status_code == 200, reply.text
    return reply.content


ADDRESSES = [
    "/search?q=incendie+au+port+de+Marseille&k=5",
    "/search?q=%22navire%22+port+-pluie+lang%3Afr&k=4",
    "/search?q=before%3A2023-05-23T14:30+lang%3Aen&k=4",
    "/search?q=le+maire&since=2023-05-23T12:30&until=2023-05-23T15:00&literal=true",
    "/ask?q=Qui+est+bless%C3%A9+au+port+%3F&k=3&threshold=0",
    "/ask?q=Y+a-t-il+un+incendie+hier+%3F&now=2023-05-24T12:00",
    "/histogram?q=%22navire%22&step=hour&split=lang",
    "/histogram?q=incendie+port&least=0.02",
    "/facets?lang=fr",
]


def test_a_permalink_answers_the_same_byte_for_byte_after_a_thousand_entries_edits_and_withdrawals(home: Path) -> None:
    state = lines(150)
    with TestClient(create_app(lambda: Searcher(home / "index", HashingEncoder()))) as client:
        near = f"/entries/{client.get(ADDRESSES[0]).json()['hits'][0]['entry_id']}/similar?k=4"
        then = {address: json.loads(answered(client, address)) for address in [*ADDRESSES, near]}
        follow = client.get("/search", params={"q": QUESTION, "k": 5, "cursor": then[ADDRESSES[0]]["next"]}).json()
        then["second page"] = follow
        links = {address: reply["permalink"] for address, reply in then.items()}
        before = {address: answered(client, link) for address, link in links.items()}
        for address, reply in then.items():
            again = json.loads(before[address])
            # It is what was answered, and its own permalink.
            assert again.pop("as_of") == reply["known"]
            assert {name: value for name, value in again.items() if name != "next"} == {
                name: value for name, value in reply.items() if name not in ("next", "as_of")
            }
            assert again["permalink"] == links[address]
            asked = dict(parse_qsl(urlsplit(links[address]).query))
            assert asked["as_of"] == reply["known"]
        late = {
            **lines(1000, 9, "late-"),
            **{f"{n}": {**state[f"{n}"], "text": "Un incendie au port de Marseille !"} for n in range(40)},
        }
        put(home, {**{key: line for key, line in state.items() if int(key) < 120}, **late})
        # Most sources are in another zone from now on.
        for number in range(3):
            path = home / "fil" / f"far{number}.jsonl"
            path.write_text(
                json.dumps({"_id": "1", "text": "Incendie.", "lang": "fr", "published": "2023-05-23T10:00:00-04:00"})
            )
            ingest([path], home / "index", HashingEncoder(), Facts(tz="America/New_York"))
        assert client.get("/ready").json()["entries"] > 1000
        for address, link in links.items():
            assert answered(client, link) == before[address], address
        assert json.loads(answered(client, ADDRESSES[0]))["hits"] != then[ADDRESSES[0]]["hits"]
    # And so it does in another process, which has made nothing of it yet.
    with TestClient(create_app(lambda: Searcher(home / "index", HashingEncoder()))) as client:
        for address, link in links.items():
            assert answered(client, link) == before[address], address


def test_pages_over_http_by_get_and_post_are_the_same(home: Path) -> None:
    with TestClient(create_app(lambda: Searcher(home / "index", HashingEncoder()))) as client:
        first = client.post("/search", json={"query": QUESTION, "k": 4}).json()
        by_get = client.get("/search", params={"q": QUESTION, "k": 4, "cursor": first["next"]})
        by_post = client.post("/search", json={"query": QUESTION, "k": 4, "cursor": first["next"]})
        assert by_get.json() == by_post.json()
        assert [hit["rank"] for hit in by_get.json()["hits"]] == [5, 6, 7, 8]
        wrong = client.get("/search", params={"q": "autre", "cursor": first["next"]})
        assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (422, "cursor")
        long = client.get("/search", params={"q": "autre", "cursor": "x" * (MAX_CURSOR + 1)})
        assert (long.status_code, long.json()["errors"][0]["field"]) == (422, "cursor")
