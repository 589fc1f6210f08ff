"""Which models are there for OpenAI's clients, and what do they make of texts?

There is one model, the one that the index was built with, under two names: its own embeds passages, and with `:query` behind it
questions. Many models are told the two apart by a prefix (`ModelCard`), and OpenAI's contract has no other word for it.
"""

import base64
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from embed import ModelCard
from embed.encoder import Vectors
from index.errors import InvalidRequest, NotFound
from index.search import Searcher

QUERY = ":query"
MAX_INPUTS = 2048
_SPECIAL = 2
"""Tokens that a model adds to a text, beside its prefix."""


class ModelOut(BaseModel):
    """A model that texts can be embedded with."""

    id: str
    object: Literal["model"] = "model"
    created: Annotated[int, Field(description="When the index was made, in seconds since 1970.")]
    owned_by: Literal["filrouge"] = "filrouge"
    dimensions: Annotated[int, Field(description="Of its vectors; not part of OpenAI's contract.")]


class ModelsOut(BaseModel):
    """All of them."""

    object: Literal["list"] = "list"
    data: list[ModelOut]


def _inputs(value: Any) -> Any:
    """Texts that can be embedded, before the types are looked at: one message, where a union would have four."""
    texts = value if isinstance(value, list) else [value]
    if not texts:
        raise PydanticCustomError("too_short", "is an empty list: give one text at least")
    if any(isinstance(text, int | list) for text in texts):
        raise PydanticCustomError(
            "input_type",
            "has tokens, which are numbers of another model's pieces: give texts (LangChain: check_embedding_ctx_length=False)",
        )
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise PydanticCustomError("input_type", f"is neither a text nor a list of texts: look at number {place}")
        if not text:
            raise PydanticCustomError("input_value", f"has an empty text, number {place}: it has no meaning to embed")
    if len(texts) > MAX_INPUTS:
        raise PydanticCustomError("too_long", f"has {len(texts)} texts; at most {MAX_INPUTS} are embedded at once")
    return value


class EmbeddingsBody(BaseModel):
    """Texts to embed."""

    model_config = ConfigDict(extra="forbid")

    input: Annotated[
        str | list[str],
        BeforeValidator(_inputs),
        Field(description="A text, or several.", examples=["Le Kremlin a exprimé sa profonde préoccupation."]),
    ]
    model: Annotated[str, Field(description="The id of a model of `/v1/models`.", examples=["multilingual-e5-small"])]
    encoding_format: Annotated[
        Literal["float", "base64"], Field(description="`base64` is that of the vector's numbers as float32, little endian.")
    ] = "float"
    dimensions: Annotated[int | None, Field(description="Those of the model, or nothing: its vectors cannot be cut.")] = None
    user: Annotated[str | None, Field(description="Not looked at.")] = None


class EmbeddingOut(BaseModel):
    """The vector of a text, of length 1."""

    object: Literal["embedding"] = "embedding"
    index: Annotated[int, Field(description="Of the text in `input`, from 0.")]
    embedding: list[float] | str


class UsageOut(BaseModel):
    """Tokens, by the model's own count."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsOut(BaseModel):
    """The vectors of texts, in their order."""

    object: Literal["list"] = "list"
    data: list[EmbeddingOut]
    model: str
    usage: UsageOut


def models(searcher: Searcher) -> ModelsOut:
    """The model of the index, for passages and for questions."""
    card, store = searcher.encoder.card, searcher.reader.store
    created = int(store.committed(min(store.generation(), 1)).timestamp())
    return ModelsOut(data=[ModelOut(id=one, created=created, dimensions=card.dimension) for one in _names(card)])


def model(searcher: Searcher, name: str) -> ModelOut:
    """The model of this id. Raises `NotFound`."""
    for one in models(searcher).data:
        if one.id == name:
            return one
    raise unknown_model(name, _names(searcher.encoder.card))


def _names(card: ModelCard) -> tuple[str, str]:
    """What the model is called where it embeds passages, and where it embeds questions."""
    return card.name, card.name + QUERY


def unknown_model(name: str, names: Sequence[str]) -> NotFound:
    """What to raise for a model that there is not, where there are these."""
    return NotFound(f"there is no model '{name[:80]}' here: give {' or '.join(names)}", "model")


def embedded(searcher: Searcher, asked: EmbeddingsBody) -> EmbeddingsOut:
    """The vectors of the texts, as the model gives them: not those of `index.space`, which are compared in a search.

    Raises `NotFound` for the model, and `InvalidRequest` for dimensions that it has not or a text that it cannot read whole.
    """
    card = searcher.encoder.card
    passages, questions = _names(card)
    if asked.model not in (passages, questions):
        raise unknown_model(asked.model, (passages, questions))
    if asked.dimensions not in (None, card.dimension):
        raise InvalidRequest(
            f"vectors of {card.name} have {card.dimension} dimensions and cannot be cut to {asked.dimensions}: leave it out",
            "dimensions",
        )
    texts = asked.input if isinstance(asked.input, list) else [asked.input]
    if asked.model == questions:
        tokens, vectors = _counted(searcher, texts, card.query_prefix), searcher.encoder.encode_queries(texts)
    else:
        tokens, vectors = _counted(searcher, texts, card.passage_prefix), searcher.encoder.encode_passages(texts)
    return EmbeddingsOut(
        data=[
            EmbeddingOut(index=place, embedding=_written(vector, asked.encoding_format)) for place, vector in enumerate(vectors)
        ],
        model=asked.model,
        usage=UsageOut(prompt_tokens=tokens, total_tokens=tokens),
    )


def _counted(searcher: Searcher, texts: Sequence[str], prefix: str) -> int:
    """How many tokens the texts take. Raises `InvalidRequest` for one that the model would see a part of only."""
    card = searcher.encoder.card
    counts = searcher.encoder.count_tokens([prefix + text for text in texts])
    for place, count in enumerate(counts):
        if count + _SPECIAL > card.token_limit:
            raise InvalidRequest(
                f"the text number {place} has {count} tokens, and {card.name} reads {card.token_limit - _SPECIAL}: cut it",
                f"input[{place}]" if len(texts) > 1 else "input",
            )
    return sum(counts)


def _written(vector: Vectors, encoding: str) -> list[float] | str:
    if encoding == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    numbers: list[float] = vector.astype(float).tolist()
    return numbers
