"""Pages to entries, passages, and ranked hits: everything between a document and an answer.

The two walks are `index.ingest` (writing) and `index.search` (reading); `index.records` has the nouns and `index.errors` the
failures. ARCHITECTURE.md is the map. From Python, `open_index` is all that is needed to ask.
"""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from index.corpus import Corpus

__all__ = ["open_index"]


def open_index(
    folder: str | Path = ".filrouge",
    model: str | None = None,
    device: str | None = None,
    cache: str | Path | None = None,
    token: str = "",
) -> "Corpus":
    """Open the index in `folder` for questions, with the model that it was built with.

    >>> with open_index(".filrouge") as fil:  # doctest: +SKIP
    ...     print(fil.ask("Who claimed the Belgorod attack?"))

    In the place of a folder stands the address of a Milvus server that the index was published to, whose `token` it is.
    `model` says where that model is, for one of a folder of your own; `device` and `cache` are those of `embed.load`. Raises
    `NotAnIndex` where there is none, `ModelMismatch` for another model than its own, and what `embed.load` raises.
    """
    # Whoever imports the package for something else need not load what answers.
    from index.corpus import Corpus

    return Corpus.at(folder, model, device, cache, token)
