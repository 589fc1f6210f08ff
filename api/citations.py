"""Entries as bibliographic records: RIS, BibTeX and CSL-JSON."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any
from urllib.parse import quote, urlsplit

from api.links import web
from index.records import Entry

_LONGEST_TITLE = 80
"""Characters of a title that is made of the beginning of a text."""
_BREAKS = re.compile(r"[\t\n\v\f\r \x1c-\x1f\x85\u2028\u2029]+")
"""White space of any kind but that which French typography asks for."""
_CONTROLS = re.compile(r"[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_LIGATURES = re.compile(r"([-'`<>,])(?=\1)|[?!](?=`)")
"""What TeX makes dashes, quotation marks and turned question marks of."""
_LANGID = {"fr": "french", "en": "english"}
_TEX = {
    "\\": r"\textbackslash{}",
    # Braces are counted wherever they stand, also behind a backslash.
    "{": r"\textbraceleft{}",
    "}": r"\textbraceright{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "#$%&_"},
}


@dataclass(frozen=True)
class Citation:
    """What is cited of an entry; every text is a line, without control characters.

    `blog` says that its source is a live blog, and not an article of its own. `container` is the site that it was published
    on, or else its source; `accessed` the day that the index is known to have had it; `provenance` says which index.
    """

    id: str
    title: str
    container: str
    abstract: str
    lang: str
    issued: date | None
    url: str | None
    accessed: date
    blog: bool
    provenance: str


def cite(entry: Entry, abstract: str, blog: bool, accessed: date, provenance: str) -> Citation:
    """The record of an entry.

    >>> entry = Entry("fil.txt", "1", "", "Deux blessés à\\tBelgorod.", "fr", url="https://www.example.org/direct#1")
    >>> record = cite(entry, entry.text, True, date(2026, 11, 26), "generation 1")
    >>> record.title, record.container, record.abstract
    ('Deux blessés à Belgorod.', 'example.org', 'Deux blessés à Belgorod.')
    """
    return Citation(
        entry.id,
        line(entry.title) or beginning(line(entry.text)),
        container(entry),
        line(abstract),
        entry.lang,
        entry.published.date() if entry.published else None,
        # Whoever manages references makes a link of it.
        entry.url if web(entry.url) else None,
        accessed,
        blog,
        provenance,
    )


def container(entry: Entry) -> str:
    """Where an entry was published: its site, or else the name of its source."""
    try:
        site = urlsplit(entry.url or "").hostname
    except ValueError:
        # A stray bracket: an address that no one can visit.
        site = None
    return (site or line(entry.source)).removeprefix("www.")


def line(text: str) -> str:
    """A text as one line, without control characters.

    >>> line("Deux\\r\\x08\\n blessés\\x07 \\u00ab\\u00a0dont un grave\\u00a0\\u00bb ")
    'Deux blessés «\\xa0dont un grave\\xa0»'
    """
    # Controls first: one that stood between two breaks would leave two spaces.
    return _BREAKS.sub(" ", _CONTROLS.sub("", text)).strip(" ")


def beginning(text: str) -> str:
    """The first words of a text, for an entry that has no title."""
    if len(text) <= _LONGEST_TITLE:
        return text
    cut = text[:_LONGEST_TITLE]
    return f"{cut.rpartition(' ')[0] or cut}…"


def ris(record: Citation) -> str:
    """A RIS record; lines end with CR LF, as its specification has it.

    An entry of a live blog is a BLOG, an article is NEWS.
    """
    fields = [
        ("TY", "BLOG" if record.blog else "NEWS"),
        ("TI", record.title),
        ("T2", record.container),
        ("PY", f"{record.issued:%Y}" if record.issued else ""),
        ("DA", f"{record.issued:%Y/%m/%d}" if record.issued else ""),
        ("UR", line(record.url or "")),
        ("AB", record.abstract),
        ("LA", record.lang),
        ("AN", record.id),
        ("DB", "filrouge"),
        ("DP", record.provenance),
        ("Y2", f"{record.accessed:%Y/%m/%d}"),
    ]
    return "".join(f"{tag}  - {value}\r\n" for tag, value in fields if value) + "ER  - \r\n\r\n"


def bibtex(record: Citation) -> str:
    """A BibTeX entry for biblatex; its key is made of the entry's id alone, and so never changes."""
    fields = {
        # Twice in braces: styles that write titles small leave the names in them alone.
        "title": f"{{{_tex(record.title)}}}",
        "organization": _tex(record.container),
        "date": record.issued.isoformat() if record.issued else "",
        # Taken as it stands, by biblatex and by hyperref.
        "url": quote(record.url or "", safe="!#$%&'()*+,-./:;=?@_~[]"),
        "urldate": record.accessed.isoformat(),
        "langid": _LANGID.get(record.lang, ""),
        "abstract": _tex(record.abstract),
        "annotation": _tex(record.provenance),
    }
    body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
    return f"@online{{filrouge-{record.id},\n{body}}}\n\n"


def _tex(text: str) -> str:
    return _LIGATURES.sub(r"\g<0>{}", "".join(_TEX.get(character, character) for character in text))


def csl(record: Citation) -> str:
    """A CSL-JSON item, as one line."""
    item: dict[str, Any] = {
        "id": record.id,
        "type": "post-weblog" if record.blog else "article-newspaper",
        "title": record.title,
        "container-title": record.container,
        "issued": _date(record.issued) if record.issued else None,
        "URL": record.url,
        "accessed": _date(record.accessed),
        "abstract": record.abstract,
        "language": record.lang,
        "source": "filrouge",
        "note": record.provenance,
    }
    return json.dumps({name: value for name, value in item.items() if value is not None}, ensure_ascii=False)


def _date(day: date) -> Mapping[str, Any]:
    return {"date-parts": [[day.year, day.month, day.day]]}
