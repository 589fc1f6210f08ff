"""Copying an index from a folder to a Milvus server or back, and the proof that both answer alike."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from embed import Encoder
from index.cluster_reader import ClusterReader
from index.errors import InvalidRequest, StorageError
from index.milvus import Server
from index.past import Past
from index.place import Opened, Place
from index.publish import publish
from index.reader import Reader
from index.records import Hit, Ids, Window
from index.search import MAX_QUESTION, Searcher
from index.sentences import sentences
from index.store import Store
from index.unpublish import unpublish

HITS = 10
SAMPLE = 100
"""Questions that are asked of both where a caller names none."""
CLOSE = 1e-4
"""By how much the scores of a hit may differ: what single precision makes of sums in another order."""
_SHORTEST = 12
"""Characters of a question that is drawn."""

Progress = Callable[[str, int], None]
"""Called from time to time with what is being done, and how far it has come."""


@dataclass(frozen=True)
class Migration:
    """What was copied, and how many questions both places answer alike: the same hits in the same order."""

    generation: int
    entries: int
    passages: int
    questions: int


def migrate(
    source: Place,
    target: Place,
    encoder: Encoder,
    questions: Sequence[str] | None = None,
    sample: int = SAMPLE,
    progress: Progress | None = None,
    shards: int = 1,
) -> Migration:
    """Copy the index at `source` to `target`, and ask both the same `questions`; those are drawn from the titles and sentences
    of the index where none are given, `sample` of them.

    The copy is seen by nobody before both have given the same HITS with the same scores to every question. It may be run again
    at any time, and goes on with what was begun. Raises `InvalidRequest` unless one of the places is a folder and the other a
    server, and `StorageError` where an answer differs; what `publish` and `unpublish` raise.
    """
    if isinstance(source, Server) == isinstance(target, Server):
        raise InvalidRequest("an index is copied from a folder to a Milvus server or back: name one of each", "target")
    if questions is not None and not any(question.strip() for question in questions):
        raise InvalidRequest("there is no question to ask of both", "questions")
    told = progress or (lambda what, count: None)
    found: list[Migration] = []

    def prove(folder: Path, server: Server, generation: int) -> None:
        found.append(_prove(folder, server, generation, encoder, questions, sample, told))

    if isinstance(target, Server):
        assert isinstance(source, Path)
        folder, server = source, target
        publish(folder, server, lambda count: told("copying", count), lambda g: prove(folder, server, g), shards)
    else:
        assert isinstance(source, Server)
        from_server = source
        unpublish(source, target, lambda count: told("copying", count), lambda made, g: prove(made, from_server, g))
    return found[0]


def _prove(
    folder: Path,
    server: Server,
    generation: int,
    encoder: Encoder,
    questions: Sequence[str] | None,
    sample: int,
    progress: Progress,
) -> Migration:
    """Ask both for the same generation. Raises `StorageError` where they differ."""
    # As a writer, since whoever copies holds the lock of the folder.
    reader = Reader(folder, encoder.card, writing=True, tier="exact")
    cluster = ClusterReader(server, encoder.card, generation)
    with (
        Searcher(folder, encoder, opened=Opened(reader, Past(reader))) as one,
        Searcher(server, encoder, opened=Opened(cluster, cluster)) as other,
    ):
        moment = reader.store.committed(generation)
        # Engines of a folder count what was removed until they are made anew: those of a moment are.
        ours, theirs = one.past.at(moment), other.past.at(moment)
        entries, passages = reader.store.counts(generation)
        if other.reader.store.counts(generation) != (entries, passages):
            raise StorageError(
                f"the copy is not whole, and nothing new of it is shown: {server} and {folder} do not have as many entries and "
                "passages; run filrouge migrate again, to an empty place"
            )
        asked = list(questions) if questions is not None else drawn(reader.store, generation, sample)
        asked = [question.strip() for question in asked if question.strip()]
        differing: list[str] = []
        for number, question in enumerate(asked, start=1):
            pair = [
                searcher.search(question[:MAX_QUESTION], HITS, snapshot=snapshot, literal=True).hits
                for searcher, snapshot in ((one, ours), (other, theirs))
            ]
            if why := difference(*pair):
                differing.append(f"« {question[:80]} »: {why}")
            progress("comparing", number)
    if differing:
        shown = "; ".join(differing[:3])
        raise StorageError(
            f"the copy does not answer as the index does, and nothing new of it is shown: {len(differing)} of {len(asked)} "
            f"questions differ: {shown}"
        )
    return Migration(generation, entries, passages, len(asked))


def difference(ours: Sequence[Hit], theirs: Sequence[Hit]) -> str:
    """What tells two lists of hits apart; nothing where they are the same passages in the same order, with the same scores.

    >>> difference([], [])
    ''
    """
    ids = [[hit.passage.id for hit in hits] for hits in (ours, theirs)]
    if ids[0] != ids[1]:
        return f"passages {ids[0]} and {ids[1]}"
    for a, b in zip(ours, theirs, strict=True):
        if a.passage != b.passage:
            return f"the passage {a.passage.id} reads otherwise"
        if abs(a.score - b.score) > CLOSE:
            return f"the passage {a.passage.id} scores {a.score:.6f} and {b.score:.6f}"
    return ""


def drawn(store: Store, generation: int, count: int) -> list[str]:
    """Questions from an index itself: titles and sentences of entries, each once, drawn by lot but always the same."""
    ids: Ids = store.allowed(generation, Window(), past=True)
    lot = np.random.default_rng(generation)
    found: dict[str, None] = {}
    order = lot.permutation(ids)
    for at in range(0, len(order), max(1, count)):
        some = order[at : at + count].tolist()
        passages = store.passages(some)
        for place, i in enumerate(some):
            spans = [(start, end) for start, end in sentences(passages[i].text) if end - start >= _SHORTEST]
            text = passages[i].entry.title if place % 2 == 0 or not spans else ""
            if spans and len(text) < _SHORTEST:
                start, end = spans[int(lot.integers(len(spans)))]
                text = passages[i].text[start:end]
            if text.strip():
                found[text.strip()] = None
            if len(found) == count:
                return list(found)
    return list(found)
