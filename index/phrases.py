"""Does a text say these words in this order? Compared is what is written, not what it is stemmed to.

Words are runs of letters and digits, so that it is all one which apostrophes, quotation marks, hyphens, dashes and spaces stand
between them, and whether any does: *F-16* is *F 16*, and *l’attaque* has the word *attaque*. Case and ligatures are nothing. A
word that is asked for without accents is found with and without; one with accents only as it is written.
"""

import re
from functools import lru_cache

from index.terms import fold, without_accents

# One of the apostrophes is a letter to Unicode.
_RUN = re.compile(r"(?:(?!ʼ)[^\W_])(?:(?!ʼ)[^\W_]|[\u0300-\u036f])*")


def forms(text: str) -> list[str]:
    """The words of a text in order, case and ligatures folded away, accents kept.

    >>> forms("L’armée d'Œdipe-Roi, 11 h 58")
    ['l', 'armée', 'd', 'oedipe', 'roi', '11', 'h', '58']
    """
    # Some letters unfold to several words, and a stray accent to none.
    found = (form for run in _RUN.findall(text) for form in fold(run).split())
    return [form for form in found if without_accents(form)]


def plain_forms(text: str) -> list[str]:
    """The same without accents: what engines find phrases by.

    >>> plain_forms("Élysée")
    ['elysee']
    """
    return [without_accents(form) for form in forms(text)]


def is_accented(phrase: str) -> bool:
    """Whether any word of it was written with an accent, so that not every text with the plain words says it."""
    return any(form != without_accents(form) for form in _asked(phrase))


def holds(text: str, phrase: str) -> bool:
    """Whether `text` says the words of `phrase` in their order, with nothing between them; never for none.

    >>> holds("Le vice‑président l’a « préparé »", "vice president"), holds("Le plan préparé", "prépare")
    (True, False)
    """
    asked = _asked(phrase)
    if not asked:
        return False
    found = forms(text)
    plain = [without_accents(form) for form in found]
    # An accented word is compared as it is written.
    wanted = [(form, found if form != without_accents(form) else plain) for form in asked]
    return any(
        all(side[at + place] == form for place, (form, side) in enumerate(wanted)) for at in range(len(found) - len(asked) + 1)
    )


@lru_cache(maxsize=256)
def _asked(phrase: str) -> tuple[str, ...]:
    return tuple(forms(phrase))
