"""The promise that every encoder keeps, and the card that says which encoder made a vector."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class ModelCard:
    """What must be equal for two vectors to be comparable, and what a reader wants to know of the model.

    >>> card = ModelCard("demo", "1", 4, 16)
    >>> ModelCard.from_json(card.to_json()) == card
    True
    >>> card.fingerprint == ModelCard("demo", "1", 4, 16, licence="MIT").fingerprint  # the licence changes no vector
    True
    >>> card.fingerprint == ModelCard("demo", "2", 4, 16).fingerprint
    False
    """

    name: str
    revision: str
    """Which weights: a checksum or a hub commit."""
    dimension: int
    token_limit: int
    """Tokens of one text, special tokens and prefix included; the model does not see what lies beyond."""
    query_prefix: str = ""
    passage_prefix: str = ""
    precision: str = "float32"
    """The arithmetic that the vectors came from."""
    licence: str = ""

    @property
    def fingerprint(self) -> str:
        """Twelve hexadecimal digits; equal exactly when vectors of the two cards may be compared.

        The floating-point precisions agree to four digits and count as one; 8-bit vectors are told apart.

        >>> whole, half, byte = (ModelCard("demo", "1", 4, 16, precision=p) for p in ("float32", "bfloat16", "int8"))
        >>> whole.fingerprint == half.fingerprint, whole.fingerprint == byte.fingerprint
        (True, False)
        """
        parts = asdict(self)
        del parts["licence"]
        if self.precision in ("float16", "bfloat16"):
            parts["precision"] = "float32"
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]

    def to_json(self) -> str:
        """The card as one line of JSON."""
        return json.dumps(asdict(self), sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str) -> "ModelCard":
        """The card that `to_json` wrote."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**fields)


class Encoder(Protocol):
    """Turns texts into vectors of length 1, so that their inner product is their cosine.

    Implementations are safe to call from several threads. A text longer than the card's token limit is cut there by the
    model; callers that must not lose text cut it first (`index.chunk`). Lone surrogates and NULs are allowed in any text.
    """

    @property
    def card(self) -> ModelCard:
        """Which model this is."""
        ...

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        """The vectors of `texts` in their order: float32 of shape (len(texts), card.dimension), rows of length 1."""
        ...

    def encode_query(self, text: str) -> Vectors:
        """The vector of one question: float32 of shape (card.dimension,), of length 1."""
        ...

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """The vectors of several questions: float32 of shape (len(texts), card.dimension), rows of length 1."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text alone takes, without prefix and special tokens."""
        ...


def clean(text: str) -> str:
    """`text` as a tokenizer accepts it: lone surrogates become U+FFFD, and NULs spaces; for the vector only.

    >>> clean("a\\ud800b\\x00c")
    'a\\ufffdb c'
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", " ")
