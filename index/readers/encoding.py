"""Bytes to text: which encoding a document is in, and what was read in the wrong one before it came here.

UTF-8 is what it is; otherwise the document's own declaration holds where it can be true, and otherwise the encoding is
guessed. Mojibake ("Ã©tÃ©") is repaired line by line, and only where wronging the repaired line again gives the line that is
there: a text that quotes mojibake beside real accents stays as it is.
"""

import codecs
import re

from index.errors import UnreadableDocument

_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_DECLARED = re.compile(rb"""(?:charset|encoding)\s*=\s*["']?\s*([\w.:-]{3,40})""", re.IGNORECASE)
_HEAD = 4096
_SAMPLE = 256 * 1024
_FEW = 0.02
"""Share of the letters beyond ASCII that may be damaged in a text that is UTF-8 all the same."""
_SUSPECT = re.compile("[ÃÂâÅðÎÐ][\u0080-\u00bf\u0100-\u017f\u02c6\u02dc\u2010-\u2122]")


def decode(data: bytes) -> str:
    """The text of a document; whatever stood for a byte order mark is gone.

    >>> decode("11h58 : Été à Paris".encode()), decode("11h58 : Été à Paris, où l’on s’étonne".encode("cp1252"))
    ('11h58 : Été à Paris', '11h58 : Été à Paris, où l’on s’étonne')

    Raises `UnreadableDocument` for what is no text.
    """
    for mark, name in _BOMS:
        if data.startswith(mark):
            try:
                return data.decode(name).removeprefix("\ufeff")
            except UnicodeDecodeError as error:
                if name != "utf-8":
                    raise UnreadableDocument(f"begins like {name.upper()} and is not: {error.reason}") from error
                data = data[len(mark) :]
    try:
        text = data.decode("utf-8")
        if "\0" not in text:
            return text
    except UnicodeDecodeError:
        pass
    wide = _wide(data)
    if wide:
        return wide
    if b"\0" in data:
        raise UnreadableDocument("is not text: it holds NUL bytes")
    for attempt in (_declared, _damaged_utf8, _guessed):
        found = attempt(data)
        if found is not None:
            return found
    raise UnreadableDocument("is in no encoding that could be found out: convert it, as with iconv -f cp1252 -t utf-8")


def _wide(data: bytes) -> str | None:
    """UTF-16 without a byte order mark: in European text every other byte is zero."""
    head = data[:_HEAD]
    if len(head) < 4:
        return None
    zeros = (head[0::2].count(0) * 2 / len(head), head[1::2].count(0) * 2 / len(head))
    name = "utf-16-le" if zeros[1] > 0.6 > 0.2 > zeros[0] else "utf-16-be" if zeros[0] > 0.6 > 0.2 > zeros[1] else None
    try:
        found = data.decode(name) if name else None
    except UnicodeDecodeError:
        return None
    return found if found and "\0" not in found else None


def _declared(data: bytes) -> str | None:
    match = _DECLARED.search(data[:_HEAD])
    if match is None:
        return None
    name = match[1].decode("ascii").lower()
    # Browsers read Latin-1 as the Windows code page that contains it, and so did whoever wrote the page.
    name = {"iso-8859-1": "cp1252", "latin1": "cp1252", "latin-1": "cp1252", "us-ascii": "cp1252", "ascii": "cp1252"}.get(
        name, name
    )
    try:
        if codecs.lookup(name).name.startswith(("utf", "unicode", "raw", "punycode", "idna")):
            return None
        return data.decode(name)
    except (LookupError, UnicodeError, ValueError):
        return None


def _damaged_utf8(data: bytes) -> str | None:
    """UTF-8 with a few bytes cut or broken, as where a download ended within a letter; they become replacement characters."""
    text = data.decode("utf-8", "replace")
    beyond = sum(character > "\x7f" for character in text)
    lost = text.count("\ufffd")
    cut = lost == 1 and text.endswith("\ufffd")
    return text if (cut and beyond > 1) or lost <= beyond * _FEW else None


def _guessed(data: bytes) -> str | None:
    from charset_normalizer import from_bytes

    sample = data[:_SAMPLE]
    # What French and English were written in; a wider choice finds Baltic and Turkish in short French texts.
    best = from_bytes(sample, cp_isolation=["cp1252", "mac_roman", "cp850", "iso8859_15"]).best()
    for name in (best.encoding if best else "", "cp1252"):
        try:
            found = data.decode(name) if name else ""
        except UnicodeDecodeError:
            continue
        if found and _looks_like_text(found[:_SAMPLE]):
            return found
    return None


def _looks_like_text(text: str) -> bool:
    """Few control characters, and more letters than signs."""
    controls = sum((character < " " and character not in "\t\n\r\f") or "\x7f" <= character < "\xa0" for character in text)
    letters = sum(character.isalnum() or character.isspace() for character in text)
    return controls <= len(text) / 1000 and letters >= len(text) / 2


def damage(data: bytes, text: str) -> str | None:
    """Why `text`, decoded from `data`, is not all of it; None when it is.

    >>> damage(b"un fil, \\xc3", "un fil, \\ufffd")
    'has bytes that are no letters, in 1 place: each became U+FFFD'
    """
    lost = text.count("\ufffd") - data.count("\ufffd".encode())
    # A text in a wide encoding may have its own.
    if lost <= 0 or "\0" in data[:4].decode("latin-1") or data[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
        return None
    return f"has bytes that are no letters, in {lost} {'place' if lost == 1 else 'places'}: each became U+FFFD"


def repair(text: str) -> str:
    """`text` with the lines mended that were UTF-8 read as Windows-1252, where that is certain.

    >>> repair("Lâ€™Ã©tÃ© Ã\\xa0 Paris"), repair("l’UTF-8 mal lu donne « Ã© » pour « é »")
    ('L’été à Paris', 'l’UTF-8 mal lu donne « Ã© » pour « é »')
    """
    if not _SUSPECT.search(text):
        return text
    return "".join(_repaired(line) if _SUSPECT.search(line) else line for line in text.splitlines(keepends=True))


def _repaired(line: str) -> str:
    # Registers the codec that maps the five bytes which Windows-1252 leaves open.
    import ftfy.bad_codecs  # noqa: F401

    try:
        mended = line.encode("sloppy-windows-1252").decode("utf-8")
    except (UnicodeEncodeError, UnicodeDecodeError):
        return line
    return mended
