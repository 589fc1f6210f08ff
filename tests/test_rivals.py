"""Rivals answer in the shape that the benchmark asks in; those that are not installed are named."""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from index import rivals
from index.records import Ids


def rows(count: int) -> np.ndarray:
    vectors = np.random.default_rng(1).standard_normal((count, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


@pytest.mark.parametrize("name", ["quantised", *rivals._PACKAGES])
def test_every_engine_finds_a_vector_that_it_holds(name: str, tmp_path: Path) -> None:
    if name != "quantised" and not find_spec(name):
        pytest.skip("not installed: pip install 'filrouge[bench]'")
    rival, vectors = rivals.opened(name), rows(2000)
    rival.build(vectors, tmp_path, threads=1)
    found: Ids = rival.nearest(vectors[42], rival.knobs[-1], None)
    assert (len(found), found[0]) == (10, 42)


def test_what_is_there_and_what_is_not_are_all_engines() -> None:
    assert sorted([*rivals.installed(), *rivals.missing()]) == sorted(rivals._PACKAGES)
