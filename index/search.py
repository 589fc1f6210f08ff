"""The read walk: question -> language, filters -> nearest vectors and matching terms -> one ranking -> hits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed import Encoder, ModelCard
from embed.encoder import Vectors
from index.errors import InvalidRequest
from index.fuse import Evidence, fuse
from index.language import LANGUAGES, question_language
from index.reader import Filters, Reader, Snapshot
from index.records import Hit, Ranking, Scores, Vote
from index.space import Codes, late_interaction, word_spans
from index.terms import question_terms

MAX_HITS = 100
MAX_QUESTION = 4000
"""Characters; more than any model here reads."""
_DEPTH = 100
"""How deep each ranking is read before they are fused, for up to a third as many hits."""


@dataclass(frozen=True)
class Ranked:
    """A fused ranking and those it came from; ids, not yet passages."""

    fused: Ranking
    dense: Ranking
    words: Ranking
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
        """Every passage that is among the best `depth` by vector or by terms, ranked by both and by its words."""
        among = snapshot.allowed(filters)
        lang = question_language(question)
        reading = self.encoder.read_query(question, word_spans(question))
        vector = snapshot.space.question(reading.vector, lang)
        terms = question_terms(question, lang)
        dense = snapshot.vectors.nearest(vector, depth, among)
        lexical = snapshot.terms.matching(terms, depth, among)
        # Each ranking is asked about what only the other found, so that no score is missing and none is guessed.
        only_lexical = np.setdiff1d(lexical.ids, dense.ids)
        only_dense = np.setdiff1d(dense.ids, lexical.ids)
        cosines = dict(dense) | dict(snapshot.vectors.nearest(vector, len(only_lexical), only_lexical))
        points = dict(lexical) | dict(snapshot.terms.matching(terms, len(only_dense), only_dense))
        ids = np.array(sorted(cosines), dtype=np.int64)
        kept = snapshot.store.words(ids.tolist())
        words = _late(snapshot.space.question_words(reading.words, lang), [kept[i][1] for i in ids.tolist()])
        evidence = Evidence(
            ids,
            np.array([cosines[i] for i in ids.tolist()], dtype=np.float32),
            words,
            np.array([points.get(i, 0.0) for i in ids.tolist()], dtype=np.float32),
            np.array([kept[i][0] != lang for i in ids.tolist()], dtype=bool),
        )
        known = ~np.isnan(words)
        return Ranked(fuse(evidence), dense, Ranking.best(ids[known], words[known]), lexical)

    def _hits(self, ranked: Ranked, k: int) -> tuple[Hit, ...]:
        best = [(i, score) for i, score in ranked.fused][:k]
        passages = self.reader.store.passages([i for i, _ in best])
        votes: dict[int, dict[str, Vote]] = {i: {} for i, _ in best}
        for name, ranking in (("dense", ranked.dense), ("words", ranked.words), ("lexical", ranked.lexical)):
            for place, (i, score) in enumerate(ranking, start=1):
                if i in votes:
                    votes[i][name] = Vote(place, score)
        return tuple(Hit(rank, passages[i], score, votes[i]) for rank, (i, score) in enumerate(best, start=1))


def _late(question: Vectors, codes: Sequence[Codes | None]) -> Scores:
    """The late interaction of each passage; not a number where it or the question has no words."""
    found = np.full(len(codes), np.nan, dtype=np.float32)
    worded = [place for place, signs in enumerate(codes) if signs is not None and len(signs)]
    if len(question):
        found[worded] = late_interaction(question, [signs for signs in codes if signs is not None and len(signs)])
    return found


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
