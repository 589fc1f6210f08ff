"""Who may ask what: every address and method, by every kind of key."""

import base64
import itertools
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi.routing import iter_route_contexts
from openai import AuthenticationError, OpenAI, PermissionDeniedError, RateLimitError
from starlette.testclient import TestClient

from api import keys, page
from api.access import Policy
from api.app import create_app
from api.keys import Keyring, Scope, add, read, revoke, rotate
from api.scopes import NEEDS, described_as
from embed.hashing import HashingEncoder
from index.search import Searcher

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")
WRONG = "filrouge_" + "a" * 43


@dataclass(frozen=True)
class Ring:
    """A file of keys, and the keys themselves by what they are."""

    file: Path
    keys: Mapping[str, str]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Ring:
    file = tmp_path_factory.mktemp("keys") / "filrouge-keys.json"
    made = {scope.value: add(file, scope.value, scope) for scope in Scope}
    made |= {f"expired {scope}": add(file, f"expired-{scope}", scope) for scope in Scope}
    over = datetime(2020, 1, 1, tzinfo=UTC)
    keys._write(file, [one.model_copy(update={"expires": over}) if "expired" in one.name else one for one in read(file)])
    made["revoked"] = add(file, "revoked", Scope.ADMIN)
    revoke(file, "revoked")
    made["rotated"] = add(file, "rotated", Scope.ADMIN)
    rotate(file, "rotated")
    return Ring(file, made | {"none": "", "wrong": WRONG})


@contextmanager
def opened(index: Path, policy: Policy, **more: Any) -> Iterator[TestClient]:
    app = create_app(lambda: Searcher(index, HashingEncoder()), policy=policy)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False, **more) as client:
        yield client


@pytest.fixture(scope="module")
def locked(seed_index: Path, ring: Ring) -> Iterator[TestClient]:
    """A server that asks for keys."""
    with opened(seed_index, Policy(Keyring(ring.file))) as client:
        yield client


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def templates(client: TestClient) -> dict[str, set[str]]:
    """Every address that the application routes, with its methods."""
    found: dict[str, set[str]] = {}
    for route in iter_route_contexts(client.app.routes):  # type: ignore[attr-defined]
        shaped: Any = route
        found.setdefault(shaped.path, set()).update(shaped.methods or METHODS)
    return found


def filled(template: str, entry: str) -> str:
    values = {
        "entry_id": entry,
        "vector_store_id": "vs_filrouge",
        "model": "hashing",
        "version": page.VERSION,
        "name": "page.css",
    }
    return re.sub(r"\{(\w+)(?::\w+)?\}", lambda found: values[found[1]], template)


def test_every_route_is_declared_and_nothing_else_is(locked: TestClient) -> None:
    assert set(templates(locked)) == set(NEEDS)
    described = {described_as(template) for template in NEEDS}
    assert set(locked.app.openapi()["paths"]) <= described  # type: ignore[attr-defined]


def outcome(client: TestClient, method: str, path: str, headers: dict[str, str]) -> int:
    """The status; of an answer that came from behind the door, 0."""
    status = client.request(method, path, headers=headers).status_code
    return status if status in (401, 403, 429) else 0


@pytest.mark.parametrize("declared", ["as it is", Scope.READ, Scope.WRITE, Scope.ADMIN])
def test_every_method_of_every_address_opens_to_the_keys_that_it_should(
    seed_index: Path, ring: Ring, client: TestClient, declared: str
) -> None:
    # No address writes today, and none is for admins alone: that one would be guarded is tried by declaring all of them so.
    needs = dict(NEEDS) if declared == "as it is" else {template: Scope(declared) for template in NEEDS}
    methods = METHODS if declared == "as it is" else ("GET", "POST")
    entry = client.get("/search?q=Belgorod&k=1").json()["hits"][0]["entry_id"]
    tried = 0
    with opened(seed_index, Policy(Keyring(ring.file), needs=needs)) as guarded:
        for (template, need), method, (kind, key) in itertools.product(needs.items(), methods, ring.keys.items()):
            expected = 0
            if need is not None:
                expected = 401 if kind not in set(Scope) else 0 if need in Scope(kind).grants else 403
            found = outcome(guarded, method, filled(template, entry), bearer(key))
            assert found == expected, (method, template, kind)
            tried += 1
    assert tried == len(NEEDS) * len(methods) * 10


def test_without_keys_everything_can_be_looked_at_and_nothing_written(seed_index: Path) -> None:
    needs = dict.fromkeys(NEEDS, Scope.READ) | {"/sources": Scope.ADMIN, "/batch": Scope.WRITE, "/facets": Scope.WRITE}
    with opened(seed_index, Policy(needs=needs)) as client:
        found = {template: outcome(client, "GET", filled(template, "x"), {}) for template in NEEDS}
        # What is sent along makes no difference: programs that know OpenAI always send something.
        assert outcome(client, "GET", "/v1/models", bearer("any")) == 0
        told = client.post("/batch").json()
    assert {template for template, status in found.items() if status} == {"/batch", "/facets"}
    assert (told["status"], "needs a key with the scope 'write'" in told["detail"]) == (403, True)


def test_an_address_that_is_not_declared_is_not_there(seed_index: Path) -> None:
    needs = {template: need for template, need in NEEDS.items() if template != "/sources"}
    with opened(seed_index, Policy(needs=needs)) as client:
        assert (client.get("/sources").status_code, client.get("/facets").status_code) == (404, 200)


# How a key is sent


def basic(text: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(text.encode()).decode()}


WAYS: list[Callable[[str], dict[str, str]]] = [
    bearer,
    lambda key: {"Authorization": f"bearer  {key} "},
    lambda key: {"X-API-Key": key},
    lambda key: basic(f"anyone:{key}"),
    lambda key: basic(f":{key}"),
]


@pytest.mark.parametrize("way", WAYS)
def test_a_key_may_come_in_several_ways_and_a_wrong_one_in_none(
    locked: TestClient, ring: Ring, way: Callable[[str], dict[str, str]]
) -> None:
    assert locked.get("/sources", headers=way(ring.keys["read"])).status_code == 200
    for other in (WRONG, ring.keys["expired read"], "é", "x" * 10_000, ring.keys["read"] + ":"):
        assert locked.get("/sources", headers={n.encode(): v.encode() for n, v in way(other).items()}).status_code == 401


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic =", "Bearer", "Digest x", "x", "Basic bm9jb2xvbg==", "Negotiate " + "A" * 5000]
)
def test_what_is_no_way_to_send_a_key_is_refused(locked: TestClient, header: str) -> None:
    assert locked.get("/sources", headers={"Authorization": header}).status_code == 401


def test_a_key_in_the_address_is_none(locked: TestClient, ring: Ring) -> None:
    for name in ("key", "api_key", "access_token", "X-API-Key"):
        assert locked.get("/sources", params={name: ring.keys["admin"]}).status_code == 401


# What is said


def test_why_nobody_comes_in_is_told_without_the_key(locked: TestClient, ring: Ring) -> None:
    told = {
        kind: locked.get("/sources", headers=bearer(ring.keys[kind])) for kind in ("none", "wrong", "rotated", "expired read")
    }
    assert {kind: one.json()["detail"] for kind, one in told.items()} == {
        "none": "a key is needed: send it as Authorization: Bearer KEY, as X-API-Key: KEY, or as the password of HTTP Basic",
        "wrong": "this key is not known; it may have been rotated or revoked",
        "rotated": "this key is not known; it may have been rotated or revoked",
        "expired read": "the key 'expired-read' has expired; ask whoever runs this server for another",
    }
    assert not any(ring.keys[kind] in one.text + str(one.headers) for kind, one in told.items() if ring.keys[kind])
    assert {one.headers["www-authenticate"] for one in told.values()} == {'Basic realm="filrouge", charset="UTF-8"'}


@pytest.mark.parametrize("address", ["/mcp", "/v1/models", "/v2/rerank"])
def test_clients_of_others_contracts_are_asked_for_a_bearer_key(locked: TestClient, address: str) -> None:
    assert locked.post(address).headers["www-authenticate"] == 'Bearer realm="filrouge"'
    told = locked.post(address, headers=bearer(WRONG))
    assert (told.status_code, told.headers["www-authenticate"]) == (401, 'Bearer realm="filrouge", error="invalid_token"')


def test_openais_client_raises_its_own_errors(seed_index: Path, ring: Ring) -> None:
    needs = dict(NEEDS) | {"/v1/embeddings": Scope.ADMIN}
    with opened(seed_index, Policy(Keyring(ring.file), rate=3, needs=needs)) as client:

        def ask(key: str) -> OpenAI:
            transport = httpx2.MockTransport(
                lambda sent: httpx2.Response(
                    (
                        got := client.request(sent.method, sent.url.path, content=sent.read(), headers=dict(sent.headers))
                    ).status_code,
                    headers=got.headers,
                    content=got.content,
                )
            )
            return OpenAI(
                base_url="http://testserver/v1", api_key=key, max_retries=0, http_client=httpx2.Client(transport=transport)
            )

        with pytest.raises(AuthenticationError) as nobody:
            ask(WRONG).models.list()
        with pytest.raises(PermissionDeniedError) as reader:
            ask(ring.keys["read"]).embeddings.create(model="hashing", input="a")
        assert [one.id for one in ask(ring.keys["read"]).models.list()]
        ask(ring.keys["read"]).models.list()
        with pytest.raises(RateLimitError) as often:
            ask(ring.keys["read"]).models.list()
    raised = [one.value for one in (nobody, reader, often)]
    assert [error.code for error in raised] == ["invalid_api_key", "insufficient_scope", "rate_limit_exceeded"]
    assert [error.type for error in raised] == ["invalid_request_error", "invalid_request_error", "requests"]
    assert all(error.request_id for error in raised)


def test_a_browser_is_asked_for_the_key_and_told_on_a_page(locked: TestClient, ring: Ring) -> None:
    refused = locked.get("/?q=Belgorod", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert (refused.status_code, refused.headers["www-authenticate"][:6]) == (401, "Basic ")
    assert "A valid key is needed" in refused.text
    opened = locked.get("/?q=Belgorod", headers={"Accept": "text/html", **basic(f"me:{ring.keys['read']}")})
    assert (opened.status_code, opened.headers["cache-control"]) == (200, "no-store")


def test_the_description_says_what_each_address_needs(locked: TestClient) -> None:
    described = locked.app.openapi()  # type: ignore[attr-defined]
    assert set(described["components"]["securitySchemes"]) == {"bearer", "header", "password"}
    for template, need in NEEDS.items():
        for operation in described["paths"].get(described_as(template), {}).values():
            assert {scope for one in operation["security"] for scopes in one.values() for scope in scopes} == (
                {need} if need else set()
            )
            assert ("401" in operation["responses"] or "4XX" in operation["responses"]) == (need is not None)


# How often


def test_each_key_and_each_address_has_requests_of_its_own(seed_index: Path, ring: Ring) -> None:
    with opened(seed_index, Policy(Keyring(ring.file), rate=2)) as client:
        readers = [client.get("/sources", headers=bearer(ring.keys["read"])) for _ in range(3)]
        assert [one.status_code for one in readers] == [200, 200, 429]
        assert readers[-1].headers["retry-after"] == "30"
        assert readers[-1].json()["detail"] == "too many requests in too short a time; ask again in 30 s"
        # Another key is another asker; wrong ones are counted by the address that they come from.
        assert client.get("/sources", headers=bearer(ring.keys["admin"])).status_code == 200
        tries = [client.get("/sources", headers=bearer(f"{WRONG[:-1]}{number}")).status_code for number in range(4)]
        assert tries == [401, 401, 429, 429]
        assert {client.get("/health").status_code for _ in range(5)} == {200}


def test_an_ipv6_network_is_one_asker_and_each_ipv4_address(seed_index: Path) -> None:
    def statuses(*hosts: str) -> list[int]:
        app = create_app(lambda: Searcher(seed_index, HashingEncoder()), policy=Policy(rate=1))
        with TestClient(app) as client:
            return [replace_client(client, host).get("/sources").status_code for host in hosts]

    assert statuses("2001:db8::1", "2001:db8::2", "2001:db8:0:1::1") == [200, 429, 200]
    assert statuses("192.0.2.1", "192.0.2.2", "::ffff:192.0.2.1") == [200, 200, 429]


def replace_client(client: TestClient, host: str) -> TestClient:
    client._transport.client = (host, 5000)  # type: ignore[attr-defined]
    return client


# The file meanwhile


def test_keys_are_rotated_and_revoked_under_a_running_server(seed_index: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with opened(seed_index, Policy(Keyring(file))) as client:

        def status(key: str) -> int:
            return client.get("/sources", headers=bearer(key)).status_code

        assert status("") == 200  # no file yet, and the loopback
        first = add(file, "reader", Scope.READ)
        assert (status(""), status(first)) == (401, 200)
        second = rotate(file, "reader")
        assert (status(first), status(second)) == (401, 200)
        whole = file.read_bytes()
        file.write_bytes(b"{")
        broken = client.get("/sources", headers=bearer(second))
        assert (broken.status_code, broken.json()["type"]) == (503, "urn:filrouge:invalid-keys")
        assert str(tmp_path) not in broken.text
        file.write_bytes(whole)
        assert status(second) == 200
        revoke(file, "reader")
        assert (status(""), status(second)) == (401, 401)
        file.unlink()
        assert status("") == 401


# Pages of others


def test_other_origins_are_closed_unless_named(seed_index: Path, ring: Ring) -> None:
    mine = "https://app.example.org"
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    policy = Policy(Keyring(ring.file))
    for named, origin, status in (((), mine, 403), ((mine,), mine, 200), ((mine,), f"{mine}.evil.example", 403)):
        with opened(seed_index, replace(policy, origins=named)) as client:
            asked = client.options("/search", headers={"Origin": origin, **preflight})
            got = client.get("/sources", headers={"Origin": origin, **bearer(ring.keys["read"])})
            assert (asked.status_code, got.status_code) == (status, status)
            assert (got.headers.get("access-control-allow-origin") == origin) == (status == 200)
            assert "access-control-allow-credentials" not in got.headers


@pytest.mark.parametrize(("host", "status"), [("testserver", 200), ("fil.example.org", 200), ("evil.example", 403), ("", 403)])
def test_a_name_that_leads_here_must_be_ours(seed_index: Path, host: str, status: int) -> None:
    with opened(seed_index, Policy(hosts=("fil.example.org",))) as client:
        told = client.get("/sources", headers={"Host": host})
        assert told.status_code == status
        assert status == 200 or "setting hosts" in told.json()["detail"]
