"""Which models there are, and `load`, which opens one by name, folder or hub id."""

from dataclasses import dataclass
from pathlib import Path

from embed import bundled
from embed.encoder import Encoder
from embed.errors import ModelNotFound, WeightsDamaged

DEFAULT_MODEL = "multilingual-e5-small"


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


def load(model: str = DEFAULT_MODEL, device: str | None = None, cache: Path | None = None) -> Encoder:
    """Open `model`: the default's name, `hashing`, a sentence-transformers folder, or a hub id (`owner/name`).

    `device` is a torch device such as `cpu` or `cuda:0`; None takes a GPU when there is one. `cache` is the folder for what
    can be made again; None is the user's cache folder. Prompts named `query` and `passage` (or `document`) in a model's own
    configuration win over `KNOWN_MODELS`. Raises `ModelNotFound` when the name leads nowhere, `WeightsDamaged` when the
    bundled weights are not the released ones or the folder made from them has been altered, and `EmbedError` when there is
    no such device or the cache cannot be written.

    >>> load("hashing").card.name
    'hashing'
    >>> load("no such model")
    Traceback (most recent call last):
    embed.errors.ModelNotFound: no model 'no such model': give multilingual-e5-small, a folder, or a hub id like owner/name
    """
    if model == "hashing":
        from embed.hashing import HashingEncoder

        return HashingEncoder()
    from embed.sentence import SentenceEncoder

    if model == DEFAULT_MODEL:
        cache = cache or bundled.default_cache()
        if not bundled.available(cache):
            return SentenceEncoder(bundled.HUB_ID, name=DEFAULT_MODEL, known=_E5, device=device)
        folder = bundled.materialize(cache)
        try:
            return SentenceEncoder(folder, name=DEFAULT_MODEL, known=_E5, revision=bundled.REVISION, device=device)
        except ModelNotFound as error:
            raise WeightsDamaged(f"the model in {folder} is damaged: delete this folder, and it is made again") from error
    if _is_folder(model):
        return SentenceEncoder(Path(model), name=Path(model).resolve().name, known=KnownModel(), device=device)
    if model.count("/") == 1 and not model.startswith((".", "/", "~")):
        return SentenceEncoder(model, name=model, known=KNOWN_MODELS.get(model, KnownModel()), device=device)
    raise ModelNotFound(f"no model '{model}': give {DEFAULT_MODEL}, a folder, or a hub id like owner/name")


def _is_folder(model: str) -> bool:
    try:
        # An empty path would be the working folder.
        return bool(model) and Path(model).is_dir()
    except OSError:
        # A name too long for the file system.
        return False
