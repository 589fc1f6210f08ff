"""What is written down of each request, and what of a failure that nobody foresaw?"""

import json
import logging
import time
from typing import Any
from urllib.parse import parse_qs

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import visits
from api.problems import unforeseen

log = logging.getLogger("filrouge.request")
_LONGEST = 4000
"""Characters of a question that are written down."""


class Journal:
    """Gives each request its id, and writes a line about it when it is answered; ends every failure that got this far as a
    problem.

    The line has the address as it is declared and not as it was asked for, the name of the key and not the key. What was asked
    is written only where `questions` is set.
    """

    def __init__(self, app: ASGIApp, questions: bool = False) -> None:
        self._app = app
        self._questions = questions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        visit = visits.Visit.begun(Headers(scope=scope).get("x-request-id"))
        visits.keep(scope, visit)
        status = 0
        body = bytearray()

        async def receiving() -> Message:
            message = await receive()
            if self._questions:
                body.extend(message.get("body", b""))
            return message

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receiving, sending)
        except Exception as error:
            answer = unforeseen(scope, error)
            # Of an answer that has begun, the rest cannot be taken for whole: its length is not reached.
            if not status:
                await answer(scope, receive, sending)
        facts: dict[str, Any] = visits.facts(scope) | {
            "status": status or None,
            "ms": round((time.perf_counter() - began) * 1000, 1),
            "key": visit.key or None,
        }
        if self._questions:
            facts["question"] = _asked(scope, bytes(body))
        log.info("answered", extra={"facts": facts})


def _asked(scope: Scope, body: bytes) -> str | None:
    """The question in a request, where it is in one of the places that questions are in."""
    found: Any = parse_qs(scope["query_string"].decode("latin-1")).get("q", [None])[0]
    if found is None and body:
        try:
            sent = json.loads(body)
            # Of a call over MCP, what it gives to the tool.
            sent = sent.get("params", {}).get("arguments", sent)
            found = sent.get("query", sent.get("question"))
        except (ValueError, AttributeError, RecursionError):
            return None
    return found[:_LONGEST] if isinstance(found, str) else None
