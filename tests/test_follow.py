"""A page that is followed: politely, safely, and to exactly the right history whatever its server does."""

import gzip
import itertools
import json
import logging
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from api.cli import main
from embed.hashing import HashingEncoder
from index import lock
from index.documents import Facts
from index.errors import InvalidRequest, ModelMismatch, Unreachable
from index.fetch import Fetcher, Validators, parsed, public_url
from index.follow import LONGEST, Look, follow, target
from index.ingest import ingest
from index.records import Version
from index.search import Searcher
from index.store import Store

START = 1684828800
"""2023-05-23T08:00:00Z, when the oldest entry of the pages below was published."""


# A server that a test tells what to do


@dataclass
class Answer:
    """What the server sends: `cut` bytes short of what it announces; after `stall` seconds; nothing at all with `hang_up`."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0
    stall: float = 0.0
    hang_up: bool = False


@dataclass
class Site:
    """The server of one test, on a free port of this machine. `pages` are by path; `asked` is every request."""

    pages: dict[str, Answer] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    port: int = 0

    def url(self, path: str = "/direct.html") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def source(self) -> str:
        return f"127.0.0.1:{self.port}/direct.html"

    def put(self, answer: Answer, path: str = "/direct.html") -> None:
        self.pages[path] = answer

    def requests(self, path: str = "/direct.html") -> list[dict[str, str]]:
        return [headers for at, headers in self.asked if at == path]


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path
            found.asked.append((path, {name.lower(): value for name, value in self.headers.items()}))
            answer = found.pages.get(path, Answer(status=404))
            time.sleep(answer.stall)
            if answer.hang_up:
                self.connection.shutdown(socket.SHUT_RDWR)
                self.close_connection = True
                return
            same = answer.headers.get("ETag") or answer.headers.get("Last-Modified")
            known = self.headers.get("If-None-Match") or self.headers.get("If-Modified-Since")
            unchanged = answer.status == 200 and same is not None and same == known
            body = b"" if unchanged else answer.body
            try:
                self.send_response(304 if unchanged else answer.status)
                for name, value in {"Content-Type": "text/html; charset=utf-8", **answer.headers}.items():
                    self.send_header(name, value)
                if not unchanged:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: len(body) - answer.cut])
            except OSError:
                pass
            if answer.cut:
                self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True

        def log_message(self, format: str, *arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    found.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A second is silence enough here; on a busy machine less may pass before a good answer."""
    monkeypatch.setattr("index.fetch._SILENCE", httpx.Timeout(1.0))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


Entries = dict[str, tuple[str, str]]
"""Key -> title and text, in the order of the page."""


def html(entries: Entries, note: str = "") -> bytes:
    """A live page that states its entries in microdata."""
    blocks = "".join(
        f'<div itemprop="liveBlogUpdate" itemscope itemtype="https://schema.org/BlogPosting" id="{key}">'
        f'<meta itemprop="datePublished" content="{published(key)}"><h2 itemprop="headline">{title}</h2>'
        f'<div itemprop="articleBody"><p>{text}</p></div></div>'
        for key, (title, text) in entries.items()
    )
    return (
        f"<!DOCTYPE html><html lang=fr><head><title>La crue en direct</title></head><body><!-- {note} -->"
        f'<div itemscope itemtype="https://schema.org/LiveBlogPosting">{blocks}</div></body></html>'
    ).encode()


def rss(entries: Entries, note: str = "") -> bytes:
    items = "".join(
        f"<item><guid isPermaLink='false'>{key}</guid><title>{title}</title><pubDate>{rfc(key)}</pubDate>"
        f"<description>{text}</description></item>"
        for key, (title, text) in entries.items()
    )
    return f"<?xml version='1.0'?><rss version='2.0'><channel><title>Fil {note}</title>{items}</channel></rss>".encode()


def jsons(entries: Entries, note: str = "") -> bytes:
    lines = [
        {"_id": key, "title": title, "text": text, "published": published(key), "lang": "fr"}
        for key, (title, text) in entries.items()
    ]
    return json.dumps({"note": note, "items": lines}).encode()


def published(key: str) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(START + 60 * int(key[1:])))


def rfc(key: str) -> str:
    return formatdate(START + 60 * int(key[1:]), usegmt=True)


def story(key: str, edit: int = 0) -> tuple[str, str]:
    return f"Titre {key}", f"La rivière {key} monte encore dans la vallée ce matin, dit le maire, version {edit}."


def some(*keys: str) -> Entries:
    return {key: story(key) for key in keys}


def looks(site: Site, folder: Path, **more: Any) -> list[Look]:
    """Follow the page for as many looks as are asked for, without waiting."""
    more.setdefault("times", 1)
    more.setdefault("sleep", lambda seconds: None)
    return list(follow(more.pop("url", site.url()), folder, HashingEncoder(), every=0, fetcher=Fetcher(True), **more))


def history(folder: Path, source: str) -> dict[str, list[Version]]:
    with Store.open(folder) as store:
        with store.reading() as db:
            rows = db.execute(
                "SELECT e.key, e.id FROM entries e JOIN sources s ON s.id = e.source_id WHERE s.name = ?", (source,)
            ).fetchall()
        return {key: store.versions(entry_id, store.generation()) for key, entry_id in rows}


# The history


FAULTS: dict[str, Callable[[bytes, Entries], Answer]] = {
    "silence": lambda body, now: Answer(body, stall=2.0),
    "the server fails": lambda body, now: Answer(b"<html><body>Oops</body></html>", 500),
    "the server is away": lambda body, now: Answer(b"", 503, {"Retry-After": "7"}),
    "too many": lambda body, now: Answer(b"", 429, {"Retry-After": "Tue, 01 Jan 2036 00:00:00 GMT"}),
    "not there": lambda body, now: Answer(b"<html><body>404</body></html>", 404),
    "forbidden": lambda body, now: Answer(b"", 403),
    "hung up": lambda body, now: Answer(hang_up=True),
    "half a body": lambda body, now: Answer(body, cut=len(body) // 2),
    "half a page, said to be whole": lambda body, now: Answer(body[: len(body) * 2 // 3]),
    "half of what it is packed in": lambda body, now: Answer(
        gzip.compress(body)[: len(gzip.compress(body)) // 2], headers={"Content-Encoding": "gzip"}
    ),
    "packed in nothing": lambda body, now: Answer(body, headers={"Content-Encoding": "gzip"}),
    "packed in what was not asked for": lambda body, now: Answer(body, headers={"Content-Encoding": "br"}),
    "nothing": lambda body, now: Answer(b""),
    "a picture": lambda body, now: Answer(b"\x89PNG\r\n\x1a\n" + bytes(100), headers={"Content-Type": "image/png"}),
    "an error in JSON": lambda body, now: Answer(b'{"error": "internal"}', headers={"Content-Type": "application/json"}),
    "a text": lambda body, now: Answer(b"upstream connect error or disconnect", headers={"Content-Type": "text/plain"}),
    "a page of the menders": lambda body, now: Answer(
        b"<!DOCTYPE html><html><head><title>Maintenance</title></head><body><h1>Maintenance</h1><article><p>Le site est en "
        b"maintenance et sera de nouveau disponible dans quelques minutes, merci de votre patience.</p></article></body></html>"
    ),
    "a page without entries": lambda body, now: Answer(html({})),
    "an older copy": lambda body, now: Answer(
        html(some("k1", "k2", "k3")), headers={"Last-Modified": formatdate(START - 86400, usegmt=True)}
    ),
    "elsewhere for ever": lambda body, now: Answer(b"", 302, {"Location": "/direct.html"}),
    "nowhere": lambda body, now: Answer(b"", 301),
    "no content": lambda body, now: Answer(b"", 204),
    "a part": lambda body, now: Answer(body[:200], 206),
}


def grown(dice: random.Random, page: Entries, step: int) -> Entries:
    """The page a few minutes later: entries above, edits, another order, and a few withdrawn or back again."""
    new = {f"k{step * 10 + n}": story(f"k{step * 10 + n}") for n in range(dice.randint(1, 3))}
    later = {**new, **page}
    for key in list(page):
        chance = dice.random()
        if chance < 0.15:
            later[key] = story(key, edit=step)
        elif chance < 0.25 and len(later) > 4:
            del later[key]
    gone = [f"k{n}" for n in range(1, step * 10) if f"k{n}" not in later and dice.random() < 0.01]
    later.update((key, story(key, edit=step)) for key in gone)
    order = list(later.items())
    if dice.random() < 0.3:
        dice.shuffle(order)
    return dict(order)


@pytest.mark.parametrize(("render", "seed"), [(html, 1), (html, 2), (jsons, 3)])
def test_a_page_followed_through_every_fault_ends_with_exactly_the_right_history(
    site: Site, folder: Path, render: Callable[[Entries, str], bytes], seed: int
) -> None:
    dice = random.Random(seed)
    page = some("k3", "k2", "k1")
    expected: dict[str, list[list[Any]]] = {}
    faults = [*FAULTS, *dice.choices(list(FAULTS), k=5)]
    dice.shuffle(faults)
    polls, number = 0, 0
    before: dict[str, Answer] = {}
    generations = 0
    # Each look by a following of its own: what is remembered must hold for another process too.
    while faults or polls < 60:
        number += 1
        modified = formatdate(START + 60 * number, usegmt=True)
        good = Answer(render(page, f"look {number}"), headers={"ETag": f'"{number}"', "Last-Modified": modified})
        kind = "good" if polls == 0 else dice.choice(["fault", "fault", "good", "same"])
        if kind == "fault" and faults:
            fault = faults.pop()
            site.put(FAULTS[fault](good.body, page))
            if fault == "an older copy":
                site.put(Answer(render(some("k1", "k2", "k3"), "old"), headers=site.pages["/direct.html"].headers))
            (look,) = looks(site, folder)
            assert (look.outcome, look.report) == ("failed", None), fault
            assert look.reason, fault
        elif kind == "same" and before:
            # The server says itself that nothing has changed.
            site.put(before["answer"])
            (look,) = looks(site, folder)
            assert look.outcome == "unchanged"
            assert site.requests()[-1]["if-none-match"] == before["answer"].headers["ETag"]
        else:
            site.put(good)
            (look,) = looks(site, folder)
            assert (look.outcome, look.reason) == ("read", "")
            assert look.report is not None
            told = note_down(expected, page)
            report = look.report
            assert (report.added, report.changed, report.withdrawn) == told
            assert report.failures == []
            generations += any(told)
            before = {"answer": good}
            page = grown(dice, page, number)
        polls += 1
        with Store.open(folder) as store:
            assert store.generation() == generations
            assert set(store.keys(site.source)) == {key for key, said in expected.items() if not said[-1][2]}
    assert polls >= 60
    found = history(folder, site.source)
    assert {
        key: [[one.entry.title, one.entry.text, one.withdrawn] for one in versions] for key, versions in found.items()
    } == expected
    for key, versions in found.items():
        for one in versions:
            assert one.entry.published is not None
            assert one.entry.published.timestamp() == START + 60 * int(key[1:])
        for one, later in itertools.pairwise(versions):
            assert one.ended is not None
            assert one.ended <= later.seen
            assert one.withdrawn or one.ended == later.seen
    # Searches see the last state, and each earlier one as of its time.
    with Searcher(folder, HashingEncoder()) as searcher:
        shown = {key for key, said in expected.items() if not said[-1][2]}
        assert {hit.passage.entry.key for hit in searcher.search("rivière", 100).hits} == shown
        first = min(versions[0].seen for versions in found.values())
        assert {hit.passage.entry.key for hit in searcher.search("rivière", 100, as_of=first).hits} == {"k1", "k2", "k3"}


def note_down(expected: dict[str, list[list[Any]]], page: Entries) -> tuple[int, int, int]:
    """Bring the expected history up to a page; how many entries were added, changed and withdrawn by it."""
    added = changed = withdrawn = 0
    for key, (title, text) in page.items():
        said = expected.setdefault(key, [])
        if not said or said[-1][2]:
            added += 1
            said.append([title, text, False])
        elif said[-1][:2] != [title, text]:
            changed += 1
            said.append([title, text, False])
    for key, said in expected.items():
        if key not in page and not said[-1][2]:
            withdrawn += 1
            said[-1][2] = True
    return added, changed, withdrawn


# The same in one following, by hand: the page, what its server does, and how long is waited then


LOOKS = """
1  | +a +b +c | good                             | 60
2  |          | not changed                      | 60
3  | +d       | good                             | 60
4  | a!       | the server fails                 | 120
5  |          | silence                          | 240
6  |          | good                             | 60
7  | ~        | good                             | 60
8  | +e +f    | away for 900 s                   | 900
9  |          | half a body                      | 240
10 | b! b!    | good                             | 60
11 | -c       | too many for 7200 s              | 7200
12 |          | hung up                          | 240
13 | +c       | half a page, said to be whole    | 480
14 | d@       | good                             | 60
15 |          | not changed                      | 60
16 | -a       | good                             | 60
17 |          | nothing                          | 120
18 | e!       | a page without entries           | 240
19 |          | half of what it is packed in     | 480
20 |          | the server fails                 | 960
21 |          | hung up                          | 1920
22 |          | silence                          | 3600
23 |          | the server fails                 | 3600
24 | ~ +g     | good                             | 60
25 | +a       | good                             | 60
26 | -f -g    | good                             | 60
27 |          | the same in full                 | 60
28 | g! +g    | a page of the menders            | 120
29 | b!       | packed in nothing                | 240
30 |          | a picture                        | 480
31 | -b -d    | good                             | 60
32 | ~ +h c!  | half a body                      | 120
33 |          | good                             | 60
34 | c!       | not changed, though it has       | 60
35 |          | an older copy                    | 120
36 | +f f!    | good                             | 60
"""
"""`+a` comes, `a!` is edited, `a@` has its time corrected by a minute, `-a` goes, `~` gives another order."""

HISTORY = """
a | 1 a        | 6 a!       | 16 gone | 25 a!
b | 1 b        | 10 b!!     | 31 gone
c | 1 c        | 33 c!      | 36 c!!
d | 3 d        | 14 d@      | 31 gone
e | 10 e       | 24 e!
f | 10 f       | 26 gone    | 36 f!
g | 24 g       | 26 gone    | 31 g!
h | 33 h
"""
"""What each entry said from which look on, as `a!` for a once edited, and when it was gone."""


def block(name: str, state: str) -> str:
    minute = ord(name) + state.count("@")
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(START + 60 * minute))
    return (
        f'<div id="block-{name}" class="block"><p><time datetime="{stamp}">il y a peu</time></p>'
        f'<h2 class="block-title">Titre {name}</h2><div class="block-elements"><p>{said(name, state)}</p></div></div>'
    )


def said(name: str, state: str) -> str:
    return f"La rivière {name} monte encore dans la vallée, dit le maire pour la {state.count('!') + 1}e fois."


def test_a_page_followed_by_hand_through_faults_has_every_version_at_its_instant(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = [[part.strip() for part in line.split("|")] for line in LOOKS.strip().splitlines()]
    clock = [START + 10 * 3600.0]
    monkeypatch.setattr("index.commits.time", SimpleNamespace(time_ns=lambda: int(clock[0] * 1e9)))
    states: dict[str, str] = {}
    order: list[str] = []
    good = Answer()
    pages: dict[int, dict[str, str]] = {}
    instants: list[float] = []

    def serve(number: int) -> None:
        """Change the page as the script has it, and let the server do what it does at this look."""
        nonlocal good
        _, changes, does, _ = script[number - 1]
        for change in changes.split():
            name = change.strip("+-!@~")
            if change == "~":
                order.reverse()
                order[1:1] = [order.pop()]
            elif change[0] == "+":
                order.insert(0, name)
                states.setdefault(name, "")
            elif change[0] == "-":
                order.remove(name)
            else:
                states[name] = states.get(name, "") + change[-1]
        blocks = "".join(block(name, states[name]) for name in order)
        page = (
            f"<!DOCTYPE html><html lang=fr><head><title>La crue en direct</title></head><body>{blocks}</body></html>".encode()
        )
        if does == "good":
            pages[number] = {name: states[name] for name in order}
            stamps = {"ETag": f'"{number}"', "Last-Modified": formatdate(clock[0], usegmt=True)}
            good = Answer(page, headers=stamps)
        told: dict[str, Answer] = {
            "good": good,
            "not changed": good,
            "not changed, though it has": good,
            "the same in full": Answer(good.body),
            "away for 900 s": Answer(b"", 503, {"Retry-After": "900"}),
            "too many for 7200 s": Answer(b"", 429, {"Retry-After": "7200"}),
        }
        site.put(told[does] if does in told else FAULTS[does](page, {}))
        instants.append(clock[0])

    def sleep(seconds: float) -> None:
        clock[0] += seconds
        serve(len(instants) + 1)

    serve(1)
    # The one thing that is left to chance, at its most: otherwise nothing could be said of how long is waited.
    more: dict[str, Any] = {"times": len(script) + 1, "sleep": sleep, "dice": lambda: 1.0, "fetcher": Fetcher(True)}
    found = list(itertools.islice(follow(site.url(), folder, HashingEncoder(), every=60, **more), len(script)))
    for look, (number, _, does, wait) in zip(found, script, strict=True):
        outcome = "read" if does == "good" else "unchanged" if does in UNCHANGED else "failed"
        assert (look.number, look.outcome, look.wait) == (int(number), outcome, float(wait)), look
    assert len([look for look in found if look.outcome == "failed"]) == 19
    expected: dict[str, list[tuple[int, str]]] = {}
    for line in HISTORY.strip().splitlines():
        name, *changes = (part.strip() for part in line.split("|"))
        expected[f"block-{name}"] = [(int(one.split()[0]), one.split()[1]) for one in changes]
    history_ = history(folder, site.source)
    assert set(history_) == set(expected)
    for key, versions in history_.items():
        name = key.removeprefix("block-")
        told_of: list[tuple[int, str]] = []
        for version in versions:
            state = next(state for _, state in expected[key][len(told_of) :] if state != "gone")
            entry = version.entry
            assert (entry.title, entry.text) == (f"Titre {name}", said(name, state))
            assert entry.published == datetime.fromtimestamp(START + 60 * (ord(name) + state.count("@")), UTC)
            told_of.append((look_at(instants, version.seen), state))
            if version.withdrawn and version.ended is not None:
                told_of.append((look_at(instants, version.ended), "gone"))
            elif version.ended is not None:
                assert version.ended == versions[version.number].seen
        assert told_of == expected[key]
    # At every look that read the page, what was known is what was on it, in whatever order.
    with Searcher(folder, HashingEncoder()) as searcher:
        for at, page in pages.items():
            moment = datetime.fromtimestamp(instants[at - 1], UTC)
            hits = searcher.search("rivière", 100, as_of=moment).hits
            assert {hit.passage.entry.key: hit.passage.text for hit in hits} == {
                f"block-{name}": said(name, state) for name, state in page.items()
            }


UNCHANGED = {"not changed", "not changed, though it has", "the same in full"}


def look_at(instants: list[float], moment: datetime) -> int:
    return instants.index(moment.timestamp()) + 1


def test_the_first_look_may_fail_and_leaves_no_index(site: Site, folder: Path) -> None:
    for fault in ("the server fails", "nothing", "half a body", "half a page, said to be whole"):
        site.put(FAULTS[fault](html(some("k2", "k1")), {}))
        (look,) = looks(site, folder)
        assert look.outcome == "failed"
        assert not (folder / "index.sqlite").exists()
    site.put(Answer(html(some("k2", "k1"))))
    assert [look.outcome for look in looks(site, folder)] == ["read"]


def test_a_page_that_was_taken_for_the_menders_page_is_read_when_it_shows_more(site: Site, folder: Path) -> None:
    site.put(FAULTS["a page of the menders"](b"", {}))
    looks(site, folder)
    site.put(Answer(html(some("k2", "k1"))))
    (look,) = looks(site, folder)
    assert look.report is not None
    assert (look.report.added, look.report.withdrawn) == (2, 1)


def test_what_a_feed_no_longer_shows_is_withdrawn_only_within_what_it_shows(site: Site, folder: Path) -> None:
    site.put(Answer(rss(some("k4", "k3", "k2", "k1"))))
    assert looks(site, folder)[0].outcome == "read"
    # k1 and k2 have rolled off the end, and k4 was taken out.
    site.put(Answer(rss(some("k6", "k5", "k3"))))
    (look,) = looks(site, folder)
    assert look.report is not None
    assert (look.report.added, look.report.withdrawn) == (2, 1)
    said = history(folder, site.source)
    assert {key for key, versions in said.items() if versions[-1].withdrawn} == {"k4"}
    with Store.open(folder) as store:
        assert set(store.keys(site.source)) == {"k1", "k2", "k3", "k5", "k6"}
    broken = rss(some("k7"))
    site.put(Answer(broken[: len(broken) // 2]))
    assert looks(site, folder)[0].outcome == "failed"


def test_a_page_that_leads_on_to_older_entries_is_a_window_too(site: Site, folder: Path) -> None:
    def page(entries: Entries) -> bytes:
        return html(entries).replace(b"</body>", b'<a class="older" rel="next" href="?page=2">Plus</a></body>')

    site.put(Answer(page(some("k3", "k2", "k1"))))
    looks(site, folder)
    site.put(Answer(page(some("k4", "k2"))))
    (look,) = looks(site, folder)
    assert look.report is not None
    assert (look.report.added, look.report.withdrawn) == (1, 1)
    with Store.open(folder) as store:
        assert set(store.keys(site.source)) == {"k4", "k2", "k1"}


# Politeness


def test_each_look_says_who_asks_and_asks_only_for_news(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1")), headers={"Last-Modified": "Tue, 23 May 2023 09:00:00 GMT"}))
    assert [look.outcome for look in looks(site, folder, times=3)] == ["read", "unchanged", "unchanged"]
    first, second, third = site.requests()
    assert first["user-agent"].startswith("filrouge/")
    assert ("if-modified-since" in first, second["if-modified-since"]) == (False, "Tue, 23 May 2023 09:00:00 GMT")
    assert {"cookie", "authorization", "referer"} & set(third) == set()
    # Another process remembers, and asks for robots.txt again.
    assert [look.outcome for look in looks(site, folder)] == ["unchanged"]
    assert [path for path, _ in site.asked] == ["/robots.txt", *["/direct.html"] * 3, "/robots.txt", "/direct.html"]


def test_a_server_that_says_the_same_again_in_full_is_not_read_again(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1"))))
    assert [look.outcome for look in looks(site, folder, times=2)] == ["read", "unchanged"]
    # What is remembered is a cache, and may go.
    for path in (folder / "cache").glob("follow-*"):
        path.write_text("{")
    (look,) = looks(site, folder)
    assert look.report is not None
    assert (look.outcome, look.report.unchanged, look.report.generation) == ("read", 1, 1)


def test_what_is_remembered_is_of_one_index_alone(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1")), headers={"ETag": '"1"'}))
    looks(site, folder)
    cache = {path.name: path.read_bytes() for path in (folder / "cache").glob("follow-*")}
    other = folder.with_name("other")
    (other / "cache").mkdir(parents=True)
    ingest([folder.with_name("x.txt")], folder.with_name("third"), HashingEncoder())
    for name, data in cache.items():
        (other / "cache" / name).write_bytes(data)
    with pytest.raises(Exception, match="is not empty and holds no index"):
        looks(site, other)
    assert "if-none-match" not in site.requests()[-1]


def test_robots_txt_is_heeded(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1"))))
    site.put(Answer(b"User-agent: *\nDisallow: /*.html$\n", headers={"Content-Type": "text/plain"}), "/robots.txt")
    with pytest.raises(Unreachable, match=r"robots.txt of 127.0.0.1 asks robots not to read this page"):
        looks(site, folder, times=3)
    assert site.requests() == []
    rules = b"User-agent: filrouge\nCrawl-delay: 40\nAllow: /\nUser-agent: *\nDisallow: /\n"
    site.put(Answer(rules, headers={"Content-Type": "text/plain"}), "/robots.txt")
    waited: list[float] = []
    assert [look.wait for look in looks(site, folder, times=3, sleep=waited.append)] == [40, 40, 0]
    assert waited == [40, 40]


@pytest.mark.parametrize("status", [500, 503, 429])
def test_without_an_answer_about_robots_nothing_is_read(site: Site, folder: Path, status: int) -> None:
    site.put(Answer(html(some("k1"))))
    site.put(Answer(status=status), "/robots.txt")
    (look,) = looks(site, folder)
    assert (look.outcome, look.reason.startswith("robots.txt: "), site.requests()) == ("failed", True, [])


def test_robots_are_asked_about_at_every_site_that_a_page_leads_to(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1"))), "/moved.html")
    site.put(Answer(status=301, headers={"Location": "/moved.html"}))
    assert looks(site, folder)[0].outcome == "read"
    site.put(Answer(b"User-agent: *\nDisallow: /moved\n"), "/robots.txt")
    with pytest.raises(Unreachable, match="asks robots not to read"):
        looks(site, folder)


def test_the_waiting_grows_while_it_fails_and_is_never_shorter_than_was_asked(site: Site, folder: Path) -> None:
    site.put(Answer(status=500))
    waited: list[float] = []
    chances = iter([0.0, 1.0, 0.5, *[1.0] * 20])
    more: dict[str, Any] = {"times": 15, "sleep": waited.append, "dice": lambda: next(chances)}
    found = list(follow(site.url(), folder, HashingEncoder(), every=10, fetcher=Fetcher(True), **more))
    assert waited[:3] == [10, 40, 60]
    assert waited[3:8] == [160, 320, 640, 1280, 2560]
    assert set(waited[8:]) == {LONGEST}
    assert [look.wait for look in found] == [*waited, 0]
    site.put(Answer(status=503, headers={"Retry-After": "5000"}))
    waited.clear()
    assert looks(site, folder, times=2, sleep=waited.append)[0].wait == 5000
    site.put(Answer(status=503, headers={"Retry-After": "999999999"}))
    assert looks(site, folder, times=2, sleep=waited.append)[0].wait == 24 * 3600
    site.put(Answer(html(some("k1"))))
    assert looks(site, folder, times=2, sleep=waited.append)[0].wait == 0


def test_a_page_that_is_gone_for_good_is_not_asked_for_again(site: Site, folder: Path) -> None:
    site.put(Answer(html(some("k1"))))
    looks(site, folder)
    site.put(Answer(status=410))
    with pytest.raises(Unreachable, match="is gone for good"):
        looks(site, folder, times=5)
    with Store.open(folder) as store:
        assert store.counts(store.generation())[0] == 1


# Safety


@pytest.mark.parametrize(
    ("addresses", "why"),
    [
        (["127.0.0.1"], "is this machine: give --allow-loopback"),
        (["::1"], "is this machine"),
        (["::ffff:127.0.0.1"], "is this machine"),
        (["10.0.0.7"], "is not an address of the public internet"),
        (["192.168.1.1"], "is not an address of the public internet"),
        (["172.16.0.1"], "is not an address of the public internet"),
        (["169.254.169.254"], "is not an address of the public internet"),
        (["100.64.0.1"], "is not an address of the public internet"),
        (["0.0.0.0"], "is not an address of the public internet"),
        (["224.0.0.1"], "is not an address of the public internet"),
        (["fe80::1%eth0"], "is not an address of the public internet"),
        (["fd00::1"], "is not an address of the public internet"),
        (["::"], "is not an address of the public internet"),
        (["64:ff9b::a00:7"], "is not an address of the public internet"),
        (["2002:a00:7::1"], "is not an address of the public internet"),
        (["93.184.215.14", "10.0.0.7"], "is not an address of the public internet"),
        ([], "no address is known of example.org"),
    ],
)
def test_addresses_that_are_not_public_are_not_asked(addresses: list[str], why: str) -> None:
    with Fetcher(resolve=lambda host, port: addresses) as fetcher, pytest.raises(Unreachable, match=why):
        fetcher.fetch("https://example.org/direct")


def test_the_loopback_flag_opens_nothing_but_the_loopback(site: Site) -> None:
    site.put(Answer(html(some("k1"))))
    with Fetcher(True, resolve=lambda host, port: ["127.0.0.1"]) as fetcher:
        page = fetcher.fetch(site.url().replace("127.0.0.1", "direct.example"))
    assert page is not None
    # The very address that was checked is asked, by the name of the site.
    assert site.requests()[0]["host"] == f"direct.example:{site.port}"
    for private in ("10.0.0.7", "169.254.169.254"):
        with Fetcher(True, resolve=lambda host, port, to=private: [to]) as fetcher, pytest.raises(Unreachable):  # type: ignore[misc]
            fetcher.fetch("http://direct.example/")


def test_a_page_cannot_lead_to_where_we_would_not_go(site: Site, folder: Path) -> None:
    for location, why in {
        "http://10.0.0.7/x": "is not an address of the public internet",
        "file:///etc/passwd": "leads to an address that cannot be",
        "http://user:secret@127.0.0.1/": "leads to an address that cannot be",
    }.items():
        site.put(Answer(status=302, headers={"Location": location}))
        with Fetcher(True) as fetcher, pytest.raises(Unreachable, match=why) as caught:
            fetcher.fetch(site.url())
        assert "secret" not in str(caught.value)


def test_a_page_that_is_too_large_or_too_slow_is_not_read_to_its_end(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.fetch.LARGEST", 10_000)
    bomb = gzip.compress(bytes(10_000_000))
    for answer in (Answer(bytes(20_000)), Answer(bomb, headers={"Content-Encoding": "gzip"})):
        site.put(answer)
        with Fetcher(True) as fetcher, pytest.raises(Unreachable, match="is larger than 9 KiB"):
            fetcher.fetch(site.url())
    monkeypatch.setattr("index.fetch.SLOWEST", 0.0)
    site.put(Answer(bytes(100)))
    with Fetcher(True) as fetcher, pytest.raises(Unreachable, match="takes more than 0 seconds"):
        fetcher.fetch(site.url())


def test_no_secret_is_stored_shown_or_logged(
    site: Site, folder: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: Any
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://user:geheim@127.0.0.1:9/")
    caplog.set_level(logging.DEBUG)
    path = "/direct.html?page=2&access_token=geheim&sid=geheim"
    site.put(Answer(html(some("k1")), headers={"Set-Cookie": "visit=geheim"}), path)
    arguments = ["--index", str(folder), "--model", "hashing", "--every", "0", "--allow-loopback"]
    assert main(["follow", site.url(path), *arguments, "--times", "2"]) == 0
    site.put(Answer(status=500), path)
    assert main(["follow", site.url(path), *arguments, "--times", "1", "--json"]) == 1
    assert main(["follow", site.url("/").replace("//", "//me:geheim@"), *arguments]) == 1
    shown = capsys.readouterr()
    assert "look 1: 1 added" in shown.out
    kept = b"".join(one.read_bytes() for one in folder.rglob("*") if one.is_file())
    assert "geheim" not in caplog.text + shown.out + shown.err
    assert b"geheim" not in kept
    assert all("cookie" not in headers for _, headers in site.asked)
    with Store.open(folder) as store:
        assert [source.name for source in store.sources(1)] == [f"127.0.0.1:{site.port}/direct.html?page=2"]


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://example.org/x", "begins with https:// or http://"),
        ("https:///x", "begins with https:// or http://"),
        ("https://me:secret@example.org/", "leave them out"),
        ("https://me@example.org/", "leave them out"),
        ("https://exa mple.org\x00/", "is no address of a page"),
        ("https://example.org:99999999/", "is no address of a page"),
    ],
)
def test_an_address_that_cannot_be_is_refused_without_being_repeated(url: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as caught:
        parsed(url)
    assert "secret" not in str(caught.value)


def test_public_addresses_and_states_of_pages() -> None:
    assert public_url("https://example.org/a?b=1&Token=x&api_key=y#z") == "https://example.org/a?b=1"
    assert public_url("https://example.org/a?token=x") == "https://example.org/a"
    assert not Validators(modified="nonsense").older_than(Validators(modified="Tue, 23 May 2023 12:00:00 GMT"))


# Files, waiting, and the door


def test_a_file_is_followed_as_a_page_is(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "fil" / "direct.txt"
    file.parent.mkdir()
    file.write_text("10h00 : Un\nPremière entrée.\n")
    steps: list[Callable[[], object]] = [
        lambda: None,
        lambda: file.write_text("11h00 : Deux\nSeconde entrée.\n10h00 : Un\nPremière entrée.\n"),
        lambda: file.unlink(),
        lambda: file.write_text(""),
        lambda: file.write_text("11h00 : Deux\nSeconde entrée, bis.\n10h00 : Un\nPremière entrée.\n"),
    ]
    turn = iter(steps)

    def sleep(seconds: float) -> None:
        next(turn)()

    found = list(follow(str(file), folder, HashingEncoder(), every=0, times=6, sleep=sleep))
    assert [look.outcome for look in found] == ["read", "unchanged", "read", "failed", "failed", "read"]
    told = [(one.report.added, one.report.changed, one.report.withdrawn) for one in found if one.report]
    assert told == [(1, 0, 0), (1, 0, 0), (0, 1, 0)]
    # It is the source that `filrouge index` knows it as.
    assert ingest([file], folder, HashingEncoder()).unchanged == 2


def test_an_index_that_is_busy_is_waited_for_and_one_of_another_model_is_not(
    site: Site, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    site.put(Answer(html(some("k1"))))
    looks(site, folder)
    site.put(Answer(html(some("k2", "k1"))))
    with lock.writing(folder):
        (look,) = looks(site, folder)
    assert (look.outcome, "another process is writing" in look.reason) == ("failed", True)
    assert looks(site, folder)[0].outcome == "read"
    site.put(Answer(html(some("k3", "k2", "k1"))))
    with pytest.raises(ModelMismatch):
        list(follow(site.url(), folder, HashingEncoder(dimension=64), every=0, times=2, fetcher=Fetcher(True)))


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"every": -1.0}, "every -1.0 seconds cannot be"),
        ({"every": float("nan")}, "every nan seconds cannot be"),
        ({"times": 0}, "0 looks are none"),
        ({"every": 1.0}, "every 1 seconds is too often for a page of someone else"),
    ],
)
def test_a_following_that_cannot_be_is_refused(folder: Path, more: Mapping[str, Any], why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        next(follow("https://example.org/direct", folder, HashingEncoder(), **more))


def test_a_target_is_a_file_or_an_address(tmp_path: Path) -> None:
    facts = Facts(tz="Europe/Paris")
    found = target("https://example.org/direct/fil.csv?page=1#top", facts)
    assert (found.shown, found.document.path.name) == ("example.org/direct/fil.csv?page=1", "fil.csv")
    assert (found.document.origin, found.document.facts.url) == (*["https://example.org/direct/fil.csv?page=1"] * 2,)
    with pytest.raises(InvalidRequest, match="is a folder"):
        target(str(tmp_path), facts)
    with pytest.raises(InvalidRequest, match=r"there is no file none\.txt"):
        target("none.txt", facts)


def test_the_command_tells_each_look_and_ends_with_the_status_of_the_last(
    site: Site, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["follow", site.url(), "--index", str(folder), "--model", "hashing", "--every", "0", "--times", "1"]
    site.put(Answer(html(some("k2", "k1"))))
    assert main(arguments) == 1
    assert "127.0.0.1 is this machine: give --allow-loopback if that is meant" in capsys.readouterr().err
    arguments.append("--allow-loopback")
    assert main(arguments) == 0
    assert capsys.readouterr().out == "look 1: 2 added, 0 changed, 0 withdrawn, 0 unchanged\n"
    site.put(Answer(status=500))
    assert main(arguments) == 1
    assert capsys.readouterr().err == f"filrouge: {site.source}: the server fails (status 500)\n"
    site.put(Answer(html(some("k3", "k1"))))
    assert main([*arguments, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["look"], told["outcome"], told["reason"], told["wait"]) == (1, "read", None, 0)
    assert {name: told["report"][name] for name in ("added", "withdrawn", "unchanged")} == {
        "added": 1,
        "withdrawn": 1,
        "unchanged": 1,
    }
