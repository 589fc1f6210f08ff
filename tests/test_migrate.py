"""An index goes from a folder to a Milvus server and back, and both answer alike, or it is not said to be done."""

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from api import cli
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import cluster_rows, publish
from index.cluster_reader import ClusterReader
from index.errors import InvalidRequest, NotAnIndex, StorageError
from index.migrate import Migration, difference, drawn, migrate
from index.milvus import Row, Server
from index.place import Place
from index.records import Hit, Window
from index.search import Searcher
from index.store import Store
from tests.cluster_index import FIRST, SECOND, WIRE, Both, both

ENCODER = HashingEncoder()


@pytest.fixture(scope="module")
def pair() -> Iterator[Both]:
    """Some hundred texts of every kind, a part of which was edited or withdrawn; not published."""

    def grow(fresh: Both) -> None:
        texts = sample_texts(600, seed=5)
        entries = [
            {"_id": str(n), "title": f"Dépêche {n} : {text[:30]}", "text": text, "lang": ("fr", "en")[n % 2]}
            for n, text in enumerate(texts)
        ]
        fresh.read("texts", entries, published=False)
        fresh.read("direct", FIRST, published=False)
        fresh.read(
            "texts", [{**one, "text": one["text"] + " Corrigé."} for one in entries[50:90]] + entries[90:], published=False
        )
        fresh.read("direct", SECOND, published=False)

    with both(grow) as fresh:
        yield fresh


@pytest.mark.milvus
def test_500_questions_find_the_same_there_and_back_again(pair: Both, tmp_path: Path) -> None:
    there = migrate(pair.folder, pair.server, pair.encoder, sample=500)
    assert there.questions == 500
    assert migrate(pair.folder, pair.server, pair.encoder, sample=20) == replace(there, questions=20)
    back = migrate(pair.server, tmp_path / "back", pair.encoder, sample=500)
    assert back == there
    with Store.open(pair.folder) as one, Store.open(tmp_path / "back") as other:
        assert list(one.all_versions()) == list(other.all_versions())
        assert one.sources(4) == other.sources(4)
        assert one.identity() == other.identity()
        for entry in {entry.id for _, entry in one.all_versions()}:
            assert one.versions(entry, 4) == other.versions(entry, 4)
        ids = one.allowed(4, Window())
        assert other.allowed(4, Window()).tolist() == ids.tolist()
        assert one.passages(ids.tolist()) == other.passages(ids.tolist())
    # It is an index like any other: it is written to, and published.
    again = Both(tmp_path / "back", pair.server, pair.encoder)
    again.read("wire", WIRE[:3])
    with Searcher(pair.server, pair.encoder) as searcher:
        assert searcher.search("Wire copy number 2", 1).hits[0].text.startswith("Wire copy number 2")


@pytest.mark.milvus
def test_a_copy_that_answers_otherwise_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    with both(lambda fresh: fresh.read("direct", FIRST, published=False)) as fresh:
        row = cluster_rows.passage_row

        def damaged(*given: object) -> Row:
            whole = row(*given)  # type: ignore[arg-type]
            return {**whole, "dense": whole["dense"][::-1].copy()}

        with monkeypatch.context() as patch:
            patch.setattr(publish, "passage_row", damaged)
            with pytest.raises(
                StorageError, match=r"does not answer as the index does, and nothing new .* questions differ: «"
            ):
                migrate(fresh.folder, fresh.server, fresh.encoder)
        with pytest.raises(NotAnIndex, match="never published whole"):
            ClusterReader(fresh.server, None)


@pytest.mark.milvus
def test_copying_back_goes_on_where_it_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(what: str, count: int) -> None:
        if what == "copying" and next(steps) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr("index.unpublish._TOGETHER", 9)
    with both() as fresh:
        target = tmp_path / "back"
        for _ in range(2):
            steps = itertools.count(1)
            with pytest.raises(KeyboardInterrupt):
                migrate(fresh.server, target, fresh.encoder, sample=20, progress=killed)
            assert not target.exists()
        done = migrate(fresh.server, target, fresh.encoder, sample=20)
        assert (done.generation, done.questions) == (4, 20)
        assert [path.name for path in tmp_path.iterdir()] == ["back"]
        # Again, it is only asked.
        assert migrate(fresh.server, target, fresh.encoder, sample=20) == done
        fresh.read("wire", WIRE[:2])
        with pytest.raises(NotAnIndex, match="another generation of this one, and is left alone"):
            migrate(fresh.server, target, fresh.encoder, sample=20)


@pytest.mark.milvus
def test_a_folder_with_something_in_it_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    with both() as fresh, pytest.raises(NotAnIndex, match="is not empty and holds no index"):
        migrate(fresh.server, tmp_path, fresh.encoder)
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "mine"


@pytest.mark.milvus
def test_the_command_line_indexes_asks_and_copies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with both(lambda fresh: None) as fresh:
        monkeypatch.setenv("FILROUGE_MODEL", "hashing")
        monkeypatch.setenv("FILROUGE_ENGINE_TIMEOUT", "60")
        (tmp_path / "fil.jsonl").write_text("".join(json.dumps(one) + "\n" for one in FIRST), encoding="utf-8")
        (tmp_path / "questions.txt").write_text("Le port de Marseille ?\n\nvolcan\n", encoding="utf-8")
        folder, chosen = str(tmp_path / "index"), ["--engine", "milvus", "--uri", fresh.server.uri]

        def run(*arguments: str) -> str:
            assert cli.main(list(arguments)) == 0
            return capsys.readouterr().out

        assert json.loads(run("index", str(tmp_path / "fil.jsonl"), "--index", folder, *chosen, "--json"))["generation"] == 1
        # Whoever asks has no folder.
        elsewhere = ["--index", str(tmp_path / "nowhere"), *chosen]
        found = json.loads(run("search", "Le port de Marseille", *elsewhere, "--json"))
        entry = found["hits"][0]["entry_id"]
        assert found["generation"] == 1
        assert json.loads(run("ask", "Le port de Marseille rouvre-t-il ?", *elsewhere, "--json"))["answered"] in (True, False)
        assert json.loads(run("versions", entry, *elsewhere, "--json"))["versions"]
        assert json.loads(run("similar", entry, *elsewhere, "--json"))["hits"]
        assert json.loads(run("facets", *elsewhere, "--json"))
        assert len(run("export", "--format", "jsonl", *elsewhere).splitlines()) > 100
        asked = ["--questions", str(tmp_path / "questions.txt")]
        done = json.loads(run("migrate", folder, fresh.server.uri, *asked, "--json"))
        assert (done["generation"], done["questions"]) == (1, 2)
        assert "2 questions find the same there" in run("migrate", fresh.server.uri, str(tmp_path / "back"), *asked)
        assert run("search", "volcan", "--index", str(tmp_path / "back")) == run("search", "volcan", "--index", folder)


def test_a_copy_goes_from_one_kind_of_place_to_the_other(tmp_path: Path) -> None:
    places: list[tuple[Place, Place]] = [(tmp_path, tmp_path / "b"), (Server("http://a:1"), Server("http://b:1"))]
    for source, target in places:
        with pytest.raises(InvalidRequest, match="name one of each"):
            migrate(source, target, ENCODER)
    with pytest.raises(InvalidRequest, match="there is no question to ask"):
        migrate(tmp_path, Server("http://a:1"), ENCODER, [" ", ""])


def test_questions_are_drawn_from_titles_and_sentences_and_always_the_same(seed_index: Path) -> None:
    with Store.open(seed_index) as store:
        asked = drawn(store, 1, 8)
        assert asked == drawn(store, 1, 8)
        assert len(set(asked)) == len(asked) == 8
        entries = [entry for _, entry in store.all_current()]
        assert all(
            any(question in (entry.title, *[entry.text]) or question in entry.text for entry in entries) for question in asked
        )


def test_hits_differ_by_passage_text_or_score(seed_index: Path) -> None:
    with Searcher(seed_index, ENCODER) as searcher:
        hits = searcher.search("Belgorod", 3).hits
    assert difference(hits, hits) == ""
    assert difference(hits, hits[:2]).startswith("passages [")
    assert difference(hits, [hits[1], hits[0], hits[2]]).startswith("passages [")
    near, far = (replace(hits[0], score=hits[0].score + more) for more in (5e-5, 5e-3))
    assert difference(hits, [near, *hits[1:]]) == ""
    assert "scores" in difference(hits, [far, *hits[1:]])
    other: Hit = replace(hits[0], passage=replace(hits[0].passage, end=hits[0].passage.end - 1))
    assert "reads otherwise" in difference(hits, [other, *hits[1:]])


def test_a_migration_says_what_was_copied() -> None:
    assert Migration(1, 2, 3, 4).questions == 4
