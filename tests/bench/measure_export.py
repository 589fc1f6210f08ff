"""Measure what exports take: python tests/bench/measure_export.py [PASSAGES]

Makes an index of so many entries of a passage each (100,000 where it is not said), with the hashing encoder, and exports
it whole in each format, with and without a question. Prints, for each, rows, megabytes of the file, the most that the
process grew by while it was made, and seconds.
"""

import json
import random
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from api.downloads import written
from api.exports import FORMATS, Export, ExportQuery, select
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

QUESTION = "Quel pays forme des pilotes ukrainiens ?"
_COMMON = 20_000
"""Words that texts are drawn from, the first of them far more often, as in a language."""


def texts(count: int) -> Iterator[str]:
    """Texts of some seventy words; one in fifty has words of the question."""
    drawn = random.Random(1)
    words = [f"mot{number}" for number in range(_COMMON)]
    for number in range(count):
        said = [words[min(int(drawn.paretovariate(0.6)), _COMMON) - 1] for _ in range(70)]
        yield " ".join(said + (["pilotes", "ukrainiens"] if number % 50 == 0 else [])) + "."


def document(folder: Path, count: int) -> Path:
    """A live blog of so many entries."""
    path = folder / "fil.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts(count)):
            moment = f"2023-{1 + number % 12:02}-{1 + number % 28:02}T{number % 24:02}:{number % 60:02}:00+02:00"
            entry = {"_id": str(number), "title": f"Titre {number}", "text": text, "lang": "fr", "date": moment}
            file.write(json.dumps({**entry, "url": f"https://example.org/direct#{number}"}) + "\n")
    return path


@contextmanager
def growth() -> Iterator[list[float]]:
    """The most megabytes that the process has above what it had before, in a list that is filled at the end."""
    process, ended = psutil.Process(), threading.Event()
    found: list[float] = []
    before = most = process.memory_info().rss

    def watch() -> None:
        nonlocal most
        while not ended.wait(0.02):
            most = max(most, process.memory_info().rss)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        found.append((most - before) / 1e6)


def main() -> None:
    """Make the index, and measure."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    encoder = HashingEncoder()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ingest([document(folder, count)], folder / "index", encoder, Facts(tz="Europe/Paris"))
        with Searcher(folder / "index", encoder) as searcher:
            searcher.search(QUESTION)
            for question in (None, QUESTION):
                for form in FORMATS:
                    if question is None and form == "trec":
                        continue
                    asked = ExportQuery.model_validate({"q": question, "format": form})
                    began = time.perf_counter()
                    with growth() as grown:
                        export = Export(asked, select(asked, searcher))
                        with written(export.parts()) as file:
                            size = file.seek(0, 2) / 1e6
                    took = time.perf_counter() - began
                    kind = "question" if question else "all"
                    print(
                        f"{kind:8} {form:8} {export.about().rows:7} rows {size:6.1f} MB, grew {grown[0]:4.0f} MB, {took:5.1f} s"
                    )


if __name__ == "__main__":
    main()
