"""How does a command write its results to a file: whole, or not at all?"""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from index.errors import FilrougeError


@contextmanager
def written(path: Path | None, partial: Path | None = None) -> Iterator[TextIO | None]:
    """A file that is there whole when the block ends, or is left as it was; refused before the long work when it cannot be.
    What was written of it until the block failed is kept as `partial`, if that is given.
    """
    if path is None:
        yield None
        return
    # A pipe or a device has nothing to be left as it was.
    plain = path.is_file() or not path.exists()
    # Beside the file itself, where a link leads to one.
    real = path.resolve() if plain else path
    part = real.with_name(f".{real.name}.part") if plain else real
    try:
        # Lines end as they are written: CSV and RIS have ends of their own.
        with part.open("w", encoding="utf-8", newline="") as file:
            yield file
        if plain:
            part.replace(real)
    except OSError as error:
        raise FilrougeError(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if plain:
            # Once it is whole, there is no part.
            with suppress(OSError):
                if partial and part.stat().st_size:
                    part.replace(partial)
                else:
                    part.unlink()
