"""Text to search terms, the same for passages and questions.

A *word* is found in the text where it stands (with offsets), then normalised: compatibility forms and case folded, elided
articles cut off (`l’attaque` is *attaque*; `aujourd’hui` stays whole), ligatures opened, numbers and times brought to one
spelling. A *term* is a word without its ending and accents, tagged with the language whose rules were used, because the
same letters are different words in French and in English. Numbers, times and codes such as *F-16* belong to no language and
carry no tag.

>>> passage_terms("L’armée a utilisé 1 000 drones à 11 h 58", "fr")
['fr:arme', 'fr:utilis', '1000', 'fr:dron', '11h58']
>>> question_terms("Who trains F-16s pilots?", "en")
['en:train', 'fr:train', 'trains', '16', 'f16', 'en:pilot', 'fr:pilot', 'pilots']
"""

import functools
import re
import threading
import unicodedata
from collections.abc import Iterator
from typing import NamedTuple

import Stemmer

_WORD = re.compile(
    r"""
      (?P<time>(?<!\d)(?:
            (?:0?[1-9]|1[0-2])[:.][0-5]\d[ \u00a0\u202f]?[aApP](?:\.[mM]\.?|[mM])(?![^\W_])
          | (?:[01]?\d|2[0-3])(?:[ \u00a0\u202f]?[hH][ \u00a0\u202f]?|:)[0-5]\d(?!\d)))
    | (?P<number>\d{1,3}(?:[ \u00a0\u202f.,]\d{3})+(?![\d]) | \d++(?:[.,]\d++)?(?![^\W_]))
    | (?P<acronym>(?<![^\W_])(?:(?:[cdjlmnstCDJLMNST]|[qQ][uU])['’ʼ])?(?:[^\W\d_]\.){2,}(?:[^\W\d_](?![^\W_]))?)
    | (?P<word>[^\W_](?:[^\W_]|[\u0300-\u036f]|['’ʼ](?=[^\W_])|[-‐‑](?=[^\W_]))*)
    """,
    re.VERBOSE,
)
_ELISION = re.compile(
    r"(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu|quelqu|presqu)['’ʼ](?=\w)",
    re.IGNORECASE,
)
_APOSTROPHE = re.compile(r"['’ʼ]")
_POSSESSIVE = re.compile(r"['’ʼ]s?$", re.IGNORECASE)
_WHOLE = re.compile(r"(?:aujourd|prud|o)['’ʼ]", re.IGNORECASE)
_CODE = re.compile(r"^(?=.*\d)(?=.*[^\W\d])")
_HYPHEN = re.compile(r"[-‐‑]")
_SPELLINGS = str.maketrans({"œ": "oe", "æ": "ae", "'": "", "’": "", "ʼ": ""})

_STOP = {
    "fr": frozenset(
        """a ai ait as au aucun aucune aussi autre autres aux avaient avait avant avec avez avoir avons ayant bien c car ce ceci
        cela celle celles celui ces cet cette ceux chez ci comme comment d dans de des donc dont du elle elles en encore es est
        et etaient etait etant ete etes etre eu eux fait faire faut furent fut ici il ils j je l la le les leur leurs lors
        lorsque lui m ma mais me meme memes mes mon n ne ni nos notre nous o on ont or ou par parce pas pendant peu peut peuvent
        plus pour pourquoi puis qu quand que quel quelle quelles quels qui quoi s sa sans se sera seront ses si son sont sous
        sur t ta te tes toi ton tous tout toute toutes tres tu un une va vers via vos votre vous y""".split()
    ),
    "en": frozenset(
        """a about after again all also am an and any are as at be because been before being between both but by can could did
        do does doing down during each few for from further had has have having he her here hers him his how i if in into is it
        its itself just me more most my no nor not now of off on once only or other our out over own same she should so some
        such than that the their them then there these they this those through to too under until up very was we were what when
        where which while who whom whose why will with would you your""".split()
    ),
}

_stemmers = threading.local()
_MET, _LONGEST_MET = 20_000, 40
"""So many words of up to so many characters are remembered once they are taken apart: 5 MB."""
_STEMMED = 1 << 15
"""Words whose terms are remembered: 10 MB."""
_QUESTIONS = 64
"""Those that are being asked, and some more."""


class Word(NamedTuple):
    """A word where it stands: `text[start:end]`, without an elided article."""

    start: int
    end: int
    form: str
    """Normalised, accents kept."""


def words(text: str) -> Iterator[Word]:
    """The words of `text`, in order; offsets in code points.

    >>> [(text[w.start : w.end], w.form) for text in ["l’Œuvre de 11 h 58"] for w in words(text)]
    [('Œuvre', 'oeuvre'), ('de', 'de'), ('11 h 58', '11h58')]
    """
    for match in _WORD.finditer(text):
        start, end = match.span()
        found = match.group()
        if match.lastgroup == "time":
            yield Word(start, end, _time(found))
        elif match.lastgroup == "number":
            yield Word(start, end, _number(found))
        elif match.lastgroup == "acronym":
            elided = _ELISION.match(found)
            start += elided.end() if elided else 0
            yield Word(start, end, fold(text[start:end].replace(".", "")))
        else:
            # Of a text's words most have been met before.
            for word in _met(found) if len(found) <= _LONGEST_MET else _split(found):
                yield Word(start + word.start, start + word.end, word.form)


def _time(found: str) -> str:
    hours, minutes = re.findall(r"\d+", found)
    half = re.search("[aApP]", found)
    hour = int(hours) if half is None else int(hours) % 12 + (12 if half.group() in "pP" else 0)
    return f"{hour:02}h{minutes}"


def _number(found: str) -> str:
    grouped = re.fullmatch(r"\d{1,3}(?:[ \u00a0\u202f.,]\d{3})+", found)
    return re.sub(r"\D", "", found) if grouped else found.replace(",", ".")


@functools.lru_cache(_MET)
def _met(found: str) -> tuple[Word, ...]:
    return tuple(_split(found))


def _split(found: str) -> Iterator[Word]:
    """A run of letters, apostrophes and hyphens -> its words, where they stand in it."""
    found = _POSSESSIVE.sub("", found)
    at = 0
    while at < len(found):
        whole = _WHOLE.match(found, at)
        elided = None if whole else _ELISION.match(found, at)
        if elided:
            at = elided.end()
            continue
        apostrophe = None if whole else _APOSTROPHE.search(found, at)
        end = apostrophe.start() if apostrophe else len(found)
        # One of the apostrophes is a letter to Unicode and may begin a run.
        if at < end:
            yield from _parts(found[at:end], at)
        at = end + 1


def _parts(found: str, start: int) -> Iterator[Word]:
    """A run of letters and hyphens -> its words, and itself when it is a code."""
    at = 0
    parts = _HYPHEN.split(found)
    for part in parts:
        if len(part) > 1 or len(parts) == 1:
            yield Word(start + at, start + at + len(part), _singular(fold(part)))
        at += len(part) + 1
    if len(parts) > 1 and _CODE.match(found):
        yield Word(start, start + len(found), _singular(fold("".join(parts))))


def _singular(form: str) -> str:
    """The plural of a code is the code: `f16s` is `f16`."""
    return form[:-1] if form.endswith("s") and form[-2:-1].isdigit() else form


def fold(text: str) -> str:
    """Compatibility forms, case, ligatures and apostrophes folded away; accents kept.

    >>> fold("Cœur"), fold("É") == fold("E\u0301")
    ('coeur', True)
    """
    if text.isascii():
        # Two words of three; the rest would take five times as long to come to the same.
        return text.lower().replace("'", "")
    return unicodedata.normalize("NFKC", text).casefold().translate(_SPELLINGS)


def without_accents(text: str) -> str:
    """`text` without diacritics.

    >>> without_accents("préoccupation")
    'preoccupation'
    """
    if text.isascii():
        return text
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c))


def content_words(text: str, lang: str) -> list[Word]:
    """The words of a text written in `lang` that are no stop words, in order.

    >>> [word.form for word in content_words("Le Kremlin a réagi à l’attaque", "fr")]
    ['kremlin', 'réagi', 'attaque']
    """
    return [word for word in words(text) if _tells(word.form, lang)]


@functools.lru_cache(_MET)
def _tells(form: str, lang: str) -> bool:
    """Whether a word is no stop word."""
    letters = without_accents(form)
    # A stray accent is a letter to Unicode, and nothing once accents are gone.
    return bool(letters) and letters not in _STOP.get(lang, ())


def passage_terms(text: str, lang: str) -> list[str]:
    """The terms of a text written in `lang`, in order, repeated as often as they occur, stop words left out."""
    return [term(word.form, lang) for word in content_words(text, lang)]


def question_terms(text: str, lang: str) -> list[str]:
    """The terms to look for, each once: every word under French rules, English rules and none."""
    return [term for spellings in question_spellings(text, lang) for term in spellings]


def question_spellings(text: str, lang: str) -> list[tuple[str, ...]]:
    """The words to look for, each as its terms under French rules, English rules and none.

    A passage was indexed under the rules of its own language, so the same question finds it whichever that is. `lang` is the
    language of the question; its stop words are left out everywhere. A term that two words share is the first one's.

    >>> question_spellings("Who trains F-16s pilots?", "en")
    [('en:train', 'fr:train', 'trains'), ('16',), ('f16',), ('en:pilot', 'fr:pilot', 'pilots')]
    """
    return list(_spellings(text, lang))


@functools.lru_cache(_QUESTIONS)
def _spellings(text: str, lang: str) -> tuple[tuple[str, ...], ...]:
    # A question is asked for them by each kind of evidence.
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for word in words(text):
        plain = without_accents(word.form)
        if not plain or plain in _STOP.get(lang, frozenset()):
            continue
        rules = (lang, *(other for other in _STOP if other != lang), "und")
        terms = dict.fromkeys(term(word.form, one) for one in rules if plain not in _STOP.get(one, frozenset()))
        spellings = tuple(one for one in terms if one not in seen)
        seen.update(spellings)
        if spellings:
            found.append(spellings)
    return tuple(found)


def term(form: str, lang: str) -> str:
    """The term of a word in a language, or in none where that has no rules here.

    >>> term("attaques", "fr"), term("11h58", "fr"), term("attaques", "und")
    ('fr:attaqu', '11h58', 'attaques')
    """
    # Numbers hardly come twice, and would take the place of what does.
    return _met_term(form, lang) if form.isalpha() else _term(form, lang)


def _term(form: str, lang: str) -> str:
    if any(character.isdigit() for character in form) or lang not in _STOP:
        return without_accents(form)
    return f"{lang}:{without_accents(_stem(form, lang))}"


_met_term = functools.lru_cache(_STEMMED)(_term)


def _stem(form: str, lang: str) -> str:
    # A stemmer object keeps a buffer, so each thread has its own.
    stemmer = getattr(_stemmers, lang, None)
    if stemmer is None:
        stemmer = Stemmer.Stemmer({"fr": "french", "en": "english"}[lang])
        setattr(_stemmers, lang, stemmer)
    return str(stemmer.stemWord(form))
