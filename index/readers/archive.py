"""ZIP and tar archives: the documents that they hold, one at a time, within bounds.

Nothing is ever written under a name that an archive gives: a member is copied to a file of ours, read, and deleted. What a
bomb claims is not believed; what comes out is counted. An archive within an archive is not opened.
"""

import contextlib
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from lzma import LZMAError
from pathlib import Path, PurePosixPath
from typing import Any

from index.documents import MANIFEST, Described, Document, Failure, Meter, describe, described, left_out
from index.errors import InvalidManifest, UnreadableDocument

MEMBERS = 100_000
"""Files in an archive."""
LARGEST = 1024**3
"""Bytes of one file in it, unpacked."""
TOTAL = 8 * 1024**3
"""Bytes of all of them."""
RATIO = 200
"""Times that an archive may grow; text packs to a tenth."""
SMALL = 16 * 1024**2
"""Bytes that may be had of any archive, however small it is packed."""
_CHUNK = 1024**2
Opener = Callable[[], Any]
"""Opens a member for reading, when it is its turn."""
_ARCHIVES = (b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf", b"Rar!", b"WARC/")
_BROKEN = (OSError, EOFError, zlib.error, LZMAError, zipfile.BadZipFile, tarfile.TarError, NotImplementedError, RuntimeError)


@dataclass
class _Budget:
    """What may still be unpacked of one archive."""

    left: int
    members: int = MEMBERS

    @classmethod
    def of(cls, path: Path) -> "_Budget":
        return cls(min(TOTAL, max(SMALL, RATIO * path.stat().st_size)))

    def member(self) -> None:
        self.members -= 1
        if self.members < 0:
            raise _Over(f"holds more than {MEMBERS} files: the rest is not read; unpack it")

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise _Over(
                f"grows to more than {RATIO} times its size, or {TOTAL // 1024**3} GiB: the rest is not read; unpack it"
            )


class _Over(UnreadableDocument):
    """The archive as a whole is out of bounds."""


def from_zip(document: Document) -> Iterator[Document | Failure]:
    """The documents in a ZIP archive; what cannot be read of it comes as a `Failure` in its place."""
    try:
        with document.path.open("rb") as file, zipfile.ZipFile(file) as archive:
            document.meter.watch(file)
            names = {info.filename for info in archive.infolist()}
            if "[Content_Types].xml" in names or "mimetype" in names:
                raise UnreadableDocument("is an Office document or an e-book: save it as text or HTML")
            budget = _Budget.of(document.path)
            described_in = _Manifests(document)
            for info in archive.infolist():
                if PurePosixPath(info.filename).name == MANIFEST and not info.is_dir():
                    described_in.add(info.filename, partial(archive.open, info), budget)
            yield from described_in.failures
            seen: set[str] = set()
            for info in archive.infolist():
                if info.is_dir() or _left_out(info.filename):
                    continue
                reason = _refused(info.filename, seen)
                if (info.external_attr >> 16) & 0o170000 == 0o120000:
                    reason = "is a link, and is not followed"
                elif info.flag_bits & 1:
                    reason = "is encrypted: unpack it with its password"
                yield from _one(document, info.filename, reason, partial(archive.open, info), budget, described_in)
    except _BROKEN as error:
        raise UnreadableDocument(f"is a ZIP archive that cannot be read: {error}") from error


def from_tar(document: Document) -> Iterator[Document | Failure]:
    """The documents in a tar archive, packed or not; what cannot be read of it comes as a `Failure` in its place."""
    try:
        described_in = _Manifests(document)
        # What stops this pass stops the next at the same place, and is said there.
        with contextlib.suppress(_Over, *_BROKEN):
            for member, archive in _members(document.path, _Budget.of(document.path)):
                if PurePosixPath(member.name).name == MANIFEST and member.isfile():
                    described_in.add(member.name, partial(archive.extractfile, member), _Budget(_CHUNK))
        yield from described_in.failures
        seen: set[str] = set()
        budget = _Budget.of(document.path)
        for member, archive in _members(document.path, _Budget.of(document.path), document.meter):
            if member.isdir() or _left_out(member.name):
                continue
            reason = _refused(member.name, seen)
            if member.issym() or member.islnk():
                reason = "is a link, and is not followed"
            elif not member.isfile():
                reason = "is a device or a pipe, and no document"
            yield from _one(document, member.name, reason, partial(archive.extractfile, member), budget, described_in)
    except _BROKEN as error:
        raise UnreadableDocument(f"is a tar archive that cannot be read to its end: {error}") from error


def _members(path: Path, budget: _Budget, meter: Meter | None = None) -> Iterator[tuple[tarfile.TarInfo, tarfile.TarFile]]:
    """The members of a tar archive, none of which are kept in memory; passing over one unpacks it too."""
    with path.open("rb") as file, tarfile.open(fileobj=file, mode="r:*") as archive:
        if meter:
            meter.watch(file)
        while (member := archive.next()) is not None:
            budget.take(max(member.size, 0))
            yield member, archive
            archive.members = []  # type: ignore[attr-defined]


def _left_out(name: str) -> bool:
    """What a folder would not give either, and what one system packs for itself."""
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") and part not in (".", "..") for part in parts)
    return hidden or "__MACOSX" in parts or (bool(parts) and left_out(parts[-1]))


def _refused(name: str, seen: set[str]) -> str | None:
    path = PurePosixPath(name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in name or ":" in path.parts[0]:
        return "has a name that leads out of the archive"
    if str(path) in seen:
        return "is in the archive twice: the first was read"
    seen.add(str(path))
    return None


def _one(
    document: Document, name: str, reason: str | None, opened: Opener, budget: _Budget, described_in: "_Manifests"
) -> Iterator[Document | Failure]:
    """One member: a document in a file that lasts until the next is asked for, or why there is none."""
    shown = name.encode("utf-8", "replace").decode()
    failed = f"{document.source}/{shown}"
    budget.member()
    if reason is not None:
        yield Failure(failed, reason)
        return
    with contextlib.ExitStack() as stack:
        try:
            found = described_in.document(document, shown)
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="filrouge-")))
            # The end of a name tells formats apart where the content does not.
            copy = folder / f"member{PurePosixPath(shown).suffix[:20]}"
            _unpack(opened, copy, budget)
        except _Over:
            raise
        except UnreadableDocument as error:
            yield Failure(failed, str(error))
            return
        except _BROKEN as error:
            yield Failure(failed, f"cannot be unpacked: {error}")
            return
        yield replace(found, path=copy, outer=document.meter)


def _unpack(opened: Opener, copy: Path, budget: _Budget) -> None:
    with opened() as packed, copy.open("wb") as file:
        size = 0
        while chunk := packed.read(_CHUNK):
            if size == 0 and (chunk.startswith(_ARCHIVES) or chunk[257:262] == b"ustar"):
                raise UnreadableDocument("is an archive within an archive: unpack it")
            size += len(chunk)
            budget.take(len(chunk))
            if size > LARGEST:
                raise UnreadableDocument(f"has more than {LARGEST // 1024**3} GiB: unpack it")
            file.write(chunk)


class _Manifests:
    """The manifests of the folders of an archive."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._by_folder: dict[str, Described] = {}
        self._refused: set[str] = set()
        self.failures: list[Failure] = []

    def add(self, name: str, opened: Opener, budget: _Budget) -> None:
        """Read the manifest of one folder; when it is wrong, its folder is left out, as outside of an archive."""
        folder = str(PurePosixPath(name).parent)
        try:
            with opened() as packed:
                data: bytes = packed.read(_CHUNK)
            budget.take(len(data))
            self._by_folder[folder] = described(data)
        except InvalidManifest as error:
            self._refused.add(folder)
            self.failures.append(Failure(f"{self._document.source}/{folder}", str(error)))

    def document(self, archive: Document, name: str) -> Document:
        """The document of a member, with what its manifest says; its file is still to be made."""
        path = PurePosixPath(name)
        folder = str(path.parent)
        if folder in self._refused:
            raise UnreadableDocument(f"the {MANIFEST} beside it is wrong")
        found = replace(archive, source=f"{archive.source}/{path}", within=f"{archive.origin}!{path}")
        return describe(found, path.name, self._by_folder.get(folder, {}))
