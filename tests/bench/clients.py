"""Clients that ask a server at once, each as soon as it is answered, and what they are told meanwhile."""

import http.client
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import psutil

from embed.sample import sample_texts
from tests.bench.started import Started

KEPT = 400
"""Answers of which some are asked for again."""
TIMEOUT = 60
"""Seconds that one waits for an answer."""
WRITTEN = 5
"""Entries that are written at a time meanwhile, whoever is asked."""

Call = tuple[str, str, bytes | None]
"""Method, address and body."""


@dataclass
class Answers:
    """What clients were told."""

    seconds: list[float] = field(default_factory=list)
    statuses: Counter[str] = field(default_factory=Counter)
    kept: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    """Questions and their replies, a few of all."""
    faults: list[str] = field(default_factory=list)
    took: float = 0.0
    resident: list[tuple[float, float]] = field(default_factory=list)
    """Seconds since the start, and megabytes that the server had."""

    @property
    def errors(self) -> int:
        """Requests that were neither answered nor told honestly to come again."""
        return sum(count for status, count in self.statuses.items() if status not in ("200", "503 with Retry-After"))

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.statuses["200"] / self.took

    def percentile(self, share: float) -> float:
        """Milliseconds within which this share was answered."""
        return float(np.percentile(self.seconds, share)) * 1000 if self.seconds else float("nan")

    @property
    def slope(self) -> float:
        """Megabytes a minute by which the server grew."""
        return _slope(self.resident)

    @property
    def later_slope(self) -> float:
        """The same in the second half of the time."""
        return _slope(self.resident[len(self.resident) // 2 :])


def _slope(resident: Sequence[tuple[float, float]]) -> float:
    rows = np.array(resident)
    return float(np.polyfit(rows[:, 0], rows[:, 1], 1)[0] * 60) if len(rows) > 2 else float("nan")


def hammer(server: Started, call: Callable[[str], Call], clients: int, seconds: float) -> Answers:
    """Have so many clients ask without a pause, each on a connection of its own; no question comes twice. For a fifth of the
    time before that they ask unmeasured: models take memory for every shape of a batch that they first meet.
    """
    _hammer(server, call, clients, seconds / 5, first=0)
    return _hammer(server, call, clients, seconds, first=1_000_000)


def _hammer(server: Started, call: Callable[[str], Call], clients: int, seconds: float, first: int) -> Answers:
    found, lock, numbers = Answers(), threading.Lock(), itertools.count(first)
    texts = sample_texts(997, seed=11, lengths=(1,))
    began = time.monotonic()
    until = began + seconds

    def client() -> None:
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        while time.monotonic() < until:
            number = next(numbers)
            question = f"{texts[number % len(texts)][:120]} {number} ?"
            start = time.perf_counter()
            try:
                connection.request(*call(question))
                response = connection.getresponse()
                body = response.read()
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                with lock:
                    found.statuses[type(error).__name__] += 1
                    found.faults.append(repr(error))
                continue
            took, status = time.perf_counter() - start, str(response.status)
            if status == "503" and response.headers["Retry-After"]:
                status = "503 with Retry-After"
            with lock:
                found.statuses[status] += 1
                if status == "200":
                    found.seconds.append(took)
                    # Evenly over the run, whatever its length: every second one is dropped when there are too many.
                    if number % max(1, len(found.seconds) // KEPT) == 0:
                        found.kept.append((question, json.loads(body)))
                elif status != "503 with Retry-After" and len(found.faults) < 20:
                    found.faults.append(f"{status} {body[:200]!r}")
        connection.close()

    process = psutil.Process(server.pid)
    threads = [threading.Thread(target=client) for _ in range(clients)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        found.resident.append((time.monotonic() - began, process.memory_info().rss / 1e6))
        time.sleep(0.5)
    for thread in threads:
        thread.join()
    found.took = time.monotonic() - began
    return found
