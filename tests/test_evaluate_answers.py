"""Answers are measured through the same walk as every door, by arithmetic that a reader can do again."""

import io
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index import evaluate, evaluate_answers
from index.answer import ask
from index.errors import InvalidRequest
from index.evaluate_answers import Quoted, Tried, measure
from index.judgements import EvaluationSet, Question, load
from index.search import Searcher

CORPUS = [
    {"_id": "fr", "title": "Kiev", "text": "Le maire parle. Douze drones ont été abattus à Kiev. Rien de plus.", "lang": "fr"},
    {"_id": "en", "title": "", "text": "The governor speaks. Eight people were wounded in Belgorod.", "lang": "en"},
    *({"_id": f"{n}", "title": "", "text": f"La pluie tombe sur la ville numéro {n}.", "lang": "fr"} for n in range(12)),
]
QUERIES = [
    {"_id": "q1", "text": "Combien de drones ont été abattus à Kiev ?", "lang": "fr", "answers": ["douze"]},
    {"_id": "q2", "text": "How many people were wounded in Belgorod?", "lang": "en", "answers": ["8", "eight people"]},
    {"_id": "q3", "text": "Où tombe la pluie ?", "lang": "fr"},
]
WITHOUT = [
    {"_id": "u1", "text": "Qui a gagné le tournoi de Rome ?", "lang": "fr"},
    {"_id": "u2", "text": "Who won the tournament in Rome?", "lang": "en"},
]


@pytest.fixture
def chosen(tmp_path: Path) -> EvaluationSet:
    folder = tmp_path / "petit"
    folder.mkdir()
    for name, rows in (("corpus", CORPUS), ("queries", QUERIES), ("queries_unanswerable", WITHOUT)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels.tsv").write_text("q1\tfr\t1\nq2\ten\t1\nq3\t3\t1\n")
    return load(folder)


@pytest.fixture
def searcher(chosen: EvaluationSet, tmp_path: Path) -> Iterator[Searcher]:
    encoder = HashingEncoder()
    with Searcher(evaluate.prepare(chosen, tmp_path / "cache", encoder), encoder) as searcher:
        yield searcher


def tried(
    confidence: float,
    answerable: bool = True,
    quotes: tuple[str, ...] = (),
    answers: tuple[str, ...] = ("oui",),
    rival: str = "",
) -> Tried:
    question = Question("q", "?", "fr", {"c": 1} if answerable else {}, answers)
    return Tried(
        question, answerable, confidence >= 0.5, confidence, tuple(Quoted(one, "c", 0, len(one)) for one in quotes), rival
    )


def test_every_question_is_asked_as_anyone_would(chosen: EvaluationSet, searcher: Searcher) -> None:
    counted: list[tuple[int, int]] = []
    found = evaluate_answers.run(chosen, "mix", searcher, 0.3, lambda *at: counted.append(at))
    assert [(one.question.id, one.answerable) for one in found] == [
        ("q1", True), ("q2", True), ("q3", True), ("u1", False), ("u2", False),
    ]  # fmt: skip
    assert counted == [(n, 5) for n in range(1, 6)]
    for one in found:
        answer = ask(searcher, one.question.text, threshold=0.3)
        assert (one.confidence, one.answered) == (answer.confidence, answer.answered)
        assert [quote.text for quote in one.quotes] == [quote.text for quote in answer.best]
    assert found[0].quotes[0] == Quoted("Douze drones ont été abattus à Kiev.", "fr", 16, 52)
    assert (found[0].quoted(1), found[1].quoted(1)) == (True, True)
    # Nothing is known of the answer to the third question, nor is there a rival then.
    assert [bool(one.rival) for one in found] == [True, True, False, False, False]


def test_a_direction_has_the_unanswerable_questions_of_its_language(chosen: EvaluationSet, searcher: Searcher) -> None:
    asked = {way: [one.question.id for one in evaluate_answers.run(chosen, way, searcher)] for way in ("fr-fr", "en-en")}
    assert asked == {"fr-fr": ["q1", "q3", "u1"], "en-en": ["q2", "u2"]}
    with pytest.raises(InvalidRequest) as caught:
        evaluate_answers.run(EvaluationSet("vide", chosen.corpus, (), {}, ()), "fr-en", searcher)
    assert caught.value.field == "direction"


def test_the_rival_is_the_nearest_sentence_of_the_nearest_passage(chosen: EvaluationSet, searcher: Searcher) -> None:
    first = evaluate_answers.run(chosen, "mix", searcher)[0]
    texts = ["Le maire parle.", "Douze drones ont été abattus à Kiev.", "Rien de plus."]
    cosines = searcher.encoder.encode_passages(texts) @ searcher.encoder.encode_query(first.question.text)
    assert first.rival == texts[int(cosines.argmax())]


def test_shares_are_of_the_questions_that_have_answers() -> None:
    found = measure(
        [
            tried(0.9, quotes=("Oui.", "Non."), rival="Non."),
            tried(0.8, quotes=("Non.", "Oui !"), rival="oui"),
            tried(0.7, quotes=("Non.",)),
            tried(0.6, quotes=()),
            # Its answer is not known: it says nothing of quotes.
            tried(0.6, quotes=("Oui.",), answers=()),
        ],
        0.5,
    )
    assert (found.questions, found.unanswerable) == (5, 0)
    assert (found.first, found.three, found.rival) == (1 / 4, 2 / 4, 1 / 4)
    assert (found.auroc, found.precision, found.recall) == (None, None, None)


def test_refusing_is_measured_at_the_threshold() -> None:
    right, wrong = (
        (tried(0.9), tried(0.4), tried(0.7)),
        (tried(0.2, False), tried(0.4, False), tried(0.8, False), tried(0.1, False)),
    )
    found = measure([*right, *wrong], 0.5)
    # Refused are one answerable question and three others; all but one of those.
    assert (found.precision, found.recall) == (3 / 4, 3 / 4)
    # Of twelve pairs 4 + 2.5 + 3 are in order.
    assert found.auroc == pytest.approx(9.5 / 12)
    assert measure([tried(0.9), tried(0.8, False)], 0.5).precision is None
    assert measure([tried(0.9), tried(0.8, False)], 0.5).recall == 0.0


def test_the_curve_has_coverage_and_precision_at_each_threshold() -> None:
    found = measure(
        [
            tried(0.9, quotes=("Oui.",)),
            tried(0.6, quotes=("Non.",)),
            tried(0.6, quotes=("Oui.",), answers=()),
            tried(0.3, False, quotes=("Oui.",)),
        ],
        0.5,
    )
    curve = {step: (coverage, precision) for step, coverage, precision in found.curve}
    assert (min(curve), max(curve), len(curve)) == (0.0, 0.95, 20)
    # An unanswerable question that is answered is wrong; one whose answer is not known is covered and not judged.
    assert curve[0.0] == (4 / 4, 1 / 3)
    assert curve[0.5] == (3 / 4, 1 / 2)
    assert curve[0.9] == (1 / 4, 1 / 1)
    assert curve[0.95] == (0.0, None)
    assert measure([tried(0.9, answers=())], 0.5).curve == ()


def test_answers_are_written_one_line_a_question_with_the_items_ids(chosen: EvaluationSet, searcher: Searcher) -> None:
    file = io.StringIO()
    evaluate_answers.write(evaluate_answers.run(chosen, "mix", searcher, 0.5), file)
    lines = [json.loads(line) for line in file.getvalue().splitlines()]
    assert [line["query_id"] for line in lines] == ["q1", "q2", "q3", "u1", "u2"]
    originals = {str(item["_id"]): str(item["text"]) for item in CORPUS}
    for line in lines:
        assert set(line) == {"query_id", "answered", "confidence", "answer"}
        assert 0 <= line["confidence"] <= 1
        for quote in line["answer"]:
            assert set(quote) == {"text", "entry_id", "start", "end"}
            assert originals[quote["entry_id"]][quote["start"] : quote["end"]] == quote["text"]
    assert lines[0]["answered"] is True
    assert lines[0]["answer"][0]["text"] == "Douze drones ont été abattus à Kiev."
    # What was not answered has its quotes too, so that another threshold can be tried on the file.
    assert (lines[3]["answered"], bool(lines[3]["answer"])) == (False, True)


def test_a_row_is_rounded_and_has_the_curve_by_name() -> None:
    row = evaluate_answers.as_row(measure([tried(0.9, quotes=("Oui.",)), *[tried(0.2, quotes=("Non.",))] * 2], 0.3))
    assert (row["first"], row["three"], row["auroc"], row["threshold"]) == (0.3333, 0.3333, None, 0.3)
    curve = row["curve"]
    assert isinstance(curve, list)
    assert curve[10] == {"threshold": 0.5, "coverage": 0.3333, "precision": 1.0}
    json.dumps(row)
