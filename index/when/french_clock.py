"""French times of day and parts of a day."""

from dataclasses import replace

from index.when import building, clock, days, local
from index.when.building import relative
from index.when.clock import Clock
from index.when.grammar import Grammar, Match
from index.when.parts import PARTS
from index.when.phrases import Unreal, Why
from index.when.readings import Reading

_NAMES = {
    "matin": "morning",
    "matinee": "morning",
    "apres midi": "afternoon",
    "soir": "evening",
    "soiree": "evening",
    "nuit": "nuit",
}


_THIRDS = {"debut": "early", "milieu": "mid", "fin": "late"}


def _alone(match: Match, part: Clock) -> Reading | None:
    """*dans la soirée*, but not *en soirée de gala*."""
    following = match.after()
    return None if following is not None and following.form in ("de", "d", "du", "des") else Reading(clock=part)


def _today(match: Match, part: Clock) -> Reading:
    if part.end > clock.NOON * 2:
        return Reading(clock=part)  # the latest night that has begun
    return Reading(days=relative("day", 0, match.moment.today), clock=part)


def _this(match: Match, part: Clock) -> Reading | None:
    first, *_, last = match.tokens
    if last.form in ("soiree", "matinee") or first.form in ("en", "a"):
        return None
    if first.form == "tot":
        part = clock.part("early morning")
    elif first.form == "tard":
        part = clock.part("late evening")
    return _today(match, part)


def _last_night(match: Match) -> Reading:
    return Reading(days=relative("day", -1, match.moment.today), clock=clock.part("nuit"))


_LEAD = "[dans|durant|pendant|de|d]"


def _numbered_night(match: Match, first: int, second: int, month: int, year: int | None) -> Reading:
    until = days.date_of(second, month, year, None)
    ended = days.latest(until, match.moment.today)
    begun = days.one_day(local.later(ended.first, -1))
    if begun.first.day != first:
        raise Unreal(Why.BACKWARDS)
    return Reading(days=begun, clock=clock.part("nuit"))


def _minutes(match: Match, at: Clock, minutes: int) -> Clock | None:
    """*14 heures 30*, *deux heures trente*; not *à 14 heures 30 personnes*, where what is counted follows."""
    following = match.after()
    counted = following is not None and following.form not in _AFTER_CLOCK
    return None if minutes > 59 or counted else clock.at(at.start // 60, minutes, at.certain)


_AFTER_CLOCK = frozenset(
    "a au dans en et ou le la les ce hier avant apres du de precises lundi mardi mercredi jeudi vendredi "
    "samedi dimanche qui que qu".split()
)


def _earlier(at: Clock, minutes: int) -> Clock | None:
    hours = at.start // 60 or 24
    return clock.at(hours - 1, 60 - minutes, at.certain) if 0 < minutes < 60 else None


def _dashed(match: Match, first: Clock, second: Clock) -> Clock | None:
    """*14 h-16 h*."""
    return clock.between(first, second) if building.dashed(match) else None


def _before(at: Clock) -> Clock:
    end = at.start or clock.NOON * 2
    return Clock(0, end, (end,))


def _after(at: Clock) -> Clock:
    return Clock(at.start, clock.NOON * 2, at.stated)


def add_clock(grammar: Grammar) -> None:
    """Kinds: `named`, `part`, `alone`, `clock`, `at`, `span`, `limit`."""
    rule = grammar.rule
    for _name, _part in _NAMES.items():
        rule("named", _name, to=lambda match, name=_part: clock.part(name))
        for _which, _third in _THIRDS.items():
            if f"{_third} {_part}" in PARTS:
                _name_of = f"{_third} {_part}"
                rule("named", f"{_which} de|d [l] {_name}", to=lambda match, name=_name_of: clock.part(name))
    rule("named", "petit matin", to=lambda match: clock.part("early morning"))
    rule("part", "<named>", "au|en|dans|durant|pendant [la|l|le] <named>", to=lambda match, part: part)
    rule("part", "a l aube", to=lambda match: clock.part("dawn"))
    rule("alone", "a l aube de|du|d <day>", to=lambda match, day: Reading(days=day, clock=clock.part("dawn")))
    rule(
        "alone",
        "[aux / dans les] premieres heures de|du|d <day>",
        to=lambda match, day: Reading(days=day, clock=clock.part("small hours")),
    )
    rule("alone", "au cours de la|l <named>", to=_alone)
    rule("span", "<clock> <clock>", to=_dashed)
    rule("at", "peu|juste avant <clock>", to=lambda match, at: clock.close(at, before=True))
    rule("at", "peu|juste apres <clock>", to=lambda match, at: clock.close(at, before=False))
    rule("part", "midi", to=lambda match: clock.part("noon"))
    rule("alone", "dans|durant|pendant la|l <named>", "en <named>", to=lambda match, part: _alone(match, part))
    rule("alone", "[tot|tard] ce|cet|cette <named>", "en|a la <named>", to=lambda match, part: _this(match, part))
    rule("alone", "ce midi", to=lambda match: _today(match, clock.part("noon")))
    rule("alone", "[dans|durant|pendant] la nuit derniere|passee", to=_last_night)
    rule("alone", f"{_LEAD} la nuit de|du|d <day>", to=lambda match, day: Reading(days=day, clock=clock.part("nuit")))
    rule(
        "alone",
        f"{_LEAD} la nuit de|du|d <day> a|au <day>",
        to=lambda match, day, until: building.night(day, until, match.moment, "nuit"),
    )
    rule("alone", f"{_LEAD} la nuit du <dom> au <dom> <month> [[de] <year>]", to=_numbered_night)
    rule("alone", "[au|le|dans] [la|l] <named> de|du|d <day>", to=lambda match, part, day: Reading(days=day, clock=part))
    rule("clock", "<exact>", to=lambda match, at: at)
    rule("clock", "<hour>", to=lambda match, at: at if building.spoken_clock(match) else None)
    rule("clock", "<hour> <n>", to=lambda match, at, minutes: _minutes(match, at, minutes))
    rule("clock", "<hour> et demi|demie", to=lambda match, at: clock.at(at.start // 60, 30, at.certain))
    rule("clock", "<hour> et quart", to=lambda match, at: clock.at(at.start // 60, 15, at.certain))
    rule("clock", "<hour> moins le quart", "<hour> moins quart", to=lambda match, at: _earlier(at, 15))
    rule("clock", "<hour> moins <n>", to=lambda match, at, minutes: _earlier(at, minutes))
    rule("clock", "midi", to=lambda match: clock.at(12))
    rule("clock", "midi et demi|demie", to=lambda match: clock.at(12, 30))
    rule("clock", "midi et quart", to=lambda match: clock.at(12, 15))
    rule("clock", "minuit", to=lambda match: clock.at(0, midnight=True))
    rule("clock", "minuit et demi|demie", to=lambda match: clock.at(0, 30, midnight=True))
    rule("clock", "minuit et quart", to=lambda match: clock.at(0, 15, midnight=True))
    for _word, _half in (("matin", "am"), ("soir", "pm")):
        for _kind in ("hour", "exact"):
            rule("clock", f"<{_kind}> du {_word}", to=lambda match, at, half=_half: clock.halved(at, half))
        rule(
            "clock",
            f"<hour> et demi|demie du {_word}",
            to=lambda match, at, half=_half: clock.halved(clock.at(at.start // 60, 30), half),
        )
    for _kind in ("hour", "exact"):
        rule("clock", f"<{_kind}> de l apres midi", to=lambda match, at: clock.halved(at, "pm"))
        rule("clock", f"<{_kind}> de la nuit", f"<{_kind}> de nuit", to=lambda match, at: replace(at, certain=True))
    rule("at", "a <clock> [precises|precise|pile]", to=lambda match, at: at)
    rule("at", "<exact> [precises|pile]", to=lambda match, at: None if building.verse(match) else at)
    rule("at", "a <pointed>", to=lambda match, at: at)
    for _lead in ("vers", "autour de", "aux alentours de|d", "aux environs de|d"):
        rule("at", f"{_lead} <clock>", to=lambda match, at: clock.around(at))
    rule("at", "sur les coups de <clock>", "sur le coup de <clock>", to=lambda match, at: clock.around(at))
    rule(
        "span",
        "entre <clock> et <clock>",
        "de|d <clock> a <clock>",
        to=lambda match, first, second: clock.between(first, second),
    )
    rule(
        "span",
        "entre <n> et <hour>",
        "entre <n> et <exact>",
        "de <n> a <hour>",
        "de <n> a <exact>",
        to=lambda match, hours, second: clock.between(clock.at(hours, 0, hours > 12), second),
    )
    rule("limit", "avant|jusqu [a] <clock>", to=lambda match, at: _before(at))
    rule("limit", "apres <clock>", "a partir de <clock>", "des <clock>", "depuis <clock>", to=lambda match, at: _after(at))
