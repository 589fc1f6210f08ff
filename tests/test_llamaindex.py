"""The retriever for LlamaIndex, with the real package."""

import asyncio
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.llms import MockLLM
from llama_index.core.query_engine import RetrieverQueryEngine
from llama_index.core.response_synthesizers.no_text import NoText
from llama_index.core.schema import MetadataMode, QueryBundle, TextNode
from pydantic import ValidationError

from api.llamaindex import FilrougeRetriever
from api.schemas import hit_out
from embed import Encoder
from embed.hashing import HashingEncoder
from index.corpus import Corpus
from index.errors import InvalidRequest

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


def test_nodes_are_the_hits_of_a_search_with_their_places(fil: Corpus, where: dict[str, Any]) -> None:
    nodes = FilrougeRetriever(**where, k=3, lang="fr", since="2023-05-23T06:00").retrieve(QUESTION)
    hits = [hit_out(hit) for hit in fil.search(QUESTION, 3, lang="fr", since="2023-05-23T06:00")]
    assert [(node.text, node.score) for node in nodes] == [(hit.text, hit.score) for hit in hits]
    for scored, hit in zip(nodes, hits, strict=True):
        node = scored.node
        assert isinstance(node, TextNode)
        assert (node.start_char_idx, node.end_char_idx, node.ref_doc_id) == (hit.start, hit.end, hit.entry_id)
        assert fil.entry(hit.entry_id).text[node.start_char_idx : node.end_char_idx] == node.text
        assert node.node_id == f"{hit.entry_id}:{hit.start}-{hit.end}"
        for name in ("rank", "entry_id", "passage_id", "title", "published", "lang", "source", "url"):
            assert node.metadata[name] == getattr(hit, name), name


def test_it_finds_the_same_when_it_is_awaited(where: dict[str, Any]) -> None:
    retriever = FilrougeRetriever(**where, k=2)
    alone = retriever.retrieve(QueryBundle(QUESTION))

    async def several() -> list[Any]:
        return await asyncio.gather(*(retriever.aretrieve(QUESTION) for _ in range(8)))

    assert asyncio.run(several()) == [alone] * 8


def test_a_model_reads_who_said_it_and_when_and_no_numbers_for_programs(fil: Corpus) -> None:
    (scored,) = FilrougeRetriever(index=fil, k=1, since="2023-05-23T06:25", until="2023-05-23T06:26").retrieve(QUESTION)
    read = scored.node.get_content(MetadataMode.LLM)
    assert read.endswith(scored.node.get_content())
    for part in ("title: « Légion Liberté", "published: 2023-05-23T06:25:00+02:00", "source: seeds/"):
        assert part in read
    for part in ("passage_id", "permalink", "score", "None"):
        assert part not in read


def test_a_query_engine_answers_from_its_nodes(fil: Corpus) -> None:
    # A model of its own, so that none is asked for elsewhere.
    engine = RetrieverQueryEngine(FilrougeRetriever(index=fil, k=2), NoText(llm=MockLLM()))
    response = engine.query(QUESTION)
    assert [node.text for node in response.source_nodes] == [hit.text for hit in fil.search(QUESTION, 2)]


def test_what_is_wrong_is_named_when_it_is_made_or_asked(where: dict[str, Any]) -> None:
    for wrong in ({"k": 0}, {"kk": 1}, {"lang": "de"}):
        with pytest.raises(ValidationError) as raised:
            FilrougeRetriever(**where, **wrong)
        assert raised.value.errors()[0]["loc"] == tuple(wrong)
    with pytest.raises(ValueError, match="give either an index"):
        FilrougeRetriever()
    with pytest.raises(InvalidRequest, match="no source 'nowhere'"):
        FilrougeRetriever(**where, source="nowhere").retrieve(QUESTION)


def test_where_the_package_is_not_installed_the_extra_is_named() -> None:
    program = "import sys; sys.modules['llama_index'] = None; import api.llamaindex"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert "pip install 'filrouge[llamaindex]'" in done.stderr.splitlines()[-1]
