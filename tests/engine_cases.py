"""What the suites of engines share: how a ranking is compared with brute force, and readers beside a writer."""

import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from index.records import Ids, Ranking

UNKNOWN = 900
"""A passage that no suite adds."""
Everything = list[tuple[int, float]]


def ids_of(numbers: Sequence[int]) -> Ids:
    return np.array(sorted(numbers), dtype=np.int64)


def assert_best(found: Ranking, everything: Everything, k: int, among: Ids | None) -> None:
    """`found` is the best `k` of `everything`, in order; at the cut, one of about equal passages is as good as another."""
    allowed = None if among is None else set(among.tolist())
    expected = sorted(((score, -i) for i, score in everything if allowed is None or i in allowed), reverse=True)
    truth = {-i: score for score, i in expected}
    assert len(found) == min(k, len(expected))
    assert len(set(found.ids.tolist())) == len(found)
    assert found.scores.tolist() == pytest.approx([score for score, _ in expected[:k]], rel=1e-4, abs=1e-5)
    assert [truth[i] for i in found.ids.tolist()] == pytest.approx(found.scores.tolist(), rel=1e-4, abs=1e-5)
    assert list(found) == sorted(found, key=lambda pair: (-pair[1], pair[0]))


def subsets(ids: Sequence[int]) -> list[Ids | None]:
    """Every passage, none, one, few, most, passages that are not there, and both kinds."""
    some = sorted(ids)
    return [
        None,
        ids_of([]),
        ids_of(some[:1]),
        ids_of(some[1::3]),
        ids_of(some[1:]),
        ids_of([UNKNOWN, UNKNOWN + 1]),
        ids_of([*some[:2], UNKNOWN]),
    ]


def engines(kinds: Iterable[str]) -> list[Any]:
    """The kinds of engines, those marked that ask a server."""
    return [pytest.param(kind, marks=pytest.mark.milvus if kind == "milvus" else ()) for kind in kinds]


def read_while_writing(change: Callable[[int], Callable[[], None]], count: int) -> None:
    """Make `count` changes in one thread; others run every check that a change has given, old and new, until it is done."""
    checks: list[Callable[[], None]] = [change(1)]
    failures: list[BaseException] = []
    runs: list[int] = []
    written = threading.Event()

    def read(seed: int) -> None:
        lot = np.random.default_rng(seed)
        done = 0
        try:
            while not written.is_set() or done < 10:
                checks[int(lot.integers(len(checks)))]()
                done += 1
                # Readers that hand the interpreter to each other without a pause may leave the writer waiting for minutes.
                written.wait(0.001)
        except BaseException as error:
            failures.append(error)
        runs.append(done)

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(4)]
    for reader in readers:
        reader.start()
    try:
        for generation in range(2, count + 1):
            checks.append(change(generation))
    finally:
        written.set()
        for reader in readers:
            reader.join()
    assert failures == []
    assert len(runs) == 4
    assert min(runs) >= 10
