"""How rare is a word of a question, in whatever language it is written?

A word is looked for as several terms: as French rules have it, as English rules have it, and as it stands. BM25 gives each of
them a rarity of its own, and so takes *gilets*, which is everywhere in the French half of a corpus, for a rare find in the
English half. Here the terms of a word share one rarity, that of a term which all their passages hold.
"""

from collections.abc import Sequence

from index.engine import TermView, rarity

MOST_WORDS = 40
"""Of a question; the rarest ones when it has more. A longer text says nothing that its rarest words do not, and costs more."""


def balanced(words: Sequence[Sequence[str]], view: TermView) -> list[dict[str, float]]:
    """For each word, its terms with the weights that give all of them the rarity of the word; rarest words first.

    `words` are what `index.terms.question_spellings` gave. A weight is at most 1; a word that no passage holds is left out.
    Below, four of five passages have *gilet*: ln(6 / 4.5) is .534 of ln(6 / 3.5) and .208 of ln(6 / 1.5).

    >>> from index.engine import ExactTerms
    >>> engine = ExactTerms()
    >>> engine.add([(1, ["fr:gilet"]), (2, ["fr:gilet"]), (3, ["fr:gilet"]), (4, ["en:gilet"]), (5, ["en:vest"])])
    >>> engine.commit(1)
    >>> balanced([("fr:gilet", "en:gilet"), ("en:vest",)], engine.view())
    [{'en:vest': 1.0}, {'fr:gilet': 0.534, 'en:gilet': 0.208}]
    """
    total = len(view)
    found = []
    for word in words:
        # Removed passages may still be counted, so that more hold a term than there are.
        holders = [min(count, total) for count in view.frequencies(word)]
        if any(holders):
            shared = rarity(min(sum(holders), total), total)
            weights = {
                term: round(shared / rarity(count, total), 3) for term, count in zip(word, holders, strict=True) if count
            }
            found.append((shared, weights))
    # Stable: equal words stay in the order of the question.
    found.sort(key=lambda pair: -pair[0])
    return [weights for _, weights in found[:MOST_WORDS]]
