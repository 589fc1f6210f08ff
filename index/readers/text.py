"""Text live blogs: `11h58 : title` headings, each followed by its paragraphs; what stands above the first is the lead.

A file without such headings is one entry: an article. The lead is known to the day and not to the minute; its key is "lead".
A line that is a day from end to end, such as `MARDI 23 MAI 2023`, dates the headings below it.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from index.documents import Document, Failure
from index.errors import InvalidRequest, UnreadableDocument
from index.readers import blocks as timed
from index.readers.blocks import Anchor, Block, Section
from index.readers.encoding import damage, decode, repair
from index.readers.headings import day_heading, heading, is_furniture, stamp
from index.readers.whole import contents
from index.records import Entry


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a text live blog. Raises `UnreadableDocument` for what is no text or holds nothing but furniture."""
    data = contents(document.path)
    content = decode(data)
    lost = damage(data, content)
    if lost:
        yield Failure(document.source, lost)
    yield from from_lines(document, repair(content).splitlines())


def from_lines(document: Document, lines: Iterable[str]) -> Iterator[Entry | Failure]:
    """The entries of a page that has been brought to lines of plain text."""
    blocks, failures = cut(lines)
    lead, blocks = blocks[0], blocks[1:]
    if not blocks and not lead.lines:
        raise UnreadableDocument("holds no text besides page furniture")
    yield from (replace(failure, source=f"{document.source}, {failure.source}") for failure in failures)
    anchor, wrong = _stamped(lead.lines)
    yield from (Failure(document.source, reason, kept=True) for reason in wrong)
    if lead.lines:
        day = lead.section.day.resolve(document.facts.day) if lead.section and lead.section.day else None
        yield timed.lead(document, lead.lines, day=day or (anchor.day if anchor else None))
    yield from timed.entries(document, blocks, anchor)


def _stamped(lines: Iterable[str]) -> tuple[Anchor | None, list[str]]:
    """The day that the lead says the page is of; of two, that of its publication, when its oldest entry was written.

    With it come the reasons why others name no day.
    """
    wrong: list[str] = []
    anchors: list[Anchor] = []
    for line in lines:
        try:
            found = stamp(line)
        except InvalidRequest as error:
            wrong.append(str(error))
            continue
        day = found[0].resolve() if found else None
        if found and day:
            anchors.append(Anchor(day, "newest" if found[1] else "oldest"))
    return next(iter(sorted(anchors, key=lambda anchor: anchor.of == "newest")), None), wrong


def cut(lines: Iterable[str]) -> tuple[list[Block], list[Failure]]:
    """The lead and the blocks of a page; day headings that name no day come as failures.

    >>> blocks, _ = cut(["Chapeau.", "MARDI 23 MAI 2023", "11h58 : Titre", "Texte."])
    >>> [(block.clock, block.title, block.lines) for block in blocks]
    [(None, '', ['Chapeau.']), (datetime.time(11, 58), 'Titre', ['Texte.'])]
    """
    lines = list(lines)
    headings = [heading(line) for line in lines]
    live = any(found and found.clock for found in headings)
    blocks, failures = [Block()], []
    section: Section | None = None
    for line, found in zip(lines, headings, strict=True):
        if found is not None and (found.clock or live):
            # Without a single real time the page is no live blog, and 45:75 is a score in it.
            blocks.append(Block(found.clock, found.title, day=found.day, section=section, zone=found.zone, wrong=found.wrong))
            continue
        day = day_heading(line) if live else None
        if isinstance(day, str):
            failures.append(Failure(f"line '{line.strip()[:40]}'", day, kept=True))
            section = Section(None)
        elif day is not None:
            section = Section(day)
            if len(blocks) == 1 and blocks[0].section is None:
                blocks[0].section = section
        elif line.strip() and not is_furniture(line):
            blocks[-1].lines.append(line.strip())
    return blocks, failures
