"""The nouns: a phrase that means a time, what all phrases of a question mean together, and why one means nothing."""

from dataclasses import dataclass
from enum import StrEnum

from index.records import Window


class Why(StrEnum):
    """Why there is no such time."""

    DAY = "day"
    """31 February."""
    WEEKDAY = "weekday"
    """Monday 23 May 2023, which was a Tuesday."""
    TIME = "time"
    """25h61."""
    SKIPPED = "skipped"
    """An hour that clocks jump over, on the night on which they are put forward."""
    BACKWARDS = "backwards"
    """Between 16:00 and 14:00."""
    REACH = "reach"
    """Years before 2 or after 9998."""


class Unreal(Exception):
    """There is no such time; for use within the package, where it becomes a `TimePhrase` that is impossible."""

    def __init__(self, why: Why) -> None:
        super().__init__(why.value)
        self.why = why


@dataclass(frozen=True)
class TimePhrase:
    """A run of words that means a time: `question[start:end]`, in code points, with its window.

    Either `window` or `impossible` is None, and the other is not. A window has `since < until` where both are there.
    """

    start: int
    end: int
    window: Window | None
    impossible: Why | None = None


@dataclass(frozen=True)
class When:
    """The times that a question speaks of.

    `window` is what the windows of the possible phrases have in common; where they have nothing in common, it goes from the
    first of them to the last. None means that the question names no time. `names` are the places `(start, end)` of what looks
    like a time and is (part of) a name.

    >>> When().window is None and When().impossible is None
    True
    """

    phrases: tuple[TimePhrase, ...] = ()
    window: Window | None = None
    names: tuple[tuple[int, int], ...] = ()

    @property
    def impossible(self) -> Why | None:
        """Why the first impossible phrase is, or None where every phrase is possible."""
        return next((phrase.impossible for phrase in self.phrases if phrase.impossible), None)
