"""Does a text say these words in this order? Compared is what is written, not what it is stemmed to.

Words are runs of letters and digits, so that it is all one which apostrophes, quotation marks, hyphens, dashes and spaces stand
between them, and whether any does: *F-16* is *F 16*, and *l’attaque* has the word *attaque*. Case and ligatures are nothing. A
word that is asked for without accents is found with and without; one with accents only as it is written.
"""

import re
import unicodedata
from functools import lru_cache

from index.terms import without_accents

# One of the apostrophes is a letter to Unicode.
_RUN = re.compile(r"(?:(?!ʼ)[^\W_])(?:(?!ʼ)[^\W_]|[\u0300-\u036f])*")
_LIGATURES = str.maketrans({"œ": "oe", "æ": "ae"})


def forms(text: str) -> list[str]:
    """The words of a text in order, case and ligatures folded away, accents kept.

    >>> forms("L’armée d'Œdipe-Roi, 11 h 58")
    ['l', 'armée', 'd', 'oedipe', 'roi', '11', 'h', '58']
    """
    # Ours are one code point where there is one: é is é, however it was written.
    folded = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold().translate(_LIGATURES)
    return _RUN.findall(unicodedata.normalize("NFC", folded))


def plain_forms(text: str) -> list[str]:
    """The same without accents: what engines find phrases by.

    >>> plain_forms("Élysée")
    ['elysee']
    """
    return without_accents(" ".join(forms(text))).split()


def is_accented(phrase: str) -> bool:
    """Whether any word of it was written with an accent, so that not every text with the plain words says it."""
    return forms(phrase) != plain_forms(phrase)


def holds(text: str, phrase: str) -> bool:
    """Whether `text` says the words of `phrase` in their order, with nothing between them; never for none.

    >>> holds("Le vice‑président l’a « préparé »", "vice president"), holds("Le plan préparé", "prépare")
    (True, False)
    """
    asked, plainly = _asked(phrase)
    found = forms(text)
    there = without_accents(" ".join(found))
    if not asked or f" {' '.join(plainly)} " not in f" {there} ":
        return False
    if asked == plainly:
        return True
    # An accented word is compared as it is written.
    plain = there.split(" ")
    wanted = [(form, plain if form == other else found) for form, other in zip(asked, plainly, strict=True)]
    return any(
        all(side[at + place] == form for place, (form, side) in enumerate(wanted)) for at in range(len(found) - len(asked) + 1)
    )


@lru_cache(maxsize=256)
def _asked(phrase: str) -> tuple[list[str], list[str]]:
    """The words of a phrase as they are written, and without accents."""
    return forms(phrase), plain_forms(phrase)
