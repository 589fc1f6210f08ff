"""May this request be answered? It says who sends it, may do what its address asks for, and does not come too often."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api import visits
from api.keys import InvalidKeys, Key, Keyring
from api.keys import Scope as KeyScope
from api.problems import MEDIA_TYPE, NOWHERE, ProblemResponse, failed, problem, responses
from api.rates import Rates
from api.scopes import NEEDS, WITHOUT_KEY, Addresses, described_as

_SCHEMES: dict[str, dict[str, str]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "password": {"type": "http", "scheme": "basic", "description": "The key is the password; any name will do."},
}
_OTHERS = ("/mcp", "/v1/", "/v2/")
"""Addresses whose clients know bearer keys alone; at all others a browser or a feed reader may ask its user for one."""


@dataclass(frozen=True)
class Policy:
    """Who may ask, and how often. As it stands: all who reach the server, by its own names, for what changes nothing."""

    keyring: Keyring | None = None
    """The keys that are asked for; None where none is."""
    rate: int = 0
    """Requests a minute from one key, or from one address without a key; 0 is no limit."""
    hosts: tuple[str, ...] = ()
    """Names by which the server may be called, beside its own."""
    origins: tuple[str, ...] = ()
    """Origins whose pages may ask, beside its own."""
    log_questions: bool = False
    needs: Mapping[str, KeyScope | None] = field(default_factory=lambda: NEEDS)
    """What each address asks for."""


OPEN = Policy()


class Access:
    """Refuses with 404 what is declared nowhere, with 401 who has no valid key where one is needed, with 403 who may not do
    this with it, and with 429 who asks more often than the rate.

    A key comes as `Authorization: Bearer KEY`, as `X-API-Key: KEY`, or as the password of HTTP Basic, with any name: browsers
    and feed readers ask for it by themselves, and there is no form, no session and no cookie that could be stolen or forged.
    """

    def __init__(self, app: ASGIApp, policy: Policy) -> None:
        self._app = app
        self._addresses = Addresses(policy.needs)
        self._keyring = policy.keyring
        self._rates = Rates(policy.rate) if policy.rate else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> ProblemResponse | None:
        declared = self._addresses.declared(scope["path"])
        visit = visits.of(scope)
        visit.route = declared[0] if declared else ""
        if declared and declared[1] is None:
            return None
        try:
            asked = self._keyring is not None and self._keyring.asked
            given = _given(Headers(scope=scope)) if asked else ""
            key = self._keyring.find(given) if self._keyring and given else None
        except InvalidKeys as error:
            return failed(scope, error)
        visit.key = key.name if key else ""
        wait = self._rates.wait(_asker(key, scope)) if self._rates else 0
        if wait:
            told = f"too many requests in too short a time; ask again in {wait} s"
            return problem(429, told, "too-many-requests", headers={"Retry-After": str(wait)})
        if asked:
            why = _no_entry(key, given)
            if why:
                return problem(401, why, "invalid-api-key", headers={"WWW-Authenticate": _challenge(scope["path"], given)})
        if declared is None:
            return problem(404, NOWHERE)
        need = declared[1]
        assert need is not None
        return None if need in (key.scope.grants if asked and key else WITHOUT_KEY) else _forbidden(key, need)


def _given(headers: Mapping[str, str]) -> str:
    """The key that a request was sent with; empty without one, and unlike any where it is sent in a way that is not known."""
    scheme, _, value = headers.get("authorization", "").strip().partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value.strip(), validate=True).decode("utf-8", "replace").partition(":")[2]
        except binascii.Error:
            return value
    return (value.strip() or scheme) if scheme else headers.get("x-api-key", "").strip()


def _no_entry(key: Key | None, given: str) -> str:
    """Why nobody comes in with this key; empty where it is valid. It is never repeated."""
    if not given:
        return "a key is needed: send it as Authorization: Bearer KEY, as X-API-Key: KEY, or as the password of HTTP Basic"
    if key is None:
        return "this key is not known; it may have been rotated or revoked"
    if key.expired():
        return f"the key '{key.name}' has expired; ask whoever runs this server for another"
    return ""


def _challenge(path: str, given: str) -> str:
    """How a client may say who it is (RFC 7617, RFC 6750)."""
    if path.startswith(_OTHERS):
        return 'Bearer realm="filrouge"' + (', error="invalid_token"' if given else "")
    return 'Basic realm="filrouge", charset="UTF-8"'


def _forbidden(key: Key | None, need: KeyScope) -> ProblemResponse:
    if key is None:
        return problem(
            403, f"this needs a key with the scope '{need}', also on the loopback: make one with filrouge keys", "forbidden"
        )
    told = f"this needs the scope '{need}', and the key '{key.name}' has '{key.scope}'"
    challenge = f'Bearer realm="filrouge", error="insufficient_scope", scope="{need}"'
    return problem(403, told, "insufficient-scope", headers={"WWW-Authenticate": challenge})


def _asker(key: Key | None, scope: Scope) -> str:
    """Whose requests are counted together: those with one key, or from one address; of IPv6, where each client has many, from
    one network.
    """
    if key is not None:
        return f"key {key.name}"
    host = scope["client"][0] if scope.get("client") else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(address.ipv4_mapped or ip_network((address, 64), strict=False))
    return host


def describe(app: FastAPI) -> None:
    """Have the description of the API say which scope each address needs, and how a key is sent."""
    needs = {described_as(template): need for template, need in NEEDS.items()}
    described = app.openapi
    # Where someone else's contract has a word for all faults of a caller, it covers these.
    refusals = {
        str(status): {
            "description": told["description"],
            "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        for status, told in responses(401, 403, 429).items()
    }

    def openapi() -> dict[str, Any]:
        schema = described()
        schema["components"]["securitySchemes"] = _SCHEMES
        for path, operations in schema["paths"].items():
            for operation in operations.values():
                need = needs[path]
                # The empty one: on the loopback, no key is needed as long as there are none.
                operation["security"] = [*({name: [need.value]} for name in _SCHEMES), {}] if need else []
                if need and "4XX" not in operation["responses"]:
                    operation["responses"] = dict(sorted((refusals | operation["responses"]).items()))
        return schema

    app.openapi = openapi  # type: ignore[method-assign]
