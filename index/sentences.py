"""Where sentences begin and end in French and English news.

A line break always ends a sentence. Otherwise one ends after `.`, `!`, `?` or `…` with what closes behind it, when what
follows looks like a beginning and what stands before is no abbreviation, initial or number. A sentence that opens a « does
not end before its », so that a quotation of several sentences stays with the words that say whose it is.
"""

import re
from collections import deque

Span = tuple[int, int]

# A row of full stops is tried once, at its beginning: from each of them it would take the square of its length.
_END = re.compile(r"(?<![.!?…])[.!?…]+[\s\u00a0\u202f]*[»”\"’')\]]*(?=\s)")
_BEGIN = re.compile(r"\s[-–—•«“\"‘'(\[\s\u00a0\u202f]*[^\W_a-zà-öø-ÿœ]")
_LAST_WORD = re.compile(r"[^\s\u00a0\u202f(«“\"‘'’\[]+$")
_LONGEST = 40
"""Characters looked at before a full stop; no abbreviation is longer, and a line may be very long."""
# Before a name: a full stop behind these ends nothing.
_TITLES = frozenset(
    """m mm mme mmes mlle mlles me mes mgr dr drs pr prof st ste sts stes gal col cdt cne lt cap sgt mr mrs ms jr sr gen sen rep
    gov capt rev hon messrs cf vs e.g i.e env bd bld boul av apr""".split()
)
# Before a number: they end nothing when one follows.
_NUMBERED = frozenset(
    """art al chap fig p pp vol no nos nº n° n tél tel ex janv févr fév avr juil sept oct nov déc jan feb mar jun jul aug
    sep dec""".split()
)


def sentences(text: str) -> list[Span]:
    """The sentences of `text` as half-open spans in code points, without the white space between them.

    >>> text = "M. Peskov a réagi. « Oui. Cela suffit », a-t-il dit.\\nFin à 11 h 58 !"
    >>> [text[start:end] for start, end in sentences(text)]
    ['M. Peskov a réagi.', '« Oui. Cela suffit », a-t-il dit.', 'Fin à 11 h 58 !']
    """
    found: list[Span] = []
    for line in re.finditer(r"[^\n\r\u2028\u2029]+", text):
        found.extend(_in_line(text, line.start(), line.end(), keep_quotes=True))
    return found


def clauses(text: str, start: int, end: int) -> list[Span]:
    """A sentence that is too long for its passage, cut where it hurts least: sentences inside its quotes, else nothing."""
    return _in_line(text, start, end, keep_quotes=False)


def _in_line(text: str, start: int, end: int, keep_quotes: bool) -> list[Span]:
    found: list[Span] = []
    quotes = deque(_quotes(text, start, end) if keep_quotes else [])
    begin = start
    for match in _END.finditer(text, start, end):
        stop = match.end()
        following = _BEGIN.match(text, stop, end)
        if following is None or (
            match.group().rstrip() == "."
            and _abbreviated(text[max(begin, match.start() - _LONGEST) : match.start() + 1], text[stop : stop + 20])
        ):
            continue
        while quotes and quotes[0][1] <= stop:
            quotes.popleft()
        if quotes and quotes[0][0] < match.start():
            continue
        found.append(_trim(text, begin, stop))
        begin = stop
    found.append(_trim(text, begin, end))
    return [(a, b) for a, b in found if a < b]


def _quotes(text: str, start: int, end: int) -> list[Span]:
    """The « … » of one line, outermost ones; an unclosed one counts for nothing."""
    found: list[Span] = []
    opened: list[int] = []
    for match in re.finditer("[«»]", text[start:end]):
        at = start + match.start()
        if match.group() == "«":
            opened.append(at)
        elif opened:
            first = opened.pop()
            if not opened:
                found.append((first, at + 1))
    return found


def _abbreviated(before: str, following: str) -> bool:
    """Whether the full stop that `before` ends with belongs to its last word; `following` is what comes behind it."""
    word = _LAST_WORD.search(before[:-1])
    if not before.endswith(".") or word is None:
        return False
    last = word.group().lower()
    if last in _TITLES or (last in _NUMBERED and following.strip()[:1].isdigit()):
        return True
    # J. Borrell, J.-P. Raffarin, U.S. President; but "à 11 h." ends there.
    initials = re.fullmatch(r"(?:[^\W\d_]\.-?)+[^\W\d_]", last) or (len(last) == 1 and word.group().isupper())
    return bool(initials) or (last.isdigit() and before[:-1].strip() == word.group())  # "1. Premier point"


def _trim(text: str, start: int, end: int) -> Span:
    part = text[start:end]
    return start + len(part) - len(part.lstrip()), end - len(part) + len(part.rstrip())
