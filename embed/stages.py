"""Where does the time of a request go, and what did caches have? Told to whoever asks, and to nobody otherwise.

Who wants to know opens an `account`; what runs inside of it names its stages and its look-ups, and knows no more than that.
It stands at the bottom, so that everything can name a stage; what becomes of an account is decided at the top.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import ContextDecorator, contextmanager
from contextvars import ContextVar
from time import perf_counter
from typing import Literal, get_args

Stage = Literal["wait", "understand", "encode", "filter", "nearest", "terms", "weigh", "read", "count", "render", "other"]
STAGES: tuple[Stage, ...] = get_args(Stage)
Cache = Literal[
    "filters", "pages", "rankings", "questions",
    # Of what a Milvus server said.
    "generations", "catalogue", "entries", "readings", "frequencies", "counts",
]  # fmt: skip
CACHES: tuple[Cache, ...] = get_args(Cache)


class Account:
    """Seconds by stage, and look-ups by cache and by whether it had what was asked for.

    Each second is in one stage: the innermost, while that lasts. For one piece of work at a time, in whichever threads it runs.
    """

    def __init__(self) -> None:
        self.seconds: dict[Stage, float] = {}
        self.lookups: Counter[tuple[Cache, bool]] = Counter()
        self._open: list[Stage] = []
        self._since = 0.0

    def enter(self, stage: Stage) -> None:
        """Begin a stage; the one around it waits."""
        self.settle()
        self._open.append(stage)

    def leave(self) -> None:
        """End the innermost stage."""
        self.settle()
        # A request that was given up may end before the thread that worked for it.
        if self._open:
            self._open.pop()

    def settle(self) -> None:
        """Charge the time up to now to the innermost stage, which goes on."""
        now = perf_counter()
        if self._open:
            stage = self._open[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


_ACCOUNT: ContextVar[Account | None] = ContextVar("account", default=None)


@contextmanager
def account() -> Iterator[Account]:
    """An account of what runs in the block, also in threads that are given its context.

    >>> with account() as spent:
    ...     with stage("read"):
    ...         looked_up("filters", found=True)
    >>> list(spent.seconds), spent.lookups[("filters", True)]
    (['read'], 1)
    """
    spent = Account()
    token = _ACCOUNT.set(spent)
    try:
        yield spent
    finally:
        _ACCOUNT.reset(token)


class stage(ContextDecorator):  # noqa: N801 - it is used as a function is
    """What runs in the block, or in the function that this decorates, is this stage of an account, if one is open."""

    def __init__(self, name: Stage) -> None:
        self._name = name

    def __enter__(self) -> None:
        spent = _ACCOUNT.get()
        if spent is not None:
            spent.enter(self._name)

    def __exit__(self, *exc: object) -> None:
        spent = _ACCOUNT.get()
        if spent is not None:
            spent.leave()


def looked_up(cache: Cache, found: bool) -> None:
    """Something was looked up in a cache."""
    spent = _ACCOUNT.get()
    if spent is not None:
        spent.lookups[(cache, found)] += 1
