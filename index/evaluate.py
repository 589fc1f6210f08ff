"""Judgements in, measures out, through the same read walk as every door."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from embed import Encoder
from index import measures
from index.documents import Facts
from index.errors import InvalidRequest, UnreadableDocument
from index.ingest import Progress, ingest
from index.judgements import DIRECTIONS, EvaluationSet, Question
from index.reader import Filters
from index.runs import run_lines
from index.search import CANDIDATES, Searcher

DEPTH = 100
"""Corpus items ranked for each question."""


@dataclass(frozen=True)
class Measures:
    """Means over the questions of one direction."""

    ndcg10: float
    recall10: float
    mrr10: float
    hit1: float
    n: int


@dataclass(frozen=True)
class Scored:
    """A question and the corpus items found for it, best first, each with its best passage's score."""

    question: Question
    items: Sequence[tuple[str, float]]


def prepare(chosen: EvaluationSet, cache: Path, encoder: Encoder, progress: Progress | None = None) -> Path:
    """Index the corpus of a set below `cache`, unless it is there for this very corpus and model; return the index folder.

    A copy of the set in another place gets an index of its own.
    """
    place = hashlib.blake2b(os.fsencode(chosen.corpus.resolve()), digest_size=4).hexdigest()
    folder = cache / f"{chosen.name}-{chosen.fingerprint()}-{place}-{encoder.card.fingerprint}"
    report = ingest([chosen.corpus], folder, encoder, Facts(tz="UTC"), progress)
    # A date that cannot be read is a failure too, but no measure needs it.
    lost = [failure for failure in report.failures if not failure.kept]
    if lost:
        raise UnreadableDocument(f"{lost[0].source}: {lost[0].reason}")
    return folder


def run(
    chosen: EvaluationSet, direction: str, searcher: Searcher, progress: Callable[[int, int], None] | None = None
) -> list[Scored]:
    """Ask every question of a direction. Raises `InvalidRequest` when the set has none there."""
    if direction not in DIRECTIONS:
        raise InvalidRequest(f"no direction '{direction}': give one of {', '.join(DIRECTIONS)}", "direction")
    questions = chosen.judged(direction)
    if not questions:
        raise InvalidRequest(
            f"{chosen.name} has no judged questions {direction}; it has {', '.join(chosen.directions())}", "direction"
        )
    filters = filters_of(direction)
    found = []
    for number, question in enumerate(questions, start=1):
        found.append(Scored(question, rank_items(searcher, question.text, filters)))
        if progress:
            progress(number, len(questions))
    return found


def filters_of(direction: str) -> Filters:
    """What a direction searches: the passages of one language, or all."""
    searched = direction.rpartition("-")[2]
    return Filters(lang=None if searched == "mix" else searched)


def rank_items(searcher: Searcher, question: str, filters: Filters, depth: int = DEPTH) -> list[tuple[str, float]]:
    """The best `depth` corpus items by their best passage; fewer when fewer were found."""
    snapshot = searcher.reader.snapshot()
    reach = max(depth, CANDIDATES)
    while True:
        ranked = searcher.rank(question, reach, filters, snapshot)
        keys = searcher.reader.store.entry_keys(ranked.fused.ids.tolist())
        items: dict[str, float] = {}
        for i, score in ranked.fused:
            items.setdefault(keys[i], score)
        # Several passages of one item leave room for fewer items than were ranked.
        if len(items) >= depth or len(ranked.votes["dense"]) < reach:
            return list(items.items())[:depth]
        reach *= 2


def measure(scored: Iterable[Scored]) -> Measures:
    """The means over questions, of which there must be one."""
    rows = []
    for one in scored:
        ranked = [item for item, _ in one.items]
        grades = one.question.grades
        rows.append(
            (
                measures.ndcg(ranked, grades),
                measures.recall(ranked, grades),
                measures.reciprocal_rank(ranked, grades),
                measures.hit(ranked, grades),
            )
        )
    if not rows:
        raise InvalidRequest("no judged questions to measure")
    ndcg10, recall10, mrr10, hit1 = (sum(column) / len(rows) for column in zip(*rows, strict=True))
    return Measures(ndcg10, recall10, mrr10, hit1, len(rows))


def write_trec(scored: Iterable[Scored], file: TextIO, tag: str = "filrouge") -> None:
    """Write a TREC run, one line an item."""
    for one in scored:
        file.writelines(run_lines(one.question.id, one.items, tag))


def as_row(found: Measures) -> Mapping[str, float]:
    """The measures by name, rounded for people and for JSON."""
    return {
        "ndcg10": round(found.ndcg10, 4),
        "recall10": round(found.recall10, 4),
        "mrr10": round(found.mrr10, 4),
        "hit1": round(found.hit1, 4),
        "n": found.n,
    }
