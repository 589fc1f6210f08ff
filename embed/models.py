"""Which models there are, and `load`, which opens one by name, folder or hub id."""

import contextlib
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from embed import bundled
from embed.encoder import Encoder
from embed.errors import CannotExport, ModelNotFound, WeightsDamaged
from embed.precision import best_precision, has_gpu
from embed.revisions import folder_checksum, hub_commit

log = logging.getLogger("filrouge.embed")

DEFAULT_MODEL = "multilingual-e5-small"
_PATIENCE = 5.0
"""Seconds that one waits for another process before it says so."""


@dataclass(frozen=True)
class KnownModel:
    """What a model's own page says and its files do not.

    >>> KNOWN_MODELS["intfloat/multilingual-e5-base"].query_prefix
    'query: '
    """

    query_prefix: str = ""
    passage_prefix: str = ""
    licence: str = ""


_E5 = KnownModel("query: ", "passage: ", "MIT")
KNOWN_MODELS = {
    bundled.HUB_ID: _E5,
    "intfloat/multilingual-e5-base": _E5,
    "intfloat/multilingual-e5-large": _E5,
    "BAAI/bge-m3": KnownModel(licence="MIT"),
    "Snowflake/snowflake-arctic-embed-m-v2.0": KnownModel("query: ", "", "Apache-2.0"),
    "ibm-granite/granite-embedding-107m-multilingual": KnownModel(licence="Apache-2.0"),
    "sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2": KnownModel(licence="Apache-2.0"),
    "sentence-transformers/LaBSE": KnownModel(licence="Apache-2.0"),
}


@dataclass(frozen=True)
class Source:
    """Where a model is, and what is known of it. `path` is a folder, or a hub id."""

    path: Path | str
    name: str
    known: KnownModel
    revision: str
    """Which weights: a checksum or a commit; empty for a hub model that was never downloaded."""


def load(
    model: str = DEFAULT_MODEL,
    device: str | None = None,
    cache: Path | None = None,
    precision: str | None = None,
    threads: int | None = None,
) -> Encoder:
    """Open `model`: the default's name, `hashing`, a sentence-transformers folder, or a hub id (`owner/name`).

    On a CPU the model is exported once (`embed.export`) and run without torch; one that cannot be exported is run by torch,
    and a warning says why. `device` is `cpu`, `torch` (the CPU, without an export) or a torch device such as `cuda:0`; None
    takes a GPU when there is one.
    `precision` is the one that an index was built with; None takes the fastest for this processor. `cache` is the folder
    for what can be made again; None is the user's cache folder. `threads` is how many cores an exported model uses; None is all
    of them. Prompts named `query` and `passage` (or `document`) in a
    model's own configuration win over `KNOWN_MODELS`.

    Raises `ModelNotFound` when the name leads nowhere, `WeightsDamaged` when the bundled weights are not the released ones
    or the folder made from them has been altered, and `EmbedError` when there is no such device or the cache cannot be
    written.

    >>> load("hashing").card.name
    'hashing'
    >>> load("no such model")
    Traceback (most recent call last):
    embed.errors.ModelNotFound: no model 'no such model': give multilingual-e5-small, a folder, or a hub id like owner/name
    """
    if model == "hashing":
        from embed.hashing import HashingEncoder

        return HashingEncoder()
    cache = cache or bundled.default_cache()
    if device is None:
        # An index of 8-bit vectors is asked in 8 bits, which only the CPU's export has.
        device = "cuda" if precision != "int8" and has_gpu() and _torch_has_gpu() else "cpu"
    source = find(model, cache)
    if device == "cpu":
        try:
            return _compiled(source, precision or best_precision(), cache, threads)
        except CannotExport as error:
            log.warning("running '%s' with torch, since it cannot be exported: %s", source.name, error)
    return _with_torch(source, "cpu" if device == "torch" else device)


def find(model: str, cache: Path) -> Source:
    """Where the model of that name is. Raises `ModelNotFound` when the name leads nowhere."""
    if model == DEFAULT_MODEL:
        if bundled.available(cache):
            return Source(bundled.materialize(cache), DEFAULT_MODEL, _E5, bundled.REVISION)
        return Source(bundled.HUB_ID, DEFAULT_MODEL, _E5, hub_commit(bundled.HUB_ID))
    if _is_folder(model):
        return Source(Path(model), Path(model).resolve().name, KnownModel(), folder_checksum(Path(model)))
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return Source(model, model, KNOWN_MODELS.get(model, KnownModel()), hub_commit(model))
    raise ModelNotFound(f"no model '{model}': give {DEFAULT_MODEL}, a folder, or a hub id like owner/name")


def _compiled(source: Source, precision: str, cache: Path, threads: int | None = None) -> Encoder:
    from embed.compiled import CompiledEncoder
    from embed.export import exported

    with _alone(cache):
        folder = exported(source, precision, cache)
        try:
            return CompiledEncoder(folder, threads)
        except WeightsDamaged as error:
            log.warning("%s; making it again", error)
            shutil.rmtree(folder, ignore_errors=True)
            return CompiledEncoder(exported(source, precision, cache), threads)


@contextlib.contextmanager
def _alone(cache: Path) -> Iterator[None]:
    """Wait until no other process makes or opens an export in this cache.

    What the runtime compiles while it opens a model, it writes over files that others map into memory: a process that reads
    them meanwhile ends with SIGBUS, or takes half of the weights for all of them.
    """
    import filelock

    lock = filelock.FileLock(cache / "compiled.lock")
    with contextlib.ExitStack() as held:
        # A cache that is only read needs no turns; one that is no folder is told of by who needs it.
        with contextlib.suppress(OSError, NotImplementedError):
            cache.mkdir(parents=True, exist_ok=True)
            try:
                held.enter_context(lock.acquire(timeout=_PATIENCE))
            except filelock.Timeout:
                log.warning("waiting for another process, which prepares a model for this processor")
                held.enter_context(lock.acquire())
        yield


def _with_torch(source: Source, device: str) -> Encoder:
    from embed.sentence import SentenceEncoder

    try:
        return SentenceEncoder(source.path, source.name, source.known, source.revision, device)
    except ModelNotFound as error:
        if source.name == DEFAULT_MODEL and isinstance(source.path, Path):
            raise WeightsDamaged(f"the model in {source.path} is damaged: delete this folder, and it is made again") from error
        raise


def _torch_has_gpu() -> bool:
    from embed.sentence import sees_gpu

    if sees_gpu():
        return True
    log.warning("running on the CPU: there is a GPU, but torch is a build without it")
    return False


def _is_folder(model: str) -> bool:
    try:
        # An empty path would be the working folder.
        return bool(model) and Path(model).is_dir()
    except OSError:
        # A name too long for the file system.
        return False
