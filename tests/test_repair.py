"""Caches made anew, and an index embedded with another model."""

import contextlib
import hashlib
import json
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import ModelCard, Reading, Span
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import lock, migrations
from index.errors import IndexBusy, ModelMismatch, NotAnIndex
from index.ingest import ingest, reembed
from index.records import Entry, Window
from index.repair import mend, rebuild_caches
from index.search import Searcher
from index.space import content_spans, estimate
from index.store import FILE, Store
from index.vectors import FaissVectors
from index.verify import verify
from tests.exact import lose_from_list

OLD = HashingEncoder().card


SAMPLE = frozenset(sample_texts(1000, seed=3))
"""What the means of a model are taken from; more than that."""


class OtherEncoder(HashingEncoder):
    """Another model: fewer dimensions, shorter texts. Fails at the text that `fails_at` is part of."""

    def __init__(self, fails_at: str = "") -> None:
        super().__init__(dimension=64, token_limit=24)
        self.texts: list[str] = []
        self._fails_at = fails_at

    @property
    def card(self) -> ModelCard:
        return ModelCard("other", "2", 64, 24)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        own = [text for text in texts if text not in SAMPLE]
        if self._fails_at and any(self._fails_at in text for text in own):
            raise RuntimeError("the encoder broke")
        self.texts.extend(own)
        return super().read_passages(texts, spans)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve entries of two sentences, each a passage under the old model and two under the other; one edited, one gone: these
    are two more versions, with three more sentences.
    """
    path = tmp_path / "fil" / "a.jsonl"
    path.parent.mkdir()
    for count, note in ((13, ""), (12, " bis")):
        entries = [
            {"_id": f"{n:02}", "lang": "fr", "text": f"Premier {n} {'a ' * 12}. Second {n} {'b ' * 12}{note * (n == 3)}."}
            for n in range(count)
        ]
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries))
        ingest([path], tmp_path / "index", HashingEncoder())
    return tmp_path / "index"


def found(folder: Path, encoder: HashingEncoder) -> list[tuple[int, str, float]]:
    with Searcher(folder, encoder) as searcher:
        hits = searcher.search("Premier 7 ou second 7 ?", k=100).hits
        return [(hit.passage.id, hit.passage.text, hit.score) for hit in hits]


# Caches


def test_rebuilt_caches_answer_as_before(folder: Path) -> None:
    before = found(folder, HashingEncoder())
    assert rebuild_caches(folder, OLD).generation == 2
    rebuilt = found(folder, HashingEncoder())
    # Passages that were removed no longer count in the statistics, so that scores and places may move a little.
    assert sorted((i, text) for i, text, _ in rebuilt) == sorted((i, text) for i, text, _ in before)
    shutil.rmtree(folder / "cache")
    assert rebuild_caches(folder, OLD).generation == 2
    assert found(folder, HashingEncoder()) == rebuilt


def test_rebuilt_caches_of_what_was_never_edited_give_the_same_scores(folder: Path) -> None:
    new = folder.with_name("new")
    ingest([folder.with_name("fil") / "a.jsonl"], new, HashingEncoder())
    before = found(new, HashingEncoder())
    assert rebuild_caches(new, OLD).generation == 1
    assert found(new, HashingEncoder()) == before


def test_rebuilding_clears_away_whatever_is_in_the_caches(folder: Path) -> None:
    (folder / "cache" / ".vectors-killed").touch()
    (folder / "cache" / "lexical" / "meta.json").write_text("{")
    rebuild_caches(folder, OLD)
    assert [path.name for path in (folder / "cache").iterdir()] == ["lexical"]
    assert len(found(folder, HashingEncoder())) == 12


def test_caches_are_not_touched_while_another_writes_or_for_another_model(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    (folder / "cache" / "witness").touch()
    with lock.writing(folder), pytest.raises(IndexBusy):
        rebuild_caches(folder, OLD)
    with pytest.raises(ModelMismatch):
        rebuild_caches(folder, OtherEncoder().card)
    assert (folder / "cache" / "witness").exists()


@pytest.mark.parametrize(
    "repair",
    [lambda folder: rebuild_caches(folder, OLD), lambda folder: reembed(folder, OtherEncoder())],
    ids=["caches", "model"],
)
def test_a_folder_that_is_no_index_is_left_as_it_was(tmp_path: Path, repair: Callable[[Path], object]) -> None:
    (tmp_path / "mine.txt").touch()
    for folder in (tmp_path, tmp_path / "nowhere"):
        with pytest.raises(NotAnIndex):
            repair(folder)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


# Another model


def test_an_index_embedded_with_another_model_is_that_model_s(folder: Path) -> None:
    other = OtherEncoder()
    told: list[int] = []
    assert reembed(folder, other, told.append) == 28
    assert told == list(range(2, 29, 2))
    assert len(set(other.texts)) == len(other.texts) == 27
    with Store.open(folder) as store:
        assert (store.card(), store.generation(), store.counts(3)) == (other.card, 3, (12, 24))
        born = list(store.born_vectors(-1, 3))
        ids = np.concatenate([some for some, _, _ in born]).tolist()
        assert ids == store.allowed(3, Window()).tolist()
        passages = store.passages(ids)
        vectors = np.concatenate([rows for _, _, rows in born])
        expected = other.encode_passages([passages[i].text for i in ids])
        assert np.array_equal(vectors, expected.astype(np.float16).astype(np.float32))
        # Its space is that model's as well, and the words are in it.
        space, words = store.space(), store.words(ids)
        assert space is not None
        assert space.to_json() == estimate(other).to_json()
        for i in ids:
            text = passages[i].text
            (reading,) = other.read_passages([text], [content_spans(text, "fr")])
            assert np.array_equal(words[i], space.codes(reading.words, "fr"))
        # The former passages are history, not gone.
        assert store.counts(2) == (12, 12)
    with Searcher(folder, other) as searcher:
        hits = searcher.search("Premier 7", k=100).hits
        assert {hit.passage.id for hit in hits} == set(ids)
        assert {name for hit in hits for name in hit.ranks} == {"dense", "lexical", "words"}
    assert ingest([folder.parent / "fil" / "a.jsonl"], folder, other).unchanged == 12


def test_the_former_model_is_refused_by_name_with_the_command(folder: Path) -> None:
    with Searcher(folder, HashingEncoder()) as opened:
        assert len(opened.search("Premier 7", k=100).hits) == 12
        reembed(folder, OtherEncoder())
        message = (
            f"the index {folder} was built with the model 'other' (64 dimensions, 2), not with 'hashing' (256 dimensions, 1): "
            f"drop --model, or embed it anew with filrouge repair --index {folder} --model hashing"
        )
        # Refused to what was open before as well: its vectors would be compared with those of another model.
        for ask in (lambda: opened.search("Premier 7"), lambda: Searcher(folder, HashingEncoder())):
            with pytest.raises(ModelMismatch) as caught:
                ask()
            assert str(caught.value) == message


def test_an_interrupted_embedding_leaves_the_old_model_and_goes_on_where_it_was(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.ingest._EMBED_EVERY", 4)
    before = found(folder, HashingEncoder())
    broken = OtherEncoder(fails_at="Second 7")
    with pytest.raises(RuntimeError, match="the encoder broke"):
        reembed(folder, broken)
    assert found(folder, HashingEncoder()) == before
    with Store.open(folder) as store:
        assert (store.card(), store.generation()) == (OLD, 2)
    with pytest.raises(ModelMismatch):
        Searcher(folder, OtherEncoder())
    whole = OtherEncoder()
    assert reembed(folder, whole) == 28
    assert len(broken.texts) == 12
    assert sorted([*broken.texts, *whole.texts]) == sorted(set(broken.texts) | set(whole.texts))
    assert len(found(folder, whole)) == 24


def test_embedding_with_the_same_model_or_going_back_computes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {text for _, text, _ in found(folder, HashingEncoder())}
    reembed(folder, OtherEncoder())
    again = OtherEncoder()
    assert (reembed(folder, again), again.texts) == (28, [])

    read = HashingEncoder.read_passages

    def refuse(self: HashingEncoder, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        assert set(texts) <= SAMPLE
        return read(self, texts, spans)

    with monkeypatch.context() as patch:
        patch.setattr(HashingEncoder, "read_passages", refuse)
        assert reembed(folder, HashingEncoder()) == 14
    assert {text for _, text, _ in found(folder, HashingEncoder())} == texts


def test_an_index_is_not_embedded_anew_while_another_writes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    with lock.writing(folder), pytest.raises(IndexBusy):
        reembed(folder, OtherEncoder())
    with Store.open(folder) as store:
        assert store.card() == OLD


# An index of the first release


def first_layout(folder: Path, texts: Sequence[str]) -> None:
    """An index as the first release wrote it: layout 1, an entry of one passage for each text, vectors in single precision.

    Beside it the search cache of that release, whose vectors have the same name and are less nothing.
    """
    folder.mkdir()
    db = sqlite3.connect(folder / FILE)
    vectors = HashingEncoder().encode_passages(texts)
    with db:
        db.execute(f"PRAGMA application_id = {int.from_bytes(b'FILR', 'big')}")
        migrations.m001_entries_versions_passages_vectors(db)
        db.execute("PRAGMA user_version = 1")
        db.executemany("INSERT INTO meta VALUES (?, ?)", [("card", OLD.to_json()), ("identity", "0123456789abcdef")])
        db.execute("INSERT INTO generations VALUES (1, 1684836000000000)")
        db.execute("INSERT INTO sources VALUES (1, 'fil/a.jsonl', '/tmp/fil/a.jsonl', 'UTC')")
        for number, (text, vector) in enumerate(zip(texts, vectors, strict=True), start=1):
            entry = Entry("fil/a.jsonl", f"{number}", "", text, "fr")
            digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
            db.execute("INSERT INTO entries VALUES (?, 1, ?)", (entry.id, entry.key))
            db.execute(
                "INSERT INTO versions (id, entry_id, title, text, lang, content_hash, born) VALUES (?, ?, '', ?, 'fr', ?, 1)",
                (number, entry.id, text, entry.content_hash),
            )
            db.execute("INSERT INTO passages VALUES (?, ?, 0, ?, ?, 1, NULL)", (number, number, len(text), digest))
            db.execute("INSERT INTO vectors VALUES (?, ?, ?, ?)", (number, OLD.fingerprint, digest, vector.tobytes()))
    db.close()
    cache = FaissVectors(OLD.dimension)
    cache.add(np.arange(1, len(texts) + 1), vectors)
    cache.commit(1)
    cache.save(folder / "cache", f"0123456789ab-{OLD.fingerprint}")


def test_an_index_of_the_first_release_is_refused_by_every_walk_until_it_is_embedded_anew(tmp_path: Path) -> None:
    folder, texts = tmp_path / "index", ["Le Kremlin dément.", "Recette de crêpes.", "Kiev aussi."]
    first_layout(folder, texts)
    page = tmp_path / "a.jsonl"
    page.write_text(json.dumps({"_id": "4", "text": "Fin.", "lang": "fr"}))
    for walk in (
        lambda: Searcher(folder, HashingEncoder()),
        lambda: rebuild_caches(folder, OLD),
        lambda: ingest([page], folder, HashingEncoder()),
    ):
        with pytest.raises(ModelMismatch) as caught:
            walk()
        assert str(caught.value) == (
            f"the index {folder} was embedded by an earlier release, without words: "
            f"embed it anew with filrouge repair --index {folder}"
        )
    assert reembed(folder, HashingEncoder()) == 3
    new = tmp_path / "new"
    entries = "".join(json.dumps({"_id": f"{n}", "text": text, "lang": "fr"}) + "\n" for n, text in enumerate(texts, start=1))
    page.write_text(entries)
    ingest([page], new, HashingEncoder())
    # The same hits with the same scores as of an index that was made today; its passages are the fourth to sixth.
    with Searcher(folder, HashingEncoder()) as mended, Searcher(new, HashingEncoder()) as made:
        found, expected = (each.search("Kremlin et Kiev", k=3).hits for each in (mended, made))
        assert [(hit.passage.id - 3, hit.passage.text) for hit in found] == [
            (hit.passage.id, hit.passage.text) for hit in expected
        ]
        assert [hit.score for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-6)


def test_the_command_mends_an_index_of_the_first_release_and_says_so(
    tmp_path: Path, filrouge: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    folder = tmp_path / "index"
    first_layout(folder, ["Le Kremlin dément.", "Recette de crêpes."])
    refused = filrouge("search", "Kremlin", "--index", folder)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert " ".join(refused.stderr.split()) == (
        f"filrouge: the index {folder} was embedded by an earlier release, without words: "
        f"embed it anew with filrouge repair --index {folder}"
    )
    mended = filrouge("repair", "--index", folder, "--json")
    done = {"model": "hashing", "embedded": 2, "lists": False, "cleared": 0, "generation": 2}
    assert (mended.returncode, json.loads(mended.stdout)) == (0, done)
    found = filrouge("search", "Kremlin", "--index", folder, "--json")
    assert (found.returncode, found.stderr) == (0, "")
    assert [hit["text"] for hit in json.loads(found.stdout)["hits"]] == ["Le Kremlin dément.", "Recette de crêpes."]
    # Once is enough.
    assert json.loads(filrouge("repair", "--index", folder, "--json").stdout)["embedded"] == 0


def test_a_mending_that_was_interrupted_leaves_the_index_refused_and_goes_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("index.ingest._EMBED_EVERY", 2)
    folder, texts = tmp_path / "index", [f"Le Kremlin numéro {n}." for n in range(6)]
    first_layout(folder, texts)
    asked: list[str] = []
    read = HashingEncoder.read_passages

    def note(self: HashingEncoder, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        own = [text for text in texts if text not in SAMPLE]
        if len(asked) == 4 and own:
            asked.append("interrupted")
            raise KeyboardInterrupt
        asked.extend(own)
        return read(self, texts, spans)

    with monkeypatch.context() as patch:
        patch.setattr(HashingEncoder, "read_passages", note)
        with pytest.raises(KeyboardInterrupt):
            reembed(folder, HashingEncoder())
        with pytest.raises(ModelMismatch, match="was embedded by an earlier release, without words"):
            Searcher(folder, HashingEncoder())
        assert reembed(folder, HashingEncoder()) == 6
    assert asked == [*texts[:4], "interrupted", *texts[4:]]
    assert len(found(folder, HashingEncoder())) == 6


# What can be mended


def test_lists_of_sqlite_that_have_lost_a_row_are_made_again(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        lose_from_list(db, folder / FILE, "versions_of_entry", "versions")
    with pytest.raises(NotAnIndex, match="row 2 missing from index versions_of_entry"):
        Store.open(folder)
    mended = mend(folder, HashingEncoder())
    assert (mended.lists, mended.embedded, mended.caches.generation) == (True, 0, 2)
    assert verify(folder, HashingEncoder).findings == []


def test_vectors_that_are_damaged_or_missing_are_embedded_again_and_those_of_no_passage_cleared_away(folder: Path) -> None:
    before = found(folder, HashingEncoder())
    with Store.open(folder) as store:
        (encoded,) = store.all_vectors()
        store.add_vectors({b"of nothing": next(iter(encoded.values()))}, OLD.fingerprint)
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute("UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id = 3")
        db.execute("UPDATE vectors SET words = x'' WHERE id = 4")
        db.execute("DELETE FROM vectors WHERE id = 5")
    mended = mend(folder, HashingEncoder())
    assert (mended.lists, mended.embedded, mended.cleared, mended.caches.generation) == (False, 3, 1, 2)
    assert verify(folder, HashingEncoder).findings == []
    assert sorted(text for _, text, _ in found(folder, HashingEncoder())) == sorted(text for _, text, _ in before)


def test_a_text_that_is_damaged_cannot_be_mended_and_is_named_with_what_to_do(folder: Path) -> None:
    with contextlib.closing(sqlite3.connect(folder / FILE, isolation_level=None)) as db:
        db.execute("UPDATE versions SET text = text || '!' WHERE id = 3")
        (entry_id,) = db.execute("SELECT entry_id FROM versions WHERE id = 3").fetchone()
    with pytest.raises(NotAnIndex) as caught:
        mend(folder, HashingEncoder())
    assert str(caught.value).splitlines() == [
        f"the index {folder} is damaged where nothing can be made again:",
        f"  entry {entry_id}, version 3: its text, title, time, language or address is not what was written",
        f"bring a backup back with filrouge restore FILE --index {folder} --replace, or write all that is whole to a new index "
        f"with filrouge repair --index {folder} --into DIR",
    ]


def test_nothing_is_mended_while_another_writes_or_with_another_model(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    with lock.writing(folder), pytest.raises(IndexBusy):
        mend(folder, HashingEncoder())
    with pytest.raises(ModelMismatch):
        mend(folder, OtherEncoder())
    assert len(found(folder, HashingEncoder())) == 12
