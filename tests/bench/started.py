"""A server as a process of its own, for what asks it from outside."""

import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
_SECONDS = 300
"""That one may take to start: a model may have to be made first."""


@dataclass(frozen=True)
class Started:
    """Where it listens on the loopback, and which process it is."""

    port: int
    pid: int
    log: Path

    @property
    def address(self) -> str:
        """The same for clients."""
        return f"http://127.0.0.1:{self.port}"


def environment(**more: str) -> dict[str, str]:
    """What a process of ours is started with: nothing of the developer's own settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("FILROUGE_")}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def serve(index: Path) -> Sequence[str]:
    """`filrouge serve` over an index, on a free port."""
    return [sys.executable, "-m", "api.cli", "serve", "--index", str(index), "--port", "0"]


@contextmanager
def started(command: Sequence[str], log: Path, env: Mapping[str, str]) -> Iterator[Started]:
    """A server that tells its address in a line of its output; asked to end afterwards, and ended where it does not."""
    with log.open("w", encoding="utf-8") as errors:
        process = subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=errors, text=True)
    # One that never says its address must not hold everything up for ever.
    watchdog = threading.Timer(_SECONDS, process.kill)
    watchdog.start()
    try:
        assert process.stdout
        found = next((seen for line in process.stdout if (seen := re.search(r"http://127\.0\.0\.1:(\d+)", line))), None)
        watchdog.cancel()
        if found is None:
            raise RuntimeError(f"no server: {' '.join(command)}\n{log.read_text(encoding='utf-8')}")
        yield Started(int(found[1]), process.pid, log)
    finally:
        watchdog.cancel()
        process.terminate()
        try:
            process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
