"""What was known at an instant: earlier generations answer as if nothing had come after them."""

import json
import random
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.cli import main
from embed import Encoder
from embed.hashing import HashingEncoder
from index.errors import InvalidRequest, StorageError
from index.ingest import ingest, reembed
from index.past import _REMEMBERED
from index.reader import Filters
from index.records import Window
from index.search import Results, Searcher
from index.store import Store

NOON = datetime(2023, 5, 23, 12, tzinfo=UTC)
WORDS = "incendie port Marseille pompiers fumée quai navire blessé préfet route train école maire vent pluie secours".split()
QUESTIONS = ("incendie au port de Marseille", "Which ship is burning?", "le maire et le préfet", "pluie")
Line = dict[str, str]
State = dict[str, dict[str, Line]]
"""File -> key -> line."""


def put(home: Path, state: State) -> list[Path]:
    """Write the files of a state and say which."""
    (home / "fil").mkdir(exist_ok=True)
    for name, lines in state.items():
        text = "".join(json.dumps(line) + "\n" for line in lines.values())
        (home / "fil" / name).write_text(text or json.dumps({"_id": "last", "text": "Rien de plus.", "lang": "fr"}) + "\n")
    return [home / "fil" / name for name in state]


def found(results: Results) -> list[tuple[Any, ...]]:
    """What a reader sees of hits, in an order that does not hang on passage ids."""
    return sorted(
        (
            *(hit.passage.entry.key, hit.passage.start, hit.passage.end, hit.passage.text),
            *(hit.passage.entry.content_hash, round(hit.score, 5), hit.highlights, tuple(sorted(hit.twins))),
        )
        for hit in results.hits
    )


def history(seed: int, steps: int = 8) -> Iterator[State]:
    """A live blog in two files that grows, is edited, and loses entries."""
    dice = random.Random(seed)
    state: State = {"a.jsonl": {}, "b.jsonl": {}}
    for step in range(steps):
        for number in range(dice.randint(1, 3)):
            key = f"{step}-{number}"
            state[dice.choice(["a.jsonl", "b.jsonl"])][key] = line(dice, key, step)
        for name, lines in state.items():
            for key in list(lines):
                chance = dice.random()
                if step and chance < 0.15:
                    lines[key] = line(dice, key, step)
                elif step and chance < 0.25:
                    del lines[key]
            state[name] = dict(sorted(lines.items(), key=lambda item: dice.random()))
        yield {name: dict(lines) for name, lines in state.items()}


def line(dice: random.Random, key: str, step: int) -> Line:
    text = " ".join(dice.choices(WORDS, k=dice.randint(4, 12))).capitalize() + f" {key} {step}."
    if dice.random() < 0.2:
        text = "\n".join([text, *(" ".join(dice.choices(WORDS, k=40)).capitalize() + "." for _ in range(4))])
    published = NOON + timedelta(hours=step)
    return {"_id": key, "text": text, "lang": dice.choice(["fr", "en"]), "published": published.isoformat()}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path


def index_history(home: Path, encoder: Encoder, seed: int) -> list[tuple[datetime, State]]:
    """An index of a history, and what each of its states was at which moment."""
    states = []
    for state in history(seed):
        ingest(put(home, state), home / "index", encoder)
        with Store.open(home / "index") as store:
            states.append((store.committed(store.generation()), state))
    return states


FILTERS = [
    Filters(),
    Filters(lang="fr"),
    Filters(source="fil/a.jsonl"),
    Filters(window=Window(NOON + timedelta(hours=2), NOON + timedelta(hours=5))),
]


@pytest.mark.parametrize("seed", range(4))
def test_a_search_as_of_then_finds_what_an_index_that_knows_no_more_finds(home: Path, seed: int) -> None:
    encoder = HashingEncoder(token_limit=40)
    states = index_history(home, encoder, seed)
    with Searcher(home / "index", encoder) as searcher:
        for number, (moment, state) in enumerate(states):
            fresh = home / f"fresh{number}"
            ingest(put(home, state), fresh, encoder)
            with Searcher(fresh, encoder) as other:
                for question in QUESTIONS:
                    for filters in FILTERS:
                        then = searcher.search(question, 100, filters, moment)
                        assert found(then) == found(other.search(question, 100, filters)), (moment, question, filters)
                        assert (then.known, then.as_of) == (moment, moment)


def test_a_search_as_of_then_also_knows_another_model_s_vectors(home: Path) -> None:
    first, second = HashingEncoder(token_limit=40), HashingEncoder(dimension=64, token_limit=60)
    states = index_history(home, first, seed=9)
    reembed(home / "index", second)
    assert main(["repair", "--index", str(home / "index"), "--model", "hashing", "--json"]) == 0  # back to the first kind
    reembed(home / "index", second)
    with Searcher(home / "index", second) as searcher:
        for number, (moment, state) in enumerate(states):
            ingest(put(home, state), home / f"fresh{number}", second)
            with Searcher(home / f"fresh{number}", second) as other:
                for question in QUESTIONS:
                    assert found(searcher.search(question, 100, as_of=moment)) == found(other.search(question, 100))
        # Words, offsets and neighbours are of that time's text.
        for hit in searcher.search(QUESTIONS[0], 100, as_of=states[2][0]).hits:
            passages = searcher.reader.store.passages_of(hit.passage.entry.id, 3, past=True)
            assert hit.passage in passages


def test_history_that_an_earlier_release_did_not_embed_is_named_and_repaired(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    encoder = HashingEncoder()
    (moment, _), *_ = index_history(home, encoder, seed=1)
    with Store.open(home / "index") as store:
        assert store.is_embedded()
        with store.writing() as db:
            gone = db.execute(
                """DELETE FROM vectors WHERE hash IN (SELECT vector_hash FROM passages WHERE died IS NOT NULL)
                   AND hash NOT IN (SELECT vector_hash FROM passages WHERE died IS NULL)"""
            ).rowcount
        assert gone > 0
        assert not store.is_embedded()
    with Searcher(home / "index", encoder) as searcher:
        assert searcher.search("incendie").hits
        with pytest.raises(
            StorageError, match=r"passages of that time were embedded with another model only: .*filrouge repair"
        ):
            searcher.search("incendie", as_of=moment)
    assert main(["repair", "--index", str(home / "index"), "--model", "hashing"]) == 0
    capsys.readouterr()
    with Searcher(home / "index", encoder) as searcher:
        assert searcher.search("incendie", as_of=moment).hits


def test_a_moment_between_two_states_is_the_earlier_and_one_before_all_or_to_come_is_refused(home: Path) -> None:
    encoder = HashingEncoder()
    (first, _), (second, _), *_, (last, _) = index_history(home, encoder, seed=2)
    tick = timedelta(microseconds=1)
    with Searcher(home / "index", encoder) as searcher:
        assert searcher.search("pluie", as_of=first).generation == 1
        assert searcher.search("pluie", as_of=second - tick).generation == 1
        assert searcher.search("pluie", as_of=second).generation == 2
        assert searcher.search("pluie", as_of=datetime.now(UTC)).known == last
        with pytest.raises(InvalidRequest, match=r"the index did not exist at .*: it holds what was known from .* on") as early:
            searcher.search("pluie", as_of=first - tick)
        assert (early.value.field, first.isoformat() in str(early.value)) == ("as_of", True)
        with pytest.raises(InvalidRequest, match="is still to come, and what will be known then is not known"):
            searcher.search("pluie", as_of=datetime.now(UTC) + timedelta(hours=1))


def test_an_empty_past_is_no_hits_and_no_failure(home: Path) -> None:
    encoder = HashingEncoder()
    states = [
        {"a.jsonl": {"x": {"_id": "x", "text": "Un incendie.", "lang": "fr"}}},
        {"a.jsonl": {"y": {"_id": "y", "text": "La pluie.", "lang": "fr"}}},
    ]
    moments = []
    for state in states:
        ingest(put(home, state), home / "index", encoder)
        moments.append(datetime.now(UTC))
    with Searcher(home / "index", encoder) as searcher:
        assert searcher.search("incendie", filters=Filters(lang="en"), as_of=moments[0]).hits == ()
        assert [hit.passage.text for hit in searcher.search("incendie", as_of=moments[0]).hits] == ["Un incendie."]
        assert [hit.passage.text for hit in searcher.search("incendie", as_of=moments[1]).hits] == ["La pluie."]


def test_the_last_few_states_are_remembered_and_the_others_leave_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HashingEncoder()
    room = home / "tmp"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    states = index_history(home, encoder, seed=3)
    with Searcher(home / "index", encoder) as searcher:
        for moment, _ in states:
            first, again = (searcher.past.at(moment) for _ in range(2))
            assert first is again
            assert len(list(room.iterdir())) <= _REMEMBERED
        assert searcher.past.at(states[0][0]) is not None
    assert list(room.iterdir()) == []


def test_an_index_in_which_nothing_died_needs_nothing_made(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = HashingEncoder()
    ingest(put(home, next(history(5))), home / "index", encoder)
    with Searcher(home / "index", encoder) as searcher:
        monkeypatch.setattr("index.past._made", None)
        assert searcher.past.at(datetime.now(UTC)) is searcher.reader.snapshot()


# The doors


@pytest.fixture
def edited(home: Path) -> tuple[Path, Sequence[str]]:
    """An index of one entry that was edited and then withdrawn beside one that stays; the moments of its three states."""
    encoder, moments = HashingEncoder(), []
    stays = {"_id": "s", "text": "Le port rouvre.", "lang": "fr"}
    for text in ("Incendie au port : deux blessés 🙂 légers.", "Au port, un incendie a fait un mort.", ""):
        lines = {"e": {"_id": "e", "text": text, "lang": "fr"}} if text else {}
        ingest(put(home, {"a.jsonl": {**lines, "s": stays}}), home / "index", encoder)
        with Store.open(home / "index") as store:
            moments.append(store.committed(store.generation()).isoformat())
    return home / "index", moments


def test_http_searches_and_shows_entries_as_of_a_moment(edited: tuple[Path, Sequence[str]]) -> None:
    folder, moments = edited
    with TestClient(create_app(lambda: Searcher(folder, HashingEncoder()))) as client:
        shown = []
        for moment in moments:
            answered = client.get("/search", params={"q": "incendie", "as_of": moment}).json()
            assert (answered["as_of"], answered["known"]) == (moment, moment)
            shown.append([hit["text"] for hit in answered["hits"]])
            for hit in answered["hits"]:
                entry = client.get(f"/entries/{hit['entry_id']}", params={"as_of": moment}).json()
                assert entry["text"][hit["start"] : hit["end"]] == hit["text"]
                assert hit["passage_id"] in [passage["passage_id"] for passage in entry["passages"]]
            assert client.post("/search", json={"query": "incendie", "as_of": moment}).json() == answered
        assert shown == [
            ["Incendie au port : deux blessés 🙂 légers.", "Le port rouvre."],
            ["Au port, un incendie a fait un mort.", "Le port rouvre."],
            ["Le port rouvre."],
        ]
        assert client.get("/search?q=incendie").json()["as_of"] is None
        for asked, why in {
            "2001-01-01": "the index did not exist at 2001-01-01T00:00:00+00:00",
            "9998-01-01": "is still to come",
            "hier": "'hier' is not a date or time",
        }.items():
            refused = client.get("/search", params={"q": "incendie", "as_of": asked})
            assert (refused.status_code, refused.json()["errors"][0]["field"]) == (422, "as_of")
            assert why in refused.json()["detail"]
            assert client.get("/entries/x", params={"as_of": asked}).status_code == 422


def test_a_permalink_answers_the_same_after_more_was_indexed(edited: tuple[Path, Sequence[str]], home: Path) -> None:
    folder, moments = edited
    asked = {"q": "incendie & port ?", "k": "3", "lang": "fr", "source": "fil/a.jsonl", "as_of": moments[1]}
    with TestClient(create_app(lambda: Searcher(folder, HashingEncoder()))) as client:
        first = client.get("/search", params=asked).json()
        again = client.get(first["permalink"]).json()
        assert again == first
        ingest(put(home, {"a.jsonl": {"n": {"_id": "n", "text": "Incendie.", "lang": "fr"}}}), folder, HashingEncoder())
        assert client.get(first["permalink"]).json() == first
        newest = client.get("/search?q=incendie").json()
        assert [hit["text"] for hit in client.get(newest["permalink"]).json()["hits"]] == ["Incendie."]


def test_the_command_searches_as_of_a_moment(
    edited: tuple[Path, Sequence[str]], capsys: pytest.CaptureFixture[str], filrouge: Callable[..., Any]
) -> None:
    folder, moments = edited
    where = ["--index", str(folder), "--as-of"]
    assert main(["search", "incendie", *where, moments[0], "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["hits"][0]["text"] == "Incendie au port : deux blessés 🙂 légers."
    assert main(["search", "incendie", *where, moments[1]]) == 0
    assert capsys.readouterr().out.splitlines()[0] == f"as known at {moments[1]}: generation 2, of {moments[1]}"
    assert main(["search", "incendie", *where, "2001-01-01"]) == 1
    assert "filrouge: the index did not exist at 2001-01-01" in capsys.readouterr().err
