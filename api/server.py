"""Running the application: the port, the process, and what the terminal is told."""
# ruff: noqa: T201 - the address is told on the terminal

import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from types import FrameType

import uvicorn

from api.app import create_app
from api.readiness import ENDING, Readiness
from api.settings import Settings
from embed import Encoder
from embed.batching import BatchingEncoder
from index.errors import FilrougeError
from index.search import Searcher

_LONGEST_REQUEST_LINE = 2 * 1024 * 1024
"""Bytes. Room for a question far over the limit, so that it is refused in words instead of by a cut connection."""


@contextmanager
def listen(host: str, port: int) -> Iterator[socket.socket]:
    """A listening socket. Raises `FilrougeError` when the address cannot be had."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        listener = socket.socket(family, kind, protocol)
    except UnicodeError as error:
        raise FilrougeError(f"cannot listen on {host}: this is no host name") from error
    except OSError as error:
        raise FilrougeError(f"cannot listen on {host}: {error.strerror or error}") from error
    with listener:
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind(address)
            listener.listen(128)
        except OSError as error:
            raise FilrougeError(
                f"cannot listen on {host} port {port}: {error.strerror or error}; choose another with --port (0: any)"
            ) from error
        yield listener


class _Server(uvicorn.Server):
    """A server that finishes what it accepted: asked to end, it is no longer ready and refuses questions, in words, until those
    under way are answered or `grace` seconds are over; only then it stops listening.
    """

    def __init__(self, config: uvicorn.Config, readiness: Readiness, grace: int) -> None:
        super().__init__(config)
        self._readiness = readiness
        self._grace = grace
        self._asked_to_end: float | None = None

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """A signal came; whoever interrupts twice will not wait."""
        super().handle_exit(sig, frame)
        self._readiness.why_not = ENDING
        self._asked_to_end = self._asked_to_end or monotonic()

    async def on_tick(self, counter: int) -> bool:
        """Whether it is time to end, asked ten times a second."""
        if not await super().on_tick(counter) or self.force_exit or self._asked_to_end is None:
            return self.should_exit
        left = self._asked_to_end + self._grace - monotonic()
        if self.server_state.tasks and left > 0:
            return False
        # What is left is for clients that read slowly.
        self.config.timeout_graceful_shutdown = max(1, round(left))
        return True


def serve(listener: socket.socket, settings: Settings, encoder: Encoder) -> int:
    """Answer on `listener` until interrupted or terminated; return the exit status."""
    # Clients share one encoder: what they ask at the same time is computed together.
    searcher = Searcher(settings.index, BatchingEncoder(encoder))
    # The first question loads what no other has to: it is ours.
    searcher.search("préparation", 1)
    snapshot = searcher.reader.snapshot()
    entries, passages = searcher.reader.store.counts(snapshot.generation)
    app = create_app(lambda: searcher, settings.threshold, settings.at_once, settings.waiting)
    config = uvicorn.Config(
        app,
        # h11 alone lets the length of a request line be set.
        http="h11",
        h11_max_incomplete_event_size=_LONGEST_REQUEST_LINE,
        log_level="warning",
        server_header=False,
    )
    host, port = listener.getsockname()[:2]
    shown = f"[{host}]" if ":" in host else host
    print(f"{entries} entries, {passages} passages from {settings.index}", file=sys.stderr)
    print(f"filrouge: open http://{shown}:{port}/ (Ctrl-C ends it)", flush=True)
    server = _Server(config, app.state.readiness, settings.grace)
    # Once it has shut down, uvicorn raises the signal again for whoever was there before. To be asked to end is no failure.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, server.handle_exit)
    server.run(sockets=[listener])
    return 0 if server.started else 1
