"""How good the answers are, on a set that has answers or questions without one: through the same walk as every door."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from index.answer import Answer, ask
from index.errors import InvalidRequest
from index.evaluate import filters_of
from index.judgements import EvaluationSet, Question
from index.measures import auroc, holds_answer
from index.search import Searcher
from index.sentences import sentences

_STEPS = tuple(round(step / 20, 2) for step in range(20))
"""Thresholds that coverage and precision are given for."""


@dataclass(frozen=True)
class Quoted:
    """A quote, by the id of its corpus item."""

    text: str
    entry_id: str
    start: int
    end: int


@dataclass(frozen=True)
class Tried:
    """A question, whether the corpus answers it, and what it was answered with.

    `quotes` are there whatever the confidence. `rival` is the sentence of the nearest passage with the greatest cosine to the
    question; empty where no answer is known.
    """

    question: Question
    answerable: bool
    answered: bool
    confidence: float
    quotes: tuple[Quoted, ...]
    rival: str = ""

    def quoted(self, most: int) -> bool:
        """Whether one of the first `most` quotes holds an answer, whatever the confidence."""
        return any(holds_answer(quote.text, self.question.answers) for quote in self.quotes[:most])


@dataclass(frozen=True)
class AnswerMeasures:
    """Shares of questions; None where the set has none to tell.

    `first`, `three` and `rival`: of the questions with answers, those of which the first quote, one of the first three, or the
    rival's sentence holds one, whatever the confidence. `auroc`: how well confidence tells answerable questions from the
    others. `precision` and `recall` are those of refusing at the threshold. `curve` has for each threshold the share of all
    questions that are answered (coverage), and the share of these whose first quote holds an answer (precision).
    """

    questions: int
    unanswerable: int
    threshold: float
    first: float | None
    three: float | None
    rival: float | None
    auroc: float | None
    precision: float | None
    recall: float | None
    curve: tuple[tuple[float, float, float | None], ...]


def run(
    chosen: EvaluationSet,
    direction: str,
    searcher: Searcher,
    threshold: float | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Tried]:
    """Ask every judged question of a direction, and every unanswerable one in the language that it is asked in."""
    judged, filters = chosen.judged(direction), filters_of(direction)
    asked_in = direction.rpartition("-")[0]
    without = [one for one in chosen.unanswerable if asked_in in ("", one.lang)]
    if not judged + without:
        raise InvalidRequest(f"{chosen.name} has no questions {direction}", "direction")
    found = []
    for number, (question, answerable) in enumerate([*((one, True) for one in judged), *((one, False) for one in without)], 1):
        answer = ask(searcher, question.text, filters=filters, threshold=threshold, literal=True)
        quotes = tuple(Quoted(quote.text, quote.entry.key, quote.start, quote.end) for quote in answer.best)
        rival = _rival(searcher, answer) if question.answers and answerable else ""
        found.append(Tried(question, answerable, answer.answered, answer.confidence, quotes, rival))
        if progress:
            progress(number, len(judged) + len(without))
    return found


def _rival(searcher: Searcher, answer: Answer) -> str:
    question = answer.results.question
    nearest = next((hit for hit in answer.results.hits if "dense" in hit.ranks and hit.ranks["dense"].rank == 1), None)
    nearest = nearest or (answer.results.hits[0] if answer.results.hits else None)
    if nearest is None:
        return ""
    texts = [nearest.passage.text[start:end] for start, end in sentences(nearest.passage.text)]
    cosines = searcher.encoder.encode_passages(texts) @ searcher.encoder.encode_query(question)
    return texts[int(cosines.argmax())]


def measure(tried: Sequence[Tried], threshold: float) -> AnswerMeasures:
    """The measures over what was tried, refusing below `threshold`."""
    known = [one for one in tried if one.answerable and one.question.answers]
    right = [one.confidence for one in tried if one.answerable]
    wrong = [one.confidence for one in tried if not one.answerable]
    refused = sum(value < threshold for value in wrong)
    all_refused = refused + sum(value < threshold for value in right)
    return AnswerMeasures(
        len(right),
        len(wrong),
        threshold,
        _share(one.quoted(1) for one in known),
        _share(one.quoted(3) for one in known),
        _share(holds_answer(one.rival, one.question.answers) for one in known),
        auroc(right, wrong) if right and wrong else None,
        refused / all_refused if wrong and all_refused else None,
        refused / len(wrong) if wrong else None,
        tuple(_point(tried, step) for step in _STEPS) if known else (),
    )


def _point(tried: Sequence[Tried], threshold: float) -> tuple[float, float, float | None]:
    answered = [one for one in tried if one.confidence >= threshold]
    told = [one for one in answered if one.question.answers or not one.answerable]
    return threshold, len(answered) / len(tried), _share(one.answerable and one.quoted(1) for one in told)


def _share(values: Iterable[bool]) -> float | None:
    listed = list(values)
    return sum(listed) / len(listed) if listed else None


def write(tried: Iterable[Tried], file: TextIO) -> None:
    """One JSON line for each question: its id, whether it is answered and how surely, and the quotes, best first.

    The quotes are there below the threshold too, so that others can be tried; `entry_id` is the id of the corpus item.
    """
    for one in tried:
        line = {
            "query_id": one.question.id,
            "answered": one.answered,
            "confidence": one.confidence,
            "answer": [asdict(quote) for quote in one.quotes],
        }
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def as_row(found: AnswerMeasures) -> Mapping[str, object]:
    """The measures by name, rounded for people and for JSON."""
    shares = {name: getattr(found, name) for name in ("first", "three", "rival", "auroc", "precision", "recall")}
    return {
        **{name: None if value is None else round(value, 4) for name, value in shares.items()},
        "questions": found.questions,
        "unanswerable": found.unanswerable,
        "threshold": found.threshold,
        "curve": [
            {"threshold": step, "coverage": round(coverage, 4), "precision": None if share is None else round(share, 4)}
            for step, coverage, share in found.curve
        ],
    }
