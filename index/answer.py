"""Question -> quotes that answer it, with the probability that they do; or that the corpus does not say.

Nothing is generated: an answer is made of sentences as they stand in their entries. What is judged is two things apart: which
sentence answers best (`odds`), and whether the corpus answers at all (`confidence`).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from enum import StrEnum

from embed.encoder import Span
from index import dates
from index.confidence import LEAD, confidence, odds
from index.errors import InvalidRequest
from index.evidence import Asked, understand
from index.language import question_language
from index.question import Kind, is_question, questions
from index.quotes import Sentence, Sought, read
from index.reader import Filters, Snapshot
from index.records import Entry, Window
from index.reread import READ
from index.search import Results, Searcher, check
from index.sentences import sentences
from index.terms import content_words
from index.twins import likeness, wording
from index.when import TimePhrase, Why, read_when

THRESHOLD = 0.12
"""The confidence from which on a question counts as answered: see ARCHITECTURE.md for what others would give."""
MOST_QUOTES = 3
CLOSE = 2.0
"""How far below the best one in log-odds a sentence may lie and still add something."""
REPEATED = 0.6
"""From which likeness on a sentence says again what another one said."""
RESEMBLES = 0.3
"""From which likeness on a sentence of an earlier version is what the entry said in the place of another."""


class Reason(StrEnum):
    """Why a question has no answer."""

    NOT_IN_CORPUS = "not_in_corpus"
    """No sentence answers it, as far as can be told."""
    NOTHING_TO_SEARCH = "nothing_to_search"
    """No passage passes the caller's filters."""
    NOT_A_QUESTION = "not_a_question"
    """Keywords or a headline: its passages are what was wanted."""
    SEVERAL_QUESTIONS = "several_questions"
    """Two questions or more, which no one sentence answers."""
    NO_SUCH_TIME = "no_such_time"
    """It speaks of a time that there is not, such as 31 February."""


class Relaxed(StrEnum):
    """Why the time that a question speaks of did not narrow the search."""

    EMPTY = "empty"
    """Nothing was published in it."""
    UNANSWERED = "unanswered"
    """What was published in it does not answer, and what was published around it does."""
    FUTURE = "future"
    """It is still to come."""
    OUTSIDE = "outside"
    """It has nothing in common with the caller's own window, which is never widened."""


@dataclass(frozen=True)
class Narrowing:
    """The time that a question speaks of: its phrases, their window, and why it was not searched, if so.

    `impossible` says why there is no such time; `names` are the places of what looks like a time and is part of a name.
    """

    phrases: tuple[TimePhrase, ...] = ()
    window: Window | None = None
    relaxed: Relaxed | None = None
    impossible: Why | None = None
    names: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Quote:
    """A sentence that answers, `entry.text[start:end]`, of the passage with this id.

    `superseded` is when the entry was edited and stopped saying so; None for what it says now.
    """

    entry: Entry
    passage_id: int
    start: int
    end: int
    superseded: datetime | None = None

    @property
    def text(self) -> str:
        """The sentence itself."""
        return self.entry.text[self.start : self.end]


@dataclass(frozen=True)
class Answer:
    """What a question is answered with: `quotes`, best first, when `confidence` reaches the threshold; else a `reason`.

    `results` are the passages that were found, in the window that was searched in the end. `best` are the quotes there would
    be at a threshold of 0, whatever the reason. `leading` has, for each passage that was read, by its id, the sentence of it
    that answers best, `entry.text[start:end]`. `given` are the caller's own filters, and `times` whether they were narrowed to
    a time in the question.
    """

    confidence: float
    best: tuple[Quote, ...]
    results: Results
    narrowing: Narrowing
    now: datetime
    threshold: float
    reason: Reason | None
    leading: Mapping[int, Span] = field(default_factory=dict)
    given: Filters = field(default_factory=Filters)
    times: bool = True

    @property
    def answered(self) -> bool:
        """Whether there are quotes."""
        return self.reason is None

    @property
    def quotes(self) -> tuple[Quote, ...]:
        """One to three when it is answered."""
        return self.best if self.answered else ()


def ask(
    searcher: Searcher,
    question: str,
    k: int = 10,
    filters: Filters | None = None,
    as_of: datetime | None = None,
    now: datetime | None = None,
    threshold: float | None = None,
    snapshot: Snapshot | None = None,
    times: bool = True,
    literal: bool = False,
) -> Answer:
    """Answer `question` with what passes `filters`; its `results` have the `k` best passages.

    A time that the question speaks of, seen from `now` (aware; the present when None), narrows the caller's window and never
    widens it; where that leaves nothing, or nothing that answers, the caller's window is searched, and the answer says so. It
    counts as answered from a confidence of `threshold` on; None is the shipped one. Who asks several questions of one state of
    the index gives its `snapshot`; None takes that of `as_of`. Without `times`, a time in the question is words like any
    others, and narrows nothing. Operators in the question are filters, unless it is `literal`.

    Raises what `Searcher.search` raises.
    """
    filters = filters or Filters()
    threshold = THRESHOLD if threshold is None else threshold
    check(question, k, filters)
    snapshot = snapshot or searcher.snapshot(filters, as_of)
    reading = searcher.read(question, snapshot.zone, literal)
    given, filters = filters, reading.narrowed(filters)
    now = now or datetime.now(UTC)
    if reading.wordless:
        results = searcher.newest(reading, k, filters, snapshot, as_of)
        why = Reason.NOT_A_QUESTION if results.hits else Reason.NOTHING_TO_SEARCH
        return Answer(0.0, (), results, Narrowing(), now, threshold, why, given=given, times=times)
    asked = understand(reading.question, searcher.encoder, snapshot)
    narrowing, narrowed = _narrowed(asked, filters, now, snapshot) if times else (Narrowing(), filters)
    walk = _Walk(searcher, asked, k, snapshot, as_of)
    found = walk.through(filters) if narrowed == filters else walk.without(narrowing.phrases).through(narrowed)
    if narrowed != filters and found.confidence < threshold:
        wide = walk.through(filters)
        if not found.results.hits or wide.confidence >= threshold:
            relaxed = Relaxed.UNANSWERED if found.results.hits else Relaxed.EMPTY
            found, narrowing = wide, replace(narrowing, relaxed=relaxed)
    reason: Reason | None = None
    if len(questions(reading.question)) > 1:
        reason = Reason.SEVERAL_QUESTIONS
    elif not is_question(reading.question, asked.lang):
        reason = Reason.NOT_A_QUESTION
    elif narrowing.impossible:
        reason = Reason.NO_SUCH_TIME
    elif not found.results.hits:
        reason = Reason.NOTHING_TO_SEARCH
    elif found.confidence < threshold or not found.quotes:
        reason = Reason.NOT_IN_CORPUS
    quotes = _with_earlier(found.quotes, snapshot) if reason is None else found.quotes
    results = replace(found.results, question=question, lang=asked.lang, reading=reading)
    leading = found.leading
    return Answer(found.confidence, quotes, results, narrowing, now, threshold, reason, leading, given, times)


def newest(searcher: Searcher, as_of: datetime | None = None) -> datetime | None:
    """When the newest entry had just been published, to see a question from; None where no entry is dated."""
    snapshot = searcher.reader.snapshot() if as_of is None else searcher.past.at(as_of)
    return snapshot.store.newest(snapshot.generation)


def seen_from(searcher: Searcher, now: str | date | None = None, as_of: datetime | None = None) -> datetime:
    """What a caller's question is seen from: the time that `now` says, that of the newest entry for `newest`, or the present;
    for a question put to an earlier state of the index, the instant that it was put to. A time without an offset is in the
    zone of the index. Raises `InvalidRequest` for what is not a time.
    """
    if now == "newest":
        moment = newest(searcher, as_of)
        if moment is None:
            raise InvalidRequest("no entry of this index is dated: there is no newest to see the question from", "now")
        return moment
    zone = searcher.zone(as_of)
    return dates.moment(now, zone, "now") if now is not None else (as_of or datetime.now(zone)).replace(microsecond=0)


@dataclass(frozen=True)
class _Found:
    confidence: float
    quotes: tuple[Quote, ...]
    results: Results
    leading: Mapping[int, Span]


def _narrowed(asked: Asked, filters: Filters, now: datetime, snapshot: Snapshot) -> tuple[Narrowing, Filters]:
    """The time that a question speaks of, and the filters narrowed to it; as they are where it cannot be searched."""
    when = read_when(asked.text, asked.lang, now, snapshot.zone)
    relaxed, narrowed = None, filters
    if when.window is not None:
        own, said = filters.window, when.window
        since = max((bound for bound in (own.since, said.since) if bound), default=None)
        until = min((bound for bound in (own.until, said.until) if bound), default=None)
        if said.since is not None and said.since > now:
            relaxed = Relaxed.FUTURE
        elif since is not None and until is not None and since >= until:
            relaxed = Relaxed.OUTSIDE
        else:
            narrowed = replace(filters, window=Window(since, until))
    return Narrowing(when.phrases, when.window, relaxed, when.impossible, when.names), narrowed


@dataclass(frozen=True)
class _Walk:
    """A question on its way through one snapshot, once or with wider filters again."""

    searcher: Searcher
    asked: Asked
    k: int
    snapshot: Snapshot
    as_of: datetime | None

    def without(self, phrases: Sequence[TimePhrase]) -> "_Walk":
        """The same question without words that a window has taken the place of: entries of Monday need not say so."""
        question = self.asked.text
        for phrase in sorted(phrases, key=lambda one: one.start, reverse=True):
            question = f"{question[: phrase.start]} {question[phrase.end :]}"
        if not content_words(question, question_language(question)):
            return self
        return replace(self, asked=understand(question, self.searcher.encoder, self.snapshot))

    def through(self, filters: Filters) -> _Found:
        """What passes the filters, read sentence by sentence."""
        wide, known = self._find(max(self.k, READ), filters)
        sought = Sought.of(self.asked, self.snapshot)
        sentences = read(self.asked, sought, [(hit.passage, hit.unread) for hit in wide.hits[:READ]], self.snapshot, known)
        ranked = sorted(sentences, key=lambda one: (one.asks, -odds(one)))
        others = wide
        if len(wide.hits) < LEAD and filters != Filters():
            # One of few that pass the filters stands out among those that do not, or nowhere.
            others, _ = self._find(READ, Filters())
        sure = confidence(ranked, [hit.score for hit in others.hits], sought)
        # The last to be written of each passage is its best.
        leading = {one.passage.id: (one.start, one.end) for one in reversed(ranked)}
        return _Found(sure, chosen(ranked), replace(wide, hits=wide.hits[: self.k], k=self.k), leading)

    def _find(self, k: int, filters: Filters) -> tuple[Results, Mapping[int, Sequence[Sentence]]]:
        return self.searcher.find(self.asked, k, filters, self.snapshot, self.as_of)


def chosen(ranked: Sequence[Sentence]) -> tuple[Quote, ...]:
    """The first of the sentences, best first, and up to two more that lie close behind it and say something else.

    Of two that count the same thing differently, the one that was published later comes first: a toll goes on rising.
    """
    found: list[Sentence] = []
    for one in ranked:
        if len(found) == MOST_QUOTES or (found and (odds(found[0]) - odds(one) > CLOSE or one.asks)):
            break
        said = wording(one.text)
        if not any(_repeats(said, wording(other.text)) for other in found):
            found.append(one)
    if len(found) > 1 and _supersedes(found[1], found[0]):
        found[:2] = found[1::-1]
    return tuple(Quote(one.passage.entry, one.passage.id, one.start, one.end) for one in found)


def _repeats(said: frozenset[str], other: frozenset[str]) -> bool:
    numbers = {word for word in said ^ other if any(character.isdigit() for character in word)}
    return likeness(said, other) >= REPEATED and not numbers


def _supersedes(later: Sentence, earlier: Sentence) -> bool:
    """Whether `later` tells a newer count of what `earlier` counts."""
    one, other = later.passage.entry, earlier.passage.entry
    return (
        later.kind is Kind.NUMBER
        and later.names
        and earlier.names
        and one.id != other.id
        and one.published is not None
        and other.published is not None
        and one.published > other.published
        and later.cover >= earlier.cover
    )


def _with_earlier(quotes: tuple[Quote, ...], snapshot: Snapshot) -> tuple[Quote, ...]:
    """The quotes, and behind the first of them what its entry said in its place before it was last edited."""
    first, said = quotes[0], wording(quotes[0].text)
    versions = snapshot.store.versions(first.entry.id, snapshot.generation)
    if len(versions) < 2:
        return quotes
    before = versions[-2]
    candidates = [
        Quote(before.entry, passage.id, passage.start + start, passage.start + end, before.ended)
        for passage in snapshot.store.passages_of(first.entry.id, before.generation)
        for start, end in sentences(passage.text)
    ]
    older = max(candidates, key=lambda one: likeness(said, wording(one.text)), default=None)
    if older is None or older.text == first.text or likeness(said, wording(older.text)) < RESEMBLES:
        return quotes
    return (first, older, *quotes[1 : MOST_QUOTES - 1])
