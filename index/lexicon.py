"""What a term is called in the other language, from a free dictionary.

`lexicon.tsv.gz` has a line for each term of `index.terms` that has translations: the term, then the terms of its translations
with their weights, separated by tabs. It is made from dictionaries by tests/bench/build_lexicon.py, which says which ones,
and is under their licence (`lexicon.LICENSE`), not under this project's.
"""

import gzip
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import cache
from pathlib import Path

from index.terms import passage_terms, question_spellings

WEIGHTS = {1: 0.7, 2: 0.5, 3: 0.4, 4: 0.3}
"""How much a translation counts, by its rank among those of a word; the word itself counts 1."""


@cache
def _lines() -> list[str]:
    # Not by the name of the package, which a folder `index` in the working directory would answer to.
    packed = Path(__file__).with_name("lexicon.tsv.gz").read_bytes()
    # In the order of their terms, and split on demand: a question needs a few of a hundred thousand.
    return gzip.decompress(packed).decode().splitlines()


def translations(term: str) -> dict[str, float]:
    """The terms that `term` is found by in the other language, with weights below 1; none for a term without translations.

    >>> translations("en:firefight")
    {'fr:fusillad': 0.7, 'fr:pompi': 0.7}
    >>> translations("f16")
    {}
    """
    lines = _lines()
    place = bisect_left(lines, f"{term}\t")
    head, *rest = lines[place].split("\t") if place < len(lines) else [""]
    if head != term:
        return {}
    return {translated: float(weight) for translated, _, weight in (one.rpartition(" ") for one in rest)}


def translated_words(spellings: Sequence[Sequence[str]], lang: str) -> list[dict[str, float]]:
    """For each word of a question in `lang` the terms of its translations, each with its weight.

    `spellings` are what `index.terms.question_spellings` gave; what is spelled alike in both languages is among them already.

    >>> translated_words([("en:minist",), ("en:resign", "fr:resigned")], "en")
    [{'fr:ministr': 0.7}, {'fr:demiss': 0.7, 'fr:demission': 0.7, 'fr:resign': 0.5, 'fr:abdiqu': 0.4}]
    """
    own = {term for word in spellings for term in word}
    found = []
    for word in spellings:
        weights: dict[str, float] = {}
        for term in word:
            if term.startswith(f"{lang}:"):
                for translated, weight in translations(term).items():
                    weights[translated] = max(weights.get(translated, 0.0), weight)
        found.append({term: weight for term, weight in weights.items() if term not in own})
    return found


def translated_terms(text: str, lang: str) -> frozenset[str]:
    """The terms that a question in `lang` is found by in the other language, by dictionary.

    >>> sorted(translated_terms("Which ministers resigned?", "en"))
    ['fr:abdiqu', 'fr:demiss', 'fr:demission', 'fr:ministr', 'fr:resign']
    """
    return frozenset().union(*translated_words(question_spellings(text, lang), lang))


def compile_lines(pairs: Iterable[tuple[str, str, int, int]]) -> Iterable[str]:
    """Lines of the lexicon from dictionary pairs: English, French, rank of the French among the English word's
    translations, rank of the English among the French word's; sorted, each term once.

    A headword of several words is left out, since terms are single; a translation of several gives each its share.

    >>> list(compile_lines([("fire brigade", "pompiers", 9, 1)]))
    ['fr:pompi\\ten:brigad 0.35\\ten:fire 0.35']
    """
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for english, french, from_english, from_french in pairs:
        for word, lang, translation, other, rank in (
            (english, "en", french, "fr", from_english),
            (french, "fr", english, "en", from_french),
        ):
            heads, terms = passage_terms(word, lang), list(dict.fromkeys(passage_terms(translation, other)))
            if rank not in WEIGHTS or " " in word or len(heads) != 1 or not terms:
                continue
            for term in terms:
                share = round(WEIGHTS[rank] / len(terms), 2)
                found[heads[0]][term] = max(found[heads[0]].get(term, 0.0), share)
    for head, weights in sorted(found.items()):
        best = sorted(weights.items(), key=lambda pair: (-pair[1], pair[0]))
        yield "\t".join([head, *(f"{term} {weight:g}" for term, weight in best)])
