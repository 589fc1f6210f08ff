"""The targets of `fuzz_readers`, led by coverage: libFuzzer, by way of Atheris, goes on from what came to new places.

    pip install 'filrouge[fuzz]'
    python -m tests.bench.fuzz_guided --seconds 3600 --kept .fuzz

Each target runs in a process of its own, which ends at its first failure; `--kept` has what was found to be of use, which the
next run begins with, and the inputs that failed. Time, memory and errors are held to the same bounds as there.
"""

import argparse
import importlib
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.bench.fuzz_readers import BOUND, TARGETS
from tests.bench.mutations import LONGEST
from tests.bench.started import environment

_MEGABYTES = 2048
_OWN = 0.5
"""Share of inputs that are broken as libFuzzer breaks them; the others are made as for `fuzz_readers`."""


def guide(target: str, inputs: int, seconds: int, kept: Path) -> None:
    """Read inputs until one fails, so many were read or the time is over; ends the process."""
    import atheris

    with atheris.instrument_imports(include=["index", "api"]):
        # Once more, for those that were imported before are not watched.
        for name in [name for name in sys.modules if name.split(".")[0] in ("index", "api") or name.endswith("fuzz_readers")]:
            del sys.modules[name]
        watched = importlib.import_module("tests.bench.fuzz_readers").TARGETS[target]

    def broken(data: bytes, most: int, seed: int) -> bytes:
        lot = random.Random(seed)
        made: bytes = atheris.Mutate(data, most) if lot.random() < _OWN else watched.make(lot)[:most]
        return made

    corpus, failed = kept / "corpus" / target, kept / "failed"
    for folder in (corpus, failed):
        folder.mkdir(parents=True, exist_ok=True)
    limits = [f"-runs={inputs}", f"-max_total_time={seconds}", f"-timeout={BOUND}", f"-rss_limit_mb={_MEGABYTES}"]
    options = [f"-max_len={LONGEST}", f"-artifact_prefix={failed}/{target}-", "-print_final_stats=1", str(corpus)]
    atheris.Setup([sys.argv[0], *limits, *options], watched.read, custom_mutator=broken)
    atheris.Fuzz()


def run(target: str, inputs: int, seconds: int, kept: Path) -> tuple[int, str]:
    """`guide` in a process of its own: its status, and what it said at its end."""
    code = "import sys; from pathlib import Path; from tests.bench.fuzz_guided import guide; "
    code += "guide(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), Path(sys.argv[4]))"
    command = [sys.executable, "-c", code, target, str(inputs), str(seconds), str(kept)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, errors="replace", check=False)
    return done.returncode, (done.stdout + done.stderr)[-6000:]


def told(said: str, name: str) -> str:
    """A number of libFuzzer's statistics.

    >>> told("stat::number_of_executed_units: 3000\\nstat::average_exec_per_sec: 200", "number_of_executed_units")
    '3000'
    """
    return next((line.rpartition(": ")[2].strip() for line in said.splitlines() if f"stat::{name}:" in line), "?")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=-1, help="of each target; as many as there is time for")
    parser.add_argument("--seconds", type=int, default=3600, help="of all targets together")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--kept", type=Path, default=Path(".fuzz"))
    given = parser.parse_args(arguments)
    failed = False
    for target in given.targets:
        status, said = run(target, given.inputs, max(1, given.seconds // len(given.targets)), given.kept.resolve())
        units, rate, memory = (told(said, name) for name in ("number_of_executed_units", "average_exec_per_sec", "peak_rss_mb"))
        print(f"{target:10} {units:>8} inputs, {rate:>7}/s, {memory:>5} MB at most", flush=True)
        if status:
            failed = True
            print(said)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
