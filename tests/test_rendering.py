"""An answer that is written where it was made is the one that the framework would write."""

import threading

import pytest
from fastapi import FastAPI
from pydantic import BaseModel, Field
from starlette.testclient import TestClient

from api.rendering import rendered


class Said(BaseModel):
    text: str
    until: float | None = None
    own: str = Field(default="x", serialization_alias="eigen")


def said(text: str) -> Said:
    """What was said."""
    if text == "nothing":
        raise LookupError(text)
    return Said(text=text)


@pytest.fixture
def app() -> FastAPI:
    app = FastAPI()
    app.get("/plain")(said)
    app.get("/rendered")(rendered(said))
    return app


@pytest.mark.parametrize("text", ["Été « 12 » 🙂", "", 'a"b\\c\n\0\u2028'])
def test_bytes_and_headers_are_the_same(app: FastAPI, text: str) -> None:
    with TestClient(app) as client:
        plain, own = (client.get(path, params={"text": text}) for path in ("/plain", "/rendered"))
    assert own.json() == {"text": text, "until": None, "eigen": "x"}
    assert (own.content, own.headers, own.status_code) == (plain.content, plain.headers, 200)


def test_it_is_described_and_asked_alike(app: FastAPI) -> None:
    plain, own = (app.openapi()["paths"][path]["get"] for path in ("/plain", "/rendered"))
    for part in ("parameters", "responses", "description"):
        assert own[part] == plain[part]
    with TestClient(app) as client:
        assert client.get("/rendered").json()["detail"] == client.get("/plain").json()["detail"]


def test_a_failure_is_the_application_s_to_answer(app: FastAPI) -> None:
    with TestClient(app) as client, pytest.raises(LookupError):
        client.get("/rendered", params={"text": "nothing"})


def test_it_is_made_in_a_thread_and_not_on_the_loop() -> None:
    app = FastAPI()
    threads: list[str] = []

    @app.get("/")
    @rendered
    def where() -> Said:
        threads.append(threading.current_thread().name)
        return Said(text="here")

    @app.get("/loop")
    async def loop() -> Said:
        threads.append(threading.current_thread().name)
        return Said(text="there")

    with TestClient(app) as client:
        client.get("/")
        client.get("/loop")
    assert threads[0] != threads[1]
