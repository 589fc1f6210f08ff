"""HTML pages: the entries of a live blog, each with its time; of any other page the article.

Live entries are read from the markup of the page where it is known, else from what the page states in schema.org's
`LiveBlogPosting`, else from what repeats on a page that calls itself live. What stands above them is the lead.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, time, tzinfo
from typing import Any

import lxml.etree
import lxml.html

from index import dates
from index.documents import Document, Failure
from index.errors import InvalidRequest, UnreadableDocument
from index.readers import article, blocks, live, markup, structured
from index.readers.blocks import Anchor, Block
from index.readers.encoding import damage, decode, repair
from index.readers.structured import Stated, Update
from index.readers.whole import contents
from index.records import Entry, Precision

DEEPEST = 512
"""Elements within each other. What finds the article of a page takes time by their number and by how deep they lie."""
_CALLED_LIVE = re.compile(r"\b(?:live|en\s+direct|direct|minute\s+par\s+minute|as\s+it\s+happened)\b", re.IGNORECASE)
_OPENED = re.compile(r"<body\b", re.IGNORECASE)
_CLOSED = re.compile(r"</(?:body|html)\s*>", re.IGNORECASE)
_SHARE = 0.5
"""Share of the words of repeated elements that must be text of the page, for them to be its entries."""
_LEAD = 20
"""Words of a lead at least; fewer are left over from the furniture around the entries."""
_SENTENCE = 8
"""Words of a line that says something; menus and tables have fewer."""


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a page. Raises `UnreadableDocument` when it has no text."""
    data = contents(document.path)
    page = decode(data)
    lost = damage(data, page)
    if lost:
        yield Failure(document.source, lost)
    yield from from_text(document, repair(page))


def from_text(document: Document, page: str) -> Iterator[Entry | Failure]:
    """The entries of a page that has been decoded."""
    tree = parse(page)
    stated = structured.stated(tree)
    facts = document.facts
    within = dates.zone(facts.tz)
    for reason in stated.broken:
        yield Failure(document.source, reason)
    # Whoever writes the one writes the other; pages that leave both out are whole too.
    if _OPENED.search(page) and not _CLOSED.search(page):
        yield Failure(document.source, "ends before its </body>: what there was is read; save the page again for the rest")
    published, precision, wrong = _moment(stated.published, within)
    modified, _, _ = _moment(stated.modified, within)
    if wrong:
        yield Failure(document.source, wrong, kept=True)
    document = replace(document, facts=replace(facts, url=stated.url or facts.url))
    found = _entries(tree, stated, within)
    if found:
        yield from _live(document, tree, stated, found, published, precision, modified)
        return
    read = article.extract(tree, stated)
    if not read.lines:
        raise UnreadableDocument("is a page without an article or live entries: nothing but furniture was found on it")
    yield _dated(blocks.lead(document, read.lines, title=facts.title or read.title), published, precision)


def _is_prose(lines: list[str]) -> bool:
    """Whether lines are a text, and not the menus and tables that stand above the entries."""
    counts = [markup.words(line) for line in lines]
    return sum(counts) >= _LEAD and 2 * sum(count for count in counts if count >= _SENTENCE) >= sum(counts)


def _cut_from(node: Any) -> None:
    """Take an element out of its page, and all that follows it there: a lead stands above."""
    for above in [node, *node.iterancestors()]:
        # Beside the root stand only comments.
        for following in list(above.itersiblings()) if above.getparent() is not None else ():
            above.getparent().remove(following)
    node.drop_tree()


def parse(page: str) -> Any:
    """The tree of a page, however broken. Raises `UnreadableDocument` when there is nothing in it, or what no browser keeps."""
    # Lone surrogates are in no page that a browser would show; a declaration of the encoding is behind the times.
    page = re.sub(r"^\s*<\?xml[^>]*\?>", "", page).encode("utf-8", "replace").decode()
    page = markup.without_floods(markup.without_controls(page))
    try:
        tree = lxml.html.document_fromstring(page, parser=lxml.html.HTMLParser(huge_tree=True))
    except (lxml.etree.LxmlError, ValueError) as error:
        raise UnreadableDocument(f"is not HTML: {error}") from error
    level = [tree]
    for _ in range(DEEPEST):
        level = [child for node in level for child in node]
        if not level:
            return tree
    raise UnreadableDocument(f"has elements more than {DEEPEST} deep within each other, where browsers stop: mend its markup")


def _moment(written: str, within: tzinfo) -> tuple[datetime | None, Precision | None, str | None]:
    if not written:
        return None, None, None
    try:
        found, precision = dates.reading(written, within)
    except InvalidRequest as error:
        known = dates.salvaged(written, within).published
        return known, "day" if known else None, str(error)
    # A page that knows no more than the day still has to write a time.
    return found, "day" if found.timetz().replace(tzinfo=None) == time() else precision, None


def _dated(entry: Entry, published: datetime | None, precision: Precision | None) -> Entry:
    """The entry with what the page says of its time, which goes before what the manifest says."""
    return replace(entry, published=published, precision=precision, dated="document") if published else entry


def _entries(tree: Any, stated: Stated, within: tzinfo) -> list[live.Found]:
    """The live entries of the page; none where it is an article."""
    found = live.entries(tree, within)
    if found and len(found) >= len(stated.updates):
        return found
    if stated.updates:
        return [live.Found(block, None) for block in _stated_blocks(stated.updates, within)]
    called = stated.live or _CALLED_LIVE.search(f"{stated.headline} {tree.findtext('.//title') or ''}")
    if not called:
        return []
    text: list[str] | None = None
    for candidate in live.repeated(tree, within):
        text = article.extract(tree, stated).lines if text is None else text
        if _share(candidate, text) >= _SHARE:
            return candidate
    return []


def _share(found: list[live.Found], text: list[str]) -> float:
    """How much of the entries' words stands in the text of the page too."""
    there = set(re.findall(r"\w+", " ".join(text).lower()))
    words = re.findall(r"\w+", " ".join(line for one in found for line in one.block.lines).lower())
    return sum(word in there for word in words) / len(words) if words else 0.0


def _stated_blocks(updates: list[Update], within: tzinfo) -> Iterator[Block]:
    addresses = [update.url for update in updates]
    for update in updates:
        block = Block(title=" ".join(markup.fragment_lines(update.headline)), lines=markup.fragment_lines(update.body))
        block.published, precision, block.wrong = _moment(update.published, within)
        block.precision = precision or "minute"
        if block.wrong:
            block.clock = dates.salvaged(update.published, within).clock
        if block.published and precision != "day":
            block.clock = block.published.timetz().replace(tzinfo=None, second=0, microsecond=0)
        own = update.url if addresses.count(update.url) == 1 else ""
        block.url = own or None
        block.key = update.name or (own.rpartition("#")[2] if "#" in own else own)
        yield block


def _live(
    document: Document,
    tree: Any,
    stated: Stated,
    found: list[live.Found],
    published: datetime | None,
    precision: Precision | None,
    modified: datetime | None,
) -> Iterator[Entry | Failure]:
    nodes = [one.node for one in found if one.node is not None]
    for one in found:
        if one.node is not None and one.node.get("id") and document.facts.url:
            one.block.url = f"{document.facts.url.partition('#')[0]}#{one.node.get('id')}"
    if nodes:
        _cut_from(nodes[0])
    # Most pages have nothing but menus above their entries, and finding an article among them takes long.
    if 2 * sum(count for line in markup.lines(tree) if (count := markup.words(line)) >= _SENTENCE) >= _LEAD:
        rest = article.extract(tree, replace(stated, body=""))
        entries = "\n".join(line for one in found for line in one.block.lines)
        lines = [line for line in rest.lines if line not in entries]
        if _is_prose(lines):
            lead = blocks.lead(document, lines, title=document.facts.title or rest.title)
            yield _dated(lead, published, precision)
    anchor = Anchor(published.date(), "oldest") if published else Anchor(modified.date(), "newest") if modified else None
    yield from blocks.entries(document, [one.block for one in found], anchor)
