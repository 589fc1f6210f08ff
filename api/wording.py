"""What a door says of an answer, in the language of the question."""

from collections.abc import Mapping

from index.answer import Answer, Reason, Relaxed
from index.when import Why

_REASONS: Mapping[str, Mapping[Reason, str]] = {
    "fr": {
        Reason.NOT_IN_CORPUS: "Le corpus n’en dit rien, autant qu’on puisse juger\u202f; voici les passages les plus proches.",
        Reason.NOTHING_TO_SEARCH: "Aucun passage ne passe ces filtres\u00a0: élargissez-les.",
        Reason.NOT_A_QUESTION: "Ce n’est pas une question\u00a0: voici les passages qui en parlent.",
        Reason.SEVERAL_QUESTIONS: "Ce sont plusieurs questions\u00a0: posez-les une à une. Voici les passages qui en parlent.",
        Reason.NO_SUCH_TIME: "La question nomme un moment qui n’existe pas\u00a0: {why}. Voici les passages les plus proches.",
    },
    "en": {
        Reason.NOT_IN_CORPUS: "Not in the corpus, as far as can be told; here are the nearest passages.",
        Reason.NOTHING_TO_SEARCH: "No passage passes these filters: widen them.",
        Reason.NOT_A_QUESTION: "This is not a question: here are the passages about it.",
        Reason.SEVERAL_QUESTIONS: "These are several questions: ask them one at a time. Here are the passages about them.",
        Reason.NO_SUCH_TIME: "The question names a time that there is not: {why}. Here are the nearest passages.",
    },
}
_WHY: Mapping[str, Mapping[Why, str]] = {
    "fr": {
        Why.DAY: "ce jour n’est pas au calendrier",
        Why.WEEKDAY: "ce jour de la semaine n’est pas celui de la date",
        Why.TIME: "cette heure n’est pas à l’horloge",
        Why.SKIPPED: "l’horloge saute cette heure cette nuit-là",
        Why.BACKWARDS: "la fin précède le début",
        Why.REACH: "cette année est hors du calendrier",
    },
    "en": {
        Why.DAY: "that day is not in the calendar",
        Why.WEEKDAY: "that date is another day of the week",
        Why.TIME: "that hour is not on the clock",
        Why.SKIPPED: "clocks jump over that hour on that night",
        Why.BACKWARDS: "its end comes before its beginning",
        Why.REACH: "that year is beyond the calendar",
    },
}
_RELAXED: Mapping[str, Mapping[Relaxed, str]] = {
    "fr": {
        Relaxed.EMPTY: "Rien n’a été publié dans cette période\u00a0: la recherche porte au-delà.",
        Relaxed.UNANSWERED: "Ce qui a été publié dans cette période ne répond pas\u00a0: la recherche porte au-delà.",
        Relaxed.FUTURE: "Cette période est à venir\u00a0: la recherche porte sur ce qui est déjà publié.",
        Relaxed.OUTSIDE: "Cette période est hors de celle des filtres, qui l’emporte.",
    },
    "en": {
        Relaxed.EMPTY: "Nothing was published in that time: the search goes beyond it.",
        Relaxed.UNANSWERED: "What was published in that time does not answer: the search goes beyond it.",
        Relaxed.FUTURE: "That time is still to come: the search is in what has been published.",
        Relaxed.OUTSIDE: "That time lies outside of the filters' own, which prevails.",
    },
}


def reason(answer: Answer, reader: str | None = None) -> str | None:
    """Why there is no answer, as a sentence in the language of the question, or of the `reader`; None when there is one."""
    if answer.reason is None:
        return None
    lang = reader or answer.results.lang
    why = answer.narrowing.impossible
    return _REASONS[lang][answer.reason].format(why=_WHY[lang][why] if why else "")


def relaxed(answer: Answer, reader: str | None = None) -> str | None:
    """Why the time that the question speaks of was not searched, in the same language; None when it was, or there is none."""
    why = answer.narrowing.relaxed
    return None if why is None else _RELAXED[reader or answer.results.lang][why]
