"""The exported model gives the vectors of torch, from many threads, and damage to it is told apart."""

import logging
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed import Encoder, WeightsDamaged, load, models
from embed.bundled import default_cache
from embed.compiled import CompiledEncoder
from embed.encoder import Reading, Vectors
from embed.errors import CannotExport
from embed.export import LEAST_COSINE, exported
from embed.lanes import Lane
from embed.packing import Batch
from embed.precision import best_precision
from embed.sample import sample_texts
from embed.sentence import SentenceEncoder
from index.space import word_spans

TEXTS = [
    "La Pologne a commencé à entraîner des pilotes ukrainiens sur des avions F16.",
    "",
    "« Oui », dit-il 🙂 — e\u0301te\u0301.",
    "a\x00b \ud800 c",
    *sample_texts(40, seed=3),
    "mot " * 3000,
]


@pytest.fixture(scope="module")
def folder() -> Path:
    """The default model's export, as `load` makes and finds it."""
    source = models.find(models.DEFAULT_MODEL, default_cache())
    return exported(source, best_precision(), default_cache())


@pytest.fixture(scope="module")
def torch_encoder() -> SentenceEncoder:
    """The same weights run by torch."""
    source = models.find(models.DEFAULT_MODEL, default_cache())
    return SentenceEncoder(source.path, source.name, source.known, source.revision, "cpu")


@pytest.fixture
def copy(folder: Path, tmp_path: Path) -> Callable[[], Path]:
    """A copy of the export, to be spoilt."""

    def make() -> Path:
        return Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("compiled")))

    return make


@pytest.mark.model
def test_the_exported_model_gives_the_vectors_of_torch(model: Encoder, torch_encoder: SentenceEncoder) -> None:
    texts = sample_texts(40, seed=3)
    cosines = (model.encode_passages(texts) * torch_encoder.encode_passages(texts)).sum(axis=1)
    assert cosines.min() >= LEAST_COSINE[model.card.precision]
    assert cosines.mean() >= 0.998
    # Nothing, and one word a thousand times, are far from every text that the model was calibrated with.
    assert (model.encode_passages(TEXTS) * torch_encoder.encode_passages(TEXTS)).sum(axis=1).min() >= 0.9
    questions = ["Qui ?", "Who is training pilots?"]
    assert (model.encode_queries(questions) * torch_encoder.encode_queries(questions)).sum(axis=1).min() >= 0.99
    assert model.count_tokens(TEXTS) == torch_encoder.count_tokens(TEXTS)
    assert replace(model.card, precision="float32") == torch_encoder.card


SPANS = [word_spans(text) for text in TEXTS]
LEAST_OF_WORDS = {"int8": 0.9, "bfloat16": 0.99, "float32": 0.9999}
"""Cosine of a word's row to torch's: a state is less than a vector, which is the mean of all states of its text."""


def cosines(some: list[Reading], others: list[Reading]) -> Vectors:
    """Of the words, one after the other."""
    a, b = (np.concatenate([one.words for one in readings]) for readings in (some, others))
    assert np.array_equal(a.any(axis=1), b.any(axis=1))
    a, b = a[a.any(axis=1)], b[b.any(axis=1)]
    found: Vectors = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
    return found


@pytest.mark.model
def test_the_exported_model_gives_the_words_of_torch(model: Encoder, torch_encoder: SentenceEncoder) -> None:
    texts = sample_texts(40, seed=3)
    spans = [word_spans(text) for text in texts]
    for read in ("read_passages", "read_queries"):
        ours, torchs = (getattr(encoder, read)(texts, spans) for encoder in (model, torch_encoder))
        found = cosines(ours, torchs)
        assert len(found) == sum(map(len, spans)) > 2000
        assert found.min() >= LEAST_OF_WORDS[model.card.precision]
    # As many are seen of the longest as well.
    ours, torchs = model.read_passages(TEXTS, SPANS), torch_encoder.read_passages(TEXTS, SPANS)
    assert [one.words.any(axis=1).sum() for one in ours] == [one.words.any(axis=1).sum() for one in torchs]
    assert 400 < ours[-1].words.any(axis=1).sum() < model.card.token_limit < len(SPANS[-1])


@pytest.mark.model
def test_the_words_of_a_text_are_the_same_alone_and_among_others(model: Encoder) -> None:
    together = model.read_passages(TEXTS, SPANS)
    alone = [model.read_passages([text], [spans])[0] for text, spans in zip(TEXTS, SPANS, strict=True)]
    assert cosines(together, alone).min() >= 0.999
    assert [one.words.shape for one in together] == [(len(spans), 384) for spans in SPANS]


@pytest.mark.model
def test_more_texts_than_a_group_holds_have_their_own_words(model: Encoder) -> None:
    texts = [f"drone {number} {'la ' * (number * 7 % 13)}" for number in range(300)]
    spans = [word_spans(text) for text in texts]
    readings = model.read_passages(texts, spans)
    assert np.array_equal(np.stack([one.vector for one in readings]), model.encode_passages(texts))
    for number in (0, 255, 256, 299):
        assert (
            cosines(
                readings[number : number + 1], model.read_passages(texts[number : number + 1], spans[number : number + 1])
            ).min()
            >= 0.999
        )


@pytest.mark.model
def test_a_text_has_the_same_vector_alone_and_among_others(model: Encoder) -> None:
    together = model.encode_passages(TEXTS)
    alone = np.concatenate([model.encode_passages([text]) for text in TEXTS])
    assert (together * alone).sum(axis=1).min() >= 0.999


@pytest.mark.model
@pytest.mark.parametrize("lane", ["encode", "MainThread"])
def test_what_fails_in_one_lane_fails_the_call_and_nothing_else(
    folder: Path, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = CompiledEncoder(folder, threads=2)
    texts = sample_texts(200, seed=4)
    expected = encoder.encode_passages(texts)
    computed: list[int] = []
    inferred = encoder._inferred

    def failing(batch: Batch) -> AbstractContextManager[tuple[Vectors, Vectors]]:
        if computed and threading.current_thread().name.startswith(lane):
            raise RuntimeError("no memory is left")
        computed.extend(batch.places)
        return inferred(batch)

    monkeypatch.setattr(encoder, "_inferred", failing)
    with pytest.raises(RuntimeError, match="no memory is left"):
        encoder.encode_passages(texts)
    # The other lane has not gone on for long.
    assert 0 < len(computed) < 100
    monkeypatch.undo()
    assert np.allclose(encoder.encode_passages(texts), expected, atol=1e-5)


@pytest.mark.model
def test_many_threads_get_their_own_vectors_and_words(model: Encoder) -> None:
    expected = {text: model.read_query(text, spans) for text, spans in zip(TEXTS[:20], SPANS[:20], strict=True)}
    wrong: list[str] = []

    def ask(text: str) -> None:
        for _ in range(5):
            found = model.read_query(text, word_spans(text))
            if not np.allclose(found.vector, expected[text].vector, atol=1e-5):
                wrong.append(text)
            if not np.allclose(found.words, expected[text].words, atol=1e-4):
                wrong.append(text)

    threads = [threading.Thread(target=ask, args=(text,)) for text in expected]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.model
def test_loading_and_asking_never_imports_torch(folder: Path) -> None:
    code = "import sys; from embed import load; load().encode_query('bonjour'); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


_ALARM = """
import gc, signal, sys, threading, time
from pathlib import Path
from embed.compiled import CompiledEncoder
held = [CompiledEncoder(Path(sys.argv[1]))]
def forget():
    held.clear()
    gc.collect()
thread = threading.Thread(target=forget)
thread.start()
thread.join()
signal.signal(signal.SIGALRM, lambda *_: print("rung"))
signal.setitimer(signal.ITIMER_REAL, 0.01)
time.sleep(0.1)
"""


@pytest.mark.model
def test_a_signal_is_taken_after_another_thread_has_let_go_of_a_model(folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _ALARM, str(folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "rung\n"), done.stderr


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
def test_a_damaged_export_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    made: list[str] = []

    def again(source: models.Source, precision: str, cache: Path) -> Path:
        target = cache / "compiled" / "it"
        if not target.is_dir():
            made.append(precision)
            shutil.copytree(folder, target)
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
    assert cosines([found], [expected]) == pytest.approx(np.ones(2), abs=1e-4)


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
def test_what_the_runtime_sees_to_be_damaged_it_compiles_again(folder: Path, tmp_path: Path, part: str) -> None:
    spoilt = Path(shutil.copytree(folder, tmp_path / "copy"))
    right = CompiledEncoder(spoilt).encode_query("le Kremlin")
    spoil(
        spoilt,
        lambda data, noise: {"head": noise[:4096] + data[4096:], "all": noise, "none": b""}[part],
    )
    assert CompiledEncoder(spoilt).encode_query("le Kremlin") @ right > 0.999


@pytest.mark.model
def test_what_the_runtime_does_not_see_is_found_by_its_vectors(folder: Path, tmp_path: Path) -> None:
    whole = Path(shutil.copytree(folder, tmp_path / "copy", ignore=shutil.ignore_patterns("compiled")))
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
def test_each_model_that_was_compiled_is_looked_at(folder: Path, which: int, monkeypatch: pytest.MonkeyPatch) -> None:
    computed = CompiledEncoder._computed

    def spoilt(self: CompiledEncoder, lane: Lane, batch: Batch) -> tuple[Vectors, Vectors]:
        vectors, states = computed(self, lane, batch)
        return (-vectors if lane.model == which else vectors), states

    monkeypatch.setattr(CompiledEncoder, "_computed", spoilt)
    with pytest.raises(WeightsDamaged, match=r"its vectors have changed$"):
        CompiledEncoder(folder, threads=3)


def test_an_unwritable_cache_is_one_sentence(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    source = models.Source(tmp_path, "demo", models.KnownModel(), "1")
    with pytest.raises(CannotExport, match="cannot write"):
        exported(source, "float32", blocked)
