"""Lines that begin something: the time headings of live blogs in all their spellings, day headings, and page furniture."""

import re
from dataclasses import dataclass
from datetime import time, tzinfo

from index import dates
from index.dates import WrittenDay
from index.errors import InvalidRequest

# Behind the time stands a separator, or nothing, or the bracket that it stands in; "9h30 ce matin" in a sentence is no heading.
_TIME = re.compile(
    rf"""
    ^[*\#\s•]*
    (?: (?P<open>[\[(]\s?)?
        (?: (?P<h>\d{{1,2}}) \s?[hH]\s? (?P<m>\d{{2}})? | (?P<h2>\d{{1,2}}):(?P<m2>\d{{2}})(?::[0-5]\d)?
          | (?P<h3>\d{{1,2}})(?:[.:](?P<m3>\d{{2}}))? \s? (?P<half>[aApP])\.?[mM]\.? )
        (?:\s?(?P<zone>{"|".join(dates.ABBREVIATIONS)})\b)?
        (?(open)\s?(?P<close>[\])])) )
    [*\s]*
    (?: [:|–—-][*\s]*(?P<title>[^*\s].*)? | (?(close)(?P<rest>[^*\s:|–—-].*)|(?!)) )?$
    """,
    re.VERBOSE,
)
_BETWEEN = re.compile(r"[\s,]*(?:(?:à|at|-|–|—|\|)\s*|T)?(?=\d)", re.IGNORECASE)
_DAY_FRAME = " \t*#_=-–—[]:|.•"
_LONGEST_DAY = 60
"""Characters of a line that a day may take with what stands around it."""
# What pages put around their text. A line is dropped only when it is one of these from end to end.
_FURNITURE = re.compile(
    r"""
    ( commenter(\ (cet\ article|l.article))? | réagir(\ à\ cet\ article)? | voir\ les\ commentaires | lire\ les\ commentaires
    | \d+\ commentaires? | partager(\ (cet\ article|sur\ \w+))? | (passer\ la\ )?publicité
    | (la\ )?suite\ après\ (la|cette)\ publicité
    | (à\ )?lire\ (aussi|également|la\ suite) | s.abonner | abonnez-vous | imprimer | envoyer\ par\ e-?mail
    | comment\ on\ this\ (article|story) | view\ comments | \d+\ comments? | share(\ (this\ (article|story)|on\ \w+))?
    | advertisement | skip\ advertisement | read\ more | subscribe(\ now)? | print ) \s* [.!:…]*
    """,
    re.VERBOSE | re.IGNORECASE,
)


@dataclass(frozen=True)
class Heading:
    """What a heading says. `wrong` says why its time or day is none, and then `clock` or `day` is None."""

    clock: time | None
    title: str
    day: WrittenDay | None = None
    zone: tzinfo | None = None
    wrong: str | None = None


def heading(line: str) -> Heading | None:
    """What a line says that begins an entry; None when it does not.

    >>> heading("11h58 : Le Kremlin réagit")
    Heading(clock=datetime.time(11, 58), title='Le Kremlin réagit', day=None, zone=None, wrong=None)
    >>> heading("9h30 ce matin, le Kremlin a réagi.")

    A time that there is not comes with the reason, since the line was meant to begin an entry:

    >>> heading("25h61 : Titre").wrong
    "there is no time of day '25h61': correct it in the document"
    """
    day, wrong = None, None
    frame = len(line) - len(line.lstrip(_DAY_FRAME)) if line[:1] in _DAY_FRAME else 0
    begin = line[frame : frame + _LONGEST_DAY]
    # Digits and a name, or digits alone: most lines are neither, and a long one is not searched.
    if begin[:1].isalnum():
        try:
            day = dates.written_day(begin)
        except InvalidRequest as error:
            wrong = str(error)
    if day is not None or wrong is not None:
        between = _BETWEEN.match(line, frame + dates.written_end(begin))
        if between is None:
            return None
        line = line[between.end() :]
    found = _TIME.match(line)
    if found is None:
        return None
    clock = _clock(found)
    if clock is None and wrong is None:
        written = line[: found.start("title")] if found["title"] else line
        written = written.strip(" \t*#[]():|–—-\u00a0\u202f")
        wrong = f"there is no time of day '{written[:20]}': correct it in the document"
    title = (found["title"] or found["rest"] or "").rstrip(" *\t")
    return Heading(clock, title, day, dates.ABBREVIATIONS[found["zone"]] if found["zone"] else None, wrong)


def _clock(found: re.Match[str]) -> time | None:
    hours = int(found["h"] or found["h2"] or found["h3"])
    minutes = int(found["m"] or found["m2"] or found["m3"] or 0)
    if found["half"]:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if found["half"].lower() == "p" else 0)
    return time(hours, minutes) if hours < 24 and minutes < 60 else None


def day_heading(line: str) -> WrittenDay | str | None:
    """The day that a line names from end to end; the reason when there is no such day; None when the line says more.

    >>> day_heading("**MARDI 23 MAI 2023**").resolve(), day_heading("31 février 2023")
    (datetime.date(2023, 5, 23), "there is no day '31 février 2023': correct it in the document")
    >>> day_heading("Mardi 23 mai 2023, le Kremlin a réagi.")
    """
    if len(line) > _LONGEST_DAY:
        return None
    text = line.strip(_DAY_FRAME)
    try:
        found = dates.written_day(text)
    except InvalidRequest as error:
        # Without its last letter it is still no day: the whole line is one.
        return str(error) if f"'{text}'" in str(error) else None
    return found if found is not None and found.end == len(text) else None


_STAMP = re.compile(
    r"(?P<later>mis(?:e)? à jour|modifiée?|actualisée?|(?:last )?updated)|publiée?|mis en ligne|posted|(?:first )?published",
    re.IGNORECASE,
)


def stamp(line: str) -> tuple[WrittenDay, bool] | None:
    """The day on which a page says that it was published, or later changed, and whether it is the latter.

    >>> day, changed = stamp("Publié le 23 mai 2023 à 11h58")
    >>> day.resolve(), changed
    (datetime.date(2023, 5, 23), False)

    Raises `InvalidRequest` for a day that there is not.
    """
    found = _STAMP.match(line.strip())
    if found is None:
        return None
    rest = line.strip()[found.end() : found.end() + 10 + _LONGEST_DAY]
    begin = re.match(r"\s*(?:le|on|:|,|\s)*", rest, re.IGNORECASE)
    day = dates.written_day(rest[begin.end() if begin else 0 :])
    return (day, bool(found["later"])) if day is not None and day.year is not None else None


def is_furniture(line: str) -> bool:
    """Whether a line is a page's own, such as "Commenter cet article", from end to end."""
    return _FURNITURE.fullmatch(line.strip()) is not None
