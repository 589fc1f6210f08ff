"""HTML fragments to lines of plain text, as a browser would break them."""

import re
from collections.abc import Iterator
from html import unescape
from typing import Any

import lxml.etree
import lxml.html

_BLOCKS = frozenset(
    """address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure footer form h1 h2 h3
    h4 h5 h6 header hgroup hr html li main nav ol p pre section summary table tbody td tfoot th thead tr ul br""".split()
)
_SILENT = frozenset("script style noscript template iframe svg button select object audio video head".split())
_SPACES = re.compile(r"[ \t\n\r\f]+")
_SPACED = 8
"""How many times as long as its text an element may be written."""
_CONTROLS = re.compile(
    r"""[\x00-\x08\x0e-\x1f\ufffe\uffff]
    | &\#0*+(?:[0-8] | 1[124-9] | 2[0-9] | 3[01] | 6553[45])(?:; | (?![0-9]))
    | &\#[xX]0*+(?:[0-8bceBCEfF] | 1[0-9a-fA-F] | [fF]{3}[eEfF])(?:; | (?![0-9a-fA-F]))""",
    re.VERBOSE,
)
_TAG = re.compile(r"</?[a-zA-Z][^<>]*>|<!--")
_FLOOD = re.compile(
    r"""(<[a-zA-Z][^\s/>]*+)
    (?:[\s/]*+ [^\s/>][^\s/>=]*+ (?:\s*+ = \s*+ (?:"[^"]*+" | '[^']*+' | [^\s>]*+))?+){1000,}+""",
    re.VERBOSE,
)


def without_floods(text: str) -> str:
    """HTML without the attributes of elements that have a thousand of them, which none has that people read.

    The parser takes time by the square of their number: for a million, an hour.

    >>> without_floods("<p " + " ".join(f"a{n}='>'" for n in range(1000)) + ">Un<b c>deux</b>")
    '<p>Un<b c>deux</b>'
    """
    return _FLOOD.sub(r"\1", text)


def without_controls(text: str) -> str:
    """HTML without control characters, written as they are or by number, which no page shows.

    A parser lets them into a tree that nothing can then be moved in: it refuses them when they are written to another place.

    >>> without_controls("Un\x02 de&#31;ux\f&#x1f;trois&#65;&#x20;&#100;")
    'Un deux trois&#65;&#x20;&#100;'
    """
    return _CONTROLS.sub("", text.replace("\v", " ").replace("\f", " "))


def lines(node: Any, without: frozenset[Any] = frozenset()) -> list[str]:
    """The lines that a reader sees of an element, without those elements of it that are in `without`.

    >>> lines(lxml.html.fromstring("<div><p>Un <b>deux</b>.</p>Trois<br>quatre</div>"))
    ['Un deux.', 'Trois', 'quatre']
    """
    found = (_SPACES.sub(" ", line).strip() for line in "".join(_pieces(node, without)).split("\v"))
    return [line for line in found if line]


def fragment_lines(text: str) -> list[str]:
    """The lines of an HTML fragment, or of plain text whose marks may be escaped once.

    >>> fragment_lines("<p>L&#39;été</p><p>Fin</p>"), fragment_lines("L&#39;été &amp; moi\\nFin")
    (["L'été", 'Fin'], ["L'été & moi", 'Fin'])
    """
    if not text.strip():
        return []
    if not _TAG.search(text):
        text = unescape(text)
    if not _TAG.search(text):
        return [line.strip() for line in text.splitlines() if line.strip()]
    try:
        return lines(lxml.html.fragment_fromstring(without_floods(without_controls(text)), create_parent="div"))
    except (lxml.etree.LxmlError, ValueError, AssertionError):
        # Marks of no markup: what is left without them is the text.
        return [line.strip() for line in unescape(_TAG.sub(" ", text)).splitlines() if line.strip()]


def _pieces(root: Any, without: frozenset[Any]) -> Iterator[str]:
    """Text in the order of the page, with a vertical tab where a line ends. A page may nest deeper than Python calls."""
    stack: list[Any] = [root]
    while stack:
        node = stack.pop()
        if isinstance(node, str):
            yield node
            continue
        tail = node.tail if node is not root else None
        silent = not isinstance(node.tag, str) or node.tag in _SILENT or node in without
        block = isinstance(node.tag, str) and node.tag in _BLOCKS
        if tail:
            stack.append(tail)
        if silent:
            continue
        if block:
            stack.append("\v")
        stack.extend(reversed(node))
        if node.text:
            stack.append(node.text)
        if block:
            stack.append("\v")


def text(node: Any) -> str:
    """All that a reader sees of an element, on one line."""
    return " ".join(lines(node))


def small_texts(root: Any, tags: frozenset[str], most: int) -> Iterator[tuple[Any, str]]:
    """`text` of every element of these tags below `root` that has no more than `most` characters, in one pass.

    >>> page = lxml.html.fromstring("<div><p>Un <b>deux</b>.</p><p>Trois quatre</p></div>")
    >>> [(node.tag, text) for node, text in small_texts(page, frozenset(["p", "div"]), 12)]
    [('p', 'Un deux.'), ('p', 'Trois quatre')]

    Asking for the text of each would read a page as often as it nests. An element that is mostly the spaces of its markup may
    be left out.
    """
    pieces: dict[Any, str | None] = {}
    nodes = list(root.iter())
    # Backwards, what an element holds comes before it.
    for node in reversed(nodes):
        if not isinstance(node.tag, str) or node.tag in _SILENT:
            pieces[node] = ""
            continue
        inner = [node.text or ""]
        for child in node:
            held = pieces[child]
            if held is None:
                break
            inner += held, child.tail or ""
        else:
            whole = "".join(inner)
            if len(whole) <= _SPACED * most:
                pieces[node] = f"\v{whole}\v" if node.tag in _BLOCKS else whole
                continue
        pieces[node] = None
    for node in nodes:
        if node.tag in tags and (held := pieces[node]) is not None:
            found = " ".join(stripped for line in _SPACES.sub(" ", held).split("\v") if (stripped := line.strip()))
            if len(found) <= most:
                yield node, found


def words(written: str) -> int:
    """How many words a text has."""
    return len(re.findall(r"\w+", written))
