"""Texts cut into tokens for a GPU, in processes of their own where there are many.

A fast GPU asks for more tokens than one process makes: the tokenizer's library has threads of its own, but what it makes
becomes objects of Python under Python's lock, for which the thread that keeps the GPU busy waits at each of its calls. What
comes back from another process is a few arrays for a thousand texts. The processes import no torch, end when they have had
nothing to do for a while, and end with this one.
"""

import logging
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, fields
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from embed import precision
from embed.encoder import Places, Span, clean, placed, touching

if TYPE_CHECKING:
    from tokenizers import Tokenizer

log = logging.getLogger("filrouge.embed")

GROUP = 100_000
"""Characters cut at a time: so few that the GPU soon has something to do."""
_JOINED = 4
"""Groups that are given as one where they are ready, so that batches are large and texts of like length find each other."""
_PROCESSES = 8
"""At the most; each holds the whole vocabulary, 300 MB of it for 250,000 pieces."""
_IDLE = 60
"""Seconds without work after which a process ends."""


@dataclass(frozen=True)
class Cut:
    """Some texts, cut into tokens; all are arrays of whole numbers, the texts one after the other.

    `ids` are those of the tokens, and `lengths` how many each text has. Of spans, `seen` are the tokens that touch them, by
    their number in their text, `counts` how many touch each span, and `touched` and `spans` how many of the one and of the
    other each text has.
    """

    ids: Places
    lengths: Places
    seen: Places
    counts: Places
    touched: Places
    spans: Places

    @classmethod
    def joined(cls, some: Sequence["Cut"]) -> "Cut":
        """All of `some`, one after the other."""
        return cls(*(np.concatenate([getattr(one, field.name) for one in some]) for field in fields(cls)))


def runs(starts: Places, lengths: Places) -> Places:
    """The numbers from each start on, as many as its length says, one run after the other.

    >>> runs(np.array([5, 0, 9]), np.array([2, 0, 3])).tolist()
    [5, 6, 9, 10, 11]
    """
    found: Places = np.repeat(starts - (np.cumsum(lengths) - lengths), lengths) + np.arange(lengths.sum())
    return found


def among(lengths: Places, chosen: Sequence[int]) -> Places:
    """Where the runs of those `chosen` stand in an array that holds runs of `lengths` one after the other.

    >>> among(np.array([2, 1, 3]), [2, 0]).tolist()
    [3, 4, 5, 0, 1]
    """
    return runs((np.cumsum(lengths) - lengths)[chosen], lengths[chosen])


def cut(tokenizer: "Tokenizer", texts: Sequence[str], prefix: str, spans: Sequence[Sequence[Span]] | None = None) -> Cut:
    """The tokens of `prefix` and each of `texts`, and which of them touch the `spans` of each text."""
    cleaned = [prefix + clean(text) for text in texts]
    # Where tokens stand is not told when nobody asks, which is faster.
    found = (tokenizer.encode_batch_fast if spans is None else tokenizer.encode_batch)(cleaned)
    tokens = [one.ids for one in found]
    none = np.zeros(0, dtype=np.int64)
    seen, counts = [none], [none]
    for text, one, wanted in zip(texts, found, spans or (), strict=False):
        real, first, last = touching(one.offsets, placed(text, wanted, prefix))
        counts.append(last - first)
        seen.append(real[runs(first, last - first)])
    return Cut(
        np.fromiter(chain.from_iterable(tokens), dtype=np.int64),
        np.array([len(ids) for ids in tokens], dtype=np.int64),
        np.concatenate(seen),
        np.concatenate(counts),
        np.array([len(some) for some in seen[1:]], dtype=np.int64),
        np.array([len(some) for some in counts[1:]], dtype=np.int64),
    )


class Cutter:
    """Cuts texts with a tokenizer of the `tokenizers` library, so many characters at a time; here where there are no more."""

    def __init__(self, tokenizer: "Tokenizer", group: int = GROUP) -> None:
        self._tokenizer = tokenizer
        self._group = group
        self._processes: Any = None
        self._count = min(max(precision.cores() - 1, 1), _PROCESSES)

    def cut(
        self, texts: Sequence[str], prefix: str, spans: Sequence[Sequence[Span]] | None = None
    ) -> Iterator[tuple[int, Cut]]:
        """What `cut` gives for some of `texts` after the other, and the place of the first; the next ones are cut meanwhile."""
        groups = [(texts[part], spans and spans[part]) for part in _groups(texts, self._group)]
        if len(groups) == 1:
            yield 0, cut(self._tokenizer, texts, prefix, spans)
            return
        coming: deque[Future[Cut]] = deque()
        done = at = 0
        while done < len(groups):
            try:
                while len(coming) < self._count + _JOINED and done + len(coming) < len(groups):
                    some, theirs = groups[done + len(coming)]
                    coming.append(self._submit(list(some), prefix, theirs))
                found = [coming[0].result()]
                while len(found) < min(_JOINED, len(coming)) and coming[len(found)].done():
                    found.append(coming[len(found)].result())
            except BrokenProcessPool as error:
                # Ended from outside, as when memory is short.
                log.warning("cutting texts in this process, since one of its own ended: %s", str(error).splitlines()[0])
                self._processes = None
                coming.clear()
                some, theirs = groups[done]
                found = [cut(self._tokenizer, some, prefix, theirs)]
            for _ in found[: len(coming)]:
                coming.popleft()
            yield at, Cut.joined(found)
            done += len(found)
            at += sum(len(one.lengths) for one in found)

    def _submit(self, texts: list[str], prefix: str, spans: Sequence[Sequence[Span]] | None) -> "Future[Cut]":
        if self._processes is None:
            from loky import ProcessPoolExecutor

            # Of all ways to start one, the one that does not import the program's main module anew.
            self._processes = ProcessPoolExecutor(
                self._count, timeout=_IDLE, initializer=_begin, initargs=(self._tokenizer.to_str(),)
            )
        future: Future[Cut] = self._processes.submit(_cut, texts, prefix, spans)
        return future


def _groups(texts: Sequence[str], characters: int) -> list[slice]:
    """All of `texts` in parts of no more than so many characters, or of one text. The end of a text counts as one.

    >>> [(part.start, part.stop) for part in _groups(["four", "four", "", "eight...", "one"], 11)]
    [(0, 3), (3, 4), (4, 5)]
    """
    found, start, held = [], 0, 0
    for place, text in enumerate(texts):
        if place > start and held + len(text) + 1 > characters:
            found.append(slice(start, place))
            start, held = place, 0
        held += len(text) + 1
    return [*found, slice(start, len(texts))] if texts else []


_theirs: "Tokenizer"
"""The tokenizer of one of the processes."""


def _begin(tokenizer: str) -> None:
    global _theirs
    # There are as many processes as cores to use.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    from tokenizers import Tokenizer

    _theirs = Tokenizer.from_str(tokenizer)


def _cut(texts: list[str], prefix: str, spans: Sequence[Sequence[Span]] | None) -> Cut:
    return cut(_theirs, texts, prefix, spans)
