"""Hits of several questions become one list: best first, each passage once, and what says the same folded."""

from index.merge import merged
from index.records import Entry, Hit, Passage

TEXTS = {
    1: "Deux blessés dans une attaque de drones à Belgorod.",
    2: "Le Kremlin exprime sa profonde préoccupation.",
    3: "Moscou annonce la fin de l’opération antiterroriste.",
    # The same as the first, in another entry.
    4: "Deux blessés dans une attaque de drones à Belgorod.",
}


def hit(number: int, score: float, twins: tuple[str, ...] = ()) -> Hit:
    text = TEXTS[number]
    return Hit(9, Passage(number, Entry("fil", f"{number}", "", text, "fr"), 0, len(text)), score, twins=twins)


def shown(*found: list[Hit], k: int = 10) -> list[tuple[int, int, float]]:
    return [(one.rank, one.passage.id, one.score) for one in merged(found, k)]


def test_a_passage_stands_once_with_its_best_score() -> None:
    assert shown([hit(1, 0.5), hit(2, 0.2)], [hit(2, 0.9), hit(1, 0.1)]) == [(1, 2, 0.9), (2, 1, 0.5)]


def test_equal_scores_stand_in_the_order_of_the_ids() -> None:
    assert shown([hit(3, 0.5)], [hit(2, 0.5)], [hit(1, 0.5)]) == [(1, 1, 0.5), (2, 2, 0.5), (3, 3, 0.5)]


def test_no_more_than_k_are_given() -> None:
    assert shown([hit(1, 0.5), hit(2, 0.2)], [hit(3, 0.3)], k=2) == [(1, 1, 0.5), (2, 3, 0.3)]
    assert shown([], [], k=2) == []


def test_what_says_the_same_is_folded_into_the_better_hit_also_beyond_k() -> None:
    (best,) = merged([[hit(1, 0.5, twins=("known",))], [hit(4, 0.4), hit(2, 0.1)]], 1)
    assert best.passage.id == 1
    assert best.twins == ("known", hit(4, 0.4).passage.entry.id)
