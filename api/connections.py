"""How long may a client take to ask, and to read what it asked for?"""

import asyncio
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

SLOWEST_TO_ASK = 10.0
"""Seconds from the first byte of a request, or from the opening of a connection, to the end of its headers."""
SLOWEST_TO_READ = 60.0
"""Seconds in which a client must take some of what waits for it: 48 kB, by the marks of asyncio's buffer."""


class Connection(H11Protocol):
    """A connection that is cut when its client sends headers, or reads, a little at a time for ever (slowloris).

    The server has a limit only for the pause between two requests, and `api.limits` one for bodies.
    """

    def __init__(self, *given: Any, **more: Any) -> None:
        super().__init__(*given, **more)
        self._asking: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._expect_a_request()

    def data_received(self, data: bytes) -> None:
        """See asyncio."""
        super().data_received(data)
        self._expect_a_request()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        super().on_response_complete()
        # What came behind the request may be half of the next.
        if self.conn.trailing_data[0]:
            self._expect_a_request()

    def _expect_a_request(self) -> None:
        """Let the time run while headers are on their way, from their beginning on, and at no other time."""
        waiting = self.cycle is None or self.cycle.response_complete
        if waiting and self._asking is None:
            self._asking = self.loop.call_later(SLOWEST_TO_ASK, self.transport.abort)
        elif not waiting and self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def pause_writing(self) -> None:
        """See asyncio."""
        super().pause_writing()
        self._expect_reading()

    def resume_writing(self) -> None:
        """See asyncio."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    def timeout_keep_alive_handler(self) -> None:
        """See uvicorn."""
        super().timeout_keep_alive_handler()
        # It is closed when all is sent, which is as long as the client likes.
        self._expect_reading()

    def _expect_reading(self) -> None:
        if self._reading is None:
            self._reading = self.loop.call_later(SLOWEST_TO_READ, self.transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        super().connection_lost(exc)
        for timer in (self._asking, self._reading):
            if timer is not None:
                timer.cancel()
