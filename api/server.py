"""Running the application: the port, the process, and what the terminal is told."""
# ruff: noqa: T201 - the address is told on the terminal

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from api import logs
from api.access import Policy
from api.app import create_app
from api.connections import Connection
from api.keys import Keyring
from api.settings import Settings
from embed import Encoder
from embed.batching import BatchingEncoder
from index.errors import FilrougeError
from index.place import store_of
from index.search import Searcher

_LONGEST_REQUEST_LINE = 2 * 1024 * 1024
"""Bytes. Room for a question far over the limit, so that it is refused in words instead of by a cut connection."""
GRACE = 10
"""Seconds that requests under way may still take."""


_RATE = 600
"""Requests a minute, where others than this machine may ask and nothing is set."""


@contextmanager
def listen(host: str, port: int, keys: Path | None = None, alone: bool = True) -> Iterator[socket.socket]:
    """A listening socket; or, for one that is not `alone`, one that only keeps the address for those that `share` it.

    Raises `FilrougeError` when the address cannot be had, also where others share it, or may not: one that others can reach is
    listened on only when `keys` is a file with a key that is valid.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except UnicodeError as error:
        raise FilrougeError(f"cannot listen on {host}: this is no host name") from error
    except OSError as error:
        raise FilrougeError(f"cannot listen on {host}: {error.strerror or error}") from error
    with listener:
        if not _is_own(str(address[0])):
            _require_keys(host, keys)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            if alone:
                listener.listen(128)
            else:
                # Only now, so that the address is ours or refused.
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        except OSError as error:
            raise FilrougeError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with --port (0: any)"
            ) from error
        yield listener


def share(family: int, address: Any) -> socket.socket:
    """A socket at an address that another process keeps; the system deals connections out among all that listen there."""
    shared = socket.socket(family, socket.SOCK_STREAM)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    shared.bind(address)
    shared.listen(128)
    return shared


def _is_own(address: str) -> bool:
    """Whether an address is reached from this machine alone."""
    return ip_address(address.partition("%")[0]).is_loopback


def _require_keys(host: str, keys: Path | None) -> None:
    if keys is None or not Keyring(keys).valid():
        raise FilrougeError(
            f"{host} can be reached from other machines, and {keys or 'no file'} has no valid key: make one with "
            "'filrouge keys add NAME --scope read', or leave --host out to listen on the loopback alone"
        )


def make_policy(settings: Settings, address: str) -> Policy:
    """Who may ask at an address, and how often. Raises `FilrougeError` when the keys cannot be read."""
    own = _is_own(address)
    rate = settings.rate if settings.rate is not None else 0 if own else _RATE
    keyring = Keyring(settings.keys, always=not own)
    return Policy(keyring, rate, settings.hosts, settings.origins, settings.log_questions)


def application(settings: Settings, encoder: Encoder, address: str) -> FastAPI:
    """The application over the index of the settings, open and warm, for those who reach `address`."""
    # Clients share one encoder: what they ask at the same time is computed together.
    searcher = Searcher(settings.place, BatchingEncoder(encoder), settings.asked_tier, growing=True)
    # The first question loads what no other has to: it is ours.
    searcher.search("préparation", 1)
    policy = make_policy(settings, address)
    logs.configure(
        settings.log, (settings.index.resolve(), settings.cache.resolve(), settings.keys.resolve().parent, Path.home())
    )
    return create_app(lambda: searcher, settings.threshold, settings.at_once, settings.waiting, policy)


def tell(listener: socket.socket, settings: Settings, counts: tuple[int, int]) -> None:
    """Say on the terminal what is served, and where."""
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    entries, passages = counts
    print(f"{entries} entries, {passages} passages from {settings.place}", file=sys.stderr)
    print(f"filrouge: open http://{shown}:{port}/ (Ctrl-C ends it)", flush=True)


def serve(listener: socket.socket, settings: Settings, encoder: Encoder) -> int:
    """Answer on `listener` until interrupted or terminated; return the exit status."""
    app = application(settings, encoder, str(listener.getsockname()[0]))
    with store_of(settings.place) as store:
        tell(listener, settings, store.counts(store.generation()))
    return run(app, listener, settings)


def run(app: FastAPI, listener: socket.socket, settings: Settings) -> int:
    """The same with an application that is ready, which nothing is told of on the terminal."""
    config = uvicorn.Config(
        app,
        # h11 alone lets the length of a request line be set, and a slow client be cut off.
        http=Connection,
        ws="none",
        h11_max_incomplete_event_size=_LONGEST_REQUEST_LINE,
        log_config=None,
        server_header=False,
        # By itself uvicorn believes what anyone on this machine says of an address.
        proxy_headers=bool(settings.proxies),
        forwarded_allow_ips=list(settings.proxies),
        timeout_graceful_shutdown=GRACE,
    )
    server = uvicorn.Server(config)
    # Once it has shut down, uvicorn raises the signal again for whoever was there before. To be asked to end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 1
