"""What a file is, by what it begins with."""

import bz2
import codecs
import lzma
import re
import zlib
from pathlib import Path
from typing import Literal

from index.errors import UnreadableDocument
from index.readers import feed, markdown, table
from index.readers.encoding import decode

Kind = Literal["empty", "zip", "tar", "warc", "jsonl", "json", "feed", "html", "table", "markdown", "text"]

_HEAD = 64 * 1024
_JSON = re.compile(rb'\{\s*"|\[\s*\{')
_LINE = re.compile(rb'\{[^\[\]{}]*"(?:text|plain_text)"\s*:')
_HTML = re.compile(
    rb"(?:<!--.*?-->|<\?xml[^>]*\?>|\s)*<(?:!doctype\s+html|html|head|body|title|meta|article|section|main|div|p|h[1-6]|table|script|link)[\s>/]",
    re.IGNORECASE | re.DOTALL,
)
_UNREADABLE = (
    (b"%PDF-", "is a PDF: save its text, as with pdftotext"),
    (b"\xd0\xcf\x11\xe0", "is an Office document: save it as text or HTML"),
    (b"\x89PNG", "is a picture"),
    (b"\xff\xd8\xff", "is a picture"),
    (b"GIF8", "is a picture"),
    (b"7z\xbc\xaf\x27\x1c", "is a 7z archive: pack it as ZIP or tar"),
    (b"Rar!", "is a RAR archive: pack it as ZIP or tar"),
    (b"SQLite format 3\0", "is a database: export it as CSV or JSON Lines"),
)


def head(path: Path) -> bytes:
    """The first bytes of a file, of a compressed one those of what it holds. Raises `UnreadableDocument`."""
    try:
        with path.open("rb") as file:
            first = file.read(_HEAD)
    except OSError as error:
        raise UnreadableDocument(f"cannot be read: {error.strerror or error}") from error
    try:
        # Each stops at its bound, and gives what stands before a damage.
        if first.startswith(b"\x1f\x8b"):
            return zlib.decompressobj(31).decompress(first, _HEAD)
        if first.startswith(b"BZh"):
            return bz2.BZ2Decompressor().decompress(first, _HEAD)
        if first.startswith(b"\xfd7zXZ\0"):
            return lzma.LZMADecompressor().decompress(first, _HEAD)
    except (OSError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise UnreadableDocument(f"cannot be read to its end: {error}") from error
    return first


def kind(begin: bytes, name: str) -> Kind:
    """Which reader a document needs, by its first bytes; its name decides only where they leave a choice.

    >>> kind(b"<!DOCTYPE html><html>", "page.txt"), kind("11h58 : Titre".encode(), "fil"), kind(b'[{"text": "x"}]', "a")
    ('html', 'text', 'json')

    Raises `UnreadableDocument` for what is known and cannot be read.
    """
    for magic, reason in _UNREADABLE:
        if begin.startswith(magic):
            raise UnreadableDocument(reason)
    if begin.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return "zip"
    if begin[257:262] == b"ustar":
        return "tar"
    if begin.startswith(b"WARC/"):
        return "warc"
    plain = begin.removeprefix(codecs.BOM_UTF8).lstrip()
    name = name.lower().removesuffix(".gz").removesuffix(".bz2").removesuffix(".xz")
    if not plain:
        return "empty"
    if _is_json_lines(plain, name):
        return "jsonl"
    if _JSON.match(plain):
        return "json"
    if feed.is_feed(plain):
        return "feed"
    if _HTML.match(plain):
        return "html"
    return _kind_of_text(begin, name)


def _kind_of_text(begin: bytes, name: str) -> Kind:
    # The last letter may be cut in two.
    text = decode(begin if len(begin) < _HEAD else begin[: begin.rfind(b"\n") + 1] or begin[:-4])
    plain = text.lstrip().encode()
    if begin[:1] > b"\x7f" or b"\0" in begin[:4]:
        # What was hidden by UTF-16.
        if feed.is_feed(plain):
            return "feed"
        if _HTML.match(plain):
            return "html"
        if _JSON.match(plain):
            return "json"
    if plain.startswith(b"<?xml"):
        raise UnreadableDocument("is XML, but neither a feed nor a page")
    if name.endswith((".csv", ".tsv")) or table.is_table(text):
        return "table"
    if name.endswith((".md", ".markdown")) or markdown.is_markdown(text):
        return "markdown"
    return "text"


def _is_json_lines(begin: bytes, name: str) -> bool:
    if name.endswith((".jsonl", ".ndjson")):
        return True
    first, _, rest = begin.partition(b"\n")
    if _JSON.match(first) is None or first[:1] != b"{" or not (first.rstrip().endswith(b"}") or not rest):
        return False
    # One object alone may be a line, or a document that holds a list.
    return _LINE.match(first) is not None or rest.lstrip()[:1] == b"{"
