"""How rare is a word of a question, in whatever language it is written?

A word is looked for as several terms: as French rules have it, as English rules have it, and as it stands. BM25 gives each of
them a rarity of its own, and so takes *gilets*, which is everywhere in the French half of a corpus, for a rare find in the
English half. Here the terms of a word share one rarity, that of a term which all their passages hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from index.engine import TermView, rarity

MOST_WORDS = 40
"""Of a question; the rarest ones when it has more. A longer text says nothing that its rarest words do not, and costs more."""


@dataclass(frozen=True)
class Word:
    """A word as it is looked for: the terms that it has, with their weights, and those of its translations with theirs."""

    terms: Mapping[str, float]
    translated: Mapping[str, float] = field(default_factory=dict)


def balanced(
    words: Sequence[Sequence[str]], view: TermView, translations: Sequence[Mapping[str, float]] | None = None
) -> list[Word]:
    """Each word with weights that give all of its terms the rarity of the word, rarest words first; its translations too have
    one rarity, and are then worth what `translations` says: one mapping for each word.

    `words` are what `index.terms.question_spellings` gave. A weight is at most 1; a word that no passage holds, in either
    language, is left out. Below, four of five passages have *gilet*: ln(6 / 4.5) is .534 of ln(6 / 3.5) and .208 of
    ln(6 / 1.5).

    >>> from index.engine import ExactTerms
    >>> engine = ExactTerms()
    >>> engine.add([(1, ["fr:gilet"]), (2, ["fr:gilet"]), (3, ["fr:gilet"]), (4, ["en:gilet"]), (5, ["en:vest"])])
    >>> engine.commit(1)
    >>> balanced([("fr:gilet", "en:gilet")], engine.view(), [{"en:vest": 0.5}])
    [Word(terms={'fr:gilet': 0.534, 'en:gilet': 0.208}, translated={'en:vest': 0.5})]
    """
    found = []
    for word, others in zip(words, translations or [{}] * len(words), strict=True):
        own, terms = _shared(word, view)
        foreign, translated = _shared(list(others), view)
        if terms or translated:
            weighed = {term: round(weight * others[term], 3) for term, weight in translated.items()}
            found.append((max(own, foreign), Word(terms, weighed)))
    # Stable: equal words stay in the order of the question.
    found.sort(key=lambda pair: -pair[0])
    return [word for _, word in found[:MOST_WORDS]]


def _shared(terms: Sequence[str], view: TermView) -> tuple[float, dict[str, float]]:
    """The rarity that the terms share, and the weight with which each of those that are held has it."""
    total = len(view)
    # Removed passages may still be counted, so that more hold a term than there are.
    holders = [min(count, total) for count in view.frequencies(terms)]
    if not any(holders):
        return 0.0, {}
    shared = rarity(min(sum(holders), total), total)
    return shared, {term: round(shared / rarity(count, total), 3) for term, count in zip(terms, holders, strict=True) if count}
