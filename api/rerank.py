"""How are documents ranked for clients of Cohere and Jina? By `POST /v1/rerank` and `/v2/rerank`."""

import json
import uuid
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from api.dialects import RERANK, CohereError, responses
from api.embeddings import unknown_model
from api.opened import Open
from index.errors import InvalidRequest
from index.rerank import MAX_DOCUMENTS, Part, Reranked, rerank
from index.search import MAX_QUESTION, Searcher

router = APIRouter(tags=["rerank"], responses=responses(CohereError))
Document = str | dict[str, Any]


def _documents(value: Any) -> Any:
    """Documents that can be ranked, before the types are looked at: one message, where a union would have two."""
    if not isinstance(value, list):
        raise PydanticCustomError("documents_type", "is not a list of documents")
    for place, one in enumerate(value):
        text = one.get("text") if isinstance(one, dict) else one
        if not isinstance(text, str):
            raise PydanticCustomError("documents_type", f"has no text at number {place}: give texts, or objects with a text")
        try:
            json.dumps(one, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            # It may have to be sent back.
            raise PydanticCustomError("documents_value", f"holds half a character at number {place}") from None
    return value


class SpansBody(BaseModel):
    """Which parts of documents are shown."""

    model_config = ConfigDict(extra="forbid")

    mode: Literal["enabled", "disabled"]
    threshold: Annotated[float, Field(ge=0.0, le=1.0, description="The score that a part must have at least.")] = 0.1
    max_spans: Annotated[int | None, Field(ge=1, description="How many parts of a document at most.")] = None


class RerankBody(BaseModel):
    """Documents to rank by how well they answer."""

    model_config = ConfigDict(extra="forbid")

    query: Annotated[str, Field(max_length=MAX_QUESTION, description="A question, in French or English.")]
    documents: Annotated[
        list[Document],
        BeforeValidator(_documents),
        Field(description=f"Texts, or objects with a `text`; at most {MAX_DOCUMENTS}."),
    ]
    model: Annotated[str | None, Field(max_length=200, description="That of the index, or nothing.")] = None
    top_n: Annotated[int | None, Field(ge=1, description="How many documents; all of them when it is not given.")] = None
    return_documents: Annotated[bool, Field(description="Whether the documents come back with their scores.")] = False
    relevant_spans: Annotated[SpansBody | None, Field(description="Whether parts of documents come with them.")] = None
    max_tokens_per_doc: Annotated[int | None, Field(ge=1, description="Tokens of a document that are read; else all.")] = None
    max_chunks_per_doc: Annotated[int | None, Field(ge=1, description="Passages of a document that are read; else all.")] = None
    rank_fields: Annotated[list[str] | None, Field(description="`text` alone is read.")] = None
    priority: Annotated[int | None, Field(description="Not looked at: requests are worked on as they come.")] = None


class PartOut(BaseModel):
    """A passage of a document: from `start`, up to and without `end`, in Unicode code points."""

    start: int
    end: int
    score: float


class RankedOut(BaseModel):
    """A document and how well it answers."""

    index: Annotated[int, Field(description="Its place in `documents`, from 0.")]
    relevance_score: Annotated[float, Field(description="The probability that its best passage answers, between 0 and 1.")]
    document: Annotated[dict[str, Any] | None, Field(description="As it was given; a text as an object with a `text`.")] = None
    relevant_spans: Annotated[list[PartOut] | None, Field(description="Its passages, best first.")] = None


class ContractOut(BaseModel):
    """Which contract is kept to."""

    version: Literal["1", "2"]


class TokensOut(BaseModel):
    """Tokens, by the model's own count."""

    input_tokens: int


class RerankMeta(BaseModel):
    """What Cohere's clients are told beside."""

    api_version: ContractOut
    tokens: TokensOut


class RerankUsage(BaseModel):
    """What Jina's clients are told beside."""

    total_tokens: int


class RerankOut(BaseModel):
    """Documents, those that answer best first."""

    id: Annotated[str, Field(description="Of this answer alone.")]
    results: list[RankedOut]
    meta: RerankMeta
    model: str
    usage: RerankUsage


@router.post(RERANK[0], summary="Rank documents", response_model_exclude_none=True)
def rerank_v1(asked: RerankBody, searcher: Open) -> RerankOut:
    """Documents of the caller's own, by how likely each is to answer."""
    return _reranked(searcher, asked, "1")


@router.post(RERANK[1], summary="Rank documents, by Cohere's second contract", response_model_exclude_none=True)
def rerank_v2(asked: RerankBody, searcher: Open) -> RerankOut:
    """The same."""
    return _reranked(searcher, asked, "2")


def _reranked(searcher: Searcher, asked: RerankBody, version: Literal["1", "2"]) -> RerankOut:
    encoder, snapshot = searcher.encoder, searcher.reader.snapshot()
    if asked.model not in (None, encoder.card.name):
        raise unknown_model(str(asked.model), [encoder.card.name])
    if asked.rank_fields not in (None, ["text"]):
        raise InvalidRequest("only `text` is read of a document; put what else should count into it", "rank_fields")
    texts = [one if isinstance(one, str) else one["text"] for one in asked.documents]
    ranked = rerank(asked.query, texts, encoder, snapshot, asked.max_tokens_per_doc, asked.max_chunks_per_doc)
    tokens = sum(encoder.count_tokens([asked.query, *texts]))
    return RerankOut(
        id=str(uuid.uuid4()),
        results=[_ranked(one, asked) for one in ranked[: asked.top_n]],
        meta=RerankMeta(api_version=ContractOut(version=version), tokens=TokensOut(input_tokens=tokens)),
        model=encoder.card.name,
        usage=RerankUsage(total_tokens=tokens),
    )


def _ranked(one: Reranked, asked: RerankBody) -> RankedOut:
    given = asked.documents[one.place]
    spans = asked.relevant_spans
    return RankedOut(
        index=one.place,
        relevance_score=round(one.score, 6),
        document=({"text": given} if isinstance(given, str) else given) if asked.return_documents else None,
        relevant_spans=_shown(one.parts, spans) if spans is not None and spans.mode == "enabled" else None,
    )


def _shown(parts: Sequence[Part], spans: SpansBody) -> list[PartOut] | None:
    """Parts that are good enough; None rather than an empty list, as Cohere has it."""
    good = [part for part in parts if part.score >= spans.threshold][: spans.max_spans]
    return [PartOut(start=part.start, end=part.end, score=round(part.score, 6)) for part in good] or None
