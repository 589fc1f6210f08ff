"""Which words of a passage are the question's?"""

from embed.encoder import Span
from index.lexicon import translated_terms
from index.terms import passage_terms, question_terms, words


def highlights(text: str, lang: str, question: str, asked_in: str) -> list[Span]:
    """Where the words of `question`, or their translations, stand in a `text` written in `lang`; in order, in code points.

    A word is marked whole and alone: never the article that is elided before it, nor the white space after it.

    >>> text = "L’attaque de Belgorod a fait 12 blessés."
    >>> [text[start:end] for start, end in highlights(text, "fr", "Who claimed the Belgorod attack?", "en")]
    ['attaque', 'Belgorod']
    """
    wanted = {*question_terms(question, asked_in), *translated_terms(question, asked_in)}
    found: list[Span] = []
    for word in words(text):
        # A code stands beside its parts, which lie within it.
        if wanted.intersection(passage_terms(text[word.start : word.end], lang)):
            if found and word.start < found[-1][1]:
                found[-1] = (min(found[-1][0], word.start), max(found[-1][1], word.end))
            else:
                found.append((word.start, word.end))
    return found
