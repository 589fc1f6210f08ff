"""What computes side by side, and which of it is given what.

A graph that has just computed a shape computes it again sooner: for another one all its nodes look at their shapes anew, which
is a third of the time of a question. So each batch goes to the lane that was last given such a one, if that is free.
"""

import contextlib
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

Shape = tuple[int, ...]


@dataclass
class Lane:
    """One request of a compiled model, for one batch at a time; `shape` is that of the last."""

    model: int
    request: Any = field(repr=False)
    shape: Shape | None = None


class Lanes:
    """Some lanes, the one that is fastest alone first. Safe for several threads.

    >>> lanes = Lanes([Lane(0, None), Lane(1, None)])
    >>> with lanes.taken((1, 16)) as first, lanes.taken((1, 32)) as second:
    ...     first.model, second.model
    (0, 1)
    >>> with lanes.taken((1, 32)) as again:
    ...     again
    Lane(model=1, shape=(1, 32))
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.all = tuple(lanes)
        self._free = list(lanes)
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, shape: Shape) -> Iterator[Lane]:
        """A lane for a batch of this shape, as soon as one is free and all who asked before have theirs.

        Who gives one back and asks again at once, as for the next of many passages, comes after a question that waits.
        """
        ticket = object()
        with self._changed:
            self._waiting.append(ticket)
            self._changed.wait_for(lambda: self._free and self._waiting[0] is ticket)
            self._waiting.popleft()
            lane = next((lane for lane in self._free if lane.shape == shape), None) or self._other()
            self._free.remove(lane)
            lane.shape = shape
            self._changed.notify_all()
        try:
            yield lane
        finally:
            with self._changed:
                self._free.append(lane)
                self._changed.notify_all()

    def _other(self) -> Lane:
        """The first that has computed nothing yet, else the one that was used longest ago."""
        return next((lane for lane in self.all if lane in self._free and lane.shape is None), self._free[0])
