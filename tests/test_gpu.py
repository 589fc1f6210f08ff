"""How a GPU is kept busy. A CPU stands in for it, whose vectors are the same; what only a GPU shows is skipped without one."""

import logging
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from embed import EmbedError, Encoder, load, models, sentence
from embed.encoder import Reading
from embed.gpu import Pipeline, best_precision
from embed.models import KnownModel
from embed.sample import sample_texts
from embed.sentence import SentenceEncoder

TEXTS = [
    "le drone",
    "",
    "Le Kremlin a dit : \u00ab Oui \u00bb \U0001f642",
    "a\x00b \ud800 c",
    "mot " * 300,
    *sample_texts(20, seed=3),
    "la mot",
]
SPANS = [[match.span() for match in re.finditer(r"\w+", text)] for text in TEXTS]


@pytest.fixture(scope="module")
def plain(small_model: Path) -> SentenceEncoder:
    """The small model as sentence-transformers runs it."""
    return SentenceEncoder(small_model, "small", KnownModel("query: ", "passage: "), "1", "cpu")


class Watched:
    """A model that notes the shapes of its batches, and has no memory for more than `room` tokens."""

    def __init__(self, model: Any, room: int = 10**9) -> None:
        self.shapes: list[tuple[int, int]] = []
        self.room = room
        self._model = model

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def __call__(self, features: dict[str, torch.Tensor]) -> Any:
        rows, columns = features["input_ids"].shape
        if rows * columns > self.room:
            raise torch.OutOfMemoryError("CUDA out of memory")
        self.shapes.append((rows, columns))
        return self._model(features)


def assert_same(found: list[Reading], expected: list[Reading]) -> None:
    for one, other in zip(found, expected, strict=True):
        assert one.vector == pytest.approx(other.vector, abs=1e-5)
        assert one.words == pytest.approx(other.words, abs=1e-4)


@pytest.mark.parametrize(("budget", "group"), [(65_536, 100_000), (70, 100_000), (128, 300), (1, 1)])
def test_vectors_and_words_are_those_of_sentence_transformers(
    plain: SentenceEncoder, monkeypatch: pytest.MonkeyPatch, budget: int, group: int
) -> None:
    model = Watched(plain.model)
    pipeline = Pipeline(model, 64, budget, group)
    monkeypatch.setattr(plain, "_pipeline", None)
    expected = (plain.encode_passages(TEXTS), plain.read_passages(TEXTS, SPANS), plain.read_queries(TEXTS, SPANS))
    monkeypatch.setattr(plain, "_pipeline", pipeline)
    assert plain.encode_passages(TEXTS) == pytest.approx(expected[0], abs=1e-5)
    assert_same(plain.read_passages(TEXTS, SPANS), expected[1])
    assert_same(plain.read_queries(TEXTS, SPANS), expected[2])
    assert all(rows * columns <= budget or rows == 1 for rows, columns in model.shapes)
    assert max(columns for _, columns in model.shapes) == 64


def test_no_texts_are_no_vectors(plain: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_pipeline", Pipeline(plain.model, 64))
    assert plain.encode_passages([]).shape == (0, 32)
    assert plain.read_passages([], []) == []


@settings(deadline=None, max_examples=30)
@given(texts=st.lists(st.text(max_size=40), max_size=12))
def test_any_text_has_its_own_vector(plain: SentenceEncoder, texts: list[str]) -> None:
    pipeline = Pipeline(plain.model, 64, 50)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plain, "_pipeline", pipeline)
        together = plain.encode_passages(texts)
    for text, row in zip(texts, together, strict=True):
        assert row == pytest.approx(plain.encode_passages([text])[0], abs=1e-5)


def test_a_gpu_without_enough_memory_is_given_smaller_batches(
    plain: SentenceEncoder, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    expected = plain.read_passages(TEXTS, SPANS)
    model = Watched(plain.model, room=200)
    monkeypatch.setattr(plain, "_pipeline", Pipeline(model, 64, 1600))
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        assert_same(plain.read_passages(TEXTS, SPANS), expected)
    assert all(rows * columns <= 200 for rows, columns in model.shapes)
    assert caplog.messages
    assert all(message.startswith("the memory of the GPU is not enough; going on with ") for message in caplog.messages)
    # What was learnt is not learnt again.
    caplog.clear()
    assert_same(plain.read_passages(TEXTS, SPANS), expected)
    assert caplog.messages == []


def test_a_gpu_without_memory_for_one_text_is_an_error(plain: SentenceEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "_pipeline", Pipeline(Watched(plain.model, room=3), 64))
    for work in (lambda: plain.encode_passages(TEXTS), lambda: plain.read_passages(TEXTS, SPANS)):
        with pytest.raises(EmbedError, match=r"^the memory of the GPU is not enough for one text; set device to cpu$"):
            work()


# How it is chosen


@pytest.fixture
def as_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the CPU for a GPU, but for the copying."""
    monkeypatch.setattr(sentence, "is_gpu", lambda device: True)
    monkeypatch.setattr(sentence, "best_precision", lambda device: "bfloat16")


@pytest.mark.usefixtures("as_gpu")
def test_a_gpu_runs_in_half_precision_which_counts_as_the_same_model(small_model: Path, plain: SentenceEncoder) -> None:
    fast = SentenceEncoder(small_model, "small", KnownModel("query: ", "passage: "), "1", "cpu")
    assert (fast.card.precision, fast.card.fingerprint) == ("bfloat16", plain.card.fingerprint)
    assert next(fast.model.parameters()).dtype == torch.bfloat16
    ours, theirs = fast.encode_passages(TEXTS), plain.encode_passages(TEXTS)
    assert ours.dtype == np.float32
    assert np.linalg.norm(ours, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)
    assert (ours * theirs).sum(axis=1).min() > 0.995
    # And is not float32 after all.
    assert not np.array_equal(ours, theirs)
    assert [one.words.shape for one in fast.read_passages(TEXTS, SPANS)] == [(len(some), 32) for some in SPANS]


@pytest.mark.usefixtures("as_gpu")
@pytest.mark.parametrize(
    ("agreeing", "precision", "told"),
    [
        ([False], "float32", "running 'small' as sentence-transformers does, since batches of ours give other vectors"),
        ([True, False], "float32", "running 'small' in float32, since its vectors are others in bfloat16"),
        ([True, True], "bfloat16", None),
    ],
)
def test_a_faster_way_that_gives_other_vectors_is_not_taken(
    small_model: Path,
    plain: SentenceEncoder,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    agreeing: list[bool],
    precision: str,
    told: str | None,
) -> None:
    monkeypatch.setattr(sentence, "_agree", lambda *_: agreeing.pop(0))
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        encoder = SentenceEncoder(small_model, "small", KnownModel("query: ", "passage: "), "1", "cpu")
    assert encoder.card.precision == precision
    assert caplog.messages == ([told] if told else [])
    if told:
        assert encoder.encode_passages(TEXTS) == pytest.approx(plain.encode_passages(TEXTS), abs=1e-5)


@pytest.mark.usefixtures("as_gpu")
def test_a_model_of_another_kind_runs_as_ever(static_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        encoder = load(str(static_model), "torch")
    reason = "its tokenizer has no fast form, or pads on the left"
    assert caplog.messages == [f"running 'static-model' as sentence-transformers does, since {reason}"]
    assert encoder.card.precision == "float32"
    assert encoder.encode_passages(["le drone"]).shape == (1, 16)


@pytest.mark.parametrize(
    ("bfloat16", "capability", "expected"),
    [(True, (9, 0), "bfloat16"), (False, (7, 5), "float16"), (False, (7, 0), "float16"), (False, (6, 1), "float32")],
)
def test_the_precision_follows_the_gpu(
    monkeypatch: pytest.MonkeyPatch, bfloat16: bool, capability: tuple[int, int], expected: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation: bfloat16)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert best_precision("cuda:0") == expected
    assert best_precision("cpu") == "float32"


@pytest.mark.parametrize(
    ("system", "torch_sees", "precision", "device", "told"),
    [
        (True, True, None, "cuda", []),
        (True, True, "bfloat16", "cuda", []),
        (True, False, None, "cpu", ["running on the CPU: there is a GPU, but torch is a build without it"]),
        # An index of 8-bit vectors is asked in 8 bits.
        (True, True, "int8", "cpu", []),
        (False, False, None, "cpu", []),
    ],
)
def test_a_gpu_is_used_when_torch_sees_it(
    small_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    system: bool,
    torch_sees: bool,
    precision: str | None,
    device: str,
    told: list[str],
) -> None:
    chosen = []

    def on(name: str) -> Any:
        def open_(source: models.Source, *_: Any) -> Encoder:
            chosen.append(name)
            return load("hashing")

        return open_

    monkeypatch.setattr(models, "has_gpu", lambda: system)
    monkeypatch.setattr(sentence, "sees_gpu", lambda: torch_sees)
    monkeypatch.setattr(models, "_with_torch", on("cuda"))
    monkeypatch.setattr(models, "_compiled", on("cpu"))
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        load(str(small_model), None, tmp_path, precision)
    assert chosen == [device]
    assert caplog.messages == told


# What only a GPU can show

REAL = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU that torch sees")


@REAL
def test_a_real_gpu_is_found_and_gives_the_vectors_of_the_processor(
    small_model: Path, plain: SentenceEncoder, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, "filrouge.embed"):
        encoder = load(str(small_model), cache=tmp_path)
    assert isinstance(encoder, SentenceEncoder)
    assert encoder.device.startswith("cuda")
    assert encoder.card.precision == best_precision(encoder.device)
    assert caplog.messages == []
    bare = SentenceEncoder(small_model, "small", KnownModel(), "1", "cpu")
    assert (encoder.encode_passages(TEXTS) * bare.encode_passages(TEXTS)).sum(axis=1).min() > 0.995
    for ours, theirs in zip(encoder.read_passages(TEXTS, SPANS), bare.read_passages(TEXTS, SPANS), strict=True):
        assert ours.vector @ theirs.vector > 0.995
        assert ours.words == pytest.approx(theirs.words, abs=0.05 * float(np.abs(theirs.words).max(initial=1)))


@REAL
def test_a_real_gpu_is_asked_by_many_threads(small_model: Path) -> None:
    encoder = SentenceEncoder(small_model, "small", KnownModel(), "1", "cuda")
    expected, readings = encoder.encode_passages(TEXTS), encoder.read_passages(TEXTS, SPANS)
    with ThreadPoolExecutor(4) as pool:
        encoded = [pool.submit(encoder.encode_passages, TEXTS) for _ in range(10)]
        read = [pool.submit(encoder.read_passages, TEXTS, SPANS) for _ in range(10)]
        for vectors in encoded:
            assert vectors.result() == pytest.approx(expected, abs=1e-5)
        for some in read:
            assert_same(some.result(), readings)


@REAL
def test_the_memory_of_a_real_gpu_is_not_enough(small_model: Path, caplog: pytest.LogCaptureFixture) -> None:
    encoder = SentenceEncoder(small_model, "small", KnownModel(), "1", "cuda")
    texts = sample_texts(4000, seed=5)
    expected = encoder.encode_passages(texts)
    torch.cuda.empty_cache()
    # Of which a batch as large as fills a GPU needs more, and a smaller one does not.
    allowed = torch.cuda.memory_reserved() + 8 * 2**20
    torch.cuda.set_per_process_memory_fraction(allowed / torch.cuda.get_device_properties(0).total_memory)
    try:
        with caplog.at_level(logging.WARNING, "filrouge.embed"):
            found = encoder.encode_passages(texts)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert caplog.messages
    assert all(message.startswith("the memory of the GPU is not enough; going on with ") for message in caplog.messages)
    assert (found * expected).sum(axis=1).min() > 0.999
