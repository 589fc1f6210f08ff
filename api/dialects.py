"""In whose words is an error told? Addresses that others defined answer errors in the shape that their clients read.

A problem (`api.problems`) says what is wrong; here it becomes OpenAI's `{"error": {...}}` below `/v1`, and Cohere's
`{"message": ...}` where documents are ranked.
"""

import re
from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel

from api.schemas import Problem

Fault = Mapping[str, Any]
"""What pydantic says of a value: `type`, and `ctx` with the bounds where it has some."""
RERANK = ("/v1/rerank", "/v2/rerank")


_Kind = Literal["invalid_request_error", "server_error", "requests"]


class OpenAIFault(BaseModel):
    """What is wrong, as OpenAI's clients read it."""

    message: str
    type: _Kind
    param: str | None
    code: str | None


class OpenAIError(BaseModel):
    """An error, as OpenAI has it."""

    error: OpenAIFault


class CohereError(BaseModel):
    """An error, as Cohere has it."""

    message: str


def translated(path: str, problem: Problem, fault: Fault | None) -> tuple[int, BaseModel] | None:
    """The status and the body of `problem` at an address that someone else defined; None at one of ours.

    >>> told = Problem(type="urn:filrouge:invalid-request", title="", status=422, detail="the query is empty")
    >>> translated("/v2/rerank", told, None)
    (400, CohereError(message='the query is empty'))
    >>> translated("/search", told, None) is None
    True
    """
    # None of them knows 422 of a value: what is wrong with a request is 400.
    status = 400 if problem.status == 422 else problem.status
    param = problem.errors[0].field if problem.errors else None
    if path in RERANK:
        named = param is None or problem.detail.startswith(param)
        return status, CohereError(message=problem.detail if named else f"{param}: {problem.detail}")
    if path == "/v1" or path.startswith("/v1/"):
        kind: _Kind = "server_error" if status >= 500 else "requests" if status == 429 else "invalid_request_error"
        told = OpenAIFault(message=problem.detail, type=kind, param=_place(param), code=_code(problem, param, fault))
        return status, OpenAIError(error=told)
    return None


def responses(error: type[BaseModel]) -> dict[int | str, dict[str, Any]]:
    """What the API description says of errors in such a shape, for a route's `responses`."""
    return {
        "4XX": {"model": error, "description": "The request cannot be answered as it stands; the message says why."},
        "5XX": {"model": error, "description": "The index or the model is not available at present."},
    }


def _place(field: str | None) -> str | None:
    """A place within the body as OpenAI writes it: `input.0` is `input[0]`."""
    return None if field is None else re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", field)


_CODES = {
    "missing": "missing_required_parameter",
    "extra_forbidden": "unknown_parameter",
    "string_too_long": "string_above_max_length",
    "too_long": "array_above_max_length",
    "too_short": "empty_array",
}


def _code(problem: Problem, param: str | None, fault: Fault | None) -> str | None:
    if fault is None:
        if problem.status == 422:
            return "invalid_value"
        if problem.status == 429:
            return "rate_limit_exceeded"
        kind = problem.type.rpartition(":")[2].replace("-", "_")
        return f"{param}_{kind}" if (param, kind) == ("model", "not_found") else kind
    kind, bounds = fault["type"], fault.get("ctx", {})
    for bound, beyond in (("ge", "below_min"), ("le", "above_max")):
        if bound in bounds:
            return f"{'decimal' if isinstance(bounds[bound], float) else 'integer'}_{beyond}_value"
    return _CODES.get(kind, "invalid_type" if kind.endswith(("_type", "_parsing", "_from_float")) else "invalid_value")
