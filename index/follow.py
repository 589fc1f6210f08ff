"""How is a page that grows followed?

One look at a time: ask whether it has changed, take what it says only when it is whole and still the same page, compare it
with the index, and wait; longer and longer while it cannot be had. A failure is never taken for a page on which nothing is
left.
"""

import hashlib
import json
import random
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from embed import Encoder
from index import readers
from index.documents import Document, Facts, Failure, find
from index.errors import IndexBusy, InvalidRequest, NotAnIndex, Unreachable, UnreadableDocument
from index.fetch import LARGEST, Fetcher, Validators, parsed, public_url
from index.ingest import Report, ingest_read
from index.records import Entry
from index.store import Store

EVERY = 60.0
"""Seconds between two looks, where nothing else is said."""
SOONEST = 5.0
"""Seconds between two looks at a page of someone else, at least."""
LONGEST = 3600.0
"""Seconds to which the waiting grows while a page cannot be had, unless its server asks for more."""
_ENDINGS = {"text/csv": ".csv", "text/markdown": ".md", "application/x-ndjson": ".jsonl", "application/jsonl": ".jsonl"}
_FEED_ENDS = re.compile(rb"</(?:\w+:)?(?:rss|feed|RDF)\s*>")


@dataclass(frozen=True)
class Look:
    """What one look gave. `report` is of one that read the page; `wait` how many seconds pass before the next."""

    number: int
    outcome: Literal["read", "unchanged", "failed"]
    report: Report | None = None
    reason: str = ""
    wait: float = 0.0


@dataclass(frozen=True)
class Seen:
    """What is remembered of a page from look to look, also by the next process: it is a cache, and nothing hangs on it."""

    index: str
    """The identity of the index that took it in."""
    kind: str = ""
    digest: str = ""
    etag: str = ""
    modified: str = ""


@dataclass(frozen=True)
class Target:
    """What is followed: a file, or a page by its address."""

    document: Document
    url: str = ""

    @property
    def shown(self) -> str:
        """Its public name."""
        return self.document.source


def target(named: str, given: Facts) -> Target:
    """What `named` means: the address of a page when it has a scheme, else a file. Raises `InvalidRequest`.

    >>> target("https://example.org/direct?token=x", Facts()).shown
    'example.org/direct'
    """
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", named):
        at = parsed(named)
        public = public_url(str(at))
        name = public.partition("://")[2]
        return Target(Document(Path(_file_name(at.path)), name, replace(given, url=public), public), str(at))
    path = Path(named)
    if path.is_dir():
        raise InvalidRequest(f"{named} is a folder: follow one file of it, or read it with filrouge index")
    if not path.is_file():
        # It may still come; but where its name is a mistake, waiting would never end.
        raise InvalidRequest(f"there is no file {named}; an address begins with https://")
    (found,) = find([path], given)
    if isinstance(found, Failure):
        raise UnreadableDocument(f"{found.source}: {found.reason}")
    return Target(replace(found, within=found.origin))


def follow(
    named: str,
    folder: Path,
    encoder: Encoder,
    given: Facts | None = None,
    every: float = EVERY,
    times: int | None = None,
    fetcher: Fetcher | None = None,
    sleep: Callable[[float], None] = time.sleep,
    dice: Callable[[], float] = random.random,
) -> Iterator[Look]:
    """Look at a page or file `times` times, or for ever, `every` so many seconds, and take what is new into the index.

    Each look comes as soon as it is done, before the waiting. One that failed is no reason to end, unless asking again is of
    no use: then, and for what `ingest` raises but `IndexBusy`, the error is raised. The waiting after failures doubles each
    time, up to an hour, with up to half of it left to chance, so that the followers of a server that comes back do not come
    all at once; and is never shorter than the server asks for.
    """
    aim = target(named, given or Facts())
    if not 0 <= every < float("inf"):
        raise InvalidRequest(f"every {every} seconds cannot be: give 0 or more", "every")
    if times is not None and times < 1:
        raise InvalidRequest(f"{times} looks are none: give 1 or more", "times")
    with fetcher or Fetcher() as asking:
        if aim.url and every < SOONEST and not _is_ours(aim.url):
            raise InvalidRequest(
                f"every {every:g} seconds is too often for a page of someone else: {SOONEST:g} at least", "every"
            )
        failed = number = 0
        while times is None or number < times:
            number += 1
            asked_to_wait = 0.0
            try:
                look = _look(aim, folder, encoder, asking, number)
                failed = 0
            except (Unreachable, UnreadableDocument, IndexBusy) as error:
                if isinstance(error, Unreachable):
                    if error.final:
                        raise Unreachable(f"{aim.shown}: {error}", final=True) from error
                    asked_to_wait = error.retry_after or 0.0
                failed += 1
                look = Look(number, "failed", reason=str(error))
            wait = every
            if aim.url:
                wait = max(wait, asking.patience(aim.url))
            if failed:
                longer = min(max(every, 1.0) * 2.0 ** min(failed, 16), max(LONGEST, every))
                wait = max(wait, longer * (0.5 + 0.5 * dice()), asked_to_wait)
            last = number == times
            yield replace(look, wait=0.0 if last else wait)
            if not last:
                sleep(wait)


def _look(aim: Target, folder: Path, encoder: Encoder, asking: Fetcher, number: int) -> Look:
    seen = _remembered(aim, folder)
    if aim.url:
        page = asking.fetch(aim.url, Validators(seen.etag, seen.modified) if seen.digest else None)
        if page is None:
            return Look(number, "unchanged")
        if page.validators.older_than(Validators(modified=seen.modified)):
            raise Unreachable("is older than what was read before: some server in between has kept it")
        body, validators, ending = page.body, page.validators, _ENDINGS.get(page.media_type, "")
    else:
        body, validators, ending = _file(aim.document.path), Validators(), ""
    digest = hashlib.blake2b(body, digest_size=16).hexdigest()
    if digest == seen.digest:
        _remember(aim, folder, replace(seen, etag=validators.etag, modified=validators.modified))
        return Look(number, "unchanged")
    with tempfile.TemporaryDirectory(prefix="filrouge-follow-") as room:
        # A copy: the file itself may change while it is read.
        path = Path(room) / (aim.document.path.name + ending)
        path.write_bytes(body)
        document = replace(aim.document, path=path)
        kind = readers.kind(document)
        if seen.kind and kind != seen.kind:
            raise Unreachable(f"is {kind} and was {seen.kind}: this is not the page that was followed")
        if breaks_off(kind, body):
            raise Unreachable("breaks off: its end is missing")
        items = list(readers.read(document))
        _require_the_same_page(aim, folder, items)
        report = ingest_read(document, items, folder, encoder)
    if report.added + report.changed + report.unchanged == 0:
        raise UnreadableDocument(report.failures[0].reason if report.failures else "gives no entries")
    with Store.open(folder) as store:
        identity = store.identity()
    _remember(aim, folder, Seen(identity, kind, digest, validators.etag, validators.modified))
    return Look(number, "read", report)


def breaks_off(kind: str, body: bytes) -> bool:
    """Whether a page of this kind lacks its end, where it must have one.

    >>> breaks_off("html", b"<html><body><p>Deux bless"), breaks_off("html", b"<p>Deux"), breaks_off("feed", b"<rss></rss>")
    (True, False, False)
    """
    lower = body.lower()
    if kind == "html":
        return b"<body" in lower and b"</body" not in lower and b"</html" not in lower
    if kind == "feed":
        return _FEED_ENDS.search(body) is None
    return kind == "json" and body.rstrip()[-1:] not in (b"]", b"}")


def _require_the_same_page(aim: Target, folder: Path, items: list[Entry | Failure]) -> None:
    """Refuse a page on which nothing is left of what was there, unless it shows more than that: it may be the page of a server
    that is being mended.
    """
    try:
        with Store.open(folder) as store:
            known = set(store.keys(aim.document.source))
    except NotAnIndex:
        return
    there = {item.key for item in items if isinstance(item, Entry)}
    if known and not known & there and len(there) <= len(known):
        raise Unreachable(
            f"none of the {len(known)} entries that were there is on it any more: this looks like another page; "
            "if it is not, read it with filrouge index"
        )


def _is_ours(url: str) -> bool:
    return parsed(url).host in ("localhost", "127.0.0.1", "::1")


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            body = file.read(LARGEST + 1)
    except OSError as error:
        raise Unreachable(f"cannot be read: {error.strerror or error}") from error
    if len(body) > LARGEST:
        raise Unreachable(f"is larger than {LARGEST // 1024**2} MiB: read it with filrouge index")
    return body


def _file_name(path: str) -> str:
    """The last part of a path, as the name of a file of ours: readers look at its ending."""
    return re.sub(r"[^\w.-]", "_", path.rpartition("/")[2])[-80:].lstrip(".") or "page"


def _cache(aim: Target, folder: Path) -> Path:
    name = hashlib.blake2b((aim.url or aim.document.origin).encode(), digest_size=12).hexdigest()
    return folder / "cache" / f"follow-{name}.json"


def _remembered(aim: Target, folder: Path) -> Seen:
    """What is remembered; nothing where that was of another index, or is damaged."""
    try:
        told: dict[str, Any] = json.loads(_cache(aim, folder).read_text(encoding="utf-8"))
        with Store.open(folder) as store:
            if told["index"] == store.identity():
                return Seen(**{name: str(told[name]) for name in Seen.__dataclass_fields__})
    except (OSError, ValueError, KeyError, TypeError, NotAnIndex):
        pass
    return Seen("")


def _remember(aim: Target, folder: Path, seen: Seen) -> None:
    path = _cache(aim, folder)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        part.write_text(json.dumps(asdict(seen)), encoding="utf-8")
        part.replace(path)
    except OSError:
        # Without it, the page is read once more than it need be.
        path.unlink(missing_ok=True)
