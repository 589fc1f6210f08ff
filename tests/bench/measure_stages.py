"""What the stopwatch costs a search: stages of a search times what one costs, beside the search; and searches with and without.

python tests/bench/measure_stages.py
"""

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from embed.stages import Account, Stage, account, stage
from index.bench import synthesise
from index.search import Searcher

PASSAGES = 2_000
ROUNDS = 15


class Counting(Account):
    """Counts how many stages are entered."""

    entered = 0

    def enter(self, stage: Stage) -> None:
        self.entered += 1
        super().enter(stage)


def seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


@stage("read")
def nothing() -> None:
    """Nothing but a stage."""


def main() -> None:
    encoder = HashingEncoder()
    with tempfile.TemporaryDirectory() as name:
        synthesise(Path(name), encoder, PASSAGES)
        asked = sample_texts(20, seed=6, lengths=(1,))
        with Searcher(Path(name), encoder) as searcher:

            def plain() -> None:
                for question in asked:
                    searcher.search(question)

            def watched() -> Account:
                with account() as spent:
                    plain()
                return spent

            plain()
            pairs = [(seconds(plain), seconds(watched)) for _ in range(ROUNDS)]
            counting = Counting()
            with account() as spent:
                spent.enter = counting.enter  # type: ignore[method-assign]
                plain()
    with account():
        each = min(seconds(lambda: [nothing() for _ in range(10_000)]) for _ in range(5)) / 10_000
    took = statistics.median(one for one, _ in pairs) / len(asked)
    stages = counting.entered / len(asked)
    print(f"a search among {PASSAGES} passages: {took * 1000:.2f} ms, {stages:.0f} stages of {each * 1e6:.2f} µs each:")
    print(f"  {stages * each / took:.2%} of it; with and without beside each other, median of {ROUNDS}:")
    print(f"  {statistics.median(b / a for a, b in pairs) - 1:+.2%}")


if __name__ == "__main__":
    main()
