"""How does an answer become the bytes that are sent?"""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

from fastapi import Response
from pydantic import BaseModel

Given = ParamSpec("Given")


def rendered(endpoint: Callable[Given, BaseModel]) -> Callable[Given, Response]:
    """The endpoint, whose answer is written as JSON in the thread that made it.

    By itself the framework has another thread compare each answer with what the endpoint is declared to give, and writes it on
    the loop, where every other request waits. The declaration stays, and an answer is checked when it is made.

    >>> class Said(BaseModel):
    ...     text: str
    >>> rendered(lambda text: Said(text=text))("Été").body.decode()
    '{"text":"Été"}'
    """

    @wraps(endpoint)
    def answering(*given: Given.args, **named: Given.kwargs) -> Response:
        return Response(endpoint(*given, **named).model_dump_json(by_alias=True), media_type="application/json")

    return answering
