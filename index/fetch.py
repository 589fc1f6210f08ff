"""How is a page asked for, politely and safely?

Politely: with a name of our own, only when it has changed (RFC 9110, section 13), not where robots.txt forbids it (RFC 9309),
and not sooner than the server says. Safely: within bounds of size and time, never from an address of this machine or of its
network, never with a password, and never in part: what breaks off is a failure.
"""

import ipaddress
import logging
import re
import socket
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from urllib.parse import parse_qsl, urlencode, urljoin

import httpx
from protego import Protego

from index.errors import InvalidRequest, Unreachable

# At their usual levels they write down whole addresses, and what stands behind ? in one may be a secret.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

ROBOT = "filrouge"
"""The name that robots.txt knows us by."""
LARGEST = 64 * 1024 * 1024
"""Bytes of a page, unpacked; as much as is read of a file."""
SLOWEST = 60.0
"""Seconds for a page, from the question to its last byte."""
_SILENCE = httpx.Timeout(20.0, connect=10.0)
_HOPS = 5
_ROBOTS_LARGEST = 512 * 1024
_ROBOTS_KEPT = 24 * 3600.0
"""Seconds; RFC 9309 says that rules should not be kept for longer."""
_PATIENCE = 24 * 3600.0
"""Seconds that a server may ask to wait at most."""
_SECRET = re.compile(r"auth|credential|key|pass|pwd|secret|session|sid$|sig|token", re.IGNORECASE)
_MOVED = {301, 302, 303, 307, 308}
_WRAPPED_V4 = ipaddress.ip_network("64:ff9b::/96")
_UNICAST = ipaddress.ip_network("2000::/3")
"""Of the newer kind, all that is given out for the public internet; the rest may lead anywhere (RFC 4291, RFC 8215)."""
_ASIDE = [ipaddress.ip_network(one) for one in ("192.0.0.0/24", "192.88.99.0/24", "3fff::/20")]
"""Set aside for protocols and examples, and public to the standard library of some releases."""
_PORTS = (80, 443)
"""Of the ports below 1024, those that pages are at: at others are mail, files and names."""

Resolve = Callable[[str, int], Sequence[str]]
"""The addresses of a host."""


@dataclass(frozen=True)
class Validators:
    """What a server said of the state of a page, to be asked whether it still holds."""

    etag: str = ""
    modified: str = ""

    def older_than(self, other: "Validators") -> bool:
        """Whether this state was left behind before `other` was.

        >>> noon, one = (Validators(modified=f"Tue, 23 May 2023 {hour}:00:00 GMT") for hour in (12, 13))
        >>> noon.older_than(one), one.older_than(noon), noon.older_than(Validators())
        (True, False, False)
        """
        mine, theirs = _http_date(self.modified), _http_date(other.modified)
        return mine is not None and theirs is not None and mine < theirs


@dataclass(frozen=True)
class Page:
    """A page as the server sent it, unpacked and whole."""

    body: bytes
    media_type: str
    validators: Validators


def resolve(host: str, port: int) -> Sequence[str]:
    """The addresses of a host, as the system knows them. Raises `OSError`."""
    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


def public_url(url: str) -> str:
    """An address as it may be stored and shown: without its fragment, and without what looks like a secret in its query.

    >>> public_url("https://example.org/direct?page=2&access_token=abc#top")
    'https://example.org/direct?page=2'
    """
    begin, _, query = url.partition("#")[0].partition("?")
    kept = [(name, value) for name, value in parse_qsl(query, keep_blank_values=True) if not _SECRET.search(name)]
    return f"{begin}?{urlencode(kept)}" if kept else begin


class Fetcher:
    """Asks for pages. `allow_loopback` lets it ask this machine itself, and no other of the network that it is in."""

    def __init__(self, allow_loopback: bool = False, resolve: Resolve = resolve) -> None:
        self._allow_loopback = allow_loopback
        self._resolve = resolve
        self._robots: dict[str, tuple[float, Protego]] = {}
        self._client = httpx.Client(
            # Neither a proxy nor a password from the environment.
            trust_env=False,
            follow_redirects=False,
            timeout=_SILENCE,
            headers={
                "User-Agent": f"{ROBOT}/{version('filrouge')} (follows live pages for a search index)",
                "Accept-Encoding": "gzip",
            },
        )

    def close(self) -> None:
        """Close what is open."""
        self._client.close()

    def __enter__(self) -> "Fetcher":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def fetch(self, url: str, known: Validators | None = None) -> Page | None:
        """The page at `url`; None where it is still as `known` has it. Raises `Unreachable`, and `InvalidRequest` for an
        address that cannot be.
        """
        for _ in range(_HOPS + 1):
            at = parsed(url)
            if not self._rules(at).can_fetch(str(at), ROBOT):
                raise Unreachable(f"robots.txt of {at.host} asks robots not to read this page", final=True)
            asked = {"If-None-Match": known.etag} if known and known.etag else {}
            if known and known.modified:
                asked["If-Modified-Since"] = known.modified
            answer = self._ask(at, asked, LARGEST)
            if answer.status in _MOVED:
                url = self._moved(at, answer)
            elif answer.status == 304 and asked:
                return None
            elif answer.status == 200:
                media_type = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
                validators = Validators(answer.headers.get("etag", ""), answer.headers.get("last-modified", ""))
                return Page(answer.body, media_type, validators)
            else:
                raise _refused(answer)
        raise Unreachable(f"leads on more than {_HOPS} times")

    def patience(self, url: str) -> float:
        """Seconds that the site asks robots to wait between two questions; 0 where it does not, or was not asked yet."""
        _, rules = self._robots.get(_origin(parsed(url)), (0.0, None))
        return min(float((rules.crawl_delay(ROBOT) if rules else 0) or 0), _PATIENCE)

    def _rules(self, at: httpx.URL) -> Protego:
        """What robots.txt of a site says. Where it cannot be had now nothing may be read, and where there is none, all may."""
        origin = _origin(at)
        since, rules = self._robots.get(origin, (0.0, None))
        if rules is not None and time.monotonic() - since < _ROBOTS_KEPT:
            return rules
        url = httpx.URL(f"{origin}/robots.txt")
        try:
            for _ in range(_HOPS + 1):
                answer = self._ask(url, {}, _ROBOTS_LARGEST)
                if answer.status not in _MOVED:
                    break
                url = parsed(self._moved(url, answer))
            if answer.status == 200:
                rules = Protego.parse(answer.body.decode("utf-8", "replace"))
            elif 400 <= answer.status < 500 and answer.status != 429:
                rules = Protego.parse("")
            else:
                raise _refused(answer)
        except Unreachable as error:
            if rules is None or error.final:
                raise Unreachable(f"robots.txt: {error}", error.retry_after, error.final) from error
            return rules  # what it said yesterday
        self._robots[origin] = (time.monotonic(), rules)
        return rules

    def _moved(self, at: httpx.URL, answer: "_Answer") -> str:
        target = urljoin(str(at), answer.headers.get("location", ""))
        if not answer.headers.get("location"):
            raise Unreachable(f"answers {answer.status} and does not say where the page is now")
        if at.scheme == "https" and not target.startswith("https:"):
            raise Unreachable("leads from https to an address that is not protected")
        try:
            return str(parsed(target))
        except InvalidRequest as error:
            raise Unreachable(f"leads to an address that cannot be: {error}") from error

    def _ask(self, at: httpx.URL, headers: dict[str, str], largest: int) -> "_Answer":
        """One question and its whole answer."""
        until = time.monotonic() + SLOWEST
        port = at.port or (443 if at.scheme == "https" else 80)
        host = at.raw_host.decode("ascii").strip("[]")
        address = self._address(host, port)
        request = self._client.build_request(
            "GET",
            # The very address that was checked: a name could lead elsewhere when it is looked up again.
            at.copy_with(host=address),
            headers={**headers, "Host": at.netloc.decode("ascii")},
            extensions={"sni_hostname": host},
        )
        try:
            response = self._client.send(request, stream=True)
            try:
                body = _body(response, largest, until) if response.status_code == 200 else b""
            finally:
                response.close()
        except httpx.TimeoutException as error:
            raise Unreachable("does not answer in time") from error
        except (httpx.HTTPError, httpx.StreamError, httpx.InvalidURL, OSError) as error:
            raise Unreachable(f"the connection failed: {error or type(error).__name__}") from error
        finally:
            # Nobody is to be followed by us from visit to visit, or the other way round.
            self._client.cookies.clear()
        return _Answer(response.status_code, response.headers, body)

    def _address(self, host: str, port: int) -> str:
        try:
            found = [ipaddress.ip_address(one.partition("%")[0]) for one in self._resolve(host, port)]
        except (OSError, UnicodeError, ValueError) as error:
            raise Unreachable(f"no address is known of {host}") from error
        if not found:
            raise Unreachable(f"no address is known of {host}")
        for one in found:
            real = _inner(one)
            if real.is_loopback and self._allow_loopback:
                continue
            if real.is_loopback:
                raise Unreachable(f"{host} is this machine: give --allow-loopback if that is meant", final=True)
            if not _is_public(real):
                raise Unreachable(f"{host} is not an address of the public internet, and is not asked", final=True)
        return str(found[0])


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: httpx.Headers
    body: bytes


def parsed(url: str) -> httpx.URL:
    """An address that can be asked. Raises `InvalidRequest`, which does not repeat what may be a secret."""
    try:
        at = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise InvalidRequest("this is no address of a page: write it as https://example.org/direct", "url") from error
    if at.scheme not in ("http", "https") or not at.host:
        raise InvalidRequest("an address of a page begins with https:// or http://, and a host", "url")
    if at.port is not None and not (at.port in _PORTS or 1024 <= at.port < 65536):
        raise InvalidRequest("this is no address of a page: pages are at port 80 or 443, or from 1024 to 65535", "url")
    if at.userinfo:
        raise InvalidRequest("the address holds a name or a password: leave them out", "url")
    return at.copy_with(fragment=None)


def _origin(at: httpx.URL) -> str:
    return f"{at.scheme}://{at.netloc.decode('ascii')}"


def _inner(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that is meant: one of the older kind can be wrapped in one of the newer in several ways."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _WRAPPED_V4:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo or (None, None))[1] or address


def _is_public(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Whether an address is one of the public internet, in all releases of the standard library."""
    if not address.is_global or address.is_multicast or any(address in one for one in _ASIDE):
        return False
    return isinstance(address, ipaddress.IPv4Address) or address in _UNICAST


def _body(response: httpx.Response, largest: int, until: float) -> bytes:
    """The body, unpacked. Raises `Unreachable` when it is too large, too slow, or breaks off inside what it is packed in."""
    packed = response.headers.get("content-encoding", "identity").strip().lower()
    if packed not in ("identity", "", "gzip", "x-gzip", "deflate"):
        raise Unreachable(f"is packed as '{packed[:20]}', which was not asked for")
    # Unpacked here and not by the client, which takes half a stream for a whole one.
    unpack = None if packed in ("identity", "") else zlib.decompressobj(47)
    body = bytearray()
    try:
        for part in response.iter_raw():
            body += unpack.decompress(part, largest + 1 - len(body)) if unpack else part
            if len(body) > largest:
                raise Unreachable(f"is larger than {largest // 1024} KiB")
            if time.monotonic() > until:
                raise Unreachable(f"takes more than {SLOWEST:.0f} seconds")
    except zlib.error as error:
        raise Unreachable(f"cannot be unpacked: {error}") from error
    if unpack is not None and not unpack.eof:
        raise Unreachable("breaks off inside what it is packed in")
    return bytes(body)


def _refused(answer: _Answer) -> Unreachable:
    said = {
        401: "asks for a password, and none is ever given",
        403: "may not be read by us",
        404: "is not there",
        410: "is gone for good",
        429: "asks to be left alone for a while",
    }.get(answer.status, "the server fails" if answer.status >= 500 else "is not a page")
    return Unreachable(f"{said} (status {answer.status})", _retry_after(answer.headers), answer.status == 410)


def _retry_after(headers: httpx.Headers) -> float | None:
    """Seconds to wait, where the server says: a number, or a date."""
    written = headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,9}", written):
        return min(float(written), _PATIENCE)
    until = _http_date(written)
    return None if until is None else min(max((until - datetime.now(UTC)).total_seconds(), 0.0), _PATIENCE)


def _http_date(written: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(written)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
