"""Every address of the API, called at random as its own description says that it may be, and as it says that it may not.

    python -m tests.bench.fuzz_api --cases 5000

Schemathesis makes the requests from `/openapi.json` of a real server over an index of seeds/, and checks every answer: no 500;
no status, media type or body but what is described; no method that is not; and an end within the time bound. Pages, which that
description does not have, get requests of their own. Two of its checks are left out: that whatever fits the description is
accepted (a text may still be no date), and that whatever does not is refused (chatbots send numbers as texts).
"""

import argparse
import http.client
import random
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import psutil

from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from tests.bench.fuzz_readers import GROWTH
from tests.bench.mutations import WORDS, literals, mutated, questions
from tests.bench.started import ROOT, environment, serve, started

BOUND = 30
"""Seconds that an answer may take; most take a thousandth of one."""
OPERATIONS = 26
"""About as many as the API has: what `--cases` is shared by."""
LEFT_OUT = "positive_data_acceptance,negative_data_rejection"
PAGES = ("/", "/page/results", "/entry/{}", "/docs", "/page/{}/page.css")
PARAMETERS = ("q", "k", "lang", "since", "until", "source", "as_of", "ui", "times", "at", "literal", "cursor", "now")


@dataclass(frozen=True)
class Found:
    """How many requests were made, and what was wrong with answers."""

    cases: int
    failures: Sequence[str]


def called(address: str, cases: int, seed: int, phases: str = "coverage,fuzzing") -> Found:
    """Requests that Schemathesis makes, about so many or more, from this seed."""
    with tempfile.TemporaryDirectory() as name:
        report = Path(name) / "report.json"
        command = [
            str(Path(sys.executable).with_name("schemathesis")), "run", f"{address}/openapi.json", "--checks", "all",
            "--exclude-checks", LEFT_OUT, "--phases", phases, "--max-examples", str(-(-cases // OPERATIONS)),
            "--seed", str(seed), "--generation-database", "none", "--request-timeout", str(BOUND), "--continue-on-failure",
            "--no-color", "--report", "json", "--report-json-path", str(report),
        ]  # fmt: skip
        done = subprocess.run(command, cwd=name, capture_output=True, text=True, check=False)
    told = re.search(r"^\s*(\d+) generated", done.stdout, re.MULTILINE)
    if told is None:
        raise RuntimeError(f"schemathesis made nothing:\n{done.stdout}{done.stderr}")
    return Found(int(told[1]), [] if done.returncode == 0 else [done.stdout])


def paged(address: str, cases: int, seed: int) -> Found:
    """Requests for pages, with whatever may stand in an address or a header."""
    lot, failures = random.Random(seed), []
    host = address.removeprefix("http://")
    samples = (*questions(), *literals("test_operators.py"))
    connection = http.client.HTTPConnection(host, timeout=BOUND)

    def word() -> str:
        return quote(mutated(lot, samples, WORDS["query"])[:2000])

    for _ in range(cases):
        path = lot.choice(PAGES).format(word() or "x")
        asked = "&".join(f"{lot.choice(PARAMETERS)}={word()}" for _ in range(lot.randrange(5)))
        headers = {
            "Accept": lot.choice(("text/html", "*/*")),
            "Accept-Language": lot.choice(("fr", "en", "x" * 500, ";q=,", "")),
        }
        try:
            connection.request("GET", f"{path}?{asked}", headers=headers)
            response = connection.getresponse()
            body = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            failures.append(f"GET {path}?{asked}: {error!r}")
            continue
        if response.status not in (200, 404, 422):
            failures.append(f"GET {path}?{asked}: {response.status} {body[:300]!r}")
    connection.close()
    return Found(cases, failures)


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000, help="of the API; a fifth as many of pages")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ingest([ROOT / "seeds"], folder / "index", HashingEncoder(), Facts(tz="Europe/Paris"))
        env = environment(FILROUGE_MODEL="hashing", FILROUGE_CACHE=str(folder / "cache"))
        with started(serve(folder / "index"), folder / "log", env) as server:
            address, process = server.address, psutil.Process(server.pid)
            warm = [called(address, given.cases // 10, given.seed), paged(address, given.cases // 20, given.seed)]
            before = process.memory_info().rss
            found = [*warm, called(address, given.cases, given.seed + 1), paged(address, given.cases // 5, given.seed + 1)]
            grown = process.memory_info().rss - before
        log = (folder / "log").read_text(encoding="utf-8")
    failures = [one for part in found for one in part.failures]
    if "Traceback" in log:
        failures.append(log[-3000:])
    if grown > GROWTH:
        failures.append(f"memory grew by {grown / 1e6:.0f} MB")
    for one in failures:
        print(one)
    print(f"{sum(part.cases for part in found)} requests, {len(failures)} failures, memory grown by {grown / 1e6:.1f} MB")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
