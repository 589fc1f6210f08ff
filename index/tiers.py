"""Which structure holds how many vectors, and what it takes of memory.

Three tiers:

- `exact`: every vector in single precision, all of them compared with each question. The fastest for few.
- `quantised`: a sketch of each vector, a bit a dimension, says which few are worth comparing in half precision. It takes the
  least memory.
- `lists`: beside that, a code of each vector in lists of neighbours, of which a question without filters looks through a few.
  The fastest for many.

The size from which lists pay was measured: see the decisions in ARCHITECTURE.md.
"""

from typing import Literal, get_args

import psutil

from index.errors import TooLittleMemory

Tier = Literal["exact", "quantised", "lists"]
TIERS: tuple[Tier, ...] = get_args(Tier)

LISTS_FROM = 50_000
"""Passages. Below, an exact search takes a few milliseconds, and nothing has to be built."""
RECALL = 0.98
"""Of the ten nearest passages of a sample of questions, the share that a build must find, or it is refused."""
SHARE = 0.1
"""Of the passages of a build, how many may have come and gone since before it is made anew."""


def bytes_each(tier: Tier, dimension: int) -> int:
    """Bytes of memory that a passage takes when all that a search may touch is there.

    >>> [bytes_each(tier, 384) for tier in TIERS]
    [1544, 836, 908]
    """
    number, sketch, code = 8, dimension // 8 + 8, -(-dimension // piece(dimension) // 2)
    if tier == "exact":
        return 4 * dimension + number
    # Its number, where it stands, the sketch, and the vector in half precision.
    quantised = number + 4 + sketch + 2 * dimension
    return quantised if tier == "quantised" else quantised + code + number


def piece(dimension: int) -> int:
    """How many dimensions four bits of a code in lists stand for: three, of which fewer lists and candidates are needed than of
    four, where they go into the dimension.

    >>> piece(384), piece(1024), piece(50)
    (3, 4, 2)
    """
    return next(size for size in (3, 4, 2, 1) if dimension % size == 0)


def needed(tier: Tier, dimension: int) -> int:
    """Bytes of memory that a passage takes at least: what is mapped from a file may be dropped and read again.

    >>> [needed(tier, 384) for tier in TIERS]
    [1544, 68, 140]
    """
    return bytes_each(tier, dimension) - (0 if tier == "exact" else 2 * dimension)


def free_memory() -> int:
    """Bytes of memory that can be had on this machine without swapping."""
    return int(psutil.virtual_memory().available)


def choose(count: int, dimension: int, memory: int, asked: Tier | None = None) -> Tier:
    """The tier for `count` vectors where `memory` bytes are free: the one that was `asked` for, else the fastest that fits.

    Raises `TooLittleMemory` where the one that was asked for does not fit.

    >>> choose(10, 384, 8 << 30), choose(60_000, 384, 8 << 30)
    ('exact', 'lists')
    >>> choose(40_000, 384, 50 << 20), choose(1_000_000, 384, 100 << 20)
    ('quantised', 'quantised')
    """
    if asked is not None:
        if count * needed(asked, dimension) > memory:
            smallest = min(TIERS, key=lambda tier: needed(tier, dimension))
            raise TooLittleMemory(
                f"the tier {asked} takes {_size(count * needed(asked, dimension))} of memory for {count:,} passages, and "
                f"{_size(memory)} are free: free some, choose {smallest}, which takes "
                f"{_size(count * needed(smallest, dimension))}, or leave the choice to filrouge"
            )
        return asked
    fastest: Tier = "exact" if count < LISTS_FROM else "lists"
    # Where that does not fit, the one that needs least does it as well as can be: most of it is mapped.
    return fastest if count * needed(fastest, dimension) <= memory else "quantised"


def _size(count: int) -> str:
    """A number of bytes, for people.

    >>> _size(1_544_000_000), _size(9_500_000)
    ('1.5 GB', '9.5 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
