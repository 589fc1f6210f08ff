"""The English rules: times of day, points and spans; days are in `english_days`."""

from datetime import timedelta

from index.records import Window
from index.when import building, clock, days, local
from index.when.building import Duration, point, relative, sided, so_far
from index.when.clock import Clock
from index.when.days import Days, Named
from index.when.english_days import add_days
from index.when.grammar import Grammar, Match
from index.when.parts import PARTS
from index.when.phrases import Unreal, Why
from index.when.readings import Reading, Side, between
from index.when.terminals import add as add_terminals

GRAMMAR = Grammar()
_rule = GRAMMAR.rule
add_terminals(GRAMMAR, "en")
add_days(GRAMMAR)

# Parts of a day: `part` stands after a day, `alone` by itself.

for _name in ("morning", "afternoon", "evening", "night"):
    _rule("named", _name, to=lambda match, name=_name: clock.part(name))
    for _third in ("early", "mid", "late"):
        if f"{_third} {_name}" in PARTS:
            _spelt = f"{_third} {_name}"
            _rule("named", f"{_third} {_name}", to=lambda match, name=_spelt: clock.part(name))
_rule("part", "<named>", "in|during the <named>", to=lambda match, part: part)
_rule("part", "lunchtime", to=lambda match: clock.part("noon"))
_rule("part", "overnight", to=lambda match: clock.part("nuit"))


def _today(match: Match, part: Clock) -> Reading:
    return Reading(days=relative("day", 0, match.moment.today), clock=part)


def _yesterday(match: Match, part: Clock) -> Reading:
    return Reading(days=relative("day", -1, match.moment.today), clock=part)


_rule("alone", "this <named>", to=_today)
for _which in ("early", "late", "earlier", "later"):
    _rule("alone", f"{_which} this <named>", to=lambda match, part, which=_which: _partly(match, part, which))
_rule("alone", "tonight", to=lambda match: _today(match, clock.part("night")))
_rule("alone", "last night", "yesterday night", to=lambda match: _yesterday(match, clock.part("night")))
_rule("alone", "late last night", to=lambda match: _yesterday(match, clock.part("late night")))
_rule("alone", "last evening", to=lambda match: _yesterday(match, clock.part("evening")))
_rule("alone", "overnight", "during|in the night", to=lambda match: _overnight(match))
_rule("alone", "[on|in|during] the <named> of <day>", to=lambda match, part, day: Reading(days=day, clock=part))
_rule("alone", "[on|in|during] the night of <day> to <day>", "overnight from <day> to <day>", "[on|in] the night from <day> to <day>",
      to=lambda match, day, until: building.night(day, until, match.moment, "night"))  # fmt: skip
_rule("alone", "overnight on <weekday>", to=lambda match, weekday: Reading(days=days.Weekly(weekday), clock=clock.part("nuit")))
_rule("alone", "early|late on <day>", "early|late <day>", to=lambda match, day: _edge(match, day))


def _overnight(match: Match) -> Reading | None:
    following = match.after()
    return None if following is not None and following.form in ("success", "sensation", "stay", "flight", "train") else Reading(
        days=relative("day", -1, match.moment.today), clock=clock.part("nuit"))  # fmt: skip


def _partly(match: Match, part: Clock, which: str) -> Reading | None:
    """*early this morning* is a part of it; *earlier this morning* may be any of it."""
    name = next((name for name, bounds in PARTS.items() if bounds == (part.start, part.end)), "")
    return _today(match, clock.part(f"{which} {name}") if f"{which} {name}" in PARTS else part)


def _edge(match: Match, day: Named) -> Reading | None:
    """*late on Tuesday*, *early Monday*; *early today*."""
    found = days.latest(day, match.moment.today)
    if found.until != local.later(found.first, 1):
        return None
    early = match.tokens[0].form == "early"
    return Reading(days=day, clock=clock.part("early morning" if early else "late evening"))


# Times of day

_rule("clock", "<exact>", to=lambda match, at: at)
_rule("clock", "noon|midday", "12 noon", to=lambda match: clock.at(12))
_rule("clock", "midnight", "12 midnight", to=lambda match: clock.at(0, midnight=True))
_rule("clock", "<n> o clock", "<n> oclock", to=lambda match, hours: _hours(hours, 0))
_rule("clock", "half past <n>", "half past <n> o clock", to=lambda match, hours: _hours(hours, 30))
_rule("clock", "[a] quarter past <n>", to=lambda match, hours: _hours(hours, 15))
_rule("clock", "[a] quarter to <n>", to=lambda match, hours: _earlier(hours, 15))
_rule("clock", "<n> [minutes] past <n>", to=lambda match, minutes, hours: _hours(hours, minutes))
_rule("clock", "<n> [minutes] to <n> o clock", to=lambda match, minutes, hours: _earlier(hours, minutes))
_rule("clock", "<n> hours", to=lambda match, hours: clock.at(hours // 100, hours % 100) if _military(match) else None)
_rule("clock", "<spoken> in the morning", "<clock12> in the morning", to=lambda match, at: clock.halved(at, "am"))
_rule("clock", "<spoken> in the afternoon|evening", "<clock12> in the afternoon|evening", "<spoken> at night",
      "<clock12> at night", to=lambda match, at: clock.halved(at, "pm"))  # fmt: skip
_rule("clock12", "<n> o clock", to=lambda match, hours: _hours(hours, 0))
_rule("clock12", "half past <n>", to=lambda match, hours: _hours(hours, 30))
_rule("clock12", "<exact>", to=lambda match, at: None if at.certain else at)
_rule("clock12", "[a] quarter past <n>", to=lambda match, hours: _hours(hours, 15))
_rule("clock12", "[a] quarter to <n>", to=lambda match, hours: _earlier(hours, 15))
_rule("spoken", "<n>", to=lambda match, hours: _hours(hours, 0) if 0 < hours <= 12 else None)
_rule("spoken", "<pointed>", to=lambda match, at: at)


def _hours(hours: int, minutes: int) -> Clock | None:
    return clock.at(hours, minutes, certain=False) if hours <= 12 and minutes < 60 else None


def _earlier(hours: int, minutes: int) -> Clock | None:
    return clock.at((hours or 12) - 1 or 12, 60 - minutes, certain=False) if hours <= 12 and 0 < minutes < 60 else None


def _military(match: Match) -> bool:
    """*1400 hours*, not *1400 hours of footage*."""
    following = match.after()
    return len(match.tokens[0].form) == 4 and (following is None or following.form != "of")


_rule("at", "at <clock>", "<exact>", "[at] exactly <clock>", to=lambda match, at: at)
_rule("at", "at <pointed>", to=lambda match, at: at if _uncounted(match) else None)
_rule("at", "[at] around|about|approximately|circa|near|nearly <clock>", "[at] shortly|just before|after <clock>",
      to=lambda match, at: clock.around(at))  # fmt: skip
_rule("span", "between <clock> and <clock>", "from <clock> to|until|till <clock>", "<exact> to|until <exact>",
      to=lambda match, first, second: clock.between(first, second))  # fmt: skip
_rule("span", "between <spoken> and <clock>", "from <spoken> to|until|till <clock>",
      to=lambda match, first, second: _shared(first, second))  # fmt: skip
_rule("span", "<exact> <exact>", to=lambda match, first, second: _dashed(match, first, second))
_rule("limit", "before|until|till|by <clock>", to=lambda match, at: _before(at))
_rule("limit", "after|from|since <clock>", "from <clock> onwards|on", to=lambda match, at: Clock(at.start, local.DAY, at.stated))


def _uncounted(match: Match) -> bool:
    following = match.after()
    return following is None or following.form not in ("per", "percent", "million", "billion", "metres", "km", "euros", "dollars", "pounds")


def _shared(first: Clock, second: Clock) -> Clock:
    """*between 2 and 4 pm*: the first has the half of the second where it is then before it, *between 11 and 2 pm* the other."""
    if second.start == 0 or second.midnight:
        return clock.between(clock.halved(first, "pm"), second)
    if second.start > clock.NOON:
        afternoon = clock.halved(first, "pm")
        if afternoon.start < second.start:
            return clock.between(afternoon, second)
    return clock.between(clock.halved(first, "am") if first.start <= clock.NOON else first, second)


def _dashed(match: Match, first: Clock, second: Clock) -> Clock | None:
    return clock.between(first, second) if any(token.gap.strip() in ("-", "–") for token in match.tokens[1:]) else None


def _before(at: Clock) -> Clock:
    end = at.start or local.DAY
    return Clock(0, end, (end,))


# Points: a day, a part of it, a time within

_rule("timed", "<at>", "<clock>", "<span>", "<limit>", to=lambda match, at: at)
_rule("point", "<day>", to=lambda match, day: Reading(days=day))
_rule("point", "<day> ,<part>", to=lambda match, day, part: point(day, part, None))
_rule("point", "<day> ,<timed>", "<day> at <spoken>", to=lambda match, day, at: point(day, None, at))
_rule("point", "<day> <part> ,<timed>", "<day> <part> at <spoken>", to=lambda match, day, part, at: point(day, part, at))
_rule("point", "<at> ,[of] <day>", "<span> ,<day>", "at <spoken> ,<day>", to=lambda match, at, day: point(day, None, at))
_rule("point", "<at> ,<day> <part>", "<span> ,<day> <part>", "at <spoken> ,<day> <part>",
      to=lambda match, at, day, part: point(day, part, at))  # fmt: skip
_rule("point", "<alone>", to=lambda match, alone: alone)
_rule("point", "<alone> ,<timed>", "<alone> at <spoken>", to=lambda match, alone, at: point(alone.days, alone.clock, at))
_rule("point", "<at> ,<alone>", "<span> ,<alone>", "[at] <spoken> <alone>",
      to=lambda match, at, alone: point(alone.days, alone.clock, at))  # fmt: skip
_rule("point", "<at>", to=lambda match, at: Reading(clock=at))
_rule("point", "<duration> ago", "<duration> earlier today", to=lambda match, duration: building.ago(duration, match.moment))
_rule("point", "[a] week ago [on|last] <weekday>",
      to=lambda match, weekday: Reading(days=building.in_week(weekday, relative("week", -1, match.moment.today))))  # fmt: skip



# What may stand after *since*, *before*, *between*: also what is no time by itself

_rule("bound", "<point>", to=lambda match, found: found)
_rule("bound", "<year>", to=lambda match, year: Reading(days=days.year_of(year)))
_rule("bound", "[the] start|beginning of [the] <whole>", to=lambda match, whole: Reading(days=days.one_day(whole.first)))
_rule("bound", "[the] end of [the] <whole>", to=lambda match, whole: Reading(days=days.one_day(local.later(whole.until, -1))))
_rule("bound", "<month>", to=lambda match, month: _bare_month(match, month))
_rule("bound", "<season>", "the <season>", to=lambda match, season: Reading(days=building.months(season, 3, None)))
_rule("bound", "<clock>", to=lambda match, at: Reading(clock=at))
_rule("bound", "<clock> ,<day>", to=lambda match, at, day: point(day, None, at))
_rule("bound", "<clock> ,<alone>", to=lambda match, at, alone: point(alone.days, alone.clock, at))
for _unit in ("day", "week", "month", "year", "decade"):
    _rule("whole", _unit, to=lambda match, unit=_unit: relative(unit, 0, match.moment.today))
_rule("whole", "<week>", "<yearaway>", to=lambda match, whole: whole)
_rule("whole", "<month> ,[<year>]", to=lambda match, month, year: days.latest(building.month(month, year), match.moment.today))
_rule("whole", "<year>", to=lambda match, year: days.year_of(year))
_rule("whole", "last|this month", to=lambda match: relative("month", -1 if match.tokens[0].form == "last" else 0, match.moment.today))


def _bare_month(match: Match, month: int) -> Reading | None:
    """*since March*; not *after May resigned* in lower case, which is the verb."""
    token = match.tokens[0]
    return None if token.form in ("may", "march", "mar") and token.raw.islower() else Reading(days=building.month(month, None))


# Phrases

_rule("phrase", "<point>", "<alone>", to=lambda match, found: found)
_rule("phrase", "<span>", to=lambda match, at: Reading(clock=at))
for _side, _leads in (
    (Side.SINCE, ("[ever] since", "from", "starting [on|from]")),
    (Side.BEFORE, ("before", "prior to", "earlier than")),
    (Side.AFTER, ("after", "later than", "following")),
    (Side.UNTIL, ("[up] until|till", "by", "up to", "through")),
):  # fmt: skip
    for _lead in _leads:
        _rule("phrase", f"{_lead} <bound>", to=lambda match, found, side=_side: sided(side, found))
        if _side is Side.SINCE:
            _rule("phrase", f"{_lead} <bound> onwards|onward|on", to=lambda match, found: sided(Side.SINCE, found))
for _both in ("between <bound> and <bound>", "from <bound> to|until|till|through <bound>", "<point> to|until|through <point>"):
    _rule("phrase", _both, to=lambda match, first, second: _between(match, first, second))
_rule("phrase", "[on|from|between|the] [the] <dom> to|and|or [the] <dom> [of] <month> ,[<year>]",
      to=lambda match, first, second, month, year: _numbered(match, first, second, month, year))  # fmt: skip
_rule("phrase", "[on|from|between|the] [the] <dom> <dom> [of] <month> ,[<year>]",
      to=lambda match, first, second, month, year: _numbered(match, first, second, month, year)
      if any(token.gap.strip() in ("-", "–") for token in match.tokens[1:]) else None)  # fmt: skip
_rule("phrase", "[on|from|between] <month> <dom> [to|and|or] <dom> ,[<year>]",
      to=lambda match, month, first, second, year: _numbered(match, first, second, month, year)
      if any(t.form in ("to", "and", "or") or t.gap.strip() in ("-", "–") for t in match.tokens[1:]) else None)  # fmt: skip
_rule("phrase", "in <year> <year>", "in <year> and|or <year>",
      to=lambda match, first, second: _between(match, Reading(days=days.year_of(first)), Reading(days=days.year_of(second))))  # fmt: skip


def _between(match: Match, first: Reading, second: Reading) -> Reading | None:
    return between(first, second, match.moment) if first.side is second.side is Side.ITSELF else None


def _numbered(match: Match, first: int, second: int, month: int, year: int | None) -> Reading:
    """*from 3 to 5 May*: the later day decides the year."""
    end = days.latest(days.date_of(second, month, year, None), match.moment.today)
    return between(Reading(days=days.date_of(first, month, end.first.year, None)), Reading(days=end), match.moment)


_rule("phrase", "[on] the night of [the] <dom> [to] [the] <dom> [of] <month> ,[<year>]",
      "[on] the night of <month> <dom> [to] <dom> ,[<year>]", to=lambda match, *said: _numbered_night(match, *said))  # fmt: skip


def _numbered_night(match: Match, first: int, second: int, third: int, year: int | None) -> Reading:
    month_first = any(token.form.isalpha() and token.form not in ("on", "the", "night", "of") for token in match.tokens[:5])
    day, until, month = (second, third, first) if month_first else (first, second, third)
    ended = days.latest(days.date_of(until, month, year, None), match.moment.today)
    begun = days.one_day(local.later(ended.first, -1))
    if begun.first.day != day:
        raise Unreal(Why.BACKWARDS)
    return Reading(days=begun, clock=clock.part("night"))


_WITHIN = "[in|within|over|during|for|across|throughout]"
_rule("phrase", f"{_WITHIN} the last|past|previous <n> <unit>", f"{_WITHIN} last|past <n> <unit>", f"{_WITHIN} these last|past <n> <unit>",
      to=lambda match, count, unit: _lasting(match, Duration(count, unit)))  # fmt: skip
_rule("phrase", f"{_WITHIN} the last|past few|several <unit>", "in recent <unit>", f"{_WITHIN} the last|past couple <unit>",
      to=lambda match, unit: _lasting(match, building.few(unit)))  # fmt: skip
_rule("phrase", f"{_WITHIN} the last|past <unit>", to=lambda match, unit: _lasting(match, Duration(1, unit)))
_rule("phrase", f"{_WITHIN} the last|past half hour", to=lambda match: _lasting(match, Duration(30, "minute")))
_rule("phrase", f"{_WITHIN} the next|coming <n> <unit>", to=lambda match, n, unit: _lasting(match, Duration(n, unit), future=True))
_rule("phrase", f"{_WITHIN} the next|coming few <unit>", "in [the] coming <unit>",
      to=lambda match, unit: _lasting(match, building.few(unit), future=True))  # fmt: skip
_rule("phrase", "more than|over <duration> ago", to=lambda match, duration: Reading(
    exact=Window(None, building.since(duration, match.moment))))  # fmt: skip
_rule("phrase", "less than|under <duration> ago", "within <duration>", to=lambda match, duration: building.during(duration, match.moment))
_rule("phrase", "earlier today", "so far today", "today so far", to=lambda match: so_far(relative("day", 0, match.moment.today), match.moment))
for _unit in ("week", "month", "year"):
    _rule("phrase", f"earlier this {_unit}", f"this {_unit} so far", f"earlier in the {_unit}", f"so far this {_unit}",
          to=lambda match, unit=_unit: so_far(relative(unit, 0, match.moment.today), match.moment))  # fmt: skip
_rule("phrase", "so far in <year>", to=lambda match, year: so_far(days.year_of(year), match.moment))
_rule("phrase", "so far this <named>", to=lambda match, part: _today(match, part))
_rule("phrase", "later today", "later this week|month|year", to=lambda match: _later(match))


def _later(match: Match) -> Reading:
    unit = {"today": "day"}.get(match.tokens[-1].form, match.tokens[-1].form)
    whole: Days = relative(unit, 0, match.moment.today)
    begun = match.moment.ago(timedelta(0))
    return Reading(exact=Window(begun, local.begins(whole.until, 0, match.moment.zone)))


def _lasting(match: Match, duration: Duration, future: bool = False) -> Reading | None:
    """Not *the last week of May*, *the past year at Harvard*."""
    following = match.after()
    return None if following is not None and following.form == "of" else building.during(duration, match.moment, future)
