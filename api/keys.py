"""Who has a key, what may be done with it and until when? And the file that says so.

A key is 256 bits of chance, so its SHA-256 tells nothing of it: what makes slow hashes of passwords necessary, that people
choose words which can be tried, is not so here. The file has only these, and whoever reads it can ask nothing.
"""

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import filelock
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from index.errors import FilrougeError

_PREFIX = "filrouge_"
"""So that a key that was left in a program or a log is seen to be one."""
KEY = re.compile(_PREFIX + r"[A-Za-z0-9_-]{43}")
"""How a key is written."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_PATIENCE = 10.0
"""Seconds to wait for another `filrouge keys` to end."""


class Scope(StrEnum):
    """What an address asks for, and what may be done with a key."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"

    @property
    def grants(self) -> frozenset["Scope"]:
        """All that may be done with a key of this scope.

        >>> sorted(Scope.WRITE.grants)
        [<Scope.READ: 'read'>, <Scope.WRITE: 'write'>]
        """
        every = list(Scope)
        return frozenset(every[: every.index(self) + 1])


class InvalidKeys(FilrougeError):
    """The file of keys cannot be read or written, or a key cannot be made as it was asked for."""


class Key(BaseModel):
    """What is known of a key; the key itself is not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str
    scope: Scope
    sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def expired(self) -> bool:
        """Whether it opens nothing any more."""
        return self.expires is not None and self.expires <= datetime.now(UTC)


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    keys: list[Key]


def read(path: Path) -> tuple[Key, ...]:
    """The keys in a file. Raises `InvalidKeys`, also for a file that others may write to: they could give themselves keys."""
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o022:
                raise InvalidKeys(f"others may write to the keys in {path}: run chmod 600 {path}")
            return tuple(_File.model_validate_json(file.read()).keys)
    except OSError as error:
        raise InvalidKeys(f"cannot read the keys in {path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InvalidKeys(
            f"{path} holds no keys: {where + ': ' if where else ''}{first['msg']}; restore it, or make keys in another file"
        ) from error


def add(path: Path, name: str, scope: Scope, expires: datetime | None = None) -> str:
    """Make a key and return it: it is written nowhere, and this is the only time that it is told. Raises `InvalidKeys`."""
    if not _NAME.fullmatch(name):
        raise InvalidKeys(
            f"'{name[:64]}' is no name of a key: write at most 64 of A-Z a-z 0-9 . _ -, the first a letter or digit"
        )
    now = _now()
    if expires is not None and expires <= now:
        raise InvalidKeys(f"the key would have expired at {expires.isoformat()}: give a time that is to come")
    key, known = _made(name, scope, now, expires)
    with _changing(path) as keys:
        if any(one.name == name for one in keys):
            raise InvalidKeys(f"there is a key '{name}' already: rotate or revoke it, or choose another name")
        keys.append(known)
    return key


def rotate(path: Path, name: str) -> str:
    """Make a key in place of the one of that name, which opens nothing any more; return it. Raises `InvalidKeys`.

    What it may do and until when stays as it was.
    """
    with _changing(path) as keys:
        place = _place(path, keys, name)
        key, keys[place] = _made(name, keys[place].scope, _now(), keys[place].expires)
    return key


def revoke(path: Path, name: str) -> None:
    """Take a key away. Raises `InvalidKeys`. A file without keys stays: with it, nobody may ask."""
    with _changing(path) as keys:
        del keys[_place(path, keys, name)]


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _made(name: str, scope: Scope, now: datetime, expires: datetime | None) -> tuple[str, Key]:
    key = _PREFIX + secrets.token_urlsafe(32)
    return key, Key(name=name, scope=scope, sha256=_digest(key), created=now, expires=expires)


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def _place(path: Path, keys: Sequence[Key], name: str) -> int:
    for place, one in enumerate(keys):
        if one.name == name:
            return place
    raise InvalidKeys(f"there is no key '{name[:64]}' in {path}; filrouge keys list shows those that there are")


@contextmanager
def _changing(path: Path) -> Iterator[list[Key]]:
    """The keys of a file, to be changed; written when the block ends well, whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with filelock.FileLock(path.with_name(f"{path.name}.lock"), timeout=_PATIENCE, mode=0o600):
            keys = list(read(path)) if path.exists() else []
            yield keys
            _write(path, keys)
    except filelock.Timeout as error:
        raise InvalidKeys(f"another process is changing the keys in {path}; try again when it has ended") from error
    except OSError as error:
        raise InvalidKeys(f"cannot write the keys to {path}: {error.strerror or error}") from error


def _write(path: Path, keys: list[Key]) -> None:
    text = json.dumps(_File(keys=keys).model_dump(mode="json"), indent=2) + "\n"
    # Beside the file itself, where a link leads to one; made by mkstemp, nobody else may read it at any moment.
    real = path.resolve()
    handle, part = tempfile.mkstemp(dir=real.parent, prefix=f".{real.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(part).replace(real)
    finally:
        with suppress(FileNotFoundError):
            Path(part).unlink()
    folder = os.open(real.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


class Keyring:
    """The keys of a file, as they are now: it is read again when it has changed.

    Keys are asked for as soon as there is the file, and from the beginning where `always` is set. Once asked for they stay so:
    a file that is gone leaves nobody with a key, and not everybody without the need of one.
    """

    def __init__(self, path: Path, always: bool = False) -> None:
        self._path = path
        self._asked = always
        self._seen: tuple[int, ...] | None = None
        self._keys: tuple[Key, ...] = ()
        self._keys = self._current()

    @property
    def asked(self) -> bool:
        """Whether a key is needed."""
        self._asked = self._asked or self._path.exists()
        return self._asked

    def valid(self) -> list[Key]:
        """Those that open something now. Raises `InvalidKeys`."""
        return [key for key in self._current() if not key.expired()]

    def find(self, key: str) -> Key | None:
        """What is known of a key, also of one that has expired; None of one that is not there. Raises `InvalidKeys`.

        How long it takes does not depend on how much of a key is right: digests are compared, in constant time, with all.
        """
        digest, found = _digest(key), None
        for known in self._current():
            if hmac.compare_digest(digest, known.sha256):
                found = known
        return found

    def _current(self) -> tuple[Key, ...]:
        try:
            about = self._path.stat()
        except FileNotFoundError:
            self._seen, self._keys = None, ()
            return self._keys
        except OSError as error:
            raise InvalidKeys(f"cannot read the keys in {self._path}: {error.strerror or error}") from error
        # Written beside and renamed, a changed file is always another one.
        seen = (about.st_ino, about.st_mtime_ns, about.st_size, about.st_mode)
        if seen != self._seen:
            # What cannot be read is not remembered as read: it is tried again, and until then nobody is let in.
            self._keys = read(self._path)
            self._seen = seen
        return self._keys
