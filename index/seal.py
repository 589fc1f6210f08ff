"""Is the database as it was left?

Checking every row of it takes as long as reading it, so that it is done when something else than filrouge has touched the file:
whoever writes to it leaves beside it how large it is and when it was last changed. A file that was overwritten, cut, copied or
put in the place of another is told by that, and one whose bytes changed by themselves is not: rows that are shown are checked
by their own hashes, and everything by `filrouge verify`.
"""

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

FILE = "index.seal"
_checked: set[tuple[Path, "Seal"]] = set()
"""What this process has found whole where no seal can be kept."""


@dataclass(frozen=True)
class Seal:
    """The size in bytes of a database, its time of change in nanoseconds, and the newest generation in it."""

    size: int
    changed: int
    generation: int


def sealed(database: Path) -> Seal | None:
    """The seal that was left beside a database; None where there is none that can be read."""
    try:
        told = json.loads((database.parent / FILE).read_text(encoding="utf-8"))
        return Seal(int(told["size"]), int(told["changed"]), int(told["generation"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def of(database: Path, generation: int) -> Seal:
    """The seal of a database as it is now."""
    about = database.stat()
    return Seal(about.st_size, about.st_mtime_ns, generation)


def is_known(database: Path, seal: Seal) -> bool:
    """Whether this process has found the database whole as it is."""
    return (database, seal) in _checked


def leave(database: Path, generation: int) -> None:
    """Say that the database is as it should be. Where that cannot be kept, it is checked again by the next process."""
    with contextlib.suppress(OSError):
        seal = of(database, generation)
        if sealed(database) != seal:
            try:
                (database.parent / FILE).write_text(json.dumps(asdict(seal)), encoding="utf-8")
            except OSError:
                _checked.add((database, seal))
