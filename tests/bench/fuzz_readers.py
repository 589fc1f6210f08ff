"""Everything that reads what others wrote, given what nobody should have written.

    python -m tests.bench.fuzz_readers --inputs 20000
    python -m tests.bench.fuzz_readers --inputs 1000000 --seconds 7200 --kept .fuzz

What has to hold for every input: no error but those that are documented, within the time bound; entries that can be stored,
whose passages are their text from start to end; and no growth of memory. `--kept` remembers how far each target has come, so
that the next run goes on with inputs that none had, and keeps what failed, as short as it could be made.
"""

import argparse
import faulthandler
import hashlib
import json
import random
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from types import FrameType
from zoneinfo import ZoneInfo

import psutil

from api import filters
from api.questions import read_questions
from embed.hashing import HashingEncoder
from index import dates, operators
from index.chunk import cut
from index.documents import MANIFEST, Document, Facts, Failure, find
from index.errors import InvalidRequest, UnreadableDocument
from index.ingest import ingest
from index.pages import Cursor
from index.reader import Filters
from index.readers import expand, read
from index.records import Entry
from index.store import Store
from index.when import read_when
from index.where import compiled
from tests.bench import mutations
from tests.bench.mutations import ODD, WORDS, literals, mutated

BOUND = 10
"""Seconds that one input may take; most take a thousandth of one."""
GROWTH = 96 * 1024 * 1024
"""Bytes that a run may grow by, once it is warm: libraries keep tables of what they met."""
WARM = 300
"""Inputs of a target after which its memory is first looked at."""
PARIS = ZoneInfo("Europe/Paris")
NOW = datetime(2023, 5, 24, 12, tzinfo=UTC)


class Broken(Exception):
    """What should hold for every input does not."""


class Hang(Exception):
    """An input took longer than BOUND."""


@dataclass(frozen=True)
class Target:
    """Something that reads: how inputs are made for it, and what reads them and checks what comes of it."""

    make: Callable[[random.Random], bytes]
    read: Callable[[bytes], None]


# What reads


@cache
def _encoder() -> HashingEncoder:
    return HashingEncoder(16)


@cache
def _folder() -> Path:
    """Where documents lie, in memory where the system has such a place; gone with the process."""
    shm = Path("/dev/shm")
    _folder.made = tempfile.TemporaryDirectory(prefix="fuzz-", dir=shm if shm.is_dir() else None)  # type: ignore[attr-defined]
    return Path(_folder.made.name)  # type: ignore[attr-defined]


def _must(holds: bool, what: str) -> None:
    if not holds:
        raise Broken(what)


def _check_entry(entry: Entry) -> None:
    for name in ("source", "key", "title", "text", "url", "lang"):
        value = getattr(entry, name) or ""
        try:
            value.encode()
        except UnicodeEncodeError as error:
            raise Broken(f"{name} cannot be stored: {error}") from error
    _must(bool(entry.text.strip()), "an entry without text")
    _must(bool(entry.key), "an entry without a key")
    _must(entry.published is None or entry.published.tzinfo is not None, "a time without a zone")
    text = entry.text[:5000]
    covered = 0
    for start, end in cut(entry.title, text, _encoder().count_tokens, 128):
        _must(covered <= start < end <= len(text), f"a passage from {start} to {end}, behind {covered}")
        _must(not text[covered:start].strip(), "text between passages")
        covered = end
    _must(not text[covered:].strip(), "text behind the last passage")


def _read_document(name: str) -> Callable[[bytes], None]:
    def read_it(data: bytes) -> None:
        path = _folder() / name
        path.write_bytes(data)
        try:
            for document in expand(Document(path, name, Facts(tz="Europe/Paris", day=NOW.date()))):
                if isinstance(document, Failure):
                    _must(bool(document.reason), "a failure without a reason")
                    continue
                keys = set()
                try:
                    for item in read(document):
                        if isinstance(item, Entry):
                            _check_entry(item)
                            _must(item.key not in keys, f"two entries have the key {item.key!r}")
                            keys.add(item.key)
                        else:
                            _must(bool(item.reason), "a failure without a reason")
                except UnreadableDocument as error:
                    _must(bool(str(error)), "an error without words")
        finally:
            path.unlink()

    return read_it


def _read_manifest(data: bytes) -> None:
    folder = _folder() / "described"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_bytes(data)
    (folder / "a.txt").write_text("11h58 : Titre\nTexte.\n", encoding="utf-8")
    found = list(find([folder], Facts()))
    _must(bool(found), "neither a document nor a failure")
    for one in found:
        if isinstance(one, Document):
            one.source.encode()
            _must(bool(one.source), "a document without a name")
            dates.zone(one.facts.tz)


def _text(data: bytes) -> str:
    # JSON can hold half a character, and so can a question.
    return data.decode("utf-8", "surrogateescape")[:4000]


def _read_when(data: bytes) -> None:
    question = _text(data)
    for lang in ("fr", "en"):
        found = read_when(question, lang, NOW, PARIS)
        end = 0
        for phrase in found.phrases:
            _must(end <= phrase.start < phrase.end <= len(question), f"a phrase from {phrase.start} to {phrase.end}")
            end = phrase.end
            window = phrase.window
            if window and window.since and window.until:
                _must(window.since < window.until, "a window that ends before it begins")


def _read_query(data: bytes) -> None:
    query = _text(data)
    try:
        reading = operators.read(query, PARIS)
    except InvalidRequest as error:
        _must(bool(str(error)), "an error without words")
        return
    for part in reading.parts:
        _must(0 <= part.start < part.end <= len(query), f"a part from {part.start} to {part.end}")
    where = reading.narrowed(Filters()).where
    if where is not None:
        _must(bool(compiled(where).text), "a condition that says nothing")


def _read_filter(data: bytes) -> None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return
    try:
        _must(bool(compiled(filters.read(value, PARIS)).text), "a condition that says nothing")
    except InvalidRequest as error:
        _must(error.field.startswith("filters"), f"the place is {error.field!r}")


def _read_cursor(data: bytes) -> None:
    text = data.decode("latin-1")
    try:
        cursor = Cursor.read(text, b"key", "question")
    except InvalidRequest:
        return
    _must(text.rstrip("=") == cursor.written(b"key", "question"), "a cursor that was never written is taken")


def _read_moment(data: bytes) -> None:
    text = _text(data)
    try:
        found, _ = dates.reading(text, PARIS)
        _must(found.tzinfo is not None, "a time without a zone")
    except InvalidRequest:
        pass
    dates.salvaged(text, PARIS)
    try:
        day = dates.written_day(text)
        _must(day is None or dates.written_end(text) <= len(text), "a day that ends behind the text")
    except InvalidRequest as error:
        _must(bool(str(error)), "an error without words")


@cache
def _store() -> Store:
    folder = _folder() / "index"
    document = _folder() / "fil.txt"
    document.write_text("11h58 : Titre\nTexte.\n", encoding="utf-8")
    ingest([document], folder, _encoder(), Facts(tz="Europe/Paris"))
    return Store.open(folder)


def _read_questions(data: bytes) -> None:
    try:
        rows = read_questions(data, _store())
    except InvalidRequest as error:
        _must(bool(str(error)) and bool(error.field), "an error without words or place")
        return
    _must(len({row.id for row in rows}) == len(rows) > 0, "questions without ids of their own")


# How inputs are made


def _of(kind: str, pattern: str, *more: bytes) -> Callable[[random.Random], bytes]:
    def make(lot: random.Random) -> bytes:
        return mutated(lot, _samples(pattern, more), WORDS[kind])

    return make


@cache
def _samples(pattern: str, more: tuple[bytes, ...]) -> tuple[bytes, ...]:
    return (*more, *literals(pattern), *(mutations.seeds() if "text" in pattern else ()))


def _archived(pack: Callable[[random.Random, Sequence[bytes]], bytes]) -> Callable[[random.Random], bytes]:
    def make(lot: random.Random) -> bytes:
        inside = [mutated(lot, _samples("test_readers*.py", ()), WORDS["text"]) for _ in range(lot.randrange(4))]
        return mutated(lot, [pack(lot, inside)], ODD)

    return make


_ROWS = b"text,date,url,title\nUn texte.,2023-05-23T11:58,https://example.org/1,Titre\nAutre.,hier,,\n"
_MESSAGES = (
    b'{"items": [{"id": 1, "text": "Un texte.", "published": "2023-05-23T11:58:00Z", "title": "T"}, '
    b'{"id": 2, "html": "<p>Autre</p>"}]}'
)
_LINES = b'{"_id": "a", "text": "Un texte.", "date": "2023-05-23T11:58", "lang": "fr"}\n{"_id": "b", "text": "Autre."}\n'
_FEED = (
    b'<?xml version="1.0"?><rss version="2.0"><channel><title>Fil</title><item><guid>1</guid><title>Titre</title>'
    b"<description>Un &lt;b&gt;texte&lt;/b&gt;.</description><pubDate>Tue, 23 May 2023 11:58:00 +0200</pubDate>"
    b"</item></channel></rss>"
)
_PAGE = (
    b'<!DOCTYPE html><html lang="fr"><head><title>Direct</title><script type="application/ld+json">'
    b'{"@type": "LiveBlogPosting", "liveBlogUpdate": [{"@type": "BlogPosting", "headline": "T", "articleBody": "Un texte.", '
    b'"datePublished": "2023-05-23T11:58:00+02:00"}]}</script></head><body><article id="a">'
    b'<time datetime="2023-05-23T11:58:00+02:00">11:58</time><h2>Titre</h2><p>Un texte assez long.</p></article>'
    b'<article id="b"><time>11:50</time><p>Un autre.</p></article></body></html>'
)
_MARKDOWN = b"---\ntitle: Fil\ndate: 2023-05-23\n---\n# Direct\n\n## 11h58 : Titre\n\nUn *texte*.\n\n- un\n- deux\n"
_WARC = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://example.org/\r\nWARC-Date: 2023-05-23T09:58:00Z\r\n"
    b"WARC-Record-ID: <urn:uuid:1>\r\nContent-Type: application/http; msgtype=response\r\nContent-Length: %d\r\n\r\n%s\r\n\r\n"
)
_HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + _PAGE
_MANIFEST_SAMPLE = (
    b'[[document]]\nfile = "a.txt"\nlang = "fr"\ntz = "Europe/Paris"\ndate = 2023-05-23\ntitle = "Direct"\n'
    b'url = "https://example.org/"\n'
)
_FILTERS = [
    b'{"type": "and", "filters": [{"type": "eq", "key": "lang", "value": "fr"}, '
    b'{"type": "in", "key": "year", "value": [2023, 2024]}]}',
    b'{"type": "gte", "key": "published", "value": 1684800000}',
    b'{"type": "or", "filters": [{"type": "lt", "key": "day", "value": "2023-05-23"}, '
    b'{"type": "ne", "key": "title", "value": ""}]}',
]
_CURSORS = [Cursor(3, 10, tuple(range(5, 50)), (51, 60)).written(b"key", "question").encode(), b"", b"AAAAAAAAAAAAAAAAAAAA"]
_TABLES = (
    b"id,question,lang,since\nq1,Qui ?,fr,2023-05-23\nq2,Who?,en,\n",
    "question;until\nQui a revendiqué ?;2023-05-24\n".encode(),
)
_MOMENTS = (
    b"2023-05-23T11:58:00+02:00",
    b"2023-05-23",
    "23 mai 2023 à 11h58".encode(),
    b"May 23, 2023 11:58 AM EDT",
    b"1684835880",
    b"Tue, 23 May 2023 11:58:00 +0200",
)
_QUERY = b'"phrase exacte" -mot source:direct lang:fr before:2023-05-24 Qui ?'

TARGETS: Mapping[str, Target] = {
    "text": Target(_of("text", "test_readers_text.py"), _read_document("fil.txt")),
    "markdown": Target(_of("markdown", "test_readers_markdown.py", _MARKDOWN), _read_document("fil.md")),
    "html": Target(_of("html", "test_readers_html.py", _PAGE), _read_document("page.html")),
    "feed": Target(_of("feed", "test_readers_feed.py", _FEED), _read_document("fil.xml")),
    "jsonl": Target(_of("json", "test_readers_jsonl.py", _LINES), _read_document("fil.jsonl")),
    "messages": Target(_of("json", "test_readers_messages.py", _MESSAGES), _read_document("fil.json")),
    "table": Target(_of("table", "test_readers_table.py", _ROWS), _read_document("fil.csv")),
    "anything": Target(_of("html", "test_readers*.py", _PAGE, _FEED, _LINES, _ROWS), _read_document("document")),
    "zip": Target(_archived(mutations.zipped), _read_document("fil.zip")),
    "tar": Target(_archived(mutations.tarred), _read_document("fil.tar")),
    "warc": Target(_of("warc", "test_readers_warc.py", _WARC % (len(_HTTP), _HTTP)), _read_document("fil.warc")),
    "manifest": Target(_of("toml", "test_documents.py", _MANIFEST_SAMPLE), _read_manifest),
    "when": Target(lambda lot: mutated(lot, mutations.questions(), WORDS["when"]), _read_when),
    "query": Target(_of("query", "test_operators.py", _QUERY), _read_query),
    "filter": Target(_of("json", "test_filters.py", *_FILTERS), _read_filter),
    "cursor": Target(lambda lot: mutated(lot, _CURSORS, [b"=", b"A", b"-", b"_"]), _read_cursor),
    "moment": Target(_of("when", "test_dates.py", *_MOMENTS), _read_moment),
    "questions": Target(_of("table", "test_questions.py", *_TABLES), _read_questions),
}  # fmt: skip


# Running


def made(target: str, number: int) -> bytes:
    """The input of this number."""
    return TARGETS[target].make(random.Random(f"{target} {number}"))


@contextmanager
def bounded() -> Iterator[None]:
    """Raise `Hang` when the block takes longer than BOUND; and end the process when not even that can be raised."""

    def late(number: int, frame: FrameType | None) -> None:
        raise Hang(f"longer than {BOUND} s")

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, BOUND)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def failure(target: str, data: bytes) -> str:
    """What an input does that none should, in a line; empty when it does nothing of the kind."""
    try:
        with bounded():
            TARGETS[target].read(data)
    except Exception as error:
        # What was late is where it was when the alarm came.
        at = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.name != "late"][-1]
        return f"{type(error).__name__} at {Path(at.filename).name}:{at.lineno}: {str(error)[:200]}"
    return ""


def shortened(target: str, data: bytes, tries: int = 400) -> bytes:
    """A short input that fails in the same place."""
    wanted = failure(target, data).partition(": ")[0]
    size = len(data) // 2
    while size and tries:
        at = 0
        while at < len(data) and tries:
            tries -= 1
            less = data[:at] + data[at + size :]
            if failure(target, less).partition(": ")[0] == wanted:
                data = less
            else:
                at += size
        size //= 2
    return data


@dataclass
class Run:
    """What became of the inputs of a target."""

    target: str
    inputs: int
    seconds: float
    grown: int
    slowest: float
    failures: dict[str, bytes]
    """By what fails, a short input for each."""


def fuzz(target: str, first: int, inputs: int, until: float, most_failures: int = 5) -> Run:
    """Read so many inputs from the number `first` on, while the clock has not come to `until`."""
    process, slowest, done, before = psutil.Process(), 0.0, 0, 0
    failures: dict[str, bytes] = {}
    began = time.monotonic()
    for number in range(first, first + inputs):
        if done == WARM:
            before = process.memory_info().rss
        data = made(target, number)
        # A loop in C hears no alarm.
        if done % 100 == 0:
            faulthandler.dump_traceback_later(100 * BOUND, exit=True)
        start = time.monotonic()
        found = failure(target, data)
        slowest = max(slowest, time.monotonic() - start)
        done += 1
        if found and found.partition(": ")[0] not in {known.partition(": ")[0] for known in failures}:
            failures[f"{found} (input {number})"] = shortened(target, data)
            if len(failures) == most_failures:
                break
        if time.monotonic() > until:
            break
    faulthandler.cancel_dump_traceback_later()
    grown = process.memory_info().rss - before if done > WARM else 0
    return Run(target, done, time.monotonic() - began, grown, slowest, failures)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=20_000, help="of all targets together")
    parser.add_argument("--seconds", type=float, default=600, help="after which no more are read")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--kept", type=Path, help="folder of what failed, and of how far each target has come")
    given = parser.parse_args(arguments)
    state = given.kept / "next.json" if given.kept else None
    come = json.loads(state.read_text()) if state and state.exists() else {}
    each, began, failed, total = -(-given.inputs // len(given.targets)), time.monotonic(), False, 0
    for place, target in enumerate(given.targets):
        # What is left of the time is shared by those that are left.
        left = given.seconds - (time.monotonic() - began)
        until = time.monotonic() + left / (len(given.targets) - place)
        run = fuzz(target, come.get(target, 0), each, until)
        total += run.inputs
        come[target] = come.get(target, 0) + run.inputs
        print(
            f"{target:10} {run.inputs:8} inputs, {run.inputs / run.seconds:7.0f}/s, slowest {run.slowest * 1000:5.0f} ms, "
            f"grown by {run.grown / 1e6:5.1f} MB",
            flush=True,
        )
        for what, data in run.failures.items():
            print(f"  {what}\n    {data[:300]!r}")
            if given.kept:
                folder = given.kept / "failed"
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{target}-{hashlib.sha256(data).hexdigest()[:12]}").write_bytes(data)
        if run.grown > GROWTH:
            print(f"  memory grew by {run.grown / 1e6:.0f} MB")
        failed = failed or bool(run.failures) or run.grown > GROWTH
        if state:
            given.kept.mkdir(parents=True, exist_ok=True)
            state.write_text(json.dumps(come, indent=1))
    print(f"{total} inputs in {time.monotonic() - began:.0f} s")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
