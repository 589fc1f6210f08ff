"""French days, weeks, months, seasons and years."""

from typing import Any

from index.when import building, days
from index.when.building import Duration, few, halves, relative, third, weekend
from index.when.days import Days, Named, Weekly
from index.when.grammar import Build, Grammar, Match
from index.when.phrases import Unreal
from index.when.terminals import Numeric
from index.when.vocabulary import SEASONS

_DURING = "dans|durant|pendant|sur|pour"
_AWAY = {
    "dernier": -1, "derniere": -1, "passe": -1, "passee": -1, "precedent": -1, "precedente": -1, "prochain": 1, "prochaine": 1,
}  # fmt: skip
_THIRDS = {"debut": "early", "mi": "mid", "milieu": "mid", "courant": None, "fin": "late"}


def _away(named: Named, away: int | None, today: Any) -> Named:
    return named if away is None else days.last(named, today) if away < 0 else days.following(named, today)


def _dated(match: Match, weekday: int | None, day: int, month: int, year: int | None, away: int | None) -> Named:
    return _away(days.date_of(day, month, year, weekday), away, match.moment.today)


def _weekday(match: Match, weekday: int) -> Named | None:
    """*mardi*; *le mardi* and *chaque mardi* are all of them."""
    before = match.before()
    return None if before is not None and before.form in ("le", "chaque", "un", "quel") else Weekly(weekday)


def _numbered_weekday(match: Match, weekday: int, day: int) -> Named | None:
    """*mardi 23*, where nothing follows that could be counted."""
    following = match.after()
    if not 1 <= day <= 31 or (following is not None and following.form not in _AFTER_NUMBER):
        return None
    return days.Monthly(day, weekday)


_AFTER_NUMBER = frozenset("a au dans en et ou matin soir midi apres avant vers entre jusqu que qui".split())


def _numeric(match: Match, weekday: int | None, numeric: Numeric) -> Named | None:
    """A date in digits; a short one only where an article or a weekday says that it is one."""
    led = weekday is not None or match.tokens[0].form in ("le", "du", "au", "en", "les")
    if numeric.short and not led:
        return None
    if isinstance(numeric.named, Unreal):
        raise numeric.named
    return numeric.named


def _decade(match: Match, which: str | None, year: int) -> Days:
    whole = days.year_of(year, 10)
    return third("decade", which, whole) if which else whole


def _season(match: Match, season: int, year: int | None, away: int | None) -> Named | None:
    if year is None and away is None and match.tokens[0].form in ("l", "le"):
        return None  # every year's
    return _away(building.months(season, 3, year), away, match.moment.today)


def _over_new_year(match: Match, season: int, first: int, second: int) -> Days | None:
    return days.month_of(first, 12, 3) if season == 12 and second == first + 1 else None


def _month(match: Match, which: str | None, month: int, year: int | None, away: int | None) -> Named:
    return _away(building.month(month, year, which), away, match.moment.today)


def _quarter(months: int) -> Any:
    def of(match: Match, number: int, year: int | None, this: Days | None = None) -> Named | None:
        following = match.after()
        if months * number > 12 or number < 1 or (year is None and this is None and _goes_on(following)):
            return None
        return building.months(1 + months * (number - 1), months, this.first.year if this is not None else year)

    return of


def _this_day(match: Match) -> Days | None:
    """Not *à ce jour*, which is until now."""
    before = match.before()
    return None if before is not None and before.form == "a" else relative("day", 0, match.moment.today)


def _goes_on(token: Any) -> bool:
    return token is not None and token.form in ("de", "du", "des", "d")


def add_days(grammar: Grammar) -> None:
    """Kinds: `away`, `third`, `duration`, `week`, `thisyear`, `day`."""
    rule = grammar.rule
    for word, away in _AWAY.items():
        rule("away", word, to=lambda match, away=away: away)
    for word, which in _THIRDS.items():
        rule("third", word, to=lambda match, which=which: which or "")
    rule("season", "printemps", to=lambda match: SEASONS["fr"]["printemps"])
    for word in ("ete", "automne", "hiver"):
        rule("season", word, to=lambda match, word=word: SEASONS["fr"][word])

    rule("duration", "<n> <unit>", to=lambda match, count, unit: Duration(count, unit))
    rule("duration", "<n> <unit> et demi|demie", to=lambda match, count, unit: halves(count, unit))
    rule("duration", "quelques|plusieurs <unit>", to=lambda match, unit: few(unit))
    rule("duration", "une demi heure", to=lambda match: Duration(30, "minute"))
    rule("duration", "un quart d heure", to=lambda match: Duration(15, "minute"))
    rule("duration", "trois quarts d heure", to=lambda match: Duration(45, "minute"))

    def today(away: int) -> Build:
        return lambda match: relative("day", away, match.moment.today)

    rule("day", "ce jour", to=_this_day)
    rule("day", "aujourd hui", "dans la journee", "en journee", to=today(0))
    rule("day", "hier", to=today(-1))
    rule("day", "avant hier", "avanthier", to=today(-2))
    rule("day", "demain", to=today(1))
    rule("day", "apres demain", to=today(2))
    rule("day", "[dans|durant|pendant] la journee de|d|du <day>", to=lambda match, day: day)

    rule("day", "<weekday>", to=_weekday)
    rule("day", "[le] <weekday> <away>", to=lambda match, weekday, away: _away(Weekly(weekday), away, match.moment.today))
    rule(
        "day", "ce <weekday>",
        to=lambda match, weekday: Weekly(weekday),
    )  # fmt: skip
    rule("day", "[le] <weekday> [de] <week>", to=lambda match, weekday, week: building.in_week(weekday, week))
    rule("day", "[le|ce] <weekday> <dom>", to=_numbered_weekday)
    rule("day", "[le|du|au|ce] [<weekday>] ,[le] <dom> <month> [[de] <longyear>] [<away>]", to=_dated)
    rule("day", "[le|du|au|en|les] [<weekday>] ,[le] <numeric>", to=_numeric)

    rule("week", "[la] semaine <away>", to=lambda match, away: relative("week", away, match.moment.today))
    rule("week", "cette semaine", to=lambda match: relative("week", 0, match.moment.today))
    rule("day", "[le|du] weekend du <day>", "[le|du] week end du <day>", to=_weekend_of)
    rule("day", "[dans|durant|pendant] la <ordinal> semaine de|d <month> [<year>]", to=_week_of_month)
    rule("day", "[dans|durant|pendant] la derniere semaine de|d <month> [<year>]", to=_last_week_of_month)
    rule("day", "printemps|automne|hiver [de] <year>", to=_bare_season)
    rule("week", "[la] semaine du <day>", to=lambda match, day: days.week_of(days.latest(day, match.moment.today).first))
    rule("day", f"[{_DURING}] <week>", "au cours de <week>", to=lambda match, week: week)
    rule("day", "en|au <third> de [la] semaine", "a la <third> de [la] semaine", to=_week_third)
    rule("day", "[en|au / a la] <third> de [la] semaine <away>", "[en|au / a la] <third> de cette semaine", to=_week_third)
    for words in ("week end", "weekend"):
        rule("day", f"ce|le {words}", f"[{_DURING}] ce|le {words}", to=lambda match: weekend(match.moment.today, 0))
        rule("day", f"[{_DURING}] [le] {words} <away>", to=lambda match, away: weekend(match.moment.today, away))

    rule("day", f"[{_DURING}] ce mois [ci]", "au cours du mois", to=lambda match: relative("month", 0, match.moment.today))
    rule("day", f"[{_DURING}] le mois <away>", to=lambda match, away: relative("month", away, match.moment.today))
    rule("day", "au|en <third> du|de mois [<away>]", "a la <third> du|de mois [<away>]", to=_third_of("month"))
    rule("day", "en|courant [<third>] <month> [[de] <year>] [<away>]", to=_month)
    rule("day", "au mois de|d [<third>] <month> [[de] <year>] [<away>]", to=_month)
    rule("day", "[le|au] [<third>] mois de|d <month> [[de] <year>] [<away>]", to=_month)
    rule("day", "[au|en|des|vers / a la] <third> [de|du] [mois] [de|d] <month> [[de] <year>] [<away>]", to=_month)
    rule("day", "<month> [de] <year>", to=lambda match, month, year: building.month(month, year))
    rule("day", "<month> <away>", to=lambda match, month, away: _month(match, None, month, None, away))

    rule("thisyear", "cette annee", to=lambda match: relative("year", 0, match.moment.today))
    rule("thisyear", "l an|annee <away>", to=lambda match, away: relative("year", away, match.moment.today))
    rule("day", f"[{_DURING}] <thisyear>", "au cours de <thisyear>", to=lambda match, year: year)
    rule("day", "[en|courant] annee <year>", "[durant|pendant|dans] l annee <year>", "courant <year>", to=_of_year)
    rule("day", "en <year>", "au cours de l annee <year>", "au cours de <year>", "durant|pendant <year>", to=_of_year)
    rule("day", "[au|en / a la] <third> [de] [l annee / d annee] <year>", to=_year_third)
    rule("day", "[au|en / a la] <third> [de] <thisyear>", to=lambda match, which, year: _part(which, "year", year))
    rule("day", "en <third> d annee", "au <third> de l annee", "a la <third> de l annee", to=_third_of("year"))
    rule("day", "[dans|durant|pendant] les|des annees <decade>", to=lambda match, year: _decade(match, None, year))
    rule("day", "[au / a la] <third> des|les annees <decade>", to=_decade)

    rule("day", "au|ce|le <season> [[de] <year>] [<away>]", "en|cet|l <season> [[de] <year>] [<away>]", to=_season)
    rule("day", "a|de|pendant|durant l <season> [[de] <year>] [<away>]", to=_season)
    rule("day", "a|durant|pendant l <season> <year> <year>", "l <season> <year> <year>", to=_over_new_year)
    for lead in ("au|le|du", "[au cours / lors] du", "pendant|durant le"):
        rule("day", f"{lead} <ordinal> trimestre [[de] <year>] [[de] <thisyear>]", to=_quarter(3))
        rule("day", f"{lead} <ordinal> semestre [[de] <year>] [[de] <thisyear>]", to=_quarter(6))
        rule("day", f"{lead} <dom> trimestre [[de] <year>] [[de] <thisyear>]", to=_quarter(3))
        rule("day", f"{lead} <dom> semestre [[de] <year>] [[de] <thisyear>]", to=_quarter(6))
    rule("day", "[au] t <n> <year>", to=_quarter(3))
    rule("day", "[au] s <n> <year>", to=_quarter(6))


def _weekend_of(match: Match, day: Named) -> Days:
    return building.weekend_of(days.latest(day, match.moment.today).first)


def _week_of_month(match: Match, which: int, month: int, year: int | None) -> Named | None:
    return building.week_of_month(building.month(month, year), which)


def _last_week_of_month(match: Match, month: int, year: int | None) -> Named | None:
    return building.week_of_month(building.month(month, year), None)


def _bare_season(match: Match, year: int) -> Named:
    return building.months(SEASONS["fr"][match.tokens[0].form], 3, year)


def _of_year(match: Match, year: int) -> Days:
    return days.year_of(year)


def _part(which: str, unit: str, whole: Days) -> Days:
    return third(unit, which, whole) if which else whole


def _year_third(match: Match, which: str, year: int) -> Days:
    return _part(which, "year", days.year_of(year))


def _week_third(match: Match, which: str, away: int | None = None) -> Days:
    return _part(which, "week", relative("week", away or 0, match.moment.today))


def _third_of(unit: str) -> Any:
    def of(match: Match, which: str, away: int | None = None) -> Days | None:
        """Not *à la fin du mois de ramadan*."""
        return None if _goes_on(match.after()) else _part(which, unit, relative(unit, away or 0, match.moment.today))

    return of
