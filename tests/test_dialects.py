"""Errors at addresses that others defined: their shape, their statuses, and nothing lost."""

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from api.app import create_app
from api.dialects import translated
from api.schemas import FieldProblem, Problem
from embed.hashing import HashingEncoder
from index.errors import FilrougeError
from index.search import Searcher


def problem(status: int, kind: str, *fields: str) -> Problem:
    return Problem(
        type=f"urn:filrouge:{kind}",
        title="",
        status=status,
        detail="it cannot be",
        errors=[FieldProblem(field=field, message="it cannot be") for field in fields],
    )


@pytest.mark.parametrize("path", ["/search", "/v1x", "/v2", "/mcp", "/", "/ask/v1/models"])
def test_at_our_own_addresses_a_problem_is_left_as_it_is(path: str) -> None:
    assert translated(path, problem(422, "invalid-request", "k"), None) is None


@pytest.mark.parametrize(
    ("status", "kind", "fields", "told"),
    [
        (422, "invalid-request", ("k",), (400, "invalid_request_error", "k", "invalid_value")),
        (422, "invalid-request", (), (400, "invalid_request_error", None, "invalid_value")),
        (404, "not-found", ("model",), (404, "invalid_request_error", "model", "model_not_found")),
        (404, "not-found", ("vector_store_id",), (404, "invalid_request_error", "vector_store_id", "not_found")),
        (413, "content-too-large", (), (413, "invalid_request_error", None, "content_too_large")),
        (500, "internal-server-error", (), (500, "server_error", None, "internal_server_error")),
        (503, "server-busy", (), (503, "server_error", None, "server_busy")),
    ],
)
def test_a_problem_becomes_an_error_of_openais(status: int, kind: str, fields: tuple[str, ...], told: tuple[Any, ...]) -> None:
    for path in ("/v1", "/v1/models"):
        found = translated(path, problem(status, kind, *fields), None)
        assert found is not None
        error = found[1].model_dump()["error"]
        assert (found[0], error["type"], error["param"], error["code"]) == told
        assert error["message"] == "it cannot be"


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ({"type": "missing"}, "missing_required_parameter"),
        ({"type": "extra_forbidden"}, "unknown_parameter"),
        ({"type": "string_type"}, "invalid_type"),
        ({"type": "int_parsing"}, "invalid_type"),
        ({"type": "int_from_float"}, "invalid_type"),
        ({"type": "literal_error", "ctx": {"expected": "'a'"}}, "invalid_value"),
        ({"type": "less_than_equal", "ctx": {"le": 50}}, "integer_above_max_value"),
        ({"type": "greater_than_equal", "ctx": {"ge": 0.0}}, "decimal_below_min_value"),
        ({"type": "too_short"}, "empty_array"),
    ],
)
def test_what_the_validator_found_has_a_code(fault: dict[str, Any], code: str) -> None:
    found = translated("/v1/embeddings", problem(422, "invalid-request", "input.0"), fault)
    assert found is not None
    error = found[1].model_dump()["error"]
    assert (error["code"], error["param"]) == (code, "input[0]")


def test_where_documents_are_ranked_a_message_names_the_field_once() -> None:
    for path in ("/v1/rerank", "/v2/rerank"):
        for fields, message in (((), "it cannot be"), (("query",), "query: it cannot be"), (("it",), "it cannot be")):
            found = translated(path, problem(422, "invalid-request", *fields), None)
            assert found is not None
            assert (found[0], found[1].model_dump()) == (400, {"message": message})


class Failing(Searcher):
    """Fails as it is told to."""

    error: Exception = ValueError("cannot read /srv")

    def search(self, *asked: object, **narrowed: object) -> object:  # type: ignore[override]
        raise self.error


def test_a_failure_of_the_server_has_the_shape_too(seed_index: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    app = create_app(lambda: Failing(seed_index, HashingEncoder()))
    with TestClient(app, raise_server_exceptions=False) as client:
        for error, status in ((ValueError("cannot read /srv"), 500), (FilrougeError("cannot read /srv"), 503)):
            monkeypatch.setattr(Failing, "error", error)
            response = client.post("/v1/vector_stores/vs_filrouge/search", json={"query": "a"})
            assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
            assert response.json()["error"]["type"] == "server_error"
            assert ("retry-after" in response.headers) == (status == 503)
            assert "/srv" not in json.dumps(response.json())
