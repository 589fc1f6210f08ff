"""Markdown live blogs."""

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from index.documents import Document, Facts, Failure
from index.readers import read
from index.records import Entry

FACTS = Facts("fr", "Europe/Paris")
Write = Callable[..., Path]
Read = Callable[..., list[Entry | Failure]]
PARIS = ZoneInfo("Europe/Paris")

PAGE = """# La crue en direct

Le chapeau, avec un [lien](https://example.org) et *deux*
lignes.

## Mardi 23 mai 2023

### 11h58 : Le **second** titre

Un paragraphe `court`.

- Premier point
- Second point

> Une citation.

### 11h50 - Le premier titre

Trois &amp; quatre.

Commenter cet article
"""


@pytest.fixture
def markdown(write: Write) -> Read:
    """What is read of a Markdown document."""

    def markdown(content: str, facts: Facts = FACTS, name: str = "fil.md") -> list[Entry | Failure]:
        return list(read(Document(write(name, content), "fil", facts)))

    return markdown


@pytest.mark.parametrize("name", ["fil.md", "fil.markdown", "fil.txt", "fil"])
def test_headings_with_times_begin_entries_and_marks_are_gone(markdown: Read, name: str) -> None:
    lead, second, first = markdown(PAGE, name=name)
    assert lead == Entry(
        "fil",
        "lead",
        "La crue en direct",
        "Le chapeau, avec un lien et deux lignes.",
        "fr",
        datetime(2023, 5, 23, tzinfo=PARIS),
        "day",
    )
    assert isinstance(second, Entry)
    assert isinstance(first, Entry)
    assert (second.key, second.title) == ("2023-05-23T11:58", "Le second titre")
    assert second.text == "Un paragraphe court.\nPremier point\nSecond point\nUne citation."
    assert (first.key, first.title, first.text) == ("2023-05-23T11:50", "Le premier titre", "Trois & quatre.")


def test_front_matter_says_what_is_known_of_the_document(markdown: Read) -> None:
    front = (
        '---\ntitle: "La crue"\ndate: 2023-05-23\nlang: en-GB\ntz: Europe/London\nurl: https://example.org/a\ntags: x\n---\n'
    )
    [lead, entry] = markdown(f"{front}\nLead.\n\n## 11:58 – Title\n\nText.\n", Facts("fr", "Europe/Paris", date(2020, 1, 1)))
    assert isinstance(lead, Entry)
    assert isinstance(entry, Entry)
    assert (lead.title, lead.lang, lead.url) == ("La crue", "en", "https://example.org/a")
    assert entry.published == datetime(2023, 5, 23, 11, 58, tzinfo=ZoneInfo("Europe/London"))


def test_what_is_wrong_in_the_front_matter_is_named(markdown: Read) -> None:
    found = markdown("---\ndate: 31 février 2023\ntz: Mars/Base\n---\n## 11h58 : Titre\n\nTexte.\n")
    assert found[:2] == [
        Failure("fil", "front matter, date: there is no day '31 février 2023': correct it in the document"),
        Failure(
            "fil",
            "front matter, tz: no time zone 'Mars/Base': give an IANA name such as Europe/Paris, or an offset such as +02:00",
        ),
    ]
    assert isinstance(found[2], Entry)
    assert found[2].published is None


def test_an_article_in_markdown_is_one_entry(markdown: Read) -> None:
    [entry] = markdown("# Titre\n\nUn *paragraphe*.\n\n## Intertitre\n\nUn autre.\n\n```\ncode  ici\n```\n")
    assert isinstance(entry, Entry)
    assert (entry.key, entry.title, entry.text) == ("lead", "Titre", "Un paragraphe.\nIntertitre\nUn autre.\ncode  ici")
