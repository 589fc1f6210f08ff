"""Times and numbers as the reader of a page writes them."""

from datetime import datetime, timedelta, tzinfo

from babel import Locale
from babel.dates import format_datetime
from babel.numbers import format_decimal, format_percent

from api.page.words import LANGUAGES, STRINGS
from index.records import Entry, Window

_LOCALES = {language: Locale.parse(language) for language in LANGUAGES}
_SURE = ((0.6, "sure"), (0.35, "likely"), (0.2, "possible"), (0.0, "unsure"))
"""From which confidence on an answer is called what. Of answers at .5 about three in four hold the fact to the letter."""


def confidence(value: float, language: str) -> str:
    """A probability in words, and in figures behind them.

    >>> confidence(0.41, "en")
    'Likely an answer (41%)'
    """
    strings = STRINGS[language]
    words = next(strings[name] for least, name in _SURE if value >= least)
    return strings["confidence"].format(words=words, percent=percent(value, language))


def percent(value: float, language: str) -> str:
    """A share of one as a whole number of hundredths.

    >>> percent(0.756, "fr"), percent(0.756, "en")
    ('76\\xa0%', '76%')
    """
    return format_percent(round(value, 2), locale=_LOCALES[language])


def number(value: float, language: str) -> str:
    """A number with three decimals at most.

    >>> number(0.51249, "fr")
    '0,512'
    """
    return format_decimal(round(value, 3), locale=_LOCALES[language])


def day(moment: datetime, language: str, weekday: bool = True) -> str:
    """The day of a moment, in its own zone.

    >>> day(datetime(2023, 5, 1), "fr"), day(datetime(2023, 5, 1), "en", weekday=False)
    ('lundi 1er mai 2023', '1 May 2023')
    """
    # French counts the first day of a month, and only that one.
    date = "d'er' MMMM y" if language == "fr" and moment.day == 1 else "d MMMM y"
    return str(format_datetime(moment, f"EEEE {date}" if weekday else date, tzinfo=moment.tzinfo, locale=_LOCALES[language]))


def clock(moment: datetime, language: str) -> str:
    """The time of day of a moment, in its own zone.

    >>> clock(datetime(2023, 5, 1, 7, 5), "fr"), clock(datetime(2023, 5, 1, 7), "fr"), clock(datetime(2023, 5, 1, 7, 5), "en")
    ('7\\u202fh\\u202f05', '7\\u202fh', '07:05')
    """
    if language != "fr":
        return f"{moment:%H:%M}"
    return f"{moment.hour}\u202fh\u202f{moment:%M}" if moment.minute else f"{moment.hour}\u202fh"


def instant(moment: datetime, language: str, weekday: bool = True) -> str:
    """A day with its time.

    >>> instant(datetime(2023, 5, 23, 11, 58), "fr"), instant(datetime(2023, 5, 23, 11, 58), "en")
    ('mardi 23 mai 2023 à 11\\u202fh\\u202f58', 'Tuesday 23 May 2023, 11:58')
    """
    joint = " à " if language == "fr" else ", "
    return f"{day(moment, language, weekday)}{joint}{clock(moment, language)}"


def on(moment: datetime, language: str) -> str:
    """An instant as it stands in a sentence.

    >>> on(datetime(2023, 5, 23, 11, 58), "fr"), on(datetime(2023, 5, 23, 11, 58), "en")
    ('le 23 mai 2023 à 11\\u202fh\\u202f58', 'on 23 May 2023, 11:58')
    """
    return f"{'le' if language == 'fr' else 'on'} {instant(moment, language, weekday=False)}"


def published(entry: Entry, language: str) -> str:
    """When an entry was published, no more exactly than it is known."""
    moment: datetime | None = entry.published
    if moment is None:
        if entry.clock is None:
            return STRINGS[language]["undated"]
        shown = clock(datetime.combine(datetime.min, entry.clock), language)
        return STRINGS[language]["at_clock"].format(clock=shown)
    return day(moment, language) if entry.day_only else instant(moment, language)


def span(window: Window, zone: tzinfo, language: str) -> str:
    """A window in words, its days whole where they are; bounds are seen in `zone`.

    >>> from datetime import UTC
    >>> may = [datetime(2023, 5, n, tzinfo=UTC) for n in (23, 24, 26)]
    >>> span(Window(may[0], may[1]), UTC, "fr"), span(Window(may[0], may[2]), UTC, "en")
    ('le mardi 23 mai 2023', '23 May 2023 to 25 May 2023')
    """
    strings = STRINGS[language]
    since, until = (bound.astimezone(zone) if bound else None for bound in (window.since, window.until))
    # The last day of a half-open window that ends with a day.
    last = until - timedelta(days=1) if until and _midnight(until) else None
    if since is None and until is None:
        return ""
    if until is None:
        assert since is not None
        return strings["from"].format(since=_bound(since, language))
    if since is None:
        if last:
            return strings["before_day"].format(until=day(last, language, weekday=False))
        return strings["before"].format(until=_bound(until, language))
    if last and _midnight(since):
        if last.date() <= since.date():
            return strings["on_day"].format(day=day(since, language))
        first, last_day = (day(one, language, weekday=False) for one in (since, last))
        return strings["day_span"].format(first=first, last=last_day)
    if (until - timedelta(microseconds=1)).date() == since.date():
        midnight = "minuit" if language == "fr" else "midnight"
        ends = midnight if last else clock(until, language)
        return strings["clock_span"].format(day=day(since, language), since=clock(since, language), until=ends)
    return strings["moment_span"].format(since=_bound(since, language), until=_bound(until, language))


def _bound(moment: datetime, language: str) -> str:
    return day(moment, language, weekday=False) if _midnight(moment) else instant(moment, language, weekday=False)


def _midnight(moment: datetime) -> bool:
    return (moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0)


def tick(moment: datetime, first: datetime, last: datetime, language: str) -> str:
    """A moment below a timeline that runs from `first` to `last`, as short as that allows.

    >>> days = [datetime(2023, 5, 22), datetime(2023, 5, 23, 12), datetime(2025, 1, 1)]
    >>> tick(days[1], days[0], days[1], "en"), tick(days[1], days[0], days[2], "fr")
    ('Tue 23, 12:00', '23 mai 2023')
    """
    if (last - first) > timedelta(days=330):
        return day(moment, language, weekday=False)
    if (last - first) > timedelta(days=12):
        return str(format_datetime(moment, "d MMMM", tzinfo=moment.tzinfo, locale=_LOCALES[language]))
    short = str(format_datetime(moment, "EEE d", tzinfo=moment.tzinfo, locale=_LOCALES[language]))
    return short if _midnight(moment) else f"{short}, {clock(moment, language)}"
