"""English days, weeks, months, seasons and years."""

from typing import Any

from index.when import building, days
from index.when.building import Duration, few, halves, relative, third, weekend
from index.when.days import Days, Named, Weekly
from index.when.grammar import Build, Grammar, Match
from index.when.phrases import Unreal
from index.when.terminals import Numeric
from index.when.vocabulary import SEASONS

_ON = "[on|for|during]"
_IN = "[in|during|over|for|throughout]"
_AWAY = {"last": -1, "previous": -1, "next": 1, "coming": 1, "this": 0, "past": -1}
_THIRDS = {
    "early": "early",
    "mid": "mid",
    "late": "late",
    "beginning": "early",
    "start": "early",
    "middle": "mid",
    "end": "late",
}
_RECURRING = frozenset("every each any another a no most".split())
# A month that is also a word or a name is one in lower case only where more than "may" says so.
_AFTER_NUMBER = frozenset(
    "at in on and or after before around about between until till from by to when who that the early late".split()
)


def _away(named: Named, away: int | None, today: Any) -> Named:
    return named if not away else days.last(named, today) if away < 0 else days.following(named, today)


def _weekday(match: Match, weekday: int) -> Named | None:
    before = match.before()
    return None if before is not None and before.form in _RECURRING else Weekly(weekday)


def _last_week(match: Match) -> Days | None:
    """Not *the last week of school*."""
    following = match.after()
    return None if following is not None and following.form == "of" else relative("week", -1, match.moment.today)


def _weekday_away(match: Match, away: int, weekday: int) -> Named:
    if away == 0:
        return building.in_week(weekday, relative("week", 0, match.moment.today))
    return _away(Weekly(weekday), away, match.moment.today)


def _dated(match: Match, weekday: int | None, day: int, month: int, year: int | None) -> Named:
    return days.date_of(day, month, year, weekday)


def _month_first(match: Match, weekday: int | None, month: int, day: int, year: int | None) -> Named | None:
    """*May 23rd*; *may 23* only where nothing follows that could be counted."""
    token = next(token for token in match.tokens if token.form in _MODAL or token.form.isalpha())
    following = match.after()
    if year is None and token.form in _MODAL and token.raw.islower() and following and following.form not in _AFTER_NUMBER:
        return None
    return days.date_of(day, month, year, weekday)


_MODAL = frozenset({"may", "march"})


def _numbered_weekday(match: Match, weekday: int, day: int) -> Named | None:
    following = match.after()
    if not 1 <= day <= 31 or (following is not None and following.form not in _AFTER_NUMBER):
        return None
    return days.Monthly(day, weekday)


def _numeric(match: Match, weekday: int | None, numeric: Numeric) -> Named | None:
    led = weekday is not None or match.tokens[0].form in ("on", "in")
    if numeric.short and not led:
        return None
    if isinstance(numeric.named, Unreal):
        raise numeric.named
    return numeric.named


def _month(match: Match, which: str | None, month: int, year: int | None) -> Named | None:
    following = match.after()
    if year is None and following is not None and following.form in ("on", "s") and match.tokens[-1].form in _MODAL:
        return None  # in March on Washington
    return building.month(month, year, which)


def _month_away(match: Match, which: str | None, away: int, month: int) -> Named:
    if away == 0:
        return building.month(month, match.moment.today.year, which)
    return _away(building.month(month, None, which), away, match.moment.today)


def _weekend_of(match: Match, day: Named) -> Days:
    return building.weekend_of(days.latest(day, match.moment.today).first)


def _week_of_month(match: Match, which: int, month: int, year: int | None) -> Named | None:
    return building.week_of_month(building.month(month, year), which)


def _last_week_of_month(match: Match, month: int, year: int | None) -> Named | None:
    return building.week_of_month(building.month(month, year), None)


def _year_away(match: Match) -> Days | None:
    """*last year*; not *the last year they won*."""
    before = match.before()
    the = before is not None and before.form == "the"
    return None if the else relative("year", _AWAY[match.tokens[0].form], match.moment.today)


def _season(match: Match, away: int | None, season: int, year: int | None) -> Named:
    if away == 0:
        return building.months(season, 3, match.moment.today.year)
    return _away(building.months(season, 3, year), away, match.moment.today)


def _quarter(months: int) -> Any:
    def of(match: Match, number: int, year: int | None, this: Days | None = None) -> Named | None:
        following = match.after()
        open_ = year is None and this is None
        if months * number > 12 or number < 1 or (open_ and (months == 6 or _of_what(following))):
            return None
        return building.months(1 + months * (number - 1), months, this.first.year if this is not None else year)

    return of


def _of_what(token: Any) -> bool:
    return token is not None and token.form in ("of", "against", "when")


def _part(which: str, unit: str, whole: Days) -> Days:
    return third(unit, which, whole)


def add_days(grammar: Grammar) -> None:
    """Kinds: `away`, `third`, `duration`, `unitaway`, `week`, `yearaway`, `season`, `day`."""
    rule = grammar.rule
    for word, away in _AWAY.items():
        rule("away", word, to=lambda match, away=away: away)
    for word, which in _THIRDS.items():
        rule("third", word, to=lambda match, which=which: which)
    for word, season in SEASONS["en"].items():
        rule("season", word, to=lambda match, season=season: season)

    rule("duration", "<n> <unit>", to=lambda match, count, unit: Duration(count, unit))
    rule("duration", "<n> and a half <unit>", "<n> <unit> and a half", to=lambda match, count, unit: halves(count, unit))
    rule("duration", "a few|several <unit>", "few|several <unit>", to=lambda match, unit: few(unit))
    rule("duration", "half an hour", "half hour", to=lambda match: Duration(30, "minute"))
    rule("duration", "a quarter of an hour", "quarter of an hour", to=lambda match: Duration(15, "minute"))
    rule("duration", "three quarters of an hour", to=lambda match: Duration(45, "minute"))

    def today(away: int) -> Build:
        return lambda match: relative("day", away, match.moment.today)

    rule("day", "today", to=today(0))
    rule("day", "yesterday", to=today(-1))
    rule("day", "tomorrow", to=today(1))
    rule("day", "the day before yesterday", to=today(-2))
    rule("day", "the day after tomorrow", to=today(2))

    rule("day", f"{_ON} [the] <weekday>", to=_weekday)
    rule("day", f"{_ON} <away> <weekday>", to=_weekday_away)
    rule("day", f"{_ON} <weekday> [of] <week>", to=lambda match, weekday, week: building.in_week(weekday, week))
    rule("day", f"<week> ,{_ON} <weekday>", to=lambda match, week, weekday: building.in_week(weekday, week))
    rule("day", f"{_ON} [the] <weekday> ,[the] <dom>", to=_numbered_weekday)
    rule("day", f"{_ON} [the] [<weekday>] ,[the] <dom> [of] <month> ,[<longyear>]", to=_dated)
    rule("day", f"{_ON} [the] [<weekday>] ,<month> [the] <dom> ,[<longyear>]", to=_month_first)
    rule("day", "[on|in] [<weekday>] ,<numeric>", to=_numeric)

    rule("week", "last|previous week", "the previous week", to=_last_week)
    rule("day", "[in|during] [the] weekend of <day>", to=_weekend_of)
    rule("day", "[in|during] [the] <ordinal> week of|in <month> ,[<year>]", to=_week_of_month)
    rule("day", "[in|during] [the] last week of <month> ,[<year>]", to=_last_week_of_month)
    rule("week", "this week", to=lambda match: relative("week", 0, match.moment.today))
    rule("week", "next week", "the coming week", to=lambda match: relative("week", 1, match.moment.today))
    rule("week", "the week before last", to=lambda match: relative("week", -2, match.moment.today))
    rule("week", "[the] week of <day>", to=lambda match, day: days.week_of(days.latest(day, match.moment.today).first))
    rule("day", f"{_IN} <week>", to=lambda match, week: week)
    rule("day", "<third> [of|in] <week>", to=lambda match, which, week: _part(which, "week", week))
    rule("day", "[at] the <third> of <week>", to=lambda match, which, week: _part(which, "week", week))
    rule(
        "day",
        "[at] the <third> of the week",
        to=lambda match, which: _part(which, "week", relative("week", 0, match.moment.today)),
    )
    for words in ("weekend", "week end"):
        rule("day", f"over|at|during the {words}", "the weekend", to=lambda match: weekend(match.moment.today, 0))
        rule("day", f"[over|at|during|on] <away> {words}", f"over the <away> {words}",
             to=lambda match, away: weekend(match.moment.today, away))  # fmt: skip

    for unit in ("month", "quarter", "decade"):
        rule("day", f"{_IN} <away> {unit}", to=lambda match, away, unit=unit: relative(unit, away, match.moment.today))
        rule("day", f"the {unit} before last", to=lambda match, unit=unit: relative(unit, -2, match.moment.today))
    rule(
        "day",
        "[at] the <third> of the month",
        to=lambda match, which: _part(which, "month", relative("month", 0, match.moment.today)),
    )
    rule("day", "[in|during|at] <third> <away> month", "[at] the <third> of <away> month",
         to=lambda match, which, away: _part(which, "month", relative("month", away, match.moment.today)))  # fmt: skip
    rule("day", "in|during|throughout [<third>] <month> ,[[of] <year>]", to=_month)
    rule("day", "in|during the month of <month> ,[[of] <year>]", to=lambda match, month, year: building.month(month, year))
    rule("day", "[in|at] [the] <third> [of] <month> ,[[of] <year>]", to=_month)
    rule("day", "<month> [of] <year>", to=lambda match, month, year: building.month(month, year))
    rule("day", "[in] [<third>] <away> <month>", to=_month_away)

    rule(
        "yearaway",
        "last|this|next|previous year",
        to=_year_away,
    )
    rule("yearaway", "the year before last", to=lambda match: relative("year", -2, match.moment.today))
    rule("day", f"{_IN} <yearaway>", to=lambda match, year: year)
    rule("day", "[in|at] [the] <third> [of] <yearaway>", to=lambda match, which, year: _part(which, "year", year))
    rule(
        "day",
        "[at] the <third> of the year",
        to=lambda match, which: _part(which, "year", relative("year", 0, match.moment.today)),
    )
    rule("day", "in|during|throughout <year>", "[in|during] the year <year>", to=lambda match, year: days.year_of(year))
    rule("day", "[in|at] [the] <third> [of] <year>", to=lambda match, which, year: _part(which, "year", days.year_of(year)))
    rule("day", f"{_IN} the <decade>", to=_decade)
    rule("day", "[in|at] [the] <third> [of] [the] <decade>", to=_third_decade)

    rule("day", "in|during|over|throughout [the] <season> [[of] <year>]",
         to=lambda match, season, year: _season(match, None, season, year))  # fmt: skip
    rule("day", "[the] <season> [of] <year>", to=lambda match, season, year: _season(match, None, season, year))
    rule("day", f"{_IN} <away> <season>", to=lambda match, away, season: _season(match, away, season, None))
    rule("day", "[in] [the] winter [of] <year> <year>", to=_over_new_year)
    rule("day", "in|during|over the <ordinal> quarter ,[[of] <year>] [[of] <yearaway>]", to=_quarter(3))
    rule("day", "[in] the <ordinal> quarter of <year>", to=_quarter(3))
    rule("day", "[in|during] the <ordinal> half of <year>", to=_quarter(6))
    rule(
        "day",
        "[in|during] the <ordinal> half of <yearaway>",
        to=lambda match, number, this: _quarter(6)(match, number, None, this),
    )
    rule("day", "[in] q <n> [of] <year>", to=_quarter(3))
    rule("day", "[in] h <n> [of] <year>", to=_quarter(6))


def _decade(match: Match, year: int) -> Days | None:
    """*the 1990s*; *the 1700s* are a century, and *the 2000s* ten years."""
    if match.tokens[-1].form != "s":
        return None
    return days.year_of(year, 100 if year % 100 == 0 and year < 2000 else 10)


def _third_decade(match: Match, which: str, year: int) -> Days | None:
    whole = _decade(match, year)
    if whole is None:
        return None
    return third("decade" if whole.until.year - whole.first.year == 10 else "century", which, whole)


def _over_new_year(match: Match, first: int, second: int) -> Days | None:
    return days.month_of(first, 12, 3) if second == first + 1 else None
