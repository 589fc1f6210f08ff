"""Vectors that come from another machine: nothing is embedded twice, and nothing wrong is taken for right."""

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from api.cli import main
from embed.encoder import ModelCard, Reading, Span
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import carried as carried_vectors
from index.carried import CarriedVectors
from index.documents import Facts
from index.errors import ModelMismatch, StorageError, UnreadableVectors
from index.ingest import Report, ingest, reembed
from index.search import Searcher
from index.space import KINDS, Space
from index.store import FILE, Encoded, Store

FACTS = Facts(tz="Europe/Paris")
SAMPLE = frozenset(sample_texts(1000, seed=3))
"""What the means of a model are taken from; more than that."""


class Counting(HashingEncoder):
    """Notes the texts whose vectors it computes."""

    def __init__(self, name: str = "hashing") -> None:
        super().__init__()
        self.texts: list[str] = []
        self._name = name

    @property
    def card(self) -> ModelCard:
        return replace(super().card, name=self._name)

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        self.texts.extend(text for text in texts if text not in SAMPLE)
        return super().read_passages(texts, spans)


@pytest.fixture
def file(seed_index: Path, tmp_path: Path) -> Path:
    """The vectors of the seeds."""
    with Store.open(seed_index) as store:
        assert carried_vectors.write(store, tmp_path / "seeds.vectors") == 11
    return tmp_path / "seeds.vectors"


def indexed(folder: Path, seeds: Path, encoder: Counting, file: Path) -> Report:
    with CarriedVectors(file, encoder.card) as carried:
        return ingest([seeds], folder, encoder, FACTS, carried=carried)


def kept(folder: Path) -> dict[bytes, tuple[bytes, bytes]]:
    with Store.open(folder) as store:
        return {key: (one.vector.tobytes(), one.words.tobytes()) for batch in store.all_vectors() for key, one in batch.items()}


def test_nothing_is_embedded_twice_across_machines_and_the_index_is_the_same(
    file: Path, seeds: Path, seed_index: Path, tmp_path: Path
) -> None:
    encoder = Counting()
    report = indexed(tmp_path / "other", seeds, encoder, file)
    assert (report.added, report.passages, report.embedded, encoder.texts) == (6, 11, 0, [])
    assert kept(tmp_path / "other") == kept(seed_index)
    with Searcher(tmp_path / "other", encoder) as ours, Searcher(seed_index, encoder) as theirs:
        for question in ("Qui a revendiqu\u00e9 l\u2019attaque ?", "Shanghai", "drones"):
            assert ours.search(question).hits == theirs.search(question).hits


def test_what_the_file_does_not_have_is_computed(file: Path, seeds: Path, tmp_path: Path, write: Callable[..., Path]) -> None:
    encoder = Counting()
    more = write("fil/volcan.txt", "12h10 : Le volcan\nLe volcan est entr\u00e9 en \u00e9ruption.\n")
    with CarriedVectors(file, encoder.card) as carried:
        report = ingest([seeds, more], tmp_path / "other", encoder, FACTS, carried=carried)
    assert (report.passages, report.embedded, len(encoder.texts)) == (12, 1, 1)
    assert "volcan" in encoder.texts[0]


def test_a_file_without_a_vector_of_these_texts_changes_nothing(
    seeds: Path, seed_index: Path, tmp_path: Path, write: Callable[..., Path]
) -> None:
    ingest([write("fil/a.txt", "12h10 : Rien\nRien du tout.\n")], tmp_path / "small", HashingEncoder(), FACTS)
    with Store.open(tmp_path / "small") as store:
        carried_vectors.write(store, tmp_path / "small.vectors")
    encoder = Counting()
    assert indexed(tmp_path / "other", seeds, encoder, tmp_path / "small.vectors").embedded == 11
    assert kept(tmp_path / "other") == kept(seed_index)


def test_an_index_is_embedded_anew_from_the_file(seeds: Path, seed_index: Path, tmp_path: Path) -> None:
    shutil.copytree(seed_index, tmp_path / "theirs")
    assert reembed(tmp_path / "theirs", Counting("better")) == 11
    with Store.open(tmp_path / "theirs") as store:
        carried_vectors.write(store, tmp_path / "better.vectors")
    shutil.copytree(seed_index, tmp_path / "ours")
    encoder = Counting("better")
    with CarriedVectors(tmp_path / "better.vectors", encoder.card) as carried:
        assert reembed(tmp_path / "ours", encoder, carried=carried) == 11
    assert encoder.texts == []
    assert kept(tmp_path / "ours") == kept(tmp_path / "theirs")


def test_earlier_versions_and_no_vectors_of_earlier_models_are_in_the_file(tmp_path: Path, write: Callable[..., Path]) -> None:
    for text in ("Un mort.", "Deux morts."):
        ingest([write("fil/a.txt", f"12h10 : Bilan\n{text}\n")], tmp_path / "index", HashingEncoder(), FACTS)
    reembed(tmp_path / "index", Counting("better"))
    with Store.open(tmp_path / "index") as store:
        assert carried_vectors.write(store, tmp_path / "it.vectors") == 2
    with closing(sqlite3.connect(tmp_path / "it.vectors")) as db:
        assert json.loads(dict(db.execute("SELECT key, value FROM meta"))["card"])["name"] == "better"


def test_the_file_holds_no_words_of_the_texts(file: Path) -> None:
    data = file.read_bytes()
    assert all(word.encode() not in data for word in ("Belgorod", "Kremlin", "drone", "Shanghai"))


# What is refused


def refusal(file: Path, card: ModelCard | None = None) -> str:
    with pytest.raises((UnreadableVectors, ModelMismatch)) as raised:
        CarriedVectors(file, card or HashingEncoder().card)
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"name": "other"}, "'other' (256 dimensions, float32, 1)"),
        ({"revision": "2"}, "'hashing' (256 dimensions, float32, 2)"),
        ({"precision": "int8"}, "'hashing' (256 dimensions, int8, 1)"),
        ({"dimension": 8}, "'hashing' (8 dimensions, float32, 1)"),
    ],
)
def test_vectors_of_another_model_are_refused(file: Path, change: dict[str, str], shown: str) -> None:
    card: ModelCard = replace(HashingEncoder().card, **change)  # type: ignore[arg-type]
    assert refusal(file, card) == (
        f"the vectors in {file} are of the model 'hashing' (256 dimensions, float32, 1), "
        f"and the index is to have those of {shown}: leave out --vectors, or use the same model"
    )


def test_a_precision_that_agrees_to_four_digits_is_the_same_model(file: Path) -> None:
    CarriedVectors(file, replace(HashingEncoder().card, precision="bfloat16")).close()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "it"
    assert refusal(file) == f"no file of vectors {file}: write one with filrouge vectors {file} where the index is"
    assert not file.exists()
    assert refusal(tmp_path).startswith("no file of vectors")


@pytest.mark.parametrize("content", [b"", b"hello", b"\0" * 200, b"SQLite format 3\0" + b"\0" * 100])
def test_something_else_is_refused(write: Callable[..., Path], content: bytes) -> None:
    file = write("it", content)
    assert refusal(file).startswith(f"{file} is ")
    assert file.read_bytes() == content


def test_an_index_is_no_file_of_vectors(seed_index: Path) -> None:
    assert refusal(seed_index / FILE) == f"{seed_index / FILE} is no file of vectors: filrouge vectors writes them"


def test_a_file_of_a_newer_release_is_refused(file: Path) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 2")
    assert refusal(file) == f"{file} was written by a newer filrouge (layout 2); upgrade this one"


def test_a_file_that_is_cut_anywhere_gives_right_vectors_or_an_error(file: Path, seed_index: Path, tmp_path: Path) -> None:
    data, right = file.read_bytes(), kept(seed_index)
    outcomes = set()
    for part in range(0, 16):
        cut = tmp_path / f"cut{part}"
        cut.write_bytes(data[: len(data) * part // 16])
        outcomes.add(outcome(cut, right))
    assert "wrong" not in outcomes


def test_a_byte_that_is_changed_anywhere_gives_right_vectors_or_an_error(file: Path, seed_index: Path, tmp_path: Path) -> None:
    data, right, lot = file.read_bytes(), kept(seed_index), np.random.default_rng(1)
    outcomes = []
    for number, place in enumerate(lot.integers(0, len(data), 300).tolist()):
        changed = tmp_path / "changed"
        changed.write_bytes(data[:place] + bytes([data[place] ^ (1 << number % 8)]) + data[place + 1 :])
        outcomes.append(outcome(changed, right))
    assert set(outcomes) == {"right", "error"}


def outcome(file: Path, right: dict[bytes, tuple[bytes, bytes]]) -> str:
    try:
        with CarriedVectors(file, HashingEncoder().card) as carried:
            found = carried.find(right)
    except (UnreadableVectors, ModelMismatch):
        return "error"
    same = all(right[key] == (one.vector.tobytes(), one.words.tobytes()) for key, one in found.items())
    # What is not found is computed.
    return "right" if same else "wrong"


@pytest.mark.parametrize("vector", [np.zeros(256), np.full(256, np.nan), np.full(256, np.inf), np.full(256, 1.0)])
def test_numbers_that_are_no_vector_are_refused_though_the_file_is_whole(
    seed_index: Path, tmp_path: Path, vector: np.ndarray[tuple[int], np.dtype[np.float64]]
) -> None:
    shutil.copytree(seed_index, tmp_path / "index")
    with Store.open(tmp_path / "index") as store:
        wrong = Encoded(vector.astype(np.float32), np.zeros((0, 32), dtype=np.uint8))
        store.add_vectors({b"wrong": wrong}, store.card().fingerprint)
        carried_vectors.write(store, tmp_path / "it.vectors")
    with CarriedVectors(tmp_path / "it.vectors", HashingEncoder().card) as carried:
        assert carried.find([b"none"]) == {}
        with pytest.raises(UnreadableVectors, match=r"holds a vector that is none; write it again$"):
            carried.find([b"none", b"wrong"])


def test_words_that_were_kept_in_another_space_are_refused_and_the_index_stays(file: Path, seeds: Path, tmp_path: Path) -> None:
    encoder, folder = Counting(), tmp_path / "other"
    ingest([seeds], folder, encoder, FACTS)
    with closing(sqlite3.connect(file)) as db:
        lot = np.random.default_rng(1)
        other = Space({kind: {lang: lot.standard_normal(256).astype(np.float32) for lang in ("fr", "en")} for kind in KINDS})
        db.execute("UPDATE meta SET value = ? WHERE key = 'space'", (other.to_json(),))
        db.commit()
    before = kept(folder)
    with CarriedVectors(file, encoder.card) as carried:
        for work in (
            lambda: ingest([seeds], folder, encoder, FACTS, carried=carried),
            lambda: reembed(folder, encoder, carried=carried),
        ):
            with pytest.raises(ModelMismatch, match="were made by another release"):
                work()
    assert kept(folder) == before


def test_the_file_takes_the_place_of_an_older_one_and_of_nothing_else(
    file: Path, seed_index: Path, tmp_path: Path, write: Callable[..., Path]
) -> None:
    other = write("fil/a.txt", "12h10 : Rien\nRien du tout.\n")
    (tmp_path / "folder").mkdir()
    before = sorted(path.name for path in tmp_path.iterdir())
    with Store.open(seed_index) as store:
        assert carried_vectors.write(store, file) == 11
        with pytest.raises(StorageError) as raised:
            carried_vectors.write(store, other)
        assert str(raised.value) == f"{other} is there and holds no vectors; choose another name"
        for path in (tmp_path / "folder", tmp_path / "nowhere" / "it", other / "it"):
            with pytest.raises(StorageError, match=r"^cannot write "):
                carried_vectors.write(store, path)
    assert other.read_text().startswith("12h10")
    assert sorted(path.name for path in tmp_path.iterdir()) == before


# The commands


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder, and the encoder without weights."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FILROUGE_MODEL", "hashing")
    monkeypatch.delenv("FILROUGE_CONFIG", raising=False)
    return tmp_path


def test_the_commands_carry_vectors_from_index_to_index(
    here: Path, seeds: Path, seed_index: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["vectors", "it.vectors", "--index", str(seed_index)]) == 0
    assert capsys.readouterr().out == "11 vectors of hashing written to it.vectors\n"
    assert main(["vectors", "it.vectors", "--index", str(seed_index), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"model": "hashing", "vectors": 11}
    assert main(["index", str(seeds), "--vectors", "it.vectors", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert (report["passages"], report["embedded"]) == (11, 0)
    assert main(["repair", "--vectors", "it.vectors"]) == 0


def test_a_file_that_cannot_be_taken_is_one_sentence_and_leaves_no_index(
    here: Path, seeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["index", str(seeds), "--vectors", "nowhere.vectors"]) == 1
    told = "no file of vectors nowhere.vectors: write one with filrouge vectors nowhere.vectors where the index is"
    assert capsys.readouterr().err == f"filrouge: {told}\n"
    assert not (here / ".filrouge").exists()
