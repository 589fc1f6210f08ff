"""The figures of the page on capacity, from one command: nearest vectors beside rivals, bytes a passage, a whole search, and
how long an entry takes from its commit to being found.

    python -m tests.bench.measure_capacity [--size 1000000] [--passages 200000] [--real INDEX]

`--size` vectors take 6 GB of memory a million while the rivals are measured; `--passages` make an index of 5 GB a million in
the folder for temporary files, which goes at the end. Vectors of the index are drawn and its words are noise: what is measured
is time and space. `--real` is an index of real passages, of which a copy is searched while others arrive.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil

from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index.bench import commit, costs, synthesise
from index.growth import grow
from index.search import MAX_HITS, Searcher
from index.store import Store
from index.tiers import bytes_each

ENCODER = HashingEncoder(dimension=384)
ROUNDS = 20
PATIENCE = 60
"""Seconds."""


def size(folder: Path, pattern: str) -> int:
    return sum(path.stat().st_size for path in folder.glob(pattern) if path.is_file())


def nearest(count: int) -> None:
    print(f"1. The nearest ten of {count:,}", flush=True)
    command = [sys.executable, "-m", "api.cli", "bench", "search", "--size", str(count), "--json"]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    for row in found["rows"]:
        print(f"   {row['name']}: {row['ours']:.2f} beside {row['rivals']:.2f}, {row['ratio']:.1f} times")
    for note in found["notes"]:
        print(f"   {note}")


def whole(passages: int) -> None:
    with tempfile.TemporaryDirectory(prefix="filrouge-capacity-") as name:
        folder = Path(name) / "index"
        folder.mkdir()
        texts = synthesise(folder, ENCODER, passages)
        letters = sum(len(text.encode()) for text in texts)
        del texts
        grown = grow(folder, ENCODER.card)
        before = psutil.Process().memory_info().rss
        with Searcher(folder, ENCODER) as searcher:
            searcher.search("Qui a parlé ?")
            print(f"2. {passages:,} passages in the tier {grown.tier}: bytes a passage", flush=True)
            if grown.manifest:
                print(f"   tier {grown.manifest.bytes / passages:,.0f}, built in {grown.manifest.seconds:,.0f} s")
            print(f"   resident for dense search {bytes_each(grown.tier, 384):,.0f} at most, by the formula")
            print(f"   this process has grown by {(psutil.Process().memory_info().rss - before) / passages:,.0f}")
            print(f"   database {size(folder, 'index.sqlite*') / passages:,.0f}, of which {letters / passages:,.0f} text")
            print(f"   terms {size(folder, 'cache/lexical/*') / passages:,.0f}")
            found = [costs(searcher, text) for text in sample_texts(ROUNDS, seed=6, lengths=(1,))]
            print("3. Milliseconds of a search, p50")
            for what in found[0]:
                print(f"   {what}: {statistics.median(cost[what] for cost in found) * 1000:.2f}")
            waits = [arrival(folder, searcher, passages + turn) for turn in range(ROUNDS)]
            print(f"4. From commit to being found, seconds: p50 {statistics.median(waits):.3f}, most {max(waits):.3f}")


def arrival(folder: Path, searcher: Searcher, number: int) -> float:
    """Seconds from the beginning of a commit to a search that finds what it wrote."""
    text = f"Arrivée {number} au port."
    vector = np.random.default_rng(number).standard_normal((1, ENCODER.card.dimension)).astype(np.float32)
    with Store.create(folder, ENCODER.card, lambda: searcher.reader.snapshot().space) as store:
        began = time.perf_counter()
        commit(store, ENCODER.card, [text], vector / np.linalg.norm(vector), number)
    # Among vectors and words that are noise it need not come first.
    while not any(hit.passage.text == text for hit in searcher.search(text, k=MAX_HITS).hits):
        if time.perf_counter() - began > PATIENCE:
            raise SystemExit(f"what was committed was not found within {PATIENCE} s")
        time.sleep(0.005)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--size", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--passages", type=int, default=200_000, metavar="N")
    parser.add_argument("--real", type=Path, metavar="INDEX")
    given = parser.parse_args()
    if given.size:
        nearest(given.size)
    whole(given.passages)
    print("5. Real passages, while others arrive", flush=True)
    if given.real:
        # Embedded on the same cores, which may be too many for them, and as if another machine had.
        for more in ([], ["--known"]):
            subprocess.run([sys.executable, "-m", "tests.bench.measure_arrivals", str(given.real), *more], check=True)
    else:
        print("   left out: no index of them was given with --real")


if __name__ == "__main__":
    main()
