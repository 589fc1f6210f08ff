"""Measure searches while entries arrive: python -m tests.bench.measure_arrivals INDEX [--seconds 60] [--rate 100] [--known]

A copy of the index is served by a process of its own, and another writes so many passages a second into it, a commit a second.
One client searches all the while, each time with another question, and encodes another one alone in turn. A commit is visible
when the first reply comes that shows its generation, and arrived when its entries were written to the file that is read. The
passages that arrive are texts of the index with a number before them; with `--known` their texts are in the index as they
are, as if another machine had embedded them, so that no
model runs in the process that writes. Times of the processor say what other work on the machine hides.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil

from api.bench import started
from embed import Encoder
from index.ingest import ingest
from index.own_model import own_encoder
from index.records import Passage
from index.store import Store

P50, P99, VISIBLE = 3.0, 4.0, 1.0
"""What is asked for: times the bare encoding, times the median, seconds."""


def drawn(folder: Path, count: int, seed: int) -> list[Passage]:
    """So many passages of the index, or all that it has, drawn by lot."""
    with Store.open(folder) as store:
        there = store.counts(store.generation())[1]
        ids = np.sort(np.random.default_rng(seed).choice(there, min(count, there), replace=False) + 1)
        return list(store.passages(ids.tolist()).values())


def questions(folder: Path, count: int) -> list[str]:
    """Runs of eight words of passages of the index."""
    return [" ".join(passage.text.split()[:8]) for passage in drawn(folder, count, 1)]


def write(folder: Path, page: Path, rate: int, known: bool) -> None:
    """Add `rate` lines to a file every second and read it, until ended; a line on the standard output for each time."""
    encoder = own_encoder(folder)
    passages = drawn(folder, 20 * rate, 2)
    with page.open("w", encoding="utf-8") as file:
        for second in range(10**6):
            begun, worked = time.time(), time.process_time()
            for n in range(second * rate, (second + 1) * rate):
                passage = passages[n % len(passages)]
                text = passage.text if known else f"{n}. {passage.text}"
                line = {"_id": f"arrived-{n}", "title": passage.entry.title, "text": text, "lang": passage.entry.lang}
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
            file.flush()
            report = ingest([page], folder, encoder)
            worked = time.process_time() - worked
            print(json.dumps([begun, time.time(), report.generation, report.added, report.embedded, worked]), flush=True)
            time.sleep(max(0.0, begun + 1 - time.time()))


@contextmanager
def writing(folder: Path, page: Path, rate: int, known: bool) -> Iterator[list[list[float]]]:
    """The lines of a process that does that."""
    command = [sys.executable, "-m", "tests.bench.measure_arrivals", str(folder), "--write", str(page), "--rate", str(rate)]
    process = subprocess.Popen([*command, "--known"] if known else command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines: list[list[float]] = [json.loads(process.stdout.readline())]
    output = process.stdout
    reading = threading.Thread(target=lambda: lines.extend(map(json.loads, output)))
    reading.start()
    try:
        yield lines
    finally:
        process.terminate()
        process.wait(30)
        reading.join()
        output.close()


def processor(pid: int) -> float:
    """Seconds of the processor that a process has had."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def asked(folder: Path, encoder: Encoder, seconds: float, rate: int, known: bool) -> dict[str, float]:
    """The figures, by their names."""
    searching: list[float] = []
    encoding: list[float] = []
    shown: list[tuple[float, int]] = []
    bare_work = 0.0
    some = questions(folder, 5000)
    serve = [sys.executable, "-m", "api.cli", "serve", "--index", str(folder), "--port", "0"]
    with started(serve) as served:
        for question in some[-20:]:
            served.search(question)
            encoder.encode_query(question)
        with writing(folder, folder.parent / "arrivals.jsonl", rate, known) as lines:
            # The server ends a connection that was idle for as long as a model takes to load.
            served.connection.close()
            until, worked = time.time() + seconds, processor(served.process.pid)
            for mine, alone in zip(some[::2], some[1::2], strict=True):
                if time.time() > until:
                    break
                begun, before = time.perf_counter(), time.process_time()
                encoder.encode_query(alone)
                encoding.append(time.perf_counter() - begun)
                bare_work += time.process_time() - before
                took, generation = served.search(mine)
                searching.append(took)
                shown.append((time.time(), generation))
            worked = processor(served.process.pid) - worked
    visible = [
        next(at for at, seen in shown if seen >= generation) - begun
        for begun, _, generation, *_ in lines
        if generation <= shown[-1][1]
    ]
    p50, bare = statistics.median(searching), statistics.median(encoding)
    p99 = statistics.quantiles(searching, n=100)[98]
    span = lines[-1][1] - lines[0][0]
    return {
        "searches": len(searching),
        "arrived a second": sum(line[3] for line in lines) / span,
        "of these embedded beside": sum(line[4] for line in lines) / span,
        "/search, p50, ms": p50 * 1000,
        "bare encoding, p50, ms": bare * 1000,
        f"p50 beside encoding (asked for: {P50:g})": p50 / bare,
        "/search, p99, ms": p99 * 1000,
        "processor, ms a search, following included": worked / len(searching) * 1000,
        "processor, ms an encoding": bare_work / len(encoding) * 1000,
        "processor, s a commit with its caches": statistics.median(line[5] for line in lines),
        f"p99 beside p50 (asked for: {P99:g})": p99 / p50,
        "insert to commit and caches, p50, s": statistics.median(line[1] - line[0] for line in lines),
        "insert to visible, p50, s": statistics.median(visible),
        f"insert to visible, most, s (asked for: {VISIBLE:g})": max(visible),
    }


def main() -> None:
    """Measure, and print a line for each figure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("index", type=Path)
    parser.add_argument("--seconds", type=float, default=60, help="how long (default: 60)")
    parser.add_argument("--rate", type=int, default=100, help="passages that arrive a second (default: 100)")
    parser.add_argument("--known", action="store_true", help="their texts are embedded already")
    parser.add_argument("--write", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.write:
        write(given.index, given.write, given.rate, given.known)
        return
    with tempfile.TemporaryDirectory(dir=given.index.parent, prefix=".arrivals-") as name:
        folder = Path(name) / "index"
        shutil.copytree(given.index, folder)
        with Store.open(folder) as store:
            entries, passages = store.counts(store.generation())
        found = asked(folder, own_encoder(folder), given.seconds, given.rate, given.known)
    print(f"{passages} passages of {entries} entries, {'embedded before' if given.known else 'embedded beside'}")
    for what, value in found.items():
        print(f"{what}: {value:.3g}")


if __name__ == "__main__":
    main()
