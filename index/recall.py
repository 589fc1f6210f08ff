"""How many of the nearest does an approximate engine find? Measured on a question now and then, beside the others."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

import numpy as np

from embed.encoder import Vectors
from index.engine import VectorView
from index.errors import FilrougeError
from index.reader import Snapshot
from index.records import Ids, Ranking

NEAREST = 10
EVERY = 600.0
"""Seconds between two looks, each of which reads every vector."""
_AT_ONCE = 4096
"""Vectors that are compared at a time, so that those who ask meanwhile wait for no more than that."""

log = logging.getLogger("filrouge.index")


@dataclass
class Tally:
    """Of the nearest passages that were looked for, how many an engine found."""

    wanted: int = 0
    found: int = 0


class Recall:
    """Looks at the vector of a question every so many seconds, where the engine is approximate. Safe for several threads."""

    def __init__(self, every: float = EVERY, clock: Callable[[], float] = monotonic) -> None:
        self._tally = Tally()
        self._every = every
        self._clock = clock
        self._due = clock() + every
        self._lock = threading.Lock()

    def taken(self) -> Tally:
        """What was found since this was last asked."""
        with self._lock:
            taken, self._tally = self._tally, Tally()
        return taken

    def look(self, vector: Vectors, snapshot: Snapshot) -> threading.Thread | None:
        """Compare what `snapshot` finds nearest to `vector` with what is nearest, in a thread of its own; None where that is
        not due, or the engine exact.
        """
        if not snapshot.vectors.approximate:
            return None
        with self._lock:
            if self._clock() < self._due:
                return None
            self._due = self._clock() + self._every
        # No process waits for it at its end.
        thread = threading.Thread(target=self._compare, args=(vector, snapshot), name="recall", daemon=True)
        thread.start()
        return thread

    def _compare(self, vector: Vectors, snapshot: Snapshot) -> None:
        try:
            nearest = exactly(snapshot.vectors, vector, NEAREST, snapshot.all_ids())
            found = snapshot.vectors.nearest(vector, NEAREST)
        except FilrougeError as error:
            # Whoever asks is told; here it is one look less.
            log.warning("recall was not measured: %s", error)
            return
        with self._lock:
            self._tally.wanted += len(nearest)
            self._tally.found += int(np.isin(nearest.ids, found.ids).sum())


def exactly(view: VectorView, vector: Vectors, k: int, ids: Ids) -> Ranking:
    """The `k` of `ids` that are nearest to `vector`: an engine guesses nothing that is asked for all it may choose from."""
    best = Ranking.empty()
    for at in range(0, len(ids), _AT_ONCE):
        some = ids[at : at + _AT_ONCE]
        more = view.nearest(vector, len(some), some)
        best = Ranking.best(np.concatenate([best.ids, more.ids]), np.concatenate([best.scores, more.scores]), k)
    return best
