"""Host and Origin: may a page of someone else have sent this request?"""

from ipaddress import ip_address
from urllib.parse import urlsplit

_SHOWN = 100
"""Characters of a caller's own words that a refusal repeats."""


def refused(server: tuple[str, int | None] | None, host: str | None, origin: str | None) -> str:
    """Why a request to the local address `server` is refused by its Host and Origin; empty when it is not.

    >>> refused(("127.0.0.1", 8000), "127.0.0.1:8000", None)
    ''
    >>> refused(("127.0.0.1", 8000), "evil.example:8000", "http://evil.example:8000")[:38]
    "Host: 'evil.example' is not this machi"

    A browser sends what any page tells it to, and a page can make its own name lead to this machine (DNS rebinding). So the
    name must be one that no stranger can own: of the loopback on the loopback, elsewhere an address or a name without dots.
    """
    name, local = _name(f"//{host}"), server is not None and _is_loopback(server[0])
    if name is None or not (_is_loopback(name) if local else _is_ours(name)):
        return (
            f"Host: '{(name or host or '')[:_SHOWN]}' is not this machine's; ask for it by its address, and have a proxy send "
            "the address that it connects to"
        )
    if origin is not None:
        page = _name(origin)
        if page is None or not (page == name or _is_loopback(page)):
            return f"Origin: pages of '{origin[:_SHOWN]}' may not ask; leave Origin out, or ask from a page of this machine"
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
