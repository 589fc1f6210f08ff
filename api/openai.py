"""Which addresses of OpenAI's are there? Vector stores, models and embeddings, below `/v1`, for clients that know those.

`api.access` looks at the bearer key that clients send, where the server has keys; nobody at `OpenAI-Beta`.
"""

from typing import Annotated

from fastapi import APIRouter, Path, Query

from api import embeddings, vector_stores
from api.dialects import OpenAIError, responses
from api.embeddings import EmbeddingsBody, EmbeddingsOut, ModelOut, ModelsOut
from api.opened import Open
from api.vector_stores import StoreHitsOut, StoreList, StoreSearchBody, VectorStoreOut, VectorStoresOut

router = APIRouter(prefix="/v1", tags=["openai"], responses=responses(OpenAIError))

StoreId = Annotated[str, Path(description="`vs_filrouge` is the whole index; each source has a store of its own.")]


@router.get("/vector_stores", summary="Vector stores")
def list_vector_stores(asked: Annotated[StoreList, Query()], searcher: Open) -> VectorStoresOut:
    """The whole index as one store, and each of its sources."""
    return vector_stores.all_stores(searcher, asked)


@router.get("/vector_stores/{vector_store_id}", summary="Vector store")
def get_vector_store(vector_store_id: StoreId, searcher: Open) -> VectorStoreOut:
    """One of them."""
    return vector_stores.one_store(searcher, vector_store_id)


@router.post("/vector_stores/{vector_store_id}/search", summary="Search a vector store")
def search_vector_store(vector_store_id: StoreId, asked: StoreSearchBody, searcher: Open) -> StoreHitsOut:
    """The passages of a store that answer a question best, and pass the filters."""
    return vector_stores.search(searcher, vector_store_id, asked)


@router.get("/models", summary="Models")
def list_models(searcher: Open) -> ModelsOut:
    """The model of the index, by the name under which it embeds passages, and by that for questions."""
    return embeddings.models(searcher)


# A model's name may hold a slash.
@router.get("/models/{model:path}", summary="Model")
def get_model(model: Annotated[str, Path(description="The id of a model.")], searcher: Open) -> ModelOut:
    """One of them."""
    return embeddings.model(searcher, model)


@router.post("/embeddings", summary="Embed texts")
def create_embeddings(asked: EmbeddingsBody, searcher: Open) -> EmbeddingsOut:
    """The vectors of texts."""
    return embeddings.embedded(searcher, asked)
