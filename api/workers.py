"""Several processes that answer at one address, each with the index open, and the one that starts and ends them."""

import logging
import multiprocessing
import os
import signal
import socket
import sys
import tempfile
import threading
from multiprocessing.connection import wait
from multiprocessing.context import SpawnProcess
from multiprocessing.synchronize import Event
from pathlib import Path
from types import FrameType
from typing import Any, NamedTuple

from api import heaps, metrics, server
from api.commands.chosen import open_encoder
from api.settings import Settings
from embed import EmbedError
from embed.precision import cores
from index.errors import FilrougeError
from index.place import store_of

_LOOK = 0.5
"""Seconds between two looks at what was asked of us."""
_PATIENCE = 5
"""Seconds that one which is to end is waited for beyond its grace."""

log = logging.getLogger("filrouge.api")


def serve(kept: socket.socket, settings: Settings) -> int:
    """Answer at the address that `kept` keeps, with `settings.workers` processes, until interrupted or terminated.

    Each has a model, engines and a listening socket of its own, and finds a new generation by itself. One that ends is
    replaced; SIGHUP replaces all, one after the other. They end when this process does, however it ends.
    """
    with tempfile.TemporaryDirectory(prefix="filrouge-metrics-") as counted:
        metrics.share(Path(counted))
        return _Workers(kept, settings, Path(counted)).run()


class _Worker(NamedTuple):
    process: SpawnProcess
    ready: Event


class _Workers:
    """Not uvicorn's supervisor: its workers all accept from one socket, which leaves it to chance who does. Of sixteen clients
    that keep their connections, one of two workers had fifteen.
    """

    def __init__(self, kept: socket.socket, settings: Settings, counted: Path) -> None:
        # A fork would copy the locks of threads that it does not copy.
        self._context = multiprocessing.get_context("spawn")
        self._kept = kept
        self._settings = settings
        self._counted = counted
        self._workers: list[_Worker] = []
        # Plain flags: an event may hold its lock when a signal comes.
        self._ending = False
        self._replacing = False

    def run(self) -> int:
        """Start, look after and end the workers; return the exit status."""
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, self._asked)
        try:
            if not self._start_all():
                return 0 if self._ending else 1
            with store_of(self._settings.place) as store:
                server.tell(self._kept, self._settings, store.counts(store.generation()))
            while not self._ending:
                wait([worker.process.sentinel for worker in self._workers], _LOOK)
                self._replace_ended()
                if self._replacing:
                    self._replacing = False
                    self._replace_all()
            return 0
        finally:
            self._end(self._workers)

    def _asked(self, number: int, frame: FrameType | None) -> None:
        if number == signal.SIGHUP:
            self._replacing = True
        else:
            self._ending = True

    def _start_all(self) -> bool:
        """Whether all can answer. The first brings the caches up, and the others find them made."""
        self._workers.append(self._start())
        if not self._can_answer(self._workers[0]):
            return False
        self._workers.extend(self._start() for _ in range(self._settings.workers - 1))
        return all(map(self._can_answer, self._workers))

    def _start(self) -> _Worker:
        ready = self._context.Event()
        address = (self._kept.family, self._kept.getsockname())
        process = self._context.Process(target=_work, args=(self._settings, address, ready, self._counted))
        process.start()
        return _Worker(process, ready)

    def _can_answer(self, worker: _Worker) -> bool:
        """Whether it can, once that is known; not when all are to end before."""
        while not worker.ready.wait(0.1):
            if self._ending or not worker.process.is_alive():
                return False
        return True

    def _replace_ended(self) -> None:
        if self._ending:
            return
        for place, worker in enumerate(self._workers):
            if not worker.process.is_alive():
                log.warning("worker %d ended; another is started", worker.process.pid)
                self._forget(worker)
                self._workers[place] = self._start()

    def _replace_all(self) -> None:
        for place, old in enumerate(self._workers):
            new = self._start()
            if not self._can_answer(new):
                self._end([new])
                if not self._ending:
                    log.warning("a new worker did not start; those that there are go on")
                return
            self._workers[place] = new
            self._end([old])

    def _end(self, workers: list[_Worker]) -> None:
        """Ask all of them to end, and wait until they have."""
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join(self._settings.grace + _PATIENCE)
            # Does nothing to one that has ended.
            worker.process.kill()
            worker.process.join()
            self._forget(worker)

    def _forget(self, worker: _Worker) -> None:
        assert worker.process.pid is not None  # it was started
        metrics.forget(self._counted, worker.process.pid)


def _work(settings: Settings, address: tuple[int, Any], ready: Event, counted: Path) -> None:
    """One worker, in its own process; one that cannot answer says why."""
    # An interrupt on a terminal goes to all; the one that started us says what is to be done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    heaps.limit()
    threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
    try:
        # Each gets its share: threads of all workers on every core would only take it from each other.
        encoder = open_encoder(settings, max(cores() // settings.workers, 1))
        app = server.application(settings, encoder, str(address[1][0]), counted)
        with server.share(*address) as listener:
            ready.set()
            sys.exit(server.run(app, listener, settings))
    except (FilrougeError, EmbedError) as error:
        print(f"filrouge: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(1)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait([parent.sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
