"""Each measure by arithmetic that a reader can do again, and all of them beside trec_eval's own."""

import io
import itertools
import math
import random

import numpy as np
import pytest
import pytrec_eval

from index.evaluate import Scored, measure, write_trec
from index.judgements import Question
from index.measures import auroc, hit, holds_answer, ndcg, recall, reciprocal_rank


def test_ndcg_of_graded_judgements() -> None:
    ranked = ["a", "b", "c", "d"]
    grades = {"a": 1, "b": 3, "d": 2}
    # Gains 1, 7, 0 and 3 at the places 1 to 4; at best 7, 3 and 1.
    gained = 1 / 1 + 7 / math.log2(3) + 3 / math.log2(5)
    best = 7 / 1 + 3 / math.log2(3) + 1 / 2
    assert ndcg(ranked, grades) == pytest.approx(gained / best)
    assert round(ndcg(ranked, grades), 4) == 0.7142


def test_ndcg_is_one_for_the_best_order_and_zero_without_a_hit() -> None:
    grades = {"a": 3, "b": 2, "c": 1}
    assert ndcg(["a", "b", "c"], grades) == 1.0
    assert ndcg(["x", "y"], grades) == 0.0
    assert ndcg([], grades) == 0.0
    assert ndcg(["a"], {}) == 0.0


def test_ndcg_looks_at_ten_places_in_the_ranking_and_in_the_ideal() -> None:
    ranked = [f"{n}" for n in range(20)]
    assert ndcg(ranked, {"10": 1}) == 0.0
    assert ndcg(ranked, {"9": 1}) == pytest.approx(1 / math.log2(11))
    # Twelve are relevant, ten fit, and the first ten are theirs.
    assert ndcg(ranked, {f"{n}": 1 for n in range(12)}) == pytest.approx(1.0)
    assert ndcg(ranked, {"1": 1}, k=1) == 0.0


def test_a_negative_or_zero_grade_is_not_relevant() -> None:
    grades = {"a": 0, "b": 1}
    assert (recall(["a"], grades), reciprocal_rank(["a", "b"], grades), hit(["a"], grades)) == (0.0, 0.5, 0.0)


def test_recall_is_of_as_many_as_fit() -> None:
    ranked = [f"{n}" for n in range(20)]
    assert recall(ranked, {"0": 1, "5": 2, "x": 1, "15": 1}) == 0.5
    # Of twelve relevant items ten fit among the first ten, and six are there.
    assert recall(ranked, {f"{n}": 1 for n in range(4, 16)}) == 0.6
    assert recall(ranked, {"4": 1}, k=4) == 0.0
    assert recall(ranked, {}) == 0.0


def test_reciprocal_rank_is_of_the_first_relevant_item_among_ten() -> None:
    ranked = [f"{n}" for n in range(20)]
    assert reciprocal_rank(ranked, {"3": 1, "7": 3}) == 0.25
    assert reciprocal_rank(ranked, {"9": 1}) == 0.1
    assert reciprocal_rank(ranked, {"10": 1}) == 0.0
    assert reciprocal_rank(ranked, {}) == 0.0


def test_a_hit_is_counted_at_the_first_place() -> None:
    assert hit(["a", "b"], {"a": 1}) == 1.0
    assert hit(["a", "b"], {"b": 3}) == 0.0
    assert hit(["a", "b"], {"b": 3}, k=2) == 1.0
    assert hit([], {"b": 3}) == 0.0


def scored_by_lot(seed: int, highest: int) -> list[Scored]:
    """Sixty questions with up to ten relevant of forty items; many scores are equal, and many lie next to each other."""
    lot = random.Random(seed)
    items = [f"d{n}" for n in range(40)]
    found = []
    for number in range(60):
        grades = {item: lot.randint(1, highest) for item in lot.sample(items, lot.randint(1, 10))}
        ranked = lot.sample(items, lot.randint(0, 40))
        scores = sorted((1 + lot.randint(0, 9) / 10 + lot.choice([0, 1e-7, 2e-7]) for _ in ranked), reverse=True)
        found.append(Scored(Question(f"q{number}", "?", "fr", grades), list(zip(ranked, scores, strict=True))))
    return found


@pytest.mark.parametrize("highest", [1, 3])
def test_the_measures_are_those_of_trec_eval_on_the_run_that_was_written(highest: int) -> None:
    scored = scored_by_lot(seed=highest, highest=highest)
    file = io.StringIO()
    write_trec(scored, file)
    run: dict[str, dict[str, float]] = {one.question.id: {} for one in scored}
    for line in file.getvalue().splitlines():
        question, _, item, rank, score, tag = line.split(" ")
        # MRR@10 ends at the tenth place; trec_eval's reciprocal rank does not.
        if int(rank) <= 10:
            run[question][item] = float(score)
        assert tag == "filrouge"
    # trec_eval takes a grade for its gain.
    gains = {one.question.id: {item: 2**grade - 1 for item, grade in one.question.grades.items()} for one in scored}
    evaluator = pytrec_eval.RelevanceEvaluator(gains, {"ndcg_cut_10", "recall_10", "recip_rank", "success_1"})
    theirs = evaluator.evaluate(run)
    for one in scored:
        ours = measure([one])
        row = theirs.get(one.question.id, dict.fromkeys(("ndcg_cut_10", "recall_10", "recip_rank", "success_1"), 0.0))
        assert (ours.ndcg10, ours.recall10, ours.mrr10, ours.hit1) == pytest.approx(
            (row["ndcg_cut_10"], row["recall_10"], row["recip_rank"], row["success_1"]), abs=1e-9
        )
    means = measure(scored)
    for mean, name in ((means.ndcg10, "ndcg_cut_10"), (means.mrr10, "recip_rank"), (means.hit1, "success_1")):
        assert mean == pytest.approx(sum(row[name] for row in theirs.values()) / 60, abs=1e-9)
    assert means.n == 60


def test_scores_in_a_run_fall_strictly_even_in_single_precision() -> None:
    items = [("a", 1.05), ("b", 1.05), ("c", 1.05 - 5e-8), ("d", 0.9), ("e", 0.9)]
    file = io.StringIO()
    write_trec([Scored(Question("q1", "?", "fr", {}), items), Scored(Question("q2", "?", "fr", {}), [])], file, tag="essai")
    assert file.getvalue() == (
        "q1 Q0 a 1 1.0500000 essai\n"
        "q1 Q0 b 2 1.0499990 essai\n"
        "q1 Q0 c 3 1.0499980 essai\n"
        "q1 Q0 d 4 0.9000000 essai\n"
        "q1 Q0 e 5 0.8999990 essai\n"
    )
    scores = [np.float32(line.split()[4]) for line in file.getvalue().splitlines()]
    assert all(before > after for before, after in itertools.pairwise(scores))


def test_auroc_is_the_share_of_pairs_in_order_ties_counting_half() -> None:
    chance = random.Random(5)
    for _ in range(50):
        right, wrong = ([chance.randrange(6) / 5 for _ in range(chance.randrange(1, 9))] for _ in range(2))
        pairs = [(one > other) + 0.5 * (one == other) for one in right for other in wrong]
        assert auroc(right, wrong) == pytest.approx(sum(pairs) / len(pairs))
    assert (auroc([1.0], [0.0]), auroc([0.0], [1.0]), auroc([0.5], [0.5])) == (1.0, 0.0, 0.5)
    assert auroc([], [1.0]) == auroc([1.0], []) == 0.5


@pytest.mark.parametrize(
    ("text", "answers", "held"),
    [
        ("Le maire de Paris.", ["paris"], True),
        ("Le maire de Paris.", ["Lyon", "le  MAIRE\n"], True),
        ("Les Parisiens.", ["Paris"], False),
        ("Il y en a 112.", ["12"], False),
        ("Il y en a 12 000.", ["12"], True),
        ("L’été dernier.", ["l'été"], True),
        ("Le cafe\u0301 est froid.", ["café"], True),
        ("Prix : 5 €.", ["5 €"], True),
        ("Rien.", [], False),
        ("Rien.", ["", " "], False),
        ("", ["Paris"], False),
        ("a.b", ["a.b"], True),
        ("axb", ["a.b"], False),
    ],
)
def test_an_answer_is_held_as_words_of_their_own(text: str, answers: list[str], held: bool) -> None:
    assert holds_answer(text, answers) is held
