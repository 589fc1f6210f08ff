"""English times of day and parts of a day."""

from index.when import building, clock, days, local
from index.when.building import relative
from index.when.clock import Clock
from index.when.days import Named
from index.when.grammar import Grammar, Match
from index.when.parts import PARTS
from index.when.readings import Reading


def _today(match: Match, part: Clock) -> Reading:
    return Reading(days=relative("day", 0, match.moment.today), clock=part)


def _yesterday(match: Match, part: Clock) -> Reading:
    return Reading(days=relative("day", -1, match.moment.today), clock=part)


def _overnight(match: Match) -> Reading | None:
    following = match.after()
    return (
        None
        if following is not None and following.form in ("success", "sensation", "stay", "flight", "train")
        else Reading(days=relative("day", -1, match.moment.today), clock=clock.part("nuit"))
    )


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


def _hours(hours: int, minutes: int) -> Clock | None:
    return clock.at(hours, minutes, certain=False) if hours <= 12 and minutes < 60 else None


def _earlier(hours: int, minutes: int) -> Clock | None:
    return clock.at((hours or 12) - 1 or 12, 60 - minutes, certain=False) if hours <= 12 and 0 < minutes < 60 else None


def _military(match: Match) -> bool:
    """*1400 hours*, not *1400 hours of footage*."""
    following = match.after()
    return len(match.tokens[0].form) == 4 and (following is None or following.form != "of")


def _shared(first: Clock, second: Clock) -> Clock:
    """*between 2 and 4 pm*: the first is in the half of the second where it is then before it; *between 11 and 2 pm*."""
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


def add_clock(grammar: Grammar) -> None:
    """Kinds: `named`, `part`, `alone`, `clock`, `at`, `span`, `limit`."""
    rule = grammar.rule
    for _name in ("morning", "afternoon", "evening", "night"):
        rule("named", _name, to=lambda match, name=_name: clock.part(name))
        for _third in ("early", "mid", "late"):
            if f"{_third} {_name}" in PARTS:
                _spelt = f"{_third} {_name}"
                rule("named", f"{_third} {_name}", to=lambda match, name=_spelt: clock.part(name))
    rule("part", "<named>", "in|during the <named>", to=lambda match, part: part)
    rule("part", "lunchtime", to=lambda match: clock.part("noon"))
    rule("part", "overnight", to=lambda match: clock.part("nuit"))
    rule("alone", "this <named>", to=_today)
    for _which in ("early", "late", "earlier", "later"):
        rule("alone", f"{_which} this <named>", to=lambda match, part, which=_which: _partly(match, part, which))
    rule("alone", "tonight", to=lambda match: _today(match, clock.part("night")))
    rule("alone", "last night", "yesterday night", to=lambda match: _yesterday(match, clock.part("night")))
    rule("alone", "late last night", to=lambda match: _yesterday(match, clock.part("late night")))
    rule("alone", "last evening", to=lambda match: _yesterday(match, clock.part("evening")))
    rule("alone", "overnight", "during|in the night", to=lambda match: _overnight(match))
    rule("alone", "[on|in|during] the <named> of <day>", to=lambda match, part, day: Reading(days=day, clock=part))
    rule(
        "alone",
        "[on|in|during] the night of <day> to <day>",
        "overnight from <day> to <day>",
        "[on|in] the night from <day> to <day>",
        to=lambda match, day, until: building.night(day, until, match.moment, "night"),
    )
    rule(
        "alone",
        "overnight on <weekday>",
        to=lambda match, weekday: Reading(days=days.Weekly(weekday), clock=clock.part("nuit")),
    )
    rule("alone", "early|late on <day>", "early|late <day>", to=lambda match, day: _edge(match, day))
    rule("clock", "<exact>", to=lambda match, at: at)
    rule("clock", "noon|midday", "12 noon", to=lambda match: clock.at(12))
    rule("clock", "midnight", "12 midnight", to=lambda match: clock.at(0, midnight=True))
    rule("clock", "<n> o clock", "<n> oclock", to=lambda match, hours: _hours(hours, 0))
    rule("clock", "half past <n>", "half past <n> o clock", to=lambda match, hours: _hours(hours, 30))
    rule("clock", "[a] quarter past <n>", to=lambda match, hours: _hours(hours, 15))
    rule("clock", "[a] quarter to <n>", to=lambda match, hours: _earlier(hours, 15))
    rule("clock", "<n> [minutes] past <n>", to=lambda match, minutes, hours: _hours(hours, minutes))
    rule("clock", "<n> [minutes] to <n> o clock", to=lambda match, minutes, hours: _earlier(hours, minutes))
    rule("clock", "<n> hours", to=lambda match, hours: clock.at(hours // 100, hours % 100) if _military(match) else None)
    rule("clock", "<spoken> in the morning", "<clock12> in the morning", to=lambda match, at: clock.halved(at, "am"))
    rule(
        "clock",
        "<spoken> in the afternoon|evening",
        "<clock12> in the afternoon|evening",
        "<spoken> at night",
        "<clock12> at night",
        to=lambda match, at: clock.halved(at, "pm"),
    )
    rule("clock12", "<n> o clock", to=lambda match, hours: _hours(hours, 0))
    rule("clock12", "half past <n>", to=lambda match, hours: _hours(hours, 30))
    rule("clock12", "<exact>", to=lambda match, at: None if at.certain else at)
    rule("clock12", "[a] quarter past <n>", to=lambda match, hours: _hours(hours, 15))
    rule("clock12", "[a] quarter to <n>", to=lambda match, hours: _earlier(hours, 15))
    rule("spoken", "<n>", to=lambda match, hours: _hours(hours, 0) if 0 < hours <= 12 else None)
    rule("spoken", "<pointed>", to=lambda match, at: at)
    rule("at", "at <clock>", "[at] exactly <clock>", to=lambda match, at: at)
    rule("at", "<exact>", to=lambda match, at: None if building.verse(match) else at)
    rule("at", "at <pointed>", to=lambda match, at: at)
    rule(
        "at",
        "[at] around|about|approximately|circa|near|nearly <clock>",
        to=lambda match, at: clock.around(at),
    )
    rule("at", "[at] shortly|just before <clock>", to=lambda match, at: clock.close(at, before=True))
    rule("at", "[at] shortly|just after <clock>", to=lambda match, at: clock.close(at, before=False))
    rule("part", "at dawn", to=lambda match: clock.part("dawn"))
    rule("alone", "at dawn on <day>", to=lambda match, day: Reading(days=day, clock=clock.part("dawn")))
    rule(
        "alone", "[in] the early|small hours of <day>", to=lambda match, day: Reading(days=day, clock=clock.part("small hours"))
    )
    rule("alone", "[in] the early|small hours of this morning", to=lambda match: _today(match, clock.part("small hours")))
    rule(
        "span",
        "between <clock> and <clock>",
        "from <clock> to|until|till <clock>",
        "<exact> to|until <exact>",
        to=lambda match, first, second: clock.between(first, second),
    )
    rule(
        "span",
        "between <spoken> and <clock>",
        "from <spoken> to|until|till <clock>",
        to=lambda match, first, second: _shared(first, second),
    )
    rule("span", "<exact> <exact>", to=lambda match, first, second: _dashed(match, first, second))
    rule("limit", "before|until|till|by <clock>", to=lambda match, at: _before(at))
    rule(
        "limit",
        "after|from|since <clock>",
        "from <clock> onwards|on",
        to=lambda match, at: Clock(at.start, local.DAY, at.stated),
    )
