"""The read walk: question -> language, filters -> nearest vectors and matching terms -> one ranking -> hits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from embed import Encoder, ModelCard
from index.errors import InvalidRequest
from index.evidence import Asked, Votes, gather, gather_all, understand
from index.fuse import Evidence, fuse
from index.highlight import highlights, wanted_terms
from index.language import LANGUAGES
from index.past import Past
from index.reader import Filters, Reader, Snapshot
from index.records import Hit, Passage, Ranking, Vote
from index.reread import reread
from index.store import Store
from index.twins import ALIKE, Wording, alike, likeness, wording

MAX_HITS = 100
MAX_QUESTION = 4000
"""Characters; more than any model here reads."""
CANDIDATES = 60
"""How deep each ranking is read before they are fused, for up to a third as many hits."""
_TWIN_PASSAGES = 8
"""Passages of an entry that its twins are looked for by; a long one has as many in common with each."""


@dataclass(frozen=True)
class Ranked:
    """A fused ranking and those it came from; ids, not yet passages. `unread` has the scores that its passages had before the
    best were read again (`index.reread`).
    """

    fused: Ranking
    votes: Mapping[str, Ranking]
    unread: Ranking


@dataclass(frozen=True)
class Results:
    """What a question found. `hits` are best first, at most `k`; none means that nothing passes the filters.

    `known` is when the generation that was searched came to be: `as_of` that moment, the question finds the same again.
    `ranked` are all passages that were compared, hits and others, best first; twins among them.
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
    ranked: Ranking = field(default_factory=Ranking.empty)


class Searcher:
    """Answers questions from the index in `folder`, with the encoder that it was built with.

    Raises what `Reader` raises. Safe for several threads.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.reader = Reader(folder, encoder.card)
        self.past = Past(self.reader)

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
    ) -> Results:
        """The `k` passages that answer `question` best, or fewer when fewer pass the filters; of what was known at `as_of`.

        Who asks several questions of one state of the index gives its `snapshot`; None takes that of `as_of`.

        Raises `InvalidRequest` for an empty or overlong question, a `k` outside 1 to MAX_HITS, a window that ends before it
        begins, a language other than French and English, a source that the index does not have, or an `as_of` at which there
        was no index yet.
        """
        filters = filters or Filters()
        check(question, k, filters)
        snapshot = snapshot or self.snapshot(filters, as_of)
        return self.find(understand(question, self.encoder, snapshot), k, filters, snapshot, as_of)

    def snapshot(self, filters: Filters, as_of: datetime | None = None) -> Snapshot:
        """What is known now, or was at `as_of`. Raises `InvalidRequest` for a source that the index does not have, or an
        `as_of` at which there was no index yet.
        """
        check_source(filters, self.reader.store)
        return self.reader.snapshot() if as_of is None else self.past.at(as_of)

    def find(self, asked: Asked, k: int, filters: Filters, snapshot: Snapshot, as_of: datetime | None = None) -> Results:
        """What `search` gives, for a question that was understood before."""
        evidence, votes = gather(asked, max(CANDIDATES, 3 * k), filters, snapshot)
        ranked = _ranked(asked, evidence, votes, snapshot)
        hits = self._hits(asked, ranked, k)
        known = self.reader.store.committed(snapshot.generation)
        return Results(asked.text, asked.lang, filters, snapshot.generation, snapshot.card, hits, known, as_of, k, ranked.fused)

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
        evidence, votes = gather(asked, depth, filters, snapshot)
        return _ranked(asked, evidence, votes, snapshot)

    def everything(self, question: str, filters: Filters, snapshot: Snapshot) -> Ranked:
        """Every passage that passes the filters, ranked by all the evidence.

        It takes seconds for a hundred thousand passages, and some hundred bytes of memory for each. A passage has the score
        that `search` gives it, unless its entry has a better one that `search` did not look at.
        """
        asked = understand(question, self.encoder, snapshot)
        evidence, votes = gather_all(asked, filters, snapshot)
        return _ranked(asked, evidence, votes, snapshot)

    def _hits(self, asked: Asked, ranked: Ranked, k: int) -> tuple[Hit, ...]:
        shown, wanted = self._folded(ranked.fused, k), wanted_terms(asked.text, asked.lang)
        unread = dict(zip(ranked.unread.ids.tolist(), ranked.unread.scores.tolist(), strict=True))
        votes: dict[int, dict[str, Vote]] = {one.passage.id: {} for one in shown}
        for name, ranking in ranked.votes.items():
            for place, (i, score) in enumerate(ranking, start=1):
                if i in votes:
                    votes[i][name] = Vote(place, score)
        return tuple(
            Hit(
                rank,
                one.passage,
                one.score,
                votes[one.passage.id],
                tuple(dict.fromkeys(one.twins)),
                tuple(highlights(one.passage.text, one.passage.entry.lang, wanted)),
                unread[one.passage.id],
            )
            for rank, one in enumerate(shown, start=1)
        )

    def _folded(self, fused: Ranking, k: int) -> list["_Shown"]:
        """The best `k` passages, those of other entries that say the same folded into the first of them."""
        shown: list[_Shown] = []
        order = list(fused)
        for at in range(0, len(order), k):
            some = order[at : at + k]
            passages = self.reader.store.passages([i for i, _ in some])
            for i, score in some:
                passage = passages[i]
                said = wording(passage.text)
                twin = next((one for one in shown if one.passage.entry.id != passage.entry.id and alike(one.said, said)), None)
                if twin is not None:
                    twin.twins.append(passage.entry.id)
                elif len(shown) < k:
                    shown.append(_Shown(passage, score, said))
            if len(shown) >= k:
                break
        return shown


@dataclass
class _Shown:
    """A passage that becomes a hit."""

    passage: Passage
    score: float
    said: Wording
    twins: list[str] = field(default_factory=list)


def _ranked(asked: Asked, evidence: Evidence, votes: Votes, snapshot: Snapshot) -> Ranked:
    fused = fuse(evidence)
    return Ranked(reread(asked, fused, snapshot), votes, fused)


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


def check_source(filters: Filters, store: Store) -> None:
    """Raise `InvalidRequest` for a source that the index does not have."""
    if filters.source is not None and store.origin(filters.source) is None:
        raise InvalidRequest(f"no source '{filters.source}' in this index", "source")
