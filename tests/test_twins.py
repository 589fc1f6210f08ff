"""Passages that say the same are shown once."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from index.errors import NotFound
from index.ingest import ingest
from index.search import Searcher
from index.store import Store
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


def test_an_entry_knows_the_entries_that_say_the_same(tmp_path: Path) -> None:
    longer = "\n".join([WIRE, *(f"Le bateau numéro {n} attend au large depuis lundi, selon le port." for n in range(9))])
    entries = [
        *(("a", WIRE), ("b", WIRE.replace(",", " —")), ("c", "Le port de Marseille rouvre mercredi."), ("d", f"{WIRE} Vidéo.")),
        *(("x", longer), ("y", longer.replace("lundi", "mardi")), ("z", "🙂")),
    ]
    with index_of(tmp_path, *entries) as searcher:
        ids = {entry.key: entry.id for _, entry in the_store(searcher).all_current()}
        keys = {entry_id: key for key, entry_id in ids.items()}
        found = {key: [keys[other] for other in searcher.twins(entry_id)] for key, entry_id in ids.items()}
        assert found == {"a": ["b", "d"], "b": ["a", "d"], "c": [], "d": found["d"], "x": ["y"], "y": ["x"], "z": []}
        assert set(found["d"]) == {"a", "b"}
        with pytest.raises(NotFound):
            searcher.twins("none")


def the_store(searcher: Searcher) -> Store:
    """The store of a folder."""
    assert isinstance(searcher.reader.store, Store)
    return searcher.reader.store


def test_the_twins_of_an_entry_are_those_of_the_time(tmp_path: Path) -> None:
    with index_of(tmp_path, ("a", WIRE), ("b", WIRE)) as searcher:
        then = datetime.now(UTC)
        a, b = (entry.id for _, entry in the_store(searcher).all_current())
        (tmp_path / "b.jsonl").write_text(json.dumps({"_id": "b", "text": "Démenti du préfet.", "lang": "fr"}) + "\n")
        ingest([tmp_path / "b.jsonl"], tmp_path / "index", HashingEncoder())
        assert (searcher.twins(a), searcher.twins(a, then), searcher.twins(b, then)) == ((), (b,), (a,))
