"""A server that is away, slow, old or someone else's: what is wrong is said, and what to do; the token is in none of it."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from api import cli
from api.settings import InvalidSettings, load_settings
from index import milvus
from index.cluster_reader import ClusterReader
from index.errors import StorageError
from index.milvus import Milvus, Server
from index.place import Opened, store_of
from tests.milvus_engines import AT

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture
def silent() -> Iterator[str]:
    """The address of a server that takes every connection and says nothing."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(8)
        held: list[socket.socket] = []
        stopped = threading.Event()

        def accept() -> None:
            listener.settimeout(0.1)
            while not stopped.is_set():
                try:
                    held.append(listener.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        stopped.set()
        thread.join()
        for connection in held:
            connection.close()


@pytest.fixture
def closed() -> str:
    """An address where nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{one.getsockname()[1]}"


def test_a_server_that_is_away_is_named_with_what_to_check(closed: str) -> None:
    for opening in (lambda at: Milvus(at), lambda at: Opened.at(at, None), store_of):
        with pytest.raises(StorageError, match=f"Milvus at {closed} cannot be reached: check that the server runs"):
            opening(Server(closed, timeout=1))


def test_a_server_that_says_nothing_is_given_up_in_time(silent: str) -> None:
    with pytest.raises(StorageError, match=f"Milvus at {silent} (cannot be reached|did not answer within 1 s)"):
        Milvus(Server(silent, timeout=1))


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("", "no Milvus server is named: give its address with --uri"),
        ("nonsense", "is illegal"),
        ("ftp://127.0.0.1:19530", "is illegal"),
    ],
)
def test_what_is_no_address_is_refused(uri: str, why: str) -> None:
    with pytest.raises(StorageError, match=why):
        Milvus(Server(uri, timeout=1))


def test_a_token_is_never_shown(closed: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILROUGE_MILVUS_TOKEN", "root:hush-hush")
    monkeypatch.setenv("FILROUGE_ENGINE_TIMEOUT", "1")
    settings = load_settings(engine="milvus", uri=closed)
    assert settings.secret == "root:hush-hush"
    assert isinstance(settings.place, Server)
    assert settings.place == Server(closed, "root:hush-hush", 1.0)
    assert "hush-hush" not in f"{settings} {settings!r} {settings.place} {settings.place!r} {settings.model_dump_json()}"
    with pytest.raises(StorageError) as refused:
        Milvus(settings.place)
    assert "hush-hush" not in str(refused.value)
    for arguments in (["search", "volcan", "--engine", "milvus", "--uri", closed], ["migrate", closed, "somewhere"]):
        assert cli.main([*arguments, "--json"]) == 1
        said = capsys.readouterr()
        assert "cannot be reached" in json.loads(said.out)["error"]
        assert "hush-hush" not in said.out + said.err


def test_the_engine_milvus_needs_an_address(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InvalidSettings, match="needs the address of a server: give it with --uri"):
        _ = load_settings(engine="milvus").place
    assert cli.main(["search", "volcan", "--uri", "http://127.0.0.1:1"]) == 1
    assert "add --engine milvus" in capsys.readouterr().err
    with pytest.raises(InvalidSettings, match=r"engine.*embedded.*milvus"):
        load_settings(engine="lucene")
    with pytest.raises(InvalidSettings, match="engine_timeout"):
        load_settings(engine_timeout=0)


def test_without_the_client_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pymilvus", None)
    with pytest.raises(StorageError, match=r"pip install 'filrouge\[milvus\]'"):
        Milvus(Server("http://127.0.0.1:1", timeout=1))


@pytest.mark.parametrize(
    ("uri", "why", "tries"),
    [
        ("index.db", "UNAVAILABLE: too_many_pings", 2),
        ("index.db", "Open local milvus failed", 1),
        ("http://127.0.0.1:9", "UNAVAILABLE: too_many_pings", 1),
    ],
)
def test_a_file_that_sends_its_client_away_is_asked_once_more(
    uri: str, why: str, tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(milvus, "_AGAIN", 0.0)
    asked: list[str] = []

    def away(uri: str, token: str, timeout: float) -> object:
        asked.append(uri)
        raise ConnectionError(why)

    with pytest.raises(ConnectionError):
        milvus._opened(away, Server(uri))
    assert asked == [uri] * tries
    once = iter([ConnectionError("UNAVAILABLE: too_many_pings")])

    def welcome(uri: str, token: str, timeout: float) -> str:
        if (error := next(once, None)) is not None:
            raise error
        return "open"

    assert milvus._opened(welcome, Server("index.db")) == "open"


def test_without_milvus_lite_its_files_are_no_servers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "milvus_lite", None)
    with pytest.raises(StorageError, match="a file of Milvus Lite, which is not installed: pip install milvus-lite"):
        Milvus(Server(str(tmp_path / "index.db"), timeout=1))


@pytest.mark.milvus
def test_a_whole_server_finds_vectors_as_brute_force_does_while_it_is_written_to() -> None:
    """An older release, which has vectors and filters and no sparse vectors. What only a cluster shows is not here: several
    shards and replicas, the loss of a node, and reads that are some seconds old.
    """
    alone = ["unshare", "--net", "--fork", "--pid", "--kill-child"]
    if subprocess.run([*alone, "true"], capture_output=True, check=False).returncode:
        pytest.skip("no network of its own can be had here for a server that listens on every address")
    pytest.importorskip("milvus", reason="no Milvus server: make milvus installs it")
    suite = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    chosen = [
        "tests/test_vector_engines.py",
        "tests/test_milvus.py",
        "-k",
        "(vector and milvus and not whole) or an_older_server",
    ]
    done = subprocess.run(
        [*alone, sys.executable, "-m", "tests.milvus_server", *suite, *chosen],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_an_older_server_is_refused_with_its_version() -> None:
    if AT not in os.environ:
        pytest.skip("asked of the whole server that another test starts")
    with pytest.raises(StorageError, match=r"is version v2\.3\.\S+, which has no sparse vectors: .* upgrade it to 2\.4"):
        ClusterReader(Server(os.environ[AT], timeout=30), None)
