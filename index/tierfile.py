"""Tiers on the disk: a folder each, with a manifest that says what lies beside it and how well it finds.

    cache/tier-OWNER-N/manifest.json   what follows, with the size and checksum of every file, and its own checksum
    cache/tier-OWNER-N/ids             the ids of the passages, ascending, int64
    cache/tier-OWNER-N/rows            their vectors, one after the other, float16
    cache/tier-OWNER-N/sketches        FAISS: a bit a dimension
    cache/tier-OWNER-N/lists           FAISS: codes of them in lists of neighbours; of the tier `lists` alone

A folder is written beside its place and renamed. FAISS believes whatever it reads and a flipped bit in a vector is a wrong
score, so nothing is used before its checksum is compared.
"""

import json
import math
import os
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from index.tiers import RECALL, TIERS, Tier

MANIFEST = "manifest.json"
IDS, ROWS, SKETCHES, LISTS = "ids", "rows", "sketches", "lists"
_FORMAT = 1
_NAME = re.compile(r"tier-(?P<owner>[0-9a-f-]+)-(?P<generation>\d+)")
_PART = 1 << 20


class DamagedTier(Exception):
    """A tier is not what its manifest says, or the manifest is none; a cache, so that whoever meets it does without."""


@dataclass(frozen=True)
class Manifest:
    """What is known of a tier. `recall` has the share of the ten nearest that a sample of questions found: of `all` as a
    question without filters does, and through the `sketches` as one with filters does. `built` is when, and `seconds` how long
    it took. `wanted` is the tier that was to be built, which is another one where its recall was refused.
    """

    owner: str
    generation: int
    tier: Tier
    dimension: int
    count: int
    wanted: Tier
    lists: int = 0
    probes: int = 0
    candidates: int = 0
    recall: dict[str, float] = field(default_factory=dict)
    built: str = ""
    seconds: float = 0.0
    files: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(file["bytes"] for file in self.files.values())


def folders(cache: Path, owner: str, upto: int | None = None) -> list[Path]:
    """The folders of the tiers of `owner` at generations up to `upto`, the newest first."""
    found = [
        (int(match["generation"]), path)
        for path in cache.glob("tier-*")
        if (match := _NAME.fullmatch(path.name)) and match["owner"] == owner
    ]
    return [path for generation, path in sorted(found, reverse=True) if upto is None or generation <= upto]


@contextmanager
def writing(cache: Path) -> Iterator[Path]:
    """A folder for the files of a tier, which goes with the block unless `put` has taken it."""
    cache.mkdir(parents=True, exist_ok=True)
    # What a process that was killed had begun; who builds holds the lock.
    for path in cache.glob(".tier-*"):
        shutil.rmtree(path, ignore_errors=True)
    folder = Path(tempfile.mkdtemp(prefix=".tier-", dir=cache))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def put(folder: Path, manifest: Manifest) -> Path:
    """Write the manifest of the files in `folder`, put it in its place whole, and delete the tiers that it stands for."""
    files = {}
    for path in sorted(folder.iterdir()):
        with path.open("rb") as file:
            files[path.name] = {"bytes": path.stat().st_size, "crc32": _checksum(path)}
            os.fsync(file.fileno())
    body = {"format": _FORMAT, **asdict(replace(manifest, files=files))}
    with (folder / MANIFEST).open("w", encoding="utf-8") as written:
        written.write(json.dumps({**body, "crc32": _sealed(body)}, indent=1))
        written.flush()
        os.fsync(written.fileno())
    target = folder.parent / f"tier-{manifest.owner}-{manifest.generation}"
    if target.exists():
        # Damaged, or it would not be made again; readers of it keep what they have mapped.
        shutil.rmtree(target)
    folder.rename(target)
    for path in folder.parent.glob("tier-*"):
        if path != target:
            shutil.rmtree(path, ignore_errors=True)
    return target


def read(folder: Path) -> Manifest:
    """The manifest of a tier, whose files have the sizes that it says. Raises `DamagedTier` where anything is amiss."""
    try:
        body: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        sealed, version = body.pop("crc32"), body["format"]
        if sealed != _sealed(body) or version != _FORMAT:
            raise DamagedTier("the manifest is damaged, or of another release")
        body.pop("format")
        manifest = Manifest(**body)
        _check(manifest, folder)
        for name, file in manifest.files.items():
            if (folder / name).stat().st_size != file["bytes"]:
                raise DamagedTier(f"{name} has another size than its manifest says")
    except OSError as error:
        raise DamagedTier(f"{Path(error.filename or folder).name}: {error.strerror or error}") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DamagedTier("the manifest is not one") from error
    return manifest


def _check(manifest: Manifest, folder: Path) -> None:
    """Raise `DamagedTier` where a manifest contradicts itself or the folder that it lies in."""
    sizes = {name: file["bytes"] for name, file in manifest.files.items()}
    names = {IDS, ROWS, SKETCHES} | ({LISTS} if manifest.tier == "lists" else set())
    whole = manifest.recall["all"]
    if folder.name != f"tier-{manifest.owner}-{manifest.generation}":
        raise DamagedTier("it is another index's, or of another generation")
    if manifest.tier not in TIERS[1:] or sizes.keys() != names or manifest.count < 1:
        raise DamagedTier("the manifest contradicts itself")
    if sizes[IDS] != 8 * manifest.count or sizes[ROWS] != 2 * manifest.dimension * manifest.count:
        raise DamagedTier("the manifest contradicts the sizes of its files")
    if not (math.isfinite(whole) and RECALL <= whole <= 1 and manifest.candidates >= 1 and manifest.probes >= 0):
        raise DamagedTier("it finds too little")


def verify(folder: Path, manifest: Manifest) -> None:
    """Raise `DamagedTier` unless every file has its checksum: about a second for a gigabyte that is in memory."""
    for name, file in manifest.files.items():
        try:
            intact = _checksum(folder / name) == file["crc32"]
        except OSError as error:
            raise DamagedTier(f"{name}: {error.strerror or error}") from error
        if not intact:
            raise DamagedTier(f"{name} is damaged")


def _checksum(path: Path) -> int:
    check = 0
    with path.open("rb") as file:
        while part := file.read(_PART):
            check = zlib.crc32(part, check)
    return check


def _sealed(body: dict[str, Any]) -> int:
    return zlib.crc32(json.dumps(body, sort_keys=True).encode())
