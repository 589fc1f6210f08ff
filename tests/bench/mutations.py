"""Inputs that nobody would write: what the tests and the seeds have, broken in the ways in which files are broken.

An input is told by a number: the same number gives the same bytes on every machine, so that a run can go on where another one
ended, and what failed can be made again.
"""

import ast
import bz2
import functools
import gzip
import io
import json
import lzma
import random
import re
import tarfile
import warnings
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
LONGEST = 20_000
"""Bytes of an input: what is long is slow, and fails no differently."""
_DEEP = (3, 40, 400, 4000)
"""How often a bracket is opened: few, and more often than any stack holds."""

WORDS: dict[str, Sequence[bytes]] = {
    "any": [
        *(b"\0 \r \r\n \x0b \x1a \x85 \xa0 \xc2\xa0 \xe2\x80\xa8 \xef\xbb\xbf \xff\xfe \xfe\xff \xed\xa0\x80 \xf0\x9f\x98\x80".split(b" ")),
        "é".encode("latin-1"), "é".encode(), "Ã©".encode(), "\u202e\u0301\u200d".encode(), b"9" * 400, b"-1", b"1e999", b"NaN", b"\\ud800",
    ],
    "text": [b"25h61 : ", "11h58 : Titre\n".encode(), b"31 f\xc3\xa9vrier 2023\n", b"mardi 23 mai\n", b"00:00\n", b"12:30pm - ", b"24h00 : ", b"9999-12-31\n"],
    "markdown": [b"# ", b"## 11h58\n", b"---\n", b"```\n", b"* ", b"|a|b|\n|-|-|\n", b"---\ntitle: x\ndate: 2023-13-45\n---\n", b"[a](b)"],
    "html": [
        b"<div>", b"</div>", b"<article>", b"<time datetime='2023-13-45T99:99Z'>", b"<!--", b"-->", b"<script type='application/ld+json'>",
        b"</script>", b"<![CDATA[", b"&#0;", b"&#xD800;", b"&#x110000;", b"<meta charset='utf-7'>", b"<base href='//[::'>", b"<a href='http://[::1' id='x'>",
        b"<p>", b"<time>12:30</time>", b"<svg><style>", b"<template>", b"<plaintext>", b"<h2>11h58</h2>", b"<table><tr><td>",
    ],
    "feed": [
        b"<item>", b"</item>", b"<pubDate>Tue, 32 Foo 2023 25:61:99 +9999</pubDate>", b"<!DOCTYPE x [<!ENTITY a 'b'>]>", b"&a;", b"<![CDATA[", b"]]>",
        b"<title>", b"<guid/>", b"<?xml version='1.0' encoding='utf-16'?>", b"<content:encoded>", b"<link href='http://[::1'/>", b"<dc:date>0000-00-00</dc:date>",
    ],
    "json": [
        b'"', b"{", b"}", b"[", b"]", b",", b":", b"null", b"true", b'"text"', b'"date"', b'"\\u0000"', b'"\\ud83d"', b"1e400", b"-0", b'"_id"', b'"url": "http://[::1"',
        b'"published": 99999999999999999999', b'"date": "2023-02-30T25:61"', b'"text": {"a": [1]}', b"1" * 5000,
    ],
    "table": [b'"', b'""', b",", b";", b"\t", b"\n", b"question,id,lang\n", b"text;date;url\n", b"=1+1", b"q1,Qui ?,fr\n", b"since", b"until", b"source"],
    "warc": [b"WARC/1.0\r\n", b"Content-Length: 99999999999\r\n", b"Content-Length: -1\r\n", b"WARC-Type: response\r\n", b"HTTP/1.1 200 OK\r\n", b"\r\n\r\n",
             b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"WARC-Date: 2023-13-45T99:99:99Z\r\n"],
    "toml": [b"[[document]]\n", b"[", b"]", b"=", b'"', b"'''", b'lang = "xx"\n', b'tz = "Nowhere/No"\n', b"date = 2023-02-30\n", b"date = 9999-12-31\n", b'"a.txt" = 1\n',
             b'url = "http://[::1"\n', b"title = 3\n", b'source = ""\n'],
    "query": [
        b'"', b"-", b"+", b":", b"source:", b"lang:fr ", b"before:", b"after:2023-02-30 ", b"published:2023-05..2023-04 ", b"title:", b"url:", b"entry:", b" OR ", b"(", b")",
        "« ».".encode(), "“”„".encode(), b"-\"", b"lang:de ", b"*", b"\\", b"published:9999 ", b"before:0000-00-00 ",
    ],
    "when": [w.encode() for w in (
        " hier", " lundi dernier", " depuis", " jusqu’au", " du 3 au", " 31 février", " 00h00", " 24 h", " 25h61", " 9999", " 0", " il y a 999999999999 jours",
        " yesterday", " since", " until", " between", " and", " last", " next", " Tuesday", " 29 February 2023", " in the past 99999999999 hours", " 1er", " mai",
        " ce", " prochain", " fin", " début", " mid", " early", " noon", " minuit", " week-end", " siècle", " années", " 12:30pm", " the 32nd", " 11 septembre",
    )],
}  # fmt: skip


@functools.cache
def literals(pattern: str) -> tuple[bytes, ...]:
    """The longer texts and bytes that stand in the test modules of these names: what tests have readers read."""
    found: dict[bytes, None] = {}
    for path in sorted(TESTS.glob(pattern)):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and 20 <= len(node.value) <= LONGEST:
                data = node.value if isinstance(node.value, bytes) else node.value.encode(errors="surrogatepass")
                found.setdefault(data)
    return tuple(found)


@functools.cache
def seeds() -> tuple[bytes, ...]:
    """The documents that come with the project."""
    return tuple(path.read_bytes()[:LONGEST] for path in sorted((TESTS.parent / "seeds").iterdir()) if path.suffix == ".txt")


@functools.cache
def questions() -> tuple[bytes, ...]:
    """Questions that speak of times, and names that look like times."""
    lines = [line for name in ("expressions", "traps") for line in (TESTS / f"when_{name}.jsonl").open(encoding="utf-8")]
    return tuple({str(text).encode(): None for line in lines for text in json.loads(line).values() if isinstance(text, str)})


def mutated(lot: random.Random, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    """One of the samples, broken once or several times."""
    data = lot.choice(samples)
    for _ in range(lot.choice((0, 1, 1, 1, 2, 3, 6))):
        data = lot.choice(_BREAKING)(lot, data, samples, words)[:LONGEST]
    return lot.choice(_WRAPPING)(data) if lot.random() < 0.1 else data


Breaking = Callable[[random.Random, bytes, Sequence[bytes], Sequence[bytes]], bytes]


def _place(lot: random.Random, data: bytes) -> tuple[int, int]:
    """A stretch, more often a short one."""
    start = lot.randrange(len(data) + 1)
    return start, min(len(data), start + lot.choice((0, 1, 2, 5, 20, 200, 2000)))


def _flip(lot: random.Random, data: bytes, *_: object) -> bytes:
    if not data:
        return bytes([lot.randrange(256)])
    at = lot.randrange(len(data))
    return data[:at] + bytes([data[at] ^ (1 << lot.randrange(8))]) + data[at + 1 :]


def _scatter(lot: random.Random, data: bytes, *_: object) -> bytes:
    changed = bytearray(data)
    for _ in range(min(len(changed), lot.choice((4, 20, 100)))):
        changed[lot.randrange(len(changed))] = lot.randrange(256)
    return bytes(changed)


def _cut(lot: random.Random, data: bytes, *_: object) -> bytes:
    start, end = _place(lot, data)
    return data[:start] + data[end:]


def _truncate(lot: random.Random, data: bytes, *_: object) -> bytes:
    return data[: lot.randrange(len(data) + 1)]


def _repeat(lot: random.Random, data: bytes, *_: object) -> bytes:
    start, end = _place(lot, data)
    return data[:start] + data[start:end] * lot.choice((2, 3, 50, 500)) + data[end:]


def _swap(lot: random.Random, data: bytes, *_: object) -> bytes:
    a, b, c = sorted(lot.randrange(len(data) + 1) for _ in range(3))
    return data[:a] + data[b:c] + data[a:b] + data[c:]


def _splice(lot: random.Random, data: bytes, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    other = lot.choice(samples)
    return data[: lot.randrange(len(data) + 1)] + other[lot.randrange(len(other) + 1) :]


def _insert(lot: random.Random, data: bytes, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    at = lot.randrange(len(data) + 1)
    return data[:at] + lot.choice((words, WORDS["any"])[lot.random() < 0.3]) + data[at:]


def _replace_a_token(lot: random.Random, data: bytes, samples: Sequence[bytes], words: Sequence[bytes]) -> bytes:
    found = list(re.finditer(rb"\w+|[^\w\s]+", data[:4000]))
    if not found:
        return data
    one = lot.choice(found)
    return data[: one.start()] + lot.choice(words) + data[one.end() :]


def _number(lot: random.Random, data: bytes, *_: object) -> bytes:
    found = list(re.finditer(rb"\d+", data[:4000]))
    if not found:
        return data
    one = lot.choice(found)
    new = lot.choice((b"0", b"-1", b"99", b"10000", b"2147483648", b"99999999999999999999", "٣".encode(), "²".encode()))
    return data[: one.start()] + new + data[one.end() :]


def _nest(lot: random.Random, data: bytes, *_: object) -> bytes:
    opening, closing = lot.choice(
        [(b"[", b"]"), (b"{\"a\":", b"}"), (b"<div>", b"</div>"), (b"<b>", b""), (b"(", b")"), (b"> ", b""), ("«".encode(), "»".encode())]
    )  # fmt: skip
    deep = lot.choice(_DEEP)
    at = lot.randrange(len(data) + 1)
    return data[:at] + opening * deep + data[at:] + closing * deep


def _other_encoding(lot: random.Random, data: bytes, *_: object) -> bytes:
    text = data.decode("utf-8", "replace")
    encoding = lot.choice(("utf-16", "utf-16-le", "utf-8-sig", "latin-1", "cp1252", "utf-32", "utf-7"))
    return text.encode(encoding, "replace")


def _twice_encoded(lot: random.Random, data: bytes, *_: object) -> bytes:
    return data.decode("cp1252", "replace").encode("utf-8", "replace")


def _line_ends(lot: random.Random, data: bytes, *_: object) -> bytes:
    return data.replace(b"\n", lot.choice((b"\r", b"\r\n", b"\n\n", b"", "\u2028".encode(), b"\0\n")))


_BREAKING: Sequence[Breaking] = (
    _flip, _scatter, _cut, _truncate, _repeat, _swap, _splice, _splice, _insert, _insert, _insert, _replace_a_token, _replace_a_token, _number, _nest,
    _other_encoding, _twice_encoded, _line_ends,
)  # fmt: skip
_WRAPPING: Sequence[Callable[[bytes], bytes]] = (
    functools.partial(gzip.compress, compresslevel=1, mtime=0), bz2.compress, functools.partial(lzma.compress, preset=0),
    lambda data: gzip.compress(data, 1, mtime=0)[: len(data) // 3 + 12],
)  # fmt: skip


def zipped(lot: random.Random, documents: Sequence[bytes]) -> bytes:
    """A ZIP of some documents, under names that archives should not have among them."""
    made = io.BytesIO()
    # The same name twice is what is wanted.
    with (
        warnings.catch_warnings(action="ignore"),
        zipfile.ZipFile(made, "w", lot.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))) as archive,
    ):
        for data in documents:
            archive.writestr(zipfile.ZipInfo(lot.choice(NAMES)), data)
    return made.getvalue()


def tarred(lot: random.Random, documents: Sequence[bytes]) -> bytes:
    """The same as a tar, with links and devices among the members."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode=lot.choice(("w", "w:gz"))) as archive:
        for data in documents:
            member = tarfile.TarInfo(lot.choice(NAMES))
            member.size = len(data)
            member.type = lot.choice(
                (tarfile.REGTYPE,) * 6 + (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE)
            )
            member.linkname = "../../etc/passwd"
            archive.addfile(member, io.BytesIO(data))
    return made.getvalue()


NAMES = (
    "a.txt", "b.html", "c.jsonl", "d.csv", "e.md", "f.json", "fil/é.txt", "../../up.txt", "/etc/passwd", "C:\\x.txt", "a\0b.txt", "x" * 300, "manifest.toml", ".hidden",
    "g.zip", "con", "a.txt/", "\u202egnp.txt", "h.xml",
)  # fmt: skip
"""Names of files that are found in archives, and of some that should not be."""
