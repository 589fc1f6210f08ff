"""Many documents of many kinds: chosen by content, read past what is broken, the same however often and in any order."""

import gzip
import json
import random
from collections.abc import Callable
from html import escape
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed.hashing import HashingEncoder
from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.ingest import Report, ingest
from index.readers import read, sniff
from index.records import Entry
from index.store import Store

Write = Callable[..., Path]

# The kinds


@pytest.mark.parametrize(
    ("begin", "kind"),
    [
        (b"11h58 : Titre", "text"),
        ("Été".encode("cp1252"), "text"),
        ("11h58 : Titre".encode("utf-16"), "text"),
        (b"# Titre\n\n## 11h58 : T\n\n[a](b)", "markdown"),
        (b"---\ntitle: x\n---\nTexte", "markdown"),
        (b"<!doctype html><html>", "html"),
        (b"\xef\xbb\xbf  <html lang=fr>", "html"),
        (b"<!-- saved --><div class=x>", "html"),
        ("<html><body>".encode("utf-16"), "html"),
        (b'<?xml version="1.0"?><!DOCTYPE html PUBLIC "x"><html xmlns="y">', "html"),
        (b'<?xml version="1.0"?><rss version="2.0">', "feed"),
        (b'<feed xmlns="http://www.w3.org/2005/Atom">', "feed"),
        (b"<rdf:RDF xmlns='x'>", "feed"),
        (b'{"_id": "1", "text": "x"}\n{"_id": "2", "text": "y"}', "jsonl"),
        (b'{"_id": "1", "text": "x"}', "jsonl"),
        (b'{"messages": [{"text": "x"}]}', "json"),
        (b'{\n "messages": []\n}', "json"),
        (b'[{"text": "x"}]', "json"),
        (b"id,title,text\n1,a,b\n", "table"),
        (b"id;texte\n", "table"),
        (b"PK\x03\x04", "zip"),
        (b"\0" * 257 + b"ustar", "tar"),
        (b"WARC/1.0\r\n", "warc"),
        (b"", "empty"),
        (b" \n\xef\xbb\xbf", "text"),
        (b"{ceci est du texte}", "text"),
        ("[Vidéo] 11h58".encode(), "text"),
        (b"Un titre, une date, un texte", "text"),
        (b"<3 coeurs", "text"),
    ],
)
def test_the_kind_of_a_document_is_found_in_its_first_bytes(begin: bytes, kind: str) -> None:
    assert sniff.kind(begin, "document") == kind


@pytest.mark.parametrize(
    ("begin", "reason"),
    [
        (b"%PDF-1.7", "is a PDF: save its text, as with pdftotext"),
        (b"\xd0\xcf\x11\xe0\xa1", "is an Office document: save it as text or HTML"),
        (b"\xff\xd8\xff\xe0", "is a picture"),
        (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: pack it as ZIP or tar"),
        (b"SQLite format 3\0", "is a database: export it as CSV or JSON Lines"),
        (b'<?xml version="1.0"?><note>', "is XML, but neither a feed nor a page"),
        (b"\x00\x01\x02\x03", "is not text: it holds NUL bytes"),
    ],
)
def test_what_cannot_be_read_is_named(begin: bytes, reason: str) -> None:
    with pytest.raises(UnreadableDocument) as caught:
        sniff.kind(begin, "document.html")
    assert str(caught.value) == reason


BEGINNINGS = (
    *(b"", b"<html><body><p>", b"<rss>", b'[{"text": "', b"id,text\n", b"# a\n[x](y)\n", b"11h58 : a\n"),
    *(b'{"_id": "', b"PK\x03\x04"),
)


@settings(deadline=None, max_examples=50)
@given(content=st.binary(max_size=400) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_read_or_refused_in_one_sentence(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "any"
    for begin in BEGINNINGS:
        path.write_bytes(begin + content)
        refused = ""
        found: list[Entry | Failure] = []
        try:
            found = list(read(Document(path, "any", Facts())))
        except UnreadableDocument as error:
            refused = str(error)
        assert "\n" not in refused
        assert found or refused
        assert all(isinstance(one, Failure) or one.text.strip() for one in found)


# Bad input that takes more than its share


def test_a_line_of_a_hundred_megabytes_is_named_and_the_lines_beside_it_are_read(write: Write) -> None:
    path = write("big.jsonl", "")
    with path.open("wb") as file:
        file.write(b'{"_id": "1", "text": "un"}\n{"_id": "2", "text": "')
        for _ in range(100):
            file.write(b"mot " * 262_144)
        file.write(b'"}\n{"_id": "3", "text": "trois"}\n')
    found = list(read(Document(path, "big", Facts("fr"))))
    assert found == [
        Entry("big", "1", "", "un", "fr"),
        Failure("big, line 2", "is longer than 16 MiB, and no entry is"),
        Entry("big", "3", "", "trois", "fr"),
    ]


def test_links_that_lead_in_circles_are_named_and_not_followed(write: Write, tmp_path: Path) -> None:
    page = write("docs/a.txt", "11h58 : Titre\nTexte.")
    (page.parent / "loop").symlink_to(page.parent)
    (page.parent / "self.txt").symlink_to(page.parent / "self.txt")
    report = ingest([page.parent], tmp_path / "index", HashingEncoder())
    assert (report.added, [(failure.source.rpartition("/")[2], failure.reason) for failure in report.failures]) == (
        1,
        [
            ("loop", "is a link to a folder, and is not followed: name that folder itself"),
            ("self.txt", "is not a file, or a link to a file that is not there"),
        ],
    )


def test_languages_of_one_page_are_told_apart(write: Write) -> None:
    page = (
        "11h58 : Le Kremlin réagit\nIl a exprimé sa profonde préoccupation.\n"
        "11h50 : The Kremlin reacts\nIt expressed its deep concern about the incursion.\n"
    )
    assert [one.lang for one in read(Document(write("a.txt", page), "a", Facts())) if isinstance(one, Entry)] == ["fr", "en"]


# Many

TOTAL = 10_000
BROKEN = 100


def good(number: int, random: random.Random) -> tuple[str, bytes, int]:
    """A document of some kind: the end of its name, its content, and how many entries it holds."""
    title, text = f"Titre {number}", f"Le texte numéro {number} dit « {random.randrange(10**9):x} » à 11 h."
    kind = number % 100
    if kind < 1:
        body = f"<article><h1>{title}</h1><p>{escape(text)}</p><p>{'Une phrase de plus. ' * 10}</p></article>"
        return "html", f"<!DOCTYPE html><html><body>{body}</body></html>".encode(), 1
    if kind < 20:
        return "jsonl", "\n".join(json.dumps({"_id": str(n), "text": f"{text} {n}"}) for n in range(3)).encode(), 3
    if kind < 40:
        return "csv", f"id;titre;texte\n1;{title};{text}\n2;{title};{text} Bis.\n".encode("cp1252"), 2
    if kind < 50:
        return "json", json.dumps([{"_id": "1", "body": f"<p>{text}</p>", "created_at": "2023-05-23T09:58:00Z"}]).encode(), 1
    if kind < 60:
        return "md", f"# {title}\n\n## 11h58 : Un\n\n{text}\n\n## 11h50 : Deux\n\n{text}\n".encode(), 2
    if kind < 65:
        item = f"<item><guid>1</guid><title>{title}</title><description>{text}</description></item>"
        return "xml", f'<?xml version="1.0"?><rss version="2.0"><channel>{item}</channel></rss>'.encode(), 1
    if kind < 70:
        return "txt.gz", gzip.compress(f"11h58 : {title}\n{text}".encode()), 1
    return "txt", f"11h58 : {title}\n{text}\n11h50 : Deux\n{text}\n".encode(), 2


BAD: tuple[tuple[str, bytes], ...] = (
    ("txt", b""),
    ("txt", b"\0\1\2\3"),
    ("json", b'[{"_id": "1", "text": '),
    ("json", b'{"a": 1}'),
    ("pdf", b"%PDF-1.7"),
    ("xml", b'<?xml version="1.0"?><rss version="2.0"><channel></channel></rss>'),
    ("html", b"<!DOCTYPE html><html><body></body></html>"),
    ("zip", b"PK\x03\x04 cut off"),
    ("jsonl.gz", gzip.compress(b'{"_id": "1", "text": "x"}' * 100)[:-12]),
    ("csv", b"nom,prenom\nA,B\n"),
)


def test_of_ten_thousand_files_with_a_hundred_broken_every_good_entry_is_in_and_every_bad_file_named(tmp_path: Path) -> None:
    chance = random.Random(3)
    bad = set(chance.sample(range(TOTAL), BROKEN))
    folder, entries, names = tmp_path / "docs", 0, set()
    for number in range(TOTAL):
        place = folder / f"{number // 500:02}"
        place.mkdir(parents=True, exist_ok=True)
        if number in bad:
            ending, content = BAD[number % len(BAD)]
            names.add(f"docs/{place.name}/{number:05}.{ending}")
        else:
            ending, content, count = good(number, chance)
            entries += count
        (place / f"{number:05}.{ending}").write_bytes(content)
    report = ingest([folder], tmp_path / "index", HashingEncoder(), Facts(lang="fr", tz="Europe/Paris"))
    assert {failure.source for failure in report.failures} == names
    assert len(report.failures) == BROKEN
    assert all(failure.reason and "\n" not in failure.reason for failure in report.failures)
    assert (report.documents, report.added) == (TOTAL, entries)
    with Store.open(tmp_path / "index") as store:
        assert store.counts(report.generation)[0] == entries


# However often, in whatever order

WORD = st.text(st.sampled_from("abcdéèàçœÉ«»’.,;!? 🙂"), min_size=1, max_size=40).map(lambda t: " ".join(f"m{t}m".split()))
STORIES = st.lists(st.tuples(WORD, WORD), min_size=1, max_size=6)
FORMATS = ("txt", "md", "html", "json", "jsonl", "csv", "xml")


def written(stories: list[tuple[str, str]], ending: str) -> str:
    """A document of entries, each an hour after the one before, in some format."""
    times = [f"2023-05-23T{8 + n:02}:00:00Z" for n in range(len(stories))]
    rows = [
        {"_id": str(n), "title": title, "text": text, "published": at}
        for n, (at, (title, text)) in enumerate(zip(times, stories, strict=True))
    ]
    if ending in ("txt", "md"):
        mark = "## " if ending == "md" else ""
        return "\n\n".join(f"{mark}{8 + n}h00 : {title}\n\n{text}" for n, (title, text) in enumerate(stories))
    if ending == "html":
        blocks = "".join(
            f'<div class="live-event-entry" id="e{row["_id"]}" data-post-time="{1684828800 + 3600 * n}000">'
            '<div class="entry-content">'
            f"<h3>{escape(row['title'])}</h3><p>{escape(row['text'])}</p></div></div>"
            for n, row in enumerate(rows)
        )
        return f"<html><body>{blocks}</body></html>"
    if ending == "xml":
        return (
            "<rss><channel>"
            + "".join(
                f"<item><guid>{row['_id']}</guid><title>{escape(escape(row['title']))}</title>"
                f"<description>{escape(escape(row['text']))}</description><pubDate>{row['published']}</pubDate></item>"
                for row in rows
            )
            + "</channel></rss>"
        )
    if ending == "csv":
        quoted = (",".join('"' + value.replace('"', '""') + '"' for value in row.values()) for row in rows)
        return "\n".join(["_id,title,text,published", *quoted])
    return json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows))


def indexed(paths: list[Path], folder: Path) -> tuple[Report, list[tuple[str, str, str, str, object]]]:
    """What is in the index after reading `paths`, and in what passages."""
    report = ingest(paths, folder, HashingEncoder(), Facts(lang="fr", tz="UTC"))
    with Store.open(folder) as store:
        entries = [entry for _, entry in store.all_current()]
        for entry in entries:
            covered = bytearray(len(entry.text))
            for passage in store.passages_of(entry.id, report.generation):
                covered[passage.start : passage.end] = b"\1" * (passage.end - passage.start)
            # Every letter is in a passage.
            assert all(covered[at] or character.isspace() for at, character in enumerate(entry.text))
    return report, sorted((one.source, one.key, one.title, one.text, one.published) for one in entries)


@settings(deadline=None, max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(pages=st.lists(st.tuples(STORIES, st.sampled_from(FORMATS)), min_size=1, max_size=4), data=st.data())
def test_documents_are_the_same_however_often_and_in_whatever_order_and_no_letter_is_lost(
    pages: list[tuple[list[tuple[str, str]], str]], data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("order")
    paths = []
    for number, (stories, ending) in enumerate(pages):
        path = folder / f"{number}.{ending}"
        path.write_text(written(stories, ending), encoding="utf-8")
        paths.append(path)
    report, once = indexed(paths, folder / "a")
    assert report.failures == []
    # Nothing is lost between document and entry.
    assert sorted((title, text) for _, _, title, text, _ in once) == sorted(
        (title, text) for stories, _ in pages for title, text in stories
    )
    again, twice = indexed(paths, folder / "a")
    assert (again.added, again.changed, again.withdrawn, again.generation) == (0, 0, 0, report.generation)
    assert twice == once
    _, turned = indexed(data.draw(st.permutations(paths)), folder / "b")
    assert turned == once
