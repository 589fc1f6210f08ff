"""Host and Origin."""

import pytest

from api.origins import refused

LOOPBACK, NETWORK = ("127.0.0.1", 8000), ("192.168.1.7", 8000)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "127.0.0.1", "localhost:8000", "LOCALHOST", "[::1]:8000", "127.1.2.3:1"])
@pytest.mark.parametrize("server", [LOOPBACK, ("::1", 8000)])
def test_the_loopback_is_asked_by_its_own_names(server: tuple[str, int], host: str) -> None:
    assert refused(server, host, None) == ""


@pytest.mark.parametrize(
    "host",
    [None, "", "evil.example:8000", "evil:8000", "localhost.evil.example", "127.0.0.1.evil.example", "192.168.1.7", "[::1"],
)
def test_by_no_other(host: str | None) -> None:
    assert refused(LOOPBACK, host, None).startswith("Host: ")


@pytest.mark.parametrize("host", ["192.168.1.7:8000", "[2001:db8::7]:8000", "filrouge:8000", "localhost"])
@pytest.mark.parametrize("server", [NETWORK, ("0.0.0.0", 8000), None])
def test_on_a_network_addresses_and_names_without_dots_are_nobody_elses(server: tuple[str, int] | None, host: str) -> None:
    assert refused(server, host, None) == ""
    assert refused(server, host, f"http://{host}") == ""
    assert refused(server, "evil.example", None).startswith("Host: ")


@pytest.mark.parametrize("origin", ["http://127.0.0.1:8000", "https://localhost:6274", "http://[::1]"])
@pytest.mark.parametrize("server", [LOOPBACK, NETWORK])
def test_pages_of_this_machine_may_ask(server: tuple[str, int], origin: str) -> None:
    assert refused(server, "127.0.0.1:8000", origin) == ""


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "", "http://[", "http://192.168.1.8", "http://127.0.0.1.evil.example", "file://"]
)
@pytest.mark.parametrize("server", [LOOPBACK, NETWORK])
def test_pages_of_others_may_not(server: tuple[str, int], origin: str) -> None:
    assert refused(server, "127.0.0.1:8000", origin).startswith("Origin: ")


def test_what_is_repeated_to_a_caller_is_short() -> None:
    assert len(refused(LOOPBACK, "x" * 10_000, None)) < 300
    assert len(refused(LOOPBACK, "localhost", "http://" + "x" * 10_000)) < 300
