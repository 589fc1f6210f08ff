"""Whether questions are taken, told apart from whether the process is alive."""

import asyncio
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.types import Message, Receive, Scope, Send

from api.app import create_app
from api.metrics import Metrics
from api.readiness import ENDING, LOADING, Admission, Readiness
from embed.hashing import HashingEncoder
from index.search import Searcher


def test_an_application_takes_questions_from_its_start_to_its_end(seed_index: Path) -> None:
    app = create_app(lambda: Searcher(seed_index, HashingEncoder()))
    told = [app.state.readiness.why_not]
    with TestClient(app):
        told.append(app.state.readiness.why_not)
    assert [*told, app.state.readiness.why_not] == [LOADING, None, ENDING]
    assert Readiness().why_not == LOADING


@pytest.mark.parametrize("why", [LOADING, ENDING])
def test_who_asks_while_no_questions_are_taken_is_told_why_and_when_to_come_again(why: str, seed_index: Path) -> None:
    app = create_app(lambda: Searcher(seed_index, HashingEncoder()))
    with TestClient(app) as client:
        app.state.readiness.why_not = why
        for address in ("/ready", "/search?q=x", "/sources"):
            response = client.get(address)
            assert (response.status_code, response.headers["retry-after"]) == (503, "2"), address
            told = response.json()
            assert (told["type"], told["detail"]) == ("urn:filrouge:not-ready", why)
        page = client.get("/?q=x&ui=en", headers={"Accept": "text/html"})
        assert (page.status_code, page.headers["retry-after"]) == (503, "2")
        assert client.get("/health").json() == {"status": "alive"}
        assert "filrouge_ready 0.0\n" in client.get("/metrics").text


def test_what_came_before_the_end_was_asked_for_is_answered_and_counts_as_no_refusal() -> None:
    readiness, metrics = Readiness(None), Metrics()
    answered: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        # Its body is still on the way when the end is asked for.
        readiness.why_not = ENDING
        assert (await receive())["body"] == b"late"
        answered.append(scope["path"])

    async def receive() -> Message:
        return {"type": "http.request", "body": b"late"}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            answered.append(str(message["status"]))

    async def run() -> None:
        for path in ("/search", "/sources"):
            await Admission(app, readiness, metrics)(
                {"type": "http", "path": path, "method": "GET", "headers": []}, receive, send
            )

    asyncio.run(run())
    assert answered == ["/search", "503"]
    assert metrics.registry.get_sample_value("filrouge_requests_refused_total", {"reason": "not_ready"}) == 1
