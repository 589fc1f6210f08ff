"""Embedding beside sentence-transformers' own `encode`, in one run on the same texts.

Repetitions of ours and the rival's take turns, so that a busy moment of the machine falls on both, and the best of each
counts, since noise only ever adds. Figures of one run compare; those of two do not.
"""

import copy
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from embed.batching import BatchingEncoder
from embed.encoder import Encoder, ModelCard, Vectors
from embed.gpu import is_gpu
from embed.sample import sample_texts

QUESTION = "Qui a revendiqué l’attaque du dépôt de carburant ?"
_CLIENTS = 16
_ROUNDS, _ALONE, _TOGETHER = 6, 30, 480
"""Questions of a round, asked one after the other, and by all clients."""
_LENGTHS = {20: (1,), 80: (3, 4), 400: (17,)}
"""Tokens, about -> sentences of the sample texts."""
_TEXTS = {20: 192, 80: 96, 400: 24}
_ON_GPU = 64
"""So many times as many texts, which a GPU is through with in about as long."""


@dataclass(frozen=True)
class Row:
    """One figure. `ratio` is how many times better ours is, whichever way the figure counts."""

    name: str
    ours: float
    rivals: float
    ratio: float


@dataclass(frozen=True)
class Comparison:
    """One benchmark."""

    what: str
    rival: str
    rows: list[Row]
    notes: list[str]


class Rival:
    """sentence-transformers' own `encode` with its defaults; the test encoder, which has no such rival, is its own.

    `encoder` has the model in float32. `device` is the GPU that ours runs on, where it does: there the rival computes in
    float16, as one would run it who is in a hurry.
    """

    def __init__(self, encoder: Encoder, device: str = "cpu") -> None:
        from embed.sentence import SentenceEncoder

        self.encoder = encoder
        self.model: Any = None
        self.name = f"{encoder.card.name} itself"
        if isinstance(encoder, SentenceEncoder):
            self.model = encoder.model
            self.name = "sentence-transformers encode"
            if is_gpu(device):
                self.model = copy.deepcopy(self.model).half().to(device)
                self.name += ", float16"

    @property
    def card(self) -> ModelCard:
        """Of the model that it runs."""
        return self.encoder.card

    def encode(self, texts: Sequence[str]) -> object:
        """As one who knows nothing of us would call it."""
        if self.model is None:
            return self.encoder.encode_passages(texts)
        return self.model.encode(list(texts), show_progress_bar=False)

    def encode_question(self, text: str) -> Vectors:
        """A question's vector, of shape (dimension,), as one would compute it who knows nothing of us."""
        if self.model is None:
            return self.encoder.encode_query(text)
        vector: Vectors = self.model.encode(text, show_progress_bar=False)
        return vector

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """With the prefix that ours has, for comparing vectors."""
        return self.encoder.encode_passages(texts)


def embedding(encoder: Encoder, rival: Rival) -> Comparison:
    """Passages of three lengths, one question, and questions of 16 clients at once; with what it costs in quality."""
    rows = []
    on_gpu = rival.model is not None and is_gpu(rival.model.device)
    theirs_in = "float16" if on_gpu else rival.card.precision
    notes = [f"filrouge: {encoder.card.name}, {encoder.card.precision}; rival: {theirs_in}, its defaults"]
    for length, sentences in _LENGTHS.items():
        texts = sample_texts(_TEXTS[length] * (_ON_GPU if on_gpu else 1), seed=length, lengths=sentences)
        tokens = sum(encoder.count_tokens(texts)) / len(texts)
        ours, theirs = alternate(lambda t=texts: encoder.encode_passages(t), lambda t=texts: rival.encode(t))  # type: ignore[misc]
        notes.append(f"{length} tokens: {len(texts)} passages of {tokens:.0f}")
        rows.append(Row(f"passages/s, {length} tokens", len(texts) / ours, len(texts) / theirs, theirs / ours))
        if length == 80:
            rows.append(Row("tokens/s", tokens * len(texts) / ours, tokens * len(texts) / theirs, theirs / ours))
            if rival.model is not None:
                notes.append(_share(rival.model, tokens * len(texts) / ours, tokens))
    rows.extend(_questions(encoder, rival))
    asked = encoder.count_tokens([encoder.card.query_prefix + _question(0)])[0]
    notes.append(f"a question has {asked} tokens, its prefix among them, and the model adds its own")
    texts = sample_texts(64, seed=7)
    cosines = (encoder.encode_passages(texts) * rival.encode_passages(texts)).sum(axis=1)
    notes.append(f"cosine to float32: mean {cosines.mean():.4f}, least {cosines.min():.4f}")
    return Comparison("embed", rival.name, rows, notes)


def _questions(encoder: Encoder, rival: Rival) -> list[Row]:
    """Of all rounds the best of each figure counts, ours and theirs alike."""
    # None is asked twice: it would be remembered.
    asked = map(_question, range(_ROUNDS * (_ALONE + _TOGETHER)))
    ours: list[dict[str, float]] = []
    theirs: list[dict[str, float]] = []
    loaded: list[dict[str, float]] = []
    for _ in range(_ROUNDS):
        # In turns of some length: torch's threads go on spinning for a while after each call, at the next one's expense.
        turn = [next(asked) for _ in range(_ALONE)]
        ours.append(_timed([_seconds(lambda q=question: encoder.encode_query(q)) for question in turn][1:]))  # type: ignore[misc]
        theirs.append(_timed([_seconds(lambda q=question: rival.encode([q])) for question in turn][1:]))  # type: ignore[misc]
        with BatchingEncoder(encoder) as together:
            took, waits = clients(together.encode_query, [next(asked) for _ in range(_TOGETHER)], _CLIENTS)
        loaded.append(_timed(waits) | {"mean": took / _TOGETHER})
    mine, its, many = ({name: min(one[name] for one in some) for name in some[0]} for some in (ours, theirs, loaded))
    rows = [
        Row(f"one question, {name}, ms", mine[name] * 1000, its[name] * 1000, its[name] / mine[name]) for name in ("p50", "p99")
    ]
    name = f"questions/s, {_CLIENTS} clients"
    rows.append(Row(f"{name}; beside ours one at a time", 1 / many["mean"], 1 / mine["mean"], mine["mean"] / many["mean"]))
    rows.append(Row(f"{name}; beside the rival one at a time", 1 / many["mean"], 1 / its["mean"], its["mean"] / many["mean"]))
    p99, p50 = many["p99"], mine["p50"]
    rows.append(Row(f"p99 with {_CLIENTS} clients, ms; beside p50 of one", p99 * 1000, p50 * 1000, p50 / p99))
    return rows


def _question(number: int) -> str:
    return f"Qui a revendiqué {1000 + number} ?"


def _timed(seconds: Sequence[float]) -> dict[str, float]:
    """The mean of some times, their median, and what one in a hundred exceeds."""
    return {
        "mean": float(np.mean(seconds)),
        "p50": float(np.percentile(seconds, 50)),
        "p99": float(np.percentile(seconds, 99)),
    }


def clients(ask: Callable[[str], object], questions: Sequence[str], count: int) -> tuple[float, list[float]]:
    """Have `count` threads ask the questions, each the next one when it has its answer: seconds in all, and of each."""
    waits: list[float] = []
    left = iter(questions)
    lock = threading.Lock()

    def client() -> None:
        while True:
            with lock:
                question = next(left, None)
            if question is None:
                return
            began = time.perf_counter()
            ask(question)
            waits.append(time.perf_counter() - began)

    threads = [threading.Thread(target=client) for _ in range(count)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, waits


def _share(model: Any, tokens_per_second: float, tokens: float) -> str:
    """How much of what the device can multiply is used, from the model's own shape."""
    from embed.sentence import product_rates

    config = model[0].auto_model.config
    hidden, layers, inner = config.hidden_size, config.num_hidden_layers, config.intermediate_size
    # Multiplications and additions of a token: four square products, two of the feed-forward part, and attention.
    operations = 2 * layers * (4 * hidden * hidden + 2 * hidden * inner + 2 * tokens * hidden)
    used = operations * tokens_per_second / 1e9
    limits = product_rates(32_768 if is_gpu(model.device) else 640, hidden, inner, str(model.device))
    told = ", ".join(f"{used / limit:.0%} of {name} ({limit:.0f})" for name, limit in limits.items())
    return f"{used:.0f} GOP/s at 80 tokens: {told} products as torch multiplies them here"


def processes(folder: Path, model: Any) -> list[Row]:
    """A whole process that imports, loads and encodes one question: the export in `folder`, beside sentence-transformers."""
    ours = f"from embed.compiled import CompiledEncoder; from pathlib import Path; e = CompiledEncoder(Path({str(folder)!r}))"
    path = str(model[0].auto_model.name_or_path)
    theirs = f"from sentence_transformers import SentenceTransformer as S; e = S({path!r}, device='cpu')"
    figures = []
    for code, call in ((ours, "encode_query"), (theirs, "encode")):
        best: dict[str, float] = {}
        for _ in range(2):
            for name, value in _process(f"{code}; e.{call}({QUESTION!r})").items():
                best[name] = min(best.get(name, float("inf")), value)
        figures.append(best)
    a, b = figures
    return [Row(f"cold start, {name}", a[name], b[name], b[name] / a[name]) for name in a]


def _process(code: str) -> dict[str, float]:
    # What getrusage calls the maximum resident size is inherited from the parent process.
    tail = "import psutil, time; print(time.process_time(), psutil.Process().memory_info().rss / 2**20)"
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", f"{code}; {tail}"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parent.parent,
    )
    took = time.perf_counter() - began
    used, memory = map(float, done.stdout.split()[-2:])
    return {"seconds": took, "processor seconds": used, "resident MB": memory}


def alternate(*works: Callable[[], object], repetitions: int = 5) -> tuple[float, ...]:
    """The shortest time of each, in seconds, taking turns after one round that does not count."""
    best = [float("inf")] * len(works)
    for turn in range(repetitions + 1):
        for which, work in enumerate(works):
            took = _seconds(work)
            if turn:
                best[which] = min(best[which], took)
    return tuple(best)


def _seconds(work: Callable[[], Any]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began
