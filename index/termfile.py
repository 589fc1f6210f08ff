"""What keeps the files of the inverted index honest: a stamp, and the checksums that tantivy writes and never checks.

    cache/lexical/meta.json        tantivy: its segments, and the number of its last commit
    cache/lexical/SEGMENT.*        tantivy: six files a segment, and the passages that were removed from it
    cache/lexical/forward.*        what each term counts in each passage (`index.forward`)
    cache/lexical/filrouge.json    the stamp: whose it is, of which generation, the number of the commit, and checksums

A commit is made first and stamped afterwards, so that the stamp of a process that ended between the two is of an older commit.
"""

import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from index import forward
from index.forward import Extent, Forward

LAYOUT = 3
"""Raised when the schema, `index.terms` or `index.phrases` changes, so that an older index is made anew."""
_STAMP = "filrouge.json"
_KINDS = ("fast", "fieldnorm", "idx", "pos", "store", "term")
"""The files of one tantivy segment."""
_TAIL = 4096
"""Bytes from the end of a file that hold its footer, which takes a hundred."""


class CacheUnusable(Exception):
    """The folder does not hold what was expected; everything in it can be made again from the store."""


def read_stamp(folder: Path, owner: str) -> dict[str, Any]:
    """What was stamped last. Raises `CacheUnusable` for what is damaged, of another `owner` or of another layout."""
    try:
        stamp: dict[str, Any] = json.loads((folder / _STAMP).read_text(encoding="utf-8"))
        if stamp.pop("sum", None) != _sum_of(stamp):
            raise CacheUnusable("the stamp is damaged, or of another release")
        if (stamp["layout"], stamp["owner"]) != (LAYOUT, owner):
            raise CacheUnusable("made by another release or for another index")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheUnusable(str(error)) from error
    return stamp


def write_stamp(folder: Path, owner: str, generation: int, removed: int, extents: Mapping[str, Extent]) -> None:
    """Stamp the last commit, in one step: whose it is, of which generation, how many passages were removed, and how far counts
    go.
    """
    stamp = {
        "layout": LAYOUT,
        "owner": owner,
        "generation": generation,
        "removed": removed,
        "commit": commit_number(folder),
        "files": _sums(folder),
        "forward": extents,
    }
    stamp["sum"] = _sum_of(stamp)
    handle, name = tempfile.mkstemp(prefix=".stamp-", dir=folder)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(stamp, file)
        Path(name).replace(folder / _STAMP)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_files(folder: Path, stamp: dict[str, Any]) -> None:
    """Raise `CacheUnusable` unless every file of the last commit is whole, and the one that was stamped.

    Tantivy writes a checksum behind each file and never looks at it when it opens one: a damaged byte would give wrong
    passages, or end the process. Nor does it know a file from one of another index.
    """
    try:
        if damaged := Forward.damaged(folder, stamp["forward"]):
            raise CacheUnusable(f"{damaged} is damaged")
        meta = _meta(folder)
        # Another process may be between its commit and the stamp of it.
        stamped: dict[str, int] | None = stamp["files"] if stamp["commit"] == meta["opstamp"] else None
        if stamped and stamped.get("meta.json") != zlib.crc32((folder / "meta.json").read_bytes()) and meta == _meta(folder):
            raise CacheUnusable("meta.json is damaged")
        for name in _live_files(meta):
            try:
                data = memoryview((folder / name).read_bytes())
            except FileNotFoundError:
                if _meta(folder) == meta:
                    raise
                # Another process has committed, and swept up what its commit replaced.
                return check_files(folder, stamp)
            footer, kept = _footer(data)
            if zlib.crc32(data[:footer]) != kept or (stamped and stamped.get(name) != kept):
                raise CacheUnusable(f"{name} is damaged")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CacheUnusable(str(error)) from error


def commit_number(folder: Path) -> int:
    """Tantivy's own number of its last commit."""
    return int(_meta(folder)["opstamp"])


def sweep(folder: Path) -> None:
    """Delete what a process that was killed had begun: tantivy would give files the same names, and stop there."""
    live = {*_live_files(_meta(folder)), *forward.FILES, "meta.json", _STAMP}
    for path in folder.iterdir():
        if path.name not in live and not path.name.startswith("."):
            path.unlink(missing_ok=True)


def _meta(folder: Path) -> dict[str, Any]:
    """What tantivy says of its last commit."""
    meta: dict[str, Any] = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    return meta


def _live_files(meta: dict[str, Any]) -> Iterator[str]:
    """The names of the files that a commit consists of."""
    for segment in meta["segments"]:
        name = segment["segment_id"].replace("-", "")
        deletes = segment["deletes"]
        for kind in (*_KINDS, *([f"{deletes['opstamp']}.del"] if deletes else [])):
            yield f"{name}.{kind}"


def _footer(data: memoryview) -> tuple[int, int]:
    """Where the footer of a file begins, and the checksum of all before it."""
    # The body, a footer in JSON, its length, and a number that tantivy ends every file with.
    footer = len(data) - 8 - int.from_bytes(data[-8:-4], "little")
    if footer < 0:
        raise CacheUnusable("a file is cut off")
    return footer, int(json.loads(bytes(data[footer:-8]))["crc"])


def _sums(folder: Path) -> dict[str, int]:
    """The checksums of the files of the last commit, as tantivy has written them, and of its description of them."""
    sums = {"meta.json": zlib.crc32((folder / "meta.json").read_bytes())}
    for name in _live_files(_meta(folder)):
        with (folder / name).open("rb") as file:
            file.seek(max(os.fstat(file.fileno()).st_size - _TAIL, 0))
            sums[name] = _footer(memoryview(file.read()))[1]
    return sums


def _sum_of(stamp: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(stamp, sort_keys=True).encode())
