"""Live blogs in HTML: the entries as they stand on the page, by the markup of publishers.

A shape says where a publisher's entries are and what is in them. A page of no known shape is looked at for elements of one
class that repeat, each with a time of its own.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from typing import Any

import lxml.etree

from index import dates
from index.errors import InvalidRequest
from index.readers import markup
from index.readers.blocks import Block, mark
from index.readers.headings import heading, is_furniture


def _classed(name: str) -> str:
    return f'contains(concat(" ", normalize-space(@class), " "), " {name} ")'


@dataclass(frozen=True)
class Shape:
    """Where the parts of an entry are, as XPath. `moment` gives a date or a number, `clock` what readers see of the time.

    A page without any of `classes` has no such entries; with none named, any page may have.
    """

    classes: frozenset[str]
    entry: str
    moment: str
    clock: str
    title: str
    body: str = "."
    leave: str = ".//figure | .//picture | .//aside | .//form"


SHAPES = (
    # Express
    Shape(
        frozenset(["live-events__entry"]),
        f"//*[{_classed('live-events__entry')}]",
        "@data-sort-time | .//time/@datetime",
        ".//time/text()",
        f".//*[{_classed('live-events__entry-head')}]",
        f".//*[{_classed('live-events__entry-text')}]",
    ),
    # The papers of Reach: Mirror, Cork Beo, Manchester Evening News
    Shape(
        frozenset(["live-event-entry"]),
        f"//*[{_classed('live-event-entry')}]",
        "@data-post-time",
        ".//time/text()",
        f".//*[{_classed('entry-content')}]/h3",
        f".//*[{_classed('entry-content')}]",
    ),
    # Commented matches, of Sports.fr: the time is the minute of play, which is no time of day.
    Shape(
        frozenset(["live-match-comment", "live-match-comment-block-title"]),
        f"//*[{_classed('live-match-comment')} or {_classed('live-match-comment-block-title')}]",
        "",
        f".//*[{_classed('live-match-comment-time')}] | self::*[{_classed('live-match-comment-block-title')}]/div/text()[1]",
        "",
        ".",
    ),
    # The Guardian
    Shape(
        frozenset(),
        '//*[starts-with(@id, "block-")][.//time[@datetime]]',
        ".//time/@datetime",
        ".//time",
        f".//h2[1] | .//*[{_classed('block-title')}]",
        f".//*[{_classed('block-elements')}] | self::*[not(.//*[{_classed('block-elements')}])]",
    ),
    # Le Monde
    Shape(
        frozenset(["post__live-container"]),
        f"//*[{_classed('post__live-container')}]",
        ".//time/@datetime",
        f".//*[{_classed('date')}] | .//time",
        ".//h2 | .//h3",
    ),
)
_MINUTE = re.compile(r"\d{1,3}\s*(?:\+\s*\d{1,2})?\s*['’′]\s*(?:\+\s*\d{1,2})?")
_CLOCK = re.compile(r"\d{1,2}\s?[hH:.]\s?\d{2}(?:\s?[ap]\.?m\.?)?", re.IGNORECASE)
_LIVE = re.compile(r"live|direct|liveblog|post|update|entry|entries|feed|flux|timeline|key-?event|block", re.IGNORECASE)
_ADDRESS = re.compile(r"https?://\S+|pic\.twitter\.com/\S+")
_FEWEST = 3
_PRIMES = "'’′"


@dataclass(frozen=True)
class Found:
    """An entry and the element that it was read from."""

    block: Block
    node: Any


def entries(tree: Any, within: tzinfo) -> list[Found]:
    """The entries of a page of a known shape, in its order; none where no shape fits."""
    classes = {name for value in tree.xpath("//@class") for name in value.split()}
    for shape in SHAPES:
        if shape.classes and not shape.classes & classes:
            continue
        found = [Found(block, node) for node in tree.xpath(shape.entry) if (block := _block(node, shape, within))]
        if found:
            return _named_once(found)
    return []


def repeated(tree: Any, within: tzinfo) -> Iterator[list[Found]]:
    """Entries of an unknown shape: elements of one class that repeat, each with a time and a text; the most text first.

    What lists headlines with times beside an article looks the same, so the caller compares with the text of the page.
    """
    groups: dict[tuple[str, str], list[Any]] = defaultdict(list)
    for clock in tree.iter("time"):
        for above in clock.iterancestors("article", "li", "div", "section"):
            name = above.get("class") or ""
            if name and _LIVE.search(name):
                groups[above.tag, name.split()[0]].append(above)
    shape = Shape(frozenset(), "", ".//time/@datetime", ".//time", ".//h2 | .//h3 | .//h4")
    candidates: list[list[Found]] = []
    for nodes in groups.values():
        single = [node for node in dict.fromkeys(nodes) if nodes.count(node) == 1]
        found = [Found(block, node) for node in single if (block := _block(node, shape, within))]
        if len(found) >= _FEWEST and all(one.block.clock or one.block.published for one in found):
            candidates.append(_named_once(found))
    yield from sorted(candidates, key=_length, reverse=True)


def _length(found: list[Found]) -> int:
    return sum(len(line) for one in found for line in one.block.lines)


def _block(node: Any, shape: Shape, within: tzinfo) -> Block | None:
    """One entry; None for an element that only looks like one."""
    block = Block(key=node.get("id") or node.get("data-id") or "")
    clocks = _nodes(node, shape.clock)
    titles = _nodes(node, shape.title)[:1]
    written = " ".join(clock if isinstance(clock, str) else markup.text(clock) for clock in clocks)
    _time(block, [str(value) for value in _nodes(node, shape.moment)], written, within)
    minute = _MINUTE.search(written) if not shape.moment else None
    block.title = " ".join(markup.text(title) for title in titles)
    if minute:
        block.title = minute.group().replace(" ", "")
        block.key = block.key or f"{block.title.strip(_PRIMES)}min~{mark(markup.text(node))}"
    # The element of the time, and with it what else stands in its line: "21 mins ago".
    # A text found by XPath knows its element.
    holders: list[Any] = [getattr(clock, "getparent", lambda: None)() if isinstance(clock, str) else clock for clock in clocks]
    marks = frozenset([*titles, *(holders if not minute else []), *_nodes(node, shape.leave)])
    for body in _nodes(node, shape.body):
        block.lines.extend(line for line in markup.lines(body, marks) if not is_furniture(line))
    if minute:
        block.lines = _without_minute(block.lines, minute.group())
    spoken = [line for line in block.lines if not _ADDRESS.fullmatch(line)]
    # The address of an embedded post is no text, unless it is all there is.
    block.lines = spoken if spoken or block.title else block.lines
    return block if block.lines or block.title else None


def _without_minute(lines: list[str], minute: str) -> list[str]:
    """The minute of play stands at the head or at the end of the text, as the page's layout has it."""
    text = "\n".join(lines)
    text = text.removeprefix(minute) if text.startswith(minute) else text.removesuffix(minute)
    return [line.strip() for line in text.split("\n") if line.strip()]


def _nodes(node: Any, path: str) -> list[Any]:
    return list(_compiled(path)(node)) if path else []


@cache
def _compiled(path: str) -> Any:
    """A path that is asked for of every entry: to read it anew each time takes longer than to follow it."""
    return lxml.etree.XPath(path)


def _time(block: Block, moments: list[str], written: str, within: tzinfo) -> None:
    """The moment that the markup gives, else the time that readers see."""
    clock = _CLOCK.search(written)
    shown = heading(clock.group()) if clock else None
    block.clock = shown.clock if shown else None
    wrong = ""
    for moment in moments:
        try:
            block.published, block.precision = dates.reading(moment, within)
        except InvalidRequest as error:
            # What readers see may still be a time; a page's attributes are for its scripts.
            wrong = wrong or str(error)
            continue
        if block.precision == "day":
            block.day = dates.written_day(moment)
            block.published = None
            continue
        at = block.published.replace(tzinfo=None, second=0, microsecond=0)
        if block.clock is not None and block.clock != at.time():
            # Readers see the page's own zone; the markup's number has none.
            shown_at = datetime.combine(at.date(), block.clock)
            ahead = (shown_at - at + timedelta(hours=12)) % timedelta(days=1) - timedelta(hours=12)
            if ahead % timedelta(minutes=15) == timedelta(0):
                offset = (block.published.utcoffset() or timedelta()) + ahead
                block.published = block.published.astimezone(timezone(offset) if offset else UTC)
        block.clock = block.published.timetz().replace(tzinfo=None, second=0, microsecond=0)
        return
    if wrong and block.clock is None and block.day is None:
        block.wrong, block.clock = wrong, dates.salvaged(moments[0], within).clock


def _named_once(found: list[Found]) -> list[Found]:
    """Without names that several entries share: they name something else."""
    counts: dict[str, int] = defaultdict(int)
    for one in found:
        counts[one.block.key] += 1
    for one in found:
        if counts[one.block.key] > 1:
            one.block.key = ""
    return found
