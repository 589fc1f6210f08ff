"""Which structure holds how many vectors, and what it takes of memory.

Three tiers, each for more passages than the one before:

- `exact`: every vector in single precision, all of them compared with each question.
- `quantised`: a sketch of each vector, a bit a dimension, says which few are worth comparing in half precision. Up to where
  `lists` are faster the sketches are there twice: laid out for looking through all, and for looking through some.
- `lists`: beside that, the sketches once more in lists of neighbours, of which a question without filters looks through a few.

The sizes from which a tier pays were measured: see the decisions in ARCHITECTURE.md.
"""

from typing import Literal, get_args

import psutil

from index.errors import TooLittleMemory

Tier = Literal["exact", "quantised", "lists"]
TIERS: tuple[Tier, ...] = get_args(Tier)

QUANTISED_FROM, LISTS_FROM = 50_000, 250_000
"""Passages. Below the first an exact search takes a few milliseconds, and below the second one through all sketches does."""
RECALL = 0.98
"""Of the ten nearest passages of a sample of questions, the share that a build must find, or it is refused."""
SHARE = 0.1
"""Of the passages of a build, how many may have come and gone since before it is made anew."""


def bytes_each(tier: Tier, dimension: int) -> int:
    """Bytes of memory that a passage takes when all that a search may touch is there; of those that have their sketches twice,
    which are fewer than LISTS_FROM, it is d/8 + 8 more.

    >>> [bytes_each(tier, 384) for tier in TIERS]
    [1544, 836, 900]
    """
    number, sketch = 8, dimension // 8 + 8
    if tier == "exact":
        return 4 * dimension + number
    # Its number, where it stands, the sketch, and the vector in half precision.
    quantised = number + 4 + sketch + 2 * dimension
    return quantised if tier == "quantised" else quantised + sketch + number


def needed(tier: Tier, dimension: int) -> int:
    """Bytes of memory that a passage takes at least: what is mapped from a file may be dropped and read again.

    >>> [needed(tier, 384) for tier in TIERS]
    [1544, 68, 132]
    """
    return bytes_each(tier, dimension) - (0 if tier == "exact" else 2 * dimension)


def free_memory() -> int:
    """Bytes of memory that can be had on this machine without swapping."""
    return int(psutil.virtual_memory().available)


def choose(count: int, dimension: int, memory: int, asked: Tier | None = None) -> Tier:
    """The tier for `count` vectors where `memory` bytes are free: the one that was `asked` for, else the fastest that fits.

    Raises `TooLittleMemory` where the one that was asked for does not fit.

    >>> [choose(count, 384, 8 << 30) for count in (10, 60_000, 1_000_000)]
    ['exact', 'quantised', 'lists']
    >>> choose(40_000, 384, 50 << 20)
    'quantised'
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
    by_size: Tier = "exact" if count < QUANTISED_FROM else "quantised" if count < LISTS_FROM else "lists"
    fitting = [tier for tier in TIERS[TIERS.index(by_size) :] if count * needed(tier, dimension) <= memory]
    # Where none fits, the one that needs least does it as well as can be: most of it is mapped.
    return fitting[0] if fitting else "quantised"


def _size(count: int) -> str:
    """A number of bytes, for people.

    >>> _size(1_544_000_000), _size(9_500_000)
    ('1.5 GB', '9.5 MB')
    """
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.1f} MB"
