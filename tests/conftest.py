"""What tests share. Nothing here needs a network, nor anything beside the checkout."""

from collections.abc import Callable
from pathlib import Path

import pytest

from embed import Encoder, load
from embed.hashing import HashingEncoder

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
