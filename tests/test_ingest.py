"""The write walk: what a second look at the same documents changes, and what is left when a run does not end well."""

import bz2
import gzip
import json
import resource
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import index.ingest
from embed import Encoder
from embed.encoder import Reading, Span
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import lock
from index.documents import Facts, Failure
from index.errors import IndexBusy, InvalidRequest, ModelMismatch, NotAnIndex
from index.ingest import Report, ingest
from index.records import Window
from index.search import Searcher
from index.space import content_spans, estimate
from index.store import FILE, Changes, Store

DAY = Facts(lang="fr", tz="Europe/Paris", day=date(2023, 5, 23))
PAGE = """Le fil de la journée.
11h58 : Le Kremlin réagit
Le Kremlin a exprimé sa « profonde préoccupation ».
07h44 : Une incursion armée
Des combattants sont entrés dans la région de Belgorod. Le village est évacué.
06h25 : Une revendication
Une légion revendique l’attaque.
"""


SAMPLE = frozenset(sample_texts(1000, seed=3))
"""What a new index takes the means of the model from; more than it takes."""


class CountingEncoder(HashingEncoder):
    """Keeps what it was asked for of its own; fails, or is interrupted, at the text that `fails_at` is part of."""

    def __init__(self, fails_at: str = "", error: BaseException | None = None) -> None:
        super().__init__()
        self.texts: list[str] = []
        self._fails_at = fails_at
        self._error = error or RuntimeError("the encoder broke")

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        own = [text for text in texts if text not in SAMPLE]
        if self._fails_at and any(self._fails_at in text for text in own):
            raise self._error
        self.texts.extend(own)
        return super().read_passages(texts, spans)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "index"


def jsonl(entries: Mapping[str, str], **more: str) -> str:
    return "".join(json.dumps({"_id": key, "text": text, "lang": "fr", **more}) + "\n" for key, text in entries.items())


def dump(folder: Path) -> dict[str, list[tuple[object, ...]]]:
    db = sqlite3.connect(folder / FILE)
    try:
        tables = [name for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")]
        return {table: db.execute(f"SELECT * FROM {table}").fetchall() for table in tables}
    finally:
        db.close()


def passage_ids(folder: Path) -> dict[str, list[int]]:
    """The passages that are there now, by the key of their entry."""
    with Store.open(folder) as store:
        generation = store.generation()
        return {
            entry.key: [passage.id for passage in store.passages_of(entry.id, generation)] for _, entry in store.all_current()
        }


def texts(folder: Path) -> dict[str, str]:
    """The entries that are there now."""
    with Store.open(folder) as store:
        return {entry.key: entry.text for _, entry in store.all_current()}


def assert_whole(folder: Path, encoder: Encoder) -> None:
    """Every entry has passages that cover it, every passage its vector and words, and the caches show just these."""
    with Store.open(folder) as store, Searcher(folder, encoder) as searcher:
        generation = store.generation()
        alive = set(store.allowed(generation, Window()).tolist())
        for _, entry in store.all_current():
            passages = store.passages_of(entry.id, generation)
            assert "".join("".join(passage.text.split()) for passage in passages) == "".join(entry.text.split())
            assert {passage.id for passage in passages} <= alive
        space = store.space()
        assert space is not None
        vectors = {
            i: (lang, row)
            for ids, langs, rows in store.born_vectors(-1, generation)
            for i, lang, row in zip(ids.tolist(), langs, rows, strict=True)
        }
        words = store.words(sorted(alive))
        assert set(vectors) == set(words) == alive
        for i, passage in store.passages(sorted(alive)).items():
            text = f"{passage.entry.title}\n{passage.text}".removeprefix("\n")
            (reading,) = encoder.read_passages([text], [content_spans(text, passage.entry.lang)])
            assert vectors[i][0] == passage.entry.lang
            assert np.array_equal(vectors[i][1], reading.vector.astype(np.float16).astype(np.float32))
            assert np.array_equal(words[i], space.codes(reading.words, passage.entry.lang))
        snapshot = searcher.reader.snapshot()
        assert snapshot.generation == generation
        every = encoder.encode_query("x")
        assert set(snapshot.vectors.nearest(every, 10_000).ids.tolist()) == alive


# The same documents again


def test_a_page_is_read_into_entries_and_passages(write: Callable[..., Path], folder: Path) -> None:
    encoder = CountingEncoder()
    report = ingest([write("fil/page.txt", PAGE)], folder, encoder, DAY)
    assert report == Report(documents=1, added=4, passages=4, embedded=4, generation=1)
    assert texts(folder) == {
        "lead": "Le fil de la journée.",
        "2023-05-23T11:58": "Le Kremlin a exprimé sa « profonde préoccupation ».",
        "2023-05-23T07:44": "Des combattants sont entrés dans la région de Belgorod. Le village est évacué.",
        "2023-05-23T06:25": "Une légion revendique l’attaque.",
    }
    assert encoder.texts[1] == "Le Kremlin réagit\nLe Kremlin a exprimé sa « profonde préoccupation »."
    assert_whole(folder, encoder)


def test_indexing_twice_changes_nothing(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    ingest([page], folder, HashingEncoder(), DAY)
    before = dump(folder)
    encoder = CountingEncoder()
    assert ingest([page], folder, encoder, DAY) == Report(documents=1, unchanged=4, generation=1)
    assert (dump(folder), encoder.texts) == (before, [])


def test_an_entry_at_the_top_of_the_page_adds_one_entry(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    before = passage_ids(folder)
    lead, rest = PAGE.split("\n", 1)
    page = write("fil/page.txt", f"{lead}\n12h30 : Un démenti\nKiev dément.\n{rest}")
    encoder = CountingEncoder()
    report = ingest([page], folder, encoder, DAY)
    assert report == Report(documents=1, added=1, unchanged=4, passages=1, embedded=1, generation=2)
    assert encoder.texts == ["Un démenti\nKiev dément."]
    assert passage_ids(folder) == before | {"2023-05-23T12:30": [5]}
    assert_whole(folder, encoder)


def test_editing_an_entry_replaces_its_passages_only(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    before = passage_ids(folder)
    page = write("fil/page.txt", PAGE.replace("est évacué", "est rasé"))
    encoder = CountingEncoder()
    report = ingest([page], folder, encoder, DAY)
    assert report == Report(documents=1, changed=1, unchanged=3, passages=1, embedded=1, generation=2)
    assert len(encoder.texts) == 1
    assert passage_ids(folder) == before | {"2023-05-23T07:44": [5]}
    with Searcher(folder, encoder) as searcher:
        found = {hit.passage.id for hit in searcher.search("Belgorod village évacué rasé").hits}
    assert found == {1, 2, 4, 5}
    assert_whole(folder, encoder)


def test_an_edit_embeds_only_the_passages_that_have_no_vector(write: Callable[..., Path], folder: Path) -> None:
    sentences = [f"{'Mot ' * 90}fin {n}." for n in range(5)]
    ingest([write("fil/a.jsonl", jsonl({"a": " ".join(sentences), "b": "Autre."}))], folder, HashingEncoder())
    assert passage_ids(folder) == {"a": [1, 2, 3, 4, 5], "b": [6]}
    sentences[3] = f"{'Mot ' * 90}autrement."
    encoder = CountingEncoder()
    report = ingest([write("fil/a.jsonl", jsonl({"a": " ".join(sentences), "b": "Autre."}))], folder, encoder)
    assert report == Report(documents=1, changed=1, unchanged=1, passages=5, embedded=1, generation=2)
    assert encoder.texts == [sentences[3]]
    assert passage_ids(folder) == {"b": [6], "a": [7, 8, 9, 10, 11]}
    assert_whole(folder, encoder)


def test_an_edit_taken_back_embeds_nothing(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    ingest([write("fil/page.txt", PAGE.replace("est évacué", "est rasé"))], folder, HashingEncoder(), DAY)
    encoder = CountingEncoder()
    report = ingest([write("fil/page.txt", PAGE)], folder, encoder, DAY)
    assert report == Report(documents=1, changed=1, unchanged=3, passages=1, embedded=0, generation=3)
    assert encoder.texts == []


def test_equal_passages_are_embedded_once(write: Callable[..., Path], folder: Path) -> None:
    encoder = CountingEncoder()
    report = ingest([write("fil/a.jsonl", jsonl({"a": "Direct.", "b": "Direct.", "c": "Fin."}))], folder, encoder)
    assert report == Report(documents=1, added=3, passages=3, embedded=2, generation=1)
    assert encoder.texts == ["Direct.", "Fin."]
    assert_whole(folder, encoder)


def test_equal_passages_are_embedded_once_also_when_others_lie_between(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.ingest, "_EMBED_EVERY", 2)
    encoder = CountingEncoder()
    page = write("fil/a.jsonl", jsonl({"a": "Direct.", "b": "Un.", "c": "Direct.", "d": "Deux."}))
    assert ingest([page], folder, encoder) == Report(documents=1, added=4, passages=4, embedded=3, generation=1)
    assert encoder.texts == ["Direct.", "Un.", "Deux."]


def test_equal_passages_of_two_languages_have_words_of_their_own(write: Callable[..., Path], folder: Path) -> None:
    encoder = CountingEncoder()
    page = write("fil/a.jsonl", jsonl({"a": "Direct."}) + jsonl({"b": "Direct."}, lang="en"))
    assert ingest([page], folder, encoder) == Report(documents=1, added=2, passages=2, embedded=2, generation=1)
    assert encoder.texts == ["Direct.", "Direct."]
    assert_whole(folder, encoder)


def test_a_change_of_language_alone_computes_the_words_again(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/a.jsonl", jsonl({"a": "Direct."}))], folder, HashingEncoder())
    encoder = CountingEncoder()
    report = ingest([write("fil/a.jsonl", jsonl({"a": "Direct."}, lang="en"))], folder, encoder)
    assert (report.changed, report.embedded, encoder.texts) == (1, 1, ["Direct."])
    assert_whole(folder, encoder)


def test_an_index_is_made_in_the_space_of_its_model_and_stays_in_it(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = estimate(HashingEncoder())
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    with monkeypatch.context() as patch:
        patch.setattr(index.ingest, "space_of", lambda encoder: pytest.fail("the index has a space"))
        ingest([write("fil/other.txt", "07h44 : Ailleurs\nUne incursion ailleurs.\n")], folder, HashingEncoder(), DAY)
    with Store.open(folder) as store:
        space = store.space()
    assert space is not None
    assert space.to_json() == expected.to_json()
    assert_whole(folder, HashingEncoder())


def test_a_passage_without_words_is_indexed_and_found(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/a.jsonl", jsonl({"a": "🙂 !!!", "b": "Le Kremlin dément."}))], folder, HashingEncoder())
    assert_whole(folder, HashingEncoder())
    with Store.open(folder) as store:
        assert {i: codes.shape for i, codes in store.words([1, 2]).items()} == {1: (0, 32), 2: (2, 32)}
    with Searcher(folder, HashingEncoder()) as searcher:
        assert [hit.passage.entry.key for hit in searcher.search("Kremlin").hits] == ["b", "a"]


def test_a_change_of_date_or_address_alone_is_a_change(write: Callable[..., Path], folder: Path) -> None:
    a = {"a": "Direct."}
    ingest([write("fil/a.jsonl", jsonl(a, date="2023-05-23"))], folder, HashingEncoder())
    for more in ({"date": "2023-05-24"}, {"date": "2023-05-24", "url": "https://example.org"}):
        encoder = CountingEncoder()
        report = ingest([write("fil/a.jsonl", jsonl(a, **more))], folder, encoder)
        assert (report.changed, report.embedded, encoder.texts) == (1, 0, [])


def test_an_entry_gone_from_the_page_is_withdrawn(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    other = write("fil/other.txt", "07h44 : Ailleurs\nUne incursion ailleurs.\n")
    ingest([page, other], folder, HashingEncoder(), DAY)
    page = write("fil/page.txt", PAGE.replace("07h44 : Une incursion armée\n", ""))
    assert ingest([page], folder, HashingEncoder(), DAY) == Report(
        documents=1, changed=1, unchanged=2, withdrawn=1, passages=1, embedded=1, generation=2
    )
    with Searcher(folder, HashingEncoder()) as searcher:
        hits = searcher.search("Une incursion armée", k=100).hits
        assert {(hit.passage.entry.source, hit.passage.entry.key) for hit in hits} == {
            ("fil/page.txt", "lead"),
            ("fil/page.txt", "2023-05-23T11:58"),
            ("fil/page.txt", "2023-05-23T06:25"),
            ("fil/other.txt", "2023-05-23T07:44"),
        }
    assert_whole(folder, HashingEncoder())


def test_an_index_from_which_everything_was_withdrawn_finds_nothing(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/a.jsonl", jsonl({"a": "Un.", "b": "Deux."}))], folder, HashingEncoder())
    report = ingest([write("fil/a.jsonl", jsonl({"c": "Trois."}))], folder, HashingEncoder())
    assert report == Report(documents=1, added=1, withdrawn=2, passages=1, embedded=1, generation=2)
    with Store.open(folder) as store, lock.writing(folder):
        store.commit(Changes(withdrawn=list(store.keys("fil/a.jsonl").values())), HashingEncoder().card)
    with Searcher(folder, HashingEncoder()) as searcher:
        found = searcher.search("Trois")
        assert (found.generation, found.hits) == (3, ())


@given(
    pages=st.lists(
        st.dictionaries(st.sampled_from("abcdefg"), st.sampled_from(["Un.", "Deux !", "Trois ?", "x " * 200]), min_size=1),
        min_size=2,
        max_size=4,
    )
)
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_index_is_the_page_after_any_edits(tmp_path_factory: pytest.TempPathFactory, pages: list[dict[str, str]]) -> None:
    home = tmp_path_factory.mktemp("edits")
    path, folder = home / "a.jsonl", home / "index"
    before: dict[str, str] = {}
    ids: dict[str, list[int]] = {}
    generation = 0
    for page in pages:
        path.write_text(jsonl(page))
        report = ingest([path], folder, HashingEncoder())
        added = page.keys() - before.keys()
        changed = {key for key in page.keys() & before.keys() if page[key] != before[key]}
        gone = before.keys() - page.keys()
        generation += bool(added or changed or gone)
        assert (report.added, report.changed, report.withdrawn) == (len(added), len(changed), len(gone))
        assert (report.unchanged, report.generation) == (len(page) - len(added) - len(changed), generation)
        now = passage_ids(folder)
        assert {key: now[key] for key in page.keys() - added - changed} == {
            key: ids[key] for key in page.keys() - added - changed
        }
        assert texts(folder) == page
        assert_whole(folder, HashingEncoder())
        before, ids = page, now


# Documents that cannot be read, or not twice


def test_a_file_with_a_bad_part_withdraws_nothing(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/a.jsonl", jsonl({"a": "Un.", "b": "Deux."}))], folder, HashingEncoder())
    page = write("fil/a.jsonl", jsonl({"a": "Un."}) + "{broken\n" + jsonl({"c": "Trois."}))
    report = ingest([page], folder, HashingEncoder())
    (failure,) = report.failures
    assert (failure.source, failure.reason[:11]) == ("fil/a.jsonl, line 2", "is not JSON")
    report.failures = []
    assert report == Report(documents=1, added=1, unchanged=1, passages=1, embedded=1, generation=2)
    assert texts(folder) == {"a": "Un.", "b": "Deux.", "c": "Trois."}


def test_a_file_that_breaks_off_keeps_what_the_index_has_of_it(write: Callable[..., Path], folder: Path) -> None:
    whole = gzip.compress(jsonl({f"{n}": f"Texte {n * n * 7919}." for n in range(2000)}).encode())
    page = write("fil/a.jsonl.gz", whole)
    ingest([page], folder, HashingEncoder())
    write("fil/a.jsonl.gz", whole[: len(whole) // 2])
    report = ingest([page], folder, HashingEncoder())
    assert (report.added, report.changed, report.withdrawn, report.generation) == (0, 0, 0, 1)
    assert [(failure.source, failure.reason[:28]) for failure in report.failures] == [
        ("fil/a.jsonl.gz", "cannot be read to its end: C")
    ]
    assert len(texts(folder)) == 2000


def test_what_cannot_be_read_is_named_and_the_rest_is_indexed(write: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    write("fil/a.txt", PAGE)
    write("fil/b.txt", b"\x00\x01binary")
    write("fil/c.txt", "")
    write("fil/d.pdf", b"%PDF-1.7")
    report = ingest([tmp_path / "fil", tmp_path / "missing"], folder, HashingEncoder(), DAY)
    assert [failure.source for failure in report.failures] == ["fil/b.txt", "fil/c.txt", "fil/d.pdf", f"{tmp_path}/missing"]
    assert (report.documents, report.added, report.generation) == (5, 4, 1)


def test_a_document_that_became_unreadable_keeps_its_entries(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    ingest([page], folder, HashingEncoder(), DAY)
    write("fil/page.txt", b"\xff\xfe\x00")
    report = ingest([page], folder, HashingEncoder(), DAY)
    assert (report.withdrawn, len(report.failures), report.generation) == (0, 1, 1)
    assert len(texts(folder)) == 4


def test_a_document_named_twice_is_read_once(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    report = ingest([page, page.parent, page.parent / ".." / "fil" / "page.txt"], folder, HashingEncoder(), DAY)
    assert report == Report(documents=1, added=4, passages=4, embedded=4, generation=1)


def test_two_files_under_one_name_are_refused(write: Callable[..., Path], folder: Path) -> None:
    first, second = write("a/fil/page.txt", PAGE), write("b/fil/page.txt", PAGE.replace("Kremlin", "Élysée"))
    reason = "another file is indexed as 'fil/page.txt'; give this one a 'source' of its own in a manifest.toml"
    together = ingest([first, second], folder, HashingEncoder(), DAY)
    assert together == Report(
        documents=2, added=4, passages=4, embedded=4, failures=[Failure("fil/page.txt", reason)], generation=1
    )
    later = ingest([second], folder, HashingEncoder(), DAY)
    assert later == Report(documents=1, failures=[Failure("fil/page.txt", reason)], generation=1)
    write("b/fil/manifest.toml", '[[document]]\nfile = "page.txt"\nsource = "fil/other.txt"\nlang = "fr"\n')
    named = ingest([second], folder, HashingEncoder(), DAY)
    assert (named.added, named.withdrawn, named.failures, len(texts(folder))) == (4, 0, [], 4)
    with Store.open(folder) as store:
        assert [(source.name, source.entries) for source in store.sources(2)] == [("fil/other.txt", 4), ("fil/page.txt", 4)]


def test_a_file_that_has_moved_is_still_the_same_source(write: Callable[..., Path], folder: Path) -> None:
    first = write("a/fil/page.txt", PAGE)
    ingest([first], folder, HashingEncoder(), DAY)
    first.unlink()
    moved = write("b/fil/page.txt", PAGE.replace("est évacué", "est rasé"))
    report = ingest([moved], folder, HashingEncoder(), DAY)
    assert report == Report(documents=1, changed=1, unchanged=3, passages=1, embedded=1, generation=2)
    with Store.open(folder) as store:
        assert store.origin("fil/page.txt") == str(moved)


def test_when_nothing_can_be_read_no_index_is_left(write: Callable[..., Path], folder: Path, tmp_path: Path) -> None:
    empty = write("fil/a.txt", "")
    report = ingest([empty], folder, HashingEncoder())
    assert report == Report(documents=1, failures=[Failure("fil/a.txt", "is empty")])
    assert not folder.exists()
    # A folder that was there before stays, and may still become an index.
    folder.mkdir()
    ingest([empty], folder, HashingEncoder())
    assert [path.name for path in folder.iterdir()] == [lock.FILE]
    assert ingest([write("fil/a.txt", PAGE)], folder, HashingEncoder(), DAY).added == 4


def test_when_nothing_can_be_read_an_index_that_was_there_stays(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    before = dump(folder)
    assert ingest([write("fil/a.txt", "")], folder, HashingEncoder()).generation == 1
    assert dump(folder) == before


def test_a_folder_that_is_no_index_is_refused_and_left_as_it_was(write: Callable[..., Path], folder: Path) -> None:
    mine = write("index/mine.txt", "à moi")
    with pytest.raises(NotAnIndex, match="is not empty and holds no index; choose another folder for --index"):
        ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder())
    assert [(path.name, path.read_text()) for path in folder.iterdir()] == [(mine.name, "à moi")]


def test_another_model_is_refused_and_changes_nothing(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    ingest([page], folder, HashingEncoder(), DAY)
    before = dump(folder)
    with pytest.raises(ModelMismatch, match=r"\(256 dimensions, 1\), not with 'hashing' \(64 dimensions, 1\)"):
        ingest([page], folder, HashingEncoder(64), DAY)
    assert dump(folder) == before


def test_an_unknown_time_zone_is_refused_and_leaves_nothing(write: Callable[..., Path], folder: Path) -> None:
    with pytest.raises(InvalidRequest, match="no time zone 'Paris'"):
        ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), Facts(tz="Paris", day=date(2023, 5, 23)))
    assert not folder.exists()


def test_progress_is_told_along_the_way(write: Callable[..., Path], folder: Path) -> None:
    told = []
    page = write("fil/a.jsonl", jsonl({f"{n}": f"Texte {n}." for n in range(600)}))
    ingest([page], folder, HashingEncoder(), progress=lambda report: told.append((report.added, report.embedded)))
    assert told == sorted(told)
    assert len(told) >= 3
    assert told[-1][0] == 600


def test_the_seeds_are_six_entries(seeds: Path, folder: Path) -> None:
    report = ingest([seeds], folder, HashingEncoder())
    assert (report.documents, report.added, report.failures, report.generation) == (1, 6, [], 1)
    assert_whole(folder, HashingEncoder())


# How far a run is


@pytest.mark.parametrize("packed", ["plain", "gzip", "zip", "tar"])
def test_a_run_says_how_much_it_has_read_of_all(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch, packed: str
) -> None:
    monkeypatch.setattr(index.ingest, "_COMPARE_EVERY", 50)
    lines = jsonl({f"{n}": f"Phrase numéro {n}, {n * 7919 % 1000} fois dite autrement." for n in range(2000)}).encode()
    if packed == "gzip":
        lines = gzip.compress(lines)
    if packed in ("zip", "tar"):
        parts = [write(f"parts/{n}.jsonl", lines[at : at + 30_000]) for n, at in enumerate(range(0, len(lines), 30_000))]
        page = Path(shutil.make_archive(str(parts[0].parent.parent / "fil" / "a"), packed, parts[0].parent))
    else:
        page = write("fil/a.jsonl", lines)
    other = write("fil/b.txt", "Un autre texte.\n")
    told: list[tuple[int, int]] = []
    ingest([page.parent], folder, HashingEncoder(), progress=lambda report: told.append((report.read, report.size)))
    size = page.stat().st_size + other.stat().st_size
    assert {all_of_it for _, all_of_it in told} == {size}
    read = [so_far for so_far, _ in told]
    assert read == sorted(read)
    # It is told on the way, and not only when a document is at its end.
    assert len({so_far for so_far in read if 0 < so_far < page.stat().st_size}) > 3
    assert read[-1] >= page.stat().st_size


def test_what_cannot_tell_how_far_it_is_counts_at_its_end(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/a.jsonl", bz2.compress(jsonl({f"{n}": f"Phrase numéro {n}." for n in range(600)}).encode()))
    write("fil/b.txt", "Un autre texte.\n")
    told: list[int] = []
    ingest([page.parent], folder, HashingEncoder(), progress=lambda report: told.append(report.read))
    assert set(told) == {0, page.stat().st_size}


def test_what_a_long_run_has_committed_is_found_before_it_ends(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.ingest, "_SHOW_EVERY", 0.0)
    monkeypatch.setattr(index.ingest, "_EMBED_EVERY", 10)
    monkeypatch.setattr(index.ingest, "_COMMIT_EVERY", 50)
    ingest([write("fil/a.txt", "Le Kremlin réagit.\n")], folder, HashingEncoder())
    found: list[tuple[int, int]] = []
    with Searcher(folder, HashingEncoder()) as searcher:

        def ask(report: Report) -> None:
            if report.generation > 1:
                results = searcher.search("numéro", 100)
                found.append((results.generation, sum(hit.passage.entry.key != "0" for hit in results.hits)))

        page = write("fil/b.jsonl", jsonl({f"{n + 1}": f"Phrase numéro {n}." for n in range(200)}))
        ingest([page], folder, HashingEncoder(), progress=ask)
        assert searcher.search("numéro", 100).generation == 5
    # A run's own commits, while it was under way: at the latest when the next was written.
    assert {2, 3, 4} <= {generation for generation, _ in found}
    assert max(count for _, count in found) >= 100
    assert_whole(folder, HashingEncoder())


# Runs that do not end


def test_an_interrupted_run_keeps_whole_commits_and_goes_on_later(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.ingest, "_EMBED_EVERY", 4)
    monkeypatch.setattr(index.ingest, "_COMMIT_EVERY", 8)
    entries = {f"{n:02}": f"{'Mot ' * 90}premier {n}. {'Mot ' * 90}second {n}." for n in range(20)}
    page = write("fil/a.jsonl", jsonl(entries))
    for error in (RuntimeError("the encoder broke"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            ingest([page], folder, CountingEncoder("second 11", error))
        # Eight passages are four entries: the third such commit was never made.
        assert list(texts(folder)) == [f"{n:02}" for n in range(8)]
        assert_whole(folder, HashingEncoder())
    encoder = CountingEncoder()
    report = ingest([page], folder, encoder)
    assert report == Report(documents=1, added=12, unchanged=8, passages=24, embedded=24, generation=5)
    assert texts(folder) == entries
    assert_whole(folder, encoder)


def test_a_large_document_that_is_killed_again_and_again_is_embedded_once(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(index.ingest, "_EMBED_EVERY", 20)
    monkeypatch.setattr(index.ingest, "_COMMIT_EVERY", 40)
    entries = {f"{n:03}": f"Phrase numéro {n:03}." for n in range(400)}
    page = write("fil/a.jsonl.gz", gzip.compress(jsonl(entries).encode()))
    embedded = 0
    for fails_at in (f"{n:03}." for n in (90, 210, 330)):
        encoder = CountingEncoder(fails_at)
        with pytest.raises(RuntimeError):
            ingest([page], folder, encoder)
        embedded += len(encoder.texts)
    encoder = CountingEncoder()
    report = ingest([page], folder, encoder)
    embedded += len(encoder.texts)
    # Each time at most two batches were under way.
    assert len(entries) <= embedded <= len(entries) + 3 * 80
    assert report.unchanged >= 330 - 80
    assert texts(folder) == entries
    assert_whole(folder, HashingEncoder())


def test_a_run_interrupted_before_its_first_commit_leaves_nothing(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/page.txt", PAGE)
    for error in (RuntimeError("the encoder broke"), KeyboardInterrupt()):
        with pytest.raises(type(error)):
            ingest([page], folder, CountingEncoder("Kremlin", error), DAY)
        assert not folder.exists()


def test_an_interrupted_update_leaves_the_last_state(write: Callable[..., Path], folder: Path) -> None:
    ingest([write("fil/page.txt", PAGE)], folder, HashingEncoder(), DAY)
    before = dump(folder)
    page = write("fil/page.txt", PAGE.replace("06h25 : Une revendication\n", "").replace("évacué", "rasé"))
    with pytest.raises(RuntimeError, match="the encoder broke"):
        ingest([page], folder, CountingEncoder("rasé"), DAY)
    assert dump(folder) == before
    assert_whole(folder, HashingEncoder())


SCRIPT = """
import os, signal, sys
from pathlib import Path
import index.ingest
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import FilrougeError
{before}
try:
    report = index.ingest.ingest([Path(sys.argv[1])], Path(sys.argv[2]), HashingEncoder())
except FilrougeError as error:
    print(type(error).__name__, error)
else:
    print(report.added, report.generation)
"""


def in_another_process(page: Path, folder: Path, before: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-c", SCRIPT.format(before=before), str(page), str(folder)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_a_second_writer_is_told_that_the_index_is_busy(
    write: Callable[..., Path], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    page = write("fil/a.jsonl", jsonl({"a": "Un."}))
    with lock.writing(folder):
        refused = in_another_process(page, folder, before="index.ingest.lock.PATIENCE = 0")
    assert (refused.stdout, refused.stderr) == (
        f"IndexBusy another process is writing to the index {folder}; try again when it has ended\n",
        "",
    )
    with lock.writing(folder), pytest.raises(IndexBusy):
        ingest([page], folder, HashingEncoder())
    assert in_another_process(page, folder).stdout == "1 1\n"


@pytest.mark.parametrize("first", [True, False], ids=["a new index", "an index with caches"])
def test_a_process_killed_between_its_commit_and_the_caches_loses_nothing(
    write: Callable[..., Path], folder: Path, first: bool
) -> None:
    if not first:
        ingest([write("fil/b.jsonl", jsonl({"b": "Le Kremlin dément."}))], folder, HashingEncoder())
    page = write("fil/a.jsonl", jsonl({f"{n}": f"Le Kremlin numéro {n}." for n in range(30)}))
    killed = in_another_process(
        page, folder, "index.ingest.catch_up = lambda *args, **named: os.kill(os.getpid(), signal.SIGKILL)"
    )
    assert (killed.returncode, killed.stdout, killed.stderr) == (-9, "", "")
    with Searcher(folder, HashingEncoder()) as searcher:
        found = searcher.search("Kremlin", k=100)
        assert (found.generation, len(found.hits)) == (1 + (not first), 30 + (not first))
        assert {name for hit in found.hits for name in hit.ranks} == {"dense", "lexical", "words"}
    assert ingest([page], folder, HashingEncoder()).unchanged == 30
    assert_whole(folder, HashingEncoder())


def test_a_process_killed_before_its_first_commit_leaves_an_index_that_can_go_on(
    write: Callable[..., Path], folder: Path
) -> None:
    page = write("fil/a.jsonl", jsonl({"a": "Un."}))
    killed = in_another_process(page, folder, "index.embedding.embed = lambda *args: os.kill(os.getpid(), signal.SIGKILL)")
    assert killed.returncode == -9
    assert ingest([page], folder, HashingEncoder()) == Report(documents=1, added=1, passages=1, embedded=1, generation=1)
    assert_whole(folder, HashingEncoder())


def test_a_full_disk_is_told_in_a_sentence_and_the_last_generation_still_answers(
    write: Callable[..., Path], folder: Path
) -> None:
    ingest([write("fil/a.jsonl", jsonl({"a": "Le Kremlin dément."}))], folder, HashingEncoder())
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    page = write("fil/b.jsonl", jsonl({f"{n}": f"{'Le Kremlin ' * 50}{n}." for n in range(300)}))
    # No file may grow beyond this: the database itself stops in the middle of the commit.
    full = in_another_process(
        page, folder, f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, resource.RLIM_INFINITY))"
    )
    assert (full.returncode, full.stderr) == (0, "")
    assert full.stdout == (
        f"StorageError the index {folder}: disk I/O error; free some space and run the same command again: "
        "nothing of the unfinished step was kept\n"
    )
    with Searcher(folder, HashingEncoder()) as searcher:
        found = searcher.search("Kremlin", k=100)
        assert (found.generation, [hit.passage.text for hit in found.hits]) == (1, ["Le Kremlin dément."])
    assert ingest([page], folder, HashingEncoder()).added == 300
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def test_a_full_disk_leaves_no_new_index(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/b.jsonl", jsonl({f"{n}": f"{'Le Kremlin ' * 50}{n}." for n in range(100)}))
    full = in_another_process(
        page, folder, "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))"
    )
    assert full.stdout.startswith(f"StorageError the index {folder}: disk I/O error; free some space")
    assert not folder.exists()


def test_a_cache_that_cannot_be_written_is_told_and_every_entry_is_safe(write: Callable[..., Path], folder: Path) -> None:
    page = write("fil/a.jsonl", jsonl({"a": "Le Kremlin dément."}))
    ingest([page], folder, HashingEncoder())
    shutil.rmtree(folder / "cache")
    (folder / "cache").write_text("not a folder")
    page = write("fil/a.jsonl", jsonl({"a": "Le Kremlin dément.", "b": "Kiev aussi."}))
    told = in_another_process(page, folder)
    assert told.stdout == (
        f"StorageError cannot write the search cache of {folder}: File exists; "
        "every entry is safe: free some space and try again\n"
    )
    (folder / "cache").unlink()
    with Searcher(folder, HashingEncoder()) as searcher:
        assert {hit.passage.entry.key for hit in searcher.search("Kiev").hits} == {"a", "b"}
