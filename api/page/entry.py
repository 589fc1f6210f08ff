"""The page of an entry: what it says in its place in the live blog, what it said before, and who says the same."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from difflib import SequenceMatcher
from re import findall

from api.page.address import Asked
from api.page.frame import Frame
from api.page.marked import pieces, stretches
from api.schemas import iso
from embed.encoder import Span
from index.highlight import highlights, wanted_terms
from index.language import question_language
from index.records import Version
from index.search import Searcher

_BESIDE = 2
"""Entries that are shown before and after."""
_MOST_WORDS = 2400
"""Of two texts that are compared, spaces among them: the time goes with the square, and this many may take .15 s."""
_COMPARED = 8
"""Of the newest versions, each with the one before."""


@dataclass(frozen=True)
class Told:
    """A version as it is listed, and what changed since the one before; None for the first, and where that cannot be told."""

    version: Version
    changes: Sequence[tuple[str, str]] | None


def entry(frame: Frame, searcher: Searcher, entry_id: str, at: str = "", as_of: datetime | None = None) -> str:
    """An entry as it is, as it was at `as_of`, or as it was when it was withdrawn; `at` is a stretch that is marked in it.

    Raises `NotFound` where there never was one, and `InvalidRequest` for an `as_of` at which there was no index.
    """
    store, asked = searcher.reader.store, frame.asked
    generation = store.generation_at(as_of) if as_of else searcher.reader.snapshot().generation
    versions = store.versions(entry_id, generation)
    last, shown = versions[-1], versions[-1].entry
    wanted = wanted_terms(asked.q, question_language(asked.q)) if asked.q else frozenset()
    place = _place(at, len(shown.text))
    before, after = store.around(shown, generation, _BESIDE)
    twins = () if last.withdrawn else searcher.twins(entry_id, as_of)
    return frame.render(
        "entry.html",
        entry=shown,
        last=last,
        told=_told(versions),
        parts_of=list(stretches(pieces(shown.text, highlights(shown.text, shown.lang, wanted), place))),
        place=place,
        quoted=shown.text[slice(*place)] if place else shown.text,
        before=before,
        after=after,
        twins=[store.entry(twin, generation) for twin in twins],
        beside=lambda other: asked.link(f"/entry/{other.id}"),
        results_link=asked.link() if asked.q else None,
        permalink=Asked(as_of=iso(store.committed(generation)) or "").link(f"/entry/{entry_id}"),
        as_of=as_of,
        now_link=Asked(ui=asked.ui).link(f"/entry/{entry_id}"),
    )


def missing(frame: Frame, failure: Exception, path: str) -> str:
    """The page in the place of an entry that cannot be shown, at `path`."""
    return frame.render(
        "missing.html", failure=frame.explained(failure), retry=None, here=lambda ui: frame.asked.link(path, ui=ui)
    )


def _told(versions: Sequence[Version]) -> list[Told]:
    """Versions with what changed, the newest first."""
    pairs = list(zip([None, *versions[:-1]], versions, strict=True))[::-1]
    return [
        Told(one, changes(before.entry.text, one.entry.text) if before and place < _COMPARED else None)
        for place, (before, one) in enumerate(pairs)
    ]


def changes(before: str, after: str) -> list[tuple[str, str]] | None:
    """What became of the words of a text, as `("same" | "gone" | "new", text)`; None for very long ones.

    >>> changes("Deux blessés.", "Trois blessés légers.")
    [('gone', 'Deux'), ('new', 'Trois'), ('same', ' blessés'), ('new', ' légers'), ('same', '.')]
    """
    one, other = (findall(r"\s+|\w+|[^\w\s]", text) for text in (before, after))
    if len(one) + len(other) > _MOST_WORDS:
        return None
    found: list[tuple[str, str]] = []
    for kind, i, j, k, m in SequenceMatcher(None, one, other, autojunk=False).get_opcodes():
        if kind == "equal":
            found.append(("same", "".join(one[i:j])))
        else:
            found += [(name, text) for name, text in (("gone", "".join(one[i:j])), ("new", "".join(other[k:m]))) if text]
    return found


def _place(at: str, length: int) -> Span | None:
    """The stretch that an address names as `START-END`; None where the entry has none such."""
    numbers = at.split("-")
    # Few digits: what looks like a number may be endless.
    if len(numbers) != 2 or not all(one.isascii() and one.isdigit() and len(one) < 10 for one in numbers):
        return None
    start, end = map(int, numbers)
    return (start, end) if start < end <= length else None
