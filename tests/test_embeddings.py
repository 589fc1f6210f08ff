"""Embedding with the model of an index: the prefixes that it was told apart with, whole texts, and its own count of tokens."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from api.embeddings import QUERY, EmbeddingsBody, embedded, models
from embed import Encoder, ModelCard
from embed.encoder import Vectors
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import InvalidRequest, NotFound
from index.ingest import ingest
from index.search import Searcher


class Prefixed(HashingEncoder):
    """A model that tells questions from passages by a prefix."""

    @property
    def card(self) -> ModelCard:
        return replace(super().card, name="prefixed", query_prefix="query: ", passage_prefix="this passage: ")

    def encode_passages(self, texts: Sequence[str]) -> Vectors:
        return HashingEncoder().encode_passages([f"this passage: {text}" for text in texts])

    def encode_queries(self, texts: Sequence[str]) -> Vectors:
        return HashingEncoder().encode_passages([f"query: {text}" for text in texts])


@pytest.fixture
def searcher(tmp_path: Path, seeds: Path) -> Searcher:
    ingest([seeds], tmp_path / "index", Prefixed(), Facts(tz="Europe/Paris"))
    return Searcher(tmp_path / "index", Prefixed())


@pytest.mark.parametrize(("name", "prefix", "tokens"), [("prefixed", "this passage: ", 3), ("prefixed:query", "query: ", 2)])
def test_the_name_of_the_model_chooses_the_prefix(searcher: Searcher, name: str, prefix: str, tokens: int) -> None:
    answer = embedded(searcher, EmbeddingsBody(model=name, input="drone"))
    assert answer.data[0].embedding == HashingEncoder().encode_query(f"{prefix}drone").tolist()
    assert (answer.model, answer.usage.prompt_tokens) == (name, tokens)
    assert name in [one.id for one in models(searcher).data]


def test_a_text_is_embedded_whole_or_not_at_all(searcher: Searcher) -> None:
    limit = searcher.encoder.card.token_limit
    assert embedded(searcher, EmbeddingsBody(model="prefixed", input="mot " * (limit - 4))).usage.total_tokens == limit - 2
    with pytest.raises(InvalidRequest, match=f"has {limit - 1} tokens, and prefixed reads {limit - 2}") as raised:
        embedded(searcher, EmbeddingsBody(model="prefixed", input=["mot", "mot " * (limit - 3)]))
    assert raised.value.field == "input[1]"


def test_a_model_that_is_not_the_one_of_the_index_is_not_found(searcher: Searcher) -> None:
    with pytest.raises(NotFound, match="give prefixed or prefixed:query") as raised:
        embedded(searcher, EmbeddingsBody(model="hashing", input="mot"))
    assert raised.value.field == "model"


@pytest.mark.model
def test_the_default_model_tells_questions_from_passages(model: Encoder, tmp_path: Path, seeds: Path) -> None:
    ingest([seeds], tmp_path / "index", model, Facts(tz="Europe/Paris"))
    with Searcher(tmp_path / "index", model) as searcher:
        text = "Qui a revendiqué l’attaque ?"
        passage, question = (
            embedded(searcher, EmbeddingsBody(model=name, input=text)) for name in (model.card.name, model.card.name + QUERY)
        )
        assert passage.data[0].embedding == pytest.approx(model.encode_passages([text])[0].tolist(), abs=1e-5)
        assert question.data[0].embedding == pytest.approx(model.encode_query(text).tolist(), abs=1e-5)
        assert passage.usage.total_tokens == model.count_tokens(["passage: " + text])[0]
