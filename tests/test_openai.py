"""OpenAI's addresses, with OpenAI's own client over the loopback."""

import base64
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import numpy as np
import openai
import pytest
from openai import OpenAI
from starlette.testclient import TestClient

from api.embeddings import MAX_INPUTS, QUERY
from api.vector_stores import MAX_QUERIES, WHOLE, store_id
from embed.hashing import HashingEncoder
from index.conditions import ATTRIBUTES, MAX_DEPTH, OPERATORS

SOURCE = "seeds/000_43b67c511cce9011.txt"
QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"
JSON, FORM = {"Content-Type": "application/json"}, {"Content-Type": "application/x-www-form-urlencoded"}
FRENCH = {"type": "eq", "key": "lang", "value": "fr"}
SEARCH = f"/v1/vector_stores/{WHOLE}/search"


@pytest.fixture(scope="module")
def openai_client(address: str) -> Iterator[OpenAI]:
    """The client, as a program would make it."""
    with OpenAI(base_url=f"{address}/v1", api_key="any", max_retries=0) as made:
        yield made


def attributes(hits: Any) -> list[dict[str, Any]]:
    return [dict(hit.attributes) for hit in hits]


def everything(client: OpenAI) -> list[dict[str, Any]]:
    """The attributes of every passage."""
    found = attributes(client.vector_stores.search(WHOLE, query=QUESTION, max_num_results=50).data)
    assert len(found) == 11
    return found


# Searching


def test_a_search_finds_what_a_search_of_ours_finds(openai_client: OpenAI, client: TestClient) -> None:
    page = openai_client.vector_stores.search(WHOLE, query=QUESTION, max_num_results=3)
    ours = client.get("/search", params={"q": QUESTION, "k": 3}).json()
    assert page.object == "vector_store.search_results.page"
    assert page.model_extra is not None
    assert page.model_extra["search_query"] == [QUESTION]
    assert (page.model_extra["has_more"], page.model_extra["next_page"]) == (False, None)
    assert (page.model_extra["generation"], page.model_extra["model"]) == (ours["generation"], ours["model"])
    assert [(hit.file_id, hit.filename, hit.score, [part.text for part in hit.content]) for hit in page.data] == [
        (hit["entry_id"], hit["source"], hit["score"], [hit["text"]]) for hit in ours["hits"]
    ]
    for hit, own in zip(page.data, ours["hits"], strict=True):
        assert hit.content[0].type == "text"
        assert hit.attributes is not None
        for name in ("entry_id", "passage_id", "start", "end", "lang", "title", "source"):
            assert hit.attributes[name] == own[name]
        published = datetime.fromisoformat(own["published"])
        # Known to the day alone, it is the day's beginning where it was written.
        if hit.attributes["precision"] != "day":
            assert hit.attributes["published"] == published.timestamp()
        assert hit.attributes["published_at"] == own["published"]
        assert hit.attributes["day"] == own["published"][:10]
        assert "url" not in hit.attributes


def test_every_attribute_of_a_hit_can_be_filtered_by(openai_client: OpenAI) -> None:
    known = everything(openai_client)
    for name, value in known[0].items():
        equal: Any = {"type": "eq", "key": name, "value": value}
        found = openai_client.vector_stores.search(WHOLE, query=QUESTION, max_num_results=50, filters=equal)
        expected = {one["passage_id"] for one in known if one[name] == value}
        assert {one["passage_id"] for one in attributes(found.data)} == expected, name
        assert expected
    assert {*known[0]} - {"published_at"} == {*ATTRIBUTES} - {"url"}


def holds(written: Any, of: dict[str, Any]) -> bool:
    """A plain reading of a filter."""
    if written["type"] in ("and", "or"):
        parts = [holds(part, of) for part in written["filters"]]
        return all(parts) if written["type"] == "and" else any(parts)
    own, value = of.get(written["key"]), written["value"]
    match written["type"]:
        case "eq":
            return bool(own == value)
        case "ne":
            return bool(own != value)
        case "in":
            return own in value
        case "nin":
            return own not in value
    if own is None:
        return False
    return bool({"gt": own > value, "gte": own >= value, "lt": own < value, "lte": own <= value}[written["type"]])


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("key", ["published", "start", "title", "key", "entry_id"])
def test_every_operator_keeps_what_a_plain_reading_keeps(openai_client: OpenAI, operator: Any, key: str) -> None:
    known = everything(openai_client)
    values = sorted({one[key] for one in known})
    value = values[1:3] if operator in ("in", "nin") else values[len(values) // 2]
    written: Any = {"type": operator, "key": key, "value": value}
    found = openai_client.vector_stores.search(WHOLE, query=QUESTION, max_num_results=50, filters=written)
    expected = [one for one in known if holds(written, one)]
    assert 0 < len(expected) < len(known)
    assert {one["passage_id"] for one in attributes(found.data)} == {one["passage_id"] for one in expected}


def test_groups_are_nested_as_deep_as_conditions(openai_client: OpenAI) -> None:
    known = everything(openai_client)
    first, last = (at(one["published"] for one in known) for at in (min, max))
    written: Any = {
        "type": "or",
        "filters": [
            {
                "type": "and",
                "filters": [{"type": "eq", "key": "lang", "value": "fr"}, {"type": "gt", "key": "start", "value": 0}],
            },
            {
                "type": "and",
                "filters": [
                    {"type": "gt", "key": "published", "value": first},
                    {"type": "or", "filters": [{"type": "eq", "key": "published", "value": last}]},
                ],
            },
        ],
    }
    for _ in range(MAX_DEPTH - 3):
        written = {"type": "and", "filters": [written]}
    found = openai_client.vector_stores.search(WHOLE, query=QUESTION, max_num_results=50, filters=written)
    expected = {one["passage_id"] for one in known if holds(written, one)}
    assert {one["passage_id"] for one in attributes(found.data)} == expected
    assert 0 < len(expected) < len(known)


def test_several_questions_are_united(openai_client: OpenAI) -> None:
    questions = [QUESTION, "What did the Kremlin say about the incursion?"]
    page = openai_client.vector_stores.search(WHOLE, query=questions, max_num_results=4)
    scores: dict[Any, float] = {}
    for question in questions:
        for hit in openai_client.vector_stores.search(WHOLE, query=question, max_num_results=50).data:
            assert hit.attributes is not None
            number = hit.attributes["passage_id"]
            scores[number] = max(hit.score, scores.get(number, 0.0))
    assert page.model_extra is not None
    assert page.model_extra["search_query"] == questions
    assert [hit.score for hit in page.data] == sorted(scores.values(), reverse=True)[:4]
    assert len({one["passage_id"] for one in attributes(page.data)}) == 4


def test_a_score_threshold_leaves_the_better_hits(openai_client: OpenAI) -> None:
    whole = openai_client.vector_stores.search(WHOLE, query=QUESTION).data
    least = whole[2].score
    for ranker in ("none", "auto", "default-2024-11-15"):
        options: Any = {"ranker": ranker, "score_threshold": least}
        kept = openai_client.vector_stores.search(WHOLE, query=QUESTION, ranking_options=options).data
        assert kept == [hit for hit in whole if hit.score >= least]
        assert 3 <= len(kept) < len(whole)


def test_rewriting_takes_the_time_out_of_a_question(openai_client: OpenAI) -> None:
    question = "Qu’a dit le Kremlin le 23 mai 2023 après 11 h ?"
    plain = openai_client.vector_stores.search(WHOLE, query=question)
    rewritten = openai_client.vector_stores.search(WHOLE, query=question, rewrite_query=True)
    assert plain.model_extra is not None
    assert rewritten.model_extra is not None
    assert plain.model_extra["search_query"] == [question]
    assert rewritten.model_extra["search_query"] == ["Qu’a dit le Kremlin ?"]
    assert {one["published_at"] for one in attributes(rewritten.data)} == {"2023-05-23T11:58:00+02:00", "2023-05-23"}
    assert len(plain.data) > len(rewritten.data)


def test_an_earlier_state_is_searched_with_a_word_more(openai_client: OpenAI) -> None:
    page = openai_client.vector_stores.search(WHOLE, query=QUESTION)
    assert page.model_extra is not None
    again = openai_client.vector_stores.search(WHOLE, query=QUESTION, extra_body={"as_of": page.model_extra["known"]})
    assert again.data == page.data
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.vector_stores.search(WHOLE, query=QUESTION, extra_body={"as_of": "1999-01-01"})
    assert raised.value.param == "as_of"


# Stores


def test_the_index_and_its_sources_are_stores(openai_client: OpenAI) -> None:
    stores = list(openai_client.vector_stores.list())
    assert [(one.id, one.name) for one in stores] == [(WHOLE, "filrouge"), (store_id(SOURCE), SOURCE)]
    for one in stores:
        assert (one.object, one.status, one.file_counts.total, one.file_counts.completed) == ("vector_store", "completed", 6, 6)
        assert openai_client.vector_stores.retrieve(one.id) == one
        found = openai_client.vector_stores.search(one.id, query=QUESTION).data
        assert found == openai_client.vector_stores.search(WHOLE, query=QUESTION).data
    assert [one.id for one in openai_client.vector_stores.list(limit=1)] == [one.id for one in stores]
    assert openai_client.vector_stores.list(order="asc").data == stores


# Models and embeddings


def test_there_is_one_model_under_two_names(openai_client: OpenAI) -> None:
    models = list(openai_client.models.list())
    assert [(one.id, one.object, one.owned_by) for one in models] == [
        ("hashing", "model", "filrouge"),
        ("hashing" + QUERY, "model", "filrouge"),
    ]
    for one in models:
        assert openai_client.models.retrieve(one.id) == one


def test_embeddings_are_the_vectors_of_the_model(openai_client: OpenAI) -> None:
    texts = ["Le Kremlin réagit.", "drone"]
    expected = HashingEncoder().encode_passages(texts)
    # The client asks for base64 where nothing is said.
    for answer in (
        openai_client.embeddings.create(model="hashing", input=texts),
        openai_client.embeddings.create(model="hashing", input=texts, encoding_format="float"),
    ):
        assert np.array([one.embedding for one in answer.data], dtype=np.float32) == pytest.approx(expected, abs=1e-7)
        assert [one.index for one in answer.data] == [0, 1]
        assert (answer.model, answer.usage.prompt_tokens, answer.usage.total_tokens) == ("hashing", 4, 4)
    single: Any = openai_client.embeddings.create(
        model="hashing" + QUERY, input="drone", encoding_format="base64", dimensions=256
    )
    vector = np.frombuffer(base64.b64decode(single.data[0].embedding), dtype="<f4")
    assert vector.tolist() == HashingEncoder().encode_query("drone").tolist()


# What is wrong


def refused(raised: Any, param: str | None, code: str, message: str) -> None:
    error = raised.value
    assert (error.param, error.code, error.type) == (param, code, "invalid_request_error")
    assert message in error.message
    assert error.body.keys() == {"message", "type", "param", "code"}


@pytest.mark.parametrize(
    ("asked", "param", "code", "message"),
    [
        ({"query": ""}, "query", "invalid_value", "the question is empty"),
        ({"query": [QUESTION, " "]}, "query", "invalid_value", "the question is empty"),
        ({"query": []}, "query", "empty_array", "is an empty list"),
        ({"query": 3}, "query", "invalid_type", "is neither a text nor a list of texts"),
        ({"query": ["a", 3]}, "query", "invalid_type", "is neither a text nor a list of texts"),
        ({"query": ["a"] * (MAX_QUERIES + 1)}, "query", "array_above_max_length", "at most 10"),
        ({"query": "a" * 4001}, "query", "string_above_max_length", "at most 4000 characters"),
        ({"query": "a", "max_num_results": 51}, "max_num_results", "integer_above_max_value", "less than or equal to 50"),
        ({"query": "a", "max_num_results": 10**30}, "max_num_results", "integer_above_max_value", "less than or equal to 50"),
        ({"query": "a", "max_num_results": 0}, "max_num_results", "integer_below_min_value", "greater than or equal to 1"),
        ({"query": "a", "max_num_results": "ten"}, "max_num_results", "invalid_type", "valid integer"),
        ({"query": "a", "rewrite_query": "perhaps"}, "rewrite_query", "invalid_type", "valid boolean"),
        ({"query": "a", "ranking_options": {"ranker": "best"}}, "ranking_options.ranker", "invalid_value", "'none', 'auto'"),
        (
            {"query": "a", "ranking_options": {"score_threshold": 1.5}},
            "ranking_options.score_threshold",
            "decimal_above_max_value",
            "less than or equal to 1",
        ),
        ({"query": "a", "ranking_options": {"weights": 1}}, "ranking_options.weights", "unknown_parameter", "is not known"),
        ({"query": "a", "filters": {"type": "eq"}}, "filters.key", "invalid_value", "is missing"),
        (
            {"query": "a", "filters": {"type": "and", "filters": [{"type": "gt", "key": "published", "value": "hier"}]}},
            "filters.filters[0].value",
            "invalid_value",
            "'hier' is not a date or time",
        ),
        (
            {"query": "a", "extra_body": {"attributes": {f"a{n}": n for n in range(17)}}},
            "attributes",
            "unknown_parameter",
            "is not known",
        ),
    ],
)
def test_a_search_that_cannot_be_is_refused_by_name(
    openai_client: OpenAI, asked: dict[str, Any], param: str, code: str, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.vector_stores.search(WHOLE, **asked)
    refused(raised, param, code, message)


@pytest.mark.parametrize(
    ("asked", "param", "code", "message"),
    [
        ({"input": ""}, "input", "invalid_value", "has an empty text, number 0"),
        ({"input": []}, "input", "empty_array", "is an empty list"),
        ({"input": ["a", ""]}, "input", "invalid_value", "has an empty text, number 1"),
        ({"input": [101, 102]}, "input", "invalid_type", "has tokens"),
        ({"input": [[101, 102]]}, "input", "invalid_type", "has tokens"),
        ({"input": ["a"] * (MAX_INPUTS + 1)}, "input", "array_above_max_length", "at most 2048"),
        ({"input": "a " * 127}, "input", "invalid_value", "has 127 tokens, and hashing reads 126: cut it"),
        ({"input": ["a", "a " * 127]}, "input[1]", "invalid_value", "the text number 1 has 127 tokens"),
        ({"input": "a", "dimensions": 64}, "dimensions", "invalid_value", "have 256 dimensions and cannot be cut to 64"),
        ({"input": "a", "encoding_format": "int8"}, "encoding_format", "invalid_value", "'float' or 'base64'"),
    ],
)
def test_texts_that_cannot_be_embedded_are_refused_by_name(
    openai_client: OpenAI, asked: dict[str, Any], param: str, code: str, message: str
) -> None:
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.embeddings.create(model="hashing", **asked)
    refused(raised, param, code, message)


def test_what_there_is_not_is_not_found(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.models.retrieve("gpt-5")
    refused(raised, "model", "model_not_found", "there is no model 'gpt-5' here: give hashing or hashing:query")
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.embeddings.create(model="text-embedding-3-small", input="a")
    refused(raised, "model", "model_not_found", "there is no model 'text-embedding-3-small' here")
    for name in ("vs_none", store_id("fil/none.txt"), "Légion", "vs_" + "A" * 5):
        with pytest.raises(openai.NotFoundError) as raised:
            openai_client.vector_stores.search(name, query="a")
        refused(raised, "vector_store_id", "not_found", "there is no vector store")
        with pytest.raises(openai.NotFoundError) as raised:
            openai_client.vector_stores.retrieve(name)
        refused(raised, "vector_store_id", "not_found", "there is no vector store")
    with pytest.raises(openai.NotFoundError) as raised:
        openai_client.files.list()
    refused(raised, None, "not_found", "there is nothing at this address")


def test_what_would_write_is_refused(openai_client: OpenAI) -> None:
    for write in (
        lambda: openai_client.vector_stores.create(name="mine", metadata={f"a{n}": "b" for n in range(17)}),
        lambda: openai_client.vector_stores.update(WHOLE, metadata={"a": "b"}),
        lambda: openai_client.vector_stores.delete(WHOLE),
    ):
        with pytest.raises(openai.APIStatusError) as raised:
            write()
        assert raised.value.status_code == 405
        refused(raised, None, "method_not_allowed", "this address does not take")


def test_a_list_from_nowhere_is_refused(openai_client: OpenAI) -> None:
    for cursor in ("after", "before"):
        with pytest.raises(openai.BadRequestError) as raised:
            openai_client.vector_stores.list(**{cursor: "vs_none"})  # type: ignore[arg-type]
        refused(raised, cursor, "invalid_value", "there is no vector store 'vs_none' to list from")
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.vector_stores.list(limit=101)
    refused(raised, "limit", "integer_above_max_value", "less than or equal to 100")


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (
            {"content": b"query=a", "headers": {"Content-Type": "application/x-www-form-urlencoded"}},
            415,
            "unsupported_media_type",
        ),
        ({"content": b'{"query": "a"}', "headers": {"Content-Type": "text/plain"}}, 415, "unsupported_media_type"),
        ({"content": b"{", "headers": {"Content-Type": "application/json"}}, 400, "bad_request"),
        ({"content": b" " * 1_048_577, "headers": {"Content-Type": "application/json"}}, 413, "content_too_large"),
        ({"content": rb'{"query": "\ud83d"}', "headers": JSON}, 400, "invalid_value"),
        ({"content": rb'{"query": "a", "filters": {"type": "\ud83d"}}', "headers": JSON}, 400, "invalid_value"),
        ({"content": b'{"query": "a", "filters": ' + b"[" * 90_000, "headers": JSON}, 400, "bad_request"),
        ({"json": [1]}, 400, "invalid_type"),
        ({"json": {}}, 400, "missing_required_parameter"),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_in_the_same_shape(
    client: TestClient, sent: dict[str, Any], status: int, code: str
) -> None:
    response = client.post(SEARCH, **sent)
    assert (response.status_code, response.headers["content-type"]) == (status, "application/json")
    error = response.json()["error"]
    assert (error["code"], error["type"]) == (code, "invalid_request_error")


def test_the_key_and_the_beta_header_are_not_looked_at(client: TestClient) -> None:
    bare = client.post(SEARCH, json={"query": QUESTION})
    headers = {"Authorization": "Bearer anything", "OpenAI-Beta": "assistants=v2"}
    assert client.post(SEARCH, json={"query": QUESTION}, headers=headers).json() == bare.json()
