"""The nouns: Entry, Passage, Ranking, Hit, Window."""

import base64
import hashlib
import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from functools import cached_property
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

Precision = Literal["second", "minute", "day"]
"""How exactly an entry's time is known."""

Dated = Literal["entry", "document", "manifest"]
"""Where an entry's day comes from: its own words or markup, its document's, or what was said of the document."""

Step = Literal["hour", "day", "week", "month", "year"]
"""What time is counted in."""
STEPS: tuple[Step, ...] = get_args(Step)

Ids = NDArray[np.int64]
Scores = NDArray[np.float32]


@dataclass(frozen=True)
class Entry:
    """One dated piece of a live blog, or a whole article.

    `key` tells the entry from the others of its source and survives edits; `text` is what offsets count in, in Unicode code
    points, exactly as published. `published` is aware, in the zone of the source; with a precision of "day" it is the
    midnight that the day begins with. An entry whose time of day is known and whose day is not has a `clock` and no
    `published`.

    >>> entry = Entry("le-fil.txt", "07:44", "Des combattants font une incursion", "La région russe …", "fr")
    >>> entry.id
    '37tefdq67474zjib'
    """

    source: str
    key: str
    title: str
    text: str
    lang: str
    published: datetime | None = None
    precision: Precision | None = None
    clock: time | None = None
    url: str | None = None
    dated: Dated | None = field(default=None, compare=False, repr=False)
    """Known while the entry is read, and no part of it."""

    @cached_property
    def id(self) -> str:
        """Sixteen letters and digits, made from source and key alone: the same on every machine and after every edit."""
        digest = hashlib.blake2b(f"{self.source}\0{self.key}".encode(), digest_size=10).digest()
        return base64.b32encode(digest).decode().lower()

    @property
    def day_only(self) -> bool:
        """Whether the day is known and the time of day is not."""
        return self.precision == "day"

    @property
    def ends(self) -> datetime | None:
        """The first moment at which the entry was published for certain: `published`, or the end of its day."""
        if self.published is None or not self.day_only:
            return self.published
        return datetime.combine(self.published.date() + timedelta(days=1), time(), self.published.tzinfo)

    @property
    def content_hash(self) -> bytes:
        """Equal for two readings of the entry exactly when nothing that a reader sees has changed."""
        parts = (
            self.title,
            self.text,
            self.lang,
            self.published.astimezone(UTC).isoformat() if self.published else "",
            str(self.published.tzinfo) if self.published else "",
            self.precision or "",
            self.clock.isoformat() if self.clock else "",
            self.url or "",
        )
        return hashlib.blake2b(json.dumps(parts).encode(), digest_size=16).digest()


@dataclass(frozen=True)
class Version:
    """What an entry said from `seen` on, until `ended`; None is until now.

    `withdrawn` says that the entry was gone after it, so that the last version of an entry tells whether it is there.

    >>> entry = Entry("s", "k", "", "Deux blessés.", "fr")
    >>> Version(1, entry, 3, datetime(2023, 5, 23, 12, tzinfo=UTC)).current
    True
    """

    number: int
    """From 1, the oldest."""
    entry: Entry
    generation: int
    """The first that had it."""
    seen: datetime
    ended: datetime | None = None
    withdrawn: bool = False

    @property
    def current(self) -> bool:
        """Whether it is what the entry says now."""
        return self.ended is None


def published_text(published: datetime | None, precision: Precision | None) -> str | None:
    """A publication time in ISO 8601, no more exact than it is known.

    >>> published_text(datetime(2023, 5, 23, 11, 58, tzinfo=UTC), "minute")
    '2023-05-23T11:58:00+00:00'
    >>> published_text(datetime(2023, 5, 23, tzinfo=UTC), "day")
    '2023-05-23'
    """
    if published is None:
        return None
    return published.date().isoformat() if precision == "day" else published.isoformat()


def passage_name(entry_id: str, start: int, end: int) -> str:
    """What a passage is called outside of its index: the same in every index of the same documents, and without spaces.

    >>> passage_name("37tefdq67474zjib", 14, 22)
    '37tefdq67474zjib:14-22'
    """
    return f"{entry_id}:{start}-{end}"


@dataclass(frozen=True)
class Passage:
    """A part of an entry: `entry.text[start:end]`, in code points. `id` is never reused within an index.

    >>> entry = Entry("s", "k", "", "Oui. Le café est prêt 🙂.", "fr")
    >>> Passage(1, entry, 5, 24).text
    'Le café est prêt 🙂.'
    """

    id: int
    entry: Entry
    start: int
    end: int

    @property
    def text(self) -> str:
        """The passage itself."""
        return self.entry.text[self.start : self.end]

    @property
    def name(self) -> str:
        """What it is called outside of its index: see `passage_name`."""
        return passage_name(self.entry.id, self.start, self.end)


@dataclass(frozen=True)
class Ranking:
    """Passage ids with their scores, best first; equal scores in the order of the ids.

    >>> Ranking.best(np.array([4, 2, 9]), np.array([0.5, 0.5, 0.7], dtype=np.float32), k=2)
    Ranking([(9, 0.7), (2, 0.5)])
    """

    ids: Ids
    scores: Scores

    @classmethod
    def best(cls, ids: Ids, scores: Scores, k: int | None = None) -> "Ranking":
        """The `k` best of parallel arrays in any order; all of them when `k` is None."""
        order = np.lexsort((ids, -scores))[:k]
        return cls(ids[order].astype(np.int64), scores[order].astype(np.float32))

    @classmethod
    def empty(cls) -> "Ranking":
        """Nothing ranked."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.float32))

    def among(self, ids: Ids) -> "Ranking":
        """The same of these passages alone.

        >>> Ranking(np.array([4, 2]), np.array([0.5, 0.5], dtype=np.float32)).among(np.array([2, 9]))
        Ranking([(2, 0.5)])
        """
        kept = np.isin(self.ids, ids)
        return Ranking(self.ids[kept], self.scores[kept])

    def without(self, ids: Collection[int] | Ids) -> "Ranking":
        """The same less these passages.

        >>> Ranking(np.array([4, 2]), np.array([0.5, 0.5], dtype=np.float32)).without({4})
        Ranking([(2, 0.5)])
        """
        kept = ~np.isin(self.ids, np.fromiter(ids, dtype=np.int64))
        return Ranking(self.ids[kept], self.scores[kept])

    def __eq__(self, other: object) -> bool:
        # Arrays are compared number by number otherwise, which is neither equal nor different.
        if not isinstance(other, Ranking):
            return NotImplemented
        return np.array_equal(self.ids, other.ids) and np.array_equal(self.scores, other.scores)

    def __len__(self) -> int:
        return len(self.ids)

    def __iter__(self) -> Iterator[tuple[int, float]]:
        return zip(self.ids.tolist(), self.scores.tolist(), strict=True)

    def __repr__(self) -> str:
        return f"Ranking([{', '.join(f'({i}, {s:.4g})' for i, s in self)}])"


@dataclass(frozen=True)
class Vote:
    """What one ranking said of a passage: its place (from 1) and its score there."""

    rank: int
    score: float


@dataclass(frozen=True)
class Hit:
    """A ranked passage. `score` is higher for better; `ranks` says which rankings voted for it and how high.

    `twins` are the ids of other entries that say the same further down, and are not shown for themselves; `highlights` are
    the places in the passage's text of the question's words; `unread` is the score before the best passages were read again.
    """

    rank: int
    passage: Passage
    score: float
    ranks: Mapping[str, Vote] = field(default_factory=dict)
    twins: tuple[str, ...] = ()
    highlights: tuple[tuple[int, int], ...] = ()
    unread: float = 0.0

    @property
    def entry(self) -> Entry:
        """The entry that the passage stands in."""
        return self.passage.entry

    @property
    def text(self) -> str:
        """The passage itself: `entry.text[start:end]`."""
        return self.passage.text

    @property
    def start(self) -> int:
        """Where it begins in the entry's text, in code points."""
        return self.passage.start

    @property
    def end(self) -> int:
        """Where it ends."""
        return self.passage.end


@dataclass(frozen=True)
class Window:
    """A span of time, `[since, until)`, with aware bounds; None is open.

    An entry known to the day falls in it when any moment of the day does.

    >>> late = Entry("s", "k", "", "t", "fr", datetime(2023, 5, 22, 23, tzinfo=UTC), "minute")
    >>> Window(datetime(2023, 5, 23, tzinfo=UTC), None).contains(late)
    False
    """

    since: datetime | None = None
    until: datetime | None = None

    def contains(self, entry: Entry) -> bool:
        """Whether `entry` can have been published within; never for one without a time, unless the window is open."""
        if self.since is None and self.until is None:
            return True
        if entry.published is None or entry.ends is None:
            return False
        started_in_time = self.until is None or entry.published < self.until
        late_enough = self.since is None or (entry.ends > self.since if entry.day_only else entry.ends >= self.since)
        return started_in_time and late_enough
