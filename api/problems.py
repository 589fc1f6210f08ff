"""Errors on the wire: one shape (RFC 9457), and one table from error class to HTTP status."""

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import BaseRoute, Match
from starlette.types import Receive, Scope, Send

from api import visits
from api.dialects import Fault, translated
from api.keys import InvalidKeys
from api.schemas import FieldProblem, Problem
from embed import EmbedError
from embed.errors import EncoderBusy
from index import errors

log = logging.getLogger("filrouge.api")

# The most particular class first. What the store or the model says is for whoever runs the server, and may name its
# folders: callers are told the kind of failure, and the log the rest.
_STATUS: list[tuple[type[Exception], HTTPStatus, str]] = [
    (errors.InvalidRequest, HTTPStatus.UNPROCESSABLE_ENTITY, ""),
    (errors.NotFound, HTTPStatus.NOT_FOUND, ""),
    (errors.IndexBusy, HTTPStatus.SERVICE_UNAVAILABLE, "the index is being built; try again in a moment"),
    (
        errors.ModelMismatch,
        HTTPStatus.SERVICE_UNAVAILABLE,
        "the index was rebuilt with another model; restart the server",
    ),
    (InvalidKeys, HTTPStatus.SERVICE_UNAVAILABLE, "the keys of this server cannot be read at present; see its log"),
    (errors.FilrougeError, HTTPStatus.SERVICE_UNAVAILABLE, "the index cannot be read at present; see the server's log"),
    (EncoderBusy, HTTPStatus.SERVICE_UNAVAILABLE, "too many questions are waiting; try again in a moment"),
    (EmbedError, HTTPStatus.SERVICE_UNAVAILABLE, "the model cannot be used at present; see the server's log"),
]

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER = {"Retry-After": "2"}
"""Seconds after which one who is refused may ask again: a full queue of requests is worked off in about that time."""
NOWHERE = "there is nothing at this address; see /docs"
_TOLD = {
    400: "The body is not JSON.",
    401: "A key is needed, and none that is valid was sent.",
    403: "Not with this key, or not from a page of someone else.",
    404: "There is no such thing.",
    408: "The request was sent too slowly.",
    413: "The body is larger than 1 MiB.",
    415: "The body is not sent as the media type that is taken.",
    422: "The request cannot be answered as it stands; `errors` names the fields.",
    429: "Too many requests in too short a time; `Retry-After` says when to ask again.",
    500: "The server failed; its log says why.",
    503: "The index or the model is not available, or too many requests are waiting; `Retry-After` says when to ask again.",
}


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What the API description says of these errors, for a route's `responses`."""
    return {status: {"model": Problem, "description": _TOLD[status], "content": {MEDIA_TYPE: {}}} for status in statuses}


class ProblemResponse(JSONResponse):
    """A problem on its way to a caller, with the id of its request, in the shape that the address has for errors
    (`api.dialects`).
    """

    def __init__(self, problem: Problem, headers: dict[str, str] | None = None, fault: Fault | None = None) -> None:
        super().__init__(problem.model_dump(), problem.status, headers, media_type=MEDIA_TYPE)
        self._problem, self._fault, self._more = problem, fault, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        there = translated(scope["path"], self._problem, self._fault)
        if there is None:
            body = self._problem.model_copy(update={"request_id": visits.of(scope).id})
            answer = JSONResponse(body.model_dump(), body.status, self._more, MEDIA_TYPE)
        else:
            # Where clients have no place for it in the body, the header says the id.
            status, told = there
            answer = JSONResponse(told.model_dump(), status, self._more)
        await answer(scope, receive, send)


def problem(
    status: int,
    detail: str,
    kind: str = "",
    fields: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
    fault: Fault | None = None,
) -> ProblemResponse:
    """A response that tells of an error; `fault` is what the validator said of the first of the fields."""
    title = HTTPStatus(status).phrase
    # What a caller wrote is repeated, and JSON may hold half a character, which none can be sent.
    detail = _whole(detail)
    fields = [FieldProblem(field=_whole(one.field), message=_whole(one.message)) for one in fields or []]
    body = Problem(
        type=f"urn:filrouge:{kind or title.lower().replace(' ', '-')}",
        title=title,
        status=status,
        detail=detail,
        errors=fields,
    )
    return ProblemResponse(body, headers, fault)


def _whole(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem, and describe them so."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(errors.FilrougeError, _known)
    app.add_exception_handler(EmbedError, _known)
    described = app.openapi

    def openapi() -> dict[str, Any]:
        schema = described()
        for operation in (operation for path in schema["paths"].values() for operation in path.values()):
            for response in operation["responses"].values():
                content = response.get("content", {})
                # FastAPI describes every model as application/json, whatever the error is sent as.
                if MEDIA_TYPE in content and "application/json" in content:
                    content[MEDIA_TYPE] = content.pop("application/json")
        return schema

    app.openapi = openapi  # type: ignore[method-assign]


def of(error: Exception) -> tuple[int, str]:
    """The HTTP status of an error of ours, and what callers are told of it."""
    for kind, status, told in _STATUS:
        if isinstance(error, kind):
            return status, told or str(error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; see its log"


def noted(request: Request, error: Exception) -> tuple[int, str]:
    """The same; and what is kept from callers goes to the log."""
    status, detail = of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s", error, extra={"facts": visits.facts(request.scope)})
    return status, detail


def failed(scope: Scope, error: errors.FilrougeError) -> ProblemResponse:
    """The answer to a request that failed before it reached a route."""
    return _known(Request(scope), error)


def unforeseen(scope: Scope, error: Exception) -> ProblemResponse:
    """The answer to a request that failed as nobody foresaw; the log says how."""
    log.error("failed", exc_info=error, extra={"facts": visits.facts(scope)})
    status, detail = of(error)
    return problem(status, detail)


_QUESTION = {"/ask": "question"}


def _known(request: Request, error: Exception) -> ProblemResponse:
    status, detail = noted(request, error)
    field = getattr(error, "field", "")
    if field == "query":
        # Its name in a query string, or in the body of an address.
        field = "q" if request.method == "GET" else _QUESTION.get(request.url.path, field)
    # A table of questions may have several faults.
    fields = [*getattr(error, "faults", ())] or ([FieldProblem(field=field, message=detail)] if field else [])
    headers = RETRY_AFTER if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, detail, _kebab(type(error).__name__), fields, headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    if isinstance(error.body, bytes):
        return problem(415, "send the body as JSON, with Content-Type: application/json", "unsupported-media-type")
    for one in error.errors():
        if one["type"] == "json_invalid":
            return problem(400, f"the body is not JSON: {one['ctx']['error']}, at character {one['loc'][-1]}", "bad-request")
    fields = faults([{**one, "loc": one["loc"][1:] or one["loc"]} for one in error.errors()])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, in_a_line(fields), "invalid-request", fields, fault=error.errors()[0])


def faults(errors: Sequence[Mapping[str, Any]]) -> list[FieldProblem]:
    """What a validator found, field by field, in words for callers.

    >>> faults([{"loc": ("k",), "type": "missing", "msg": "Field required"}])
    [FieldProblem(field='k', message='is missing')]
    """
    return [
        FieldProblem(field=".".join(str(part) for part in one["loc"]), message=_MESSAGES.get(one["type"], one["msg"]))
        for one in errors
    ]


def in_a_line(fields: Sequence[FieldProblem]) -> str:
    """The first few of them, as one line."""
    return "; ".join(f"{one.field}: {one.message}" for one in fields[:3])


_MESSAGES = {"extra_forbidden": "is not known", "model_attributes_type": "is not a JSON object", "missing": "is missing"}
"""Ours, where the validator speaks of its own affairs."""


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = NOWHERE
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"this address does not take {request.method}; see /docs"
        headers["Allow"] = ", ".join(sorted(_methods(request)))
    return problem(error.status_code, detail, headers=headers)


def _methods(request: Request) -> set[str]:
    """What the address takes: of all its routes, where the framework names those of the first."""
    routes: list[BaseRoute] = request.app.routes
    here = [route for route in routes if route.matches(request.scope)[0] is not Match.NONE]
    return {method for route in here for method in getattr(route, "methods", None) or ()}


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
