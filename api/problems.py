"""Errors on the wire: one shape (RFC 9457), and one table from error class to HTTP status."""

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from api.schemas import FieldProblem, Problem
from embed import EmbedError
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
    (errors.FilrougeError, HTTPStatus.SERVICE_UNAVAILABLE, "the index cannot be read at present; see the server's log"),
    (EmbedError, HTTPStatus.SERVICE_UNAVAILABLE, "the model cannot be used at present; see the server's log"),
]

RESPONSES: dict[int | str, dict[str, object]] = {
    status: {"model": Problem, "description": text, "content": {"application/problem+json": {}}}
    for status, text in (
        (422, "The request cannot be answered as it stands; `errors` names the fields."),
        (503, "The index or the model is not available."),
    )
}
NOT_FOUND: dict[int | str, dict[str, object]] = {
    404: {"model": Problem, "description": "There is no such thing.", "content": {"application/problem+json": {}}}
}


def problem(
    status: int,
    detail: str,
    kind: str = "",
    fields: list[FieldProblem] | None = None,
    headers: dict[str, str] | None = None,
) -> JSONResponse:
    """A response that tells of an error."""
    title = HTTPStatus(status).phrase
    body = Problem(
        type=f"urn:filrouge:{kind or title.lower().replace(' ', '-')}",
        title=title,
        status=status,
        detail=detail,
        errors=fields or [],
    )
    return JSONResponse(body.model_dump(), status, headers, media_type="application/problem+json")


def install(app: FastAPI) -> None:
    """Answer every error of `app` as a problem."""
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(errors.FilrougeError, _known)
    app.add_exception_handler(EmbedError, _known)
    app.add_exception_handler(Exception, _unknown)


def of(error: Exception) -> tuple[int, str]:
    """The HTTP status of an error of ours, and what callers are told of it."""
    for kind, status, told in _STATUS:
        if isinstance(error, kind):
            return status, told or str(error)
    return HTTPStatus.INTERNAL_SERVER_ERROR, "the server failed; see its log"


def _known(request: Request, error: Exception) -> JSONResponse:
    status, detail = of(error)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        log.error("%s %s: %s", request.method, request.url.path, error)
    field = getattr(error, "field", "")
    fields = [FieldProblem(field=field, message=detail)] if field else []
    headers = {"Retry-After": "2"} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return problem(status, detail, _kebab(type(error).__name__), fields, headers)


def _invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    fields = []
    for one in error.errors():
        where = [str(part) for part in one["loc"] if part not in ("query", "body", "path")] or [str(one["loc"][-1])]
        message = "is not known" if one["type"] == "extra_forbidden" else one["msg"]
        fields.append(FieldProblem(field=".".join(where), message=message))
    detail = "; ".join(f"{one.field}: {one.message}" for one in fields[:3])
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, "invalid-request", fields)


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    detail = str(error.detail)
    if error.status_code == HTTPStatus.NOT_FOUND:
        detail = "there is nothing at this address; see /docs"
    elif error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        detail = f"this address does not take {request.method}; see /docs"
    return problem(error.status_code, detail, headers=dict(error.headers or {}))


def _unknown(request: Request, error: Exception) -> JSONResponse:
    log.error("%s %s", request.method, request.url.path, exc_info=error)
    status, detail = of(error)
    return problem(status, detail)


def _kebab(name: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in name).lstrip("-")
