"""Where does a retriever ask: an index that is open in this process, or a server?"""

import json
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from pydantic import ValidationError

from api import replies
from api.schemas import HitOut, Narrowing, Problem, SearchOut
from index.corpus import Corpus
from index.errors import FilrougeError, InvalidRequest

TIMEOUT = 60
"""Seconds; a server that is busy says so long before."""


def check(index: Corpus | None, url: str | None) -> None:
    """Raise `ValueError` unless one of the two is given, and the address is of a web server.

    >>> check(None, "127.0.0.1:8000")
    Traceback (most recent call last):
    ValueError: url is '127.0.0.1:8000': it must begin with http:// or https://
    """
    if (index is None) == (url is None):
        raise ValueError("give either an index (see index.open_index) or the url of a server, such as http://127.0.0.1:8000")
    if url is not None and not url.startswith(("http://", "https://")):
        raise ValueError(f"url is '{url}': it must begin with http:// or https://")


def found(index: Corpus | None, url: str | None, question: str, narrowing: Narrowing, key: str | None = None) -> SearchOut:
    """The passages that answer `question` best, from the one of the two that is given; `key` is for a server that asks for one.

    Raises what `Searcher.search` raises; `InvalidRequest` too where it is the server that refuses, and `FilrougeError` where
    that does not answer.
    """
    if index is not None:
        return replies.found(index.searcher, question, narrowing)
    assert url is not None  # check has been there
    return _posted(f"{url.rstrip('/')}/search", question, narrowing, key)


def metadata(hit: HitOut, results: SearchOut) -> dict[str, str | int | float | None]:
    """What is known of a passage and its search, but for its text: values without parts, as stores of documents want them."""
    known: dict[str, str | int | float | None] = hit.model_dump(exclude={"text", "ranks", "twins", "highlights"})
    return known | {"generation": results.generation, "model": results.model, "permalink": results.permalink}


def _posted(address: str, question: str, narrowing: Narrowing, key: str | None) -> SearchOut:
    asked = narrowing.model_dump(include=set(Narrowing.model_fields), exclude_none=True)
    body = json.dumps({"query": question, **asked}).encode()
    request = Request(address, body, {"Content-Type": "application/json"})
    if key:
        # Not sent on to wherever the server may lead: that is another one.
        request.add_unredirected_header("Authorization", f"Bearer {key}")
    try:
        # A proxy has no business between a program and its own machine's server.
        with build_opener(ProxyHandler({})).open(request, timeout=TIMEOUT) as response:
            return SearchOut.model_validate_json(response.read())
    except HTTPError as error:
        with error:
            raise _refusal(address, error.code, error.read()) from error
    except ValidationError as error:
        raise FilrougeError(
            f"what {address} answers is not what filrouge answers: is it another server, or of another release?"
        ) from error
    except (OSError, HTTPException) as error:
        why = getattr(error, "reason", None) or error
        raise FilrougeError(f"no answer from {address}: {why}; is filrouge serve running there?") from error


def _refusal(address: str, status: int, body: bytes) -> FilrougeError:
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        return FilrougeError(f"{address} answers with status {status}, and not as filrouge does: is it another server?")
    if problem.errors:
        return InvalidRequest(problem.detail, problem.errors[0].field)
    return FilrougeError(problem.detail)
