"""How often may someone ask?"""

import math
import time
from collections import OrderedDict
from collections.abc import Callable

MOST = 20_000
"""Askers that are remembered, 2 MB of them. Of more, the one who has not asked for longest is forgotten."""


class Rates:
    """At most `per_minute` requests at once from each asker, and as many in every minute after that, as they come.

    A token bucket: it holds a minute's requests, and fills evenly.

    >>> rates = Rates(60, clock=lambda: 0.0)
    >>> [rates.wait("a") for _ in range(60)] == [0] * 60, rates.wait("a"), rates.wait("b")
    (True, 1, 0)
    """

    def __init__(self, per_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._most = float(per_minute)
        self._clock = clock
        # Each asker's requests that are left, and when that was so; who asked last stands last.
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait(self, asker: str) -> int:
        """Take one request of an asker's; 0, or after how many seconds there is one again."""
        now = self._clock()
        left, since = self._left.pop(asker, (self._most, now))
        left = min(self._most, left + (now - since) * self._most / 60)
        taken = left >= 1
        self._left[asker] = (left - taken, now)
        if len(self._left) > MOST:
            self._left.popitem(last=False)
        return 0 if taken else math.ceil((1 - left) * 60 / self._most)
