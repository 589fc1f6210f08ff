"""What another core does meanwhile: a search looks up terms while its question is encoded."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TypeVar

from embed.precision import cores
from embed.stages import Cache, account, looked_up

Found = TypeVar("Found")


@contextmanager
def aside(work: Callable[[], Found]) -> Iterator[Callable[[], Found]]:
    """Have another thread do some `work` while the block does its own. The block is given what to call, once, for what was
    found; that raises what the work raised. No work goes on when the block has ended.

    Where there is a single core, or no thread is free, the work is done by whoever calls for it. In an account of stages only
    the waiting for it counts, as part of the stage in which one waits; what its caches had counts as ever.

    >>> with aside(lambda: 6 * 7) as found:
    ...     found()
    42
    """
    if cores() == 1:
        yield work
        return

    def accounted() -> tuple[Found, dict[tuple[Cache, bool], int]]:
        with account() as spent:
            return work(), spent.lookups

    def found() -> Found:
        if later.cancel():
            return work()
        result, lookups = later.result()
        for (name, known), count in lookups.items():
            for _ in range(count):
                looked_up(name, known)
        return result

    later = _threads().submit(accounted)
    try:
        yield found
    finally:
        if not later.cancel():
            later.exception()


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), thread_name_prefix="aside")
