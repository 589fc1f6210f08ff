"""Caches made anew, and an index embedded with another model."""

import json
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import ModelCard, Vectors
from embed.hashing import HashingEncoder
from index import lock
from index.errors import IndexBusy, ModelMismatch, NotAnIndex
from index.ingest import ingest, reembed
from index.records import Window
from index.repair import rebuild_caches
from index.search import Searcher
from index.store import Store

OLD = HashingEncoder().card


class OtherEncoder(HashingEncoder):
    """Another model: fewer dimensions, shorter texts. Fails at the text that `fails_at` is part of."""

    def __init__(self, fails_at: str = "") -> None:
        super().__init__(dimension=64, token_limit=24)
        self.texts: list[str] = []
        self._fails_at = fails_at

    @property
    def card(self) -> ModelCard:
        return ModelCard("other", "2", 64, 24)

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        if self._fails_at and any(self._fails_at in text for text in texts):
            raise RuntimeError("the encoder broke")
        self.texts.extend(texts)
        return super().encode_passages(texts)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve entries of two sentences, each a passage under the old model and two under the other; one edited, one gone."""
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
    assert rebuild_caches(folder, OLD) == 2
    rebuilt = found(folder, HashingEncoder())
    # Passages that were removed no longer count in the statistics, so the scores may move a little.
    assert sorted((i, text) for i, text, _ in rebuilt) == sorted((i, text) for i, text, _ in before)
    assert {i: score for i, _, score in rebuilt} == pytest.approx({i: score for i, _, score in before}, abs=0.01)
    shutil.rmtree(folder / "cache")
    assert rebuild_caches(folder, OLD) == 2
    assert found(folder, HashingEncoder()) == rebuilt


def test_rebuilding_clears_away_whatever_is_in_the_caches(folder: Path) -> None:
    (folder / "cache" / ".vectors-killed").touch()
    (folder / "cache" / "lexical" / "meta.json").write_text("{")
    rebuild_caches(folder, OLD)
    assert [path.name for path in (folder / "cache").iterdir()] == ["lexical"]
    assert len(found(folder, HashingEncoder())) == 12


def test_caches_are_not_touched_while_another_writes_or_for_another_model(folder: Path) -> None:
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
    assert reembed(folder, other, told.append) == 24
    assert told == list(range(2, 25, 2))
    assert len(set(other.texts)) == len(other.texts) == 24
    with Store.open(folder) as store:
        assert (store.card(), store.generation(), store.counts(3)) == (other.card, 3, (12, 24))
        born = list(store.born_vectors(-1, 3))
        ids = np.concatenate([some for some, _ in born]).tolist()
        assert ids == store.allowed(3, Window()).tolist()
        passages = store.passages(ids)
        vectors = np.concatenate([rows for _, rows in born])
        assert np.array_equal(vectors, other.encode_passages([passages[i].text for i in ids]))
        # The former passages are history, not gone.
        assert store.counts(2) == (12, 12)
    with Searcher(folder, other) as searcher:
        hits = searcher.search("Premier 7", k=100).hits
        assert {hit.passage.id for hit in hits} == set(ids)
        assert {name for hit in hits for name in hit.ranks} == {"dense", "lexical"}
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
    assert reembed(folder, whole) == 24
    assert len(broken.texts) == 12
    assert sorted([*broken.texts, *whole.texts]) == sorted(set(broken.texts) | set(whole.texts))
    assert len(found(folder, whole)) == 24


def test_embedding_with_the_same_model_or_going_back_computes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {text for _, text, _ in found(folder, HashingEncoder())}
    reembed(folder, OtherEncoder())
    again = OtherEncoder()
    assert (reembed(folder, again), again.texts) == (24, [])

    def refuse(self: HashingEncoder, texts: Sequence[str]) -> Vectors:
        assert list(texts) == []
        return np.zeros((0, 256), dtype=np.float32)

    with monkeypatch.context() as patch:
        patch.setattr(HashingEncoder, "encode_passages", refuse)
        assert reembed(folder, HashingEncoder()) == 12
    assert {text for _, text, _ in found(folder, HashingEncoder())} == texts


def test_an_index_is_not_embedded_anew_while_another_writes(folder: Path) -> None:
    with lock.writing(folder), pytest.raises(IndexBusy):
        reembed(folder, OtherEncoder())
    with Store.open(folder) as store:
        assert store.card() == OLD
