"""Clients that send or read a little at a time, for ever."""

import asyncio
import http.client
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from api import connections, limits
from api.connections import Connection
from api.limits import BodyLimit

MUCH = 32 * 1024 * 1024
"""Bytes: more than the buffers of both sides take."""


async def read(request: Request) -> Response:
    return Response(f"{len(await request.body())}")


async def much(request: Request) -> Response:
    async def parts() -> AsyncIterator[bytes]:
        for _ in range(MUCH // 65536):
            yield b"x" * 65536

    return StreamingResponse(parts())


async def later(request: Request) -> Response:
    await asyncio.sleep(1.0)
    return Response("late")


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """A server on the loopback that is patient for a little while only."""
    app = Starlette(routes=[Route("/", read, methods=["GET", "POST"]), Route("/much", much), Route("/later", later)])
    app.add_middleware(BodyLimit)
    with pytest.MonkeyPatch.context() as patch, serving(app) as port:
        patch.setattr(connections, "SLOWEST_TO_ASK", 0.4)
        patch.setattr(connections, "SLOWEST_TO_READ", 0.4)
        patch.setattr(limits, "SLOWEST", 0.4)
        yield port


@contextmanager
def serving(app: Starlette) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(app, http=Connection, ws="none", log_level="error", timeout_keep_alive=1))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def client(port: int) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        yield client


def answer(client: socket.socket) -> tuple[int, bytes]:
    """Status and body of the next answer."""
    response = http.client.HTTPResponse(client)
    response.begin()
    return response.status, response.read()


def cut(client: socket.socket) -> bool:
    """Wait until the server has cut the connection without an answer."""
    try:
        return client.recv(1) == b""
    except ConnectionResetError:
        return True


def test_who_sends_nothing_is_cut_off(port: int) -> None:
    with client(port) as silent:
        assert cut(silent)


def test_who_sends_headers_for_ever_is_cut_off(port: int) -> None:
    with client(port) as slow:
        slow.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        began = time.monotonic()
        try:
            while time.monotonic() - began < 20:
                slow.sendall(b"X: x\r\n")
                time.sleep(0.05)
        except (ConnectionResetError, BrokenPipeError):
            return
        pytest.fail("it may send for ever")


def test_who_sends_a_body_for_ever_is_told_and_cut_off(port: int) -> None:
    with client(port) as slow:
        slow.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx")
        told = slow.recv(4096)
        assert told.startswith(b"HTTP/1.1 408 ")
        assert b"connection: close" in told.lower()


def test_who_begins_a_second_request_and_does_not_end_it_is_cut_off(port: int) -> None:
    whole = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for together in (True, False):
        with client(port) as slow:
            slow.sendall(whole + b"GET /" if together else whole)
            assert answer(slow) == (200, b"0")
            if not together:
                slow.sendall(b"GET /")
            assert cut(slow)


def test_who_does_not_read_is_cut_off(port: int) -> None:
    with client(port) as slow:
        slow.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\n\r\n")
        time.sleep(1.5)
        got = 0
        try:
            while part := slow.recv(1 << 20):
                got += len(part)
        except ConnectionResetError:
            pass
        assert got < MUCH


def test_who_asks_and_reads_as_people_do_is_left_alone(port: int) -> None:
    with client(port) as steady:
        for _ in range(3):
            # An answer that takes longer than the patience with clients is waited for.
            steady.sendall(b"GET /later HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert answer(steady) == (200, b"late")
            time.sleep(0.6)
        steady.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\n\r\n")
        time.sleep(0.2)
        steady.sendall(b"abcd")
        assert answer(steady) == (200, b"4")
    with client(port) as reader:
        reader.sendall(b"GET /much HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        assert sum(len(part) for part in iter(lambda: reader.recv(1 << 20), b"")) > MUCH
