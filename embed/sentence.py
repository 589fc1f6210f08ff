"""Any sentence-transformers model, on the GPU when there is one. The only importer of sentence-transformers and torch."""

import hashlib
import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from embed.encoder import ModelCard, Vectors, clean
from embed.errors import EmbedError, ModelNotFound

if TYPE_CHECKING:
    from embed.models import KnownModel


class SentenceEncoder:
    """A sentence-transformers model that keeps the `Encoder` promise.

    `source` is a folder or a hub id; `revision` overrides what the card says of the weights (a folder is otherwise known by
    the checksum of its weights, a hub model by its commit). Raises `ModelNotFound` when the model cannot be opened.
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
        from sentence_transformers import SentenceTransformer

        # Their loading bars and notes would land in the middle of our own output.
        for library in ("sentence_transformers", "transformers"):
            logging.getLogger(library).setLevel(logging.ERROR)
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
        try:
            model: Any = SentenceTransformer(str(source), device=device)
        except (OSError, ValueError, KeyError, RuntimeError) as error:
            first_line = (str(error).splitlines() or [type(error).__name__])[0]
            raise ModelNotFound(
                f"cannot open the model '{source}': {first_line}; give a sentence-transformers folder or a hub id"
            ) from error
        self._model = model
        self._tokenizer = model.tokenizer
        prompts: dict[str, str] = model.prompts or {}
        # Torch gains nothing from two encodings at once on the same cores, and loses much to the fight for them.
        self._lock = threading.Lock()
        self._card = ModelCard(
            name=name,
            revision=revision or _revision(source, model),
            dimension=int(model.get_embedding_dimension()),
            token_limit=int(model.max_seq_length or 512),
            query_prefix=prompts.get("query") or known.query_prefix,
            passage_prefix=prompts.get("passage") or prompts.get("document") or known.passage_prefix,
            licence=known.licence,
        )

    @property
    def card(self) -> ModelCard:
        """Which model this is."""
        return self._card

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_passages`."""
        return self._encode([self._card.passage_prefix + clean(text) for text in texts])

    def encode_query(self, text: str) -> Vectors:
        """See `Encoder.encode_query`."""
        row: Vectors = self._encode([self._card.query_prefix + clean(text)])[0]
        return row

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """By the model's own tokenizer."""
        if not texts:
            return []
        encoded = self._tokenizer([clean(text) for text in texts], add_special_tokens=False, truncation=False, verbose=False)
        return [len(ids) for ids in encoded["input_ids"]]

    def plain_encode(self, texts: Sequence[str]) -> object:
        """sentence-transformers' own `encode` with its defaults and no prefix: what benchmarks compare with."""
        return self._model.encode(list(texts), show_progress_bar=False)

    def _encode(self, texts: list[str]) -> Vectors:
        if not texts:
            return np.zeros((0, self._card.dimension), dtype=np.float32)
        with self._lock:
            vectors = self._model.encode(texts, prompt="", batch_size=32, show_progress_bar=False, normalize_embeddings=True)
        result = np.ascontiguousarray(vectors, dtype=np.float32)
        if not np.isfinite(result).all():
            raise EmbedError(f"the model '{self._card.name}' gave vectors that are not numbers")
        return result


def _revision(source: Path | str, model: Any) -> str:
    """What tells these weights from others of the same name."""
    commit = getattr(getattr(model[0].auto_model, "config", None), "_commit_hash", None)
    if commit:
        return str(commit)
    digest = hashlib.sha256()
    folder = Path(source)
    for path in sorted(folder.rglob("*")):
        if path.suffix in {".safetensors", ".bin", ".json"} and path.is_file():
            digest.update(path.relative_to(folder).as_posix().encode())
            with path.open("rb") as file:
                digest.update(hashlib.file_digest(file, "sha256").digest())
    return f"sha256-{digest.hexdigest()[:16]}"
