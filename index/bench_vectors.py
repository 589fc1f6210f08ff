"""How fast the nearest of a million vectors are found, beside an exact FAISS Flat index and other engines, in one run.

Each engine has a process of its own, of which the memory is measured, and takes turns with Flat, question by question: a busy
moment of the machine falls on both. What is compared is at equal recall: an engine's knob is turned up until it finds .98 of
the ten nearest, as Flat finds them. One thread answers a question.
"""

import ctypes
import gc
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from embed.bench import Comparison, Row
from embed.encoder import Vectors
from index import rivals, tiers
from index.quantised import like_questions
from index.records import Ids
from index.rivals import Rival
from index.tiers import RECALL, Tier
from index.vectors import FaissVectors, FaissView

SIZE = 50_000
_QUESTIONS, _SETTING = 60, 100
"""Questions that are timed, and others that a knob is set by."""
_FILTERS = (0.5, 0.1, 0.01, 0.0001)
_STORY, _TOPIC = 8, 60
"""Passages of a story and stories of a topic, on average."""
_SHARES = (0.25, 0.3, 0.45)
"""Of the variance of a vector: its topic's, its story's, its own."""
_FALL, _KNEE = 0.75, 1.2
_BLOCK = 20_000

Told = Callable[[str], None]
Ask = Callable[[object], Any]


@dataclass(frozen=True)
class Measured:
    """An engine: milliseconds of each timed question, and Flat's beside it; recall; bytes a vector; seconds to build."""

    name: str
    ours: list[float]
    flat: list[float]
    recall: float
    bytes: float
    seconds: float
    filtered: dict[float, tuple[list[float], list[float], float]]


def searching(dimension: int, size: int = SIZE, told: Told = lambda line: None) -> Comparison:
    """Nearest ten of `size` vectors: all, and under filters of 50, 10, 1 and .01 %, beside exact FAISS Flat; then each engine
    that is installed.

    The vectors are drawn, as like real ones as could be: see `like_passages`.
    """
    tier = tiers.choose(size, dimension, tiers.free_memory())
    with tempfile.TemporaryDirectory(prefix="filrouge-bench-") as name:
        path = Path(name) / "vectors.npy"
        like_passages(path, size, dimension)
        vectors = np.load(path, mmap_mode="r")
        setting, timed = (like_questions(vectors, count, seed) for count, seed in ((_SETTING, 3), (_QUESTIONS, 4)))
        flat = _Flat(vectors, setting, timed)
        # The exact tier is Flat itself, so that what is measured is the one that comes after it.
        own: Tier = "lists" if tier == "exact" else tier
        measured = []
        for engine in (own, *rivals.installed()):
            try:
                measured.append(_measure(engine, path, flat))
            except (OSError, RuntimeError, ValueError, EOFError) as error:
                told(f"{engine}: {error}")
                continue
            told(_told(measured[-1]))
    return _compared(measured, size, dimension)


def _compared(measured: Sequence[Measured], size: int, dimension: int) -> Comparison:
    ours, others = measured[0], measured[1:]
    a, b = _medians(ours)
    rows = [Row("nearest 10, ms", a, b, b / a)]
    for share, (mine, theirs, _) in ours.filtered.items():
        x, y = statistics.median(mine), statistics.median(theirs)
        rows.append(Row(f"nearest 10 of {100 * share:g} %, ms", x, y, y / x))
    for other in others:
        # Both beside Flat in their turns: what the machine did meanwhile falls out of the quotient.
        x, y = _medians(other)
        theirs_now = x * b / y
        rows.append(Row(f"nearest 10, ms, beside {other.name}", a, theirs_now, theirs_now / a))
    notes = [
        f"{size:,} vectors of {dimension} dimensions, drawn as real ones lie; rival: exact FAISS Flat in single precision, "
        f"given the same ids to search among; one thread a question, medians of {_QUESTIONS}",
        *(_told(one) for one in measured),
    ]
    if absent := rivals.missing():
        notes.append(f"not installed: {', '.join(absent)} (pip install 'filrouge[bench]')")
    return Comparison("search", "exact FAISS Flat", rows, notes)


def _medians(one: Measured) -> tuple[float, float]:
    return statistics.median(one.ours), statistics.median(one.flat)


def _told(one: Measured) -> str:
    filters = "".join(f", {100 * share:g} %: {recall:.3f}" for share, (_, _, recall) in one.filtered.items())
    short = "" if one.recall >= RECALL else f" (no setting reached {RECALL})"
    return (
        f"{one.name}: recall@10 {one.recall:.3f}{short}{filters}; {one.bytes:,.0f} bytes of memory a vector; built in "
        f"{one.seconds:,.0f} s; {_medians(one)[0]:.2f} ms beside {_medians(one)[1]:.1f} of Flat"
    )


class _Flat:
    """The exact engine, the questions, and what it finds."""

    def __init__(self, vectors: Vectors, setting: Vectors, timed: Vectors) -> None:
        count, dimension = vectors.shape
        engine = FaissVectors(dimension)
        engine.expect(count)
        for at in range(0, count, _BLOCK):
            engine.add(np.arange(at, min(at + _BLOCK, count)), np.asarray(vectors[at : at + _BLOCK]))
        engine.commit(1)
        self.view: FaissView = engine.view()
        self.setting, self.timed = setting, timed
        self.right = [self.view.nearest(question, 10).ids for question in setting]
        lot = np.random.default_rng(5)
        numbers = np.arange(count)
        self.among = {share: np.sort(lot.choice(numbers, max(20, round(count * share)), replace=False)) for share in _FILTERS}


def _measure(engine: str, path: Path, flat: _Flat) -> Measured:
    with _process(engine, path) as ask:
        # The first thing that it says is that it is built.
        name, seconds, taken, knobs = ask(None)
        knob, best = knobs[-1], 0.0
        for knob in knobs:
            found = [ask((question, knob))[1] for question in flat.setting]
            best = _recall(found, flat.right)
            if best >= RECALL:
                break
        alone = _turns(ask, flat, knob, None)
        filtered = {}
        if engine in ("lists", "quantised"):
            filtered = {share: _turns(ask, flat, knob, among) for share, among in flat.among.items()}
    return Measured(name, *alone, taken, seconds, filtered)


def _turns(ask: Ask, flat: _Flat, knob: int, among: Ids | None) -> tuple[list[float], list[float], float]:
    """Milliseconds of the engine and of Flat, in turns; and what the engine finds of what Flat finds."""
    ours, theirs, found, right = [], [], [], []
    ask(("among", among))
    for question in flat.timed:
        took, ids = ask((question, knob))
        began = time.perf_counter()
        exact = flat.view.nearest(question, 10, among)
        theirs.append((time.perf_counter() - began) * 1000)
        ours.append(took * 1000)
        found.append(ids)
        right.append(exact.ids)
    return ours, theirs, _recall(found, right)


def _recall(found: Sequence[Ids], right: Sequence[Ids]) -> float:
    return sum(len(np.intersect1d(a, b)) for a, b in zip(found, right, strict=True)) / sum(map(len, right))


@contextmanager
def _process(engine: str, path: Path) -> Iterator[Ask]:
    """A process with the engine in it, and how to ask it."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_serve, args=(engine, str(path), there), daemon=True)
    process.start()
    there.close()

    def ask(what: object) -> Any:
        if what is not None:
            here.send(what)
        answer = here.recv()
        if isinstance(answer, str):
            raise RuntimeError(answer)
        return answer

    try:
        yield ask
    finally:
        here.close()
        process.join(10)
        if process.is_alive():
            process.kill()


def _serve(engine: str, path: str, pipe: Connection) -> None:
    """Build an engine and answer questions, each with the value of the knob, until the other end is closed. A filter is sent
    once, by the name `among`.
    """
    try:
        rival: Rival = rivals.opened(engine)
        vectors = np.load(path, mmap_mode="r")
        before = _resident()
        began = time.perf_counter()
        rival.build(vectors, Path(tempfile.mkdtemp(dir=Path(path).parent)), os.cpu_count() or 1)
        seconds = time.perf_counter() - began
        count = len(vectors)
        del vectors
        taken = (rival.files or _resident() - before) / count
        pipe.send((rival.name, seconds, taken, tuple(rival.knobs)))
        among: Ids | None = None
        while True:
            first, second = pipe.recv()
            if isinstance(first, str):
                among = second
                pipe.send(())
                continue
            began = time.perf_counter()
            found = rival.nearest(first, second, among)
            pipe.send((time.perf_counter() - began, found))
    except EOFError:
        return
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}")


def _resident() -> int:
    """Bytes of memory of this process alone, without files that are mapped."""
    gc.collect()
    if hasattr(libc := ctypes.CDLL(None), "malloc_trim"):
        libc.malloc_trim(0)
    held = psutil.Process().memory_info()
    return int(held.rss - getattr(held, "shared", 0))


def like_passages(path: Path, count: int, dimension: int, seed: int = 1) -> None:
    """Write vectors to a file of NumPy's that lie to each other as those of passages do.

    A vector is its topic's, its story's and its own part, each drawn with variances that fall by the power .75 of their rank:
    as 40,000 real passages of French and English news, encyclopaedia and manuals have it (.75 fits their spectrum, of which 97
    dimensions would do if they counted alike). Stories and topics are as uneven as a log-normal lot makes them.
    """
    lot = np.random.default_rng(seed)
    spread = np.sqrt((1 + np.arange(dimension) / _KNEE) ** -_FALL).astype(np.float32)
    spread /= np.linalg.norm(spread)
    stories = max(1, count // _STORY)
    topics = max(1, stories // _TOPIC)
    story, topic = (lot.standard_normal((many, dimension), dtype=np.float32) * spread for many in (stories, topics))
    story_of, topic_of = _uneven(lot, stories, count), _uneven(lot, topics, stories)
    turn = np.linalg.qr(lot.standard_normal((dimension, dimension)))[0].astype(np.float32)
    parts = np.sqrt(np.array(_SHARES, dtype=np.float32))
    out = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=(count, dimension))
    for at in range(0, count, _BLOCK):
        own = story_of[at : at + _BLOCK]
        rows = lot.standard_normal((len(own), dimension), dtype=np.float32) * spread * parts[2]
        rows += topic[topic_of[own]] * parts[0] + story[own] * parts[1]
        rows = rows @ turn
        out[at : at + len(own)] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    out.flush()


def _uneven(lot: np.random.Generator, kinds: int, count: int) -> Ids:
    weights = lot.lognormal(0, 1, kinds)
    chosen: Ids = lot.choice(kinds, count, p=weights / weights.sum())
    return chosen
