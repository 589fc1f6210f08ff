"""The retriever for LangChain, with the real package."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.documents import Document
from langchain_core.runnables import ConfigurableField, RunnableLambda
from pydantic import ValidationError

from api.langchain import FilrougeRetriever
from api.schemas import hit_out
from embed import Encoder
from embed.hashing import HashingEncoder
from index.corpus import Corpus
from index.errors import FilrougeError, InvalidRequest

QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"


@pytest.fixture(scope="module")
def fil(seed_index: Path) -> Iterator[Corpus]:
    with Corpus(seed_index, HashingEncoder()) as fil:
        yield fil


@pytest.fixture(scope="module", params=["index", "url"])
def where(
    request: pytest.FixtureRequest,
    fil: Corpus,
    seed_index: Path,
    serving: Callable[[Path, Encoder], AbstractContextManager[str]],
) -> Iterator[dict[str, Any]]:
    """What a retriever is told to ask."""
    if request.param == "index":
        yield {"index": fil}
    else:
        with serving(seed_index, HashingEncoder()) as url:
            yield {"url": url}


def test_documents_are_the_hits_of_a_search_with_their_places(fil: Corpus, where: dict[str, Any]) -> None:
    documents = FilrougeRetriever(**where, k=3, lang="fr", since="2023-05-23T06:00").invoke(QUESTION)
    hits = [hit_out(hit) for hit in fil.search(QUESTION, 3, lang="fr", since="2023-05-23T06:00")]
    assert [document.page_content for document in documents] == [hit.text for hit in hits]
    for document, hit in zip(documents, hits, strict=True):
        assert isinstance(document, Document)
        known = document.metadata
        for name in ("rank", "score", "entry_id", "passage_id", "title", "start", "end", "published", "lang", "source", "url"):
            assert known[name] == getattr(hit, name), name
        assert fil.entry(known["entry_id"]).text[known["start"] : known["end"]] == document.page_content
        assert document.id == f"{hit.entry_id}:{hit.start}-{hit.end}"


def test_it_finds_the_same_when_it_is_awaited_in_batches_and_in_a_chain(where: dict[str, Any]) -> None:
    retriever = FilrougeRetriever(**where, k=2)
    alone = retriever.invoke(QUESTION)
    assert asyncio.run(retriever.ainvoke(QUESTION)) == alone
    assert retriever.batch([QUESTION, QUESTION]) == [alone, alone]
    assert asyncio.run(retriever.abatch([QUESTION] * 8)) == [alone] * 8
    chain = retriever | RunnableLambda(names)
    assert chain.invoke(QUESTION) == names(alone)


def names(documents: list[Document]) -> list[str | None]:
    return [document.id for document in documents]


def test_an_event_loop_is_not_held_while_it_searches(fil: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    retriever = FilrougeRetriever(index=fil)

    async def work() -> None:
        released = asyncio.Event()

        def search(self: object, query: str) -> list[Document]:
            # Waits for what only the loop can do.
            asyncio.run_coroutine_threadsafe(release(), loop).result(30)
            return []

        async def release() -> None:
            released.set()

        loop = asyncio.get_running_loop()
        monkeypatch.setattr(FilrougeRetriever, "_documents", search)
        assert await retriever.ainvoke(QUESTION) == []
        assert released.is_set()

    asyncio.run(work())


def test_a_copy_and_a_configured_one_narrow_as_they_are_told(fil: Corpus) -> None:
    retriever = FilrougeRetriever(index=fil, k=2)
    assert len(retriever.model_copy(update={"k": 1}).invoke(QUESTION)) == 1
    configurable = retriever.configurable_fields(k=ConfigurableField(id="k"))
    assert len(configurable.invoke(QUESTION, config={"configurable": {"k": 3}})) == 3


def test_what_is_wrong_is_named_when_it_is_made_or_asked(fil: Corpus, where: dict[str, Any]) -> None:
    for wrong in ({"k": 0}, {"kk": 1}, {"lang": "de"}, {"since": 3}):
        with pytest.raises(ValidationError) as raised:
            FilrougeRetriever(**where, **wrong)
        assert raised.value.errors()[0]["loc"] == tuple(wrong)
    with pytest.raises(ValidationError, match="give either an index"):
        FilrougeRetriever()
    with pytest.raises(InvalidRequest, match="no source 'nowhere'"):
        FilrougeRetriever(**where, source="nowhere").invoke(QUESTION)


def test_callbacks_are_told_of_documents_and_of_failures(fil: Corpus) -> None:
    told: list[object] = []

    class Listener(BaseCallbackHandler):
        def on_retriever_end(self, documents: Any, **more: Any) -> None:
            told.append(len(documents))

        def on_retriever_error(self, error: BaseException, **more: Any) -> None:
            told.append(type(error))

    retriever = FilrougeRetriever(index=fil, k=1)
    retriever.invoke(QUESTION, config={"callbacks": [Listener()]})
    with pytest.raises(FilrougeError):
        retriever.invoke("", config={"callbacks": [Listener()]})
    assert told == [1, InvalidRequest]


def test_where_the_package_is_not_installed_the_extra_is_named() -> None:
    program = "import sys; sys.modules['langchain_core'] = None; import api.langchain"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "pip install 'filrouge[langchain]'" in done.stderr.splitlines()[-1]
