"""How many requests are worked on at once, and who is the next?"""

import asyncio
import logging
from collections import deque
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import PATH as METRICS
from api.metrics import Metrics
from api.problems import RETRY_AFTER, problem
from api.readiness import Readiness
from embed.stages import stage

_ALWAYS = ("/health", "/ready", METRICS)
"""Whoever asks these wants to know how a busy server is."""

log = logging.getLogger("filrouge.api")


class Turns:
    """At most `at_once` requests are worked on; up to `waiting` more wait, and the first to come is the next; any other is
    refused at once with 503 and Retry-After.

    A client that leaves while it waits gives up its place. The turn ends when the answer begins, for then it is made, so that
    one who reads slowly keeps nobody waiting. While no questions are taken (`readiness`), all are refused but those who have a
    turn or wait for one. How the server is can always be asked.
    """

    def __init__(self, app: ASGIApp, at_once: int, waiting: int, readiness: Readiness, metrics: Metrics) -> None:
        self._app = app
        self._readiness = readiness
        self._metrics = metrics
        self._free = at_once
        self._places = waiting
        self._queue: deque[asyncio.Future[None]] = deque()
        self._refusing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["path"] in _ALWAYS:
            await self._app(scope, receive, send)
            return
        if self._readiness.why_not is not None:
            self._metrics.refused.labels("not_ready").inc()
            told, kind = self._readiness.why_not, "not-ready"
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, told, kind, headers=RETRY_AFTER)(scope, receive, send)
            return
        if self._free:
            self._free -= 1
            self._metrics.working.inc()
        elif len(self._queue) >= self._places:
            if not self._refusing:
                # Once for each time that it fills: a line for every refusal would be one more load.
                log.warning("requests are refused: %d are waiting already", self._places)
                self._refusing = True
            self._metrics.refused.labels("busy").inc()
            told, kind = "too many requests are waiting; try again in a moment", "server-busy"
            await problem(HTTPStatus.SERVICE_UNAVAILABLE, told, kind, headers=RETRY_AFTER)(scope, receive, send)
            return
        else:
            body = await receive()
            with stage("wait"), self._metrics.waiting.track_inprogress():
                came = await self._wait(receive)
            if not came:
                return
            whole = [body]
            rest = receive

            async def replay() -> Message:
                return whole.pop() if whole else await rest()

            receive = replay
        ended = False

        def end() -> None:
            nonlocal ended
            if not ended:
                ended = True
                self._next()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                end()
            await send(message)

        try:
            await self._app(scope, receive, sending)
        finally:
            end()

    async def _wait(self, receive: Receive) -> bool:
        """Wait for a turn; False when the client has left instead."""
        turn = asyncio.get_running_loop().create_future()
        self._queue.append(turn)
        # The body is here, so the next that can come is that the client has left.
        left = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((turn, left), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done():
                self._next()
            raise
        finally:
            left.cancel()
            if not turn.done():
                self._queue.remove(turn)
        return turn.done()

    def _next(self) -> None:
        """Hand the turn on to the first who waits."""
        if self._queue:
            self._queue.popleft().set_result(None)
        else:
            self._free += 1
            self._metrics.working.dec()
            self._refusing = False
