"""What does a monitor see? Metrics in the text format of Prometheus, at `/metrics`.

Labels are few and known beforehand: routes by their templates and never by what was asked, stages, caches and statuses. No
question and no name of a source is among them.
"""

import logging
import os
from importlib.metadata import version
from pathlib import Path
from time import perf_counter

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import visits
from embed.stages import CACHES, STAGES, Account, account, stage
from index.errors import FilrougeError
from index.search import Searcher

PATH = "/metrics"
MEDIA = CONTENT_TYPE_PLAIN_1_0_0
GONE = "499"
"""What stands in the place of a status where the client left before it had one."""
log = logging.getLogger("filrouge.api")
# A series more for each, of no use to who looks at rates.
disable_created_metrics()  # type: ignore[no-untyped-call]
_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")
_SECONDS = (0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_STAGE_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)


class Metrics:
    """Everything that is counted of one server.

    `shared` is the folder in which several processes that answer on one port count together; what any of them is asked for is
    then the sum of all. prometheus-client must have been told of it before it was first imported (`share`).
    """

    def __init__(self, shared: Path | None = None) -> None:
        self._shared = shared
        self.registry = own = CollectorRegistry()
        if shared is None:
            ProcessCollector(registry=own)
        self.requests = Counter(
            "filrouge_requests",
            f"Requests, by the template of their route, method and status; {GONE} is a client that left before its answer.",
            ["route", "method", "status"],
            registry=own,
        )
        self.seconds = Histogram(
            "filrouge_request_seconds",
            "From the arrival of a request to the beginning of its answer, the wait for a turn included.",
            ["route"],
            buckets=_SECONDS,
            registry=own,
        )
        self.stages = Histogram(
            "filrouge_stage_seconds",
            "What requests spent in a stage, of those that came to it; each moment is in one stage.",
            ["stage"],
            buckets=_STAGE_SECONDS,
            registry=own,
        )
        self.lookups = Counter(
            "filrouge_cache_lookups",
            "Look-ups in what is remembered, by cache, and by whether it was there (hit) or had to be made (miss).",
            ["cache", "result"],
            registry=own,
        )
        self.refused = Counter(
            "filrouge_requests_refused", "Requests that were told to come again, by why.", ["reason"], registry=own
        )
        self.working = Gauge(
            "filrouge_requests_working", "Requests that have a turn.", registry=own, multiprocess_mode="livesum"
        )
        self.waiting = Gauge(
            "filrouge_requests_waiting", "Requests that wait for one.", registry=own, multiprocess_mode="livesum"
        )
        self.ready = Gauge(
            "filrouge_ready", "1 while questions are taken, 0 before and after.", registry=own, multiprocess_mode="mostrecent"
        )
        self.generation = Gauge(
            "filrouge_index_generation", "The newest commit that is searched.", registry=own, multiprocess_mode="mostrecent"
        )
        self.entries = Gauge("filrouge_index_entries", "Entries in it.", registry=own, multiprocess_mode="mostrecent")
        self.passages = Gauge("filrouge_index_passages", "Passages of those.", registry=own, multiprocess_mode="mostrecent")
        self.build = Gauge(
            "filrouge_build_info",
            "1; the release that runs and the model that it embeds with.",
            ["version", "model"],
            registry=own,
            multiprocess_mode="mostrecent",
        )
        self.recall_wanted = Counter(
            "filrouge_recall_wanted",
            "Of a question now and then, the passages that are nearest to it; 0 while the engine is exact.",
            registry=own,
        )
        self.recall_found = Counter(
            "filrouge_recall_found", "Those of them that the engine found: this by that is its recall.", registry=own
        )
        # All that there can be is there from the start, so that a rate begins at 0 and not with the first event.
        for name in STAGES:
            self.stages.labels(name)
        for cache in CACHES:
            for result in ("hit", "miss"):
                self.lookups.labels(cache, result)
        for reason in ("busy", "not_ready"):
            self.refused.labels(reason)

    def answered(self, route: str, method: str, status: str, seconds: float, spent: Account) -> None:
        """Count a request."""
        self.requests.labels(route, method if method in _METHODS else "other", status).inc()
        self.seconds.labels(route).observe(seconds)
        for name, value in spent.seconds.items():
            self.stages.labels(name).observe(value)
        for (cache, found), times in spent.lookups.items():
            self.lookups.labels(cache, "hit" if found else "miss").inc(times)

    def text(self, searcher: Searcher | None, ready: bool) -> bytes:
        """Everything, as it is now. While the index cannot be read the server is not ready, and the numbers of the index are
        the last that were known.
        """
        if searcher is not None:
            tally = searcher.recall.taken()
            self.recall_wanted.inc(tally.wanted)
            self.recall_found.inc(tally.found)
            try:
                snapshot = searcher.reader.snapshot()
                entries, passages = searcher.reader.store.counts(snapshot.generation)
            except FilrougeError as error:
                log.error("%s: %s", PATH, error)
                ready = False
            else:
                self.generation.set(snapshot.generation)
                self.entries.set(entries)
                self.passages.set(passages)
                self.build.labels(version("filrouge"), snapshot.card.name).set(1)
        self.ready.set(ready)
        if self._shared is None:
            return generate_latest(self.registry)
        united = CollectorRegistry()
        MultiProcessCollector(united, str(self._shared))  # type: ignore[no-untyped-call]
        return generate_latest(united)


class Measured:
    """Counts every request, from its arrival to the beginning of its answer."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = perf_counter(), None
        with account() as spent, stage("other"):

            async def sending(message: Message) -> None:
                nonlocal status
                if message["type"] == "http.response.start" and status is None:
                    status = str(message["status"])
                    self._count(scope, status, began, spent)
                await send(message)

            try:
                await self._app(scope, receive, sending)
            finally:
                if status is None:
                    self._count(scope, GONE, began, spent)

    def _count(self, scope: Scope, status: str, began: float, spent: Account) -> None:
        spent.settle()
        self._metrics.answered(visits.of(scope).route or "none", scope["method"], status, perf_counter() - began, spent)


def share(folder: Path) -> None:
    """Have the processes that are started from now on count together in `folder`, each with `Metrics(folder)`."""
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def forget(folder: Path, pid: int) -> None:
    """A process that counted in `folder` has ended: what it was at work on is nobody's work now; what it counted stays."""
    mark_process_dead(pid, str(folder))  # type: ignore[no-untyped-call]
