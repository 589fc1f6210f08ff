"""What of a ranking is shown: each wording once, with the votes of the ranking that it comes from."""

from pathlib import Path

import numpy as np
import pytest

from embed import ModelCard
from index.errors import StorageError
from index.records import Entry, Ranking, Vote
from index.shown import Ranked, hits, pick, shown_before
from index.space import KINDS, Space
from index.store import Changes, NewPassage, Origin, Store

CARD = ModelCard("demo", "1", 4, 64)
SPACE = Space({kind: dict.fromkeys(("fr", "en"), np.zeros(4, dtype=np.float32)) for kind in KINDS})
TEXTS = ["Un incendie au port.", "Un incendie, au port !", "Le maire parle.", "UN INCENDIE AU PORT", "Le maire parle."]


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """Entries 1 to 5, of one passage each: 1, 2 and 4 say the same, and so do 3 and 5."""
    store = Store.create(tmp_path, CARD, lambda: SPACE)
    entries = [Entry("s", str(n), "", text, "fr") for n, text in enumerate(TEXTS, 1)]
    store.commit(Changes([Origin("s", "s", "UTC")], [(one, [NewPassage(0, len(one.text), b"")]) for one in entries]), CARD)
    return store


def ranking(*ids: int) -> Ranking:
    return Ranking(np.array(ids, dtype=np.int64), np.linspace(1, 0.5, len(ids)).astype(np.float32))


def keys(store: Store, ids: list[str]) -> list[str]:
    named = {entry_id: key for key, entry_id in store.keys("s").items()}
    return [named[one] for one in ids]


def test_what_says_the_same_is_folded_into_the_best(store: Store) -> None:
    picked = pick(store, ranking(2, 3, 1, 4, 5), 5)
    assert [one.passage.id for one in picked.shown] == [2, 3]
    assert [keys(store, one.twins) for one in picked.shown] == [["1", "4"], ["5"]]
    assert (picked.folded, picked.passed) == ([1, 4, 5], [])


def test_what_an_earlier_page_showed_is_passed_over_and_named(store: Store) -> None:
    with pytest.raises(StorageError, match=r"passage 99 .* is lost"):
        shown_before(store, [2, 99])
    earlier = shown_before(store, [2])
    assert [one.passage.id for one in earlier] == [2]
    picked = pick(store, ranking(1, 3, 4, 5), 5, earlier)
    assert [one.passage.id for one in picked.shown] == [3]
    assert [(keys(store, [entry]), passage) for entry, passage in picked.passed] == [(["1"], 2), (["4"], 2)]
    assert picked.folded == [1, 4, 5]


def test_a_hit_has_the_votes_of_its_own_ranking(store: Store) -> None:
    first = Ranked(ranking(3), {"dense": ranking(1, 3)}, ranking(3))
    rest = Ranked(ranking(1), {"dense": ranking(3, 1), "lexical": ranking(1)}, ranking(1))
    shown = hits("incendie", "fr", pick(store, ranking(3, 1), 5), [first, rest], before=10)
    assert [(hit.rank, hit.passage.id, hit.ranks) for hit in shown] == [
        (11, 3, {"dense": Vote(2, 0.5)}),
        (12, 1, {"dense": Vote(2, 0.5), "lexical": Vote(1, 1.0)}),
    ]
    assert [hit.passage.text[start:end] for hit in shown for start, end in hit.highlights] == ["incendie"]
