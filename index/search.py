"""The read walk: question -> language, filters -> nearest vectors and matching terms -> one ranking -> hits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, tzinfo

import numpy as np

from embed import Encoder, ModelCard
from embed.stages import stage
from index import dates, operators
from index.errors import FilrougeError, InvalidRequest
from index.evidence import Asked, Votes, gather, gather_all, understand
from index.fuse import Evidence, fuse
from index.language import LANGUAGES, question_language
from index.operators import Reading
from index.pages import Cursor
from index.place import Opened, Place
from index.quotes import Sentence
from index.reader import Filters, Snapshot
from index.recall import Recall
from index.records import Hit, Ranking
from index.remembered import Remembered
from index.reread import reread
from index.shown import Picked, Ranked, hits, pick, shown_before
from index.store_view import StoreView
from index.tiers import Tier
from index.twins import ALIKE, likeness, wording

MAX_HITS = 100
MAX_QUESTION = 4000
"""Characters; more than any model here reads."""
CANDIDATES = 40
"""How deep each ranking is read before they are fused, for up to a third as many hits."""
_PAGED = 4
"""Generations that pages were shown of, and whole rankings, that are kept for the next page."""
_TWIN_PASSAGES = 8
"""Passages of an entry that its twins are looked for by; a long one has as many in common with each."""


@dataclass(frozen=True)
class Results:
    """What a question found. `hits` are best first, at most `k`; none means that nothing passes the filters.

    `known` is when the generation that was searched came to be: `as_of` that moment, the question finds the same again.
    `ranked` are all passages that were compared, hits and others, best first; twins among them. `reading` is what was
    understood of the question: its operators are among the `filters`, which `total` passages pass.
    """

    question: str
    lang: str
    filters: Filters
    generation: int
    card: ModelCard
    hits: tuple[Hit, ...]
    known: datetime | None = None
    as_of: datetime | None = None
    k: int = 10
    ranked: Ranking = field(default_factory=Ranking.empty, compare=False, repr=False)
    reading: Reading | None = None
    total: int | None = None
    cursor: str | None = None
    """The one that these were asked for with; None on a first page."""
    next: str | None = None
    """The cursor of what is left; None where nothing is."""
    passed: tuple[tuple[str, int], ...] = ()
    """Entries that were passed over, as they say what a hit of an earlier page says, and the id of its passage."""


class Searcher:
    """Answers questions from the index at a place, with the encoder that it was built with; without one, it can count and list
    what passes filters, and rank nothing. What is given as `opened` is that index, open already.

    For `tier` and `growing` see `Reader`; a server has neither. Raises what `Opened.at` raises. Safe for several threads.
    """

    def __init__(
        self,
        place: Place,
        encoder: Encoder | None,
        tier: Tier | None = None,
        growing: bool = False,
        opened: Opened | None = None,
    ) -> None:
        self._encoder = encoder
        opened = opened or Opened.at(place, encoder.card if encoder else None, tier, growing)
        self.reader, self.past = opened.reader, opened.past
        self.recall = Recall()
        self._paged: Remembered[Snapshot] = Remembered("pages", _PAGED)
        self._everything: Remembered[Ranked] = Remembered("rankings", _PAGED)

    @property
    def encoder(self) -> Encoder:
        """The model. Raises `FilrougeError` where there is none."""
        if self._encoder is None:
            raise FilrougeError("the index was opened without a model, and questions need one")
        return self._encoder

    def close(self) -> None:
        """Close the index."""
        self.past.close()
        self.reader.close()

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def search(
        self,
        question: str,
        k: int = 10,
        filters: Filters | None = None,
        as_of: datetime | None = None,
        snapshot: Snapshot | None = None,
        cursor: str | None = None,
        literal: bool = False,
    ) -> Results:
        """The `k` passages that answer `question` best, or fewer when fewer pass the filters; of what was known at `as_of`.

        Operators in the question are filters (`index.operators`), unless it is `literal`; where they leave no word to rank by,
        the newest passages come first. With a `cursor`, the `next` of an earlier page of the same question, the next best of
        what the index had then. Who asks several questions of one state of the index gives its `snapshot`; None takes that of
        `as_of`.

        Raises `InvalidRequest` for an empty or overlong question, a `k` outside 1 to MAX_HITS, a window that ends before it
        begins, a language other than French and English, a source that the index does not have, an `as_of` at which there
        was no index yet, an operator that makes no sense, or a cursor that is not of this question.
        """
        filters = filters or Filters()
        check(question, k, filters)
        bound = repr((question, literal, filters.told()))
        page = None if cursor is None else Cursor.read(cursor, self._key(), bound)
        if page is not None:
            snapshot = self._then(page.generation, filters, as_of)
        snapshot = snapshot or self.snapshot(filters, as_of)
        reading = self.read(question, snapshot.zone, literal)
        narrowed = reading.narrowed(filters)
        page = page or Cursor(snapshot.generation, k)
        found, picked = self._page(reading, k, narrowed, snapshot, page)
        seen, total = page.after([one.passage.id for one in picked.shown], picked.folded), snapshot.count(narrowed)
        more = len(seen.seen) < total and bool(picked.shown or picked.folded)
        if more:
            self._paged.keep(snapshot.generation, snapshot)
        return replace(
            found,
            question=question,
            as_of=as_of,
            reading=reading,
            total=total,
            cursor=cursor,
            next=seen.written(self._key(), bound) if more else None,
            passed=tuple(picked.passed),
        )

    def zone(self, as_of: datetime | None = None) -> tzinfo:
        """The time zone that most sources are in, or were in at `as_of`."""
        if as_of is None:
            return self.reader.snapshot().zone
        return dates.zone(self.reader.store.zone(self.reader.store.generation_at(as_of)))

    @stage("understand")
    def read(self, question: str, zone: tzinfo, literal: bool = False) -> Reading:
        """What a question asks for beside what it says; times in it are in `zone`.

        Raises `InvalidRequest` for an operator that makes no sense, and one that names a source that the index does not have.
        """
        reading = operators.literal(question) if literal else operators.read(question, zone)
        for part in reading.sources:
            if not self.reader.store.has_source(part):
                raise InvalidRequest(f"source:{part[:60]}: no source of this index has that in its name", "query")
        return reading

    def newest(self, reading: Reading, k: int, filters: Filters, snapshot: Snapshot, as_of: datetime | None = None) -> Results:
        """What `search` gives for a query that leaves no word to rank by."""
        found, _ = self._page(reading, k, filters, snapshot, Cursor(snapshot.generation, k))
        return replace(found, question=reading.query, as_of=as_of, reading=reading)

    def snapshot(self, filters: Filters, as_of: datetime | None = None) -> Snapshot:
        """What is known now, or was at `as_of`. Raises `InvalidRequest` for a source that the index does not have, or an
        `as_of` at which there was no index yet.
        """
        check_source(filters, self.reader.store)
        return self.reader.snapshot() if as_of is None else self.past.at(as_of)

    def find(
        self, asked: Asked, k: int, filters: Filters, snapshot: Snapshot, as_of: datetime | None = None
    ) -> tuple[Results, Mapping[int, Sequence[Sentence]]]:
        """What `search` gives, for a question that was understood before; and the sentences read for it, by passage."""
        ranked = self._first(asked, k, filters, snapshot)
        shown = hits(asked.text, asked.lang, pick(self.reader.store, ranked.fused, k), [ranked])
        found = self._results(asked.text, asked.lang, filters, snapshot, k, shown, as_of)
        return replace(found, ranked=ranked.fused), ranked.sentences

    def twins(self, entry_id: str, as_of: datetime | None = None) -> tuple[str, ...]:
        """The ids of other entries whose whole text says the same as that of this one, the most alike first.

        Raises `NotFound`, and for `as_of` what `search` does.
        """
        snapshot = self.reader.snapshot() if as_of is None else self.past.at(as_of)
        store = snapshot.store
        said = wording(store.entry(entry_id, snapshot.generation).text)
        own = store.passages_of(entry_id, snapshot.generation, snapshot.past)
        langs, vectors = store.vectors([passage.id for passage in own[:_TWIN_PASSAGES]])
        found: set[int] = set()
        # Whoever says the same says it in passages that lie near, wherever their cuts fall.
        for vector in snapshot.space.passages(vectors, langs) if langs else ():
            found.update(snapshot.vectors.nearest(vector, CANDIDATES).ids.tolist())
        others = {passage.entry.id: passage.entry.text for passage in store.passages(sorted(found)).values()}
        shares = {other: likeness(said, wording(text)) for other, text in sorted(others.items()) if other != entry_id}
        return tuple(sorted((other for other, share in shares.items() if share >= ALIKE), key=lambda other: -shares[other]))

    def rank(self, question: str, depth: int, filters: Filters, snapshot: Snapshot) -> Ranked:
        """Every passage that is among the best `depth` by vector or by terms, ranked by all the evidence."""
        asked = understand(question, self.encoder, snapshot)
        return _ranked(asked, *gather(asked, depth, filters, snapshot), snapshot)

    def everything(self, question: str, filters: Filters, snapshot: Snapshot) -> Ranked:
        """Every passage that passes the filters, ranked by all the evidence.

        It takes seconds for a hundred thousand passages, and some hundred bytes of memory for each. A passage has the score
        that `search` gives it, unless its entry has a better one that `search` did not look at.
        """
        asked = understand(question, self.encoder, snapshot)
        return _ranked(asked, *gather_all(asked, filters, snapshot), snapshot)

    def _first(self, asked: Asked, k: int, filters: Filters, snapshot: Snapshot) -> Ranked:
        """The ranking that the first `k` hits come from."""
        self.recall.look(asked.vector, snapshot)
        return _ranked(asked, *gather(asked, max(CANDIDATES, 3 * k), filters, snapshot), snapshot)

    def _page(self, reading: Reading, k: int, filters: Filters, snapshot: Snapshot, page: Cursor) -> tuple[Results, Picked]:
        """The best `k` of what no earlier page has shown."""
        store, text = self.reader.store, reading.question
        earlier = shown_before(store, page.shown)
        if reading.wordless:
            lang = question_language(reading.query)
            ids = store.newest_first(snapshot.ids(filters))
            newest = Ranking(ids, np.zeros(len(ids), dtype=np.float32))
            rankings = [Ranked(newest, {}, newest)]
        else:
            asked = understand(text, self.encoder, snapshot)
            lang, rankings = asked.lang, [self._first(asked, page.first, filters, snapshot)]
        picked = pick(store, rankings[0].fused.without(page.seen), k, earlier)
        if len(picked.shown) < k and page.shown and not reading.wordless:
            # The first ranking is at its end; behind it stands all that it did not look at.
            key = (snapshot.generation, snapshot.past, text, filters)
            rest = self._everything.get(key, lambda: self.everything(text, filters, snapshot))
            rankings.append(replace(rest, fused=rest.fused.without(rankings[0].fused.ids)))
            order = Ranking(
                np.concatenate([one.fused.ids for one in rankings]), np.concatenate([one.fused.scores for one in rankings])
            )
            picked = pick(store, order.without(page.seen), k, earlier)
        shown = hits(text, lang, picked, rankings, len(page.shown))
        found = self._results(text, lang, filters, snapshot, k, shown)
        return replace(found, ranked=rankings[0].fused), picked

    def _results(
        self,
        text: str,
        lang: str,
        filters: Filters,
        snapshot: Snapshot,
        k: int,
        shown: tuple[Hit, ...],
        as_of: datetime | None = None,
    ) -> Results:
        known = self.reader.store.committed(snapshot.generation)
        return Results(text, lang, filters, snapshot.generation, snapshot.card, shown, known, as_of, k)

    def _key(self) -> bytes:
        """What cursors are sealed with: they are good for this index and its model."""
        return f"{self.reader.store.identity()}{self.reader.card.fingerprint}".encode()[:64]

    def _then(self, generation: int, filters: Filters, as_of: datetime | None) -> Snapshot:
        """The generation that a first page was of."""
        check_source(filters, self.reader.store)
        if as_of is not None:
            if self.reader.store.generation_at(as_of) != generation:
                raise InvalidRequest("the cursor is of another moment than as_of", "cursor")
            return self.past.at(as_of)
        newest = self.reader.snapshot()
        if newest.generation == generation:
            return newest
        return self._paged.find(generation) or self.past.at(self.reader.store.committed(generation))


@stage("weigh")
def _ranked(asked: Asked, evidence: Evidence, votes: Votes, snapshot: Snapshot) -> Ranked:
    fused = fuse(evidence)
    ranking, sentences = reread(asked, fused, snapshot)
    return Ranked(ranking, votes, fused, sentences)


def check(question: str, k: int, filters: Filters) -> None:
    """Raise `InvalidRequest` for what `Searcher.search` would refuse of any index, without one and without a model."""
    check_k(k)
    check_question(question)
    check_filters(filters)


def check_k(k: int) -> None:
    """The same of how many are wanted."""
    if not 1 <= k <= MAX_HITS:
        raise InvalidRequest(f"k is {k}; ask for 1 to {MAX_HITS} hits", "k")


def check_question(question: str) -> None:
    """The same of a question alone."""
    if not question.strip():
        raise InvalidRequest("the question is empty", "query")
    if len(question) > MAX_QUESTION:
        raise InvalidRequest(f"the question has {len(question)} characters; at most {MAX_QUESTION} are read", "query")


def check_filters(filters: Filters) -> None:
    """The same of filters alone."""
    if any("\ud800" <= character <= "\udfff" for character in filters.source or ""):
        raise InvalidRequest("the name of the source holds half a character, which none does", "source")
    if filters.lang is not None and filters.lang not in LANGUAGES:
        raise InvalidRequest(f"no language '{filters.lang}' to filter by: give {' or '.join(LANGUAGES)}", "lang")
    window = filters.window
    if window.since and window.until and window.since >= window.until:
        raise InvalidRequest("the window ends before it begins: since must be earlier than until", "until")


def check_source(filters: Filters, store: StoreView) -> None:
    """Raise `InvalidRequest` for a source that the index does not have."""
    if filters.source is not None and store.origin(filters.source) is None:
        raise InvalidRequest(f"no source '{filters.source}' in this index", "source")
