"""Every error has one shape, the right status, and nothing of the server's insides."""

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from httpx2 import Response
from starlette.testclient import TestClient

from api import problems
from api.app import create_app
from api.schemas import FieldProblem
from embed import EmbedError, ModelNotFound, WeightsDamaged
from embed.errors import CannotExport, EncoderBusy
from embed.hashing import HashingEncoder
from index import errors
from index.ingest import ingest, reembed
from index.search import Searcher

STATUSES = {
    errors.FilrougeError: 503,
    errors.InvalidRequest: 422,
    errors.NotFound: 404,
    errors.Unreachable: 503,
    errors.UnreadableDocument: 503,
    errors.InvalidManifest: 503,
    errors.UnreadableVectors: 503,
    errors.StorageError: 503,
    errors.TooLittleMemory: 503,
    errors.NotAnIndex: 503,
    errors.ModelMismatch: 503,
    errors.IndexBusy: 503,
    EmbedError: 503,
    ModelNotFound: 503,
    WeightsDamaged: 503,
    CannotExport: 503,
    EncoderBusy: 503,
}
TOO_LONG = "a" * 1_000_000


def below(kind: type[Exception]) -> list[type[Exception]]:
    """An error class of these packages and all that stand below it."""
    found = [kind]
    for child in kind.__subclasses__():
        if child.__module__ in ("index.errors", "embed.errors"):
            found += below(child)
    return found


def problem(response: Response, status: int, kind: str, detail: str, *fields: str) -> None:
    """Assert that a response is this problem, whole."""
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert [one["field"] for one in body.pop("errors")] == list(fields)
    title = body.pop("title")
    assert body.pop("request_id") == response.headers["x-request-id"]
    assert title[0].isupper()
    assert body == {"type": f"urn:filrouge:{kind}", "status": status, "detail": detail}
    assert response.status_code == status


@pytest.mark.parametrize("kind", [*below(errors.FilrougeError), *below(EmbedError)], ids=lambda kind: kind.__name__)
def test_every_failure_has_a_status_and_only_the_callers_own_faults_are_told_as_they_are(kind: type[Exception]) -> None:
    status, told = problems.of(kind("cannot read /srv/index.sqlite"))
    assert status == STATUSES[kind]
    assert (told == "cannot read /srv/index.sqlite") == (status < 500)


def test_no_row_of_the_table_hides_a_later_one() -> None:
    kinds = [kind for kind, _, _ in problems._STATUS]
    for place, kind in enumerate(kinds):
        assert not any(issubclass(kind, earlier) for earlier in kinds[:place]), kind


def test_what_is_no_failure_of_ours_is_a_failure_of_the_server() -> None:
    assert problems.of(ZeroDivisionError("/srv")) == (500, "the server failed; see its log")


# What callers get wrong


def test_a_question_is_needed(client: TestClient) -> None:
    problem(client.get("/search"), 422, "invalid-request", "q: is missing", "q")
    problem(client.post("/search", json={}), 422, "invalid-request", "query: is missing", "query")


@pytest.mark.parametrize("empty", ["", "  ", "\n\u3000"])
def test_an_empty_question_is_refused_under_the_name_that_it_was_asked_with(client: TestClient, empty: str) -> None:
    problem(client.get("/search", params={"q": empty}), 422, "invalid-request", "the question is empty", "q")
    problem(client.post("/search", json={"query": empty}), 422, "invalid-request", "the question is empty", "query")


def test_an_overlong_question_is_refused(client: TestClient) -> None:
    much = "String should have at most 4000 characters"
    problem(client.get("/search", params={"q": "a" * 4001}), 422, "invalid-request", f"q: {much}", "q")
    problem(client.post("/search", json={"query": TOO_LONG}), 422, "invalid-request", f"query: {much}", "query")


@pytest.mark.parametrize(
    ("k", "why"),
    [
        ("0", "Input should be greater than or equal to 1"),
        ("-1", "Input should be greater than or equal to 1"),
        ("101", "Input should be less than or equal to 100"),
        ("10000", "Input should be less than or equal to 100"),
        ("9" * 5000, "Unable to parse input string as an integer, exceeded maximum size"),
        ("", "Input should be a valid integer, unable to parse string as an integer"),
        ("1.5", "Input should be a valid integer, unable to parse string as an integer"),
    ],
)
def test_a_number_of_hits_that_cannot_be_is_refused(client: TestClient, k: str, why: str) -> None:
    problem(client.get("/search", params={"q": "x", "k": k}), 422, "invalid-request", f"k: {why}", "k")
    assert client.post("/search", json={"query": "x", "k": k}).json()["errors"] == [{"field": "k", "message": why}]


def test_an_unknown_filter_is_refused_by_name(client: TestClient) -> None:
    problem(client.get("/search?q=x&author=me"), 422, "invalid-request", "author: is not known", "author")
    posted = client.post("/search", json={"query": "x", "author": {"name": "me"}})
    problem(posted, 422, "invalid-request", "author: is not known", "author")
    problem(client.post("/search", json={"query": "x", "q": "y"}), 422, "invalid-request", "q: is not known", "q")


@pytest.mark.parametrize(
    ("filters", "field", "detail"),
    [
        ({"lang": "de"}, "lang", "lang: Input should be 'fr' or 'en'"),
        ({"lang": ""}, "lang", "lang: Input should be 'fr' or 'en'"),
        ({"since": "hier"}, "since", "'hier' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ({"since": ""}, "since", "'' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        ({"until": "2023-02-30"}, "until", "'2023-02-30' is not a date or time: write 2023-05-23 or 2023-05-23T11:58+02:00"),
        (
            {"since": "2023-05-24", "until": "2023-05-24"},
            "until",
            "the window ends before it begins: since must be earlier than until",
        ),
    ],
)
def test_a_filter_value_that_cannot_be_is_refused(client: TestClient, filters: dict[str, str], field: str, detail: str) -> None:
    problem(client.get("/search", params={"q": "x", **filters}), 422, "invalid-request", detail, field)
    problem(client.post("/search", json={"query": "x", **filters}), 422, "invalid-request", detail, field)


def test_several_faults_are_told_at_once(client: TestClient) -> None:
    told = "query: is missing; k: Input should be greater than or equal to 1; z: is not known"
    response = client.post("/search", json={"k": 0, "z": 1})
    assert {one["field"] for one in response.json()["errors"]} == {"query", "k", "z"}
    assert set(response.json()["detail"].split("; ")) == set(told.split("; "))


def test_half_a_character_that_a_message_repeats_can_be_sent() -> None:
    response = problems.problem(404, "no '\ud83d'", fields=[FieldProblem(field="\ud83d", message="no")])
    told = json.loads(bytes(response.body))
    assert (told["detail"], told["errors"]) == ("no '?'", [{"field": "?", "message": "no"}])


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        (b'{"query": "x"', "the body is not JSON: Expecting ',' delimiter, at character 13"),
        (b"question", "the body is not JSON: Expecting value, at character 0"),
        (b"[" * 100_000, "There was an error parsing the body"),
        (b'{"query": "\xff\xfe"}', "There was an error parsing the body"),
        (b'{"query": "x", "k": ' + b"9" * 5000 + b"}", "There was an error parsing the body"),
    ],
)
def test_a_body_that_is_not_json_is_refused(client: TestClient, body: Any, detail: str) -> None:
    response = client.post("/search", content=body, headers={"Content-Type": "application/json"})
    problem(response, 400, "bad-request", detail)


@pytest.mark.parametrize("body", [[], "x", 5, [{"query": "x"}]])
def test_a_body_that_is_no_object_is_refused(client: TestClient, body: Any) -> None:
    problem(client.post("/search", json=body), 422, "invalid-request", "body: is not a JSON object", "body")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b'{"query": 5}', "Input should be a valid string"),
        (b'{"query": null}', "Input should be a valid string"),
        (b'{"query": "\\ud800"}', "Input should be a valid string, unable to parse raw data as a unicode string"),
    ],
)
def test_a_question_that_is_no_text_is_refused(client: TestClient, body: Any, why: str) -> None:
    response = client.post("/search", content=body, headers={"Content-Type": "application/json"})
    problem(response, 422, "invalid-request", f"query: {why}", "query")


@pytest.mark.parametrize("media", [None, "text/plain", "application/x-www-form-urlencoded", "application/xml"])
def test_a_body_of_another_media_type_is_refused(client: TestClient, media: str) -> None:
    response = client.post("/search", content=b'{"query": "x"}', headers={"Content-Type": media} if media else {})
    told = "send the body as JSON, with Content-Type: application/json"
    problem(response, 415, "unsupported-media-type", told)


def test_json_may_say_its_charset(client: TestClient) -> None:
    media = {"Content-Type": "application/json; charset=utf-8"}
    assert client.post("/search", content='{"query": "été"}'.encode(), headers=media).json()["query"] == "été"


def test_a_body_is_needed(client: TestClient) -> None:
    problem(client.post("/search"), 422, "invalid-request", "body: is missing", "body")


def test_an_unknown_entry_is_not_found(client: TestClient) -> None:
    problem(client.get("/entries/none"), 404, "not-found", "no entry 'none' in this index")
    problem(client.get("/entries/%00"), 404, "not-found", "no entry '\0' in this index")


@pytest.mark.parametrize("address", ["/nowhere", "/entries", "/entries/", "/entries/a/b", "/search/x", "/redoc"])
def test_an_unknown_address_is_not_found(client: TestClient, address: str) -> None:
    problem(client.get(address), 404, "not-found", "there is nothing at this address; see /docs")


@pytest.mark.parametrize(("method", "address", "allowed"), [("PUT", "/search", "GET, POST"), ("DELETE", "/sources", "GET")])
def test_a_wrong_method_is_refused_with_those_that_are_taken(
    client: TestClient, method: str, address: str, allowed: str
) -> None:
    response = client.request(method, address)
    problem(response, 405, "method-not-allowed", f"this address does not take {method}; see /docs")
    assert response.headers["allow"] == allowed


# What goes wrong on the server


class Broken(Searcher):
    """Fails where no failure is expected."""

    def search(self, *asked: object, **more: object) -> object:  # type: ignore[override]
        raise RuntimeError(f"cannot read {__file__}")


def test_an_unexpected_failure_is_a_problem_without_insides(
    seed_index: Path, encoder: HashingEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    with TestClient(create_app(lambda: Broken(seed_index, encoder)), raise_server_exceptions=False) as client:
        problem(client.get("/search?q=x"), 500, "internal-server-error", "the server failed; see its log")
        # The page is for people, and yet nothing of its insides may show either.
        assert __file__ not in client.get("/?q=x").text
        assert client.get("/ready").status_code == 200
    # The log has what the caller is not told.
    assert f"cannot read {__file__}" in caplog.text
    assert "Traceback" in caplog.text


def test_an_index_that_was_embedded_anew_asks_for_a_restart(
    seeds: Path, tmp_path: Path, encoder: HashingEncoder, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "index"
    ingest([seeds], folder, encoder)
    with TestClient(create_app(lambda: Searcher(folder, encoder)), raise_server_exceptions=False) as client:
        assert client.get("/search?q=x").status_code == 200
        reembed(folder, HashingEncoder(dimension=64))
        response = client.get("/search?q=x")
        problem(response, 503, "model-mismatch", "the index was rebuilt with another model; restart the server")
        assert response.headers["retry-after"] == "2"
        page = client.get("/?q=x&ui=en")
        assert (page.status_code, "The index cannot be read at present" in page.text) == (503, True)
        assert str(tmp_path) not in page.text
    assert str(folder) in caplog.text


def test_an_index_that_is_damaged_meanwhile_is_a_problem_without_its_folder(
    seeds: Path, tmp_path: Path, encoder: HashingEncoder
) -> None:
    folder = tmp_path / "index"
    ingest([seeds], folder, encoder)
    with TestClient(create_app(lambda: Searcher(folder, encoder)), raise_server_exceptions=False) as client:
        damage(folder)
        for address in ("/search?q=x", "/sources", "/ready", "/entries/x"):
            response = client.get(address)
            assert response.status_code == 503, address
            assert response.json()["detail"] == "the index cannot be read at present; see the server's log"
            assert str(tmp_path) not in response.text


def damage(folder: Path) -> None:
    """Overwrite the database and its log, as a failing disk may."""
    for path in folder.glob("index.sqlite*"):
        with path.open("r+b") as file:
            file.write(b"\xff" * path.stat().st_size)


def test_what_is_kept_from_callers_goes_to_the_log(client: TestClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="filrouge.api"):
        client.get("/search?q=")
        client.get("/entries/none")
    assert caplog.records == []


def test_problems_are_utf8_json(client: TestClient) -> None:
    body = client.get("/entries/é🙂").content
    assert json.loads(body)["detail"] == "no entry 'é🙂' in this index"
