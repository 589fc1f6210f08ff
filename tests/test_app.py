"""HTTP, over a real index made with the hashing encoder."""

import json
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from api.answers import answer_out
from api.app import create_app
from api.exports import FORMATS
from api.schemas import search_out
from embed.hashing import HashingEncoder
from index.answer import THRESHOLD, ask
from index.documents import Facts
from index.ingest import ingest
from index.reader import Filters
from index.search import Searcher

SOURCE = "seeds/000_43b67c511cce9011.txt"
HIT = {
    "rank", "score", "entry_id", "passage_id", "title", "text", "start", "end", "published", "lang", "source", "url", "ranks",
    "twins", "highlights",
}  # fmt: skip


@pytest.fixture
def mixed(write: Callable[..., Path], encoder: HashingEncoder) -> Iterator[TestClient]:
    """Two sources, two languages, four moments; text that is hard to count in."""
    lines = [
        {"_id": "a", "text": "Le cafe\u0301 « noir » 👩‍🦰 pre\u0302t.", "lang": "fr", "date": "2024-01-10"},
        {"_id": "b", "text": "The coffee is ready 🙂.", "lang": "en", "date": "2024-01-10T12:00:00+01:00"},
        {"_id": "c", "text": "Le café refroidit.", "lang": "fr", "date": "2024-01-11T09:30:15", "url": "https://example.org/c"},
        {"_id": "d", "text": "Nobody knows when the coffee came.", "lang": "en"},
    ]  # fmt: skip
    jsonl = write("fil/cafe.jsonl", "\n".join(json.dumps(line) for line in lines))
    other = write("fil/the.txt", "10h00 : Le thé\nLe thé est froid.\n")
    folder = jsonl.parent.parent / "index"
    ingest([jsonl, other], folder, encoder, Facts(tz="Europe/Paris"))
    with TestClient(create_app(lambda: Searcher(folder, encoder))) as client:
        yield client


def ids(response: Response) -> list[str]:
    assert response.status_code == 200, response.text
    return sorted(hit["entry_id"] for hit in response.json()["hits"])


# Search


def test_a_hit_has_these_fields_and_no_others(client: TestClient) -> None:
    hit = client.get("/search", params={"q": "Premier ministre russe à Shanghai", "k": 1}).json()["hits"][0]
    assert set(hit) == HIT
    score, ranks = hit.pop("score"), hit.pop("ranks")
    assert isinstance(score, float)
    assert {name: set(vote) for name, vote in ranks.items()} == {
        name: {"rank", "score"} for name in ("dense", "words", "lexical")
    }
    assert {name: vote["rank"] for name, vote in ranks.items()} == {"dense": 1, "words": 1, "lexical": 1}
    assert hit["text"].startswith("Le Premier ministre russe Mikhaïl Michoustine est ce mardi à Shanghai")
    assert hit == {
        "rank": 1,
        "entry_id": "xkk35moolenmajn2",
        "passage_id": hit["passage_id"],
        "title": "Le Premier ministre russe à Shanghai pour notamment rencontrer Xi Jinping",
        "text": hit["text"],
        "start": 0,
        "end": len(hit["text"]),
        "published": "2023-05-23T06:35:00+02:00",
        "lang": "fr",
        "source": SOURCE,
        "url": None,
        "twins": [],
        "highlights": hit["highlights"],
    }
    marked = [hit["text"][place["start"] : place["end"]] for place in hit["highlights"]]
    assert marked == ["Premier", "ministre", "russe", "Shanghai", "Russie", "russes"]


def test_http_finds_what_the_read_walk_finds(client: TestClient, seed_index: Path, encoder: HashingEncoder) -> None:
    with Searcher(seed_index, encoder) as searcher:
        results = searcher.search("Qui a revendiqué l’attaque de Belgorod ?", 4, Filters(lang="fr"))
    answered = client.get("/search", params={"q": "Qui a revendiqué l’attaque de Belgorod ?", "k": 4, "lang": "fr"}).json()
    assert answered == search_out(results).model_dump()
    assert [hit["rank"] for hit in answered["hits"]] == [1, 2, 3, 4]
    assert {name: value for name, value in answered.items() if name != "hits"} == {
        "query": "Qui a revendiqué l’attaque de Belgorod ?",
        "operators": None,
        "order": "relevance",
        "lang": "fr",
        "window": None,
        "as_of": None,
        "generation": 1,
        "known": answered["known"],
        "permalink": answered["permalink"],
        "model": "hashing",
        "card": asdict(HashingEncoder().card),
        "total": answered["total"],
        "next": answered["next"],
        "passed": [],
    }
    assert client.get(answered["permalink"]).json()["hits"] == answered["hits"]


@pytest.mark.parametrize(
    "asked",
    [
        {"q": "Belgorod"},
        {"q": "What did the Kremlin say?", "k": 100},
        {"q": "drones", "k": 2, "lang": "fr", "source": SOURCE},
        {"q": "« Légion » 🙂\n\t' OR 1=1 -- AND (\"", "since": "2023-05-23T07:00", "until": "2023-05-24"},
    ],
)
def test_get_and_post_answer_alike(client: TestClient, asked: dict[str, Any]) -> None:
    got = client.get("/search", params=asked)
    assert got.status_code == 200
    assert client.post("/search", json=asked).json() == got.json()
    renamed = {"query" if name == "q" else name: value for name, value in asked.items()}
    assert client.post("/search", json=renamed).json() == got.json()


def test_ten_passages_are_given_unless_another_number_is_asked_for(client: TestClient) -> None:
    assert len(client.get("/search", params={"q": "Belgorod"}).json()["hits"]) == 10
    assert len(client.get("/search", params={"q": "Belgorod", "k": 100}).json()["hits"]) == 11


def test_the_text_of_a_hit_is_its_place_in_the_entry(mixed: TestClient) -> None:
    hits = mixed.get("/search", params={"q": "café coffee thé", "k": 100}).json()["hits"]
    assert len({hit["entry_id"] for hit in hits}) == 5
    for hit in hits:
        entry = mixed.get(f"/entries/{hit['entry_id']}").json()
        assert entry["text"][hit["start"] : hit["end"]] == hit["text"]


def test_filters_narrow_a_search(mixed: TestClient) -> None:
    everything = {hit["text"][:12]: hit["entry_id"] for hit in mixed.get("/search?q=x&k=100").json()["hits"]}
    a, b, c, d, tea = (
        everything[text] for text in ("Le cafe\u0301 « n", "The coffee i", "Le café refr", "Nobody knows", "Le thé est f")
    )

    def search(**filters: str) -> list[str]:
        return ids(mixed.get("/search", params={"q": "café coffee", "k": 100, **filters}))

    assert search() == sorted([a, b, c, d, tea])
    assert search(lang="en") == sorted([b, d])
    assert search(lang="fr") == sorted([a, c, tea])
    assert search(source="fil/the.txt") == [tea]
    unknown = mixed.get("/search", params={"q": "thé", "source": "fil/the"})
    assert (unknown.status_code, unknown.json()["detail"]) == (422, "no source 'fil/the' in this index")
    assert search(since="2024-01-11") == [c]
    assert search(until="2024-01-11") == sorted([a, b])
    # 12:00 in the corpus's zone is the moment of b itself; what is known to the day stays possible.
    assert search(until="2024-01-10T12:00") == [a]
    assert search(since="2024-01-10T12:00", until="2024-01-10T12:00:01") == sorted([a, b])
    assert search(since="2024-01-10T11:00Z", lang="en") == [b]


def test_the_window_that_was_searched_is_told_with_its_offset(client: TestClient) -> None:
    told = client.get("/search", params={"q": "x", "since": "2023-05-23", "until": "2023-05-23T08:00Z"}).json()["window"]
    assert told == {"since": "2023-05-23T00:00:00+02:00", "until": "2023-05-23T08:00:00+00:00"}
    assert client.get("/search", params={"q": "x", "until": "2023-05-23"}).json()["window"] == {
        "since": None,
        "until": "2023-05-23T00:00:00+02:00",
    }


@pytest.mark.parametrize("edge", ["0001-01-01", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+12:00"])
def test_a_window_at_the_edge_of_the_calendar_is_no_failure(client: TestClient, edge: str) -> None:
    assert client.get("/search", params={"q": "x", "since": edge}).status_code == 200
    assert client.get("/search", params={"q": "x", "until": edge}).status_code == 200


@pytest.mark.parametrize("question", ["\0", "🙂", "\u202e", "%", "'", '"*', "a" * 4000, "été\u0301", "\ufffd"])
def test_any_text_is_a_question(client: TestClient, question: str) -> None:
    assert client.post("/search", json={"query": question}).json()["query"] == question


@given(
    st.dictionaries(
        st.sampled_from(["q", "query", "k", "lang", "since", "until", "source", "x"]),
        st.text() | st.sampled_from(["fr", "en", "1", "2023-05-23", "2023-W21-2", "20230523T1158Z", "24:00", "-0001-01-01"]),
    )
)
@settings(max_examples=200, deadline=None)
def test_whatever_is_asked_is_answered_or_refused(client: TestClient, asked: dict[str, str]) -> None:
    got, posted = client.get("/search", params=asked), client.post("/search", json=asked)
    for response in (got, posted):
        assert response.status_code in (200, 422), response.text
        assert response.status_code == 200 or response.json()["errors"]
    assert client.get("/", params=asked).status_code in (200, 422)


def test_questions_asked_at_once_are_answered_as_if_asked_in_turn(client: TestClient) -> None:
    questions = ["Belgorod", "drones", "Who claimed the attack?", "Shanghai", "Qu’a dit Peskov ?"] * 8

    def answer(question: str) -> Any:
        return client.get("/search", params={"q": question, "since": "2023-05-23"}).json()

    with ThreadPoolExecutor(8) as threads:
        at_once = list(threads.map(answer, questions))
    assert at_once == [answer(question) for question in questions]


# The corpus and the service


# Ask

ANSWER = {
    "question", "lang", "answered", "confidence", "threshold", "answer", "reason", "code", "window", "now", "as_of",
    "generation", "known", "model", "hits", "operators", "permalink", "card",
}  # fmt: skip
QUOTE = {
    "text", "entry_id", "passage_id", "start", "end", "published", "url", "title", "source", "lang", "superseded",
}  # fmt: skip
SHANGHAI = "Qui est le Premier ministre russe à Shanghai ?"


def test_an_answer_has_these_fields_and_its_quotes_stand_in_their_entries(client: TestClient) -> None:
    answer = client.get("/ask", params={"q": SHANGHAI, "k": 3}).json()
    assert set(answer) == ANSWER
    assert (answer["answered"], answer["reason"], answer["code"], len(answer["hits"])) == (True, None, None, 3)
    assert answer["confidence"] >= answer["threshold"] == THRESHOLD
    first = answer["answer"][0]
    assert first["text"].startswith("Le Premier ministre russe Mikhaïl Michoustine est ce mardi")
    for quote in answer["answer"]:
        assert set(quote) == QUOTE
        entry = client.get(f"/entries/{quote['entry_id']}").json()
        assert entry["text"][quote["start"] : quote["end"]] == quote["text"]
        assert (entry["title"], entry["published"], entry["source"]) == (quote["title"], quote["published"], quote["source"])
        assert quote["passage_id"] in {passage["passage_id"] for passage in entry["passages"]}
    assert all(set(hit) == HIT for hit in answer["hits"])


def test_http_answers_what_the_read_walk_answers(client: TestClient, seed_index: Path, encoder: HashingEncoder) -> None:
    now = datetime(2023, 5, 23, 12, tzinfo=UTC)
    with Searcher(seed_index, encoder) as searcher:
        expected = answer_out(ask(searcher, SHANGHAI, 4, Filters(lang="fr"), now=now)).model_dump()
    asked: dict[str, Any] = {"k": 4, "lang": "fr", "now": now.isoformat()}
    assert client.get("/ask", params={"q": SHANGHAI, **asked}).json() == expected
    for name in ("question", "query", "q"):
        assert client.post("/ask", json={name: SHANGHAI, **asked}).json() == expected


def test_a_question_that_is_not_answered_says_why_in_its_language(client: TestClient) -> None:
    for question, told in (("Qui a gagné le tournoi de Rome ?", "Le corpus n’en dit rien"), ("Who won?", "Not in the corpus")):
        answer = client.get("/ask", params={"q": question}).json()
        assert (answer["answered"], answer["answer"], answer["code"]) == (False, [], "not_in_corpus")
        assert answer["reason"].startswith(told)
        assert answer["hits"]


def test_the_time_in_a_question_is_seen_from_now_and_told(client: TestClient) -> None:
    question = "Où est le Premier ministre russe mardi matin ?"
    answer = client.get("/ask", params={"q": question, "now": "2023-05-24T12:00"}).json()
    meant = {"since": "2023-05-23T05:00:00+02:00", "until": "2023-05-23T12:00:00+02:00"}
    assert answer["now"] == "2023-05-24T12:00:00+02:00"
    assert answer["window"] == {
        **meant,
        "asked": meant,
        "phrases": [{"text": "mardi matin", "start": 33, "end": 44}],
        "names": [],
        "relaxed": None,
        "note": None,
    }
    newest = client.get("/ask", params={"q": question, "now": "newest"}).json()
    assert newest["now"].startswith("2023-05-2")
    later = client.get("/ask", params={"q": question, "now": "2024-02-01"}).json()
    assert (later["window"]["relaxed"], later["window"]["since"]) == ("empty", None)
    assert later["window"]["note"].startswith("Rien n’a été publié dans cette période")
    assert client.get("/ask", params={"q": SHANGHAI}).json()["window"] is None


def test_the_threshold_is_a_setting_of_the_server_and_of_a_question(seed_index: Path, encoder: HashingEncoder) -> None:
    with TestClient(create_app(lambda: Searcher(seed_index, encoder), threshold=1.0)) as strict:
        refused = strict.get("/ask", params={"q": SHANGHAI}).json()
        answered = strict.get("/ask", params={"q": SHANGHAI, "threshold": 0.1}).json()
    assert (refused["answered"], refused["threshold"], refused["code"]) == (False, 1.0, "not_in_corpus")
    assert (answered["answered"], answered["threshold"]) == (True, 0.1)
    assert refused["confidence"] == answered["confidence"]


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({}, "q"),
        ({"q": ""}, "q"),
        ({"q": "x" * 5000}, "q"),
        ({"q": "Qui ?", "now": "bientôt"}, "now"),
        ({"q": "Qui ?", "threshold": "2"}, "threshold"),
        ({"q": "Qui ?", "threshold": "nan"}, "threshold"),
        ({"q": "Qui ?", "k": "0"}, "k"),
        ({"q": "Qui ?", "lang": "de"}, "lang"),
        ({"q": "Qui ?", "source": "nowhere"}, "source"),
        ({"q": "Qui ?", "since": "2023-05-24", "until": "2023-05-23"}, "until"),
    ],
)  # fmt: skip
def test_a_question_that_cannot_be_asked_names_its_field(client: TestClient, asked: dict[str, str], field: str) -> None:
    response = client.get("/ask", params=asked)
    assert response.status_code == 422
    assert [error["field"] for error in response.json()["errors"]] == [field]


def test_a_body_without_a_question_names_what_it_lacks(client: TestClient) -> None:
    for body in ({}, {"question": ""}, {"q": " "}):
        errors = client.post("/ask", json=body).json()["errors"]
        assert [error["field"] for error in errors] == ["question"]


def test_an_undated_index_has_no_newest(write: Callable[..., Path], encoder: HashingEncoder) -> None:
    path = write("fil/a.jsonl", json.dumps({"_id": "a", "text": "Sans date."}) + "\n")
    ingest([path], path.parent / "index", encoder)
    with TestClient(create_app(lambda: Searcher(path.parent / "index", encoder))) as client:
        response = client.get("/ask", params={"q": "Qui ?", "now": "newest"})
    assert (response.status_code, response.json()["errors"][0]["field"]) == (422, "now")


def test_an_entry_is_given_with_its_passages(client: TestClient) -> None:
    entry = client.get("/entries/u4awslt5gpi37xjl").json()
    text = entry["text"]
    assert text.startswith("Plusieurs attaques de drones ont visé")
    assert entry == {
        "entry_id": "u4awslt5gpi37xjl",
        "source": SOURCE,
        "key": "2023-05-23T07:58",
        "title": "Plusieurs attaques de drones dans la région de Belgorod, après une incursion armée",
        "text": text,
        "published": "2023-05-23T07:58:00+02:00",
        "clock": "07:58",
        "lang": "fr",
        "url": None,
        "twins": [],
        "passages": entry["passages"],
    }
    assert [(p["start"], p["end"], p["text"]) for p in entry["passages"]] == [(0, len(text), text)]


def test_an_entry_known_to_the_day_has_a_date_and_one_without_a_day_a_clock(mixed: TestClient) -> None:
    hits = mixed.get("/search", params={"q": "café thé", "k": 100}).json()["hits"]
    found = [mixed.get(f"/entries/{hit['entry_id']}").json() for hit in hits]
    assert {(entry["key"], entry["published"], entry["clock"], entry["url"]) for entry in found} == {
        ("a", "2024-01-10", None, None),
        ("b", "2024-01-10T12:00:00+01:00", None, None),
        ("c", "2024-01-11T09:30:15+01:00", None, "https://example.org/c"),
        ("d", None, None, None),
        ("day0T10:00", None, "10:00", None),
    }


def test_the_versions_of_an_entry_are_listed_also_when_it_was_withdrawn(
    write: Callable[..., Path], encoder: HashingEncoder
) -> None:
    def put(*lines: dict[str, str]) -> Path:
        return write("fil/direct.jsonl", "".join(json.dumps(line) + "\n" for line in lines))

    other = {"_id": "b", "text": "Autre.", "lang": "fr"}
    file = put({"_id": "a", "text": "Deux blessés.", "lang": "fr", "date": "2024-01-10"}, other)
    folder = file.parent.parent / "index"
    ingest([file], folder, encoder)
    ingest([put({"_id": "a", "title": "Mort", "text": "Un mort.", "lang": "fr", "date": "2024-01-10"}, other)], folder, encoder)
    with TestClient(create_app(lambda: Searcher(folder, encoder))) as client:
        entry_id = client.get("/search?q=mort&k=1").json()["hits"][0]["entry_id"]
        found = client.get(f"/entries/{entry_id}/versions").json()
        assert [(one["version"], one["title"], one["text"], one["ended"] is None) for one in found["versions"]] == [
            (1, "", "Deux blessés.", False),
            (2, "Mort", "Un mort.", True),
        ]
        ingest([put(other)], folder, encoder)
        assert [hit["text"] for hit in client.get("/search?q=mort").json()["hits"]] == ["Autre."]
        gone = client.get(f"/entries/{entry_id}")
        assert (gone.status_code, gone.json()["detail"]) == (
            404,
            f"the entry '{entry_id}' is not in the index at this time; its versions say when it was",
        )
        found = client.get(f"/entries/{entry_id}/versions").json()
        first, last = found["versions"]
        assert found == {
            "entry_id": entry_id,
            "source": "fil/direct.jsonl",
            "key": "a",
            "withdrawn": True,
            "versions": [first, last],
        }
        assert last == {
            "version": 2,
            "generation": 2,
            "seen": first["ended"],
            "ended": last["ended"],
            "withdrawn": True,
            "content_hash": last["content_hash"],
            "title": "Mort",
            "text": "Un mort.",
            "published": "2024-01-10",
            "clock": None,
            "lang": "fr",
            "url": None,
        }
        assert first["content_hash"] != last["content_hash"]
        assert client.get("/entries/none/versions").json()["detail"] == "no entry 'none' in this index"


def test_the_sources_are_listed(client: TestClient) -> None:
    assert client.get("/sources").json() == {
        "generation": 1,
        "sources": [
            {
                "source": SOURCE,
                "entries": 6,
                "passages": 11,
                "languages": ["fr"],
                "first": "2023-05-23T00:00:00+02:00",
                "last": "2023-05-23T11:58:00+02:00",
            }
        ],
    }


def test_a_server_that_has_its_index_and_model_is_ready(client: TestClient) -> None:
    assert client.get("/health").json() == {"status": "alive"}
    assert client.get("/ready").json() == {"status": "ready", "generation": 1, "entries": 6, "passages": 11, "model": "hashing"}


def test_before_the_index_is_there_the_server_is_alive_and_not_ready(seed_index: Path, encoder: HashingEncoder) -> None:
    # Outside its context, the client sends requests without starting the application.
    client = TestClient(create_app(lambda: Searcher(seed_index, encoder)))
    assert client.get("/health").json() == {"status": "alive"}
    for address in ("/ready", "/search?q=x", "/sources", "/entries/x"):
        response = client.get(address)
        assert (response.status_code, response.headers["content-type"]) == (503, "application/problem+json")
        assert response.headers["retry-after"] == "2"


def test_entries_that_arrive_meanwhile_are_found_by_the_next_search(
    write: Callable[..., Path], encoder: HashingEncoder
) -> None:
    file = write("fil/direct.txt", "10h00 : Un\nPremière entrée.\n")
    folder = file.parent.parent / "index"
    ingest([file], folder, encoder)
    with TestClient(create_app(lambda: Searcher(folder, encoder))) as client:
        assert client.get("/search?q=Seconde+entrée").json()["generation"] == 1
        write("fil/direct.txt", "11h00 : Deux\nSeconde entrée.\n10h00 : Un\nPremière entrée.\n")
        ingest([file], folder, encoder)
        answered = client.get("/search?q=Seconde+entrée").json()
        assert (answered["generation"], answered["hits"][0]["text"]) == (2, "Seconde entrée.")
        assert client.get("/ready").json()["entries"] == 2


def test_the_index_is_closed_when_the_application_ends(seed_index: Path, encoder: HashingEncoder) -> None:
    searcher = Searcher(seed_index, encoder)
    app = create_app(lambda: searcher)
    with TestClient(app):
        assert app.state.searcher is searcher
    assert app.state.searcher is None


# The description


@pytest.fixture
def described(client: TestClient) -> Mapping[str, Any]:
    api: Mapping[str, Any] = client.get("/openapi.json").json()
    return api


def operations(api: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [(method, path, operation) for path, methods in api["paths"].items() for method, operation in methods.items()]


def test_the_description_names_every_address(described: Mapping[str, Any]) -> None:
    assert described["openapi"].startswith("3.1")
    assert (described["info"]["title"], described["info"]["license"]["name"]) == ("filrouge", "MIT")
    assert [(method, path, one["operationId"]) for method, path, one in operations(described)] == [
        ("get", "/search", "search"),
        ("post", "/search", "post_search"),
        ("get", "/ask", "get_ask"),
        ("post", "/ask", "post_ask"),
        ("get", "/entries/{entry_id}", "entry"),
        ("get", "/entries/{entry_id}/versions", "versions"),
        ("get", "/entries/{entry_id}/similar", "similar"),
        ("get", "/histogram", "histogram"),
        ("get", "/facets", "facets"),
        ("get", "/sources", "sources"),
        ("get", "/health", "health"),
        ("get", "/ready", "ready"),
        ("get", "/export", "export"),
        ("post", "/batch", "batch"),
        ("get", "/feed.atom", "feed"),
        ("get", "/opensearch.xml", "describe"),
        ("get", "/v1/vector_stores", "list_vector_stores"),
        ("get", "/v1/vector_stores/{vector_store_id}", "get_vector_store"),
        ("post", "/v1/vector_stores/{vector_store_id}/search", "search_vector_store"),
        ("get", "/v1/models", "list_models"),
        ("get", "/v1/models/{model}", "get_model"),
        ("post", "/v1/embeddings", "create_embeddings"),
        ("post", "/v1/rerank", "rerank_v1"),
        ("post", "/v2/rerank", "rerank_v2"),
    ]


def test_every_operation_is_described_with_its_errors(described: Mapping[str, Any]) -> None:
    errors = {
        "search": {422, 500, 503},
        "post_search": {400, 413, 415, 422, 500, 503},
        "get_ask": {422, 500, 503},
        "post_ask": {400, 413, 415, 422, 500, 503},
        "entry": {404, 422, 500, 503},
        "versions": {404, 422, 500, 503},
        "similar": {404, 422, 500, 503},
        "histogram": {422, 500, 503},
        "facets": {422, 500, 503},
        "sources": {500, 503},
        "export": {422, 500, 503},
        "batch": {413, 415, 422, 500, 503},
        "feed": {422, 500, 503},
        "describe": {500},
        "health": {500},
        "ready": {500, 503},
    }
    files = {
        "export": [one.media.partition(";")[0] for one in FORMATS.values()],
        "batch": ["text/csv", "application/x-ndjson", "text/plain"],
        "feed": ["application/atom+xml"],
        "describe": ["application/opensearchdescription+xml"],
    }
    for _, path, operation in operations(described):
        assert operation["summary"]
        assert operation["description"].endswith(".")
        responses = dict(operation["responses"])
        assert list(responses.pop("200")["content"]) == files.get(operation["operationId"], ["application/json"])
        # What has not changed is no error.
        assert "content" not in responses.pop("304", {})
        if operation["security"]:
            errors.setdefault(operation["operationId"], set()).update({401, 403, 429})
        if path.startswith(("/v1/", "/v2/")):
            shape = "CohereError" if path.endswith("/rerank") else "OpenAIError"
            reference = {"schema": {"$ref": f"#/components/schemas/{shape}"}}
            told = {status: response["content"] for status, response in responses.items()}
            assert told == {status: {"application/json": reference} for status in ("4XX", "5XX")}
            continue
        assert {int(status) for status in responses} == errors[operation["operationId"]]
        for response in responses.values():
            assert response["description"]
            problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
            assert response["content"] == problem


def test_what_can_be_asked_is_described_with_examples(described: Mapping[str, Any]) -> None:
    parameters = {one["name"]: one for one in described["paths"]["/search"]["get"]["parameters"]}
    body = described["components"]["schemas"]["SearchBody"]["properties"]
    narrowing = ["lang", "since", "until", "source", "as_of", "k", "literal"]
    assert list(parameters) == [*narrowing, "cursor", "q"]
    assert [*body] == [*narrowing, "cursor", "query"]
    for schema in [*(one["schema"] for one in parameters.values()), *body.values()]:
        assert schema["description"]
    for name in ("since", "until", "source"):
        assert parameters[name]["schema"]["examples"] == body[name]["examples"] != []
    assert parameters["q"]["schema"]["examples"] == ["Who is training Ukrainian pilots on F-16s?"]
    assert body["query"]["examples"] == ["Qui a revendiqué l’attaque de Belgorod ?"]
    for schema in described["components"]["schemas"]["AskBody"]["properties"].values():
        assert schema["description"]
    asking = [one["name"] for one in described["paths"]["/ask"]["get"]["parameters"]]
    assert asking == [*narrowing, "now", "times", "threshold", "q"]
    entry_id = described["paths"]["/entries/{entry_id}"]["get"]["parameters"][0]
    assert (entry_id["name"], entry_id["required"], entry_id["description"]) == ("entry_id", True, "The `entry_id` of a hit.")


def test_every_reference_in_the_description_leads_somewhere(described: Mapping[str, Any]) -> None:
    schemas = described["components"]["schemas"]
    written = json.dumps(described)
    for name in {part.split('"')[0] for part in written.split("#/components/schemas/")[1:]}:
        assert name in schemas
    assert all(schema["description"] for schema in schemas.values())
    assert "HTTPValidationError" not in schemas


@pytest.mark.parametrize(
    ("method", "address", "path"),
    [
        ("get", "/search?q=Belgorod&since=2023-05-23", "/search"),
        ("get", "/entries/u4awslt5gpi37xjl", "/entries/{entry_id}"),
        ("get", "/entries/u4awslt5gpi37xjl/versions", "/entries/{entry_id}/versions"),
        ("get", "/sources", "/sources"),
        ("get", "/health", "/health"),
        ("get", "/ready", "/ready"),
        ("get", "/search", "/search"),
        ("post", "/search", "/search"),
        ("get", "/ask?q=Que+s%E2%80%99est-il+pass%C3%A9+mardi+%C3%A0+Belgorod+%3F&now=newest&threshold=0", "/ask"),
        ("get", "/ask?q=Qui+a+gagn%C3%A9+le+31+f%C3%A9vrier+%3F", "/ask"),
        ("get", "/ask", "/ask"),
        ("post", "/ask", "/ask"),
        ("get", "/entries/none", "/entries/{entry_id}"),
    ],
)
def test_answers_are_as_described(
    client: TestClient, described: Mapping[str, Any], method: str, address: str, path: Path
) -> None:
    response = client.request(method, address)
    content = described["paths"][path][method]["responses"][str(response.status_code)]["content"]
    assert (
        faults(response.json(), content[response.headers["content-type"]]["schema"], described["components"]["schemas"]) == []
    )


def faults(value: Any, schema: Mapping[str, Any], schemas: Mapping[str, Any], where: str = "") -> list[str]:
    """Where a value is not what its schema says, in the part of JSON Schema that the description uses."""
    if "$ref" in schema:
        return faults(value, schemas[schema["$ref"].rpartition("/")[2]], schemas, where)
    if "anyOf" in schema:
        tried = [faults(value, one, schemas, where) for one in schema["anyOf"]]
        return [] if [] in tried else tried[0]
    if "const" in schema or "enum" in schema:
        return [] if value in schema.get("enum", [schema.get("const")]) else [f"{where}: {value!r}"]
    kinds: Mapping[str, Any] = {
        "string": str, "integer": int, "number": (int, float), "array": list, "object": dict, "null": type(None),
        "boolean": bool,
    }  # fmt: skip
    if not isinstance(value, kinds[schema["type"]]):
        return [f"{where}: {value!r} is no {schema['type']}"]
    found = []
    if isinstance(value, list):
        for number, item in enumerate(value):
            found += faults(item, schema["items"], schemas, f"{where}[{number}]")
    if isinstance(value, dict):
        properties = schema.get("properties", {})
        found += [f"{where}.{name} is missing" for name in schema.get("required", []) if name not in value]
        for name, item in value.items():
            further = schema.get("additionalProperties")
            if name not in properties and not further:
                found.append(f"{where}.{name} is not described")
            else:
                found += faults(item, properties.get(name, further), schemas, f"{where}.{name}")
    return found


def test_the_check_of_answers_can_fail() -> None:
    schemas = {
        "A": {"type": "object", "required": ["n"], "properties": {"n": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
    }
    assert faults({"n": None}, {"$ref": "#/components/schemas/A"}, schemas) == []
    assert faults({"n": "x", "m": 1}, {"$ref": "#/components/schemas/A"}, schemas) == [
        ".n: 'x' is no integer",
        ".m is not described",
    ]
    assert faults([{}], {"type": "array", "items": {"$ref": "#/components/schemas/A"}}, schemas) == ["[0].n is missing"]


def test_a_searcher_is_asked_for_when_the_application_starts_and_not_before(seed_index: Path) -> None:
    opened = []

    def open_searcher() -> Searcher:
        opened.append(1)
        return Searcher(seed_index, HashingEncoder())

    app = create_app(open_searcher)
    assert opened == []
    with TestClient(app):
        assert opened == [1]
