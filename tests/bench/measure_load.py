"""Many clients at once for minutes, while another process indexes, beside the txtai API on the same model and passages.

    python -m tests.bench.measure_load --clients 64 --seconds 300
    python -m tests.bench.measure_load --clients 64 --seconds 300 --rival /tmp/txtai/bin/python

The rival has an environment of its own: `python3 -m venv /tmp/txtai && /tmp/txtai/bin/pip install 'torch==2.13.0'
'txtai[api]'`. Either server is a process of its own on the same cores as everything else; every client asks as soon as it is
answered, and no question twice.

What has to hold of ours: every answer is 200, or 503 with Retry-After; the index is seen to grow meanwhile; memory does not;
and answers are those of a server with nothing else to do: some are asked for again, of the same generation, after everybody
has left.
"""

import argparse
import http.client
import itertools
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import psutil

from embed import DEFAULT_MODEL, load
from embed.sample import sample_texts
from index.documents import Facts
from index.ingest import ingest
from tests.bench.clients import TIMEOUT, WRITTEN, Answers, Call, hammer
from tests.bench.started import environment, serve, started
from tests.bench.txtai_server import rival

GENERATIONS = 12
"""Of so many states of the index: each has to be made anew, as it was."""


def documents(folder: Path, passages: int) -> None:
    """Write a live blog of so many entries below `folder`."""
    texts = sample_texts(passages, seed=21, lengths=(3,))
    lines = [f"{n // 60 % 24:02}h{n % 60:02} : Titre {n}\n{text}" for n, text in enumerate(texts)]
    folder.mkdir(parents=True)
    (folder / "direct.txt").write_text("\n".join(lines), encoding="utf-8")


def write(folder: Path, index: Path, model: str, every: float) -> None:
    """Index a new document in every so many seconds, until the process is ended."""
    encoder = load(model)
    texts = sample_texts(10_000, seed=31, lengths=(3,))
    for number in itertools.count():
        path = folder / f"fil{number}.txt"
        some = [texts[(WRITTEN * number + one) % len(texts)] for one in range(WRITTEN)]
        path.write_text("\n".join(f"12h{n:02} : Suite {number}\n{text}" for n, text in enumerate(some)), encoding="utf-8")
        ingest([path], index, encoder, Facts(tz="Europe/Paris"))
        time.sleep(every)


@contextmanager
def writing(folder: Path, index: Path, model: str, every: float) -> Iterator[None]:
    """`write`, in a process of its own while the block lasts."""
    code = "import sys; from pathlib import Path; from tests.bench.measure_load import write; "
    code += "write(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], float(sys.argv[4]))"
    folder.mkdir()
    command = [sys.executable, "-c", code, str(folder), str(index), model, str(every)]
    process = subprocess.Popen(command, env=environment())
    try:
        yield
        if process.poll() is not None:
            raise RuntimeError("the process that writes ended by itself")
    finally:
        process.terminate()
        process.wait(60)


def search(question: str) -> Call:
    """What clients of ours ask."""
    return "GET", "/search?" + urlencode({"q": question}), None


@dataclass
class Ours:
    """What became of our server."""

    answers: Answers
    generations: tuple[int, int]
    """The first and the last that were searched."""
    again: int = 0
    """Answers that were asked for again, without load."""
    other: list[str] = field(default_factory=list)
    """Questions to which that gave another answer."""
    log: str = ""


def ours(folder: Path, model: str, passages: int, clients: int, seconds: float, every: float) -> Ours:
    """The load on `filrouge serve`, and some of its answers asked for again."""
    index = folder / "index"
    documents(folder / "documents", passages)
    report = ingest([folder / "documents"], index, load(model), Facts(tz="Europe/Paris"))
    assert not report.failures
    with started(serve(index), folder / "ours.log", environment(FILROUGE_MODEL=model)) as server:
        with writing(folder / "written", index, model, every):
            answers = hammer(server, search, clients, seconds)
        generations = [reply["generation"] for _, reply in answers.kept]
        found = Ours(answers, (min(generations), max(generations)))
        chosen = sorted(set(generations))[:: max(1, len(set(generations)) // GENERATIONS)]
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT)
        for generation in chosen:
            for question, reply in [one for one in answers.kept if one[1]["generation"] == generation][:10]:
                address = "/search?" + urlencode({"q": question, "as_of": reply["known"]})
                connection.request("GET", address)
                again = json.loads(connection.getresponse().read())
                found.again += 1
                if again["generation"] != generation or again["hits"] != reply["hits"]:
                    found.other.append(f"{question} (generation {generation})")
        connection.close()
    found.log = (folder / "ours.log").read_text(encoding="utf-8")
    return found


def row(name: str, answers: Answers) -> str:
    """A server as a row of the table."""
    first, last = answers.resident[0][1], answers.resident[-1][1]
    return (
        f"| {name} | {sum(answers.statuses.values())} | {answers.rate:.1f} | {answers.percentile(50):.0f} | "
        f"{answers.percentile(99):.0f} | {answers.percentile(100):.0f} | {answers.errors} | "
        f"{answers.statuses['503 with Retry-After']} | {first:.0f} → {last:.0f} | "
        f"{answers.slope:+.1f} | {answers.later_slope:+.1f} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=64)
    parser.add_argument("--seconds", type=float, default=300, help="for each server")
    parser.add_argument("--passages", type=int, default=2000, help="that both begin with")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between two writes")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="of ours; the rival has the default one")
    parser.add_argument("--rival", metavar="PYTHON", help="of an environment that has txtai[api]")
    parser.add_argument("--cores", help="that all of it runs on, such as 0,1; all where it is not given")
    given = parser.parse_args(arguments)
    if given.cores:
        # What is started inherits them.
        psutil.Process().cpu_affinity([int(one) for one in given.cores.split(",")])
    load_of = (given.passages, given.clients, given.seconds, given.every)
    print("| server | requests | answers/s | p50 ms | p99 ms | max ms | errors | 503 | MB | MB/min | in the second half |")
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        own = ours(Path(name), given.model, *load_of)
        print(row("filrouge", own.answers), flush=True)
        if given.rival:
            other = rival(Path(name), given.rival, *load_of)
            print(row("txtai", other))
            times = own.answers.rate / other.rate
            print(f"\n{times:.1f} times as many answers; errors {own.answers.errors} and {other.errors}")
            print(f"of the rival: {Counter(fault[:100] for fault in other.faults).most_common(3)}")
    first, last = own.generations
    print(f"generations {first} to {last}; {own.again} asked again without load, {len(own.other)} of them answered otherwise")
    for fault in [*own.answers.faults[:5], *own.other[:5]]:
        print(f"  {fault}")
    return 1 if own.answers.errors or own.other or "Traceback" in own.log else 0


if __name__ == "__main__":
    sys.exit(main())
