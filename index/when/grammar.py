"""Rules that are written as the words they fit, and the longest thing of a kind that begins at a token.

A pattern is words as tokens have them (`avant hier`), `this|that`, `[what may be missing]`, `[au / a la]` for one run of words
or another or none, `<kind>` for another rule's value, and `,` for a comma that may stand there. Words of a pattern stand
together: nothing but a space, a hyphen or an apostrophe is between them. The rules of a kind are kept as a tree whose branches
are words and kinds, and what is found is remembered by kind and place, so that time to read grows with the text and no faster.
"""

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from index.when.phrases import Unreal
from index.when.readings import Moment
from index.when.tokens import Token

_ATOM = re.compile(r"[\[\],/]|<\w+>|[^\s\[\]<>,/]+")
DIGITS = "#"
"""Stands for any number in digits among the words that a terminal may begin with."""
# Deeper is nothing that people write: "the day of the day of the day ...".
_DEEPEST = 24


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


@dataclass(frozen=True)
class _Step:
    """One word of some, or a kind; `comma` where a comma may stand before it."""

    words: frozenset[str]
    kind: str
    comma: bool


_Path = tuple[_Step | None, ...]
"""One way through a pattern; None stands for a kind that is missing."""


@dataclass(frozen=True)
class _End:
    """Where a rule fits: its place among the rules of its kind, and which of its kinds are missing."""

    order: int
    build: Build
    missing: tuple[bool, ...]


@dataclass
class _Node:
    """What may follow, in the tree of a kind's rules."""

    branches: "dict[_Step, _Node]" = field(default_factory=dict)
    words: "dict[str, list[tuple[bool, _Node]]]" = field(default_factory=dict)
    kinds: "list[tuple[str, bool, _Node]]" = field(default_factory=list)
    ends: list[_End] = field(default_factory=list)

    def branch(self, step: _Step) -> "_Node":
        """The node after a step, made where it is not there."""
        if step not in self.branches:
            node = self.branches[step] = _Node()
            for word in step.words:
                self.words.setdefault(word, []).append((step.comma, node))
            if step.kind:
                self.kinds.append((step.kind, step.comma, node))
        return self.branches[step]


class Grammar:
    """Rules by kind, and terminals: kinds that are read by a function of the tokens and a place."""

    def __init__(self) -> None:
        self.roots: dict[str, _Node] = {}
        self.terminals: dict[str, Terminal] = {}
        self._first: dict[str, frozenset[str]] = {}
        self._count = itertools.count()

    def terminal(self, name: str, first: Iterable[str], reads: Terminal) -> None:
        """Make `name` a kind that `reads` reads: its end and value, or None; `first` are the words that it may begin with."""
        self.terminals[name] = reads
        self._first[name] = frozenset(first)

    def rule(self, kind: str, *patterns: str, to: Build) -> None:
        """Give `kind` a rule; `to` takes the match and the value of each `<kind>` (None where it is missing).

        It returns the value of the whole, None to decline, or raises `Unreal`.
        """
        for pattern in patterns:
            parts, order = _ATOM.findall(pattern), next(self._count)
            paths = _ways(parts, comma=False)
            assert not parts, pattern
            for path in paths:
                node = self.roots.setdefault(kind, _Node())
                for step in path:
                    node = node.branch(step) if step is not None else node
                missing = tuple(step is None for step in path if step is None or step.kind)
                node.ends.append(_End(order, to, missing))

    def may_begin(self, kind: str, token: Token) -> bool:
        """Whether anything of a kind may begin with `token`."""
        return (DIGITS if token.form.isdecimal() else token.form) in self._first_of(kind)

    def _first_of(self, kind: str) -> frozenset[str]:
        if kind not in self._first:
            root = self.roots[kind]
            self._first[kind] = frozenset(root.words).union(*(self._first_of(name) for name, _, _ in root.kinds))
        return self._first[kind]


def _ways(parts: list[str], comma: bool) -> list[_Path]:
    """The ways through a pattern up to a closing bracket; takes them off `parts`."""
    if not parts or parts[0] in ("]", "/"):
        return [()]
    part = parts.pop(0)
    if part == ",":
        return _ways(parts, comma=True)
    if part != "[":
        kind = part[1:-1] if part.startswith("<") else ""
        step = _Step(frozenset() if kind else frozenset(part.split("|")), kind, comma)
        return [(step, *way) for way in _ways(parts, comma=False)]
    options: list[_Path] = []
    while part != "]":
        options += _ways(parts, comma)
        part = parts.pop(0)
    kinds = {sum(step is None or bool(step.kind) for step in option) for option in options}
    assert len(kinds) == 1, "options have as many values"
    # Where they are missing, the comma may stand before what follows.
    with_, without = _ways(list(parts), comma=False), _ways(parts, comma)
    missing = (None,) * kinds.pop()
    return [*((*option, *way) for option in options for way in with_), *((*missing, *way) for way in without)]


class Parse:
    """One reading of a question by a grammar."""

    def __init__(self, grammar: Grammar, tokens: Sequence[Token], moment: Moment, blocked: frozenset[int]) -> None:
        self.grammar, self.tokens, self.moment, self.blocked = grammar, tokens, moment, blocked
        self._known: dict[tuple[str, int], tuple[int, Any] | None] = {}
        self._depth = 0

    def longest(self, kind: str, place: int) -> tuple[int, Any] | None:
        """The longest of a kind that begins at a token: where it ends, and its value; the first rule's of equal ones.

        Where what fits names no time that there is, the value is an `Unreal`.
        """
        if place in self.blocked or not self.grammar.may_begin(kind, self.tokens[place]) or self._depth > _DEEPEST:
            return None
        key = kind, place
        if key not in self._known:
            self._depth += 1
            self._known[key] = self._read(kind, place)
            self._depth -= 1
        return self._known[key]

    def _read(self, kind: str, place: int) -> tuple[int, Any] | None:
        if kind in self.grammar.terminals:
            found = self.grammar.terminals[kind](self.tokens, place)
            return None if found is None or not self.blocked.isdisjoint(range(place, found[0])) else found
        fits: list[tuple[int, int, _End, tuple[Any, ...]]] = []
        self._walk(self.grammar.roots[kind], place, place, (), fits)
        for negative, _, ended, values in sorted(fits, key=lambda fit: fit[:2]):
            value = self._build(ended, Match(self, place, -negative), values)
            if value is not None:
                return -negative, value
        return None

    def _walk(
        self, node: _Node, begun: int, place: int, values: tuple[Any, ...], fits: list[tuple[int, int, _End, tuple[Any, ...]]]
    ) -> None:
        fits.extend((-place, ended.order, ended, values) for ended in node.ends)
        if place == len(self.tokens) or place in self.blocked:
            return
        token = self.tokens[place]
        joined = place == begun or token.joined
        if not (joined or token.after_comma):
            return
        for comma, following in node.words.get(token.form, ()):
            if joined or comma:
                self._walk(following, begun, place + 1, values, fits)
        for kind, comma, following in node.kinds:
            if joined or comma:
                found = self.longest(kind, place)
                if found is not None:
                    self._walk(following, begun, found[0], (*values, found[1]), fits)

    def _build(self, ended: _End, match: Match, values: tuple[Any, ...]) -> Any:
        unreal = next((value for value in values if isinstance(value, Unreal)), None)
        if unreal is not None:
            return unreal
        left = iter(values)
        try:
            return ended.build(match, *(None if missing else next(left) for missing in ended.missing))
        except Unreal as raised:
            return raised
