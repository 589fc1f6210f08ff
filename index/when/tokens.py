"""A question as tokens: words and numbers, without case and accents, where they stand."""

import re
import unicodedata
from dataclasses import dataclass

_TOKEN = re.compile(r"[0-9]+|[^\W0-9_][^\W0-9_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\W0-9_\u0300-\u036f]*)*")
_APOSTROPHES = "'’ʼ‘"
_HYPHENS = "-‐‑–—"
_SOFT = re.compile(rf"[{_HYPHENS}{_APOSTROPHES}]?[^\S\r\n]{{0,3}}|[^\S\r\n]{{1,3}}[{_HYPHENS}]?[^\S\r\n]{{0,3}}|\s")
_COMMA = re.compile(r"\s{0,3},\s{0,3}")
# A point after these ends no sentence.
_ABBREVIATED = frozenset("janv fevr fev avr juil sept sep oct nov dec jan feb mar apr jun jul aug".split())
# What is longer is no number of hours, days or years.
_DIGITS = 6


@dataclass(frozen=True)
class Token:
    """A word or a number: `text[start:end]`; `form` has neither case nor accents, `gap` is what stands before it."""

    form: str
    start: int
    end: int
    gap: str
    raw: str

    @property
    def number(self) -> int | None:
        """The value of a number in digits."""
        return int(self.form) if self.form.isdecimal() and len(self.form) <= _DIGITS else None

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital."""
        return self.raw[:1].isupper()

    @property
    def joined(self) -> bool:
        """Whether nothing but a space, a hyphen or an apostrophe divides it from the one before."""
        return self.gap == " " or _SOFT.fullmatch(self.gap) is not None

    @property
    def after_comma(self) -> bool:
        """Whether a comma divides it from the one before."""
        return _COMMA.fullmatch(self.gap) is not None

    @property
    def glued(self) -> bool:
        """Whether nothing at all divides it from the one before."""
        return self.gap == ""


def fold(word: str) -> str:
    """Without case and accents.

    >>> fold("Été"), fold("DÉC")
    ('ete', 'dec')
    """
    if word.isascii():
        return word.lower()
    opened = unicodedata.normalize("NFKD", word.casefold())
    return "".join(char for char in opened if not unicodedata.combining(char))


def tokens(text: str) -> tuple[Token, ...]:
    """The tokens of `text`, in order.

    >>> [token.form for token in tokens("jusqu’à 14h30, l'été")]
    ['jusqu', 'a', '14', 'h', '30', 'l', 'ete']
    """
    found: list[Token] = []
    end = 0
    for match in _TOKEN.finditer(text):
        raw = match.group()
        gap = text[end : match.start()]
        if found and found[-1].form in _ABBREVIATED:
            gap = gap.removeprefix(".")
        found.append(Token(fold(raw), match.start(), match.end(), gap, raw))
        end = match.end()
    return tuple(found)
