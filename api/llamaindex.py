"""A retriever for LlamaIndex, over an index in this process or a server."""

import asyncio
from typing import Any

from api.asked import check, found, metadata
from api.schemas import Narrowing, SearchOut
from index.corpus import Corpus
from index.records import passage_name

try:
    from llama_index.core.retrievers import BaseRetriever
    from llama_index.core.schema import NodeRelationship, NodeWithScore, QueryBundle, RelatedNodeInfo, TextNode
except ImportError as error:
    raise ImportError("the retriever for LlamaIndex needs llama-index-core: pip install 'filrouge[llamaindex]'") from error

READ = ("title", "published", "lang", "source", "url")
"""The metadata that a model reads beside a passage; the rest is for programs."""


class FilrougeRetriever(BaseRetriever):
    """Finds the passages that answer a question, in French or English, as nodes with their scores.

    >>> retriever = FilrougeRetriever(url="http://127.0.0.1:8000", k=5)  # or index=open_index(".filrouge")
    >>> retriever.retrieve("Who claimed the Belgorod attack?")[0].text  # doctest: +SKIP

    A node's text is exactly the entry's from `start_char_idx` to `end_char_idx`, in code points, and `ref_doc_id` the entry's
    id. `key` is for a server that asks for one. `narrowing` are `k`, `lang`, `since`, `until`, `source`, `as_of` and `literal`,
    as `/search` takes them.

    Raises `InvalidRequest` for what cannot be searched for, and `FilrougeError` where the index or the server fails.
    """

    def __init__(self, index: Corpus | None = None, url: str | None = None, key: str | None = None, **narrowing: Any) -> None:
        super().__init__()
        check(index, url)
        self._index, self._url, self._key, self._narrowing = index, url, key, Narrowing.model_validate(narrowing)

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        return nodes(found(self._index, self._url, query_bundle.query_str, self._narrowing, self._key))

    async def _aretrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        # A search computes, or waits for a server: neither may hold the event loop.
        return await asyncio.to_thread(self._retrieve, query_bundle)


def nodes(results: SearchOut) -> list[NodeWithScore]:
    """The passages of a search as nodes, best first."""
    scored = []
    for hit in results.hits:
        known = metadata(hit, results)
        unread = [name for name, value in known.items() if name not in READ or value is None]
        node = TextNode(
            id_=passage_name(hit.entry_id, hit.start, hit.end),
            text=hit.text,
            start_char_idx=hit.start,
            end_char_idx=hit.end,
            metadata=known,
            excluded_llm_metadata_keys=unread,
            excluded_embed_metadata_keys=unread,
            relationships={NodeRelationship.SOURCE: RelatedNodeInfo(node_id=hit.entry_id)},
        )
        scored.append(NodeWithScore(node=node, score=hit.score))
    return scored
