"""One writer at a time, and a lock that outlives nobody."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from index import lock
from index.errors import IndexBusy, StorageError

HOLDER = """
import sys
from pathlib import Path
from index import lock
with lock.writing(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds the lock of `tmp_path / "index"` until its input ends."""
    command = [sys.executable, "-c", HOLDER, str(tmp_path / "index")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.parametrize("wait", [False, True])
def test_a_second_process_is_refused_and_told_why(
    tmp_path: Path, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch, wait: bool
) -> None:
    folder = tmp_path / "index"
    monkeypatch.setattr(lock, "PATIENCE", 0.2 if wait else 600)
    with pytest.raises(IndexBusy) as caught, lock.writing(folder, wait):
        pass
    assert str(caught.value) == f"another process is writing to the index {folder}; try again when it has ended"
    holder.communicate()
    with lock.writing(folder):
        assert folder.is_dir()


def test_a_writer_waits_for_another_that_ends_soon(
    tmp_path: Path, holder: "subprocess.Popen[str]", monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 60)
    timer = threading.Timer(0.2, holder.kill)
    timer.start()
    with lock.writing(tmp_path / "index"):
        assert not timer.is_alive()
    timer.join()


def test_a_killed_process_holds_nothing(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    with lock.writing(tmp_path / "index"):
        assert [path.name for path in (tmp_path / "index").iterdir()] == [lock.FILE]


def test_a_second_thread_is_refused_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "PATIENCE", 0)
    refused = []

    def ask() -> None:
        try:
            with lock.writing(tmp_path):
                refused.append(False)
        except IndexBusy:
            refused.append(True)

    with lock.writing(tmp_path):
        thread = threading.Thread(target=ask)
        thread.start()
        thread.join()
    assert refused == [True]


def test_a_failure_within_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), lock.writing(tmp_path):
        raise ZeroDivisionError
    with lock.writing(tmp_path):
        pass


def test_a_folder_made_for_nothing_goes_again(tmp_path: Path) -> None:
    folder = tmp_path / "new"
    with lock.writing(folder):
        assert [path.name for path in folder.iterdir()] == [lock.FILE]
    assert not folder.exists()


def test_a_folder_that_was_used_stays(tmp_path: Path) -> None:
    with lock.writing(tmp_path / "new"):
        (tmp_path / "new" / "kept").touch()
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == ["kept", lock.FILE]


def test_an_empty_folder_that_was_there_stays(tmp_path: Path) -> None:
    with lock.writing(tmp_path):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [lock.FILE]


def test_a_place_that_cannot_be_a_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StorageError, match=f"cannot write to the index {folder}: (File exists|Not a directory)"):
            lock.writing(folder).__enter__()


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o555)
    try:
        if os.access(tmp_path, os.W_OK):
            pytest.skip("this user may write anywhere")
        with pytest.raises(StorageError, match=f"cannot write to the index {tmp_path}: Permission denied"):
            lock.writing(tmp_path).__enter__()
    finally:
        tmp_path.chmod(0o755)
