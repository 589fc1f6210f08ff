"""A write that fails, whichever it is, is told in a sentence, and leaves the last good generation.

`tests/faults/failing_writes.c` stands between a process and its disk (LD_PRELOAD) and fails a chosen call that changes
something below a folder. Every call of a run is failed once, in a fork of one process that has imported everything: by turns
with an error of the device, with a disk that is full from then on, and with a write that writes half. Afterwards the index must
be as it was or as it was to become, and the same run must succeed when it is repeated.
"""

import contextlib
import ctypes
import errno
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from api import cli
from index.store import Store
from tests.exact import forked, require_exact

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "tests" / "faults" / "failing_writes.c"
WAYS = {"device error": (errno.EIO, 0), "full disk": (errno.ENOSPC, 1), "short write": (0, 0)}
"""How a call fails: the error, and whether all after it fail as well."""


def page(folder: Path, count: int, note: str = "") -> Path:
    # One document for all copies of an index: one that has moved is another.
    path = folder.parent / "docs" / "a.jsonl"
    path.parent.mkdir(exist_ok=True, parents=True)
    lines = [{"_id": f"{n}", "lang": "fr", "text": f"Le Kremlin dément, drone abattu numéro {n}{note}."} for n in range(count)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def first(folder: Path) -> list[str]:
    return ["index", str(page(folder, 20)), "--index", str(folder / "index"), "--model", "hashing"]


def edit(folder: Path) -> list[str]:
    return ["index", str(page(folder, 25, " encore")), "--index", str(folder / "index"), "--model", "hashing"]


def repair(folder: Path) -> list[str]:
    return ["repair", "--index", str(folder / "index"), "--model", "hashing"]


def backup(folder: Path) -> list[str]:
    (folder / "index" / "backups").mkdir(exist_ok=True)
    return ["backup", str(folder / "index" / "backups" / "one"), "--index", str(folder / "index")]


def restore(folder: Path) -> list[str]:
    return ["restore", str(folder / "other.filrouge"), "--index", str(folder / "index"), "--replace"]


RUNS: dict[str, Callable[[Path], list[str]]] = {
    "first index": first,
    "edit": edit,
    "repair": repair,
    "backup": backup,
    "restore": restore,
}


def run(arguments: list[str]) -> tuple[int, str]:
    """A command in this process: its exit status and what it says of failures."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as told:
        status = cli.main(arguments)
    return status, told.getvalue()


def prepared(folder: Path) -> None:
    """An index of twenty entries, with a backup of another state beside it."""
    for arguments in (first(folder), edit(folder)):
        assert run(arguments)[0] == 0
    assert run(["backup", str(folder / "other.filrouge"), "--index", str(folder / "index")])[0] == 0
    shutil.rmtree(folder / "index")
    assert run(first(folder))[0] == 0


def fail_each(folder: Path, name: str, step: int = 1) -> Counter[str]:
    """Fail every `step`-th call of a run, one a time; how many runs failed in which way, and how many said so or succeeded."""
    layer = ctypes.CDLL(None)
    layer.writes_counted.restype = layer.writes_failed.restype = ctypes.c_long
    original, outcome = folder / "original", Counter[str]()
    original.mkdir(parents=True)
    forked(lambda: prepared(original))
    before = None if name == "first index" else forked(lambda: require_exact(original / "index")).said[-1]
    whole = folder / "whole"
    shutil.copytree(original, whole, ignore=shutil.ignore_patterns("index") if name == "first index" else None)
    assert forked(lambda: run(RUNS[name](whole))).said[-1][0] == 0
    after = forked(lambda: require_exact(whole / "index")).said[-1]
    for number in itertools.count(1, step):
        way = list(WAYS)[number // step % len(WAYS)]
        here = folder / f"{number}"
        shutil.copytree(original, here, ignore=shutil.ignore_patterns("index") if name == "first index" else None)
        arguments = RUNS[name](here)

        def failing(here: Path = here, arguments: list[str] = arguments, way: str = way, number: int = number) -> list[object]:
            layer.fail_writes(str(here / "index").encode(), ctypes.c_long(number), *WAYS[way])
            status, told = run(arguments)
            reached = layer.writes_failed()
            layer.fail_writes(b"", ctypes.c_long(0), 0, 0)
            return [status, told, reached]

        def left(here: Path = here, arguments: list[str] = arguments) -> object:
            found = require_exact(here / "index") if (here / "index" / "index.sqlite").exists() else None
            # Nothing is in the way of doing it again.
            if name == "backup" and (here / "index" / "backups" / "one").exists():
                arguments = [arguments[0], f"{arguments[1]}-again", *arguments[2:]]
            status, told = run(arguments)
            assert status == 0, told
            with Store.open(here / "index") as store:
                assert {entry.id: entry.content_hash.hex() for _, entry in store.all_current()} == after
            return found

        status, told, reached = forked(failing).said[-1]
        if not reached:
            break
        outcome.update([way, "told" if status else "made up for"])
        assert "Traceback" not in told, (number, told)
        assert bool(status) == bool(told), (number, status, told)
        assert forked(left).said[-1] in (before, after), (number, told)
        shutil.rmtree(here)
    return outcome


def main() -> None:
    """Run in a process with the layer before libc; the arguments are a folder, a run, and a step."""
    folder, name, step = sys.argv[1:]
    print(json.dumps(fail_each(Path(folder), name, int(step))))


@pytest.fixture(scope="session")
def layer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The layer, compiled."""
    compiler = shutil.which("cc")
    if compiler is None or sys.platform != "linux":
        pytest.skip("there is no C compiler (cc) to build tests/faults/failing_writes.c with")
    library = tmp_path_factory.mktemp("faults") / "failing_writes.so"
    subprocess.run([compiler, "-O2", "-shared", "-fPIC", "-o", library, SOURCE, "-ldl"], check=True)
    return library


def failed(layer: Path, folder: Path, name: str, step: int = 1) -> Counter[str]:
    """What `fail_each` counts, in a process with the layer."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.test_failing_writes", str(folder), name, str(step)],
        cwd=ROOT,
        env={**os.environ, "LD_PRELOAD": str(layer), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=1200,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(json.loads(done.stdout.splitlines()[-1]))


def test_writes_that_fail_in_an_edit_are_told_or_made_up_for(layer: Path, tmp_path: Path) -> None:
    outcome = failed(layer, tmp_path, "edit", step=31)
    assert outcome["told"] > 0
    assert outcome.keys() > set(WAYS)


@pytest.mark.crash
def test_every_write_that_fails_is_told_or_made_up_for(layer: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with ThreadPoolExecutor(2) as pool:
        outcomes = dict(zip(RUNS, pool.map(lambda name: failed(layer, tmp_path / name, name), RUNS), strict=True))
    with capsys.disabled():
        for name, outcome in outcomes.items():
            told = ", ".join(f"{outcome[what]} {what}" for what in (*WAYS, "told", "made up for"))
            print(f"\n{name}: {sum(outcome[way] for way in WAYS)} calls failed ({told})", end="")
    for name, outcome in outcomes.items():
        assert min(outcome[way] for way in WAYS) > 5, name


if __name__ == "__main__":
    main()
