"""Questions of many clients, encoded together.

While a batch is being computed, the questions that arrive wait and form the next one, so nobody waits longer than for the
batch under way and their own, and a lone question does not wait at all. Questions asked before are remembered.
"""

import queue
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import Future

from embed.encoder import Encoder, ModelCard, Reading, Span, Vectors
from embed.errors import EncoderBusy

MAX_BATCH = 32
MAX_WAITING = 256
GATHERING = 0.002
"""Seconds that a batch waits for company, when the one before had some."""
REMEMBERED = 1024

_Asked = tuple[str, tuple[Span, ...]]
"""A question, and the parts of it whose vectors are wanted."""


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
        self._worker = threading.Thread(target=self._serve, name="questions", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """End the thread; questions that are waiting are answered first."""
        self._waiting.put(None)
        self._worker.join()

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
        ending = False
        usual = 1
        while not ending:
            first = self._waiting.get()
            batch = [] if first is None else [first]
            ending = first is None
            # Those who have just been answered are about to ask again: as many as last time are worth a moment.
            until = time.monotonic() + GATHERING
            while not ending and len(batch) < MAX_BATCH:
                left = until - time.monotonic() if len(batch) < usual else 0
                try:
                    another = self._waiting.get(timeout=left) if left > 0 else self._waiting.get_nowait()
                except queue.Empty:
                    break
                if another is None:
                    ending = True
                else:
                    batch.append(another)
            if batch:
                usual = len(batch)
                self._answer(batch)

    def _answer(self, batch: Sequence[tuple[_Asked, Future[Reading]]]) -> None:
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
