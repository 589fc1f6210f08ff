"""The read walk: question -> language, filters -> nearest vectors and matching terms -> one ranking -> hits."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed import Encoder, ModelCard
from index.errors import InvalidRequest
from index.fuse import fuse
from index.language import LANGUAGES, question_language
from index.reader import Filters, Reader, Snapshot
from index.records import Hit, Ranking, Vote
from index.terms import question_terms

MAX_HITS = 100
MAX_QUESTION = 4000
"""Characters; more than any model here reads."""
_DEPTH = 100
"""How deep each ranking is read before they are fused, for up to a third as many hits."""


@dataclass(frozen=True)
class Ranked:
    """A fused ranking and the two it came from; ids, not yet passages."""

    fused: Ranking
    dense: Ranking
    lexical: Ranking


@dataclass(frozen=True)
class Results:
    """What a question found. `hits` are best first; none means that nothing passes the filters."""

    question: str
    lang: str
    filters: Filters
    generation: int
    card: ModelCard
    hits: tuple[Hit, ...]


class Searcher:
    """Answers questions from the index in `folder`, with the encoder that it was built with.

    Raises what `Reader` raises. Safe for several threads.
    """

    def __init__(self, folder: Path, encoder: Encoder) -> None:
        self.encoder = encoder
        self.reader = Reader(folder, encoder.card)

    def close(self) -> None:
        """Close the index."""
        self.reader.close()

    def __enter__(self) -> "Searcher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def search(self, question: str, k: int = 10, filters: Filters | None = None) -> Results:
        """The `k` passages that answer `question` best, or fewer when fewer pass the filters.

        Raises `InvalidRequest` for an empty or overlong question, a `k` outside 1 to MAX_HITS, a window that ends before it
        begins, a language other than French and English, or a source that the index does not have.
        """
        filters = filters or Filters()
        check(question, k, filters)
        if filters.source is not None and self.reader.store.origin(filters.source) is None:
            raise InvalidRequest(f"no source '{filters.source}' in this index", "source")
        snapshot = self.reader.snapshot()
        ranked = self.rank(question, max(_DEPTH, 3 * k), filters, snapshot)
        return Results(
            question, question_language(question), filters, snapshot.generation, snapshot.card, self._hits(ranked, k)
        )

    def rank(self, question: str, depth: int, filters: Filters, snapshot: Snapshot) -> Ranked:
        """Every passage that is among the best `depth` by vector or by terms, ranked by both."""
        among = snapshot.allowed(filters)
        vector = self.encoder.encode_query(question)
        terms = question_terms(question, question_language(question))
        dense = snapshot.vectors.nearest(vector, depth, among)
        lexical = snapshot.terms.matching(terms, depth, among)
        # Each ranking is asked about what only the other found, so that no score is missing and none is guessed.
        cosines, points = dict(dense), dict(lexical)
        only_lexical = np.setdiff1d(lexical.ids, dense.ids)
        only_dense = np.setdiff1d(dense.ids, lexical.ids)
        cosines.update(snapshot.vectors.nearest(vector, len(only_lexical), only_lexical))
        points.update(snapshot.terms.matching(terms, len(only_dense), only_dense))
        return Ranked(fuse(cosines, points), dense, lexical)

    def _hits(self, ranked: Ranked, k: int) -> tuple[Hit, ...]:
        best = [(i, score) for i, score in ranked.fused][:k]
        passages = self.reader.store.passages([i for i, _ in best])
        votes: dict[int, dict[str, Vote]] = {i: {} for i, _ in best}
        for name, ranking in (("dense", ranked.dense), ("lexical", ranked.lexical)):
            for place, (i, score) in enumerate(ranking, start=1):
                if i in votes:
                    votes[i][name] = Vote(place, score)
        return tuple(Hit(rank, passages[i], score, votes[i]) for rank, (i, score) in enumerate(best, start=1))


def check(question: str, k: int, filters: Filters) -> None:
    """Raise `InvalidRequest` for what `Searcher.search` would refuse of any index, without one and without a model."""
    if not 1 <= k <= MAX_HITS:
        raise InvalidRequest(f"k is {k}; ask for 1 to {MAX_HITS} hits", "k")
    if not question.strip():
        raise InvalidRequest("the question is empty", "query")
    if len(question) > MAX_QUESTION:
        raise InvalidRequest(f"the question has {len(question)} characters; at most {MAX_QUESTION} are read", "query")
    if any("\ud800" <= character <= "\udfff" for character in filters.source or ""):
        raise InvalidRequest("the name of the source holds half a character, which none does", "source")
    if filters.lang is not None and filters.lang not in LANGUAGES:
        raise InvalidRequest(f"no language '{filters.lang}' to filter by: give {' or '.join(LANGUAGES)}", "lang")
    window = filters.window
    if window.since and window.until and window.since >= window.until:
        raise InvalidRequest("the window ends before it begins: since must be earlier than until", "until")
