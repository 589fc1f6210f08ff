"""Host and Origin: may a page of someone else have sent this request?"""

from collections.abc import Collection
from ipaddress import ip_address
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from api.problems import problem

_SHOWN = 100
"""Characters of a caller's own words that a refusal repeats."""


def refused(
    server: tuple[str, int | None] | None,
    host: str | None,
    origin: str | None,
    hosts: Collection[str] = (),
    origins: Collection[str] = (),
) -> str:
    """Why a request to the local address `server` is refused by its Host and Origin; empty when it is not.

    >>> refused(("127.0.0.1", 8000), "127.0.0.1:8000", None)
    ''
    >>> refused(("127.0.0.1", 8000), "evil.example:8000", "http://evil.example:8000")[:38]
    "Host: 'evil.example' is not this machi"

    A browser sends what any page tells it to, and a page can make its own name lead to this machine (DNS rebinding). So the
    name must be one that no stranger can own: of the loopback on the loopback, elsewhere an address or a name without dots; or
    one of `hosts`. A page must be of that name too, of this machine, or of one of `origins`.
    """
    name, local = _name(f"//{host}"), server is not None and _is_loopback(server[0])
    if name is None or not (name in hosts or (_is_loopback(name) if local else _is_ours(name))):
        return (
            f"Host: '{(name or host or '')[:_SHOWN]}' is not this machine's; ask for it by its address, or name it in the "
            "setting hosts"
        )
    if origin is not None and origin not in origins:
        page = _name(origin)
        if page is None or not (page == name or _is_loopback(page)):
            return (
                f"Origin: pages of '{origin[:_SHOWN]}' may not ask; leave Origin out, ask from a page of this machine, or name "
                "it in the setting origins"
            )
    return ""


def _name(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return False


def _is_ours(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return "." not in name
    return True


class Origins:
    """Refuses with 403 what `refused` refuses, at every address."""

    def __init__(self, app: ASGIApp, hosts: Collection[str] = (), origins: Collection[str] = ()) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._origins = frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http":
            headers = Headers(scope=scope)
            why = refused(scope.get("server"), headers.get("host"), headers.get("origin"), self._hosts, self._origins)
            if why:
                await problem(403, why)(scope, receive, send)
                return
        await self._app(scope, receive, send)
