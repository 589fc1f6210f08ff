"""More like this: entries near one in meaning and words, without itself and its twins."""

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from embed import Encoder
from embed.hashing import HashingEncoder
from index.errors import NotFound
from index.ingest import ingest
from index.reader import Filters
from index.records import Entry
from index.search import Searcher
from index.similar import similar

TEXTS = {
    "fire": "Un incendie ravage le port de Marseille, les pompiers luttent contre les flammes.",
    "twin": "Un incendie ravage le port de Marseille : les pompiers luttent contre les flammes !",
    "near": "Les pompiers luttent toujours contre l’incendie du port.\n"
    + "Les flammes gagnent du terrain près des quais. " * 3,
    "match": "L’équipe a gagné son match de football hier soir.",
    "vote": "Le parlement a voté la réforme des retraites.",
    "fire-en": "A fire is destroying the port of Marseille.",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("similar")
    (home / "docs").mkdir()
    rows = [{"_id": key, "text": text, "lang": "en" if key.endswith("-en") else "fr"} for key, text in TEXTS.items()]
    (home / "docs" / "fil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([home / "docs" / "fil.jsonl"], home / "index", HashingEncoder(token_limit=40))
    return home / "index"


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with TestClient(create_app(lambda: Searcher(folder, HashingEncoder(token_limit=40)))) as client:
        yield client


def entry_id(key: str) -> str:
    return Entry("docs/fil.jsonl", key, "", "", "fr").id


def test_near_entries_come_first_and_twins_and_the_entry_itself_not_at_all(folder: Path) -> None:
    with Searcher(folder, None) as searcher:
        found = similar(searcher, entry_id("fire"))
        keys = [hit.passage.entry.key for hit in found.hits]
        assert keys[0] == "near"
        # Each entry once, however many passages it has.
        assert sorted(keys) == ["fire-en", "match", "near", "vote"]
        scores = [hit.score for hit in found.hits]
        assert scores == sorted(scores, reverse=True)
        assert all(0 <= score <= 1 for score in scores)
        assert {name for hit in found.hits for name in hit.ranks} == {"dense", "lexical"}
        marked = found.hits[0].passage.text
        assert "pompiers" in {marked[start:end] for start, end in found.hits[0].highlights}


def test_filters_and_k_are_obeyed(folder: Path) -> None:
    with Searcher(folder, None) as searcher:
        english = similar(searcher, entry_id("fire"), filters=Filters(lang="en"))
        assert [hit.passage.entry.key for hit in english.hits] == ["fire-en"]
        assert len(similar(searcher, entry_id("fire"), k=2).hits) == 2
        with pytest.raises(NotFound, match="no entry 'nowhere' in this index"):
            similar(searcher, "nowhere")


@pytest.mark.model
def test_what_is_near_in_meaning_is_found_in_the_other_language(tmp_path: Path, model: Encoder) -> None:
    (tmp_path / "docs").mkdir()
    rows = [{"_id": key, "text": text, "lang": "en" if key.endswith("-en") else "fr"} for key, text in TEXTS.items()]
    (tmp_path / "docs" / "fil.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    ingest([tmp_path / "docs" / "fil.jsonl"], tmp_path / "index", model)
    with Searcher(tmp_path / "index", model) as searcher:
        assert {hit.passage.entry.key for hit in similar(searcher, entry_id("fire"), k=2).hits} == {"near", "fire-en"}


def test_http_gives_hits_with_a_permalink(client: TestClient) -> None:
    found = client.get(f"/entries/{entry_id('fire')}/similar", params={"k": 1, "lang": "fr"}).json()
    assert [hit["entry_id"] for hit in found["hits"]] == [entry_id("near")]
    again = client.get(found["permalink"]).json()
    assert {**again, "as_of": None} == found
    assert found["card"]["name"] == "hashing"


@pytest.mark.parametrize(
    ("address", "status", "field"),
    [
        ("nowhere/similar", 404, None),
        ("nowhere/similar?k=0", 422, "k"),
        ("nowhere/similar?lang=de", 422, "lang"),
        ("nowhere/similar?source=nowhere", 422, "source"),
        ("nowhere/similar?as_of=1999", 422, "as_of"),
        ("nowhere/similar?q=x", 422, "q"),
    ],
)
def test_http_refuses_with_the_field(client: TestClient, address: str, status: int, field: str | None) -> None:
    reply = client.get(f"/entries/{address}")
    assert reply.status_code == status
    assert [one["field"] for one in reply.json()["errors"]] == ([field] if field else [])


def test_the_command_line_finds_what_http_finds(
    folder: Path, client: TestClient, filrouge: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = filrouge("similar", entry_id("fire"), "-k", "2", "--index", folder, "--json")
    assert json.loads(done.stdout) == client.get(f"/entries/{entry_id('fire')}/similar?k=2").json()
    shown = filrouge("similar", entry_id("fire"), "-k", "1", "--index", folder)
    assert shown.returncode == 0
    assert shown.stdout.startswith(f" 1. undated  docs/fil.jsonl  {entry_id('near')}  0.")
    none = filrouge("similar", entry_id("fire"), "--since", "2023-01-01", "--index", folder)
    assert none.stdout == "no other entry passes these filters\n"
