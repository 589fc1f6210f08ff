"""How many requests are worked on at once, and who is the next."""

import asyncio
import http.client
import json
import logging
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from api.turns import Turns
from embed.encoder import Reading, Span
from embed.hashing import HashingEncoder
from index.search import Searcher


class Door:
    """An application whose requests are each answered when they are let through, by name; and what it has seen."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self.turns = Turns(self._app, at_once, waiting)
        self.working: list[str] = []
        self.answered: list[str] = []
        self.refused: list[str] = []
        self._open: dict[str, asyncio.Event] = {}
        self._gone: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def _app(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = scope["path"].strip("/")
        self.working.append(name)
        assert (await receive())["body"] == name.encode()
        await self._open[name].wait()
        if name.startswith("fails"):
            raise ValueError(name)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def come(self, *names: str) -> None:
        """Have requests come, in this order."""
        for name in names:
            self._open[name], self._gone[name] = asyncio.Event(), asyncio.Event()
            self._tasks[name] = asyncio.ensure_future(self._request(name))
            await settle()

    async def _request(self, name: str) -> None:
        body: list[Message] = [{"type": "http.request", "body": name.encode()}]

        async def receive() -> Message:
            if body:
                return body.pop()
            await self._gone[name].wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if message["type"] == "http.response.start":
                (self.answered if message["status"] == 200 else self.refused).append(name)
            if name.startswith("half") and message["type"] == "http.response.body":
                # Or over its first part, of many.
                await self._gone[name].wait()
            if name.startswith("slow") and not message.get("more_body", True):
                # The client takes its time over the last of the answer.
                await self._gone[name].wait()

        await self.turns({"type": "http", "method": "GET", "path": f"/{name}", "headers": []}, receive, send)

    async def let(self, *names: str) -> None:
        """Let requests through."""
        for name in names:
            self._open[name].set()
            await settle()

    async def leave(self, *names: str) -> None:
        """Have clients leave."""
        for name in names:
            self._gone[name].set()
            await settle()

    async def cancel(self, name: str) -> None:
        """Cancel a request, as a server does that shuts down."""
        self._tasks[name].cancel()
        await settle()

    async def end(self) -> list[BaseException | None]:
        """What became of every request."""
        return await asyncio.wait_for(asyncio.gather(*self._tasks.values(), return_exceptions=True), timeout=30)


async def settle() -> None:
    """Let everything go as far as it goes."""
    for _ in range(20):
        await asyncio.sleep(0)


def at_door(at_once: int, waiting: int) -> Callable[[Callable[[Door], Coroutine[Any, Any, None]]], Door]:
    """Run what follows at a door of its own."""

    def run(scene: Callable[[Door], Coroutine[Any, Any, None]]) -> Door:
        async def play() -> Door:
            door = Door(at_once, waiting)
            await scene(door)
            return door

        return asyncio.run(play())

    return run


def test_so_many_are_worked_on_so_many_wait_and_the_next_is_refused_at_once() -> None:
    @at_door(at_once=2, waiting=3)
    async def door(door: Door) -> None:
        await door.come("a", "b", "c", "d", "e", "f", "g")
        assert (door.working, door.refused) == (["a", "b"], ["f", "g"])
        await door.let("a")
        assert door.working == ["a", "b", "c"]
        # There is a place again, for one.
        await door.come("h", "i")
        assert door.refused == ["f", "g", "i"]
        await door.let("b", "c", "d", "e", "h")
        assert await door.end() == [None] * 9

    assert door.answered == ["a", "b", "c", "d", "e", "h"]


def test_the_first_to_come_is_the_next_whatever_order_others_are_done_in() -> None:
    @at_door(at_once=2, waiting=9)
    async def door(door: Door) -> None:
        await door.come(*"abcdef")
        await door.let("b", "c", "d", "a", "e", "f")
        await door.end()

    assert door.working == list("abcdef")
    assert door.answered == list("bcdaef")


def test_one_who_leaves_while_waiting_gives_up_the_place_and_is_not_worked_for() -> None:
    @at_door(at_once=1, waiting=2)
    async def door(door: Door) -> None:
        await door.come("a", "b", "c")
        await door.leave("b")
        await door.come("d", "e")
        assert door.refused == ["e"]
        await door.let("a", "c", "d")
        assert await door.end() == [None] * 5

    assert door.working == ["a", "c", "d"]


def test_a_request_that_fails_or_is_cancelled_hands_its_turn_on() -> None:
    @at_door(at_once=1, waiting=4)
    async def door(door: Door) -> None:
        await door.come("fails", "b", "c", "d", "e")
        await door.let("fails")
        # One that is worked on, and one that waits.
        await door.cancel("b")
        await door.cancel("d")
        assert door.working == ["fails", "b", "c"]
        await door.let("c", "e")
        ended = await door.end()
        assert [type(one) for one in ended[:2]] == [ValueError, asyncio.CancelledError]

    assert door.answered == ["c", "e"]


def test_a_turn_that_comes_as_its_request_is_cancelled_is_handed_on() -> None:
    @at_door(at_once=1, waiting=2)
    async def door(door: Door) -> None:
        await door.come("a", "b", "c")
        door.turns._next()  # as if a was done: b has the turn, and has not run since
        door._tasks["b"].cancel()
        await settle()
        assert door.working == ["a", "c"]
        await door.let("a", "c")
        await door.end()


def test_one_who_reads_the_beginning_of_a_long_answer_slowly_keeps_nobody_waiting() -> None:
    @at_door(at_once=1, waiting=1)
    async def door(door: Door) -> None:
        await door.come("half", "b")
        await door.let("half")
        assert door.working == ["half", "b"]
        await door.let("b")
        await door.leave("half")
        assert await door.end() == [None, None]

    assert door.answered == ["half", "b"]


def test_one_who_reads_slowly_keeps_nobody_waiting() -> None:
    @at_door(at_once=1, waiting=1)
    async def door(door: Door) -> None:
        await door.come("slow", "b")
        await door.let("slow")
        assert door.working == ["slow", "b"]
        await door.let("b")
        await door.leave("slow")
        assert await door.end() == [None, None]


def test_a_turn_is_handed_on_once_for_each_request() -> None:
    @at_door(at_once=2, waiting=2)
    async def door(door: Door) -> None:
        for round_ in range(20):
            names = [f"{name}{round_}" for name in "abcde"]
            await door.come(*names)
            assert door.refused[-1] == f"e{round_}"
            await door.let(*names[:4])
        await door.end()

    assert len(door.answered) == 80
    assert len(door.refused) == 20


def test_whether_the_server_is_alive_and_ready_can_be_asked_when_it_is_full() -> None:
    @at_door(at_once=1, waiting=0)
    async def door(door: Door) -> None:
        await door.come("a", "health", "ready", "b")
        assert (door.working, door.refused) == (["a", "health", "ready"], ["b"])
        await door.let("a", "health", "ready")
        assert await door.end() == [None] * 4


def test_the_log_says_once_for_each_time_that_requests_are_refused(caplog: pytest.LogCaptureFixture) -> None:
    @at_door(at_once=1, waiting=1)
    async def door(door: Door) -> None:
        for some in ("abcde", "fghij"):
            await door.come(*some)
            await door.let(some[0], some[1])
        await door.end()

    told = ["requests are refused: 1 are waiting already"] * 2
    assert [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING] == told


def test_what_is_no_request_takes_no_turn() -> None:
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing(*_: Any) -> Any:
        raise AssertionError

    async def run() -> None:
        turns = Turns(app, at_once=1, waiting=0)
        for _ in range(3):
            await turns({"type": "lifespan"}, nothing, nothing)

    asyncio.run(run())
    assert seen == ["lifespan"] * 3


class Gated(HashingEncoder):
    """Reads no question before its gate is open, and says how many are being read."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.reading = threading.Semaphore(0)

    def read_query(self, text: str, spans: Sequence[Span]) -> Reading:
        self.reading.release()
        assert self.gate.wait(timeout=60)
        return super().read_query(text, spans)


@contextmanager
def served(app: Any) -> Iterator[tuple[str, int]]:
    """A real server on the loopback, and its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, log_level="error"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()
        finally:
            server.should_exit = True
            thread.join(timeout=60)


def ask(address: tuple[str, int], path: str) -> tuple[int, str | None, dict[str, Any]]:
    """Status, Retry-After and body of an answer."""
    connection = http.client.HTTPConnection(*address, timeout=60)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.headers["Retry-After"], json.loads(response.read())
    finally:
        connection.close()


def test_a_full_server_answers_those_it_took_and_refuses_the_rest_with_a_problem(seed_index: Path) -> None:
    encoder = Gated()
    app = create_app(lambda: Searcher(seed_index, encoder), at_once=2, waiting=3)
    paths = [f"/search?q=Belgorod+{number}&k=1" for number in range(5)]
    with served(app) as address, ThreadPoolExecutor(5) as clients:
        taken = [clients.submit(ask, address, path) for path in paths[:2]]
        for _ in taken:
            assert encoder.reading.acquire(timeout=60)
        taken += [clients.submit(ask, address, path) for path in paths[2:]]
        # Those who wait cannot be seen from outside; one who asks is taken, or told that there is no place.
        turns = next(layer for layer in layers(app) if isinstance(layer, Turns))
        while len(turns._queue) < 3:
            pass
        refused = ask(address, "/search?q=Belgorod")
        assert ask(address, "/health")[0] == ask(address, "/ready")[0] == 200
        assert not encoder.reading.acquire(blocking=False)
        encoder.gate.set()
        assert [one.result(timeout=60)[0] for one in taken] == [200] * 5
        assert ask(address, paths[0])[0] == 200
    assert refused[2].pop("request_id")
    assert refused == (
        503,
        "2",
        {
            "type": "urn:filrouge:server-busy",
            "title": "Service Unavailable",
            "status": 503,
            "detail": "too many requests are waiting; try again in a moment",
            "errors": [],
        },
    )


def test_a_client_that_hangs_up_while_it_waits_is_not_searched_for(seed_index: Path) -> None:
    encoder = Gated()
    app = create_app(lambda: Searcher(seed_index, encoder), at_once=1, waiting=1)
    with served(app) as address, ThreadPoolExecutor(2) as clients:
        first = clients.submit(ask, address, "/search?q=first&k=1")
        assert encoder.reading.acquire(timeout=60)
        turns = next(layer for layer in layers(app) if isinstance(layer, Turns))
        with socket.create_connection(address, timeout=60) as leaving:
            leaving.sendall(b"GET /search?q=second HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while len(turns._queue) < 1:
                pass
        while turns._queue:
            pass
        third = clients.submit(ask, address, "/search?q=third&k=1")
        while len(turns._queue) < 1:
            pass
        encoder.gate.set()
        assert (first.result(timeout=60)[0], third.result(timeout=60)[0]) == (200, 200)
    # First and third.
    assert encoder.reading.acquire(blocking=False)
    assert not encoder.reading.acquire(blocking=False)


def layers(app: Any) -> Iterator[Any]:
    """What a request goes through, from the outside, once the application has started."""
    layer = app.middleware_stack
    while layer is not None:
        yield layer
        layer = getattr(layer, "app", None) or getattr(layer, "_app", None)
