"""`make capacity` comes to its end, and measures arrivals where it is given an index."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.bench import synthesise
from index.ingest import ingest
from index.search import Searcher
from tests.bench import measure_capacity

PARENT = Path(__file__).parent.parent


def test_every_part_is_measured_and_what_is_left_out_is_named() -> None:
    command = [sys.executable, "-m", "tests.bench.measure_capacity", "--size", "0", "--passages", "300"]
    said = subprocess.run(command, cwd=PARENT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert [line[:2] for line in said.splitlines() if not line.startswith(" ")] == ["2.", "3.", "4.", "5."]
    assert "left out: no index of them was given with --real" in said


def test_arrivals_are_measured_among_real_passages(tmp_path: Path) -> None:
    page, index = tmp_path / "page.txt", tmp_path / "index"
    page.write_text(
        "".join(f"{10 + n // 60}h{n % 60:02} : Le convoi {n} a quitté le port de la ville.\n\n" for n in range(200))
    )
    ingest([page], index, HashingEncoder())
    command = [sys.executable, "-m", "tests.bench.measure_arrivals", str(index), "--seconds", "4", "--rate", "5"]
    said = subprocess.run(command, cwd=PARENT, capture_output=True, text=True, timeout=120, check=True).stdout
    figures = dict(line.rsplit(": ", 1) for line in said.splitlines() if ": " in line)
    assert float(figures["searches"]) > 0
    assert 0 < float(figures["insert to visible, p50, s"]) < 60


def test_what_is_never_found_ends_the_measuring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(measure_capacity, "PATIENCE", 0.05)
    synthesise(tmp_path, measure_capacity.ENCODER, 20)
    with Searcher(tmp_path, measure_capacity.ENCODER) as searcher:
        nothing = replace(searcher.search("Qui a parlé ?"), hits=())
        monkeypatch.setattr(searcher, "search", lambda *_, **__: nothing)
        with pytest.raises(SystemExit, match=r"was not found within 0\.05 s"):
            measure_capacity.arrival(tmp_path, searcher, 20)
