"""Many clients at once while another process indexes: a few seconds of what `make load` does for minutes."""

from collections import Counter
from pathlib import Path

import pytest

from tests.bench.clients import Answers
from tests.bench.measure_load import ours, row


def test_clients_are_answered_as_if_they_were_alone_while_another_process_indexes(tmp_path: Path) -> None:
    found = ours(tmp_path, "hashing", passages=60, clients=6, seconds=5, every=0.1)
    assert (found.answers.errors, found.answers.faults) == (0, [])
    assert set(found.answers.statuses) <= {"200", "503 with Retry-After"}
    assert found.answers.statuses["200"] > 10
    first, last = found.generations
    assert 1 <= first < last
    assert found.again > 5
    assert found.other == []
    assert "Traceback" not in found.log


# What is told of it is right


def test_a_refusal_that_says_when_to_come_again_is_no_error_and_anything_else_is() -> None:
    statuses = Counter({"200": 90, "503 with Retry-After": 5, "503": 2, "500": 1, "ConnectionResetError": 1})
    answers = Answers([0.01] * 89 + [1.0], statuses, took=9.0, resident=[(0, 100.0), (30, 200.0), (60, 201.0), (90, 202.0)])
    assert (answers.errors, answers.rate) == (4, 10.0)
    assert answers.percentile(50) == pytest.approx(10)
    assert answers.percentile(100) == pytest.approx(1000)


def test_the_growth_of_memory_is_told_by_the_minute() -> None:
    growing = Answers(resident=[(float(t), 500 + t / 30) for t in range(20)])
    assert growing.slope == pytest.approx(2)
    growing.seconds, growing.took = [0.1], 1.0
    assert row("one", growing).endswith("| +2.0 | +2.0 |")
    settling = Answers(resident=[(float(t), 500.0 + min(t, 8)) for t in range(20)])
    assert settling.slope > 10
    assert settling.later_slope == pytest.approx(0, abs=1e-6)
