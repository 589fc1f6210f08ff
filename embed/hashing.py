"""A deterministic encoder without weights, for tests that are about something else."""

import re
import zlib
from collections.abc import Sequence

import numpy as np

from embed.encoder import ModelCard, Reading, Span, Vectors, clean, placed


class HashingEncoder:
    """Counts hashed words and letter trigrams; texts that share words come out near each other.

    The same text gives the same vector on every machine and in every release. It knows no language, no synonyms and no
    spelling, so it must never be used to judge quality.

    >>> encoder = HashingEncoder(dimension=64)
    >>> near, far = encoder.encode_passages(["le Kremlin réagit", "recette de crêpes"]) @ encoder.encode_query("Kremlin")
    >>> bool(near > far)
    True
    """

    def __init__(self, dimension: int = 256, token_limit: int = 128) -> None:
        self._card = ModelCard("hashing", "1", dimension, token_limit, licence="MIT")

    @property
    def card(self) -> ModelCard:
        """The name `hashing`, and the dimension."""
        return self._card

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_passages`."""
        vectors = np.zeros((len(texts), self._card.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            words = clean(text).casefold().split()[: self._card.token_limit]
            for word in words:
                padded = f" {word} "
                features = [padded, *(padded[i : i + 3] for i in range(len(padded) - 2))]
                for feature in features:
                    code = zlib.crc32(feature.encode())
                    vectors[row, code % self._card.dimension] += 1.0 if code & 0x80000000 else -1.0
        # A text without words still has a direction, or its length could not be 1.
        vectors[~vectors.any(axis=1), 0] = 1.0
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def encode_query(self, text: str) -> Vectors:
        """See `Encoder.encode_query`."""
        row: Vectors = self.encode_passages([text])[0]
        return row

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """See `Encoder.encode_queries`."""
        return self.encode_passages(texts)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_passages`; a word has the vector of a text that consists of it."""
        vectors = self.encode_passages(texts)
        readings = []
        for vector, text, some in zip(vectors, texts, spans, strict=True):
            cleaned = clean(text)
            within = re.match(rf"(\s*\S+){{0,{self._card.token_limit}}}", cleaned)
            cut = cleaned[: within.end()] if within else ""
            seen = [bool(cut[start:end].strip()) for start, end in placed(text, some)]
            words = self.encode_passages([text[start:end] for start, end in some])
            words[~np.array(seen, dtype=bool)] = 0
            readings.append(Reading(vector, words))
        return readings

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        """See `Encoder.read_query`."""
        return self.read_passages([text], [spans])[0]

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """See `Encoder.read_queries`."""
        return self.read_passages(texts, spans)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """One token a word."""
        return [len(clean(text).split()) for text in texts]
