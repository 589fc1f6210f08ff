"""Where the names that look like times stand in a question: *Mardi gras*, *24 Heures du Mans*, *11-Septembre*."""

from collections.abc import Iterator, Sequence

from index.when.titles import ANY_CASE, AS_WRITTEN, BESIDE, SHAPES
from index.when.tokens import Token, tokens
from index.when.vocabulary import MONTHS, WEEKDAYS

Span = tuple[int, int]
_Title = tuple[tuple[str, ...], tuple[str, ...] | None]


def _titles() -> dict[str, list[_Title]]:
    """By first word, the longest first: the words, and how they are written where that matters."""
    found: dict[str, list[_Title]] = {}
    for listed, written in ((ANY_CASE, False), (AS_WRITTEN, True)):
        for title in listed.split(";"):
            words = tokens(title)
            forms = tuple(word.form for word in words)
            found.setdefault(forms[0], []).append((forms, tuple(word.raw for word in words) if written else None))
    for titles in found.values():
        titles.sort(key=lambda title: -len(title[0]))
    return found


_TITLES = _titles()
_MONTHS = frozenset().union(*MONTHS.values())
_BESIDE = [(word, frozenset(companions.split())) for word, companions in BESIDE]
# What may stand between the words of a title, beside what joins words.
_GAPS = frozenset({". ", ": ", ", ", "/", " ("})
# Before a weekday, a capital of these says nothing.
_NO_SURNAME_AFTER = frozenset(
    """le la les du de des d ce cet cette un une et ou en au aux a qui que qu quoi quel quelle quels quelles comment pourquoi
    combien quand depuis des avant apres entre jusqu jusque pour sur dans par chaque tous vers donc alors mais or car""".split()
)  # fmt: skip
_GOES_ON = frozenset("matin matinee soir soiree apres nuit midi dernier prochain passe a".split())


def names(text: str, found: Sequence[Token]) -> tuple[Span, ...]:
    """The places `(start, end)` of names, in order and apart; `found` are the tokens of `text`.

    >>> text = "Qui a gagné les 24 Heures du Mans ?"
    >>> [text[start:end] for start, end in names(text, tokens(text))]
    ['24 Heures du Mans']
    """
    spans = sorted([*_listed(found), *_shaped(text), *_beside(found), *_surnames(found)], key=lambda span: (span[0], -span[1]))
    apart: list[Span] = []
    for start, end in spans:
        if not apart or start >= apart[-1][1]:
            apart.append((start, end))
        elif end > apart[-1][1]:
            apart[-1] = apart[-1][0], end
    return tuple(apart)


def _listed(found: Sequence[Token]) -> Iterator[Span]:
    for place, token in enumerate(found):
        for forms, written in _TITLES.get(token.form, ()):
            run = found[place : place + len(forms)]
            if tuple(one.form for one in run) != forms or not all(one.joined or one.gap in _GAPS for one in run[1:]):
                continue
            if written is not None and tuple(one.raw for one in run) != written:
                continue
            if not _is_day(found, place, place + len(forms)):
                yield run[0].start, run[-1].end
                break


def _is_day(found: Sequence[Token], start: int, end: int) -> bool:
    """Whether a title goes on as a date: *vendredi 13 novembre*, *la nuit du 12 mai*, *September 11, 2022*."""
    if not found[end - 1].form.isdecimal() or end == len(found):
        return False
    following = found[end]
    dated = following.form in _MONTHS or (following.form.isdecimal() and len(following.form) == 4)
    return dated and (following.joined or following.after_comma)


def _shaped(text: str) -> Iterator[Span]:
    for shape in SHAPES:
        for match in shape.finditer(text):
            yield match.span()


def _beside(found: Sequence[Token]) -> Iterator[Span]:
    forms = {token.form for token in found}
    for word, companions in _BESIDE:
        if word in forms and not forms.isdisjoint(companions):
            for place, token in enumerate(found):
                following = found[place + 1] if place + 1 < len(found) else None
                alone = following is None or not following.joined or following.form not in _GOES_ON
                if (
                    token.form == word
                    and (token.capital or token.form.isdecimal())
                    and alone
                    and not (following and following.joined and following.form.isdecimal())
                ):
                    yield token.start, token.end


def _surnames(found: Sequence[Token]) -> Iterator[Span]:
    """*Robert Lundi*: French weekdays have no capital, but after a first name."""
    for place in range(1, len(found)):
        before, token = found[place - 1], found[place]
        following = found[place + 1] if place + 1 < len(found) else None
        if (
            token.form in WEEKDAYS["fr"] and token.raw.istitle() and token.joined and before.raw.istitle()
            and len(before.raw) > 1 and before.form not in _NO_SURNAME_AFTER
            and not (following and following.joined and (following.form in _GOES_ON or following.form.isdecimal()))
        ):  # fmt: skip
            yield before.start, token.end
