"""What browsers are told of every answer."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from api import page
from api.access import Policy
from api.app import create_app
from api.keys import Keyring, Scope, add
from embed.hashing import HashingEncoder
from index.search import Searcher

EVERYWHERE = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
ADDRESSES = [
    "/", "/?q=Belgorod", "/page/results?q=Belgorod", f"/page/{page.VERSION}/page.js", "/entry/none", "/docs",
    "/openapi.json", "/search?q=Belgorod", "/search", "/ask?q=Belgorod", "/entries/none", "/histogram", "/facets",
    "/sources", "/export", "/batch", "/feed.atom?q=Belgorod", "/opensearch.xml", "/health", "/ready", "/v1/models",
    "/v1/models/none", "/v2/rerank", "/mcp", "/nowhere",
]  # fmt: skip


class Broken(Searcher):
    """Fails where no failure is expected."""

    def search(self, *asked: object, **more: object) -> object:  # type: ignore[override]
        raise ZeroDivisionError


@pytest.fixture(scope="module")
def broken(seed_index: Path) -> Iterator[TestClient]:
    with TestClient(create_app(lambda: Broken(seed_index, HashingEncoder()))) as client:
        yield client


@pytest.mark.parametrize("method", ["GET", "POST", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_every_answer_says_what_it_is_not_for(broken: TestClient, method: str, address: str) -> None:
    answer = broken.request(method, address, headers={"Accept": "text/html"} if address == "/" else {})
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-request-id"]
    # Nobody is told what runs here, and nothing is set in a browser.
    assert {"server", "x-powered-by", "set-cookie", "access-control-allow-origin"} & set(answer.headers) == set()


def test_a_failure_that_nobody_foresaw_has_them_too(broken: TestClient) -> None:
    answer = broken.get("/search?q=Belgorod")
    assert answer.status_code == 500
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert {name: answer.headers.get(name) for name in EVERYWHERE} == EVERYWHERE


def test_what_a_key_opened_is_stored_nowhere(seed_index: Path, tmp_path: Path) -> None:
    key = add(tmp_path / "keys.json", "reader", Scope.READ)
    policy = Policy(Keyring(tmp_path / "keys.json"))
    with TestClient(create_app(lambda: Searcher(seed_index, HashingEncoder()), policy=policy)) as client:
        for address in ("/", "/search?q=Belgorod", "/export", "/feed.atom?q=Belgorod", "/entry/none"):
            told = client.get(address, headers={"Authorization": f"Bearer {key}"})
            assert told.headers["cache-control"] == "no-store", address
        # What all may have is kept, with or without a key in the browser.
        file = client.get(f"/page/{page.VERSION}/page.css", headers={"Authorization": f"Bearer {key}"})
        assert "immutable" in file.headers["cache-control"]
