"""The text of an entry in pieces: what is marked in it, and what is quoted from it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from embed.encoder import Span
from index.records import Hit


@dataclass(frozen=True)
class Piece:
    """A part of a text, and what it is marked as."""

    text: str
    word: bool = False
    """One of the question's."""
    passage: bool = False
    """Within the stretch that was found: the best sentence of a passage, or a passage of an entry."""


def pieces(text: str, words: Iterable[Span], stretch: Span | None = None) -> list[Piece]:
    """A text cut wherever a mark begins or ends; put together again it is the text.

    >>> [(one.text, one.word, one.passage) for one in pieces("Un drone. Deux.", [(3, 8)], (10, 15))]
    [('Un ', False, False), ('drone', True, False), ('. ', False, False), ('Deux.', False, True)]
    """
    start, end = stretch or (0, 0)
    marked = list(words)
    cuts = sorted({0, len(text), start, end, *(bound for span in marked for bound in span)})
    found = []
    at = 0
    for one, other in pairwise(cuts):
        while at < len(marked) and marked[at][1] <= one:
            at += 1
        word = at < len(marked) and marked[at][0] <= one
        found.append(Piece(text[one:other], word, start <= one < end))
    return found


def stretches(parts: Iterable[Piece]) -> Iterator[tuple[bool, list[Piece]]]:
    """Pieces that follow one another within or outside of the stretch, together.

    >>> [(within, len(some)) for within, some in stretches(pieces("ab cd", [(3, 4)], (3, 5)))]
    [(False, 1), (True, 2)]
    """
    together: list[Piece] = []
    for part in parts:
        if together and together[-1].passage != part.passage:
            yield together[0].passage, together
            together = []
        together.append(part)
    if together:
        yield together[0].passage, together


def hit_pieces(hit: Hit, sentence: Span | None) -> list[tuple[bool, list[Piece]]]:
    """A passage with the question's words, and its best sentence where it has several; `sentence` counts in the entry."""
    passage = hit.passage
    best = (sentence[0] - passage.start, sentence[1] - passage.start) if sentence else None
    if best and best[1] - best[0] >= len(passage.text.strip()):
        best = None
    return list(stretches(pieces(passage.text, hit.highlights, best)))
