"""Where the vectors of French and of English can be compared.

A multilingual model puts the texts of each language in a corner of their own: two French texts about nothing in common lie
nearer to each other than a French and an English one about the same thing. What all texts of a language have in common is
their mean; without it, what is left is what they say. Questions have means of their own, since models are told them apart by
a prefix. The means are properties of the model and hardly of the corpus, so they are measured once, on texts of every kind,
and an index keeps those that it was built with.

A word's vector is kept as the signs of its coordinates after a rotation that spreads the meaning over all of them: 48 bytes
instead of 1,536. The words of a question stay whole. The cosine between the two is then an estimate without bias, up to a
factor that is the same for every word (Charikar, "Similarity Estimation Techniques from Rounding Algorithms", 2002; the
asymmetric form is that of Gao and Long, "RaBitQ", 2024).
"""

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from embed import Encoder, ModelCard
from embed.encoder import Span, Vectors
from embed.sample import sample_texts
from index.language import LANGUAGES
from index.terms import content_words, words
from index.threads import one_thread

Codes = NDArray[np.uint8]

KINDS = ("question", "passage", "question word", "passage word")
# By the package's name, a folder `index` where a command is run would be looked into instead.
_FOLDER = Path(__file__).parent
_NEAR = 0.05
"""Of the length of a mean: 8-bit weights move means by less, and other texts by more."""
_SAMPLE = 96
"""Texts that the means of a model without measured ones are taken over."""
_TOGETHER = 1024
"""Words that are compared at a time: a third of the time of a search's all at once, and a twentieth of the memory."""


@dataclass(frozen=True)
class Space:
    """The means of a model's vectors, by kind and language: float32 of shape (dimension,).

    >>> space = Space({kind: {"fr": np.array([1, 0], np.float32), "en": np.array([0, 1], np.float32)} for kind in KINDS})
    >>> space.passages(np.array([[1, 1], [1, 1]], np.float32), ["fr", "en"]).tolist()
    [[0.0, 1.0], [1.0, 0.0]]
    """

    means: dict[str, dict[str, Vectors]]

    @property
    def dimension(self) -> int:
        """Of the vectors."""
        return len(self.means["passage"]["fr"])

    def passages(self, vectors: Vectors, langs: Sequence[str]) -> Vectors:
        """Vectors of passages, each less the mean of its language, as rows of length 1."""
        return _unit(vectors - np.stack([self._mean("passage", lang) for lang in langs]))

    def question(self, vector: Vectors, lang: str) -> Vectors:
        """The vector of a question, less the mean of its language, of length 1."""
        row: Vectors = _unit((vector - self._mean("question", lang))[np.newaxis])[0]
        return row

    def codes(self, vectors: Vectors, lang: str) -> Codes:
        """The words of one passage as signs: uint8 of shape (words, ceil(dimension / 8)). Rows of zeros are left out."""
        kept = vectors[vectors.any(axis=1)] - self._mean("passage word", lang)
        return np.packbits(_product(kept, _rotation(self.dimension)) > 0, axis=1)

    def question_words(self, vectors: Vectors, lang: str) -> Vectors:
        """The words of a question, to be compared with codes: rows of length 1. Rows of zeros are left out."""
        kept = vectors[vectors.any(axis=1)] - self._mean("question word", lang)
        return _product(_unit(kept), _rotation(self.dimension))

    def is_near(self, other: "Space") -> bool:
        """Whether the two differ by no more than arithmetic of several precisions does.

        >>> means = {kind: {"fr": np.array([1, 0], np.float32), "en": np.array([0, 1], np.float32)} for kind in KINDS}
        >>> other = {**means, "passage": {"fr": np.array([1, 0.2], np.float32), "en": np.array([0, 1], np.float32)}}
        >>> Space(means).is_near(Space(means)), Space(means).is_near(Space(other))
        (True, False)
        """
        if {kind: set(means) for kind, means in self.means.items()} != {
            kind: set(means) for kind, means in other.means.items()
        }:
            return False
        pairs = [(mean, other.means[kind][lang]) for kind, means in self.means.items() for lang, mean in means.items()]
        return all(
            a.shape == b.shape and np.linalg.norm(a - b) <= _NEAR * max(np.linalg.norm(a), np.linalg.norm(b)) for a, b in pairs
        )

    def _mean(self, kind: str, lang: str) -> Vectors:
        means = self.means[kind]
        if lang in means:
            return means[lang]
        both: Vectors = np.mean([means[known] for known in LANGUAGES], axis=0, dtype=np.float32)
        return both

    def to_json(self) -> str:
        """The means, for `from_json`."""
        return json.dumps(
            {
                kind: {lang: base64.b64encode(mean.astype("<f4").tobytes()).decode() for lang, mean in by_lang.items()}
                for kind, by_lang in self.means.items()
            }
        )

    @classmethod
    def from_json(cls, text: str) -> "Space":
        """What `to_json` wrote."""
        return cls(
            {
                kind: {lang: np.frombuffer(base64.b64decode(mean), dtype="<f4") for lang, mean in by_lang.items()}
                for kind, by_lang in json.loads(text).items()
            }
        )


def space_of(encoder: Encoder) -> Space:
    """The space of a model: as measured on the development sets for the default model, else on the texts of `embed.sample`."""
    return _measured(encoder.card) or estimate(encoder)


def _measured(card: ModelCard) -> Space | None:
    file = _FOLDER / f"{card.name}.space.json"
    if "/" in card.name or not file.is_file():
        return None
    measured = json.loads(file.read_text(encoding="utf-8"))
    # Other weights of that name have other means.
    return Space.from_json(json.dumps(measured["means"])) if measured["revision"] == card.revision else None


def estimate(encoder: Encoder) -> Space:
    """The space of a model, from texts that come with the project: French and English in turn."""
    texts = sample_texts(_SAMPLE, seed=3)
    # French and English in turn.
    langs = [LANGUAGES[number % len(LANGUAGES)] for number in range(len(texts))]
    readings = {
        "question": encoder.read_queries(texts, [word_spans(text) for text in texts]),
        "passage": encoder.read_passages(texts, [content_spans(*pair) for pair in zip(texts, langs, strict=True)]),
    }
    means: dict[str, dict[str, Vectors]] = {}
    for kind, found in readings.items():
        means[kind] = {lang: np.mean([one.vector for one in found[n::2]], axis=0) for n, lang in enumerate(LANGUAGES)}
        means[f"{kind} word"] = {
            lang: _mean_seen(np.concatenate([one.words for one in found[n::2]])) for n, lang in enumerate(LANGUAGES)
        }
    return Space(means)


def _mean_seen(words: Vectors) -> Vectors:
    """The mean of the rows that are not zeros: a word beyond the limit of the model is left out of the codes as well."""
    seen = words[words.any(axis=1)]
    mean: Vectors = seen.mean(axis=0) if len(seen) else np.zeros(words.shape[1], dtype=np.float32)
    return mean


def word_spans(text: str) -> list[Span]:
    """Where the words of a question stand.

    >>> word_spans("L’armée tire.")
    [(2, 7), (8, 12)]
    """
    return [(word.start, word.end) for word in words(text)]


def content_spans(text: str, lang: str) -> list[Span]:
    """Where the words of a passage stand that are kept: without stop words, which are a third of it and never missed.

    >>> content_spans("L’armée tire sur eux.", "fr")
    [(2, 7), (8, 12)]
    """
    return [(word.start, word.end) for word in content_words(text, lang)] or word_spans(text)


def matches(question: Vectors, codes: Sequence[Codes]) -> Vectors:
    """How well each word of the question finds its like in each passage: float32 of shape (passages, words).

    The greatest cosine between the word and any of the passage's, estimated from their signs; the mean over the words is the
    late interaction of Khattab and Zaharia, "ColBERT" (2020). `question` is what `Space.question_words` gave, at least one
    row, and no passage is without words.

    >>> question = np.array([[0.6, 0.8, 0, 0, 0, 0, 0, 0]], dtype=np.float32)
    >>> same, opposite = np.packbits([[1, 1, 0, 0, 0, 0, 0, 0]], axis=1), np.packbits([[0, 0, 1, 1, 1, 1, 1, 1]], axis=1)
    >>> [round(float(best), 3) for best in matches(question, [same, opposite])[:, 0]]  # (0.6 + 0.8) / sqrt(8)
    [0.495, -0.495]
    """
    dimension = question.shape[1]
    scale = np.float32(1 / np.sqrt(dimension))
    # A sign is 2 bit - 1, so that the product with signs is twice that with bits, less the sum.
    weights, sums = 2 * scale * question.T, scale * question.sum(axis=1)
    lengths = np.array([len(one) for one in codes])
    # Passage by passage until there are words enough: one by one they are all overhead, and together they leave the caches.
    groups = np.cumsum(lengths) // _TOGETHER
    found = []
    for at in np.split(np.arange(len(codes)), np.flatnonzero(np.diff(groups)) + 1):
        some = [codes[place] for place in at]
        products = _product(np.unpackbits(np.concatenate(some), axis=1, count=dimension).astype(np.float32), weights) - sums
        found.append(np.maximum.reduceat(products, np.cumsum(lengths[at]) - lengths[at], axis=0))
    best: Vectors = np.concatenate(found)
    return best


@cache
def _rotation(dimension: int) -> Vectors:
    """An orthogonal matrix drawn by lot, the same on every machine."""
    # RandomState is the generator whose numbers are promised never to change.
    drawn = np.random.RandomState(0).standard_normal((dimension, dimension))
    with one_thread():
        q, r = np.linalg.qr(drawn)
    rotation: Vectors = (q * np.sign(np.diag(r))).astype(np.float32)
    return rotation


def _product(a: Vectors, b: Vectors) -> Vectors:
    with one_thread():
        product: Vectors = a @ b
    return product


def _unit(rows: Vectors) -> Vectors:
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit: Vectors = (rows / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    # What is all mean has no direction left; a vector of length 1 is promised.
    unit[lengths[:, 0] == 0, 0] = 1.0
    return unit
