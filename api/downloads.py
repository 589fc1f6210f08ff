"""Files that are made while they are asked for, and sent only when they are whole."""

import json
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from index.errors import InvalidRequest, StorageError

SLOWEST = 600.0
"""Seconds that a file may take to be made: so long it holds a turn that others wait for."""
_AT_ONCE = 256 * 1024
"""Bytes that are read from the disk together."""
_LONGEST = 4000
"""Characters of a header that any client and proxy takes; what is longer is left out."""


def written(parts: Iterable[str]) -> IO[bytes]:
    """A temporary file of these parts, in UTF-8, to be read from its beginning; gone when it is closed.

    What goes wrong while they are made is raised here, before anyone is sent anything. Raises `StorageError` when there is no
    room for the file, and `InvalidRequest` when it takes longer than SLOWEST.
    """
    until = time.monotonic() + SLOWEST
    try:
        file = tempfile.TemporaryFile(prefix="filrouge-")  # noqa: SIM115 - it is closed by whoever sends it
        try:
            for part in parts:
                file.write(part.encode())
                if time.monotonic() > until:
                    raise InvalidRequest(
                        f"this takes more than {SLOWEST:.0f} s: ask for less, or make the file with filrouge export or batch"
                    )
            file.seek(0)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise StorageError(f"cannot make room for a file to be sent: {error.strerror or error}") from error
    return file


class Download(StreamingResponse):
    """A file under a name, a little of it in memory at a time, with its length: one that breaks off is seen to."""

    def __init__(self, file: IO[bytes], media_type: str, filename: str, facts: Mapping[str, Any]) -> None:
        self._file = file
        size = file.seek(0, 2)
        file.seek(0)
        headers = {
            "Content-Length": str(size),
            "Content-Disposition": f'attachment; filename="{filename}"',
            "X-Content-Type-Options": "nosniff",
            **_headers(facts),
        }
        super().__init__(self._chunks(), headers=headers, media_type=media_type)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        with self._file:
            await super().__call__(scope, receive, send)

    def _chunks(self) -> Iterator[bytes]:
        while chunk := self._file.read(_AT_ONCE):
            yield chunk


def _headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """Facts as headers: a text as it stands where that is ASCII, else JSON, which can say everything in ASCII."""
    found = {}
    for name, value in facts.items():
        text = value if isinstance(value, str) and value.isascii() and value.isprintable() else json.dumps(value)
        if value is not None and len(text) <= _LONGEST:
            found[f"Filrouge-{name.replace('_', '-').title()}"] = text
    return found
