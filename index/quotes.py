"""The sentences of what was found, and how well each answers: passages -> quotes.

A question's words are sought in each sentence as they are in passages: by the vectors that the words have in their passage,
which the store keeps, and by their terms. No sentence is embedded, so that quotes cost next to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from embed.encoder import Span, Vectors
from index.chunk import context
from index.engine import rarity
from index.evidence import Asked
from index.lexicon import translations
from index.question import Kind, kind_of, names
from index.reader import Snapshot
from index.records import Passage
from index.sentences import sentences
from index.space import Codes, content_spans, matches
from index.terms import content_words, question_spellings, term


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage, `passage.entry.text[start:end]`, with what speaks for it.

    `words` is late interaction with it alone, `cover` the share of the question's words that it holds (from 0 to 1, weighted by
    their rarity), and `names` whether it names what is asked for.
    """

    passage: Passage
    start: int
    end: int
    score: float
    """Of its passage."""
    words: float
    cover: float
    kind: Kind
    names: bool

    @property
    def text(self) -> str:
        """The sentence itself."""
        return self.passage.entry.text[self.start : self.end]


@dataclass(frozen=True)
class Sought:
    """The words of a question that sentences may hold: for each the terms that say it, with weights up to 1, and how rare it is
    in either language; and how many of them no passage holds in either.
    """

    terms: Sequence[Mapping[str, float]]
    rarities: Vectors
    unknown: int

    @classmethod
    def of(cls, asked: Asked, snapshot: Snapshot) -> "Sought":
        """The words of a question, with their translations; those that no passage holds too."""
        total = len(snapshot.terms)
        terms, rarities, unknown = [], [], 0
        for spellings in question_spellings(asked.text, asked.lang):
            said = dict.fromkeys(spellings, 1.0)
            for one in spellings:
                if one.startswith(f"{asked.lang}:"):
                    said = translations(one) | said
            holders = sum(snapshot.terms.frequencies(list(said)))
            terms.append(said)
            rarities.append(rarity(min(holders, total), total))
            unknown += not holders
        return cls(terms, np.array(rarities, dtype=np.float32), unknown)

    def cover(self, held: set[str]) -> float:
        """The share of the words, weighted by rarity, that a text with these terms holds; 0 for a question without words."""
        best = [max((weight for one, weight in said.items() if one in held), default=0.0) for said in self.terms]
        return float(np.dot(best, self.rarities) / self.rarities.sum()) if self.terms else 0.0


def read(asked: Asked, sought: Sought, ranked: Sequence[tuple[Passage, float]], snapshot: Snapshot) -> list[Sentence]:
    """Every sentence of the passages, each given with its score, in their order."""
    kind = kind_of(asked.text, asked.lang)
    codes = snapshot.store.words([passage.id for passage, _ in ranked])
    found = []
    for passage, score in ranked:
        parts = sentences(passage.text)
        words = _words(asked, passage, parts, codes.get(passage.id))
        for (start, end), late in zip(parts, words, strict=True):
            text = passage.text[start:end]
            held = {term(word.form, passage.entry.lang) for word in content_words(text, passage.entry.lang)}
            found.append(
                Sentence(
                    passage,
                    passage.start + start,
                    passage.start + end,
                    score,
                    late,
                    sought.cover(held),
                    kind,
                    names(kind, asked.text, text),
                )
            )
    return found


def _words(asked: Asked, passage: Passage, parts: Sequence[Span], codes: Codes | None) -> list[float]:
    """Late interaction of the question with each part of a passage; 0 with one that has no words that are kept."""
    late = [0.0] * len(parts)
    if codes is None or not len(asked.words):
        return late
    # What is kept was read with the entry's title before it.
    read = context(passage.entry.title, passage.text)
    before = len(read) - len(passage.text)
    spans = content_spans(read, passage.entry.lang)[: len(codes)]
    starts = np.array([start for start, _ in spans], dtype=np.int64) - before
    held = [(place, codes[: len(spans)][(starts >= start) & (starts < end)]) for place, (start, end) in enumerate(parts)]
    held = [(place, some) for place, some in held if len(some)]
    if held:
        best = matches(asked.words, [some for _, some in held]).mean(axis=1)
        for (place, _), value in zip(held, best.tolist(), strict=True):
            late[place] = value
    return late
