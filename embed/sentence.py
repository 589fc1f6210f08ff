"""Any sentence-transformers model, on the GPU when there is one. The only importer of sentence-transformers."""

import copy
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed.encoder import ModelCard, Reading, Span, Vectors, clean, means, placed
from embed.errors import EmbedError, ModelNotFound
from embed.gpu import Pipeline, best_precision, is_gpu
from embed.revisions import folder_checksum, hub_commit
from embed.sample import sample_texts

if TYPE_CHECKING:
    from embed.models import KnownModel

log = logging.getLogger("filrouge.embed")

_CHECKED = 24
"""Texts that a faster way of running a model is checked with."""
_LEAST_COSINE = 0.995
"""Between their vectors and those of float32 by sentence-transformers' own way."""


class SentenceEncoder:
    """A sentence-transformers model that keeps the `Encoder` promise.

    `source` is a folder or a hub id; `revision` overrides what the card says of the weights (a folder is otherwise known by
    the checksum of its weights, a hub model by its commit). On a GPU it runs in half precision, unless its vectors differ then.
    Raises `ModelNotFound` when the model cannot be opened, and `EmbedError` when the machine has no such device.
    """

    def __init__(
        self,
        source: Path | str,
        name: str,
        known: "KnownModel",
        revision: str = "",
        device: str | None = None,
    ) -> None:
        # Heavy: a command that never embeds must not pay for it.
        import torch
        from sentence_transformers import SentenceTransformer

        # Their loading bars and notes would land in the middle of our own output.
        for library in ("sentence_transformers", "transformers"):
            logging.getLogger(library).setLevel(logging.ERROR)
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        if device is not None:
            try:
                torch.empty(0, device=device)
            except (RuntimeError, AssertionError) as error:
                raise EmbedError(
                    f"no device '{device}' here: {_first_line(error)}; give cpu, or leave it out for the best there is"
                ) from error
        try:
            # Weights published in half precision would otherwise be computed in it, and the card says float32.
            model: Any = SentenceTransformer(str(source), device=device, model_kwargs={"dtype": torch.float32}).float()
            revision = revision or _revision(source, model)
        except Exception as error:
            # The libraries that read a model's files have errors of their own, without a common root.
            raise ModelNotFound(
                f"cannot open the model '{source}': {_first_line(error)}; give a sentence-transformers folder or a hub id"
            ) from error
        self.model = model
        self._tokenizer = model.tokenizer
        if not callable(self._tokenizer) and not hasattr(self._tokenizer, "encode_batch"):
            raise ModelNotFound(f"cannot use the model '{source}': its tokenizer cannot count tokens; take another model")
        prompts: dict[str, str] = model.prompts or {}
        # Torch gains nothing from two encodings at once on the same cores, and loses much to the fight for them. The
        # tokenizer must not be used twice at once: its truncation is switched on and off for each call.
        self._lock = threading.Lock()
        limit = model.max_seq_length
        # A bag of words has no limit, and a tokenizer without one says 10 ** 30.
        limit = int(limit) if limit and limit < 1_000_000 else 512
        precision = "float32"
        self._pipeline: Pipeline | None = None
        if is_gpu(model.device):
            precision = self._speed_up(name, limit, best_precision(str(model.device)))
        self._card = ModelCard(
            name=name,
            revision=revision,
            dimension=int(model.get_embedding_dimension()),
            token_limit=limit,
            query_prefix=prompts.get("query") or known.query_prefix,
            passage_prefix=prompts.get("passage") or prompts.get("document") or known.passage_prefix,
            precision=precision,
            licence=known.licence,
        )

    def _speed_up(self, name: str, limit: int, precision: str) -> str:
        """Run the model through a `Pipeline` from now on, in `precision`, as far as its vectors stay what they are; return the
        precision that it runs in.
        """
        import torch

        texts = ["", *sample_texts(_CHECKED, seed=2)]
        exact = self.model.encode(texts, prompt="", show_progress_bar=False)
        try:
            pipeline = Pipeline(self.model, limit)
        except EmbedError as error:
            log.warning("running '%s' as sentence-transformers does, since %s", name, error)
            return "float32"
        if not _agree(pipeline.encode(texts), exact):
            log.warning("running '%s' as sentence-transformers does, since batches of ours give other vectors", name)
            return "float32"
        self._pipeline = pipeline
        if precision == "float32":
            return precision
        # Of a copy, since rounded weights cannot be made whole again.
        whole, pipeline.model = self.model, copy.deepcopy(self.model).to(getattr(torch, precision))
        if not _agree(pipeline.encode(texts), exact):
            log.warning("running '%s' in float32, since its vectors are others in %s", name, precision)
            pipeline.model, precision = whole, "float32"
        self.model = pipeline.model
        return precision

    @property
    def card(self) -> ModelCard:
        """Which model this is."""
        return self._card

    @property
    def device(self) -> str:
        """The torch device that it runs on, such as `cuda:0`."""
        return str(self.model.device)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_passages`."""
        return self._encode(texts, self._card.passage_prefix)

    def encode_query(self, text: str) -> Vectors:
        """See `Encoder.encode_query`."""
        row: Vectors = self.encode_queries([text])[0]
        return row

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return self._encode(texts, self._card.query_prefix)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_passages`; a model whose tokenizer does not say where its tokens stand gives no words."""
        return self._read(self._card.passage_prefix, texts, spans)

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        """See `Encoder.read_query`."""
        return self._read(self._card.query_prefix, [text], [spans])[0]

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_queries`."""
        return self._read(self._card.query_prefix, texts, spans)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer."""
        if not texts:
            return []
        cleaned = [clean(text) for text in texts]
        with self._lock:
            if not callable(self._tokenizer):
                return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(cleaned, add_special_tokens=False)]
            encoded = self._tokenizer(cleaned, add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def _read(self, prefix: str, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        if not texts:
            return []
        if self._pipeline:
            with self._lock:
                found = self._pipeline.read(texts, spans, prefix)
            vectors = self._unit(np.stack([one.vector for one in found]))
            return [Reading(vector, one.words) for vector, one in zip(vectors, found, strict=True)]
        if not getattr(self._tokenizer, "is_fast", False):
            return [
                Reading(vector, np.zeros((len(some), self._card.dimension), dtype=np.float32))
                for vector, some in zip(self._encode(texts, prefix), spans, strict=True)
            ]
        cleaned = [prefix + clean(text) for text in texts]
        with self._lock:
            found = self.model.encode(cleaned, prompt="", batch_size=32, show_progress_bar=False, output_value=None)
            encoded = self._tokenizer(
                cleaned, truncation=True, max_length=self.model.max_seq_length, return_offsets_mapping=True, verbose=False
            )
        vectors = self._unit(np.stack([one["sentence_embedding"].cpu().numpy() for one in found]))
        readings = []
        for vector, one, offsets, text, some in zip(vectors, found, encoded["offset_mapping"], texts, spans, strict=True):
            # Padded to the longest of their batch, on the right or on the left.
            states = one["token_embeddings"][one["attention_mask"].bool()].float().cpu().numpy()
            readings.append(Reading(vector, means(states, offsets, placed(text, some, prefix))))
        return readings

    def _encode(self, texts: Sequence[str], prefix: str) -> Vectors:
        if not texts:
            return np.zeros((0, self._card.dimension), dtype=np.float32)
        with self._lock:
            if self._pipeline:
                return self._unit(self._pipeline.encode(texts, prefix))
            cleaned = [prefix + clean(text) for text in texts]
            vectors = self.model.encode(cleaned, prompt="", batch_size=32, show_progress_bar=False)
        return self._unit(vectors)

    def _unit(self, vectors: Any) -> Vectors:
        """Rows of length 1."""
        result: Vectors = np.array(vectors, dtype=np.float32)
        if not np.isfinite(result).all():
            raise EmbedError(f"the model '{self._card.name}' gave vectors that are not numbers")
        # A bag of words makes nothing of a text without known words, and nothing has no direction.
        result[~result.any(axis=1), 0] = 1.0
        result /= np.linalg.norm(result, axis=1, keepdims=True)
        return result


def _agree(some: Vectors, others: Vectors) -> bool:
    """Whether each row of the one points where that of the other does.

    >>> _agree(np.array([[2.0, 0.0]]), np.array([[1.0, 0.01]])), _agree(np.array([[np.nan, 0.0]]), np.array([[1.0, 0.0]]))
    (True, False)
    """
    lengths = np.linalg.norm(some, axis=1) * np.linalg.norm(others, axis=1)
    # Also false of numbers that are none.
    return bool(((some * others).sum(axis=1) >= _LEAST_COSINE * lengths).all())


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")


def _revision(source: Path | str, model: Any) -> str:
    if isinstance(source, Path):
        return folder_checksum(source)
    # Loaded a moment ago, so it is in the cache of the hub.
    commit = str(model.model_card_data.base_model_revision or hub_commit(source))
    if not commit:
        raise ValueError("its commit is not known")
    return commit


def sees_gpu() -> bool:
    """Whether torch can use a GPU; one that the system has is of no use to a build for the CPU."""
    import torch

    return torch.cuda.is_available()


def product_rates(rows: int, inner: int, columns: int, device: str = "cpu") -> dict[str, float]:
    """How fast torch multiplies matrices of these sizes there, in 10^9 operations a second, by precision; best of 50."""
    import torch

    # Not of equal numbers, which some devices multiply faster.
    a, b = torch.randn(rows, inner, device=device), torch.randn(inner, columns, device=device)
    pairs = {"bfloat16": (a.bfloat16(), b.bfloat16())}
    if not is_gpu(device):
        pairs["int8"] = (a.to(torch.int8), b.to(torch.int8))
    found = {}
    for name, (left, right) in pairs.items():
        product = torch._int_mm if name == "int8" else torch.mm
        best = float("inf")
        for _ in range(50):
            began = time.perf_counter()
            product(left, right)
            if is_gpu(device):
                # It has only been asked for.
                torch.cuda.synchronize(device)
            best = min(best, time.perf_counter() - began)
        found[name] = 2 * rows * inner * columns / best / 1e9
    return found
