"""An exported model on a CPU: OpenVINO, no torch in the process.

Texts are sorted by length, and `embed.packing` makes batches of them, by tokens instead of by number, so that almost nothing
is padding. Each core runs batches of its own: two small products side by side waste less than one product cut in two; while
one cuts the next texts into tokens, the others compute. Calls that come at once share the cores.
"""

import contextlib
import functools
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from embed import pieces, precision
from embed.encoder import ModelCard, Reading, Span, Vectors, clean, means, placed
from embed.errors import WeightsDamaged
from embed.lanes import Lane, Lanes
from embed.packing import Batch, batches
from embed.pieces import Tokens

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
            self._words = np.asarray(np.load(folder / "words.npy", mmap_mode="r"))
            self._tokenizer = pieces.opened(folder)
        except Exception as error:
            # The tokenizers library raises nothing more particular.
            raise WeightsDamaged(f"the exported model in {folder} is damaged: {error}") from error
        cores = threads or precision.cores()
        # A question alone is answered a seventh sooner by a model with one stream: where there are several, another thread does
        # the work.
        streams = [1, cores - 1] if cores > 1 else [1]
        try:
            self._compiled = [self._compile(count) for count in streams]
        except RuntimeError as error:
            raise WeightsDamaged(f"the exported model in {folder} is damaged: {error}") from error
        # OpenVINO's own queue calls back into Python from its threads, and can wait for itself when a model is closed soon
        # after.
        self._free = Lanes(
            [
                Lane(which, self._compiled[which].create_infer_request())
                for which, count in enumerate(streams)
                for _ in range(count)
            ]
        )
        self.lanes = cores
        self._calls = 0
        self._lock = threading.Lock()
        self._workers = ThreadPoolExecutor(cores, thread_name_prefix="encode")
        if new:
            np.save(folder / "probe.npy", self.encode_query(_PROBE))
        # Each model has been compiled, or read from what was compiled before, for itself.
        for which in range(len(streams)):
            self._probe(next(lane for lane in self._free.all if lane.model == which), folder / "probe.npy")

    def _compile(self, streams: int) -> Any:
        options = {
            "NUM_STREAMS": str(streams),
            "INFERENCE_NUM_THREADS": str(streams),
            # All models would be pinned to the same cores.
            "ENABLE_CPU_PINNING": False,
            "INFERENCE_PRECISION_HINT": "bf16" if self._card.precision == "bfloat16" else "f32",
            "CACHE_DIR": str(self.folder / "compiled"),
            # What is compiled for each shape of texts is kept; ten times as much, if it is not told, is 2 GB.
            "CPU_RUNTIME_CACHE_CAPACITY": _KEPT_SHAPES,
        }
        return _runtime().compile_model(str(self.folder / "model.xml"), "CPU", options)

    def _probe(self, lane: Lane, path: Path) -> None:
        """Compare one vector with the one that was computed when the model was exported."""
        (batch,) = batches([_PROBE], lambda _: self._tokens(self._card.query_prefix, [_PROBE]))
        vector = self._computed(lane, batch)[0][0]
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

        def compute(batch: Batch) -> None:
            with self._inferred(batch) as (found, _):
                vectors[batch.places] = found

        self._run(prefix, texts, compute)
        return vectors

    def _read(self, prefix: str, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        readings: dict[int, Reading] = {}

        def compute(batch: Batch) -> None:
            with self._inferred(batch) as (vectors, states):
                for row, (place, tokens) in enumerate(zip(batch.places, batch.tokens, strict=True)):
                    wanted = placed(texts[place], spans[place], prefix)
                    words = means(states[row, : len(tokens.ids)], tokens.places, wanted)
                    readings[place] = Reading(vectors[row].copy(), words)

        self._run(prefix, texts, compute)
        return [readings[place] for place in range(len(texts))]

    def _run(self, prefix: str, texts: Sequence[str], compute: Callable[[Batch], None]) -> None:
        """Call `compute` for every batch of the `texts`, on all cores that no other call uses."""
        with self._lock:
            self._calls += 1
            lanes = max(self.lanes // self._calls, 1)
        coming = batches(texts, lambda places: self._tokens(prefix, [texts[place] for place in places]), lanes)
        turn = threading.Lock()

        def taken() -> Batch | None:
            with turn:
                return next(coming, None)

        def work(batch: Batch | None) -> None:
            try:
                while batch is not None:
                    compute(batch)
                    batch = taken()
            except BaseException:
                # The others need not go on.
                with turn:
                    coming.close()
                raise

        try:
            first = taken()
            # Asking another thread to take a lone batch would only take time.
            many = first is not None and len(first.places) < len(texts)
            others = [self._workers.submit(lambda: work(taken())) for _ in range(lanes - 1)] if many else []
            work(first)
            for one in others:
                # What has not begun has nothing left to do.
                if not one.cancel():
                    one.result()
        finally:
            with self._lock:
                self._calls -= 1

    @contextlib.contextmanager
    def _inferred(self, batch: Batch) -> Iterator[tuple[Vectors, Vectors]]:
        """The vectors of a batch, and the states of its tokens; they belong to the lane, which the next batch uses."""
        with self._free.taken(batch.ids.shape) as lane:
            yield self._computed(lane, batch)

    def _computed(self, lane: Lane, batch: Batch) -> tuple[Vectors, Vectors]:
        found = lane.request.infer([self._words[batch.ids], batch.mask], share_outputs=True)
        return found[0], found[1]

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
