"""How many requests are worked on at once, and who is the next?"""

import asyncio
import logging
from collections import OrderedDict, deque
from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics
from api.problems import RETRY_AFTER, problem
from api.readiness import ALWAYS
from embed.stages import stage

log = logging.getLogger("filrouge.api")


class Turns:
    """At most `at_once` requests are worked on; up to `waiting` more wait; any other is refused at once with 503 and
    Retry-After.

    Clients, told apart by their addresses, have turns by turns, and the first request of each to come is its next. Where all
    places are taken, one who has fewer of them gets the last of whoever has most, who is refused instead.

    A client that leaves while it waits gives up its place. The turn ends when the answer begins, for then it is made, so that
    one who reads slowly keeps nobody waiting. How the server is can always be asked.
    """

    def __init__(self, app: ASGIApp, at_once: int, waiting: int, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics
        self._free = at_once
        self._places = waiting
        # Of each client that waits, the one who is next first.
        self._queues: OrderedDict[str, deque[asyncio.Future[bool]]] = OrderedDict()
        self._refusing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["path"] in ALWAYS:
            await self._app(scope, receive, send)
            return
        client = (scope.get("client") or ("",))[0]
        if self._free:
            self._free -= 1
            self._metrics.working.inc()
        elif not self._has_place(client):
            await self._busy(scope, receive, send)
            return
        else:
            body = await receive()
            with stage("wait"), self._metrics.waiting.track_inprogress():
                came = await self._wait(client, receive)
            if came is False:
                await self._busy(scope, receive, send)
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

    @property
    def waiting(self) -> int:
        """How many wait."""
        # Whole in one step: whoever counts from another thread meets no change on the way.
        return sum(map(len, list(self._queues.values())))

    def _has_place(self, client: str) -> bool:
        """Whether another request of this client may wait; where it takes the place of another one's, that is refused."""
        if self.waiting < self._places:
            return True
        most = max(self._queues, key=lambda one: len(self._queues[one]), default=client)
        if len(self._queues.get(most, ())) <= len(self._queues.get(client, ())) + 1:
            return False
        self._queues[most].pop().set_result(False)
        return True

    async def _busy(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._refusing:
            # Once for each time that it fills: a line for every refusal would be one more load.
            log.warning("requests are refused: %d are waiting already", self._places)
            self._refusing = True
        self._metrics.refused.labels("busy").inc()
        told = "too many requests are waiting; try again in a moment"
        await problem(HTTPStatus.SERVICE_UNAVAILABLE, told, "server-busy", headers=RETRY_AFTER)(scope, receive, send)

    async def _wait(self, client: str, receive: Receive) -> bool | None:
        """Wait for a turn: True when it has come, False when the place went to another client, None when the client left."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._queues.setdefault(client, deque()).append(turn)
        # The body is here, so the next that can come is that the client has left.
        left = asyncio.ensure_future(receive())
        try:
            await asyncio.wait((turn, left), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if turn.done() and turn.result():
                self._next()
            raise
        finally:
            left.cancel()
            if not turn.done():
                self._queues[client].remove(turn)
                if not self._queues[client]:
                    del self._queues[client]
        return turn.result() if turn.done() else None

    def _next(self) -> None:
        """Hand the turn on to the first who waits."""
        if self._queues:
            client, queue = self._queues.popitem(last=False)
            queue.popleft().set_result(True)
            if queue:
                # Behind the others, until each of them had a turn.
                self._queues[client] = queue
        else:
            self._free += 1
            self._metrics.working.dec()
            self._refusing = False
