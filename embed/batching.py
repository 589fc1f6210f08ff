"""Questions of many clients, encoded together.

While batches are being computed, the questions that arrive wait and form the next one, so nobody waits longer than for the
batch under way and their own, and a lone question does not wait at all. An encoder that computes several batches side by
side has a lane for each, and each lane takes its share of all who ask: as many cores work, and while one lane's questions are
being cut into tokens the others compute. Questions asked before are remembered.
"""

import math
import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Protocol, runtime_checkable

from embed.encoder import Encoder, ModelCard, Reading, Span, Vectors
from embed.errors import EncoderBusy
from embed.stages import looked_up

MAX_BATCH = 32
MAX_WAITING = 256
GATHERING = 0.002
"""Seconds that a batch waits for its share of those who asked last time."""
REMEMBERED = 1024

_Asked = tuple[str, tuple[Span, ...]]
"""A question, and the parts of it whose vectors are wanted."""


@runtime_checkable
class Parallel(Protocol):
    """An encoder that computes `lanes` batches side by side about as fast as one."""

    lanes: int


class BatchingEncoder:
    """An encoder whose `encode_query` and `read_query` may be called by any number of threads at once; the rest passes through.

    Raises `EncoderBusy` when MAX_WAITING are waiting already.

    >>> from embed.hashing import HashingEncoder
    >>> plain = HashingEncoder()
    >>> with BatchingEncoder(plain) as encoder:
    ...     bool((encoder.encode_query("Kremlin") == plain.encode_query("Kremlin")).all())
    True
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._waiting: queue.Queue[tuple[_Asked, Future[Reading]] | None] = queue.Queue(MAX_WAITING)
        self._remembered: OrderedDict[_Asked, Reading] = OrderedDict()
        self._lock = threading.Lock()
        self._lanes = encoder.lanes if isinstance(encoder, Parallel) else 1
        self._gathering = threading.Lock()
        self._computing = 0
        self._usual = 1
        self._workers = [threading.Thread(target=self._serve, name="questions", daemon=True) for _ in range(self._lanes)]
        for worker in self._workers:
            worker.start()

    def close(self) -> None:
        """End the threads; questions that are waiting are answered first."""
        for _ in self._workers:
            self._waiting.put(None)
        for worker in self._workers:
            worker.join()

    def __enter__(self) -> "BatchingEncoder":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def waiting(self) -> int:
        """How many questions wait for their batch, about."""
        return self._waiting.qsize()

    @property
    def card(self) -> ModelCard:
        """The encoder's own."""
        return self._encoder.card

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_passages`."""
        return self._encoder.encode_passages(texts)

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return self._encoder.encode_queries(texts)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """See `Encoder.count_tokens`."""
        return self._encoder.count_tokens(texts)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_passages`."""
        return self._encoder.read_passages(texts, spans)

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_queries`."""
        return self._encoder.read_queries(texts, spans)

    def encode_query(self, text: str) -> Vectors:
        """See `Encoder.encode_query`."""
        return self.read_query(text, ()).vector

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        """See `Encoder.read_query`."""
        asked = (text, tuple(spans))
        with self._lock:
            known = self._remembered.get(asked)
            if known is not None:
                self._remembered.move_to_end(asked)
        looked_up("questions", known is not None)
        if known is not None:
            return known
        answer: Future[Reading] = Future()
        try:
            self._waiting.put_nowait((asked, answer))
        except queue.Full:
            raise EncoderBusy(f"{MAX_WAITING} questions are waiting; try again in a moment") from None
        reading = answer.result()
        with self._lock:
            self._remembered[asked] = reading
            while len(self._remembered) > REMEMBERED:
                self._remembered.popitem(last=False)
        return reading

    def _serve(self) -> None:
        """One lane: gather a batch, answer it, and so on until the end."""
        ending = False
        while not ending:
            with self._gathering:
                batch, ending = self._gather()
            self._answer(batch)
            with self._lock:
                self._computing -= len(batch)

    def _gather(self) -> tuple[list[tuple[_Asked, Future[Reading]]], bool]:
        """A lane's share of those who ask, the longest waiting first; and whether it is the last batch of the lane."""
        first = self._waiting.get()
        if first is None:
            return [], True
        batch = [first]
        ending = False
        # Those who have just been answered are about to ask again: as many as last time are worth a moment.
        until = time.monotonic() + GATHERING
        while len(batch) < min(self._share(len(batch)), MAX_BATCH):
            left = until - time.monotonic()
            try:
                another = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
            except queue.Empty:
                break
            if another is None:
                ending = True
                break
            batch.append(another)
        with self._lock:
            self._computing += len(batch)
            self._usual = self._computing
        return batch, ending

    def _share(self, gathered: int) -> int:
        asking = self._computing + gathered + self._waiting.qsize()
        return math.ceil(max(asking, self._usual) / self._lanes)

    def _answer(self, batch: Sequence[tuple[_Asked, Future[Reading]]]) -> None:
        if not batch:
            return
        # Asked twice at once is computed once.
        asked = list(dict.fromkeys(one for one, _ in batch))
        try:
            readings = self._encoder.read_queries([text for text, _ in asked], [spans for _, spans in asked])
        except BaseException as error:
            # Handed to those who asked; the thread goes on for the others.
            for _, answer in batch:
                answer.set_exception(error)
            return
        found = dict(zip(asked, readings, strict=True))
        for one, answer in batch:
            answer.set_result(found[one])
