"""What speaks for a sentence, by arithmetic that a reader can do again."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from embed.hashing import HashingEncoder
from index.evidence import Asked, understand
from index.ingest import ingest
from index.question import Kind
from index.quotes import Sentence, Sought, by_passage, read
from index.reader import Snapshot
from index.records import Passage
from index.search import Searcher
from index.space import Codes, matches, word_spans
from index.store import Store

TEXT = "Le maire parle. Douze drones ont été abattus à Kiev ! « Rien », dit-on. Le Kremlin dément."
LINES = [
    {"_id": "fr", "title": "Kiev", "text": TEXT, "lang": "fr"},
    {"_id": "en", "title": "", "text": "The mayor speaks. Twelve drones were shot down.", "lang": "en"},
    *({"_id": f"{n}", "title": "", "text": f"Le Kremlin parle, {n}.", "lang": "fr"} for n in range(6)),
]


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    home = tmp_path_factory.mktemp("quotes")
    (home / "fil.jsonl").write_text("".join(json.dumps(line) + "\n" for line in LINES))
    encoder = HashingEncoder()
    ingest([home / "fil.jsonl"], home / "index", encoder)
    with Searcher(home / "index", encoder) as searcher:
        yield searcher


def asked(searcher: Searcher, question: str) -> tuple[Asked, Snapshot]:
    snapshot = searcher.reader.snapshot()
    return understand(question, searcher.encoder, snapshot), snapshot


def passage(searcher: Searcher, key: str) -> Passage:
    return next(hit.passage for hit in searcher.search("Kiev", k=50).hits if hit.passage.entry.key == key)


def read_out(searcher: Searcher, question: str, key: str = "fr") -> list[Sentence]:
    understood, snapshot = asked(searcher, question)
    return read(understood, Sought.of(understood, snapshot), [(passage(searcher, key), 0.5)], snapshot)


def test_every_sentence_of_a_passage_is_read_at_its_place(searcher: Searcher) -> None:
    found = read_out(searcher, "Combien de drones ?")
    assert [one.text for one in found] == [
        "Le maire parle.",
        "Douze drones ont été abattus à Kiev !",
        "« Rien », dit-on.",
        "Le Kremlin dément.",
    ]
    assert [TEXT[one.start : one.end] for one in found] == [one.text for one in found]
    assert {(one.score, one.kind) for one in found} == {(0.5, Kind.NUMBER)}
    assert [one.names for one in found] == [False, True, False, False]


def test_a_sentence_that_follows_a_question_counts_its_words_as_its_own(tmp_path: Path) -> None:
    line = {"_id": "live", "title": "Kiev", "text": "Qui a frappé le dépôt ? La Légion. Le maire parle.", "lang": "fr"}
    (tmp_path / "fil.jsonl").write_text(json.dumps(line))
    ingest([tmp_path / "fil.jsonl"], tmp_path / "index", HashingEncoder())
    with Searcher(tmp_path / "index", HashingEncoder()) as searcher:
        question, answer, other = read_out(searcher, "Qui a frappé le dépôt ?", "live")
        assert answer.text == "La Légion."
        assert question.cover == answer.cover == pytest.approx(1)
        assert answer.words >= question.words > other.words
        assert other.cover == 0
        # What it says itself counts as well.
        question, answer, _ = read_out(searcher, "Légion dépôt", "live")
        assert 0 < question.cover < answer.cover == pytest.approx(1)
        assert question.words < answer.words


def test_several_passages_are_read_in_their_order_each_with_its_score(searcher: Searcher) -> None:
    understood, snapshot = asked(searcher, "drones")
    sought = Sought.of(understood, snapshot)
    found = read(understood, sought, [(passage(searcher, "en"), 0.7), (passage(searcher, "fr"), 0.2)], snapshot)
    assert [one.score for one in found] == [0.7] * 2 + [0.2] * 4
    assert read(understood, sought, [], snapshot) == []


def test_what_was_read_before_is_not_read_again_and_gets_the_score_that_it_has_now(
    searcher: Searcher, monkeypatch: pytest.MonkeyPatch
) -> None:
    understood, snapshot = asked(searcher, "Combien de drones ?")
    sought, both = Sought.of(understood, snapshot), [(passage(searcher, "en"), 0.7), (passage(searcher, "fr"), 0.2)]
    whole = read(understood, sought, both, snapshot)
    known = by_passage(read(understood, sought, [(passage(searcher, "fr"), 0.9)], snapshot))
    assert {i: len(some) for i, some in known.items()} == {passage(searcher, "fr").id: 4}
    looked_up: list[int] = []
    words = type(snapshot.store).words

    def watched(store: Store, ids: Sequence[int]) -> Mapping[int, Codes]:
        looked_up.extend(ids)
        return words(store, ids)

    monkeypatch.setattr(type(snapshot.store), "words", watched)
    assert read(understood, sought, both, snapshot, known) == whole
    assert looked_up == [both[0][0].id]


def test_cover_is_the_share_of_the_words_that_the_sentence_holds_by_rarity(searcher: Searcher) -> None:
    # Of eight passages seven have the Kremlin and two have drones, one of them in English.
    rare, common = (np.log(1 + (8 - held + 0.5) / (held + 0.5)) for held in (2, 7))
    covers = [one.cover for one in read_out(searcher, "Kremlin drones")]
    assert covers == pytest.approx([0.0, rare / (rare + common), 0.0, common / (rare + common)], abs=1e-5)
    # A word that no passage holds is the rarest of all.
    none = np.log(1 + 8.5 / 0.5)
    assert read_out(searcher, "drones zeppelins")[1].cover == pytest.approx(rare / (rare + none), abs=1e-5)
    assert {one.cover for one in read_out(searcher, "le la les")} == {0.0}


def test_a_translation_covers_a_word_in_part(searcher: Searcher) -> None:
    alone, both = (read_out(searcher, question)[0].cover for question in ("mayor", "maire"))
    assert 0 < alone <= both == 1.0
    understood, snapshot = asked(searcher, "the mayor")
    sought = Sought.of(understood, snapshot)
    assert sought.cover({"en:mayor"}) == 1.0
    assert sought.cover({"fr:mair"}) == pytest.approx(alone, abs=1e-5)
    assert sought.cover(set()) == 0.0


def test_a_word_is_unknown_when_no_passage_holds_it_in_either_language(searcher: Searcher) -> None:
    unknown = {"Kremlin drones": 0, "the mayor": 0, "zeppelin Kremlin": 1, "zeppelin xylophone ?": 2, "?": 0}
    assert {question: Sought.of(*asked(searcher, question)).unknown for question in unknown} == unknown


def test_words_are_matched_with_those_of_the_sentence_alone(searcher: Searcher) -> None:
    question = "drones abattus"
    found = read_out(searcher, question)
    understood, snapshot = asked(searcher, question)
    codes = snapshot.store.words([passage(searcher, "fr").id])[passage(searcher, "fr").id]
    # Content words: Kiev (the title), maire, parle, douze, drones, abattus, Kiev, rien, dit, Kremlin, dément.
    assert len(codes) == 11
    for place, (first, last) in enumerate([(1, 3), (3, 7), (7, 9), (9, 11)]):
        expected = matches(understood.words, [codes[first:last]])[0].mean()
        assert found[place].words == pytest.approx(float(expected), abs=1e-5), place
    assert max(found, key=lambda one: one.words) == found[1]
    assert len(understood.words) == len(word_spans(question)) == 2


def test_a_question_without_words_and_a_sentence_without_words_match_nothing(
    searcher: Searcher, tmp_path: Path, encoder: HashingEncoder
) -> None:
    assert {one.words for one in read_out(searcher, "?!")} == {0.0}
    (tmp_path / "odd.jsonl").write_text(json.dumps({"_id": "odd", "text": "Et le ? Il y a Kiev."}) + "\n")
    ingest([tmp_path / "odd.jsonl"], tmp_path / "index", encoder)
    with Searcher(tmp_path / "index", encoder) as odd:
        understood, snapshot = asked(odd, "Kiev")
        found = read(understood, Sought.of(understood, snapshot), [(odd.search("Kiev").hits[0].passage, 1.0)], snapshot)
    assert [(one.text, one.words > 0) for one in found] == [("Et le ?", False), ("Il y a Kiev.", True)]
