"""Rows to entries: which names the parts of an entry go by in tables, exports and messages of live services.

| part | the first of these names that is there and not empty |
|---|---|
| key | `_id`, `id`, `guid`, `key` |
| title | `title`, `headline`, `titre` |
| text | `text`, `plain_text`, `content_text`, `texte` |
| text, as HTML | `body`, `content_html`, `content`, `html`, `contenu`, `description` |
| time | `published`, `published_at`, `date_published`, `datePublished`, `pubDate`, `created_at`, `date`, `datetime`, |
| | `timestamp` |
| time of day | `time`, `heure`, `clock`: beside a day, or alone |
| language | `lang`, `language`, `langue` |
| address | `url`, `link`, `permalink`, `external_url`, `lien` |

Names are compared without regard to case. Other columns are left alone.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, time, tzinfo
from typing import Any

from index import dates
from index.documents import Document, Failure
from index.errors import FilrougeError, InvalidRequest, UnreadableDocument
from index.language import entry_language
from index.readers import markup
from index.readers.blocks import mark
from index.readers.encoding import repair
from index.readers.headings import heading
from index.records import Dated, Entry, Precision, published_text

KEY = ("_id", "id", "guid", "key")
TITLE = ("title", "headline", "titre")
TEXT = ("text", "plain_text", "content_text", "texte")
HTML = ("body", "content_html", "content", "html", "contenu", "description")
TIME = (
    "published",
    "published_at",
    "date_published",
    "datepublished",
    "pubdate",
    "created_at",
    "date",
    "datetime",
    "timestamp",
)
CLOCK = ("time", "heure", "clock")
LANG = ("lang", "language", "langue")
URL = ("url", "link", "permalink", "external_url", "lien")
KNOWN = frozenset((*KEY, *TITLE, *TEXT, *HTML, *TIME, *CLOCK, *LANG, *URL))
_CODE = 3
"""Letters of the longest ISO 639 code that we keep; what is longer is a locale."""


def entries(
    document: Document, rows: Iterator[tuple[str, Mapping[str, Any] | UnreadableDocument]]
) -> Iterator[Entry | Failure]:
    """An entry for each row; one that gives none comes as a `Failure` under its name. Of equal rows the first counts.

    A time that there is not comes as a `Failure` behind its entry, which is kept without it.
    """
    seen: dict[str, bytes] = {}
    for name, row in rows:
        try:
            if isinstance(row, UnreadableDocument):
                raise row
            wrong: list[str] = []
            found = entry(document, row, wrong)
            before = seen.get(found.key)
            if before is not None and before != found.content_hash:
                raise UnreadableDocument(
                    f"the id '{found.key}' was used before, with another content: give it an id of its own"
                )
        except FilrougeError as error:
            yield Failure(f"{document.source}, {name}", str(error))
            continue
        if before is None:
            seen[found.key] = found.content_hash
            yield found
            for reason in wrong:
                yield Failure(f"{document.source}, {name}", reason, kept=True)


def entry(document: Document, row: Mapping[str, Any], wrong: list[str]) -> Entry:
    """The entry of one row. Raises `UnreadableDocument`, which says why it gives none; what is wrong with its time alone is
    added to `wrong`.
    """
    fields = {str(name).strip().lower(): value for name, value in row.items() if name is not None}
    title = _line(_first(fields, TITLE))
    text = repair(_first(fields, TEXT)).strip() or repair("\n".join(markup.fragment_lines(_first(fields, HTML))))
    key = _first(fields, KEY)
    if not text:
        title, text = "", title
    if not text:
        raise UnreadableDocument(f"the entry '{key}' has no text" if key else "has no text")
    published, precision, clock, dated = _time(document, fields, wrong)
    when = published_text(published, precision) or (f"{clock:%H:%M}" if clock else "undated")
    lang = _first(fields, LANG).replace("_", "-").partition("-")[0].lower()
    return Entry(
        source=document.source,
        key=key or f"{when}~{mark(title or text, 6)}",
        title=title,
        text=text,
        lang=lang if 1 < len(lang) <= _CODE else document.facts.lang or entry_language(f"{title}\n{text}"),
        published=published,
        precision=precision,
        clock=clock,
        url=_first(fields, URL) or document.facts.url,
        dated=dated,
    )


def _first(fields: Mapping[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, dict | list):
            raise UnreadableDocument(f"'{name}' is {type(value).__name__}, not text")
        if value is not None and not isinstance(value, bool) and str(value).strip():
            # JSON can spell half a character; no store can keep one.
            return str(value).encode("utf-16", "surrogatepass").decode("utf-16", "replace").strip()
    return ""


def _line(written: str) -> str:
    return repair(" ".join(markup.fragment_lines(written)))


def _time(
    document: Document, fields: Mapping[str, Any], wrong: list[str]
) -> tuple[datetime | None, Precision | None, time | None, Dated | None]:
    """When the row was published: its moment; or its day, or that of the manifest, with its time of day where it has one."""
    within: tzinfo = dates.zone(document.facts.tz)
    written, spoken = _first(fields, TIME), _first(fields, CLOCK)
    published: datetime | None = None
    precision: Precision | None = None
    clock: time | None = None
    if spoken:
        shown = heading(spoken)
        if shown is None and not written:
            # Some exports write the whole moment there.
            written, spoken = spoken, ""
        elif shown is not None and shown.clock is None:
            reason = shown.wrong or f"there is no time of day '{spoken[:20]}': correct it in the document"
            wrong.append(f"{reason}; the entry is kept without it")
        clock = shown.clock if shown else None
    if written:
        try:
            published, precision = dates.reading(written, within)
        except InvalidRequest as error:
            known = dates.salvaged(written, within)
            published, precision, clock = known.published, "day" if known.published else None, clock or known.clock
            wrong.append(f"{error}; {known.kept}")
    elif document.facts.day is not None:
        published, precision = dates.midnight(document.facts.day, within), "day"
    if clock and published and precision == "day":
        published, precision = dates.instant(published.date(), clock, within), "minute"
    return published, precision, clock, ("entry" if written else "manifest") if published else None
