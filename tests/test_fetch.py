"""Which addresses are asked for a page, and which never are, however they are written or led to."""

import socket
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from index.errors import InvalidRequest, Unreachable
from index.fetch import Fetcher, parsed

PRIVATE = [
    "127.0.0.1", "127.1.2.3", "0.0.0.0", "0.1.2.3", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1",
    "169.254.169.254", "100.64.0.1", "192.0.0.1", "192.0.0.8", "192.0.2.1", "192.88.99.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
]  # fmt: skip
NEWER = [
    "::", "::1", "fe80::1", "fe80::1%lo", "fc00::1", "fd12:3456::1", "fec0::1", "ff02::1", "100::1", "2001:db8::1", "3fff::1",
    "5f00::1", "64:ff9b:1::a00:1", "4000::1",
]  # fmt: skip


def wrapped(address: str) -> list[str]:
    """An address of the older kind in all the ways that it can stand in one of the newer."""
    a, b, c, d = (int(part) for part in address.split("."))
    hexadecimal, inverted = f"{a:02x}{b:02x}:{c:02x}{d:02x}", f"{255 - a:02x}{255 - b:02x}:{255 - c:02x}{255 - d:02x}"
    return [
        f"::ffff:{hexadecimal}",  # mapped
        f"::{hexadecimal}",  # compatible
        f"::ffff:0:{hexadecimal}",  # translated
        f"64:ff9b::{hexadecimal}",  # NAT64
        f"64:ff9b:1::{hexadecimal}",  # NAT64 of one's own
        f"2002:{hexadecimal}::1",  # 6to4
        f"2001:0:808:808:0:0:{inverted}",  # Teredo
    ]


class Site(Fetcher):
    """Asks nobody: what is asked for is noted, and a name leads where the test says."""

    def __init__(self, *addresses: str, allow_loopback: bool = False) -> None:
        self.looked_up: list[str] = []

        def resolve(host: str, port: int) -> Sequence[str]:
            self.looked_up.append(host)
            return addresses

        super().__init__(allow_loopback, resolve)


@pytest.mark.parametrize("address", [*PRIVATE, *NEWER, *(one for old in PRIVATE for one in wrapped(old))])
def test_an_address_that_is_not_public_is_never_asked(address: str) -> None:
    for found in ((address,), ("93.184.216.34", address), (address, "93.184.216.34")):
        with (
            Site(*found) as site,
            pytest.raises(Unreachable, match=r"is not an address of the public|is this machine") as raised,
        ):
            site.fetch("https://example.org/")
        assert raised.value.final


@pytest.mark.parametrize("address", [one for one in [*PRIVATE, *NEWER] if one != "::1" and not one.startswith("127.")])
def test_who_may_ask_this_machine_may_ask_no_other_of_its_network(address: str) -> None:
    with Site(address, allow_loopback=True) as site, pytest.raises(Unreachable, match="is not an address of the public"):
        site.fetch("http://example.org/")


@pytest.mark.parametrize(
    "host",
    [
        "2130706433", "0x7f000001", "0x7f.1", "017700000001", "0177.0.0.1", "127.1", "127.0.1", "0", "①②⑦.⓪.⓪.①",
        "127。0。0。1", "[::1]", "[::ffff:127.0.0.1]", "[0:0:0:0:0:0:0:1]", "localhost", "LOCALHOST",
        "localhost.", "ip6-localhost",
    ],
)  # fmt: skip
def test_this_machine_is_known_by_whatever_name(host: str) -> None:
    # With the system's own look-up: what it makes of odd numbers is what counts.
    with Fetcher() as fetcher, pytest.raises((Unreachable, InvalidRequest)) as raised:
        fetcher.fetch(f"http://{host}:9/")
    told = str(raised.value)
    assert (
        "this machine" in told or "public internet" in told or "no address is known" in told or "no address of a page" in told
    )


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://user@example.org/", "holds a name or a password"),
        ("http://user:geheim@example.org/", "holds a name or a password"),
        ("http://example.org@127.0.0.1/", "holds a name or a password"),
        ("http://example.org:22/", "pages are at port 80 or 443"),
        ("http://example.org:25/", "pages are at port 80 or 443"),
        ("http://example.org:0/", "pages are at port 80 or 443"),
        ("http://example.org:70000/", "no address of a page"),
        ("file:///etc/passwd", "begins with https:// or http://"),
        ("gopher://example.org/", "begins with https:// or http://"),
        ("ftp://example.org/", "begins with https:// or http://"),
        ("javascript:alert(1)", "begins with https:// or http://"),
        ("data:text/html,x", "begins with https:// or http://"),
        ("//example.org/", "begins with https:// or http://"),
        ("http:///x", "begins with https:// or http://"),
        ("http://exa\nmple.org/", "no address of a page"),
        ("http://example.org\r\nHost: x/", "no address of a page"),
    ],
)
def test_what_is_no_address_of_a_page_is_refused_without_repeating_it(url: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why) as raised:
        parsed(url)
    assert "geheim" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["https://example.org/", "http://example.org:80/", "https://example.org:443", "http://e.org:8080/"]
)
def test_pages_are_at_these_ports(url: str) -> None:
    assert parsed(url).host


# Where a page leads


class Leading(BaseHTTPRequestHandler):
    """Leads on to wherever the test says."""

    target = ""
    asked: list[str]

    def do_GET(self) -> None:
        type(self).asked.append(f"{self.headers['Host']}{self.path}")
        if self.path == "/robots.txt":
            self.send_response(404)
        else:
            self.send_response(302)
            self.send_header("Location", self.target)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *said: object) -> None:
        """Say nothing."""


@pytest.fixture
def leading() -> Iterator[int]:
    Leading.asked = []
    with HTTPServer(("127.0.0.1", 0), Leading) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("http://169.254.169.254/latest/meta-data/", "is not an address of the public internet"),
        ("http://[fd00::1]/", "is not an address of the public internet"),
        ("http://10.0.0.1/", "is not an address of the public internet"),
        ("http://0.0.0.0/", "is not an address of the public internet"),
        ("file:///etc/passwd", "leads to an address that cannot be"),
        ("http://user:geheim@127.0.0.1/", "leads to an address that cannot be"),
        ("http://127.0.0.1:22/", "leads to an address that cannot be"),
        ("", "does not say where the page is now"),
        ("/round", "leads on more than 5 times"),
    ],
)
def test_a_page_leads_nowhere_that_could_not_be_asked_for(
    leading: int, monkeypatch: pytest.MonkeyPatch, target: str, why: str
) -> None:
    monkeypatch.setattr(Leading, "target", target)
    with Fetcher(allow_loopback=True) as fetcher, pytest.raises(Unreachable, match=why) as raised:
        fetcher.fetch(f"http://127.0.0.1:{leading}/")
    assert "geheim" not in str(raised.value)


def test_a_name_is_looked_up_once_and_what_was_checked_is_asked(leading: int) -> None:
    looked_up = []

    def rebinding(host: str, port: int) -> Sequence[str]:
        # The first answer passes; whoever asked again would be led elsewhere.
        looked_up.append(host)
        return ["127.0.0.1"] if len(looked_up) % 2 else ["10.0.0.1"]

    with (
        Fetcher(allow_loopback=True, resolve=rebinding) as fetcher,
        pytest.raises(Unreachable, match="not an address of the public"),
    ):
        fetcher.fetch(f"http://example.org:{leading}/")
    # robots.txt at the checked address under its own name, and then a look-up of its own for the page, which fails.
    assert Leading.asked == [f"example.org:{leading}/robots.txt"]
    assert looked_up == ["example.org"] * 2


def test_no_proxy_and_no_password_of_the_environment_is_used(
    leading: int, monkeypatch: pytest.MonkeyPatch, tmp_path: object
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as proxy:
        proxy.settimeout(0.2)
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.getsockname()[1]}")
        monkeypatch.delenv("no_proxy", raising=False)
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.setattr(Leading, "target", "")
        with Fetcher(allow_loopback=True) as fetcher, pytest.raises(Unreachable, match="does not say where"):
            fetcher.fetch(f"http://127.0.0.1:{leading}/")
        with pytest.raises(TimeoutError):
            proxy.accept()
    assert len(Leading.asked) == 2
