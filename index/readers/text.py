"""Text live blogs: `11h58 : title` headings, each followed by its paragraphs; what stands above the first is the lead.

A file without such headings is one entry: an article. The lead is known to the day and not to the minute; its key is "lead".
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import time

from index import dates
from index.documents import Document, Failure
from index.errors import UnreadableDocument
from index.language import entry_language
from index.records import Entry

# Behind the time stands a separator, or nothing; "9h30 ce matin" in a sentence is no heading.
_HEADING = re.compile(
    r"""
    ^[*#\s]* \[?
    (?: (?P<h>\d{1,2}) \s?[hH]\s? (?P<m>\d{2})? | (?P<h2>\d{1,2}):(?P<m2>\d{2})(?::[0-5]\d)?
      | (?P<h3>\d{1,2})[.:](?P<m3>\d{2}) \s? (?P<half>[aApP])\.?[mM]\.? )
    \]? [*\s]*
    (?: [:|–—-][*\s]*(?P<title>[^*\s].*)? )?$
    """,
    re.VERBOSE,
)
# What pages put around their text. A line is dropped only when it is one of these from end to end.
_FURNITURE = re.compile(
    r"""
    ( commenter(\ (cet\ article|l.article))? | réagir(\ à\ cet\ article)? | voir\ les\ commentaires | lire\ les\ commentaires
    | \d+\ commentaires? | partager(\ (cet\ article|sur\ \w+))? | publicité | (la\ )?suite\ après\ (la|cette)\ publicité
    | (à\ )?lire\ (aussi|également|la\ suite) | s.abonner | abonnez-vous | imprimer | envoyer\ par\ e-?mail
    | comment\ on\ this\ (article|story) | view\ comments | \d+\ comments? | share(\ (this\ (article|story)|on\ \w+))?
    | advertisement | read\ more | subscribe(\ now)? | print ) \s* [.!:…]*
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass
class _Block:
    """A heading and the lines below it."""

    clock: time | None
    title: str
    lines: list[str] = field(default_factory=list)


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a text live blog. Raises `UnreadableDocument` for what is not UTF-8 or holds nothing but furniture."""
    blocks = _blocks(_decode(document))
    blocks = [block for block in blocks if block.clock or block.lines]
    if not blocks:
        raise UnreadableDocument("holds no text besides page furniture")
    lead = blocks[0] if blocks[0].clock is None else None
    if lead is not None:
        yield _lead(document, lead)
    yield from _timed(document, [block for block in blocks if block.clock is not None])


def _decode(document: Document) -> str:
    try:
        data = document.path.read_bytes()
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableDocument(
            f"is not UTF-8: byte 0x{data[error.start]:02X} at {error.start}; convert it, as with iconv -f cp1252 -t utf-8"
        ) from error
    except OSError as error:
        raise UnreadableDocument(f"cannot be read: {error.strerror or error}") from error


def _blocks(content: str) -> list[_Block]:
    blocks = [_Block(None, "")]
    for line in content.splitlines():
        heading = _HEADING.match(line)
        clock = _clock(heading) if heading else None
        if heading and clock:
            blocks.append(_Block(clock, (heading["title"] or "").rstrip(" *\t")))
        elif line.strip() and not _FURNITURE.fullmatch(line.strip()):
            blocks[-1].lines.append(line.strip())
    return blocks


def _clock(heading: re.Match[str]) -> time | None:
    """The time of day in a heading; None for 25h61, which is then ordinary text."""
    hours = int(heading["h"] or heading["h2"] or heading["h3"])
    minutes = int(heading["m"] or heading["m2"] or heading["m3"] or 0)
    if heading["half"]:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if heading["half"].lower() == "p" else 0)
    return time(hours, minutes) if hours < 24 and minutes < 60 else None


def _lead(document: Document, block: _Block) -> Entry:
    facts = document.facts
    text = "\n".join(block.lines)
    return Entry(
        source=document.source,
        key="lead",
        title=facts.title,
        text=text,
        lang=facts.lang or entry_language(text),
        published=dates.midnight(facts.day, dates.zone(facts.tz)) if facts.day else None,
        precision="day" if facts.day else None,
        url=facts.url,
    )


def _timed(document: Document, blocks: Sequence[_Block]) -> Iterator[Entry | Failure]:
    facts = document.facts
    within = dates.zone(facts.tz)
    clocks = [block.clock for block in blocks if block.clock]
    backwards = dates.newest_first(clocks)
    offsets = dates.day_offsets(clocks, backwards)
    keys = _keys(document, blocks, clocks, offsets, backwards)
    for block, clock, offset, key in zip(blocks, clocks, offsets, keys, strict=True):
        # A heading with nothing below it is an entry of one line.
        title, text = (block.title, "\n".join(block.lines)) if block.lines else ("", block.title)
        if not text:
            yield Failure(f"{document.source}, entry of {clock:%H:%M}", "has neither a title nor a text")
            continue
        day = dates.shift(facts.day, offset) if facts.day else None
        yield Entry(
            source=document.source,
            key=key,
            title=title,
            text=text,
            lang=facts.lang or entry_language(f"{title}\n{text}"),
            published=dates.instant(day, clock, within) if day else None,
            precision="minute" if day else None,
            clock=clock,
            url=facts.url,
        )


def _keys(
    document: Document, blocks: Sequence[_Block], clocks: Sequence[time], offsets: Sequence[int], backwards: bool
) -> list[str]:
    """One key an entry, which later additions to the page do not change: its day and minute.

    Of several entries of one minute the oldest has that key, and each later one adds a mark of its title. A day that is not
    known is counted from the oldest entry of the page.
    """
    oldest = min(offsets, default=0)
    order = range(len(blocks) - 1, -1, -1) if backwards else range(len(blocks))
    keys = [""] * len(blocks)
    used: Counter[str] = Counter()
    for at in order:
        day = dates.shift(document.facts.day, offsets[at]).isoformat() if document.facts.day else f"day{offsets[at] - oldest}"
        key = f"{day}T{clocks[at]:%H:%M}"
        used[key] += 1
        if used[key] > 1:
            mark = hashlib.blake2b(blocks[at].title.encode("utf-8", "replace"), digest_size=4).hexdigest()
            key = f"{key}~{mark}"
            used[key] += 1
            if used[key] > 1:
                key = f"{key}~{used[key]}"
        keys[at] = key
    return keys
