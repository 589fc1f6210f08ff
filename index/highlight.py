"""Which words of a passage are the question's?"""

from collections.abc import Collection

from embed.encoder import Span
from index.lexicon import translated_terms
from index.terms import content_words, question_terms, term


def wanted_terms(question: str, lang: str) -> frozenset[str]:
    """The terms of a question in `lang`, and of their translations."""
    return frozenset(question_terms(question, lang)).union(translated_terms(question, lang))


def highlights(text: str, lang: str, wanted: Collection[str]) -> list[Span]:
    """Where words with one of the `wanted` terms stand in a `text` written in `lang`; in order, in code points.

    A word is marked whole and alone: never the article that is elided before it, nor the white space after it.

    >>> text = "L’attaque de Belgorod a fait 12 blessés."
    >>> found = highlights(text, "fr", wanted_terms("Who claimed the Belgorod attack?", "en"))
    >>> [text[start:end] for start, end in found]
    ['attaque', 'Belgorod']
    """
    found: list[Span] = []
    for word in content_words(text, lang):
        if term(word.form, lang) in wanted:
            start, end = word.start, word.end
            # A code stands behind its parts, which lie within it.
            while found and start < found[-1][1]:
                before = found.pop()
                start, end = min(start, before[0]), max(end, before[1])
            found.append((start, end))
    return found
