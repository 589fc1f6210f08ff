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
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
LONGEST = 20_000
"""Bytes of an input: what is long is slow, and fails no differently."""
_BRACKETS = (
    *((b"[", b"]"), (b'{"a":', b"}"), (b"<div>", b"</div>"), (b"<b>", b"")),
    *((b"(", b")"), (b"> ", b""), (b"\xc2\xab", b"\xc2\xbb")),
)
_DEEP = (3, 40, 400, 4000)
"""How often a bracket is opened: few, and more often than any stack holds."""

ODD: Sequence[bytes] = (
    *(b"\0", b" ", b"\r", b"\r\n", b"\n", b"\x0b", b"\x1a", b"\x85", b"\xa0", b"\xc2\xa0", b"\xe2\x80\xa8", b"\xef\xbb\xbf"),
    *(b"\xff\xfe", b"\xfe\xff", b"\xed\xa0\x80", b"\xf0\x9f\x98\x80", b"\xe9", b"\xc3\xa9", b"\xc3\x83\xc2\xa9", b"\\ud800"),
    *("\u202e\u0301\u200d".encode(), b"9" * 400, b"-1", b"1e999", b"NaN"),
)
"""What is seldom meant in a file of any kind."""
WORDS: Mapping[str, Sequence[bytes]] = {
    kind: [word.encode() for word in words]
    for kind, words in json.loads((TESTS / "fuzz_words.json").read_text(encoding="utf-8")).items()
}
"""What has a meaning in files of a kind, right or wrong."""


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
    lines = "".join(
        (TESTS / f"when_{name}.jsonl").read_text(encoding="utf-8") for name in ("expressions", "traps")
    ).splitlines()
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
    for _time in range(min(len(changed), lot.choice((4, 20, 100)))):
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
    return data[:at] + lot.choice((words, ODD)[lot.random() < 0.3]) + data[at:]


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
    opening, closing = lot.choice(_BRACKETS)
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
    *(_flip, _scatter, _cut, _truncate, _repeat, _swap, _number, _nest, _other_encoding, _twice_encoded, _line_ends),
    # What goes deepest comes more often.
    *(_splice, _insert, _replace_a_token) * 2,
)
_WRAPPING: Sequence[Callable[[bytes], bytes]] = (
    functools.partial(gzip.compress, compresslevel=1, mtime=0),
    bz2.compress,
    functools.partial(lzma.compress, preset=0),
    lambda data: gzip.compress(data, 1, mtime=0)[: len(data) // 3 + 12],
)


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
    *(
        "a.txt",
        "b.html",
        "c.jsonl",
        "d.csv",
        "e.md",
        "f.json",
        "h.xml",
        "g.zip",
        "fil/é.txt",
        "manifest.toml",
        ".hidden",
        "con",
    ),
    *("../../up.txt", "/etc/passwd", "C:\\x.txt", "a\0b.txt", "x" * 300, "a.txt/", "\u202egnp.txt"),
)
"""Names of files that are found in archives, and of some that should not be."""
