"""The last few of what is dear to make."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

from embed.stages import Cache, looked_up

Value = TypeVar("Value")


class Remembered(Generic[Value]):
    """The last few of what is dear to make, by key; `cache` is what accounts call it. Safe for several threads, which may make
    the same at once.

    >>> squares = Remembered[int]("rankings", most=1)
    >>> squares.get(3, lambda: 9), squares.get(3, lambda: 0), squares.find(4)
    (9, 9, None)
    """

    def __init__(self, cache: Cache, most: int) -> None:
        self._cache: Cache = cache
        self._most = most
        self._made: OrderedDict[Hashable, Value] = OrderedDict()
        self._lock = threading.Lock()

    def find(self, key: Hashable) -> Value | None:
        """What is remembered; None where nothing is."""
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
            found = self._made.get(key)
        looked_up(self._cache, found is not None)
        return found

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """The same, made where it is not there."""
        found = self.find(key)
        if found is None:
            found = make()
            self.keep(key, found)
        return found

    def keep(self, key: Hashable, value: Value) -> None:
        """Remember it; the one that was longest not asked for is forgotten."""
        with self._lock:
            self._made[key] = value
            self._made.move_to_end(key)
            while len(self._made) > self._most:
                self._made.popitem(last=False)
