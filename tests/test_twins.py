"""Passages that say the same are shown once."""

import json
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.ingest import ingest
from index.search import Searcher
from index.twins import ALIKE, alike, wording

WIRE = "Un incendie a détruit dans la nuit de lundi à mardi un entrepôt du port de Marseille, sans faire de victime."


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (WIRE, True),
        (WIRE.upper(), True),
        (WIRE.replace(",", " —"), True),
        (WIRE.replace("’", "'"), True),
        (WIRE.replace("Marseille", "Toulon"), False),
        (WIRE.replace("sans faire de victime", "et fait trois blessés"), False),
        ("", False),
        ("🙂", False),
    ],
)
def test_the_same_wording_is_a_twin_whatever_its_dress(other: str, same: bool) -> None:
    assert alike(wording(WIRE), wording(other)) is same
    assert alike(wording(other), wording(WIRE)) is same


def test_one_word_in_twenty_makes_no_difference_and_one_in_ten_does() -> None:
    words = [f"mot{chr(97 + n)}" for n in range(19)]
    assert ALIKE == 0.9
    assert alike(wording(" ".join(words)), wording(" ".join([*words, "autre"])))
    assert not alike(wording(" ".join(words[:9])), wording(" ".join([*words[:8], "autre"])))


def test_texts_without_words_are_twins_only_of_themselves() -> None:
    assert alike(wording("🙂"), wording(" 🙂 "))
    assert not alike(wording("🙂"), wording("👩"))


def index_of(tmp_path: Path, *entries: tuple[str, str]) -> Searcher:
    for name, text in entries:
        (tmp_path / f"{name}.jsonl").write_text(json.dumps({"_id": name, "text": text, "lang": "fr"}) + "\n")
    ingest(sorted(tmp_path.glob("*.jsonl")), tmp_path / "index", HashingEncoder())
    return Searcher(tmp_path / "index", HashingEncoder())


def test_the_same_text_of_several_entries_is_one_hit_with_its_twins(tmp_path: Path) -> None:
    entries = [("a", WIRE), ("b", WIRE.replace(",", "")), ("c", "Le port de Marseille rouvre mercredi."), ("d", WIRE)]
    with index_of(tmp_path, *entries) as searcher:
        found = searcher.search("incendie à Marseille").hits
        assert [hit.rank for hit in found] == [1, 2]
        first = next(hit for hit in found if hit.twins)
        ids = {searcher.reader.store.entry(hit.passage.entry.id, 1).key: hit.passage.entry.id for hit in found}
        assert sorted([first.passage.entry.key, *(searcher.reader.store.entry(i, 1).key for i in first.twins)]) == [
            "a",
            "b",
            "d",
        ]
        assert "c" in ids


def test_what_is_folded_makes_room_for_what_comes_after(tmp_path: Path) -> None:
    entries = [*((f"w{n}", WIRE) for n in range(6)), ("x", "Marseille compte un port."), ("y", "Un incendie à Toulon.")]
    with index_of(tmp_path, *entries) as searcher:
        found = searcher.search("incendie à Marseille", k=3).hits
        assert len(found) == 3
        assert sorted(len(hit.twins) for hit in found) == [0, 0, 5]


def test_an_entry_that_repeats_itself_is_not_its_own_twin(tmp_path: Path) -> None:
    text = "\n".join([WIRE] * 8)
    (tmp_path / "a.jsonl").write_text(json.dumps({"_id": "a", "text": text, "lang": "fr"}) + "\n")
    encoder = HashingEncoder(token_limit=40)
    ingest([tmp_path / "a.jsonl"], tmp_path / "index", encoder)
    with Searcher(tmp_path / "index", encoder) as searcher:
        found = searcher.search("incendie").hits
        assert len(found) > 1
        assert all(hit.twins == () for hit in found)
