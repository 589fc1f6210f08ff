"""An export is made once, whole or not at all, and told apart when it is damaged."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import filelock
import numpy as np
import pytest

from embed import WeightsDamaged, load, models
from embed.bundled import default_cache
from embed.compiled import CompiledEncoder
from embed.encoder import Vectors
from embed.errors import CannotExport
from embed.export import exported
from embed.lanes import Lane
from embed.packing import Batch
from embed.precision import best_precision
from embed.sentence import SentenceEncoder


@pytest.fixture
def copy(exported_folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the export, to be spoilt."""

    def make() -> Path:
        return Path(shutil.copytree(exported_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("compiled")))

    return make


@pytest.mark.model
@pytest.mark.parametrize(
    "name", ["model.bin", "model.xml", "words.npy", "tokenizer.json", "pieces.npy", "pieces.bin", "card.json", "probe.npy"]
)
@pytest.mark.parametrize("damage", ["empty", "cut", "noise", "missing"])
def test_a_damaged_export_is_told_apart(copy: Callable[[], Path], name: str, damage: str) -> None:
    spoilt = copy()
    data = (spoilt / name).read_bytes()
    noise = np.random.default_rng(1).integers(0, 256, len(data), dtype=np.uint8).tobytes()
    (spoilt / name).write_bytes({"empty": b"", "cut": data[: len(data) // 2], "noise": noise, "missing": b""}[damage])
    if damage == "missing":
        (spoilt / name).unlink()
    with pytest.raises(WeightsDamaged, match=r"the exported model in .* is damaged"):
        CompiledEncoder(spoilt)


@pytest.mark.model
def test_a_damaged_export_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exported_folder: Path) -> None:
    made: list[str] = []

    def again(source: models.Source, precision: str, cache: Path) -> Path:
        target = cache / "compiled" / "it"
        if not target.is_dir():
            made.append(precision)
            shutil.copytree(exported_folder, target)
            if len(made) == 1:
                (target / "tokenizer.json").write_bytes(b"{")
        return target

    monkeypatch.setattr("embed.export.exported", again)
    source = models.find(models.DEFAULT_MODEL, default_cache())
    encoder = models._compiled(source, best_precision(), tmp_path)
    assert encoder.encode_query("oui").shape == (384,)
    assert len(made) == 2


@pytest.mark.model
def test_another_model_is_exported_and_found_again(small_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    cache = tmp_path / "cache"
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        first = load(str(small_model), "cpu", cache, "float32")
        second = load(str(small_model), "cpu", cache, "float32")
    assert isinstance(first, CompiledEncoder)
    assert first.card == second.card == replace(load(str(small_model), "torch").card, precision="float32")
    assert caplog.messages == ["preparing the model 'small-model' for this processor: once, about a minute"]
    assert np.array_equal(first.encode_query("le Kremlin"), second.encode_query("le Kremlin"))
    torch_encoder, spans = load(str(small_model), "torch"), [(0, 2), (3, 10), (3, 3)]
    found, expected = first.read_query("le Kremlin", spans), torch_encoder.read_query("le Kremlin", spans)
    assert found.vector == pytest.approx(expected.vector, abs=1e-3)
    # The third part is empty, and no token touches it.
    assert found.words.any(axis=1).tolist() == expected.words.any(axis=1).tolist() == [True, True, False]
    ours, torchs = (one.words[:2] / np.linalg.norm(one.words[:2], axis=1, keepdims=True) for one in (found, expected))
    assert (ours * torchs).sum(axis=1) == pytest.approx(np.ones(2), abs=1e-4)


def test_a_model_that_cannot_be_exported_runs_with_torch_and_is_tried_once(
    static_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for attempt in ("tried", "remembered"):
        caplog.clear()
        with caplog.at_level(logging.WARNING, "filrouge.embed"):
            encoder = load(str(static_model), "cpu", tmp_path)
        assert isinstance(encoder, SentenceEncoder)
        reason = "CannotExport: its tokenizer has no fast form"
        refusal = f"running '{static_model.name}' with torch, since it cannot be exported: {reason}"
        expected = [f"preparing the model '{static_model.name}' for this processor: once, about a minute", refusal]
        assert caplog.messages == (expected if attempt == "tried" else expected[1:])


LOAD = """
import sys
from embed import load
encoder = load(sys.argv[1], "cpu", __import__("pathlib").Path(sys.argv[2]), "float32")
print(type(encoder).__name__, encoder.encode_query("le Kremlin").tobytes().hex())
"""


def exporting(model: Path, cache: Path) -> subprocess.Popen[str]:
    """A process that exports a model and asks it something, in a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", LOAD, str(model), str(cache)],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=Path(__file__).parent.parent,
        start_new_session=True,
    )


def test_two_processes_that_export_at_once_both_get_the_model(small_model: Path, tmp_path: Path) -> None:
    both = [exporting(small_model, tmp_path) for _ in range(2)]
    told = [process.communicate(timeout=300)[0] for process in both]
    assert told[0] == told[1]
    assert told[0].startswith("CompiledEncoder ")
    # One export, and nothing of the other.
    assert len(list((tmp_path / "compiled").iterdir())) == 1


def test_processes_that_open_at_once_what_nobody_has_compiled_yet_all_get_it(small_model: Path, tmp_path: Path) -> None:
    whole = load(str(small_model), "cpu", tmp_path, "float32")
    assert isinstance(whole, CompiledEncoder)
    right = f"CompiledEncoder {whole.encode_query('le Kremlin').tobytes().hex()}\n"
    # Without turns, one in five read what another was writing: they ended by SIGBUS, or with half of the weights.
    for _ in range(3):
        shutil.rmtree(whole.folder / "compiled")
        opening = [exporting(small_model, tmp_path) for _ in range(4)]
        assert [(process.communicate(timeout=120)[0], process.returncode) for process in opening] == [(right, 0)] * 4


def test_who_waits_long_for_another_process_says_so(
    small_model: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(models, "_PATIENCE", 0.05)
    waited = "waiting for another process, which prepares a model for this processor"
    with ThreadPoolExecutor(1) as pool, caplog.at_level(logging.WARNING, "filrouge.embed"):
        with filelock.FileLock(tmp_path / "compiled.lock"):
            loading = pool.submit(load, str(small_model), "cpu", tmp_path, "float32")
            while waited not in caplog.messages:
                assert not loading.done()
                time.sleep(0.01)
            assert not (tmp_path / "compiled").exists()
        assert isinstance(loading.result(120), CompiledEncoder)


def test_a_cache_without_a_lock_is_read_all_the_same(small_model: Path, tmp_path: Path) -> None:
    whole = load(str(small_model), "cpu", tmp_path, "float32")
    (tmp_path / "compiled.lock").unlink()
    # Nobody can open this one.
    (tmp_path / "compiled.lock").mkdir()
    again = load(str(small_model), "cpu", tmp_path, "float32")
    assert isinstance(again, CompiledEncoder)
    assert np.array_equal(again.encode_query("le Kremlin"), whole.encode_query("le Kremlin"))


def test_a_process_killed_while_it_exports_leaves_nothing_that_looks_made(small_model: Path, tmp_path: Path) -> None:
    process = exporting(small_model, tmp_path)
    while process.poll() is None and not list(tmp_path.glob("compiled/.*/*")):
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate(timeout=60)
    left = list((tmp_path / "compiled").iterdir())
    assert [path.name[0] for path in left] == ["."]
    os.utime(left[0], (0, 0))
    whole = load(str(small_model), "cpu", tmp_path, "float32")
    assert isinstance(whole, CompiledEncoder)
    assert list((tmp_path / "compiled").iterdir()) == [whole.folder]
    # What somebody deleted in part is made again, and not taken for one that is being made.
    (whole.folder / "card.json").unlink()
    again = load(str(small_model), "cpu", tmp_path, "float32")
    assert isinstance(again, CompiledEncoder)
    assert np.array_equal(again.encode_query("le Kremlin"), whole.encode_query("le Kremlin"))


def spoil(folder: Path, change: Callable[[bytes, bytes], bytes]) -> None:
    """Put `change` of the bytes and of as much noise in the place of everything that the runtime has compiled."""
    for blob in (folder / "compiled").glob("*.blob"):
        data = blob.read_bytes()
        blob.write_bytes(change(data, np.random.default_rng(1).bytes(len(data))))


@pytest.mark.model
@pytest.mark.parametrize("part", ["head", "all", "none"])
def test_what_the_runtime_sees_to_be_damaged_it_compiles_again(exported_folder: Path, tmp_path: Path, part: str) -> None:
    spoilt = Path(shutil.copytree(exported_folder, tmp_path / "copy"))
    right = CompiledEncoder(spoilt).encode_query("le Kremlin")
    spoil(
        spoilt,
        lambda data, noise: {"head": noise[:4096] + data[4096:], "all": noise, "none": b""}[part],
    )
    assert CompiledEncoder(spoilt).encode_query("le Kremlin") @ right > 0.999


@pytest.mark.model
def test_what_the_runtime_does_not_see_is_found_by_its_vectors(exported_folder: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(exported_folder, tmp_path / "copy", ignore=shutil.ignore_patterns("compiled")))
    right = CompiledEncoder(whole).encode_query("le Kremlin")
    found = 0
    # What lies where is the runtime's affair: most of it is weights.
    for tenth in range(1, 10):
        spoilt = Path(shutil.copytree(whole, tmp_path / "again"))
        CompiledEncoder(spoilt)
        spoil(spoilt, lambda data, noise, at=tenth: noisy(data, noise, len(data) * at // 10))  # type: ignore[misc]
        try:
            assert CompiledEncoder(spoilt).encode_query("le Kremlin") @ right > 0.999
        except WeightsDamaged:
            found += 1
        shutil.rmtree(spoilt)
    assert found >= 3


def noisy(data: bytes, noise: bytes, at: int) -> bytes:
    """The data with some noise from a place on."""
    return data[:at] + noise[at : at + 65_536] + data[at + 65_536 :]


@pytest.mark.model
@pytest.mark.parametrize("which", [0, 1])
def test_each_model_that_was_compiled_is_looked_at(exported_folder: Path, which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = CompiledEncoder._computed

    def spoilt(self: CompiledEncoder, lane: Lane, batch: Batch) -> tuple[Vectors, Vectors]:
        vectors, states = computed(self, lane, batch)
        return (-vectors if lane.model == which else vectors), states

    monkeypatch.setattr(CompiledEncoder, "_computed", spoilt)
    with pytest.raises(WeightsDamaged, match=r"its vectors have changed$"):
        CompiledEncoder(exported_folder, threads=3)


def test_an_unwritable_cache_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    source = models.Source(tmp_path, "demo", models.KnownModel(), "1")
    with pytest.raises(CannotExport, match="cannot write"):
        exported(source, "float32", blocked)
