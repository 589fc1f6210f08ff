"""Products of small matrices are computed by one thread each."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import numpy as np
from threadpoolctl import ThreadpoolController


@cache
def _libraries() -> ThreadpoolController:
    assert np  # its library can be told once it is loaded
    return ThreadpoolController().select(user_api="blas")


@contextmanager
def one_thread() -> Iterator[None]:
    """Within, NumPy computes on the calling thread alone; it takes 10 µs to say so.

    Several threads that share a product wait for each other by turning on the spot, and each turn takes the core away from the
    one that is waited for: beside one other busy process on two cores a search takes twice as long, and a decomposition of
    384 x 384 numbers eighty times.

    >>> with one_thread():
    ...     (np.eye(2) @ np.ones(2)).tolist()
    [1.0, 1.0]
    """
    with _libraries().limit(limits=1):
        yield
