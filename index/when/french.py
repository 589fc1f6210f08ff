"""The French rules: times of day, points and spans; days are in `french_days`."""

from dataclasses import replace

from index.records import Window
from index.when import building, clock, days, local
from index.when.building import Duration, point, relative, sided
from index.when.clock import Clock
from index.when.days import Days, Named
from index.when.french_days import add_days
from index.when.grammar import Grammar, Match
from index.when.parts import PARTS
from index.when.phrases import Unreal, Why
from index.when.readings import Reading, Side, between
from index.when.terminals import add as add_terminals

GRAMMAR = Grammar()
_rule = GRAMMAR.rule
add_terminals(GRAMMAR, "fr")
add_days(GRAMMAR)

# Parts of a day: `part` stands after a day, `alone` by itself.

_NAMES = {"matin": "morning", "matinee": "morning", "apres midi": "afternoon", "soir": "evening", "soiree": "evening", "nuit": "nuit"}
_THIRDS = {"debut": "early", "milieu": "mid", "fin": "late"}
for _name, _part in _NAMES.items():
    _rule("named", _name, to=lambda match, name=_part: clock.part(name))
    for _which, _third in _THIRDS.items():
        if f"{_third} {_part}" in PARTS:
            _name_of = f"{_third} {_part}"
            _rule("named", f"{_which} de|d [l] {_name}", to=lambda match, name=_name_of: clock.part(name))
_rule("named", "petit matin", to=lambda match: clock.part("early morning"))
_rule("part", "<named>", "au|en|dans|durant|pendant [la|l|le] <named>", to=lambda match, part: part)
_rule("part", "midi", to=lambda match: clock.part("noon"))
_rule("alone", "dans|durant|pendant la|l <named>", "en <named>", to=lambda match, part: _alone(match, part))


def _alone(match: Match, part: Clock) -> Reading | None:
    """*dans la soirée*, but not *en soirée de gala*."""
    following = match.after()
    return None if following is not None and following.form in ("de", "d", "du", "des") else Reading(clock=part)


def _today(match: Match, part: Clock) -> Reading:
    if part.end > clock.NOON * 2:
        return Reading(clock=part)  # the latest night that has begun
    return Reading(days=relative("day", 0, match.moment.today), clock=part)


_rule("alone", "[tot|tard] ce|cet|cette <named>", "en|a la <named>", to=lambda match, part: _this(match, part))
_rule("alone", "[en|au|a la] <named>", to=lambda match, part: None)
_rule("alone", "ce midi", to=lambda match: _today(match, clock.part("noon")))


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


_rule("alone", "[dans|durant|pendant] la nuit derniere|passee", to=_last_night)
_LEAD = "[dans|durant|pendant|de|d]"
_rule("alone", f"{_LEAD} la nuit de|du|d <day>", to=lambda match, day: Reading(days=day, clock=clock.part("nuit")))
_rule(
    "alone", f"{_LEAD} la nuit de|du|d <day> a|au <day>",
    to=lambda match, day, until: building.night(day, until, match.moment, "nuit"),
)  # fmt: skip


def _numbered_night(match: Match, first: int, second: int, month: int, year: int | None) -> Reading:
    until = days.date_of(second, month, year, None)
    ended = days.latest(until, match.moment.today)
    begun = days.one_day(local.later(ended.first, -1))
    if begun.first.day != first:
        raise Unreal(Why.BACKWARDS)
    return Reading(days=begun, clock=clock.part("nuit"))


_rule("alone", f"{_LEAD} la nuit du <dom> au <dom> <month> [[de] <year>]", to=_numbered_night)
_rule("alone", "[au|le|dans] [la|l] <named> de|du|d <day>", to=lambda match, part, day: Reading(days=day, clock=part))

# Times of day

_rule("clock", "<exact>", to=lambda match, at: at)
_rule("clock", "<hour>", to=lambda match, at: at if building.spoken_clock(match) else None)
_rule("clock", "<hour> <n>", to=lambda match, at, minutes: _minutes(match, at, minutes))
_rule("clock", "<hour> et demi|demie", to=lambda match, at: clock.at(at.start // 60, 30, at.certain))
_rule("clock", "<hour> et quart", to=lambda match, at: clock.at(at.start // 60, 15, at.certain))
_rule("clock", "<hour> moins le quart", "<hour> moins quart", to=lambda match, at: _earlier(at, 15))
_rule("clock", "<hour> moins <n>", to=lambda match, at, minutes: _earlier(at, minutes))
_rule("clock", "midi", to=lambda match: clock.at(12))
_rule("clock", "midi et demi|demie", to=lambda match: clock.at(12, 30))
_rule("clock", "midi et quart", to=lambda match: clock.at(12, 15))
_rule("clock", "minuit", to=lambda match: clock.at(0, midnight=True))
_rule("clock", "minuit et demi|demie", to=lambda match: clock.at(0, 30, midnight=True))
_rule("clock", "minuit et quart", to=lambda match: clock.at(0, 15, midnight=True))
for _word, _half in (("matin", "am"), ("soir", "pm")):
    for _kind in ("hour", "exact"):
        _rule("clock", f"<{_kind}> du {_word}", to=lambda match, at, half=_half: clock.halved(at, half))
    _rule("clock", f"<hour> et demi|demie du {_word}",
          to=lambda match, at, half=_half: clock.halved(clock.at(at.start // 60, 30), half))  # fmt: skip
for _kind in ("hour", "exact"):
    _rule("clock", f"<{_kind}> de l apres midi", to=lambda match, at: clock.halved(at, "pm"))
    _rule("clock", f"<{_kind}> de la nuit", f"<{_kind}> de nuit", to=lambda match, at: replace(at, certain=True))


def _minutes(match: Match, at: Clock, minutes: int) -> Clock | None:
    """*14 heures 30*, *deux heures trente*; not *à 14 heures 30 personnes*, where what is counted follows."""
    following = match.after()
    counted = following is not None and following.form not in _AFTER_CLOCK
    return None if minutes > 59 or counted else clock.at(at.start // 60, minutes, at.certain)


_AFTER_CLOCK = frozenset("a au dans en et ou le la les ce hier avant apres du de precises lundi mardi mercredi jeudi vendredi "
                         "samedi dimanche qui que qu".split())  # fmt: skip


def _earlier(at: Clock, minutes: int) -> Clock | None:
    hours = at.start // 60 or 24
    return clock.at(hours - 1, 60 - minutes, at.certain) if 0 < minutes < 60 else None


_rule("at", "a <clock> [precises|precise|pile]", to=lambda match, at: at)
_rule("at", "<exact>", "<exact> precises", to=lambda match, at: at)
_rule("at", "a <pointed>", to=lambda match, at: at)
for _lead in ("vers", "autour de", "aux alentours de|d", "aux environs de|d"):
    _rule("at", f"{_lead} <clock>", to=lambda match, at: clock.around(at))
_rule("at", "sur les coups de <clock>", "sur le coup de <clock>", to=lambda match, at: clock.around(at))
_rule("span", "entre <clock> et <clock>", "de|d <clock> a <clock>", to=lambda match, first, second: clock.between(first, second))
_rule("span", "entre <n> et <hour>", "entre <n> et <exact>", "de <n> a <hour>", "de <n> a <exact>",
      to=lambda match, hours, second: clock.between(clock.at(hours, 0, hours > 12), second))  # fmt: skip
_rule("limit", "avant|jusqu [a] <clock>", to=lambda match, at: _before(at))
_rule("limit", "apres <clock>", "a partir de <clock>", "des <clock>", "depuis <clock>", to=lambda match, at: _after(at))


def _before(at: Clock) -> Clock:
    end = at.start or clock.NOON * 2
    return Clock(0, end, (end,))


def _after(at: Clock) -> Clock:
    return Clock(at.start, clock.NOON * 2, at.stated)


# Points: a day, a part of it, a time within

_rule("timed", "<at>", "<clock>", "<span>", "<limit>", to=lambda match, at: at)
_rule("point", "<day>", to=lambda match, day: Reading(days=day))
_rule("point", "<day> <part>", to=lambda match, day, part: point(day, part, None))
_rule("point", "<day> ,<timed>", to=lambda match, day, at: point(day, None, at))
_rule("point", "<day> <part> ,<timed>", to=lambda match, day, part, at: point(day, part, at))
_rule("point", "<at> ,[de|d] <day>", "<span> ,[de|d] <day>", to=lambda match, at, day: point(day, None, at))
_rule("point", "<at> ,<day> <part>", "<span> ,<day> <part>", to=lambda match, at, day, part: point(day, part, at))
_rule("point", "<alone>", to=lambda match, alone: alone)
_rule("point", "<alone> ,<timed>", to=lambda match, alone, at: point(alone.days, alone.clock, at))
_rule("point", "<at> ,<alone>", "<span> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
_rule("point", "<at>", to=lambda match, at: Reading(clock=at))
_rule("point", "il y a <duration>", "voici|voila <duration>", to=lambda match, duration: building.ago(duration, match.moment))
_rule("point", "il y a <duration> <at>", to=lambda match, duration, at: _ago_at(match, duration, at))


def _ago_at(match: Match, duration: Duration, at: Clock) -> Reading | None:
    found = building.ago(duration, match.moment)
    return point(found.days, None, at) if found.days is not None else None


# What may stand after *depuis*, *avant*, *entre*: also what is no time by itself

_rule("bound", "<point>", to=lambda match, found: found)
_rule("bound", "<year>", "l annee <year>", "l an <year>", to=lambda match, year: Reading(days=days.year_of(year)))
_rule("bound", "le|la|l debut|commencement de|du [l|la] <whole>", "debut de|du [l|la] <whole>", to=lambda match, whole: _start(whole))
_rule("bound", "la fin de|du [l|la] <whole>", "fin de|du [l|la] <whole>", to=lambda match, whole: _end(whole))
_rule("bound", "le|la debut de <day>", "le debut du mois de|d <day>", to=lambda match, day: _start_of(match, day))
_rule("bound", "<month>", to=lambda match, month: _bare_month(match, month))
_rule("bound", "<clock>", to=lambda match, at: Reading(clock=at))
_rule("bound", "<clock> ,<day>", to=lambda match, at, day: point(day, None, at))
_rule("bound", "<clock> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
for _word, _unit in (("journee", "day"), ("semaine", "week"), ("mois", "month"), ("annee", "year"), ("decennie", "decade")):
    _rule("whole", _word, to=lambda match, unit=_unit: relative(unit, 0, match.moment.today))
_rule("whole", "semaine|mois|annee <away>", to=lambda match, away: _other(match, away))
_rule("whole", "annee <year>", to=lambda match, year: days.year_of(year))


def _other(match: Match, away: int) -> Days:
    return relative({"semaine": "week", "mois": "month", "annee": "year"}[match.tokens[0].form], away, match.moment.today)


def _start(whole: Days) -> Reading:
    return Reading(days=days.one_day(whole.first))


def _end(whole: Days) -> Reading:
    return Reading(days=days.one_day(local.later(whole.until, -1)))


def _start_of(match: Match, day: Named) -> Reading:
    return _start(days.latest(day, match.moment.today))


def _bare_month(match: Match, month: int) -> Reading | None:
    """*depuis mars*; with a capital that not all words have, *depuis Mars* is the planet."""
    token = match.tokens[0]
    if token.form == "mars" and token.capital and not all(other.raw == other.raw.upper() for other in match.parse.tokens):
        return None
    return Reading(days=building.month(month, None))


# Phrases

_rule("phrase", "depuis <duration>", to=lambda match, duration: _for(match, duration))
_rule("phrase", "<point>", "<alone>", to=lambda match, found: found)
_rule("phrase", "<span>", to=lambda match, at: Reading(clock=at))
for _side, _leads in (
    (Side.SINCE, ("depuis [le|la|l|les]", "des [le|la|l]", "a partir de|du|d", "a compter de|du|d")),
    (Side.BEFORE, ("[d] avant [le|la|l]",)),
    (Side.AFTER, ("apres [le|la|l]",)),
    (Side.UNTIL, ("jusqu a|au|aux|en", "jusque")),
):  # fmt: skip
    for _lead in _leads:
        _rule("phrase", f"{_lead} <bound>", to=lambda match, found, side=_side: sided(side, found))
_rule("phrase", "passe <clock>", to=lambda match, at: Reading(clock=at, side=Side.AFTER))
_rule("phrase", "il y a plus de|d <duration>", to=lambda match, duration: Reading(
    exact=Window(None, building.since(duration, match.moment))))  # fmt: skip
_rule("phrase", "il y a moins de|d <duration>", to=lambda match, duration: building.during(duration, match.moment))
_rule("phrase", "depuis moins de|d <duration>", to=lambda match, duration: building.during(duration, match.moment))
_rule("phrase", "dans <duration>", "d ici <duration>", to=lambda match, duration: building.ahead(duration, match.moment))


def _for(match: Match, duration: Duration) -> Reading | None:
    """*depuis deux heures* is a duration; *depuis 14 heures* and *depuis 2 h* are times of day."""
    if duration.unit == "hour" and not duration.few and not duration.more:
        written = match.tokens[-1].form
        if duration.count < 24 and (written == "h" or duration.count > 12):
            return None
    return Reading(exact=Window(building.since(duration, match.moment), None))


for _both in ("entre [le] <bound> et [le] <bound>", "de|du|d [le] <bound> a|au|jusqu [a|au|en] <bound>",
              "depuis [le] <bound> jusqu a|au|en <bound>", "des|depuis <bound> et jusqu a|au|en <bound>"):  # fmt: skip
    _rule("phrase", _both, to=lambda match, first, second: _between(match, first, second))
_rule("phrase", "de|du <bound> au <bound>", to=lambda match, first, second: _between(match, first, second))
for _both in ("du|de|entre [le] [<weekday>] <dom> au|a|et [le] [<weekday>] <dom> <month> [[de] <year>]",
              "[les|le] [<weekday>] <dom> et|ou [le] [<weekday>] <dom> <month> [[de] <year>]"):  # fmt: skip
    _rule("phrase", _both, to=lambda match, w, first, v, second, month, year: _numbered(match, w, first, v, second, month, year))
_rule("phrase", "[les|du] <dom> <dom> <month> [[de] <year>]",
      to=lambda match, first, second, month, year: _numbered(match, None, first, None, second, month, year)
      if match.tokens[0].form in ("les", "du") or "-" in match.tokens[1].gap or "–" in match.tokens[1].gap else None)  # fmt: skip
_rule("phrase", "en <year> <year>", "en <year> et|ou <year>", "entre <year> et <year>",
      to=lambda match, first, second: _between(match, Reading(days=days.year_of(first)), Reading(days=days.year_of(second))))  # fmt: skip


def _between(match: Match, first: Reading, second: Reading) -> Reading | None:
    if first.side is not Side.ITSELF or second.side is not Side.ITSELF:
        return None
    return between(first, second, match.moment)


def _numbered(match: Match, w: int | None, first: int, v: int | None, second: int, month: int, year: int | None) -> Reading:
    """*du 3 au 5 mai 2023*: the later day decides the year."""
    end = days.date_of(second, month, year, v)
    begin = days.date_of(first, month, days.latest(end, match.moment.today).first.year, w)
    return between(Reading(days=begin), Reading(days=days.latest(end, match.moment.today)), match.moment)


for _lead in ("[dans|durant|pendant|sur|pour|depuis]", "[au cours|lors]"):
    _past = "derniers|dernieres|derniere|passes|passees|ecoules|ecoulees"
    _next = "prochains|prochaines|prochaine"
    _rule("phrase", f"{_lead} les|ces|des <n> {_past} <unit>", f"{_lead} les|ces|des {_past} <n> <unit>",
          f"{_lead} les|ces|des <n> <unit> {_past}",
          to=lambda match, count, unit: building.during(Duration(count, unit), match.moment))  # fmt: skip
    _rule("phrase", f"{_lead} les|ces|des {_past} <unit>", to=lambda match, unit: building.during(building.few(unit), match.moment))
    _rule("phrase", f"{_lead} la derniere <unit>", f"{_lead} de la derniere <unit>", f"{_lead} l|la|le <unit> ecoulee|ecoule",
          f"{_lead} la derniere demi heure", to=lambda match, unit=None: _single(match, unit))  # fmt: skip
    _rule("phrase", f"{_lead} les|ces|des <n> {_next} <unit>", f"{_lead} les|ces|des {_next} <n> <unit>",
          to=lambda match, count, unit: building.during(Duration(count, unit), match.moment, future=True))  # fmt: skip
    _rule("phrase", f"{_lead} les|ces|des {_next} <unit>",
          to=lambda match, unit: building.during(building.few(unit), match.moment, future=True))  # fmt: skip


def _single(match: Match, unit: str | None) -> Reading | None:
    following = match.after()
    if following is not None and following.form in ("de", "du", "des", "d"):
        return None
    return building.during(Duration(1, unit) if unit else Duration(30, "minute"), match.moment)
