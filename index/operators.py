"""What a query asks for beside its question: "exact phrases", -words that must not occur, and field:values.

>>> from datetime import UTC
>>> found = read('"air defence" Kyiv -drone lang:en before:2023-05-24', UTC)
>>> found.question.split(), [(part.kind, part.value, part.excluded) for part in found.parts]
(['air', 'defence', 'Kyiv'], [('phrase', 'air defence', False), ('word', 'drone', True), ('field', 'en', False), \
('field', '2023-05-24', False)])

People write hyphens, colons and quotation marks in questions too, and those stay what they are:

- A hyphen takes away the word behind it only where a space stands before it and a letter behind, as in " -drone"; never a stop
  word ("dit -il"), a word of a pair of dashes (" -en visite- "), or the first of a question. A phrase is taken away by -"…".
- A colon makes a field of a known name alone, with the value directly behind it: « 11h58 : », 18:30 and https://… are words.
- Words in quotation marks must be said exactly where the rest of the query is no question, or where they stand at its end,
  behind the question mark. In a question they are what it speaks of, as in 'Who said "we are ready"?', which narrows nothing;
  +"…" demands them.

>>> read('Who said "we are ready" at 18:30?', UTC).narrows, read('Who said +"we are ready"?', UTC).narrows
(False, True)
"""

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from typing import Literal

from index import dates
from index.conditions import Comparison, Condition, Contains, Not, Or, Phrase, Word, joined
from index.errors import InvalidRequest
from index.language import question_language
from index.phrases import forms
from index.question import is_question
from index.reader import Filters
from index.records import Window
from index.terms import content_words, words

Kind = Literal["phrase", "word", "field", "quoted", "words"]

FIELDS = {
    "source": "source",
    "lang": "lang", "language": "lang", "langue": "lang",
    "title": "title", "titre": "title",
    "url": "url",
    "entry": "entry",
    "before": "before", "until": "before", "avant": "before",
    "after": "after", "since": "after", "depuis": "after", "après": "after", "apres": "after",
    "published": "published", "publié": "published", "publie": "published",
}  # fmt: skip
"""What stands before a colon, and which field it is."""
_LANGUAGES = {"français": "fr", "francais": "fr", "french": "fr", "anglais": "en", "english": "en"}
_ANY_OF = ("source", "lang", "url", "entry")
"""Fields of which an entry has one: of several values, any will do."""
_QUOTED = r'"(?P<straight>[^"]*)"|«(?P<french>[^»]*)»|“(?P<curly>[^”]*)”|„(?P<low>[^“”]*)[“”]'
_PART = re.compile(
    rf"""(?<![^\s(]) (?P<sign>[-+]?) (?:(?P<field>[^\W\d_]+):(?!//))?
        (?: {_QUOTED} | (?P<open>["«“„]) | (?P<bare>[^\s("«»“”„][^\s"«»“”„]*) )?""",
    re.VERBOSE,
)
_TRAILING = ",;?!…"
_DASH_PAIR = re.compile(r"[^\W_]-(?=[\s,;:.?!)]|$)")
_BETWEEN = re.compile(r"\s+(?:OR|OU|\|)\s+")
_YEAR_OR_MONTH = re.compile(r"(\d{4})(?:-(\d{2}))?")


@dataclass(frozen=True)
class Part:
    """A part of a query, `query[start:end]`, and what it was taken for.

    A `phrase` must be said, a `word` must not, and a `field` (its `name`) must have the `value`; `excluded` is the contrary.
    What is `quoted` in a question and what is `words` in spite of its looks narrow nothing.
    """

    kind: Kind
    start: int
    end: int
    value: str
    name: str = ""
    excluded: bool = False

    @property
    def narrows(self) -> bool:
        """Whether it is a condition."""
        return self.kind not in ("quoted", "words")


@dataclass(frozen=True)
class Reading:
    """A query understood: the `question` that is left has blanks in the place of operators, so that places in it are places in
    the query; `window` and `where` are what they demand.
    """

    query: str
    question: str
    parts: tuple[Part, ...] = ()
    window: Window = field(default_factory=Window)
    where: Condition | None = None
    is_literal: bool = False
    """Whether nothing in it was to be taken for an operator."""

    @property
    def narrows(self) -> bool:
        """Whether there is any condition."""
        return any(part.narrows for part in self.parts)

    @property
    def wordless(self) -> bool:
        """Whether operators leave no word to rank by; of a phrase that must be said the words are left."""
        return self.narrows and not any(words(_BETWEEN.sub(" ", self.question)))

    @property
    def alone(self) -> bool:
        """Whether operators are all there is, phrases among them."""
        spans = [(part.start, part.end) for part in self.parts if part.narrows]
        return self.narrows and not any(words(_BETWEEN.sub(" ", _without(self.query, spans))))

    @property
    def sources(self) -> list[str]:
        """The parts of names of sources that were asked for."""
        return [part.value for part in self.parts if part.name == "source"]

    def narrowed(self, filters: Filters) -> Filters:
        """What passes `filters` and these conditions. Raises `InvalidRequest` where their windows have nothing in common."""
        if not self.narrows:
            return filters
        window = _common(filters.window, self.window)
        if window is None:
            raise InvalidRequest("the times in the query and the window have nothing in common", "query")
        return replace(filters, window=window, where=joined(filters.where, self.where))


def literal(query: str) -> Reading:
    """A query all of whose words are the question's."""
    return Reading(query, query, is_literal=True)


def read(query: str, zone: tzinfo) -> Reading:
    """Understand a query; times in it are in `zone`, if they do not say.

    Raises `InvalidRequest`, which names the part, for a value that a field cannot have, and for a name that is nearly a
    field's.
    """
    if not any(sign in query for sign in '"«“„:-+'):
        return Reading(query, query)
    found = list(_found(query))
    parts = tuple(_settled(query, found))
    if not any(part.narrows for part in parts):
        return Reading(query, query, parts)
    window = Window()
    for part in parts:
        if part.name in ("before", "after", "published"):
            both = _common(window, _window(part, zone))
            if both is None:
                raise InvalidRequest(f"{_shown(query, part)}: nothing is left of the other times in the query", "query")
            window = both
    try:
        where = joined(*[_any(group) for group in _groups(query, parts)])
    except InvalidRequest as error:
        # To the caller these conditions are the query.
        raise InvalidRequest(str(error), "query") from error
    return Reading(query, _left(query, parts), parts, window, where)


def _found(query: str) -> Iterator[Part]:
    """What looks like an operator, from left to right."""
    at = 0
    while at < len(query) and (match := _PART.search(query, at)):
        at = max(match.end(), match.start() + 1)
        sign, name, bare = match["sign"], match["field"], match["bare"]
        quoted = next((match[kind] for kind in ("straight", "french", "curly", "low") if match[kind] is not None), None)
        start, end, excluded = match.start(), match.end(), sign == "-"
        if match["open"]:
            yield Part("words", start, end, match["open"])
        elif name and (quoted is not None or bare or name.lower() in FIELDS):
            value = quoted.strip() if quoted is not None else _bare(bare or "")
            end -= len(bare or "") - len(value) if quoted is None else 0
            yield Part("field", start, end, value, name, excluded)
        elif quoted is not None:
            # The sign stands in the place of a name until it is settled what it is.
            yield Part("phrase", start, end, quoted.strip(), sign, excluded)
        elif bare and excluded:
            value = bare.rstrip(_TRAILING + ".:)")
            yield Part("word", start, start + 1 + len(value), value, excluded=True)


def _bare(value: str) -> str:
    """A value without what ends the sentence or the brackets that it stands in."""
    value = value.rstrip(_TRAILING)
    return value if "(" in value else value.rstrip(f"){_TRAILING}")


def _settled(query: str, found: Sequence[Part]) -> Iterator[Part]:
    """What looks like an operator and what it is: that hangs on the rest of the query."""
    rest = _without(query, [(part.start, part.end) for part in found if part.kind in ("phrase", "field", "word")])
    asks, mark = _asks(rest), rest.rfind("?")
    asked_until = mark if mark >= 0 and not rest[mark + 1 :].strip() else len(query)
    for part in found:
        if part.kind == "field":
            yield _field(query, part)
        elif part.kind == "word":
            if _takes_away(query, part):
                # One word in whatever ending; F-16 is two, in their order.
                kind: Kind = "word" if sum(1 for _ in words(part.value)) == 1 else "phrase"
                yield replace(part, kind=kind)
        elif part.kind == "phrase" and not forms(part.value):
            yield replace(part, kind="words", name="", excluded=False)
        elif part.kind == "phrase" and not (part.name or part.excluded) and asks and part.start < asked_until:
            yield replace(part, kind="quoted")
        else:
            yield replace(part, name="")


def _asks(text: str) -> bool:
    return bool(text.strip()) and is_question(text.strip(), question_language(text.strip()))


def _takes_away(query: str, part: Part) -> bool:
    """Whether a word behind a hyphen must not occur."""
    if not part.value[:1].isalpha() or not all(content_words(part.value, lang) for lang in ("fr", "en")):
        return False
    if _DASH_PAIR.search(query, part.start + 1):
        return False
    return bool(query[: part.start].strip()) or not _asks(query)


def _field(query: str, part: Part) -> Part:
    """A field with its value; `words` where a colon merely stands in a text."""
    name = FIELDS.get(part.name.lower())
    shown = _shown(query, part)
    if name is None:
        if (close := difflib.get_close_matches(part.name.lower(), FIELDS, 1, 0.8)) and part.name.islower() and part.value:
            told = f"did you mean {close[0]}:? For plain words, write a space behind the colon"
            raise InvalidRequest(f"{shown}: there is no field '{part.name}'; {told}", "query")
        return replace(part, kind="words", name="")
    if not part.value:
        return replace(part, kind="words", name="")
    if part.excluded and name in ("before", "after", "published"):
        raise InvalidRequest(f"{shown}: a time cannot be taken away; use before: and after:", "query")
    value = part.value
    if name == "lang":
        value = _LANGUAGES.get(value.lower(), value.lower())
        if value not in ("fr", "en"):
            raise InvalidRequest(f"{shown}: write lang:fr or lang:en", "query")
    if name == "title" and not forms(value):
        raise InvalidRequest(f"{shown}: there is no word to look for in the title", "query")
    return replace(part, name=name, value=value)


def _groups(query: str, parts: Sequence[Part]) -> list[list[Part]]:
    """The parts that are no times, those together of which any is enough."""
    groups: list[list[Part]] = []
    by_field: dict[str, list[Part]] = {}
    before: Part | None = None
    for part in (one for one in parts if one.narrows):
        either = before is not None and bool(_BETWEEN.fullmatch(query, before.end, part.start))
        for one in (before, part) if either else ():
            if one is not None and (one.excluded or one.name in ("before", "after", "published")):
                raise InvalidRequest(
                    f"{_shown(query, one)}: OR joins phrases and fields that are neither times nor taken away", "query"
                )
        before = part
        if part.name in ("before", "after", "published"):
            continue
        if either:
            groups[-1].append(part)
        elif part.name in _ANY_OF and not part.excluded and part.name in by_field:
            by_field[part.name].append(part)
        else:
            groups.append([part])
            if part.name in _ANY_OF and not part.excluded:
                by_field[part.name] = groups[-1]
    return groups


def _any(group: Sequence[Part]) -> Condition:
    conditions = tuple(_CONDITIONS[part.name or part.kind](part.value) for part in group)
    one = conditions[0] if len(conditions) == 1 else Or(conditions)
    return Not(one) if group[0].excluded else one


_CONDITIONS: dict[str, Callable[[str], Condition]] = {
    "phrase": Phrase,
    "word": Word,
    "title": lambda value: Phrase(value, "title"),
    "source": lambda value: Contains("source", value),
    "url": lambda value: Contains("url", value),
    "lang": lambda value: Comparison("lang", "eq", value),
    "entry": lambda value: Comparison("entry_id", "eq", value.lower()),
}


def _window(part: Part, zone: tzinfo) -> Window:
    first, dots, last = part.value.partition("..") if part.name == "published" else (part.value, "", "")
    try:
        if part.name == "before":
            return Window(None, _span(first, zone)[0])
        if part.name == "after":
            return Window(_span(first, zone)[0], None)
        if not dots:
            return Window(*_span(first, zone))
        window = Window(_span(first, zone)[0] if first else None, _span(last, zone)[1] if last else None)
    except (InvalidRequest, ValueError, OverflowError):
        forms_of_time = "2023, 2023-05, 2023-05-23 or 2023-05-23T11:58" + (
            ", or two with .. between them" if part.name == "published" else ""
        )
        raise InvalidRequest(f"{part.name}:{part.value[:40]} is no time: write {forms_of_time}", "query") from None
    if window.since and window.until and window.since >= window.until:
        raise InvalidRequest(f"published:{part.value[:60]} ends before it begins", "query")
    return window


def _span(text: str, zone: tzinfo) -> tuple[datetime, datetime]:
    """From the beginning to the end of the year, month, day, minute or second that is written."""
    if calendar := _YEAR_OR_MONTH.fullmatch(text):
        year, month = int(calendar[1]), int(calendar[2] or 0)
        end = (year + 1, 1) if month in (0, 12) else (year, month + 1)
        return datetime(year, month or 1, 1, tzinfo=zone), datetime(*end, 1, tzinfo=zone)
    start = dates.moment(text, zone)
    if len(text) <= len("2023-05-23"):
        return start, datetime.combine(start.date() + timedelta(days=1), start.time(), start.tzinfo)
    return start, start + timedelta(seconds=1 if start.second else 60)


def _common(one: Window, other: Window) -> Window | None:
    """The window that both have; None where there is none."""
    since = max((bound for bound in (one.since, other.since) if bound), default=None)
    until = min((bound for bound in (one.until, other.until) if bound), default=None)
    return None if since and until and since >= until else Window(since, until)


def _left(query: str, parts: Sequence[Part]) -> str:
    """The query with blanks for operators; of a phrase its words stay, to rank by."""
    blank = []
    for part in (one for one in parts if one.narrows):
        if part.kind == "phrase" and not part.excluded:
            inside = query.index(part.value, part.start)
            blank += [(part.start, inside), (inside + len(part.value), part.end)]
        else:
            blank.append((part.start, part.end))
    return _without(query, blank)


def _without(query: str, spans: Sequence[tuple[int, int]]) -> str:
    for start, end in spans:
        query = query[:start] + " " * (end - start) + query[end:]
    return query


def _shown(query: str, part: Part) -> str:
    text = query[part.start : part.end]
    return text if len(text) <= 60 else f"{text[:60]}…"
