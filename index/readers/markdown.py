"""Markdown live blogs: headings and paragraphs as in a text live blog, without the marks.

The first heading of the first level, or `title` of the front matter, is the page's title; `date`, `lang`, `tz` and `url` there
are what is known of the document.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from index import dates
from index.documents import Document, Facts, Failure
from index.errors import InvalidRequest
from index.readers import markup, text
from index.readers.encoding import damage, decode, repair
from index.readers.headings import day_heading, heading
from index.readers.whole import contents
from index.records import Entry

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_MARKS = re.compile(r"^(?:#{1,6} \S|[-*+] \S|> |```|\[[^\]]+\]: )|\]\(\S+\)|\*\*\S", re.MULTILINE)


def is_markdown(head: str) -> bool:
    """Whether a text is written in Markdown: it has front matter, or several of its marks, one a heading.

    >>> is_markdown("# Le fil\\n\\n## 11h58 : Titre\\n\\nVoir [ici](http://a).\\n"), is_markdown("11h58 : Titre\\n- Oui.")
    (True, False)
    """
    head = head.replace("\r\n", "\n")
    front = _FRONT.match(head)
    return bool(front and ":" in front[1]) or (
        re.search(r"^#{1,6} \S", head, re.M) is not None and len(_MARKS.findall(head)) > 1
    )


def read(document: Document) -> Iterator[Entry | Failure]:
    """The entries of a Markdown live blog."""
    data = contents(document.path)
    content = decode(data)
    lost = damage(data, content)
    if lost:
        yield Failure(document.source, lost)
    content = repair(content).replace("\r\n", "\n").replace("\r", "\n")
    front = _FRONT.match(content)
    if front:
        facts, wrong = _front_matter(front[1], document.facts)
        document = replace(document, facts=facts)
        yield from (Failure(document.source, reason) for reason in wrong)
        content = content[front.end() :]
    title, lines = _lines(content)
    if title and not document.facts.title:
        document = replace(document, facts=replace(document.facts, title=title))
    yield from text.from_lines(document, lines)


def _front_matter(written: str, facts: Facts) -> tuple[Facts, list[str]]:
    """What the front matter says goes before what the manifest says; what is wrong in it is named."""
    wrong: list[str] = []
    for line in written.splitlines():
        name, _, value = line.partition(":")
        name, value = name.strip().lower(), value.strip().strip("\"'")
        try:
            if not value:
                continue
            if name == "date":
                facts = replace(facts, day=dates.reading(value, dates.zone(facts.tz))[0].date())
            elif name in ("tz", "timezone"):
                dates.zone(value)
                facts = replace(facts, tz=value)
            elif name == "title":
                facts = replace(facts, title=value)
            elif name == "url":
                facts = replace(facts, url=value)
            elif name in ("lang", "language"):
                facts = replace(facts, lang=value.partition("-")[0].lower())
        except InvalidRequest as error:
            wrong.append(f"front matter, {name}: {error}")
    return facts, wrong


def _lines(content: str) -> tuple[str, list[str]]:
    """The page's title and its lines, as a reader sees them."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table")
    title, level = "", 0
    lines: list[str] = []
    for token in parser.parse(content):
        if token.type == "heading_open":
            level = int(token.tag[1])
        elif token.type == "inline":
            shown = markup.fragment_lines(parser.renderer.render(token.children or [], parser.options, {}))
            shown = [line for written in shown for line in written.split("\n")]
            plain = len(shown) == 1 and heading(shown[0]) is None and day_heading(shown[0]) is None
            if level == 1 and plain and not title and not any(heading(line) for line in lines):
                title = shown[0]
            else:
                lines.extend(shown)
            level = 0
        elif token.type in ("fence", "code_block"):
            lines.extend(token.content.splitlines())
        elif token.type == "html_block":
            lines.extend(markup.fragment_lines(token.content))
    return title, lines
