"""Which of some texts answer a question best? They need not be in the index, and are weighed as if they were.

Each text is cut into passages, and what speaks for a passage is what speaks for one of the index (`index.evidence`): its cosine
in the space of the index, its words, its neighbours in the text, and BM25 with the rarity that a term has among all passages,
those of the index and these. So a score is the probability that `Searcher.search` would give, before it reads its best hits
again (`index.reread`); only the mean length of a passage, which BM25 looks at, is that of these texts alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from embed import Encoder
from embed.encoder import Vectors
from index.chunk import cut
from index.engine import ExactTerms, TermView
from index.errors import InvalidRequest
from index.evidence import Scorers, understand, weigh
from index.fuse import fuse
from index.language import entry_language
from index.reader import Filters, Snapshot
from index.records import Ranking
from index.search import check
from index.space import Codes, Space, content_spans
from index.terms import passage_terms

MAX_DOCUMENTS = 1000
MAX_LENGTH = 100_000
"""Characters of a document."""
MAX_TOTAL = 500_000
"""Characters of all: about 130,000 tokens, which take half a minute on two cores."""
_AT_ONCE = 128
"""Passages whose words are held whole at a time."""


@dataclass(frozen=True)
class Part:
    """A passage of a document: its place in code points, and how likely it is to answer."""

    start: int
    end: int
    score: float


@dataclass(frozen=True)
class Reranked:
    """A document: its place among those that were given, from 0, the score of its best passage, and all of them, best first."""

    place: int
    score: float
    parts: tuple[Part, ...]


@dataclass(frozen=True)
class _Cut:
    """A passage of a document."""

    place: int
    start: int
    end: int
    text: str
    lang: str


def rerank(
    question: str,
    documents: Sequence[str],
    encoder: Encoder,
    snapshot: Snapshot,
    most_tokens: int | None = None,
    most_passages: int | None = None,
) -> list[Reranked]:
    """All documents, those that answer `question` best first, and equal ones in their order; one without words scores 0.

    Of each document are read at most `most_tokens` tokens and `most_passages` passages, and one passage at least; None is all.
    Raises `InvalidRequest` for an empty or overlong question, none or too many documents, and one that is too long.
    """
    check(question, 1, Filters())
    check_documents(documents)
    passages = [
        one for place, text in enumerate(documents) for one in _passages(place, text, encoder, most_tokens, most_passages)
    ]
    parts: dict[int, list[Part]] = {place: [] for place in range(len(documents))}
    if passages:
        for i, score in _ranked(question, passages, encoder, snapshot):
            one = passages[i]
            parts[one.place].append(Part(one.start, one.end, score))
    found = [Reranked(place, some[0].score if some else 0.0, tuple(some)) for place, some in parts.items()]
    return sorted(found, key=lambda one: -one.score)


def check_documents(documents: Sequence[str]) -> None:
    """Raise `InvalidRequest` for documents that cannot be ranked."""
    if not documents:
        raise InvalidRequest("there is no document to rank", "documents")
    if len(documents) > MAX_DOCUMENTS:
        raise InvalidRequest(f"{len(documents)} documents; at most {MAX_DOCUMENTS} are ranked at once", "documents")
    for place, text in enumerate(documents):
        if len(text) > MAX_LENGTH:
            raise InvalidRequest(f"{len(text)} characters; at most {MAX_LENGTH} of a document are read", f"documents[{place}]")
    total = sum(map(len, documents))
    if total > MAX_TOTAL:
        raise InvalidRequest(f"{total} characters in all; at most {MAX_TOTAL} are read at once", "documents")


def _passages(place: int, text: str, encoder: Encoder, most_tokens: int | None, most_passages: int | None) -> list[_Cut]:
    spans = cut("", text, encoder.count_tokens, encoder.card.token_limit)[:most_passages]
    if most_tokens is not None and spans:
        sums = np.cumsum(encoder.count_tokens([text[start:end] for start, end in spans]))
        spans = spans[: max(int(np.searchsorted(sums, most_tokens, side="right")), 1)]
    lang = entry_language(text)
    return [_Cut(place, start, end, text[start:end], lang) for start, end in spans]


def _ranked(question: str, passages: Sequence[_Cut], encoder: Encoder, snapshot: Snapshot) -> Ranking:
    """Places in `passages`, best first."""
    ids = np.arange(len(passages), dtype=np.int64)
    terms = _Beside(snapshot.terms)
    terms.add([(place, passage_terms(one.text, one.lang)) for place, one in enumerate(passages)])
    terms.commit(snapshot.generation)
    view = terms.view()
    asked = understand(question, encoder, replace(snapshot, terms=view))
    vectors, words = _read(passages, encoder, snapshot.space)
    cosines = vectors @ asked.vector

    # Every passage is asked about, so that an id is its place in each array.
    scores = Scorers(
        lambda some: cosines[some],
        lambda some: view.scored([word.terms for word in asked.terms], some),
        lambda some: view.scored([word.translated for word in asked.terms], some),
    )
    near = {place: (one.place, one.lang) for place, one in enumerate(passages)}
    return fuse(weigh(asked, ids, near, words, scores))


def _read(passages: Sequence[_Cut], encoder: Encoder, space: Space) -> tuple[Vectors, dict[int, Codes]]:
    """The vectors of passages in the space, and their words."""
    rows: list[Vectors] = []
    words: dict[int, Codes] = {}
    for at in range(0, len(passages), _AT_ONCE):
        some = passages[at : at + _AT_ONCE]
        readings = encoder.read_passages([one.text for one in some], [content_spans(one.text, one.lang) for one in some])
        rows.append(space.passages(np.stack([reading.vector for reading in readings]), [one.lang for one in some]))
        for place, (one, reading) in enumerate(zip(some, readings, strict=True), start=at):
            words[place] = space.codes(reading.words, one.lang)
    return np.concatenate(rows), words


class _Beside(ExactTerms):
    """Passages beside those of an index, whose terms they make neither rarer nor less rare than they are."""

    def __init__(self, indexed: TermView) -> None:
        self._indexed = indexed
        super().__init__()

    def __len__(self) -> int:
        return super().__len__() + len(self._indexed)

    def frequencies(self, terms: Sequence[str]) -> list[int]:
        """See `TermView.frequencies`."""
        return [sum(pair) for pair in zip(super().frequencies(terms), self._indexed.frequencies(terms), strict=True)]
