"""Readers and the API, given a little of what `make fuzz` gives them a lot of; and that what fails there would be seen."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench import fuzz_readers
from tests.bench.fuzz_api import called, paged
from tests.bench.fuzz_guided import told
from tests.bench.fuzz_readers import TARGETS, Target, failure, fuzz, made, shortened
from tests.bench.mutations import literals, questions, seeds
from tests.bench.started import environment


@pytest.mark.parametrize("target", TARGETS)
def test_what_nobody_should_have_written_is_read_or_refused(target: str) -> None:
    # Other inputs than those that `make fuzz` begins with.
    run = fuzz(target, 10_000_000, 40, time.monotonic() + 60)
    assert run.failures == {}
    assert run.inputs == 40


def test_whatever_the_description_of_the_api_allows_is_answered_as_it_says(address: str) -> None:
    found = called(address, 200, seed=1, phases="fuzzing")
    assert found.failures == []
    assert found.cases > 100


def test_pages_are_shown_whatever_their_address_asks_for(address: str) -> None:
    assert paged(address, 60, seed=1).failures == []


# The checks can fail


@pytest.fixture
def breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    """A target that cannot bear the letter Z, and waits for ever at a Y."""

    def read(data: bytes) -> None:
        assert b"Z" not in data, "there is a Z"
        if b"Y" in data:
            time.sleep(60)

    monkeypatch.setattr(fuzz_readers, "TARGETS", {"fragile": Target(lambda lot: bytes(lot.choices(b"abcZ", k=8)), read)})
    monkeypatch.setattr(fuzz_readers, "BOUND", 0.2)


@pytest.mark.usefixtures("breaks")
def test_what_fails_is_told_once_and_as_short_as_can_be() -> None:
    assert failure("fragile", b"abc") == ""
    run = fuzz("fragile", 0, 50, time.monotonic() + 60)
    assert list(run.failures.values()) == [b"Z"]
    assert next(iter(run.failures)).startswith("AssertionError at test_fuzz.py")
    assert shortened("fragile", b"abcabcZabcZ") == b"Z"


@pytest.mark.usefixtures("breaks")
def test_what_takes_too_long_is_a_failure() -> None:
    assert failure("fragile", b"aYa").startswith("Hang at test_fuzz.py")


@pytest.mark.usefixtures("breaks")
def test_a_run_keeps_what_failed_and_the_next_goes_on_behind_it(tmp_path: Path) -> None:
    arguments = ["--inputs", "10", "--seconds", "60", "--kept", str(tmp_path)]
    assert fuzz_readers.main(arguments) == 1
    assert fuzz_readers.main(arguments) == 1
    assert json.loads((tmp_path / "next.json").read_text()) == {"fragile": 20}
    assert [path.read_bytes() for path in (tmp_path / "failed").iterdir()] == [b"Z"]


_GUIDED = """
from pathlib import Path
from tests.bench import fuzz_guided, fuzz_readers
fuzz_guided.guide(*{arguments!r}, Path({kept!r}))
"""


def guided(target: str, kept: Path, before: str = "") -> subprocess.CompletedProcess[str]:
    """A short run that is led by coverage."""
    pytest.importorskip("atheris")
    code = before + _GUIDED.format(arguments=(target, 300, 30), kept=str(kept))
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        errors="replace",
        timeout=120,
        check=False,
    )


def test_coverage_leads_to_what_is_of_use_and_it_is_kept(tmp_path: Path) -> None:
    done = guided("filter", tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert int(told(done.stderr, "number_of_executed_units")) >= 300
    assert len(list((tmp_path / "corpus" / "filter").iterdir())) > 3
    assert list((tmp_path / "failed").iterdir()) == []


def test_a_run_that_is_led_by_coverage_ends_at_what_fails_and_keeps_it(tmp_path: Path) -> None:
    # The modules are imported anew, but not the library that reads a filter.
    breaks = "import json; real = json.loads; json.loads = lambda data: 1 // 0 if isinstance(data, bytes) else real(data)\n"
    done = guided("filter", tmp_path, breaks)
    assert done.returncode != 0
    assert "ZeroDivisionError" in done.stdout + done.stderr
    assert [path.name.startswith("filter-crash-") for path in (tmp_path / "failed").iterdir()] == [True]


def test_an_input_is_told_by_its_number() -> None:
    for target in TARGETS:
        assert made(target, 5) == made(target, 5)
        assert len({made(target, number) for number in range(20)}) > 10


def test_the_samples_are_those_of_the_tests_and_the_seeds() -> None:
    assert any(b"liveBlogUpdate" in sample for sample in literals("test_readers_html.py"))
    assert len(seeds()) == 1
    assert "Que s’est-il passé hier ?".encode() in questions()
