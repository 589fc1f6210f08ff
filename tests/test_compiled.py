"""The exported model gives the vectors of torch, alone and among others, from many threads, without torch."""

import subprocess
import sys
import threading
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from embed import Encoder, models
from embed.bundled import default_cache
from embed.compiled import CompiledEncoder
from embed.encoder import Reading, Vectors
from embed.export import LEAST_COSINE
from embed.packing import Batch
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
def torch_encoder() -> SentenceEncoder:
    """The same weights run by torch."""
    source = models.find(models.DEFAULT_MODEL, default_cache())
    return SentenceEncoder(source.path, source.name, source.known, source.revision, "cpu")


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
    exported_folder: Path, lane: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = CompiledEncoder(exported_folder, threads=2)
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
def test_loading_and_asking_never_imports_torch(exported_folder: Path) -> None:
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
def test_a_signal_is_taken_after_another_thread_has_let_go_of_a_model(exported_folder: Path) -> None:
    done = subprocess.run([sys.executable, "-c", _ALARM, str(exported_folder)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "rung\n"), done.stderr
