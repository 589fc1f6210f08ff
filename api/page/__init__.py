"""The first page: one form, ranked passages, in French or English. Works without JavaScript, because it has none."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from babel.dates import format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from index.errors import InvalidRequest
from index.records import Entry, Hit
from index.search import MAX_QUESTION, Results

_FOLDER = Path(__file__).parent
STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
HEADERS = {
    "Content-Security-Policy": "; ".join(
        ("default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Vary": "Accept-Language",
}

_STRINGS: dict[str, dict[str, str]] = {
    "fr": {
        "about": "Posez une question aux directs, en français ou en anglais.",
        "question": "Question",
        "placeholder": "Quel pays forme des pilotes ukrainiens\u202f?",
        "ask": "Chercher",
        "lang": "Langue des passages",
        "any": "toutes",
        "fr": "français",
        "en": "anglais",
        "since": "Depuis",
        "until": "Avant",
        "other": "English",
        "other_code": "en",
        "nothing": "Aucun passage ne correspond à ces filtres.",
        "undated": "sans date",
        "entry": "Entrée entière",
        "original": "Page d’origine",
        "untitled": "Chapô",
        "why": "Pourquoi ce rang",
        "dense": "sens",
        "words": "sens des mots",
        "lexical": "mots",
        "translated": "mots traduits",
        "place": "n°\u00a0{rank} ({score})",
        "api": "Interface de programmation",
        "bad_query": "Cette question est trop longue\u202f: {limit}\u00a0caractères au plus.",
        "bad_lang": "Les passages sont en français ou en anglais\u202f: choisissez l’un ou l’autre, ou toutes les langues.",
        "bad_since": "«\u00a0Depuis\u00a0» n’est pas une date\u202f: écrivez par exemple 2023-05-23.",
        "bad_until": "«\u00a0Avant\u00a0» doit être une date, postérieure à «\u00a0Depuis\u00a0».",
        "unavailable": "L’index ne peut pas être lu pour le moment. Réessayez dans un instant.",
    },
    "en": {
        "about": "Ask live blogs, in French or English.",
        "question": "Question",
        "placeholder": "Who is training Ukrainian pilots on F-16s?",
        "ask": "Search",
        "lang": "Language of passages",
        "any": "any",
        "fr": "French",
        "en": "English",
        "since": "Since",
        "until": "Before",
        "other": "Français",
        "other_code": "fr",
        "nothing": "No passage passes these filters.",
        "undated": "undated",
        "entry": "Whole entry",
        "original": "Original page",
        "untitled": "Lead",
        "why": "Why it ranks here",
        "dense": "meaning",
        "words": "meaning of words",
        "lexical": "words",
        "translated": "translated words",
        "place": "no. {rank} ({score})",
        "api": "API",
        "bad_query": "This question is too long: at most {limit} characters are read.",
        "bad_lang": "Passages are in French or English: choose one of them, or any.",
        "bad_since": "“Since” is not a date: write, for example, 2023-05-23.",
        "bad_until": "“Before” must be a date, and later than “Since”.",
        "unavailable": "The index cannot be read at present. Try again in a moment.",
    },
}

# Autoescape is on by name, for every template: entries are shown as text, whatever they hold.
_environment = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def template(name: str) -> Template:
    """A template of this folder."""
    return _environment.get_template(name)


def choose_language(asked: str, accepted: str) -> str:
    """The language of the page: the one asked for, else the browser's first that there is, else French.

    >>> choose_language("", "de, en;q=0.8, fr;q=0.5"), choose_language("fr", "en")
    ('en', 'fr')
    """
    if asked in _STRINGS:
        return asked
    preferences = []
    for part in accepted.lower().split(","):
        name, _, weight = part.replace(" ", "").partition(";q=")
        try:
            quality = float(weight or 1)
        except ValueError:
            continue
        if quality > 0 and name.split("-")[0] in _STRINGS:
            preferences.append((-quality, name.split("-")[0]))
    # Equal ones stay in the browser's order.
    return min(preferences, key=lambda preference: preference[0], default=(0, "fr"))[1]


def render(language: str, asked: Mapping[str, str], results: Results | None, failure: Exception | None) -> str:
    """The page as HTML; `failure` is what became of the question, where there are no results."""
    strings = _STRINGS[language]

    def when(entry: Entry) -> str:
        return _when(entry, language) or strings["undated"]

    def place(rank: int, score: float) -> str:
        return strings["place"].format(rank=rank, score=format_decimal(round(score, 3), locale=language))

    context: dict[str, Any] = {
        "ui": language,
        "s": strings,
        # A question far over the limit is not sent back whole.
        "asked": {**asked, "q": asked["q"][:MAX_QUESTION]},
        "longest": MAX_QUESTION,
        "results": results,
        # What was asked can be followed.
        "feed": f"/feed.atom?{urlencode({name: value for name, value in asked.items() if value})}" if results else "",
        "failure": _explained(failure, language) if failure else None,
        "when": when,
        "place": place,
        "parts": _parts,
    }
    return template("page.html").render(context)


def _parts(hit: Hit) -> list[tuple[str, bool]]:
    """The text of a hit in pieces, each with whether it is one of the question's words."""
    text, at = hit.passage.text, 0
    found: list[tuple[str, bool]] = []
    for start, end in hit.highlights:
        found += [(text[at:start], False), (text[start:end], True)]
        at = end
    return [(part, marked) for part, marked in (*found, (text[at:], False)) if part]


def _explained(failure: Exception, language: str) -> str:
    """What became of the question, in the reader's language."""
    name = f"bad_{failure.field}" if isinstance(failure, InvalidRequest) else "unavailable"
    return _STRINGS[language][name].format(limit=format_decimal(MAX_QUESTION, locale=language))


def _when(entry: Entry, language: str) -> str | None:
    published: datetime | None = entry.published
    if published is None:
        return f"{entry.clock:%H:%M}" if entry.clock else None
    # French counts the first day of a month, and only that one.
    first = language == "fr" and published.day == 1
    pattern = "EEEE d'er' MMMM y" if first else "EEEE d MMMM y"
    if not entry.day_only:
        pattern += " 'à' HH'\u202fh\u202f'mm" if language == "fr" else ", HH:mm"
    return str(format_datetime(published, pattern, tzinfo=published.tzinfo, locale=language))
