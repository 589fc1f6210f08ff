"""The best passages, read again: what is asked for comes first, and nothing else moves."""

import json
from collections.abc import Iterator

import numpy as np
import pytest

from embed.hashing import HashingEncoder
from index.evidence import understand
from index.ingest import ingest
from index.records import Ranking
from index.reread import READ, reread
from index.search import Searcher

TEXTS = [
    "Le Thalys de Paris est supprimé à cause de la grève.",
    "La grève du Thalys inquiète les voyageurs de Paris.",
    "Le Thalys de Paris, supprimé à cause de la grève, devait partir à 7 h 16.",
    *(f"Une nouvelle parmi d’autres, la {n}e du soir, et rien de plus." for n in range(20)),
]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    home = tmp_path_factory.mktemp("reread")
    lines = [json.dumps({"_id": f"{n}", "text": text, "lang": "fr"}) + "\n" for n, text in enumerate(TEXTS)]
    (home / "fil.jsonl").write_text("".join(lines))
    ingest([home / "fil.jsonl"], home / "index", HashingEncoder())
    with Searcher(home / "index", HashingEncoder()) as searcher:
        yield searcher


def order(searcher: Searcher, question: str, ids: list[int], scores: list[float]) -> Ranking:
    snapshot = searcher.reader.snapshot()
    given = Ranking(np.array(ids, np.int64), np.array(scores, np.float32))
    return reread(understand(question, searcher.encoder, snapshot), given, snapshot)[0]


def test_the_passage_whose_sentence_gives_what_is_asked_for_comes_first(searcher: Searcher) -> None:
    found = order(searcher, "À quelle heure devait partir le Thalys supprimé ?", [1, 2, 3], [0.32, 0.31, 0.3])
    assert found.ids.tolist() == [3, 1, 2]
    # Scores fall as before: how likely it is that one of them answers has not changed.
    assert found.scores.tolist() == pytest.approx([0.32, 0.31, 0.3])


def test_a_passage_that_lies_far_above_stays_there(searcher: Searcher) -> None:
    found = order(searcher, "À quelle heure devait partir le Thalys supprimé ?", [1, 2, 3], [0.99, 0.02, 0.01])
    assert found.ids.tolist()[0] == 1


def test_a_question_for_anything_else_keeps_its_ranking(searcher: Searcher) -> None:
    found = order(searcher, "Pourquoi le Thalys est-il supprimé ?", [2, 1, 3], [0.32, 0.31, 0.3])
    assert found.ids.tolist() == [2, 1, 3]


def test_only_the_first_are_read(searcher: Searcher) -> None:
    others = list(range(4, 4 + READ))
    found = order(searcher, "À quelle heure devait partir le Thalys supprimé ?", [*others, 3], [0.3] * (READ + 1))
    assert found.ids.tolist()[READ] == 3
    assert sorted(found.ids.tolist()) == sorted([*others, 3])


@pytest.mark.parametrize("question", ["Combien ?", "Qui ?", "Où est-ce ?"])
def test_nothing_ranked_stays_nothing(searcher: Searcher, question: str) -> None:
    assert len(order(searcher, question, [], [])) == 0


def test_a_search_reads_again_and_says_what_the_score_was_before(searcher: Searcher) -> None:
    hits = searcher.search("À quelle heure devait partir le Thalys supprimé ?", k=20).hits
    assert hits[0].passage.text == TEXTS[2]
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert sorted(hit.unread for hit in hits[:READ]) == pytest.approx(sorted(hit.score for hit in hits[:READ]))
    assert [hit.unread for hit in hits[READ:]] == [hit.score for hit in hits[READ:]]
