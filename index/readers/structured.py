"""What a page says of itself to machines: schema.org in JSON-LD and microdata, and the usual meta elements.

Each JSON-LD block is read on its own, so that a broken one does not take the others with it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import unescape
from typing import Any

_ARTICLES = frozenset(
    """Article NewsArticle AnalysisNewsArticle AskPublicNewsArticle BackgroundNewsArticle OpinionNewsArticle
    ReportageNewsArticle ReviewNewsArticle Report BlogPosting LiveBlogPosting Blog""".split()
)
_COMMENT = re.compile(r"^\s*(?:<!--|<!\[CDATA\[|//\s*<!\[CDATA\[)|(?:-->|\]\]>|//\s*\]\]>)\s*$")
_COMMA = re.compile(r",(?=\s*[}\]])")
_CONTENT = re.compile(r"liveBlogUpdate|LiveBlogPosting|articleBody")
_DEEPEST = 12


@dataclass
class Update:
    """One update of a live blog, as the page states it; values are still text."""

    headline: str = ""
    body: str = ""
    published: str = ""
    name: str = ""
    url: str = ""


@dataclass
class Stated:
    """What a page states. `broken` has why blocks that speak of content could not be read."""

    headline: str = ""
    body: str = ""
    published: str = ""
    modified: str = ""
    url: str = ""
    live: bool = False
    updates: list[Update] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def stated(tree: Any) -> Stated:
    """What the page states of itself."""
    found = Stated()
    for number, script in enumerate(tree.iterfind(".//script"), start=1):
        if "ld+json" in (script.get("type") or "").lower():
            _read_block(script.text or "", number, found)
    _microdata(tree, found)
    _meta(tree, found)
    return found


def _read_block(written: str, number: int, found: Stated) -> None:
    written = _COMMENT.sub("", _COMMENT.sub("", written)).strip().rstrip(";")
    if not written:
        return
    try:
        value = _json(written)
    except (ValueError, RecursionError) as error:
        if _CONTENT.search(written):
            found.broken.append(f"JSON-LD of script {number} is not JSON: {error}")
        return
    for thing in _things(value, 0):
        types = thing.get("@type")
        names = {str(name).rpartition("/")[2] for name in (types if isinstance(types, list) else [types])}
        if "WebPage" in names and not found.headline:
            found.published = found.published or _string(thing.get("datePublished"))
        if names & _ARTICLES or (thing.get("headline") and thing.get("datePublished") and "WebPage" not in names):
            _article(thing, "LiveBlogPosting" in names, found)


def _json(written: str) -> Any:
    try:
        # Line breaks within strings are common, and harmless.
        return json.loads(written, strict=False)
    except ValueError as error:
        try:
            return json.loads(_COMMA.sub("", written), strict=False)
        except ValueError:
            raise error from None


def _things(value: Any, depth: int) -> Iterator[dict[str, Any]]:
    """Objects that describe the page: at the top, in lists, in a graph, as its main entity."""
    if depth > _DEEPEST:
        return
    if isinstance(value, list):
        for one in value:
            yield from _things(one, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in ("@graph", "mainEntity", "mainEntityOfPage"):
            if isinstance(value.get(name), list | dict):
                yield from _things(value[name], depth + 1)


def _article(thing: dict[str, Any], live: bool, found: Stated) -> None:
    updates = thing.get("liveBlogUpdate")
    if live or not found.live:
        found.headline = _string(thing.get("headline")) or found.headline
        found.body = _string(thing.get("articleBody")) or found.body
        found.published = _string(thing.get("datePublished")) or found.published
        found.modified = _string(thing.get("dateModified")) or found.modified
        found.url = _string(thing.get("url")) or found.url
    found.live = found.live or live
    for update in updates if isinstance(updates, list) else [updates]:
        if isinstance(update, dict):
            found.updates.append(
                Update(
                    headline=_string(update.get("headline")) or _string(update.get("name")),
                    body=_string(update.get("articleBody"))
                    or _string(update.get("text"))
                    or _string(update.get("description")),
                    published=_string(update.get("datePublished")) or _string(update.get("dateCreated")),
                    name=_string(update.get("@id")) or _string(update.get("identifier")),
                    url=_string(update.get("url")),
                )
            )


def _string(value: Any) -> str:
    if isinstance(value, list):
        value = value[0] if value else None
    if isinstance(value, dict):
        value = value.get("@value") or value.get("@id")
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        return ""
    # JSON can spell half a character; no store can keep one.
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()


def _microdata(tree: Any, found: Stated) -> None:
    for node in tree.xpath('//*[@itemprop="liveBlogUpdate"]'):
        prop = {name: _property(node, name) for name in ("headline", "articleBody", "datePublished", "url")}
        name = node.get("itemid") or node.get("id") or ""
        found.updates.append(Update(prop["headline"], prop["articleBody"], prop["datePublished"], name, prop["url"]))
    found.live = found.live or bool(tree.xpath('//*[contains(@itemtype, "LiveBlogPosting")]'))


def _property(node: Any, name: str) -> str:
    import lxml.html

    for holder in node.xpath(f'.//*[@itemprop="{name}"]'):
        if name == "articleBody":
            return str(lxml.html.tostring(holder, encoding="unicode", with_tail=False))
        value = holder.get("content") or holder.get("datetime") or holder.get("href") or holder.text_content()
        return str(value).strip()
    return ""


_PUBLISHED = (
    '//meta[contains(@property, "article:published_time")]/@content',
    # Some write other names for both.
    '//meta[contains(@name, "article:published_time")]/@*[name()="content" or name()="value"]',
    '//meta[@itemprop="datePublished"]/@content',
    '//*[@itemprop="datePublished"]/@datetime',
    '//meta[@name="date" or @name="DC.date.issued" or @name="dcterms.created" or @name="pubdate"]/@content',
    "//time[@pubdate]/@datetime",
)
_MODIFIED = (
    '//meta[@property="article:modified_time" or @property="og:updated_time"]/@content',
    '//meta[@itemprop="dateModified"]/@content',
    '//*[@itemprop="dateModified"]/@datetime',
)


def _meta(tree: Any, found: Stated) -> None:
    canonical = _first(tree, '//link[@rel="canonical"]/@href', '//meta[@property="og:url"]/@content')
    found.url = (canonical if canonical.startswith("http") else "") or found.url
    found.headline = unescape(found.headline) or _first(tree, '//meta[@property="og:title"]/@content')
    found.published = found.published or _first(tree, *_PUBLISHED)
    found.modified = found.modified or _first(tree, *_MODIFIED)


def _first(tree: Any, *paths: str) -> str:
    for path in paths:
        for value in tree.xpath(path):
            if str(value).strip():
                return str(value).strip()
    return ""
