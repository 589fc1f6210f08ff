"""The French rules for points and spans; days are in `french_days`, times of day in `french_clock`."""

from index.records import Window
from index.when import building, days, local
from index.when.building import Duration, point, relative, sided
from index.when.clock import Clock
from index.when.days import Days, Named
from index.when.french_clock import add_clock
from index.when.french_days import add_days
from index.when.grammar import Grammar, Match
from index.when.readings import Reading, Side, between
from index.when.terminals import add as add_terminals


def _ago_at(match: Match, duration: Duration, at: Clock) -> Reading | None:
    found = building.ago(duration, match.moment)
    return point(found.days, None, at) if found.days is not None else None


def _dashed(match: Match, first: Named, second: Named) -> Reading | None:
    """*lundi-mercredi*."""
    return _between(match, Reading(days=first), Reading(days=second)) if building.dashed(match) else None


def _whole(match: Match, unit: str) -> Days | None:
    """*la fin du mois*; not *la fin du mois de ramadan*."""
    following = match.after()
    return None if following is not None and following.form in ("de", "d") else relative(unit, 0, match.moment.today)


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


def _for(match: Match, duration: Duration) -> Reading | None:
    """*depuis deux heures* is a duration; *depuis 14 heures* and *depuis 2 h* are times of day."""
    if duration.unit == "hour" and not duration.few and not duration.more:
        written = match.tokens[-1].form
        if duration.count < 24 and (written == "h" or duration.count > 12):
            return None
    return Reading(exact=Window(building.since(duration, match.moment), None))


def _between(match: Match, first: Reading, second: Reading) -> Reading | None:
    if first.side is not Side.ITSELF or second.side is not Side.ITSELF:
        return None
    return between(first, second, match.moment)


def _numbered(match: Match, w: int | None, first: int, v: int | None, second: int, month: int, year: int | None) -> Reading:
    """*du 3 au 5 mai 2023*: the later day decides the year."""
    end = days.date_of(second, month, year, v)
    begin = days.date_of(first, month, days.latest(end, match.moment.today).first.year, w)
    return between(Reading(days=begin), Reading(days=days.latest(end, match.moment.today)), match.moment)


def _lasting(match: Match, duration: Duration) -> Reading | None:
    """Not *dans les dernières années du camp*."""
    following = match.after()
    if following is not None and following.form in ("de", "du", "des", "d"):
        return None
    return building.during(duration, match.moment)


def _single(match: Match, unit: str | None) -> Reading | None:
    return _lasting(match, Duration(1, unit) if unit else Duration(30, "minute"))


def _add_points(grammar: Grammar) -> None:
    """Kinds: `timed`, `point`, `bound`, `whole`, `phrase`."""
    rule = grammar.rule
    rule("timed", "<at>", "<clock>", "<span>", "<limit>", to=lambda match, at: at)
    rule("point", "<day>", to=lambda match, day: Reading(days=day))
    rule("point", "<day> <part>", to=lambda match, day, part: point(day, part, None))
    rule("point", "<day> ,<timed>", to=lambda match, day, at: point(day, None, at))
    rule("point", "<day> <part> ,<timed>", to=lambda match, day, part, at: point(day, part, at))
    rule("point", "<at> ,[de|d] <day>", "<span> ,[de|d] <day>", to=lambda match, at, day: point(day, None, at))
    rule("point", "<at> ,<day> <part>", "<span> ,<day> <part>", to=lambda match, at, day, part: point(day, part, at))
    rule("point", "<alone>", to=lambda match, alone: alone)
    rule("point", "<alone> ,<timed>", to=lambda match, alone, at: point(alone.days, alone.clock, at))
    rule("point", "<at> ,<alone>", "<span> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
    rule("point", "<at>", to=lambda match, at: Reading(clock=at))
    rule(
        "point", "il y a <duration>", "voici|voila <duration>", to=lambda match, duration: building.ago(duration, match.moment)
    )
    rule("point", "il y a <duration> <at>", to=lambda match, duration, at: _ago_at(match, duration, at))
    rule("bound", "<point>", to=lambda match, found: found)
    rule("bound", "<year>", "l annee <year>", "l an <year>", to=lambda match, year: Reading(days=days.year_of(year)))
    rule(
        "bound",
        "le|la|l debut|commencement de|du [l|la] <whole>",
        "debut de|du [l|la] <whole>",
        to=lambda match, whole: _start(whole),
    )
    rule("bound", "la fin de|du [l|la] <whole>", "fin de|du [l|la] <whole>", to=lambda match, whole: _end(whole))
    rule("bound", "le|la debut de <day>", "le debut du mois de|d <day>", to=lambda match, day: _start_of(match, day))
    rule("bound", "<month>", to=lambda match, month: _bare_month(match, month))
    rule("bound", "<clock>", to=lambda match, at: Reading(clock=at))
    rule("bound", "<clock> ,<day>", to=lambda match, at, day: point(day, None, at))
    rule("bound", "<clock> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
    for _word, _unit in (("journee", "day"), ("semaine", "week"), ("mois", "month"), ("annee", "year"), ("decennie", "decade")):
        rule("whole", _word, to=lambda match, unit=_unit: _whole(match, unit))
    rule("whole", "semaine|mois|annee <away>", to=lambda match, away: _other(match, away))
    rule("whole", "annee <year>", to=lambda match, year: days.year_of(year))
    rule("phrase", "depuis <duration>", to=lambda match, duration: _for(match, duration))
    rule("phrase", "<point>", "<alone>", to=lambda match, found: found)
    rule("phrase", "<span>", to=lambda match, at: Reading(clock=at))
    for _side, _leads in (
        (Side.SINCE, ("depuis [le|la|l|les]", "des [le|la|l]", "a partir|compter [de|du|d]")),
        (Side.BEFORE, ("[d] avant [le|la|l]",)),
        (Side.AFTER, ("apres [le|la|l]",)),
        (Side.UNTIL, ("jusqu a|au|aux|en", "jusque")),
    ):
        for _lead in _leads:
            rule("phrase", f"{_lead} <bound>", to=lambda match, found, side=_side: sided(side, found))
    rule("phrase", "d ici [a] <day>", to=lambda match, day: building.by(day, match.moment))
    rule("phrase", "<day> <day>", to=_dashed)
    rule(
        "phrase",
        "il y a plus de|d <duration>",
        to=lambda match, duration: Reading(exact=Window(None, building.since(duration, match.moment))),
    )
    rule("phrase", "il y a moins de|d <duration>", to=lambda match, duration: building.during(duration, match.moment))
    rule("phrase", "depuis plus de|d <duration>", to=lambda match, duration: _for(match, duration))
    rule("phrase", "depuis moins de|d <duration>", to=lambda match, duration: building.during(duration, match.moment))
    rule("phrase", "dans <duration>", "d ici <duration>", to=lambda match, duration: building.ahead(duration, match.moment))
    for _both in (
        "entre [le] <bound> et [le] <bound>",
        "de|du|d [le] <bound> a|au|jusqu [a|au|en] <bound>",
        "depuis [le] <bound> jusqu a|au|en <bound>",
        "des|depuis <bound> et jusqu a|au|en <bound>",
    ):
        rule("phrase", _both, to=lambda match, first, second: _between(match, first, second))
    rule("phrase", "de|du <bound> au <bound>", to=lambda match, first, second: _between(match, first, second))
    for _both in (
        "du|de|entre [le] [<weekday>] <dom> au|a|et [le] [<weekday>] <dom> <month> [[de] <year>]",
        "[les|le] [<weekday>] <dom> et|ou [le] [<weekday>] <dom> <month> [[de] <year>]",
    ):
        rule(
            "phrase",
            _both,
            to=lambda match, w, first, v, second, month, year: _numbered(match, w, first, v, second, month, year),
        )
    rule(
        "phrase",
        "[les|du] <dom> <dom> <month> [[de] <year>]",
        to=lambda match, first, second, month, year: (
            _numbered(match, None, first, None, second, month, year)
            if match.tokens[0].form in ("les", "du") or "-" in match.tokens[1].gap or "–" in match.tokens[1].gap
            else None
        ),
    )
    rule(
        "phrase",
        "en <year> <year>",
        "en <year> et|ou <year>",
        "entre <year> et <year>",
        to=lambda match, first, second: _between(match, Reading(days=days.year_of(first)), Reading(days=days.year_of(second))),
    )
    for _lead in ("[dans|durant|pendant|sur|pour|depuis]", "[au cours / lors]"):
        _past = "derniers|dernieres|derniere|passes|passees|ecoules|ecoulees"
        _next = "prochains|prochaines|prochaine"
        rule(
            "phrase",
            f"{_lead} les|ces|des <n> {_past} <unit>",
            f"{_lead} les|ces|des {_past} <n> <unit>",
            f"{_lead} les|ces|des <n> <unit> {_past}",
            to=lambda match, count, unit: _lasting(match, Duration(count, unit)),
        )
        rule(
            "phrase",
            f"{_lead} les|ces|des {_past} <unit>",
            to=lambda match, unit: _lasting(match, building.few(unit)),
        )
        rule(
            "phrase",
            f"{_lead} la derniere <unit>",
            f"{_lead} de la derniere <unit>",
            f"{_lead} l|la|le <unit> ecoulee|ecoule",
            f"{_lead} la derniere demi heure",
            to=lambda match, unit=None: _single(match, unit),
        )
        rule(
            "phrase",
            f"{_lead} les|ces|des <n> {_next} <unit>",
            f"{_lead} les|ces|des {_next} <n> <unit>",
            to=lambda match, count, unit: building.during(Duration(count, unit), match.moment, future=True),
        )
        rule(
            "phrase",
            f"{_lead} les|ces|des {_next} <unit>",
            to=lambda match, unit: building.during(building.few(unit), match.moment, future=True),
        )


GRAMMAR = Grammar()
add_terminals(GRAMMAR, "fr")
add_days(GRAMMAR)
add_clock(GRAMMAR)
_add_points(GRAMMAR)
