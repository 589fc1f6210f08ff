"""Blocks to entries: what readers of pages have in common once a page is cut into timed pieces.

A block knows what its heading says; the day comes from the heading, else from the day heading above it, else from what is
known of the document, counted across the midnights between.
"""

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, tzinfo

from index import dates
from index.dates import WrittenDay
from index.documents import Document, Failure
from index.language import entry_language
from index.records import Dated, Entry, Precision


@dataclass
class Section:
    """The day heading that blocks stand below."""

    day: WrittenDay | None


@dataclass
class Block:
    """A heading and the lines below it.

    `published` is set where the page says the very moment, and `key` and `url` where it names the entry. `wrong` is the reason
    why the heading's time is none: its day, where there is a clock all the same.
    """

    clock: time | None = None
    title: str = ""
    lines: list[str] = field(default_factory=list)
    day: WrittenDay | None = None
    section: Section | None = None
    zone: tzinfo | None = None
    wrong: str | None = None
    published: datetime | None = None
    precision: Precision = "minute"
    key: str = ""
    url: str | None = None


@dataclass(frozen=True)
class Anchor:
    """Which day a page is of: that of its topmost, of its oldest, or of its newest entry."""

    day: date
    of: str = "topmost"


def lead(document: Document, lines: Sequence[str], title: str = "", day: date | None = None) -> Entry:
    """What stands above the first time, or a whole article: of the day that the document names, or that is known of it."""
    facts = document.facts
    text = "\n".join(lines)
    known = day or facts.day
    return Entry(
        source=document.source,
        key="lead",
        title=title or facts.title,
        text=text,
        lang=facts.lang or entry_language(text),
        published=dates.midnight(known, dates.zone(facts.tz)) if known else None,
        precision="day" if known else None,
        url=facts.url,
        dated="document" if day else "manifest" if known else None,
    )


def entries(document: Document, blocks: Sequence[Block], anchor: Anchor | None = None) -> Iterator[Entry | Failure]:
    """An entry for each block, in their order; a block that says nothing, or a time that is none, comes as a `Failure`.

    `anchor` says more exactly than the manifest which day it is; otherwise the manifest's is that of the topmost block.
    """
    facts = document.facts
    within = dates.zone(facts.tz)
    clocks = [block.clock for block in blocks if block.clock is not None]
    backwards = _newest_first(blocks, clocks)
    days, names = _days(blocks, backwards, anchor or (Anchor(facts.day) if facts.day else None))
    keys = _keys(blocks, days, names, backwards)
    for block, day, key in zip(blocks, days, keys, strict=True):
        # A heading with nothing below it is an entry of one line.
        title, text = (block.title, "\n".join(block.lines)) if block.lines else ("", block.title)
        where = f"{document.source}, entry of {block.clock:%H:%M}" if block.clock else f"{document.source}, entry '{key}'"
        if block.wrong:
            named = f"{document.source}, heading '{block.title[:40]}'" if block.title else where
            yield Failure(named, block.wrong, kept=bool(text.strip()))
        if not text.strip():
            yield Failure(where, "has neither a title nor a text")
            continue
        published, precision = block.published, block.precision if block.published else None
        if published is None and day is not None:
            zone = block.zone or within
            published = dates.instant(day, block.clock, zone) if block.clock else dates.midnight(day, zone)
            precision = "minute" if block.clock else "day"
        yield Entry(
            source=document.source,
            key=key,
            title=title,
            text=text,
            lang=facts.lang or entry_language(f"{title}\n{text}"),
            published=published,
            precision=precision,
            clock=block.clock,
            url=block.url or facts.url,
            dated=_dated(block, anchor) if published else None,
        )


def _dated(block: Block, anchor: Anchor | None) -> Dated:
    if block.published or block.day:
        return "entry"
    return "document" if block.section or anchor else "manifest"


def _newest_first(blocks: Sequence[Block], clocks: Sequence[time]) -> bool:
    """The order of the page: that of its day headings where they differ, else that of its clocks."""
    headed = [block.section.day.resolve() for block in blocks if block.section and block.section.day]
    days = [day for day in headed if day is not None]
    return days[0] > days[-1] if days and days[0] != days[-1] else dates.newest_first(clocks)


def _days(blocks: Sequence[Block], backwards: bool, anchor: Anchor | None) -> tuple[list[date | None], list[str]]:
    """The day of each block, and what it is called in a key: by its date, by its heading, or counted from the oldest."""
    days: list[date | None] = [None] * len(blocks)
    names = [""] * len(blocks)
    near = anchor.day if anchor else None
    groups: list[tuple[Section | None, list[int]]] = []
    for at, block in enumerate(blocks):
        if not groups or groups[-1][0] is not block.section:
            groups.append((block.section, []))
        groups[-1][1].append(at)
    for number, (section, members) in enumerate(groups):
        offsets = _offsets([blocks[at].clock for at in members], backwards)
        if section is not None and number < len(groups) - 1:
            # The next day heading says where the day ends; a clock out of order does not.
            offsets = [0] * len(offsets)
        first = _first_day(section, anchor, offsets, near)
        for at, offset in zip(members, offsets, strict=True):
            own, published = blocks[at].day, blocks[at].published
            if published is not None:
                near = days[at] = published.date()
                names[at] = published.date().isoformat()
            elif blocks[at].wrong and blocks[at].clock is not None:
                # Its day is none, and that of its neighbours would be a guess.
                names[at] = "undated"
            elif own is not None:
                near = days[at] = own.resolve(near)
                names[at] = days[at].isoformat() if days[at] else f"--{own.month:02}-{own.day:02}"  # type: ignore[union-attr]
            elif first is not None:
                day = dates.shift(first, offset)
                days[at], names[at] = day, day.isoformat()
            elif section is not None and section.day is not None:
                names[at] = f"--{section.day.month:02}-{section.day.day:02}" + (f"+{offset}" if offset else "")
            else:
                names[at] = f"day{offset - min(offsets)}"
        near = first or near
    return days, names


def _first_day(section: Section | None, anchor: Anchor | None, offsets: Sequence[int], near: date | None) -> date | None:
    """The day of the first block of a group."""
    if section is not None:
        return section.day.resolve(near) if section.day else None
    if anchor is None:
        return None
    if anchor.of == "oldest":
        return dates.shift(anchor.day, -min(offsets))
    return dates.shift(anchor.day, -max(offsets)) if anchor.of == "newest" else anchor.day


def _offsets(clocks: Sequence[time | None], backwards: bool) -> list[int]:
    """Days from the topmost; a block whose time is not known is of the day of the one above it."""
    counted = iter(dates.day_offsets([clock for clock in clocks if clock is not None], backwards))
    found: list[int] = []
    for clock in clocks:
        found.append(next(counted) if clock is not None else found[-1] if found else 0)
    return found


def _keys(blocks: Sequence[Block], days: Sequence[date | None], names: Sequence[str], backwards: bool) -> list[str]:
    """One key an entry, which later additions to the page do not change: the page's own name for it, or its day and minute.

    Of several entries of one minute the oldest has that key, and each later one adds a mark of its title. A day that is not
    known is counted from the oldest entry of the page.
    """
    order = range(len(blocks) - 1, -1, -1) if backwards else range(len(blocks))
    keys = [""] * len(blocks)
    used: Counter[str] = Counter()
    for at in order:
        block = blocks[at]
        if block.key:
            key = block.key
        elif block.clock is not None:
            key = f"{names[at]}T{block.clock:%H:%M}"
        else:
            key = f"{names[at] if days[at] else 'untimed'}~{mark(block.title or ' '.join(block.lines))}"
        used[key] += 1
        if used[key] > 1:
            key = f"{key}~{mark(block.title)}"
            used[key] += 1
            if used[key] > 1:
                key = f"{key}~{used[key]}"
        keys[at] = key
    return keys


def mark(text: str, size: int = 4) -> str:
    """A few letters that stand for a text in a key: the same at every reading.

    >>> mark("Titre")
    '21a5dc87'
    """
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=size).hexdigest()
