"""What a request may weigh."""

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from api.limits import MAX_BODY, BodyLimit

REFUSED = {
    "type": "urn:filrouge:content-too-large",
    "status": 413,
    "detail": "the body is larger than 1048576 bytes",
    "errors": [],
}


def padded(size: int) -> bytes:
    """A body of exactly so many bytes that asks a question."""
    return json.dumps({"query": "Belgorod"}).encode().ljust(size)


def in_pieces(body: bytes, size: int = 65_536) -> Iterator[bytes]:
    for at in range(0, len(body), size):
        yield body[at : at + size]


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_at_the_limit_is_answered_and_one_byte_more_is_refused(client: TestClient, chunked: bool) -> None:
    for size, status in ((MAX_BODY, 200), (MAX_BODY + 1, 413)):
        body: Any = in_pieces(padded(size)) if chunked else padded(size)
        response = client.post("/search", content=body, headers={"Content-Type": "application/json"})
        assert ("content-length" in response.request.headers) is not chunked
        assert response.status_code == status
        if status == 413:
            assert response.headers["content-type"] == "application/problem+json"
            told = response.json()
            assert told.pop("title")
            assert told.pop("request_id") == response.headers["x-request-id"]
            assert told == REFUSED


def test_the_limit_holds_at_every_address(client: TestClient) -> None:
    assert client.request("GET", "/sources", content=b" " * (MAX_BODY + 1)).status_code == 413
    assert client.put("/search", content=b" " * (MAX_BODY + 1)).status_code == 413


def test_what_the_header_says_is_not_believed(client: TestClient) -> None:
    response = client.post(
        "/search", content=padded(MAX_BODY + 1), headers={"Content-Type": "application/json", "Content-Length": "nonsense"}
    )
    assert response.status_code == 413


async def asgi(messages: list[Message], scope: Scope) -> tuple[list[Message], list[Message]]:
    """What the application received and what was sent, with these messages from the client."""
    received: list[Message] = []
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        received.append(await receive())
        received.append(await receive())

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await BodyLimit(app)(scope, receive, send)
    return received, sent


HTTP: Scope = {"type": "http", "method": "POST", "path": "/", "headers": []}


def test_the_application_gets_the_body_whole_and_then_what_follows() -> None:
    pieces: list[Message] = [
        {"type": "http.request", "body": b"ab", "more_body": True},
        {"type": "http.request", "more_body": True},
        {"type": "http.request", "body": b"c"},
        {"type": "http.disconnect"},
    ]
    received, sent = asyncio.run(asgi(pieces, HTTP))
    assert received == [{"type": "http.request", "body": b"abc", "more_body": False}, {"type": "http.disconnect"}]
    assert sent == []


def test_a_client_that_leaves_in_the_middle_is_not_answered() -> None:
    gone: list[Message] = [{"type": "http.request", "body": b"ab", "more_body": True}, {"type": "http.disconnect"}]
    assert asyncio.run(asgi(gone, HTTP)) == ([], [])


def test_no_more_is_read_than_it_takes_to_refuse() -> None:
    pieces: list[Message] = [{"type": "http.request", "body": b" " * MAX_BODY, "more_body": True} for _ in range(4)]
    received, sent = asyncio.run(asgi(pieces, HTTP))
    assert (received, sent[0]["status"], len(pieces)) == ([], 413, 2)


def test_what_is_no_request_passes() -> None:
    messages: list[Message] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    received, _ = asyncio.run(asgi(messages, {"type": "lifespan"}))
    assert [message["type"] for message in received] == ["lifespan.startup", "lifespan.shutdown"]
