"""Products on one thread: as right as on many, and nothing is changed for whoever comes after."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from threadpoolctl import threadpool_info

from index.threads import one_thread


def threads() -> set[int]:
    """How many threads the libraries of NumPy's products would use."""
    return {library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"}


def test_within_there_is_one_thread_and_afterwards_there_are_as_many_as_before() -> None:
    before = threads()
    with one_thread():
        assert threads() == {1}
    assert threads() == before


def test_it_ends_with_an_error_as_well() -> None:
    before = threads()
    with pytest.raises(np.linalg.LinAlgError), one_thread():
        np.linalg.inv(np.zeros((2, 2)))
    assert threads() == before


def test_several_threads_may_say_so_at_once() -> None:
    rows = np.random.default_rng(1).random((200, 64))
    expected = rows @ rows.T

    def product(_: int) -> bool:
        with one_thread():
            return bool(np.allclose(rows @ rows.T, expected))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(product, range(200)))
