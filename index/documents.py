"""Which files there are to index, and what is known of each: documents and manifests."""

import gzip
import io
import os
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from index.dates import in_reach, zone
from index.errors import FilrougeError, InvalidManifest, InvalidRequest, UnreadableDocument

MANIFEST = "manifest.toml"


Described = dict[str, dict[str, Any]]
"""What a manifest says, by file name."""


@dataclass(frozen=True)
class Facts:
    """What is known of a document and does not stand in it; None is unknown."""

    lang: str | None = None
    tz: str = "UTC"
    day: date | None = None
    """The day of the topmost timed entry."""
    title: str = ""
    """The title of the page: of its untimed lead, since timed entries have their own."""
    url: str | None = None


class Meter:
    """How far a file is read, where that can be told: of one that is packed with gzip or not at all, an archive included."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: io.BufferedReader | None = None
        self._position = 0

    def __reduce__(self) -> tuple[type, tuple[Path]]:
        # Another process opens it for itself.
        return Meter, (self._path,)

    @property
    def size(self) -> int:
        """Bytes of the file; 0 where it cannot be looked at."""
        try:
            return self._path.stat().st_size
        except OSError:
            return 0

    @property
    def position(self) -> int:
        """Bytes of it that were read; 0 where that is not known."""
        if self._file and not self._file.closed:
            self._position = self._file.tell()
        return self._position

    def watch(self, file: object) -> None:
        """Look at this file, which was opened to read the document; what an archive holds is no file of its own."""
        if isinstance(file, gzip.GzipFile):
            file = file.fileobj
        if self._file is None and isinstance(file, io.BufferedReader):
            self._file = file


@dataclass(frozen=True)
class Document:
    """A file to read. `source` is its public name, under which its entries are stored."""

    path: Path
    source: str
    facts: Facts
    within: str = ""
    """The archive that it lies in and its place there, where `path` is a copy that will not stay."""
    outer: Meter | None = field(default=None, compare=False, repr=False)
    """How far that archive is read."""

    @cached_property
    def meter(self) -> Meter:
        """How far it is read, or the archive that it lies in."""
        return self.outer or Meter(self.path)

    @property
    def origin(self) -> str:
        """Where it is read from, the same at every reading."""
        return self.within or str(self.path.resolve())


@dataclass(frozen=True)
class Failure:
    """A document, or a part of one, that could not be indexed, and why."""

    source: str
    reason: str
    kept: bool = False
    """Whether the entry is there all the same, without what is wrong with it."""


def size(paths: Iterable[Path]) -> int:
    """Bytes of all documents below `paths`."""
    return sum(found.meter.size for found in find(paths, Facts()) if isinstance(found, Document))


def find(paths: Iterable[Path], given: Facts) -> Iterator[Document | Failure]:
    """Every document below `paths`, in a stable order; what is wrong with a path comes as a `Failure` in its place.

    A folder stands for all files below it, but for hidden ones, manifests and parts of saved pages; one that has a
    `manifest.toml` is described by it, and left out when that is wrong. `given` holds for what no manifest says. The public
    name of a file is its path from the folder above what was named, so that `seeds/` and `seeds/a.txt` both give
    "seeds/a.txt".
    """
    for path in paths:
        try:
            if path.is_dir():
                empty = True
                for found in _in_folder(path, given):
                    empty = False
                    yield found
                if empty:
                    raise UnreadableDocument("the folder holds no documents")
            elif path.is_file():
                if path.name == MANIFEST:
                    raise UnreadableDocument("is a manifest, which describes the documents beside it: name its folder")
                yield _document(path, path, _manifest(path.parent), given)
            else:
                raise UnreadableDocument("no such file or folder")
        except FilrougeError as error:
            yield Failure(_shown(path), str(error))
        except OSError as error:
            yield Failure(_shown(path), f"cannot be read: {error.strerror or error}")


def _in_folder(root: Path, given: Facts) -> Iterator[Document | Failure]:
    closed: list[OSError] = []
    for name_of_folder, folders, files in os.walk(root, onerror=closed.append):
        folder = Path(name_of_folder)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in folders:
            if os.path.islink(folder / name):
                # It may lead back to where we are.
                yield Failure(_shown(folder / name), "is a link to a folder, and is not followed: name that folder itself")
        try:
            manifest = _manifest(folder)
        except InvalidManifest as error:
            yield Failure(_shown(folder), str(error))
            continue
        for name in sorted(set(manifest) - set(files)):
            yield Failure(_source(folder / name, root), f"{MANIFEST} names it, and it is not there")
        for name in sorted(files):
            if not left_out(name):
                try:
                    yield _document(folder / name, root, manifest, given)
                except UnreadableDocument as error:
                    yield Failure(_shown(folder / name), str(error))
    for refused in closed:
        yield Failure(_shown(refused.filename), f"cannot be read: {refused.strerror}")


_PARTS = frozenset(
    """js mjs cjs css map woff woff2 ttf otf eot ico svg png jpg jpeg gif webp avif bmp mp3 mp4 m4a m4v webm ogg wav
    mov""".split()
)
"""Ends of names of what belongs to saved pages and is no document: scripts, styles, fonts, pictures, sound, film."""


def left_out(name: str) -> bool:
    """Whether a file found in a folder or an archive is passed over: hidden, a manifest, or a part of a saved page.

    >>> [left_out(name) for name in ("page.html", ".DS_Store", "manifest.toml", "page_files/style.css")]
    [False, True, True, True]
    """
    name = name.rpartition("/")[2]
    return name.startswith(".") or name == MANIFEST or name.rpartition(".")[2].lower() in _PARTS


def _shown(path: object) -> str:
    """A path as text that can be printed and stored: a name need not be text at all."""
    return str(path).encode("utf-8", "replace").decode()


def _document(path: Path, root: Path, manifest: Described, given: Facts) -> Document:
    # A pipe would be waited for without end, and a link may lead nowhere.
    if not os.path.isfile(path):
        raise UnreadableDocument("is not a file, or a link to a file that is not there")
    if _shown(path) != str(path):
        raise UnreadableDocument("has a name that is not UTF-8: rename it")
    return describe(Document(path, _source(path, root), given), path.name, manifest)


def describe(document: Document, name: str, manifest: Described) -> Document:
    """The document with what the manifest of its folder says of the file `name`."""
    known = dict(manifest.get(name, {}))
    source = known.pop("source", None) or document.source
    known["day"] = known.pop("date", document.facts.day)
    facts = replace(document.facts, **known)
    if facts.day is not None and not in_reach(facts.day):
        raise UnreadableDocument(f"the date {facts.day} is out of reach: years 2 to 9998")
    return replace(document, source=source, facts=facts)


def _source(path: Path, root: Path) -> str:
    if path == root:
        # Its own name, not that of what it may be a link to.
        parent, below = path.parent.resolve().name, path.name
    else:
        parent, below = root.resolve().name, path.relative_to(root).as_posix()
    return f"{parent}/{below}" if parent else below


_KEYS: dict[str, type] = {"file": str, "source": str, "title": str, "lang": str, "tz": str, "date": date, "url": str}


def _manifest(folder: Path) -> Described:
    """What the folder's manifest says; empty when it has none."""
    path = folder / MANIFEST
    try:
        return described(path.read_bytes()) if path.is_file() else {}
    except OSError as error:
        raise InvalidManifest(f"{MANIFEST} cannot be read: {error.strerror or error}") from error


def described(manifest: bytes) -> Described:
    """What a manifest says. Raises `InvalidManifest`."""
    try:
        content = tomllib.loads(manifest.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidManifest(f"{MANIFEST} is not TOML: {error}") from error
    unknown = set(content) - {"document"}
    if unknown:
        raise InvalidManifest(f"{MANIFEST} has the unknown key '{min(unknown)}'; it holds [[document]] tables only")
    found: Described = {}
    documents = content.get("document", [])
    if not isinstance(documents, list) or not all(isinstance(table, dict) for table in documents):
        raise InvalidManifest(f"{MANIFEST}: write each document as [[document]]")
    for number, table in enumerate(documents, start=1):
        name = _checked(table, f"{MANIFEST}, document {number}").pop("file")
        if name in found:
            raise InvalidManifest(f"{MANIFEST} describes '{name}' twice")
        found[name] = {key: value for key, value in table.items() if key != "file"}
    return found


def _checked(table: dict[str, Any], where: str) -> dict[str, Any]:
    for key, value in table.items():
        if key not in _KEYS:
            raise InvalidManifest(f"{where} has the unknown key '{key}'; known are {', '.join(_KEYS)}")
        # A TOML date-time is a date to Python; here it would hide a time of day.
        if type(value) is not _KEYS[key]:
            raise InvalidManifest(f"{where}: {key} = {value!r} is not a {_KEYS[key].__name__}")
    name = table.get("file", "")
    if not name or "/" in name or "\\" in name or name in {".", ".."}:
        raise InvalidManifest(f"{where}: file = {name!r} is not the name of a file in this folder")
    if "tz" in table:
        try:
            zone(table["tz"])
        except InvalidRequest as error:
            raise InvalidManifest(f"{where}: {error}") from error
    return dict(table)
