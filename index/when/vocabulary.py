"""The words for days, months, numbers and units, in both languages, as tokens have them: without case and accents."""

import itertools
from collections.abc import Iterable, Mapping

Words = Mapping[str, int]


def _numbered(*names: str, start: int = 0) -> Words:
    return {name: number for number, group in enumerate(names, start) for name in group.split()}


WEEKDAYS: Mapping[str, Words] = {
    "fr": _numbered("lundi", "mardi", "mercredi", "jeudi", "vendredi", "samedi", "dimanche"),
    "en": _numbered(
        "monday mon", "tuesday tues tue", "wednesday wed", "thursday thurs thur thu", "friday fri", "saturday", "sunday"
    ),
}
"""Monday is 0. *Sat* and *sun* are words of their own, and are left out."""

MONTHS: Mapping[str, Words] = {
    "fr": _numbered(
        "janvier janv", "fevrier fevr fev", "mars", "avril avr", "mai", "juin", "juillet juil", "aout", "septembre sept",
        "octobre oct", "novembre nov", "decembre dec", start=1,
    ),
    "en": _numbered(
        "january jan", "february feb", "march mar", "april apr", "may", "june jun", "july jul", "august aug",
        "september sept sep", "october oct", "november nov", "december dec", start=1,
    ),
}  # fmt: skip

UNITS: Mapping[str, Mapping[str, str]] = {
    "fr": {
        "minute": "minute", "minutes": "minute", "min": "minute", "mn": "minute", "heure": "hour", "heures": "hour",
        "h": "hour", "jour": "day", "jours": "day", "journee": "day", "journees": "day", "semaine": "week", "semaines": "week",
        "mois": "month", "an": "year", "ans": "year", "annee": "year", "annees": "year", "decennie": "decade",
        "decennies": "decade", "trimestre": "quarter", "trimestres": "quarter",
    },
    "en": {
        "minute": "minute", "minutes": "minute", "min": "minute", "mins": "minute",
        "h": "hour", "hr": "hour", "hour": "hour", "hours": "hour",
        "hrs": "hour", "day": "day", "days": "day", "week": "week", "weeks": "week", "fortnight": "fortnight",
        "fortnights": "fortnight", "month": "month", "months": "month", "year": "year", "years": "year", "decade": "decade",
        "decades": "decade", "quarter": "quarter", "quarters": "quarter",
    },
}  # fmt: skip

SEASONS: Mapping[str, Words] = {
    "fr": {"printemps": 3, "ete": 6, "automne": 9, "hiver": 12},
    "en": {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12},
}
"""The month in which each begins; three whole months, as meteorologists count."""

ORDINALS: Mapping[str, Words] = {
    "fr": _numbered("premier premiere", "deuxieme second seconde", "troisieme", "quatrieme", start=1),
    "en": _numbered("first", "second", "third", "fourth", start=1),
}

FEW: Mapping[str, int] = {
    "minute": 10, "hour": 6, "day": 7, "week": 4, "fortnight": 4, "month": 6, "quarter": 4, "year": 5, "decade": 3,
}  # fmt: skip
"""What *a few* is taken for: no more than so many."""

COUNTED = frozenset(
    """morts blesses blessees personnes hommes femmes enfants soldats manifestants policiers militaires civils gens habitants
    refugies migrants victimes grevistes euros dollars francs livres roubles metres m km kilometres exemplaires
    tonnes drones missiles chars obus fois pages logements maisons foyers emplois postes voix places
    people dead wounded deaths men women children soldiers troops protesters demonstrators officers civilians residents
    refugees migrants victims homes houses jobs votes seats pounds roubles metres meters miles kilometers tons tonnes copies
    times pages tanks shells percent per million billion millions milliards cases""".split()
)
"""What follows a number that counts, and is no year and no time of day."""

_FRENCH = """zero un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize
    dix-sept dix-huit dix-neuf vingt""".split()
_ENGLISH = """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen
    seventeen eighteen nineteen twenty""".split()


def _french() -> Iterable[tuple[str, int]]:
    yield from zip(_FRENCH, itertools.count())
    yield "une", 1
    for tens, name in ((20, "vingt"), (30, "trente"), (40, "quarante"), (50, "cinquante"), (60, "soixante")):
        yield name, tens
        yield from ((f"{name}-et-{one}", tens + 1) for one in ("un", "une"))
        yield from ((f"{name}-{_FRENCH[units]}", tens + units) for units in range(2, 20 if tens == 60 else 10))
    yield "soixante-et-onze", 71
    yield "quatre-vingts", 80
    yield from ((f"quatre-vingt-{_FRENCH[units]}", 80 + units) for units in range(20))
    yield "cent", 100
    yield from {"dizaine": 10, "douzaine": 12, "quinzaine": 15, "vingtaine": 20, "trentaine": 30, "centaine": 100}.items()


def _english() -> Iterable[tuple[str, int]]:
    yield from zip(_ENGLISH, itertools.count())
    yield from (("a", 1), ("an", 1), ("a-couple", 2), ("a-couple-of", 2), ("couple", 2), ("couple-of", 2))
    yield from (("dozen", 12), ("a-dozen", 12), ("hundred", 100), ("a-hundred", 100))
    for tens, name in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), start=2):
        yield name, tens * 10
        yield from ((f"{name}-{_ENGLISH[units]}", tens * 10 + units) for units in range(1, 10))


def _spelt(pairs: Iterable[tuple[str, int]], *leads: str) -> dict[tuple[str, ...], int]:
    spelt = {}
    for name, number in pairs:
        words = tuple(name.split("-"))
        spelt[words] = number
        # "une quinzaine de jours"
        if name.endswith("aine"):
            spelt.update({("une", name, lead): number for lead in leads})
    return spelt


NUMBERS: Mapping[str, Mapping[tuple[str, ...], int]] = {"fr": _spelt(_french(), "de", "d"), "en": _spelt(_english())}
"""Numbers in words, by their tokens; the longest that fits is meant."""

LONGEST_NUMBER = 4
"""Tokens of the longest of them: *quatre-vingt-dix-neuf*."""
