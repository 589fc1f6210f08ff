"""Rules that are written as the words they fit, and the longest thing of a kind that begins at a token.

A pattern is words as tokens have them (`avant hier`), `this|that`, `[what may be missing]`, `[au / a la]` for one run of words
or another or none, `<kind>` for another rule's value, and `,` for a comma that may stand there. Words of a pattern stand
together: nothing but a space, a hyphen or an apostrophe is between them. What is found is remembered by kind and place, so that
reading takes time in proportion to the text.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from index.when.phrases import Unreal
from index.when.readings import Moment
from index.when.tokens import Token

_ATOM = re.compile(r"[\[\],/]|<\w+>|[^\s\[\]<>,/]+")


@dataclass(frozen=True)
class _Words:
    these: frozenset[str]


@dataclass(frozen=True)
class _Kind:
    name: str


@dataclass(frozen=True)
class _Maybe:
    options: "tuple[tuple[_Atom, ...], ...]"


@dataclass(frozen=True)
class _Comma:
    pass


_Atom = _Words | _Kind | _Maybe | _Comma


@dataclass(frozen=True)
class Match:
    """What a rule fits: tokens `[start, end)` of a parse."""

    parse: "Parse"
    start: int
    end: int

    @property
    def moment(self) -> Moment:
        """The present."""
        return self.parse.moment

    @property
    def tokens(self) -> Sequence[Token]:
        """The tokens that fit."""
        return self.parse.tokens[self.start : self.end]

    def after(self, ahead: int = 0) -> Token | None:
        """A token that follows directly, or None."""
        place = self.end + ahead
        found = self.parse.tokens[place] if place < len(self.parse.tokens) else None
        return found if found is not None and found.joined else None

    def before(self) -> Token | None:
        """The token that this follows directly, or None."""
        joined = 0 < self.start < len(self.parse.tokens) and self.parse.tokens[self.start].joined
        return self.parse.tokens[self.start - 1] if joined else None


Build = Callable[..., Any]
Terminal = Callable[[Sequence[Token], int], tuple[int, Any] | None]
_Rule = tuple[tuple[_Atom, ...], Build]
DIGITS = "#"
"""Stands for any number in digits among the words that a terminal may begin with."""


class Grammar:
    """Rules by kind, and terminals: kinds that are read by a function of the tokens and a place."""

    def __init__(self) -> None:
        self._rules: dict[str, list[_Rule]] = {}
        self.terminals: dict[str, Terminal] = {}
        self._first: dict[str, frozenset[str]] = {}
        self._beginning: dict[tuple[str, str], list[_Rule]] = {}

    def terminal(self, name: str, first: Iterable[str], reads: Terminal) -> None:
        """Make `name` a kind that `reads` reads: its end and value, or None; `first` are the words that it may begin with."""
        self.terminals[name] = reads
        self._first[name] = frozenset(first)

    def rules(self, kind: str, token: Token) -> list[_Rule]:
        """The rules of a kind that may fit where `token` is."""
        key = kind, _key(token)
        if not self.may_begin(kind, token):
            return []
        if key not in self._beginning:
            self._beginning[key] = [rule for rule in self._rules[kind] if key[1] in self._begin(rule[0])[0]]
        return self._beginning[key]

    def may_begin(self, kind: str, token: Token) -> bool:
        """Whether anything of a kind may begin with `token`."""
        return _key(token) in self._first_of(kind)

    def _first_of(self, kind: str) -> frozenset[str]:
        if kind not in self._first:
            self._first[kind] = frozenset[str]().union(*(self._begin(atoms)[0] for atoms, _ in self._rules[kind]))
        return self._first[kind]

    def _begin(self, atoms: "tuple[_Atom, ...]") -> tuple[frozenset[str], bool]:
        """What these may begin with, and whether they may be nothing at all."""
        found: frozenset[str] = frozenset()
        for atom in atoms:
            if isinstance(atom, _Words):
                return found | atom.these, False
            if isinstance(atom, _Kind):
                return found | self._first_of(atom.name), False
            if isinstance(atom, _Maybe):
                found = found.union(*(self._begin(option)[0] for option in atom.options))
        return found, True

    def rule(self, kind: str, *patterns: str, to: Build) -> None:
        """Give `kind` a rule; `to` takes the match and the value of each `<kind>` (None where it is missing).

        It returns the value of the whole, None to decline, or raises `Unreal`.
        """
        for pattern in patterns:
            atoms, rest = _compile(_ATOM.findall(pattern))
            assert not rest, pattern
            self._rules.setdefault(kind, []).append((atoms, to))


def _compile(parts: list[str]) -> tuple[tuple[_Atom, ...], list[str]]:
    atoms: list[_Atom] = []
    while parts and parts[0] not in ("]", "/"):
        part, parts = parts[0], parts[1:]
        if part == "[":
            options = []
            while part != "]":
                option, parts = _compile(parts)
                options.append(option)
                part, parts = parts[0], parts[1:]
            assert len({_kinds(option) for option in options}) == 1, "options have as many values"
            atoms.append(_Maybe(tuple(options)))
        elif part == ",":
            atoms.append(_Comma())
        elif part.startswith("<"):
            atoms.append(_Kind(part[1:-1]))
        else:
            atoms.append(_Words(frozenset(part.split("|"))))
    return tuple(atoms), parts


def _key(token: Token) -> str:
    return DIGITS if token.form.isdecimal() else token.form


def _kinds(atoms: tuple[_Atom, ...]) -> int:
    return sum(_kinds(atom.options[0]) if isinstance(atom, _Maybe) else isinstance(atom, _Kind) for atom in atoms)


class Parse:
    """One reading of a question by a grammar."""

    def __init__(self, grammar: Grammar, tokens: Sequence[Token], moment: Moment, blocked: frozenset[int]) -> None:
        self.grammar, self.tokens, self.moment, self.blocked = grammar, tokens, moment, blocked
        self._known: dict[tuple[str, int], tuple[int, Any] | None] = {}

    def longest(self, kind: str, place: int) -> tuple[int, Any] | None:
        """The longest of a kind that begins at a token: where it ends, and its value; the first rule's of equal ones.

        Where what fits names no time that there is, the value is an `Unreal`.
        """
        key = kind, place
        if key not in self._known:
            self._known[key] = self._read(kind, place)
        return self._known[key]

    def _read(self, kind: str, place: int) -> tuple[int, Any] | None:
        if place >= len(self.tokens) or place in self.blocked:
            return None
        if kind in self.grammar.terminals:
            if not self.grammar.may_begin(kind, self.tokens[place]):
                return None
            found = self.grammar.terminals[kind](self.tokens, place)
            return None if found is None or not self.blocked.isdisjoint(range(place, found[0])) else found
        best: tuple[int, Any] | None = None
        for atoms, build in self.grammar.rules(kind, self.tokens[place]):
            for end, values in self._fit(atoms, 0, place, (), first=True):
                if best is not None and end <= best[0]:
                    continue
                value = self._build(build, Match(self, place, end), values)
                if value is not None:
                    best = end, value
        return best

    def _build(self, build: Build, match: Match, values: tuple[Any, ...]) -> Any:
        unreal = next((value for value in values if isinstance(value, Unreal)), None)
        if unreal is not None:
            return unreal
        try:
            return build(match, *values)
        except Unreal as raised:
            return raised

    def _fit(
        self, atoms: tuple[_Atom, ...], at: int, place: int, values: tuple[Any, ...], first: bool, comma: bool = False
    ) -> Iterator[tuple[int, tuple[Any, ...]]]:
        if at == len(atoms):
            yield place, values
            return
        atom = atoms[at]
        if isinstance(atom, _Comma):
            yield from self._fit(atoms, at + 1, place, values, first, comma=True)
            return
        if isinstance(atom, _Maybe):
            for option in atom.options:
                for end, inner in self._fit(option, 0, place, (), first, comma):
                    yield from self._fit(atoms, at + 1, end, values + inner, first=first and end == place)
            missing = (None,) * _kinds(atom.options[0])
            yield from self._fit(atoms, at + 1, place, values + missing, first, comma)
            return
        if place >= len(self.tokens) or place in self.blocked:
            return
        token = self.tokens[place]
        if not (first or token.joined or (comma and token.after_comma)):
            return
        if isinstance(atom, _Words):
            if token.form in atom.these:
                yield from self._fit(atoms, at + 1, place + 1, values, first=False)
            return
        found = self.longest(atom.name, place)
        if found is not None:
            yield from self._fit(atoms, at + 1, found[0], (*values, found[1]), first=False)
