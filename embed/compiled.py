"""An exported model on a CPU: OpenVINO, no torch in the process.

Texts are tokenized in groups while earlier groups are being computed. Within a group they are sorted by length and packed
into batches by tokens instead of by number, so that almost nothing is padding. Each core runs batches of its own: two
small products side by side waste less than one product cut in two. Calls that come at once share the cores.
"""

import contextlib
import functools
import math
import queue
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embed import pieces, precision
from embed.encoder import ModelCard, Reading, Span, Vectors, clean, means, placed
from embed.errors import WeightsDamaged
from embed.pieces import Tokens

_GROUP = 256
"""Texts tokenized at a time."""
_BATCH_TOKENS = 640
"""Tokens of a batch, padding included. Measured: longer ones leave the caches, shorter ones are all overhead."""
_LENGTHS, _ROWS = 8, 4
"""Batches have as many tokens a text as a multiple of the first, and more than that many texts as a multiple of the second: for
each new shape OpenVINO compiles the graph anew, which takes as long as several batches and megabytes of memory."""
_PROBE = "Où en est la situation ce soir à 18 h 30 ? Nothing has changed since 6.30pm."
_SAME = 0.999
_CLEARLY_TOO_LONG = 24
"""Characters a token; no text of so many times the limit can fit, so that the rest need not be tokenized."""


_KEPT_SHAPES = "512"
"""Compiled pieces of the graph; fewer are made again too often, which slows questions by a third."""


@functools.cache
def _runtime() -> Any:
    """OpenVINO, one for the process and until its end.

    Its plugin for CPUs gives the thread that loads it another stack for signals, and takes that memory back from whichever
    thread lets go of the last model. Where they are not the same thread, the next signal ends the process.
    """
    import openvino

    return openvino.Core()


class CompiledEncoder:
    """The model that `embed.export` wrote to `folder`; keeps the `Encoder` promise.

    `threads` is the number of cores to use; None is all of them. A `new` one writes the vector that it is known by later.
    """

    def __init__(self, folder: Path, threads: int | None = None, new: bool = False) -> None:
        self.folder = folder
        try:
            self._card = ModelCard.from_json((folder / "card.json").read_text(encoding="utf-8"))
            self._words = np.load(folder / "words.npy", mmap_mode="r")
            self._tokenizer = pieces.opened(folder)
        except Exception as error:
            # The tokenizers library raises nothing more particular.
            raise WeightsDamaged(f"the exported model in {folder} is damaged: {error}") from error
        cores = threads or precision.cores()
        options = {
            "PERFORMANCE_HINT": "THROUGHPUT",
            "NUM_STREAMS": str(cores),
            "INFERENCE_NUM_THREADS": str(cores),
            "INFERENCE_PRECISION_HINT": "bf16" if self._card.precision == "bfloat16" else "f32",
            "CACHE_DIR": str(folder / "compiled"),
            # What is compiled for each shape of texts is kept; ten times as much, if it is not told, is 2 GB.
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_SHAPES,
        }
        try:
            self._compiled = _runtime().compile_model(str(folder / "model.xml"), "CPU", options)
        except RuntimeError as error:
            raise WeightsDamaged(f"the exported model in {folder} is damaged: {error}") from error
        # One request for each core, handed from thread to thread. OpenVINO's own queue calls back into Python from its
        # threads, and can wait for itself when a model is closed soon after.
        self._requests: queue.LifoQueue[Any] = queue.LifoQueue()
        for _ in range(cores):
            self._requests.put(self._compiled.create_infer_request())
        self.lanes = cores
        self._calls = 0
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(cores, thread_name_prefix="encode")
        if new:
            np.save(folder / "probe.npy", self.encode_query(_PROBE))
        else:
            self._probe(folder / "probe.npy")

    def _probe(self, path: Path) -> None:
        """Compare one vector with the one that was computed when the model was exported."""
        vector = self.encode_query(_PROBE)
        try:
            expected = np.load(path)
        except (OSError, ValueError, EOFError) as error:
            raise WeightsDamaged(f"the exported model in {path.parent} is damaged: {error}") from error
        # Processors round differently; damaged weights give another direction altogether.
        if expected.shape != vector.shape or not expected @ vector > _SAME:
            raise WeightsDamaged(f"the exported model in {path.parent} is damaged: its vectors have changed")

    @property
    def card(self) -> ModelCard:
        """Which model this is."""
        return self._card

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_passages`."""
        return self._encode(self._card.passage_prefix, texts)

    def encode_query(self, text: str) -> Vectors:
        """See `Encoder.encode_query`."""
        row: Vectors = self._encode(self._card.query_prefix, [text])[0]
        return row

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return self._encode(self._card.query_prefix, texts)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_passages`."""
        return self._read(self._card.passage_prefix, texts, spans)

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        """See `Encoder.read_query`."""
        return self._read(self._card.query_prefix, [text], [spans])[0]

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_queries`."""
        return self._read(self._card.query_prefix, texts, spans)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer."""
        return self._tokenizer.count([clean(text) for text in texts])

    def _encode(self, prefix: str, texts: Sequence[str]) -> Vectors:
        vectors = np.empty((len(texts), self._card.dimension), dtype=np.float32)

        def compute(places: list[int], ids: NDArray[np.int64], mask: NDArray[np.int64]) -> None:
            with self._inferred(ids, mask) as (found, _):
                vectors[places] = found[: len(places)]

        self._run(texts, lambda some: [one.ids for one in self._tokens(prefix, some)], compute)
        return vectors

    def _read(self, prefix: str, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        readings: dict[int, Reading] = {}
        offsets: list[Sequence[Span]] = []

        def tokens(some: Sequence[str]) -> list[list[int]]:
            found = self._tokens(prefix, some)
            offsets.extend(one.places for one in found)
            return [one.ids for one in found]

        def compute(places: list[int], ids: NDArray[np.int64], mask: NDArray[np.int64]) -> None:
            with self._inferred(ids, mask) as (vectors, states):
                for row, place in enumerate(places):
                    wanted = placed(texts[place], spans[place], prefix)
                    words = means(states[row, : len(offsets[place])], offsets[place], wanted)
                    readings[place] = Reading(vectors[row].copy(), words)

        self._run(texts, tokens, compute)
        return [readings[place] for place in range(len(texts))]

    def _run(
        self,
        texts: Sequence[str],
        tokenize: Callable[[Sequence[str]], list[list[int]]],
        compute: Callable[[list[int], NDArray[np.int64], NDArray[np.int64]], None],
    ) -> None:
        """Call `compute` for every batch, with the places of its texts among `texts`, on all cores that no other call uses."""
        pending = []
        with self._lock:
            self._calls += 1
            cores = max(self.lanes // self._calls, 1)
        try:
            for at in range(0, len(texts), _GROUP):
                tokens = tokenize(texts[at : at + _GROUP])
                # A few short texts would make one batch, and leave the other cores idle.
                share = math.ceil(sum(map(len, tokens)) / cores)
                found = list(batches(tokens, min(share, _BATCH_TOKENS)))
                for places, ids, mask in found:
                    if len(found) == 1 and len(texts) <= _GROUP:
                        # Handing it to another thread would only take time.
                        compute(places, ids, mask)
                    else:
                        pending.append(self._workers.submit(compute, [at + place for place in places], ids, mask))
            for future in pending:
                future.result()
        finally:
            with self._lock:
                self._calls -= 1

    @contextlib.contextmanager
    def _inferred(self, ids: NDArray[np.int64], mask: NDArray[np.int64]) -> Iterator[tuple[Vectors, Vectors]]:
        """The vectors of a batch, and the states of its tokens; they belong to the request, which the next batch uses."""
        request = self._requests.get()
        try:
            found = request.infer([self._words[ids].astype(np.float32), mask], share_outputs=True)
            yield found[0], found[1]
        finally:
            self._requests.put(request)

    def _tokens(self, prefix: str, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, up to the limit."""
        limit = self._card.token_limit
        found = []
        for one in self._tokenizer.encode([prefix + clean(text[: limit * _CLEARLY_TOO_LONG]) for text in texts]):
            if len(one.ids) > limit:
                # The end-of-text token stays: every text that the model was trained on had one.
                one = Tokens([*one.ids[: limit - 1], one.ids[-1]], [*one.places[: limit - 1], one.places[-1]])
            found.append(one)
        return found


def batches(
    tokens: Sequence[Sequence[int]], budget: int, pad: int = 1
) -> Iterator[tuple[list[int], NDArray[np.int64], NDArray[np.int64]]]:
    """Texts of like length together, up to `budget` tokens: their places, ids padded with `pad`, and mask, in few shapes.

    >>> places, ids, mask = next(batches([[7] * 17] * 5, budget=200))
    >>> places, ids.shape, ids[0, 15:19].tolist(), mask.sum(axis=1).tolist()
    ([0, 1, 2, 3, 4], (8, 24), [7, 7, 1, 1], [17, 17, 17, 17, 17, 1, 1, 1])
    """
    for places in packs([_regular(len(one)) for one in tokens], budget, _ROWS):
        rows = len(places) if len(places) <= _ROWS else len(places) + -len(places) % _ROWS
        shape = rows, _regular(len(tokens[places[0]]))
        ids, mask = np.full(shape, pad, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        for row, place in enumerate(places):
            ids[row, : len(tokens[place])] = tokens[place]
            mask[row, : len(tokens[place])] = 1
        # What has no token at all would be divided by none.
        mask[len(places) :, 0] = 1
        yield places, ids, mask


def _regular(length: int) -> int:
    """The length, one of few, of a batch whose longest text has so many tokens: an eighth more at most, but for the shortest.

    >>> [_regular(length) for length in (0, 3, 17, 64, 129, 300)]
    [8, 8, 24, 64, 144, 320]
    """
    length = max(length, 1)
    return length + -length % max(_LENGTHS, 1 << length.bit_length() >> 4)


def packs(lengths: Sequence[int], budget: int, multiple: int = 1) -> Iterator[list[int]]:
    """The places of texts of like length together, the longest first, up to `budget` tokens with padding, or one text. Where so
    many fit, and more are left, their number is a multiple of `multiple`.

    >>> list(packs([3, 9, 4, 3], budget=10))
    [[1], [2, 0], [3]]
    """
    order = sorted(range(len(lengths)), key=lambda place: lengths[place], reverse=True)
    at = 0
    while at < len(order):
        # Without special tokens an empty text has none.
        most = max(budget // max(lengths[order[at]], 1), 1)
        count = most - (most % multiple if most > multiple else 0)
        yield order[at : at + count]
        at += count
