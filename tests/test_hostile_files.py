"""Files that mean harm: each is read as text, in part, or refused by name, and reads and writes nothing but itself."""

import gzip
import io
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.store import Store

PATIENCE = 120
"""Seconds after which something hangs: what is slow on a busy machine takes a few."""
SECRET = "a-secret-that-no-entry-may-hold"


def zipped(members: Mapping[str, bytes | str]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def tarred(**members: tuple[str, bytes, bytes]) -> bytes:
    """Members by any name: where each lies, of which type, and what is in it or what it leads to."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for place, kind, content in members.values():
            info = tarfile.TarInfo(place)
            info.type = kind
            if kind == tarfile.REGTYPE:
                info.size = len(content)
                made.addfile(info, io.BytesIO(content))
            else:
                info.linkname = content.decode()
                made.addfile(info)
    return file.getvalue()


def nested_zip(depth: int) -> bytes:
    data = zipped({"a.txt": "0" * 1_000_000})
    for number in range(depth):
        data = zipped({f"{number}-{copy}.zip": data for copy in range(10)})
    return data


def lied_about() -> bytes:
    """A ZIP that says of its member that it is small."""
    data = zipped({"a.txt": "11h58 : A\n" + "0" * 70_000_000})
    return data.replace((70_000_010).to_bytes(4, "little"), (100).to_bytes(4, "little"))


ENTRY = "11h58 : Un titre\nUn texte.\n"
LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "ha" * 10}">' for n in range(10))
FEED = (
    '<rss version="2.0"><channel><title>t</title>'
    "<item><guid>a</guid><title>{0}</title><description>{0}</description></item></channel></rss>"
)


def declared(subset: str, body: str) -> bytes:
    """XML with declarations of its own."""
    return f'<?xml version="1.0"?><!DOCTYPE r [{subset}]>{body}'.encode()


INCLUDE = '<xi:include xmlns:xi="http://www.w3.org/2001/XInclude" href="{}/secret.txt" parse="text"/>'
FRAMED = (
    '<article><p>Un texte.</p><iframe src="file://{0}/secret.txt"></iframe><object data="{0}/secret.txt"></object></article>'
)
WARC = (
    b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: file:///etc/passwd\r\n"
    b"Content-Length: 99999999999\r\n\r\nHTTP/1.1 200 OK\r\n\r\n"
)
Make = Callable[[Path], bytes]
FILES: dict[str, tuple[str, Make]] = {
    "zip-up": ("a.zip", lambda out: zipped({"../../out/new.txt": ENTRY})),
    "zip-absolute": ("a.zip", lambda out: zipped({f"{out}/new.txt": ENTRY})),
    "zip-backslash": ("a.zip", lambda out: zipped({"..\\..\\out\\new.txt": ENTRY})),
    "zip-null": ("a.zip", lambda out: zipped({"a\0.txt": ENTRY})),
    "zip-long-name": ("a.zip", lambda out: zipped({"a" * 60_000 + ".txt": ENTRY})),
    "zip-bomb": ("a.zip", lambda out: zipped({"a.txt": "0" * 100_000_000})),
    "zip-bomb-many": ("a.zip", lambda out: zipped({f"{number}.txt": "0" * 1_000_000 for number in range(10)})),
    "zip-nested": ("a.zip", lambda out: nested_zip(4)),
    "zip-lies": ("a.zip", lambda out: lied_about()),
    "zip-manifest": (
        "a.zip",
        lambda out: zipped({"manifest.toml": '[[document]]\npath = "../../out/secret.txt"\n', "a.txt": ENTRY}),
    ),
    "tar-up": ("a.tar", lambda out: tarred(a=("../../out/new.txt", tarfile.REGTYPE, ENTRY.encode()))),
    "tar-absolute": ("a.tar", lambda out: tarred(a=(f"{out}/new.txt", tarfile.REGTYPE, ENTRY.encode()))),
    "tar-symlink": ("a.tar", lambda out: tarred(a=("a.txt", tarfile.SYMTYPE, f"{out}/secret.txt".encode()))),
    "tar-hardlink": ("a.tar", lambda out: tarred(a=("a.txt", tarfile.LNKTYPE, f"{out}/secret.txt".encode()))),
    "tar-link-then-file": (
        "a.tar",
        lambda out: tarred(a=("d", tarfile.SYMTYPE, str(out).encode()), b=("d/new.txt", tarfile.REGTYPE, ENTRY.encode())),
    ),
    "tar-device": ("a.tar", lambda out: tarred(a=("a.txt", tarfile.CHRTYPE, b""), b=("b.txt", tarfile.FIFOTYPE, b""))),
    "gzip-bomb": ("a.txt.gz", lambda out: gzip.compress(b"0" * 100_000_000, 9)),
    "gzip-twice": ("a.txt.gz", lambda out: gzip.compress(gzip.compress(b"0" * 100_000_000, 9), 9)),
    "gzip-cut": ("a.txt.gz", lambda out: gzip.compress(ENTRY.encode() * 100)[:-9]),
    "xml-file": ("a.xml", lambda out: declared(f'<!ENTITY x SYSTEM "file://{out}/secret.txt">', FEED.format("&x;"))),
    "xml-parameter": ("a.xml", lambda out: declared(f'<!ENTITY % x SYSTEM "file://{out}/secret.txt"> %x;', FEED.format("b"))),
    "xml-laughs": ("a.xml", lambda out: declared(LAUGHS, FEED.format("&l9;"))),
    "xml-include": (
        "a.xml",
        lambda out: FEED.format(INCLUDE.format(out)).encode(),
    ),
    "xml-deep": ("a.xml", lambda out: FEED.format("<b>" * 10_000).encode()),
    "html-file": ("a.html", lambda out: FRAMED.format(out).encode()),
    "html-deep": ("a.html", lambda out: b"<div>" * 5_000 + b"11h58"),
    "html-entities": (
        "a.html",
        lambda out: declared(f'<!ENTITY x SYSTEM "file://{out}/secret.txt">', "<html><p>11h58 &x;</p></html>"),
    ),
    "html-attributes": ("a.html", lambda out: b"<p " + b" ".join(b"a%d=1" % n for n in range(50_000)) + b">11h58 : A</p>"),
    "json-deep": ("a.json", lambda out: b"[" * 200_000),
    "json-deep-object": ("a.json", lambda out: b'{"a":' * 200_000),
    "jsonl-number": ("a.jsonl", lambda out: b'{"_id": "a", "text": "b", "n": ' + b"9" * 200_000 + b"}"),
    "jsonl-surrogate": ("a.jsonl", lambda out: b'{"_id": "a\\ud800", "text": "b\\udfff", "title": "\\ud83d"}'),
    "jsonl-date": ("a.jsonl", lambda out: b'{"_id": "a", "text": "b", "date": "99999999-01-01T99:99:99+99:99"}'),
    "csv-field": ("a.csv", lambda out: b'id,text\n1,"' + b"a" * 5_000_000),
    "csv-quotes": ("a.csv", lambda out: b'id,text\n"""""""""""""' + b'"' * 10_001),
    "warc": ("a.warc", lambda out: WARC),
    "text-lines": ("a.txt", lambda out: b"11h58 : A\n" + b"\n" * 500_000),
    "text-line": ("a.txt", lambda out: b"11h58 : " + b"a" * 500_000),
    "text-times": ("a.txt", lambda out: b"99h99 : A\n" * 5_000),
    "text-nul": ("a.txt", lambda out: b"11h58 : A\n" + b"\0" * 100_000),
    "markdown-links": ("a.md", lambda out: b"# 11h58 : A\n" + b"[" * 50_000),
    "markdown-front": ("a.md", lambda out: b"---\n" + b"title: &a [*a, *a]\n" * 1000 + b"---\n# 11h58 : A\nB"),
    "zlib": ("a.html", lambda out: zlib.compress(b"0" * 100_000_000, 9)),
}


@pytest.mark.parametrize("name", FILES)
def test_a_hostile_file_reads_and_writes_nothing_but_itself(tmp_path: Path, name: str) -> None:
    out, docs = tmp_path / "out", tmp_path / "in" / "docs"
    for folder in (out, docs):
        folder.mkdir(parents=True)
    (out / "secret.txt").write_text(f"11h58 : {SECRET}\n{SECRET}\n", encoding="utf-8")
    file, make = FILES[name]
    (docs / file).write_bytes(make(out))
    (docs / "beside.txt").write_text(ENTRY, encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file()}
    with ThreadPoolExecutor(1) as pool:
        report = pool.submit(ingest, [docs], tmp_path / "index", HashingEncoder(), Facts(tz="Europe/Paris")).result(PATIENCE)
    # The document beside it is read whatever becomes of it, and what cannot be read is named.
    assert report.added >= 1
    assert all(failure.reason for failure in report.failures)
    after = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*") if path.is_file() and "index" not in path.parts}
    assert after == before
    with Store.open(tmp_path / "index") as store:
        assert {source.name for source in store.sources(store.generation())} >= {"docs/beside.txt"}
    for path in (tmp_path / "index").rglob("*"):
        assert not path.is_file() or SECRET.encode() not in path.read_bytes(), path
    size = sum(path.stat().st_size for path in (tmp_path / "index").rglob("*") if path.is_file())
    assert size < 120_000_000, f"{size} bytes of {name}"


@pytest.mark.parametrize("path", ["../../out/secret.txt", "/etc/passwd", "..", "~/x", "a\\u0000b"])
def test_a_manifest_reaches_nothing_outside_its_folder(tmp_path: Path, path: str) -> None:
    docs = tmp_path / "docs"
    docs.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "secret.txt").write_text(f"11h58 : {SECRET}\n", encoding="utf-8")
    (docs / "a.txt").write_text(ENTRY, encoding="utf-8")
    (docs / "manifest.toml").write_text(f'[[document]]\npath = "{path}"\ntz = "Europe/Paris"\n', encoding="utf-8")
    report = ingest([docs], tmp_path / "index", HashingEncoder(), Facts(tz="Europe/Paris"))
    assert report.added <= 1
    for one in (tmp_path / "index").rglob("*"):
        assert not one.is_file() or SECRET.encode() not in one.read_bytes()
