"""How much the C library keeps of what threads gave back."""

import contextlib
import ctypes

_M_ARENA_MAX = -8
"""As `malloc.h` of glibc has it."""
_MOST = 2


def limit() -> None:
    """Have threads share two heaps, where the C library is glibc, which otherwise gives each its own, up to eight a core.

    What one thread gives back stays in its heap: under the load of `tests/bench/measure_load.py` 30 MB more within minutes.
    They hardly wait for each other, since most of what allocates holds Python's lock anyway. Heaps that there are stay, so this
    comes before threads do.
    """
    # Other libraries have no such word.
    with contextlib.suppress(AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, _MOST)
