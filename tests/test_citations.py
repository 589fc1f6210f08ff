"""Bibliographic records, read back by the libraries of others."""

import json
import re
from datetime import UTC, date, datetime
from typing import Any
from urllib.parse import unquote

import pytest
import rispy
from citeproc.source.json import CiteProcJSON
from hypothesis import example, given
from hypothesis import strategies as st
from pybtex.database import parse_string
from pylatexenc.latex2text import LatexNodes2Text, MacroTextSpec, get_default_latex_context_db

from api.citations import Citation, bibtex, cite, csl, line, ris
from index.records import Entry

DAY = date(2026, 11, 26)
HARD = r"""50% of {braces} \& #1 $5 a_b ~x^2 "q" -- --- ''t'' ``u`` ?` <<v>> @online{x, \textbackslash{} é « ù » 🙂 ER  - %"""
# Whatever can be published; lone surrogates are no text.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60).filter(lambda text: "ˆ" not in text)
RECORDS = st.builds(
    Citation,
    id=st.from_regex(r"[a-z2-7]{16}", fullmatch=True),
    title=TEXT.map(line).filter(bool),
    container=TEXT.map(line).filter(bool),
    abstract=TEXT.map(line),
    lang=st.sampled_from(["fr", "en", "und"]),
    issued=st.none() | st.dates(min_value=date(1000, 1, 1)),
    url=st.none() | st.just("https://example.org/direct?x=1&y={2}#a_b~%20é"),
    accessed=st.just(DAY),
    blog=st.booleans(),
    provenance=TEXT.map(line).filter(bool),
)
HARDEST = Citation("37tefdq67474zjib", HARD, HARD, HARD, "fr", date(2023, 5, 23), "https://e.org/{a}#b", DAY, True, HARD)


def present(fields: dict[str, Any]) -> dict[str, Any]:
    """Without what a record does not have."""
    return {name: value for name, value in fields.items() if value}


@given(st.lists(RECORDS, min_size=1, max_size=3))
@example([HARDEST])
def test_rispy_reads_what_ris_was_written_of(records: list[Citation]) -> None:
    text = "".join(map(ris, records))
    assert re.fullmatch(r"(?:[A-Z][A-Z0-9]  - [^\r\n]*\r\n|\r\n)*", text)
    expected = [
        present(
            {
                "type_of_reference": "BLOG" if record.blog else "NEWS",
                "title": spoken(record.title),
                "secondary_title": spoken(record.container),
                "year": f"{record.issued:%Y}" if record.issued else "",
                "date": f"{record.issued:%Y/%m/%d}" if record.issued else "",
                "urls": [record.url] if record.url else [],
                "abstract": spoken(record.abstract),
                "language": record.lang,
                "accession_number": record.id,
                "name_of_database": "filrouge",
                "database_provider": spoken(record.provenance),
                "access_date": "2026/11/26",
            }
        )
        for record in records
    ]
    found = rispy.loads(text)
    for one in found:
        for name in ("title", "secondary_title", "abstract", "database_provider"):
            one[name] = spoken(one.get(name, ""))
    assert [present(one) for one in found] == expected


def spoken(text: str) -> str:
    """A text without the white space at its ends that Unicode knows: rispy strips all of it."""
    return text.strip()


_MACROS = get_default_latex_context_db()
# Two commands of LaTeX that the library does not have.
_MACROS.add_context_category(
    "braces", prepend=True, macros=[MacroTextSpec("textbraceleft", "{"), MacroTextSpec("textbraceright", "}")]
)


def plain(tex: str) -> str:
    """What TeX prints; the library takes the lone circumflex for the accent that it looks like."""
    return str(LatexNodes2Text(latex_context=_MACROS).latex_to_text(tex)).replace("ˆ", "^")


@given(st.lists(RECORDS, min_size=1, max_size=3, unique_by=lambda record: record.id))
@example([HARDEST])
def test_pybtex_and_a_reader_of_tex_read_what_bibtex_was_written_of(records: list[Citation]) -> None:
    found = parse_string("".join(map(bibtex, records)), "bibtex").entries
    assert list(found) == [f"filrouge-{record.id}" for record in records]
    for record, entry in zip(records, found.values(), strict=True):
        assert entry.type == "online"
        assert entry.persons == {}
        fields = dict(entry.fields)
        assert unquote(fields.pop("url", "")) == unquote(record.url or "")
        title = fields.pop("title")
        assert (title[0], title[-1]) == ("{", "}")
        texts = {name: fields.pop(name, "") for name in ("organization", "abstract", "annotation")}
        told = [folded(plain(text)) for text in (title[1:-1], *texts.values())]
        assert told == [folded(text) for text in (record.title, record.container, record.abstract, record.provenance)]
        assert fields == present(
            {
                "date": record.issued.isoformat() if record.issued else "",
                "urldate": "2026-11-26",
                "langid": {"fr": "french", "en": "english"}.get(record.lang, ""),
            }
        )


def folded(text: str) -> str:
    """White space as one space: TeX knows no other."""
    return " ".join(text.split())


@given(RECORDS)
@example(HARDEST)
def test_citeproc_reads_what_csl_json_was_written_of(record: Citation) -> None:
    text = csl(record)
    assert "\n" not in text
    (read,) = CiteProcJSON([json.loads(text)]).values()
    assert read.type == ("post-weblog" if record.blog else "article-newspaper")
    assert read.key == record.id
    told = {name: str(read[name]) for name in ("title", "container_title", "abstract", "language", "source", "note")}
    assert told == {
        "title": record.title,
        "container_title": record.container,
        "abstract": record.abstract,
        "language": record.lang,
        "source": "filrouge",
        "note": record.provenance,
    }
    assert str(read.get("URL", "")) == (record.url or "")
    days = {name: read[name] for name in ("issued", "accessed") if name in read}
    assert {name: date(day.year, day.month, day.day) for name, day in days.items()} == present(
        {"issued": record.issued, "accessed": DAY}
    )


def test_a_record_of_an_entry_has_its_day_in_its_own_zone_and_its_site() -> None:
    late = datetime(2023, 5, 23, 23, 30, tzinfo=UTC)
    entry = Entry("fil.txt", "1", "Titre\x07\n deux", "Texte.", "fr", late, "minute", url="https://www.example.org:80/a")
    record = cite(entry, "Un\tpassage.", True, DAY, "generation 1")
    assert record == Citation(
        entry.id, "Titre deux", "example.org", "Un passage.", "fr", date(2023, 5, 23), entry.url, DAY, True, "generation 1"
    )


@pytest.mark.parametrize("url", [None, "https://[broken/", "urn:isbn:1"])
def test_without_a_site_the_source_is_the_container(url: str | None) -> None:
    entry = Entry("dossier/fil.txt", "1", "", "Texte.", "fr", url=url)
    assert cite(entry, "", True, DAY, "").container == "dossier/fil.txt"


def test_an_entry_without_a_title_is_called_by_its_first_words() -> None:
    text = "Un texte qui commence par bien des mots et qui ne tient pas en entier dans ce que l’on appelle un titre."
    record = cite(Entry("f", "1", "", text, "fr"), text, True, DAY, "")
    assert record.title == "Un texte qui commence par bien des mots et qui ne tient pas en entier dans ce…"
    assert cite(Entry("f", "1", "", "Court.", "fr"), "", True, DAY, "").title == "Court."
    assert cite(Entry("f", "1", "", "x" * 200, "fr"), "", True, DAY, "").title == "x" * 80 + "…"


@given(st.text())
@example("deux\r\x08 mots")
def test_a_line_has_no_control_character_and_no_end_within_it(text: str) -> None:
    found = line(text)
    assert not re.search(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]", found)
    assert len(found.splitlines()) <= 1
    assert line(found) == found
