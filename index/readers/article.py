"""An article page to its text: trafilatura, and what it does better with some care.

Before it: what only advertises other pages or asks for an address is taken out, so that it is not taken for text. After it:
the headline, which has a place of its own, is not repeated; where the page carries its whole text for machines and shows
less, the former is read.
"""

import copy
import logging
import re
from dataclasses import dataclass
from typing import Any

import lxml.etree

from index.errors import UnreadableDocument
from index.readers import markup
from index.readers.headings import is_furniture
from index.readers.structured import Stated

_POINTER = re.compile(
    r"""(?: à\ lire | lire\ (?:aussi|également|notre|la\ suite) | voir\ aussi | sur\ le\ même\ sujet
    | pour\ aller\ plus\ loin | read\ (?:more|also|next) | see\ also | related | don.t\ miss | more\ on\ this )\b""",
    re.VERBOSE | re.IGNORECASE,
)
_ASKS = re.compile(r"newsletter|sign-?up|subscri|paywall|consent|cookie|taboola|outbrain|promo|advert|whatsapp", re.IGNORECASE)
_ADDRESS = re.compile(
    r"newsletter|sign-?\s?(?:ing\s)?up|subscri|inbox|e-?mail|round-?up|abonne|inscri|lettre d.information", re.IGNORECASE
)
_POINTS = 0.5
"""Share of the text of a paragraph that is links, from which on one that begins like a pointer is one."""
_FRAMES = frozenset(("aside", "p", "div", "li", "h2", "h3", "h4", "section"))
_ENOUGH = 250
"""Characters of a text that is not looked for in other ways, and below which trafilatura itself is not content."""
_MUCH_LEFT = 2
"""How many times as much the page's paragraphs may hold; trafilatura prefers another way from there on."""
_SENTENCE = 8
"""Spaces in a paragraph that is no label."""
_SMALL = 2000
"""Characters of an element that may be furniture; 120 words have fewer."""
_MUCH_MORE = 1.3
"""How many times the words of the page the text for machines must have, to be read instead."""


@dataclass
class Article:
    """The lines of an article and its title, as readers see it."""

    title: str
    lines: list[str]


def extract(tree: Any, stated: Stated) -> Article:
    """The article of a page; without lines where there is none. The tree is left as it is."""
    title = _title(tree, stated)
    cleaned = _cleaned(tree)
    prose = _prose(cleaned)
    found = _main_text(cleaned, fast=True)
    if len(found) < max(_ENOUGH, prose / _MUCH_LEFT):
        found = _main_text(_cleaned(tree), fast=False)
    lines = [line.strip().removeprefix("- ") for line in found.splitlines()]
    lines = [line for line in lines if line and not is_furniture(line)]
    while lines and _same(lines[0], title, stated.headline):
        lines.pop(0)
    body = markup.fragment_lines(stated.body)
    # trafilatura falls back on the same text, and puts it into one line.
    if _has_more(body, lines) or (len(body) > len(lines) and _letters("".join(body)) == _letters("".join(lines))):
        lines = body
    return Article(title, lines)


def _main_text(tree: Any, fast: bool) -> str:
    """What trafilatura takes for the text, which spoils the tree; unless it is to be `fast`, two other ways are tried too."""
    from trafilatura import extract as trafilatura_extract

    # What it has to say of a page that gives nothing, we say ourselves.
    logging.getLogger("trafilatura").setLevel(logging.CRITICAL)
    try:
        return trafilatura_extract(tree, fast=fast, include_comments=False, include_tables=True) or ""
    except Exception as error:
        # Whatever it is that a broken page does to it, the next page is not to blame.
        raise UnreadableDocument(f"broke the extraction of its article: {type(error).__name__}: {error}") from error


def _cleaned(tree: Any) -> Any:
    cleaned = copy.deepcopy(tree)
    _take_out(cleaned)
    return cleaned


def _prose(tree: Any) -> int:
    """How many characters stand in paragraphs that say something."""
    texts = ("".join(node.itertext()) for node in tree.iter("p"))
    return sum(len(text) for text in texts if text.count(" ") >= _SENTENCE)


def _take_out(tree: Any) -> None:
    # What stands in a comment is for no reader, and trafilatura takes some of it for text.
    lxml.etree.strip_elements(tree, lxml.etree.Comment, with_tail=False)
    for node in list(tree.iter("form", "nav")):
        if node.getparent() is not None:
            node.drop_tree()
    # A page may hang its whole text in an element named for its paywall: only what is small beside an article goes.
    asking = {node for link in tree.iter("a") if _ADDRESS.search(link.get("href") or "") for node in link.iterancestors()}
    for node, text in list(markup.small_texts(tree, _FRAMES, _SMALL)):
        if node.getparent() is not None and _goes(node, text, node in asking):
            node.drop_tree()


def _goes(node: Any, text: str, asks: bool) -> bool:
    """Whether an element is furniture; `asks` says that it leads to where an address is given."""
    if not text:
        # Nothing to read, and its pictures are not read either.
        return False
    name = f"{node.get('class') or ''} {node.get('id') or ''}"
    return (
        (_ASKS.search(name) is not None and markup.words(text) < 80)
        or (len(text) <= 400 and _is_pointer(node, text))
        or (asks and _is_offer(text))
    )


def _is_pointer(node: Any, text: str) -> bool:
    """Whether an element says nothing but where else to read."""
    if not _POINTER.match(text):
        return False
    linked = sum(len(markup.text(link)) for link in node.iter("a"))
    return linked >= _POINTS * len(text)


def _is_offer(text: str) -> bool:
    """Whether a text asks for an address, in several words."""
    return len({found.lower() for found in _ADDRESS.findall(text)}) >= 3 and markup.words(text) < 120


def _title(tree: Any, stated: Stated) -> str:
    shown = [markup.text(node) for node in tree.iter("h1")]
    shown = [title for title in dict.fromkeys(shown) if title]
    if len(shown) == 1:
        return shown[0]
    for title in shown:
        if _same(title, stated.headline):
            return title
    if stated.headline:
        return stated.headline
    named = tree.find(".//title")
    return shown[0] if shown else markup.text(named) if named is not None else ""


def _same(line: str, *titles: str) -> bool:
    return any(_letters(line) == _letters(title) for title in titles if title)


def _letters(text: str) -> str:
    return re.sub(r"\W+", "", text.lower())


def _has_more(body: list[str], lines: list[str]) -> bool:
    """Whether the text for machines is the page's own, and longer."""
    theirs, ours = set(re.findall(r"\w+", " ".join(body).lower())), set(re.findall(r"\w+", " ".join(lines).lower()))
    if markup.words(" ".join(body)) < _MUCH_MORE * markup.words(" ".join(lines)):
        return False
    return not ours or len(ours & theirs) >= 0.8 * len(ours)
