"""The first page: one form, ranked passages, in French or English. Works without JavaScript, because it has none."""

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from babel.dates import format_date, format_datetime
from babel.numbers import format_decimal
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from index.records import Entry
from index.search import Results

_FOLDER = Path(__file__).parent
STYLE = (_FOLDER / "page.css").read_text(encoding="utf-8")
HEADERS = {
    "Content-Security-Policy": "; ".join(
        ("default-src 'none'", "style-src 'self'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'")
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
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
        "lexical": "mots",
        "place": "n°\u00a0{rank} ({score})",
        "api": "Interface de programmation",
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
        "lexical": "words",
        "place": "no. {rank} ({score})",
        "api": "API",
    },
}

# Autoescape is on by name, for every template: entries are shown as text, whatever they hold.
_environment = Environment(
    loader=FileSystemLoader(_FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)


def choose_language(asked: str, accepted: str) -> str:
    """The language of the page: the one asked for, else the browser's first that there is, else French.

    >>> choose_language("", "de, en;q=0.8, fr;q=0.5"), choose_language("fr", "en")
    ('en', 'fr')
    """
    if asked in _STRINGS:
        return asked
    preferences = []
    for part in accepted.split(","):
        name, _, quality = part.strip().partition(";q=")
        try:
            preferences.append((-float(quality or 1), name.split("-")[0].lower()))
        except ValueError:
            continue
    preferences.sort(key=lambda preference: preference[0])
    return next((name for _, name in preferences if name in _STRINGS), "fr")


def render(language: str, asked: Mapping[str, str], results: Results | None, failure: str | None) -> str:
    """The page as HTML."""
    strings = _STRINGS[language]

    def when(entry: Entry) -> str:
        return _when(entry, language) or strings["undated"]

    def place(rank: int, score: float) -> str:
        return strings["place"].format(rank=rank, score=format_decimal(round(score, 3), locale=language))

    context: dict[str, Any] = {
        "ui": language,
        "s": strings,
        "asked": asked,
        "results": results,
        "failure": failure,
        "when": when,
        "place": place,
    }
    return _environment.get_template("page.html").render(context)


def _when(entry: Entry, language: str) -> str | None:
    published: datetime | None = entry.published
    if published is None:
        return f"{entry.clock:%H:%M}" if entry.clock else None
    if entry.day_only:
        return str(format_date(published, "full", locale=language))
    pattern = "EEEE d MMMM y 'à' HH'\u202fh\u202f'mm" if language == "fr" else "EEEE d MMMM y, HH:mm"
    return str(format_datetime(published, pattern, tzinfo=published.tzinfo, locale=language))
