"""Texts of like length together, in batches of few shapes.

Two things cost time beside the tokens themselves: padding, and lengths that a processor multiplies badly. Its products are
of tiles of sixteen, so that 80 tokens may take less time than 72. And for each new shape OpenVINO compiles the graph anew,
which takes as long as several batches and megabytes of memory.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embed.pieces import Tokens

_BUDGET = 512
"""Tokens of a batch, padding included. Measured: longer ones leave the caches, shorter ones are all overhead."""
_LEAST = 192
"""Tokens that are not divided further, so that all lanes end together."""
_GROUP = 8_000
"""Characters cut at a time, about: so few that there is soon something to compute."""
_ROWS = 4
"""Batches of more texts than that have a multiple of it; the few that are left over make one of their own."""


@dataclass(frozen=True)
class Batch:
    """Some texts: their `places` among all, their `tokens`, and for the model `ids` and `mask` of shape (texts, length)."""

    places: list[int]
    tokens: list[Tokens]
    ids: NDArray[np.int64]
    mask: NDArray[np.int64]


def batches(texts: Sequence[str], cut: Callable[[Sequence[int]], Sequence[Tokens]], lanes: int = 1) -> Generator[Batch]:
    """All of `texts` in batches, the longest first.

    `cut` gives the tokens of those at some places. Texts are cut when they are needed, so that the first batch need not wait
    for all. The last ones are smaller: `lanes` that compute side by side end at about the
    same time.

    >>> first, second = batches(["oui"] * 5, lambda places: [Tokens([7] * 17, [])] * len(places))
    >>> first.places, first.ids.shape, first.ids[0, 15:18].tolist(), first.mask.sum(axis=1).tolist(), second.places
    ([4, 3, 2, 1], (4, 20), [7, 7, 1], [17, 17, 17, 17], [0])
    """
    waiting: list[tuple[int, Tokens]] = []
    for group, last in _groups(texts):
        waiting = sorted([*waiting, *zip(group, cut(group), strict=True)], key=_length, reverse=True)
        left = sum(map(_length, waiting))
        least = min(-(-left // lanes), _LEAST)
        while waiting if last else left > _BUDGET:
            share = max(left // (2 * lanes), least) if last else _BUDGET
            some = _taken(waiting, min(share, _BUDGET))
            left -= sum(map(_length, some))
            yield _batch(some)


def _groups(texts: Sequence[str]) -> Iterator[tuple[list[int], bool]]:
    """The places of texts of like length, the longest first, about as many characters at a time; and whether they are the last.

    >>> list(_groups(["a" * 6000, "", "b" * 6000, "c" * 12000]))
    [([3], False), ([2, 0, 1], True)]
    """
    found: list[list[int]] = []
    held = _GROUP
    # From the end: what remains is the first group, not a few texts with which lanes could not end together.
    for place in sorted(range(len(texts)), key=lambda place: len(texts[place])):
        if held >= _GROUP:
            found.append([])
            held = 0
        found[-1].append(place)
        held += len(texts[place]) + 1
    for group in reversed(found):
        yield group[::-1], group is found[0]


def _length(text: tuple[int, Tokens]) -> int:
    return regular(len(text[1].ids))


def _taken(waiting: list[tuple[int, Tokens]], budget: int) -> list[tuple[int, Tokens]]:
    """The first of those `waiting`, up to `budget` tokens with padding, or one; they wait no longer."""
    count = min(max(budget // _length(waiting[0]), 1), len(waiting))
    if count > _ROWS:
        count -= count % _ROWS
    some, waiting[:] = waiting[:count], waiting[count:]
    return some


def _batch(texts: Sequence[tuple[int, Tokens]]) -> Batch:
    length = _length(texts[0])
    # Questions come alone, and each new shape takes longer than a few tokens of nothing.
    shape = len(texts), length + -length % 16 if len(texts) == 1 and length <= 32 else length
    ids, mask = np.ones(shape, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    for row, (_, tokens) in enumerate(texts):
        ids[row, : len(tokens.ids)] = tokens.ids
        mask[row, : len(tokens.ids)] = 1
    return Batch([place for place, _ in texts], [tokens for _, tokens in texts], ids, mask)


def regular(length: int) -> int:
    """The length, one of few, of a batch whose longest text has so many tokens: a sixteenth more at most where that is many.

    Measured at lengths from 8 to 512, with VNNI and with AMX on an Intel processor: no step is left out that would be faster
    for some text. On a Zen 4 texts that are up to four tokens longer than a multiple of sixteen lose a tenth.

    >>> [regular(length) for length in (0, 3, 17, 31, 64, 129, 300, 520)]
    [4, 4, 20, 32, 64, 144, 304, 544]
    """
    length = max(length, 1)
    step = 4 if length <= 24 else 8 if length <= 48 else max(16, 1 << length.bit_length() >> 5)
    return length + -length % step


def packs(lengths: Sequence[int], budget: int) -> Iterator[list[int]]:
    """The places of texts of like length together, the longest first, up to `budget` tokens with padding, or one text.

    >>> list(packs([3, 9, 4, 3], budget=10))
    [[1], [2, 0], [3]]
    """
    order = sorted(range(len(lengths)), key=lambda place: lengths[place], reverse=True)
    at = 0
    while at < len(order):
        # Without special tokens an empty text has none.
        count = max(budget // max(lengths[order[at]], 1), 1)
        yield order[at : at + count]
        at += count
