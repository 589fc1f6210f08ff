"""What speaks for a passage: of every passage that any ranking finds, the same."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from embed.hashing import HashingEncoder
from index import evidence
from index.evidence import REACH, gather, gather_all, understand
from index.ingest import ingest
from index.reader import Filters
from index.search import Searcher
from index.space import word_spans


def opened(folder: Path, lines: list[dict[str, str]], encoder: HashingEncoder) -> Searcher:
    (folder / "fil.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ingest([folder / "fil.jsonl"], folder / "index", encoder)
    return Searcher(folder / "index", encoder)


def test_a_question_is_understood_in_its_language_with_its_words_in_the_other(tmp_path: Path, encoder: HashingEncoder) -> None:
    with opened(tmp_path, [{"_id": "a", "text": "La guerre continue.", "lang": "fr"}], encoder) as searcher:
        asked = understand("Who started the war?", encoder, searcher.reader.snapshot())
    assert (asked.text, asked.lang) == ("Who started the war?", "en")
    assert asked.vector.shape == (encoder.card.dimension,)
    assert asked.words.shape == (len(word_spans("Who started the war?")), encoder.card.dimension)
    # What no passage holds is looked for nowhere.
    assert [list(word.terms) for word in asked.terms] == [[]]
    assert (asked.spelled(), list(asked.translated())) == ({}, ["fr:guerr"])


def test_every_passage_that_any_ranking_finds_has_all_the_evidence(tmp_path: Path, encoder: HashingEncoder) -> None:
    lines = [
        {"_id": f"{n}", "text": f"{subject} {n} est là.", "lang": "fr"}
        for n, subject in enumerate(["Un drone", "Le Kremlin", "La guerre", "Un pilote"] * 8)
    ]
    with opened(tmp_path, lines, encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        asked = understand("Kremlin 7", encoder, snapshot)
        shallow, votes = gather(asked, 3, Filters(), snapshot)
        deep, _ = gather(asked, 1000, Filters(), snapshot)
    assert shallow.ids.tolist() == sorted({i for name in ("dense", "lexical", "translated") for i in votes[name].ids.tolist()})
    assert set(votes["words"].ids.tolist()) == set(shallow.ids.tolist())
    assert len(deep.ids) == 32
    places = np.searchsorted(deep.ids, shallow.ids)
    for name in ("cosine", "near_cosine", "near_words", "near_terms", "near_translations"):
        assert getattr(shallow, name) == pytest.approx(getattr(deep, name)[places], abs=1e-6), name


def test_a_passage_is_helped_by_its_neighbours_of_the_same_entry_alone(tmp_path: Path) -> None:
    long = "Le Kremlin dément toute attaque. " + "Rien de neuf ce soir. " * 40 + "Une phrase de fin."
    file = tmp_path / "fil.jsonl"
    lines = [{"_id": "long", "text": long, "lang": "fr"}, {"_id": "short", "text": "Une phrase de fin.", "lang": "fr"}]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    encoder = HashingEncoder(token_limit=40)
    ingest([file], tmp_path / "index", encoder)
    with Searcher(tmp_path / "index", encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        evidence, votes = gather(understand("Kremlin", encoder, snapshot), 100, Filters(), snapshot)
        points = dict(votes["lexical"])
        (first,) = points
        # The passages of an entry are numbered in its order.
        assert first == evidence.ids[0]
        found = evidence.near_terms.round(4).tolist()
        assert found == pytest.approx([points[first]] * 3 + [0.0] * (len(found) - 3), abs=1e-4)
        assert len(found) > 4


def test_words_found_in_neighbouring_passages_add_up_and_each_counts_once(tmp_path: Path) -> None:
    long = (
        "Le Kremlin dément toute attaque. "
        + "Le Kremlin se tait encore ce soir, dit-on partout en ville. " * 40
        + "Shanghai attend le ministre."
    )
    file = tmp_path / "fil.jsonl"
    file.write_text(json.dumps({"_id": "long", "text": long, "lang": "fr"}) + "\n")
    encoder = HashingEncoder(token_limit=40)
    ingest([file], tmp_path / "index", encoder)
    with Searcher(tmp_path / "index", encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        evidence, _ = gather(understand("Kremlin Shanghai", encoder, snapshot), 100, Filters(), snapshot)
        alone = [gather(understand(word, encoder, snapshot), 100, Filters(), snapshot) for word in ("Kremlin", "Shanghai")]
        kremlin, shanghai = (dict(votes["lexical"]) for _, votes in alone)
        ids = evidence.ids.tolist()
        assert len(ids) > 4
        for place, i in enumerate(ids):
            near = [other for other in ids if abs(other - i) <= REACH]
            best = [max(points.get(other, 0.0) for other in near) for points in (kremlin, shanghai)]
            assert evidence.near_terms[place] == pytest.approx(sum(best), abs=1e-4)


@pytest.mark.parametrize("lang", [None, "fr"])
def test_all_passages_have_the_evidence_that_they_have_among_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lang: str | None
) -> None:
    encoder = HashingEncoder(token_limit=12)
    lines = [
        {
            "_id": f"{n}",
            "text": " ".join(f"{subject} {n * 7 + at} est là ce soir." for at in range(n % 5 + 1)),
            "lang": "en" if n % 3 == 0 else "fr",
        }
        for n, subject in enumerate(["Un drone", "Le Kremlin", "La guerre", "Un pilote"] * 5)
    ]
    # No entry fits in so few at a time.
    monkeypatch.setattr(evidence, "_AT_ONCE", 2)
    with opened(tmp_path, lines, encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        asked = understand("Où est le Kremlin 7 ?", encoder, snapshot)
        among, votes = gather(asked, 1000, Filters(lang=lang), snapshot)
        everything, all_votes = gather_all(asked, Filters(lang=lang), snapshot)
    assert len(everything.ids) > 20
    for one in dataclasses.fields(among):
        assert getattr(everything, one.name) == pytest.approx(getattr(among, one.name), abs=1e-6, nan_ok=True), one.name
    for name, ranking in votes.items():
        assert dict(all_votes[name]) == pytest.approx(dict(ranking), abs=1e-6), name
        assert sorted(all_votes[name].scores.tolist(), reverse=True) == all_votes[name].scores.tolist()


def test_what_passes_no_filter_has_no_evidence(tmp_path: Path, encoder: HashingEncoder) -> None:
    with opened(tmp_path, [{"_id": "a", "text": "La guerre continue.", "lang": "fr"}], encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        found, votes = gather_all(understand("guerre", encoder, snapshot), Filters(lang="en"), snapshot)
    assert len(found.ids) == 0
    assert {name: len(ranking) for name, ranking in votes.items()} == dict.fromkeys(votes, 0)


def test_translations_count_where_they_say_more_than_the_word_and_in_the_other_language_alone(
    tmp_path: Path, encoder: HashingEncoder
) -> None:
    lines = [
        {"_id": "fr", "text": "La guerre continue.", "lang": "fr"},
        {"_id": "both", "text": "La guerre, war en anglais.", "lang": "fr"},
        {"_id": "en", "text": "The word guerre is French.", "lang": "en"},
    ]
    with opened(tmp_path, lines, encoder) as searcher:
        snapshot = searcher.reader.snapshot()
        evidence, votes = gather(understand("Who started the war?", encoder, snapshot), 100, Filters(), snapshot)
        keys = searcher.reader.store.entry_keys(evidence.ids.tolist())
    own, bridged = (dict(votes[name]) for name in ("lexical", "translated"))
    assert len(keys) == 3
    for place, i in enumerate(evidence.ids.tolist()):
        expected = max(bridged.get(i, 0) - own.get(i, 0), 0) if keys[i] != "en" else 0
        assert evidence.near_translations[place] == pytest.approx(expected, abs=1e-5), keys[i]
        assert (expected > 0) == (keys[i] == "fr")
