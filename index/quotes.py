"""The sentences of what was found, and how well each answers: passages -> quotes.

A question's words are sought in each sentence as they are in passages: by the vectors that the words have in their passage,
which the store keeps, and by their terms. No sentence is embedded, so that quotes cost next to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import numpy as np

from embed.encoder import Span, Vectors
from embed.stages import stage
from index.chunk import context
from index.engine import rarity
from index.evidence import Asked
from index.lexicon import translations
from index.question import Kind, kind_of, names
from index.reader import Snapshot
from index.records import Ids, Passage
from index.sentences import sentences
from index.space import Codes, matches
from index.terms import content_words, question_spellings, term, words


@dataclass(frozen=True)
class Sentence:
    """A sentence of a passage, `passage.entry.text[start:end]`, with what speaks for it.

    `words` is late interaction with it alone, `cover` the share of the question's words that it holds (from 0 to 1, weighted by
    their rarity), and `names` whether it names what is asked for. A sentence that follows a question counts that one's words as
    its own, since it answers them.
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

    @property
    def asks(self) -> bool:
        """Whether it is a question itself, which answers none."""
        return _asks(self.text)


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


def by_passage(sentences: Sequence[Sentence]) -> dict[int, list[Sentence]]:
    """The sentences of each passage, by its id; those of one stand together."""
    return {i: list(some) for i, some in groupby(sentences, key=lambda one: one.passage.id)}


@stage("read")
def read(
    asked: Asked,
    sought: Sought,
    ranked: Sequence[tuple[Passage, float]],
    snapshot: Snapshot,
    known: Mapping[int, Sequence[Sentence]] | None = None,
) -> list[Sentence]:
    """Every sentence of the passages, each given with its score, in their order; `known` are those that the same question was
    read with before, by passage.
    """
    known = known or {}
    kind = kind_of(asked.text, asked.lang)
    codes = snapshot.store.words([passage.id for passage, _ in ranked if passage.id not in known])
    found: list[Sentence] = []
    for passage, score in ranked:
        if passage.id in known:
            found += [replace(one, score=score) for one in known[passage.id]]
            continue
        lang, parts = passage.entry.lang, sentences(passage.text)
        # What is kept of the words was read with the entry's title before it.
        whole = context(passage.entry.title, passage.text)
        before = len(whole) - len(passage.text)
        spoken = content_words(whole, lang)
        # As `content_spans` has it, of the same words.
        starts = np.array([word.start for word in spoken or words(whole)], dtype=np.int64) - before
        begins = _begins(passage.text, parts)
        late = _words(
            asked, starts, [(begin, end) for begin, (_, end) in zip(begins, parts, strict=True)], codes.get(passage.id)
        )
        for (start, end), begin, matched in zip(parts, begins, late, strict=True):
            text = passage.text[start:end]
            held = {term(word.form, lang) for word in spoken if begin <= word.start - before < end}
            place = passage.start + start, passage.start + end
            found.append(Sentence(passage, *place, score, matched, sought.cover(held), kind, names(kind, asked.text, text)))
    return found


def _begins(text: str, parts: Sequence[Span]) -> list[int]:
    """Where each sentence begins with the questions before it that it answers.

    >>> _begins("Who? Why? Nobody knows. They say.", [(0, 4), (5, 9), (10, 23), (24, 33)])
    [0, 5, 0, 24]
    """
    found: list[int] = []
    asked: int | None = None
    for start, end in parts:
        if _asks(text[start:end]):
            asked = start if asked is None else asked
            found.append(start)
        else:
            found.append(start if asked is None else asked)
            asked = None
    return found


def _asks(sentence: str) -> bool:
    return sentence.rstrip(" \u00a0\u202f»”\"')").endswith("?")


def _words(asked: Asked, starts: Ids, parts: Sequence[Span], codes: Codes | None) -> list[float]:
    """Late interaction of the question with the words of each part of a passage, which begin at `starts`; 0 with a part that
    has none that are kept.
    """
    late = [0.0] * len(parts)
    if codes is None or not len(asked.words):
        return late
    # A long passage may end after what is kept.
    starts, codes = starts[: len(codes)], codes[: len(starts)]
    held = [(place, codes[(starts >= start) & (starts < end)]) for place, (start, end) in enumerate(parts)]
    held = [(place, some) for place, some in held if len(some)]
    if held:
        best = matches(asked.words, [some for _, some in held]).mean(axis=1)
        for (place, _), value in zip(held, best.tolist(), strict=True):
            late[place] = value
    return late
