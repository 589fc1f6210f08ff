"""The English rules for points and spans; days are in `english_days`, times of day in `english_clock`."""

from datetime import timedelta

from index.records import Window
from index.when import building, clock, days, local
from index.when.building import Duration, point, relative, sided, so_far
from index.when.days import Days, Named
from index.when.english_clock import add_clock
from index.when.english_days import add_days
from index.when.grammar import Grammar, Match
from index.when.phrases import Unreal, Why
from index.when.readings import Reading, Side, between
from index.when.terminals import add as add_terminals


def _bare_month(match: Match, month: int) -> Reading | None:
    """*since March*; not *after May resigned* in lower case, which is the verb."""
    token, following = match.tokens[0], match.after()
    if following is not None and following.form == "s":
        return None
    return None if token.form in ("may", "march", "mar") and token.raw.islower() else Reading(days=building.month(month, None))


def _dashed(match: Match, first: Named, second: Named) -> Reading | None:
    """*Monday-Wednesday*."""
    return _between(match, Reading(days=first), Reading(days=second)) if building.dashed(match) else None


def _bare_season(match: Match, season: int) -> Reading | None:
    """*after the summer*; not *after the fall of the Soviet Union*."""
    following = match.after()
    goes_on = following is not None and following.form in ("of", "from", "in", "to")
    return None if goes_on else Reading(days=building.months(season, 3, None))


def _between(match: Match, first: Reading, second: Reading) -> Reading | None:
    return between(first, second, match.moment) if first.side is second.side is Side.ITSELF else None


def _numbered(match: Match, first: int, second: int, month: int, year: int | None) -> Reading:
    """*from 3 to 5 May*: the later day decides the year."""
    end = days.latest(days.date_of(second, month, year, None), match.moment.today)
    return between(Reading(days=days.date_of(first, month, end.first.year, None)), Reading(days=end), match.moment)


def _numbered_night(match: Match, first: int, second: int, third: int, year: int | None) -> Reading:
    month_first = any(token.form.isalpha() and token.form not in ("on", "the", "night", "of") for token in match.tokens[:5])
    day, until, month = (second, third, first) if month_first else (first, second, third)
    ended = days.latest(days.date_of(until, month, year, None), match.moment.today)
    begun = days.one_day(local.later(ended.first, -1))
    if begun.first.day != day:
        raise Unreal(Why.BACKWARDS)
    return Reading(days=begun, clock=clock.part("night"))


_WITHIN = "[in|within|over|during|for|across|throughout]"


def _later(match: Match) -> Reading:
    unit = {"today": "day"}.get(match.tokens[-1].form, match.tokens[-1].form)
    whole: Days = relative(unit, 0, match.moment.today)
    begun = match.moment.ago(timedelta(0))
    return Reading(exact=Window(begun, local.begins(whole.until, 0, match.moment.zone)))


def _sided(match: Match, side: Side, found: Reading) -> Reading | None:
    """*since Tuesday*; not *separate from in 1993*, where each word is another phrase's."""
    return None if match.tokens[1].form in ("in", "on", "at", "for", "during") else sided(side, found)


def _lasting(match: Match, duration: Duration, future: bool = False) -> Reading | None:
    """Not *the last week of May*, *the last year they won*."""
    following = match.after()
    led = match.tokens[0].form not in ("the", "last", "past") or duration.count > 1
    if following is not None and (following.form == "of" or not led):
        return None
    return building.during(duration, match.moment, future)


def _last_units(match: Match, unit: str) -> Reading | None:
    """*the past year*; *the past years* are a few."""
    several = match.tokens[-1].form.endswith("s")
    return _lasting(match, building.few(unit) if several else Duration(1, unit))


def _add_points(grammar: Grammar) -> None:
    """Kinds: `timed`, `point`, `bound`, `whole`, `phrase`."""
    rule = grammar.rule
    rule("timed", "<at>", "<clock>", "<span>", "<limit>", to=lambda match, at: at)
    rule("point", "<day>", to=lambda match, day: Reading(days=day))
    rule("point", "<day> ,<part>", to=lambda match, day, part: point(day, part, None))
    rule("point", "<day> ,<timed>", "<day> at <spoken>", to=lambda match, day, at: point(day, None, at))
    rule("point", "<day> <part> ,<timed>", "<day> <part> at <spoken>", to=lambda match, day, part, at: point(day, part, at))
    rule("point", "<at> ,[of] <day>", "<span> ,<day>", "at <spoken> ,<day>", to=lambda match, at, day: point(day, None, at))
    rule(
        "point",
        "<at> ,<day> <part>",
        "<span> ,<day> <part>",
        "at <spoken> ,<day> <part>",
        to=lambda match, at, day, part: point(day, part, at),
    )
    rule("point", "<alone>", to=lambda match, alone: alone)
    rule("point", "<alone> ,<timed>", "<alone> at <spoken>", to=lambda match, alone, at: point(alone.days, alone.clock, at))
    rule(
        "point",
        "<at> ,<alone>",
        "<span> ,<alone>",
        "[at] <spoken> <alone>",
        to=lambda match, at, alone: point(alone.days, alone.clock, at),
    )
    rule("point", "<at>", to=lambda match, at: Reading(clock=at))
    rule("point", "<duration> ago", "<duration> earlier today", to=lambda match, duration: building.ago(duration, match.moment))
    rule(
        "point",
        "[a] week ago [on|last] <weekday>",
        to=lambda match, weekday: Reading(days=building.in_week(weekday, relative("week", -1, match.moment.today))),
    )
    rule("bound", "<point>", to=lambda match, found: found)
    rule("bound", "<year>", to=lambda match, year: Reading(days=days.year_of(year)))
    rule("bound", "[the] start|beginning of [the] <whole>", to=lambda match, whole: Reading(days=days.one_day(whole.first)))
    rule(
        "bound", "[the] end of [the] <whole>", to=lambda match, whole: Reading(days=days.one_day(local.later(whole.until, -1)))
    )
    rule("bound", "<month>", to=lambda match, month: _bare_month(match, month))
    rule("bound", "<season>", "the <season>", to=_bare_season)
    rule("bound", "<clock>", to=lambda match, at: Reading(clock=at))
    rule("bound", "<clock> ,<day>", to=lambda match, at, day: point(day, None, at))
    rule("bound", "<clock> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
    for _unit in ("day", "week", "month", "year", "decade"):
        rule("whole", _unit, to=lambda match, unit=_unit: relative(unit, 0, match.moment.today))
    rule("whole", "<week>", "<yearaway>", to=lambda match, whole: whole)
    rule(
        "whole", "<month> ,[<year>]", to=lambda match, month, year: days.latest(building.month(month, year), match.moment.today)
    )
    rule("whole", "<year>", to=lambda match, year: days.year_of(year))
    rule(
        "whole",
        "last|this month",
        to=lambda match: relative("month", -1 if match.tokens[0].form == "last" else 0, match.moment.today),
    )
    rule("phrase", "<point>", "<alone>", to=lambda match, found: found)
    rule("phrase", "<span>", to=lambda match, at: Reading(clock=at))
    for _side, _leads in (
        (Side.SINCE, ("[ever] since", "from", "starting [on|from]")),
        (Side.BEFORE, ("before", "prior to", "earlier than")),
        (Side.AFTER, ("after", "later than", "following")),
        (Side.UNTIL, ("[up] until|till", "by", "up to", "through")),
    ):
        for _lead in _leads:
            rule("phrase", f"{_lead} <bound>", to=lambda match, found, side=_side: _sided(match, side, found))
            if _side is Side.SINCE:
                rule("phrase", f"{_lead} <bound> onwards|onward|on", to=lambda match, found: sided(Side.SINCE, found))
    rule("phrase", "<day> <day>", to=_dashed)
    for _both in (
        "between <bound> and <bound>",
        "from <bound> to|until|till|through <bound>",
        "<point> to|until|through <point>",
    ):
        rule("phrase", _both, to=lambda match, first, second: _between(match, first, second))
    rule(
        "phrase",
        "[on|from|between|the] [the] <dom> to|and|or [the] <dom> [of] <month> ,[<year>]",
        to=lambda match, first, second, month, year: _numbered(match, first, second, month, year),
    )
    rule(
        "phrase",
        "[on|from|between|the] [the] <dom> <dom> [of] <month> ,[<year>]",
        to=lambda match, first, second, month, year: (
            _numbered(match, first, second, month, year)
            if any(token.gap.strip() in ("-", "–") for token in match.tokens[1:])
            else None
        ),
    )
    rule(
        "phrase",
        "[on|from|between] <month> <dom> [to|and|or] <dom> ,[<year>]",
        to=lambda match, month, first, second, year: (
            _numbered(match, first, second, month, year)
            if any(t.form in ("to", "and", "or") or t.gap.strip() in ("-", "–") for t in match.tokens[1:])
            else None
        ),
    )
    rule(
        "phrase",
        "in|from|between <year> <year>",
        "in <year> and|or <year>",
        to=lambda match, first, second: _between(match, Reading(days=days.year_of(first)), Reading(days=days.year_of(second))),
    )
    rule(
        "phrase",
        "[on] the night of [the] <dom> [to] [the] <dom> [of] <month> ,[<year>]",
        "[on] the night of <month> <dom> [to] <dom> ,[<year>]",
        to=lambda match, *said: _numbered_night(match, *said),
    )
    rule(
        "phrase",
        f"{_WITHIN} the last|past|previous <n> <unit>",
        f"{_WITHIN} last|past <n> <unit>",
        f"{_WITHIN} these last|past <n> <unit>",
        to=lambda match, count, unit: _lasting(match, Duration(count, unit)),
    )
    rule(
        "phrase",
        f"{_WITHIN} the last|past few|several <unit>",
        "in recent <unit>",
        f"{_WITHIN} the last|past couple <unit>",
        to=lambda match, unit: _lasting(match, building.few(unit)),
    )
    rule("phrase", f"{_WITHIN} the last|past <unit>", to=_last_units)
    rule("phrase", f"{_WITHIN} the last|past half hour", to=lambda match: _lasting(match, Duration(30, "minute")))
    rule(
        "phrase",
        f"{_WITHIN} the next|coming <n> <unit>",
        to=lambda match, n, unit: _lasting(match, Duration(n, unit), future=True),
    )
    rule(
        "phrase",
        f"{_WITHIN} the next|coming few <unit>",
        "in [the] coming <unit>",
        to=lambda match, unit: _lasting(match, building.few(unit), future=True),
    )
    rule(
        "phrase",
        "more than|over <duration> ago",
        to=lambda match, duration: Reading(exact=Window(None, building.since(duration, match.moment))),
    )
    rule(
        "phrase",
        "less than|under <duration> ago",
        "within <duration>",
        to=lambda match, duration: building.during(duration, match.moment),
    )
    rule(
        "phrase",
        "earlier today",
        "so far today",
        "today so far",
        to=lambda match: so_far(relative("day", 0, match.moment.today), match.moment),
    )
    for _unit in ("week", "month", "year"):
        rule(
            "phrase",
            f"earlier this {_unit}",
            f"this {_unit} so far",
            f"earlier in the {_unit}",
            f"so far this {_unit}",
            to=lambda match, unit=_unit: so_far(relative(unit, 0, match.moment.today), match.moment),
        )
    rule("phrase", "so far in <year>", to=lambda match, year: so_far(days.year_of(year), match.moment))
    rule(
        "phrase", "so far this <named>", to=lambda match, part: Reading(days=relative("day", 0, match.moment.today), clock=part)
    )
    rule("phrase", "later today", "later this week|month|year", to=lambda match: _later(match))


GRAMMAR = Grammar()
add_terminals(GRAMMAR, "en")
add_days(GRAMMAR)
add_clock(GRAMMAR)
_add_points(GRAMMAR)
