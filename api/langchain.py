"""A retriever for LangChain, over an index in this process or a server."""

from typing import Self

from pydantic import SecretStr, model_validator

from api.asked import check, found, metadata
from api.schemas import Narrowing, SearchOut
from index.corpus import Corpus
from index.records import passage_name

try:
    from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
    from langchain_core.documents import Document
    from langchain_core.retrievers import BaseRetriever
    from langchain_core.runnables import run_in_executor
except ImportError as error:
    raise ImportError("the retriever for LangChain needs langchain-core: pip install 'filrouge[langchain]'") from error


class FilrougeRetriever(BaseRetriever, Narrowing):
    """Finds the passages that answer a question, in French or English, as documents.

    >>> retriever = FilrougeRetriever(url="http://127.0.0.1:8000", k=5)  # or index=open_index(".filrouge")
    >>> retriever.invoke("Who claimed the Belgorod attack?")[0].page_content  # doctest: +SKIP

    `page_content` is exactly the entry's text from `metadata["start"]` to `metadata["end"]`, in code points. What narrows a
    search is given as to `/search`: `k`, `lang`, `since`, `until`, `source`, `as_of`, `literal`.

    Raises `InvalidRequest` for what cannot be searched for, and `FilrougeError` where the index or the server fails.
    """

    index: Corpus | None = None
    url: str | None = None
    key: SecretStr | None = None
    """For a server that asks for one."""

    @model_validator(mode="after")
    def _asks_somewhere(self) -> Self:
        check(self.index, self.url)
        return self

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return self._documents(query)

    async def _aget_relevant_documents(self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun) -> list[Document]:
        # A search computes, or waits for a server: neither may hold the event loop.
        return await run_in_executor(None, self._documents, query)

    def _documents(self, query: str) -> list[Document]:
        return documents(found(self.index, self.url, query, self, self.key.get_secret_value() if self.key else None))


def documents(results: SearchOut) -> list[Document]:
    """The passages of a search as documents, best first."""
    return [
        Document(id=passage_name(hit.entry_id, hit.start, hit.end), page_content=hit.text, metadata=metadata(hit, results))
        for hit in results.hits
    ]
