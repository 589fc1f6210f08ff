"""The promise that every encoder keeps, and the card that says which encoder made a vector."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Vectors = NDArray[np.float32]
Places = NDArray[np.int64]
Span = tuple[int, int]
"""A half-open part of a text, in code points."""


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


@dataclass(frozen=True)
class Reading:
    """What a model makes of one text.

    `vector` is that of the whole: float32 of shape (dimension,), of length 1. `words` has one row for each span that was
    asked for, the mean of the states of the tokens that touch it: float32 of shape (spans, dimension), of any length; zeros
    where the model did not see the span, or has no states to give.
    """

    vector: Vectors
    words: Vectors


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

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """The vectors of `texts`, as `encode_passages` gives them, each with those of its own `spans`."""
        ...

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        """The vector of one question, as `encode_query` gives it, with those of its `spans`."""
        ...

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        """The same for several questions."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text alone takes, without prefix and special tokens."""
        ...


def means(states: Vectors, offsets: Sequence[Span], spans: Sequence[Span]) -> Vectors:
    """For each span the mean of the `states` whose tokens touch it; zeros where none does.

    `states` has a row for each token, and `offsets` its place in the text; a token that stands for no text has an empty one.

    >>> states = np.array([[9, 9], [1, 0], [0, 1], [0, 3]], dtype=np.float32)
    >>> means(states, [(0, 0), (0, 4), (4, 7), (8, 12)], [(0, 7), (8, 12), (20, 22)]).tolist()
    [[0.5, 0.5], [0.0, 3.0], [0.0, 0.0]]
    """
    found = np.zeros((len(spans), states.shape[1]), dtype=np.float32)
    if not len(spans):
        return found
    real, first, last = touching(offsets, spans)
    seen = last > first
    if seen.any():
        sums = np.concatenate([np.zeros((1, states.shape[1])), np.cumsum(states[real], axis=0, dtype=np.float64)])
        found[seen] = (sums[last[seen]] - sums[first[seen]]) / (last - first)[seen, np.newaxis]
    return found


def touching(offsets: Sequence[Span], spans: Sequence[Span]) -> tuple[Places, Places, Places]:
    """The numbers of the tokens that stand for text, and for each span the first of these that touches it and the first beyond;
    the same twice where none does.

    >>> [found.tolist() for found in touching([(0, 0), (0, 4), (4, 7), (8, 12)], [(0, 7), (8, 12), (20, 22)])]
    [[1, 2, 3], [0, 2, 3], [2, 3, 3]]
    """
    places = np.array(offsets, dtype=np.int64).reshape(-1, 2)
    real = np.flatnonzero(places[:, 1] > places[:, 0])
    places = places[real]
    wanted = np.array(spans, dtype=np.int64).reshape(-1, 2)
    # Tokens come in the order of the text, so those that touch a span are neighbours.
    first = np.searchsorted(places[:, 1], wanted[:, 0], side="right")
    last = np.searchsorted(places[:, 0], wanted[:, 1], side="left")
    # An empty span touches nothing, also within a token.
    return real, first, np.where(wanted[:, 1] > wanted[:, 0], np.maximum(last, first), first)


def placed(text: str, spans: Sequence[Span], prefix: str = "") -> list[Span]:
    """Where the `spans` of `text` stand in `prefix + clean(text)`, in which two halves of a character have become one.

    >>> placed("a\\ud83d\\ude42b", [(0, 1), (3, 4)], "query: ")
    [(7, 8), (9, 10)]
    """
    if len(clean(text)) == len(text):
        return [(start + len(prefix), end + len(prefix)) for start, end in spans]
    return [(len(prefix + clean(text[:start])), len(prefix + clean(text[:end]))) for start, end in spans]


def clean(text: str) -> str:
    """`text` as a tokenizer accepts it: lone surrogates become U+FFFD, and NULs spaces; for the vector only.

    >>> clean("a\\ud800b\\x00c")
    'a\\ufffdb c'
    """
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", " ")
