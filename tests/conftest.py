"""What tests share. Nothing here needs a network, nor anything beside the checkout."""

import hashlib
import itertools
import json
import os
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import numpy as np
import pytest
import uvicorn
from starlette.testclient import TestClient

from api import server
from api.access import OPEN, Policy
from api.app import create_app
from embed import Encoder, bundled, load, models
from embed.export import exported
from embed.hashing import HashingEncoder
from embed.precision import best_precision
from index.documents import Facts
from index.ingest import ingest
from index.search import Searcher

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"


@pytest.fixture
def seeds() -> Path:
    """The folder of documents that come with the project."""
    return ROOT / "seeds"


@pytest.fixture
def encoder() -> HashingEncoder:
    """A deterministic encoder without weights, for tests that are about something else."""
    return HashingEncoder()


@pytest.fixture(scope="session")
def model() -> Encoder:
    """The default model; tests that take it are marked `model`."""
    return load()


@pytest.fixture(scope="session")
def exported_folder() -> Path:
    """The default model's export, as `load` makes and finds it."""
    source = models.find(models.DEFAULT_MODEL, bundled.default_cache())
    return exported(source, best_precision(), bundled.default_cache())


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a text file below a folder of the test's own, and return its path."""

    def write(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


@pytest.fixture
def evaluation_set() -> Callable[[str], Path]:
    """A folder of `../shared/eval/dev` by its name; the test is skipped where it is absent."""

    def find(name: str) -> Path:
        folder = SHARED / "eval" / "dev" / name
        if not folder.is_dir():
            pytest.skip(f"evaluation set {name} is not beside this checkout")
        return folder

    return find


@pytest.fixture(scope="session")
def seed_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of `seeds/` made with the `encoder`; tests only read it."""
    folder = tmp_path_factory.mktemp("seed") / "index"
    report = ingest([ROOT / "seeds"], folder, HashingEncoder(), Facts(tz="Europe/Paris"))
    assert (report.added, report.failures) == (6, [])
    return folder


@pytest.fixture(scope="module")
def client(seed_index: Path) -> Iterator[TestClient]:
    """HTTP over `seed_index`; a failure of the server comes as its response."""
    app = create_app(lambda: Searcher(seed_index, HashingEncoder()))
    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


AWKWARD = [
    {"_id": "a", "title": "=HYPERLINK(1)", "text": "=1+1 « guillemets\u00a0» 🙂, \"quoted\".\nER  - pas la fin.", "lang": "fr",
     "date": "2024-01-11T09:30:00+01:00", "url": "https://www.example.org/direct?x=1&y=2#a"},
    {"_id": "b", "title": "50% of {braces} \\ & ~tilde^ #1 $5 under_score", "text": "-5 °C outside -- 'tis cold.\tVery @cold.",
     "lang": "en", "date": "2024-01-10T12:00:00+01:00", "url": "https://example.org/{b}?q=a b"},
    {"_id": "c", "text": "'Déjà' un mot sans titre, assez long pour qu’un titre en soit fait, et coupé avant sa fin.",
     "lang": "fr", "date": "2024-01-10"},
    {"_id": "d", "text": "Nobody knows when the coffee came.", "lang": "en"},
]  # fmt: skip
"""Entries that are hard to write in any format; `c` is known to the day, and `d` not dated."""


@pytest.fixture(scope="session")
def awkward_index(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An index of `AWKWARD`, and of one article beside it, made with the `encoder`; tests only read it."""
    folder = tmp_path_factory.mktemp("awkward") / "presse"
    folder.mkdir()
    lines = "\n".join(json.dumps(line) for line in AWKWARD)
    (folder / "fil.jsonl").write_text(lines, encoding="utf-8")
    (folder / "article.txt").write_text("Le thé est froid.\n\nLe café aussi.\n", encoding="utf-8")
    ingest([folder / "fil.jsonl", folder / "article.txt"], folder / "index", HashingEncoder(), Facts(tz="Europe/Paris"))
    return folder / "index"


@pytest.fixture
def awkward(awkward_index: Path) -> Iterator[Searcher]:
    """`awkward_index`, open."""
    with Searcher(awkward_index, HashingEncoder()) as searcher:
        yield searcher


@pytest.fixture(scope="session")
def serving() -> Callable[[Path, Encoder], AbstractContextManager[str]]:
    """Answer over HTTP from the index in a folder while a block lasts, on a free port of the loopback; gives the address."""

    @contextmanager
    def serving(folder: Path, encoder: Encoder, policy: Policy = OPEN) -> Iterator[str]:
        with server.listen("127.0.0.1", 0) as listener:
            app = create_app(lambda: Searcher(folder, encoder), policy=policy)
            running = uvicorn.Server(uvicorn.Config(app, log_level="warning", timeout_graceful_shutdown=5))
            thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
            thread.start()
            try:
                while not running.started:
                    assert thread.is_alive()
                    time.sleep(0.01)
                yield f"http://127.0.0.1:{listener.getsockname()[1]}"
            finally:
                running.should_exit = True
                thread.join(30)
                assert not thread.is_alive()

    return serving


@pytest.fixture(scope="module")
def address(seed_index: Path, serving: Callable[[Path, Encoder], AbstractContextManager[str]]) -> Iterator[str]:
    """Where `seed_index` is served, to clients that open connections of their own."""
    with serving(seed_index, HashingEncoder()) as address:
        yield address


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """What a process of ours is started with: nothing of the developer's own settings, and the `encoder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("FILROUGE_", "PYTHONUNBUFFERED"))}
    return {**kept, "FILROUGE_MODEL": "hashing", "FILROUGE_CACHE": str(tmp_path / "cache"), "COLUMNS": "100"}


@pytest.fixture
def filrouge(tmp_path: Path, environment: dict[str, str]) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a command in a process of its own, in the test's folder."""

    def run(*arguments: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "api.cli", *map(str, arguments)],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=120,
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def small_weights() -> bytes:
    """A weights file in the layout that `embed.bundled` documents: one layer, 64 pieces, numbers of no meaning."""
    hidden, feed_forward, positions, types, random = 32, 64, 64, 2, np.random.default_rng(1)
    words = "le la de Kremlin drone drones query passage mot the Oui".split()
    pieces = ["<s>", "<pad>", "</s>", "<unk>", "▁", *("▁" + word for word in words)]
    pieces += [letter for letter in "abcdefghijklmnopqrstuvwxyzéèàç:.,!?«»'’0123456789" if letter not in pieces]
    scores = [0.0] * 4 + [-2.0] + [-3.0 if len(piece) > 1 else -6.0 for piece in pieces[5:]]

    def quantised(elements: int) -> tuple[int, int, bytes]:
        blocks = (np.float16(0.05).tobytes() + random.bytes(16) for _ in range(elements // 32))
        return 1, elements, b"".join(blocks)

    def plain(value: float, elements: int) -> tuple[int, int, bytes]:
        return 0, elements, np.full(elements, value, dtype="<f4").tobytes()

    tensors = {
        "emb.word": quantised(len(pieces) * hidden),
        "emb.pos": quantised(positions * hidden),
        "emb.type": quantised(types * hidden),
    }
    shapes = {"q": (hidden, hidden), "k": (hidden, hidden), "v": (hidden, hidden), "ao": (hidden, hidden)}
    shapes |= {"fi": (feed_forward, hidden), "fo": (hidden, feed_forward)}
    for name, (rows, columns) in shapes.items():
        tensors |= {f"l0.{name}.w": quantised(rows * columns), f"l0.{name}.b": plain(0.0, rows)}
    for name in ("emb.ln", "l0.aln", "l0.oln"):
        tensors |= {f"{name}.w": plain(1.0, hidden), f"{name}.b": plain(0.0, hidden)}

    blobs = [piece.encode() for piece in pieces]
    data = b"E5S1" + struct.pack("<I", 1)
    data += struct.pack("<7i", hidden, 1, 4, feed_forward, len(pieces), positions, types)
    data += struct.pack("<fi", 1e-12, 32) + struct.pack("<5i", len(pieces), 0, 2, 1, 3)
    data += struct.pack("<Q", sum(map(len, blobs)))
    data += struct.pack(f"<{len(pieces) + 1}I", *itertools.accumulate(map(len, blobs), initial=0))
    data += struct.pack(f"<{len(pieces)}f", *scores) + b"".join(blobs)
    data += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    data += struct.pack("<i", len(tensors))
    at = len(data) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name in tensors)
    for name, (dtype, elements, raw) in tensors.items():
        data += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BIQQ", dtype, elements, at, len(raw))
        at += len(raw)
    return data + b"".join(raw for _, _, raw in tensors.values())


@pytest.fixture(scope="session")
def small_model(small_weights: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sentence-transformers folder made from `small_weights`; tests only read it."""
    folder = tmp_path_factory.mktemp("small")
    weights = folder / "small.bin"
    weights.write_bytes(small_weights)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundled, "SHA256", hashlib.sha256(small_weights).hexdigest())
        patch.setattr(bundled, "weights_file", lambda: weights)
        return bundled.materialize(folder).rename(folder / "small-model")


@pytest.fixture(scope="module")
def static_model(small_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bag of words: a model without transformer, limit or direction for an empty text."""
    import torch
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    from tokenizers import Tokenizer

    torch.manual_seed(1)
    bag = StaticEmbedding(Tokenizer.from_file(str(small_model / "tokenizer.json")), embedding_dim=16)
    folder = tmp_path_factory.mktemp("static") / "static-model"
    SentenceTransformer(modules=[bag], device="cpu").save(str(folder))
    return folder
