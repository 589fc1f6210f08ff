"""Web archives."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest

from index.documents import Document, Facts, Failure
from index.readers import expand, read
from index.records import Entry

Write = Callable[..., Path]


def html(text: str) -> str:
    text += " Une phrase assez longue." * 20
    return f"<!DOCTYPE html><html><body><article><h1>Titre</h1><p>{text}</p></article></body></html>"


def record(kind: str, headers: dict[str, str], block: bytes) -> bytes:
    lines = ["WARC/1.0", f"WARC-Type: {kind}", "WARC-Record-ID: <urn:uuid:1>", *(f"{k}: {v}" for k, v in headers.items())]
    return "\r\n".join([*lines, f"Content-Length: {len(block)}", "", ""]).encode() + block + b"\r\n\r\n"


def warc(*captures: tuple[str, str, str, str, str], compressed: bool = False) -> bytes:
    """A web archive of captures: address, date, status, type, content."""
    records = [record("warcinfo", {"Content-Type": "application/warc-fields"}, b"software: test\r\n")]
    for address, at, status, kind, content in captures:
        block = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n\r\n".encode() + content.encode()
        headers = {"WARC-Target-URI": address, "WARC-Date": at, "Content-Type": "application/http; msgtype=response"}
        records.append(record("response", headers, block))
    return b"".join(gzip.compress(one) if compressed else one for one in records)


A = ("https://example.org/a", "2023-05-23T10:00:00Z", "200 OK", "text/html; charset=utf-8", html("Ancien."))
A_LATER = ("https://example.org/a", "2023-05-23T11:00:00Z", "200 OK", "text/html; charset=utf-8", html("Nouveau."))
B = ("https://example.org/b", "2023-05-23T10:30:00Z", "200 OK", "text/plain", "11h58 : Été\nTexte.")
OTHERS = [
    ("https://example.org/c.png", "2023-05-23T10:30:00Z", "200 OK", "image/png", "\x89PNG"),
    ("https://example.org/d", "2023-05-23T10:30:00Z", "404 Not Found", "text/html", html("Rien.")),
]


def unpacked(path: Path) -> tuple[dict[str, Entry], list[Failure]]:
    entries, failures = {}, []
    for document in expand(Document(path, "w", Facts("fr"))):
        for found in [document] if isinstance(document, Failure) else read(document):
            if isinstance(found, Entry):
                entries[found.source] = found
            else:
                failures.append(found)
    return entries, failures


@pytest.mark.parametrize("compressed", [False, True])
def test_the_pages_of_a_web_archive_are_read_each_under_its_address(write: Write, compressed: bool) -> None:
    entries, failures = unpacked(write("w.warc", warc(A, B, *OTHERS, compressed=compressed)))
    assert failures == []
    assert [(source, one.title, one.url) for source, one in entries.items()] == [
        ("w/https://example.org/a", "Titre", "https://example.org/a"),
        ("w/https://example.org/b", "Été", "https://example.org/b"),
    ]


def test_of_several_captures_of_a_page_the_latest_is_read(write: Write) -> None:
    for captures in ((A, A_LATER), (A_LATER, A)):
        entries, failures = unpacked(write("w.warc", warc(*captures)))
        assert failures == []
        assert [one.text.partition(".")[0] for one in entries.values()] == ["Nouveau"]


def test_a_web_archive_that_breaks_off_gives_what_stands_before_and_says_so(write: Write) -> None:
    whole = warc(A, B, compressed=True)
    entries, failures = unpacked(write("w.warc.gz", whole[:-40]))
    assert "w/https://example.org/a" in entries
    assert failures == [Failure("w", "is broken, at record 3 or before it: pages may be missing")]


@pytest.mark.parametrize(
    "damage", [(b"WARC-Target-URI: https://example.org/b", b"X: y"), (b"Content-Length: 16", b"Content-Length: 12")]
)
def test_a_damaged_record_is_said_and_nothing_is_printed(
    write: Write, damage: tuple[bytes, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    entries, failures = unpacked(write("w.warc", warc(A, B).replace(*damage)))
    assert "w/https://example.org/a" in entries
    assert [failure.reason.partition(",")[0] for failure in failures] == ["is broken"]
    assert capsys.readouterr() == ("", "")


def test_a_web_archive_without_a_page_is_refused(write: Write) -> None:
    assert unpacked(write("w.warc", warc(*OTHERS))) == ({}, [Failure("w", "is a web archive without a page")])
