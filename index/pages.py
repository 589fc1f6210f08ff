"""Pages of a ranking that never show a passage twice, and none too few, while the index grows.

A cursor says which generation the first page was of and which passages were seen, so that the next page is the best of the
others, whatever became of the engines that ranked them: those of an earlier generation can be made anew, but need not give the
last digit of a score again. It is sealed, for the one index and model that it is of, and bound to its question and filters.
"""

import base64
import binascii
import hashlib
import hmac
import itertools
import json
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from index.errors import InvalidRequest

MOST_SEEN = 5000
"""Passages that a cursor remembers; whoever wants more wants all of them, which an export has."""
MAX_CURSOR = 20_000
"""Characters; more than a cursor of `MOST_SEEN` has."""
_MOST_BYTES = 200_000
"""Of one that is unpacked."""
_SEAL = 8


@dataclass(frozen=True)
class Cursor:
    """Where a page begins: the generation, how many hits the first page had, and the ids of the passages that were shown (in
    that order) and of those that were folded into them.

    >>> cursor = Cursor(3, 10, (5, 4), (9,))
    >>> Cursor.read(cursor.written(b"key", "question"), b"key", "question") == cursor
    True
    """

    generation: int
    first: int
    shown: tuple[int, ...] = ()
    folded: tuple[int, ...] = ()

    @property
    def seen(self) -> frozenset[int]:
        """All passages that pages up to here had."""
        return frozenset((*self.shown, *self.folded))

    def after(self, shown: Sequence[int], folded: Sequence[int]) -> "Cursor":
        """Where the page behind one with these passages begins."""
        return replace(self, shown=(*self.shown, *shown), folded=tuple(sorted((*self.folded, *folded))))

    def written(self, key: bytes, asked: str) -> str:
        """For callers to bring back: opaque, and only good for what was `asked`."""
        steps = [later - former for former, later in itertools.pairwise((0, *self.shown))]
        folded = [later - former for former, later in itertools.pairwise((0, *self.folded))]
        told = json.dumps([self.generation, self.first, _digest(asked), steps, folded], separators=(",", ":"))
        packed = zlib.compress(told.encode(), 9)
        return base64.urlsafe_b64encode(_seal(key, packed) + packed).decode().rstrip("=")

    @classmethod
    def read(cls, text: str, key: bytes, asked: str) -> "Cursor":
        """What `written` wrote with the same key for the same question. Raises `InvalidRequest` for anything else, and for a
        cursor that has seen `MOST_SEEN` passages.
        """
        try:
            if len(text) > MAX_CURSOR or not text.isascii():
                raise ValueError
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            seal, packed = sealed[:_SEAL], sealed[_SEAL:]
            if not hmac.compare_digest(seal, _seal(key, packed)):
                raise ValueError
            unpacked = zlib.decompressobj().decompress(packed, _MOST_BYTES)
            generation, first, digest, steps, folded = json.loads(unpacked)
        except (ValueError, binascii.Error, zlib.error):
            raise InvalidRequest(
                "this is no cursor of this index as it is now: give back the `next` of a reply as it stands, or none",
                "cursor",
            ) from None
        if digest != _digest(asked):
            raise InvalidRequest(
                "the cursor is of another question or of other filters: it goes on only with those of its first page", "cursor"
            )
        cursor = cls(generation, first, tuple(itertools.accumulate(steps)), tuple(itertools.accumulate(folded)))
        if len(cursor.seen) >= MOST_SEEN:
            raise InvalidRequest(f"pages end at {MOST_SEEN} passages: narrow the question, or export all it finds", "cursor")
        return cursor


def _seal(key: bytes, packed: bytes) -> bytes:
    return hashlib.blake2b(packed, key=key, digest_size=_SEAL).digest()


def _digest(asked: str) -> str:
    return hashlib.blake2b(asked.encode(errors="surrogatepass"), digest_size=8).hexdigest()
