"""BM25, for who scores passages without a search engine: the parts of the formula that `index.engine.ExactTerms` states."""

import functools
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from index.engine import K1, B

_STEPS = 8


@functools.lru_cache(1 << 14)
def term_number(term: str) -> int:
    """A term as a number of 63 bits; that two terms have the same is not to be expected below thousands of millions of them."""
    return int.from_bytes(hashlib.blake2b(term.encode(), digest_size=8).digest()) >> 1


def rounded_length(terms: int | NDArray[Any]) -> Any:
    """How many terms a passage of so many counts as: above 40 in steps of up to an eighth, as tantivy keeps it.

    >>> [int(rounded_length(terms)) for terms in (40, 41, 57, 100)]
    [40, 40, 56, 96]
    """
    return _LENGTHS[np.searchsorted(_LENGTHS, terms, side="right") - 1]


def _lengths() -> NDArray[np.int64]:
    lengths, step = list(range(41)), 2
    while lengths[-1] < 1 << 31:
        lengths += [lengths[-1] + step * place for place in range(1, _STEPS + 1)]
        step *= 2
    return np.array(lengths, dtype=np.int64)


_LENGTHS = _lengths()


def saturated(often: int | NDArray[Any], length: int | NDArray[Any], mean: float) -> Any:
    """What a term counts in BM25, before its rarity, that stands so often in a passage of so many terms: see `ExactTerms`.

    >>> round(saturated(1, 10, mean=10.0), 3), round(saturated(1, 20, mean=10.0), 3), round(saturated(3, 10, mean=10.0), 3)
    (1.0, 0.71, 1.571)
    """
    return often * (K1 + 1) / (often + K1 * (1 - B + B * length / mean))
