"""Texts of anyone's are ranked as those of the index are, with Cohere's own client over the loopback."""

import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cohere
import httpx
import pytest
from cohere.core import ApiError
from cohere.types import RerankRelevantSpans
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from embed import Encoder
from embed.hashing import HashingEncoder
from index.documents import Facts
from index.errors import InvalidRequest
from index.ingest import ingest
from index.rerank import MAX_DOCUMENTS, MAX_LENGTH, MAX_TOTAL, rerank
from index.search import Searcher
from index.space import space_of
from index.store import Store

QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"
CLAIM = "La « Légion Liberté pour la Russie » a revendiqué l’attaque de Belgorod 🙂."
WEATHER = "Il fera beau demain dans le sud, avec des orages en soirée."
OTHER = "The prime minister of Russia went to Shanghai."
JSON = {"Content-Type": "application/json"}
DOCUMENTS = [WEATHER, CLAIM, OTHER]


@pytest.fixture(scope="module")
def searcher(seed_index: Path) -> Iterator[Searcher]:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        yield searcher


def ranked(searcher: Searcher, documents: list[str], question: str = QUESTION, **more: int) -> Any:
    return rerank(question, documents, searcher.encoder, searcher.reader.snapshot(), **more)


# Ranking


def test_the_text_that_answers_is_first(searcher: Searcher) -> None:
    found = ranked(searcher, DOCUMENTS)
    assert found[0].place == 1
    assert sorted(one.place for one in found) == [0, 1, 2]
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    assert all(0 <= one.score <= 1 for one in found)


def test_texts_of_the_index_have_nearly_the_score_that_a_search_gives(tmp_path: Path) -> None:
    lines = [f'{{"_id": "{n}", "text": "{text}"}}\n' for n, text in enumerate(DOCUMENTS)]
    (tmp_path / "fil.jsonl").write_text("".join(lines), encoding="utf-8")
    ingest([tmp_path / "fil.jsonl"], tmp_path / "index", HashingEncoder())
    with Searcher(tmp_path / "index", HashingEncoder()) as searcher:
        hits = {hit.passage.text: hit.score for hit in searcher.search(QUESTION).hits}
        for one in ranked(searcher, DOCUMENTS):
            # Cosine and words are the same to the last digit; BM25 sees six passages instead of three.
            assert one.score == pytest.approx(hits[DOCUMENTS[one.place]], abs=0.12)
        found = [DOCUMENTS[one.place] for one in ranked(searcher, DOCUMENTS)]
        assert found == sorted(hits, key=lambda text: -hits[text])


@given(order=st.permutations(range(3)))
@settings(max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_order_in_which_texts_come_does_not_matter(searcher: Searcher, order: list[int]) -> None:
    plain = {DOCUMENTS[one.place]: one.score for one in ranked(searcher, DOCUMENTS)}
    shuffled = [DOCUMENTS[n] for n in order]
    assert {shuffled[one.place]: one.score for one in ranked(searcher, shuffled)} == pytest.approx(plain, abs=1e-6)


def test_equal_texts_stand_in_their_order(searcher: Searcher) -> None:
    assert [one.place for one in ranked(searcher, [WEATHER, CLAIM, WEATHER, CLAIM])] == [1, 3, 0, 2]


def test_a_word_that_the_index_has_not_counts(searcher: Searcher) -> None:
    first, second = ranked(searcher, ["Le zorglub est là.", "Le perroquet est là."], "zorglub ?")
    assert (first.place, first.score > second.score) == (0, True)


def test_a_text_without_words_is_last_with_nothing(searcher: Searcher) -> None:
    found = ranked(searcher, ["", CLAIM, " \n"])
    assert [(one.place, one.parts) for one in found[1:]] == [(0, ()), (2, ())]
    assert [one.score for one in found[1:]] == [0, 0]
    assert [one.score for one in ranked(searcher, [""])] == [0]


def test_a_long_text_is_as_good_as_its_best_passage_which_is_placed_in_code_points(searcher: Searcher) -> None:
    text = f"🙂 {WEATHER} " * 30 + CLAIM + f" {WEATHER}" * 30
    (found,) = ranked(searcher, [text])
    best = found.parts[0]
    assert CLAIM in text[best.start : best.end]
    assert found.score == best.score == max(part.score for part in found.parts)
    spans = sorted((part.start, part.end) for part in found.parts)
    assert len(spans) > 5
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))
    assert "".join(text[a:b] for a, b in spans).replace(" ", "") == text.replace(" ", "")


def test_of_a_long_text_only_the_beginning_is_read_where_that_is_asked(searcher: Searcher) -> None:
    text = f"{WEATHER} " * 60 + CLAIM
    (whole,), (one,) = ranked(searcher, [text]), ranked(searcher, [text], most_passages=1)
    (two,) = ranked(searcher, [text], most_tokens=1)
    assert len(whole.parts) > 3
    assert len(one.parts) == len(two.parts) == 1
    assert one.parts[0].start == two.parts[0].start == 0
    assert one.score < whole.score
    tokens = searcher.encoder.count_tokens([text[part.start : part.end] for part in sorted(whole.parts, key=lambda p: p.start)])
    (three,) = ranked(searcher, [text], most_tokens=sum(tokens[:3]))
    assert len(three.parts) == 3


def test_an_empty_index_ranks_too(tmp_path: Path) -> None:
    encoder = HashingEncoder()
    Store.create(tmp_path, encoder.card, lambda: space_of(encoder)).close()
    with Searcher(tmp_path, encoder) as searcher:
        assert ranked(searcher, DOCUMENTS)[0].place == 1


@pytest.mark.parametrize(
    ("question", "documents", "field", "message"),
    [
        (" ", [CLAIM], "query", "the question is empty"),
        ("a" * 4001, [CLAIM], "query", "at most 4000"),
        (QUESTION, [], "documents", "there is no document to rank"),
        (QUESTION, [CLAIM] * (MAX_DOCUMENTS + 1), "documents", f"{MAX_DOCUMENTS + 1} documents; at most {MAX_DOCUMENTS}"),
        (QUESTION, [CLAIM, "a" * (MAX_LENGTH + 1)], "documents[1]", f"at most {MAX_LENGTH} of a document"),
        (QUESTION, ["a" * MAX_LENGTH] * (MAX_TOTAL // MAX_LENGTH) + ["a"], "documents", f"at most {MAX_TOTAL} are read"),
    ],
    ids=["empty", "long question", "none", "many", "long", "long together"],
)
def test_what_cannot_be_ranked_is_refused_by_name(
    searcher: Searcher, question: str, documents: list[str], field: str, message: str
) -> None:
    with pytest.raises(InvalidRequest, match=message) as raised:
        ranked(searcher, documents, question)
    assert raised.value.field == field


@pytest.mark.model
def test_the_default_model_ranks_across_languages(model: Encoder, tmp_path: Path, seeds: Path) -> None:
    ingest([seeds], tmp_path / "index", model, Facts(tz="Europe/Paris"))
    with Searcher(tmp_path / "index", model) as searcher:
        for question in (QUESTION, "Who claimed responsibility for the attack on Belgorod?"):
            found = ranked(searcher, [WEATHER, OTHER, CLAIM, "The weather in the south."], question)
            assert found[0].place == 2
            assert found[0].score > 2 * found[1].score


# The contract


@pytest.fixture(scope="module")
def connection() -> Iterator[httpx.Client]:
    """One that is closed in the end, as the client itself leaves it open."""
    with httpx.Client() as connection:
        yield connection


@pytest.fixture(scope="module")
def v1(address: str, connection: httpx.Client) -> cohere.Client:
    return cohere.Client("any", base_url=address, httpx_client=connection)


@pytest.fixture(scope="module")
def v2(address: str, connection: httpx.Client) -> cohere.ClientV2:
    return cohere.ClientV2("any", base_url=address, httpx_client=connection)


def test_the_first_contract(v1: cohere.Client, searcher: Searcher) -> None:
    documents = [{"text": WEATHER, "id": "w"}, CLAIM, {"text": OTHER}]
    answer = v1.rerank(query=QUESTION, documents=documents, top_n=2, return_documents=True)  # type: ignore[arg-type]
    expected = ranked(searcher, DOCUMENTS)[:2]
    assert [one.index for one in answer.results] == [one.place for one in expected]
    assert [one.relevance_score for one in answer.results] == pytest.approx([one.score for one in expected], abs=1e-6)
    assert answer.id
    for one in answer.results:
        assert one.document is not None
        given = documents[one.index]
        assert one.document.model_dump() == ({"text": given} if isinstance(given, str) else given)
    assert answer.meta is not None
    assert answer.meta.api_version is not None
    assert answer.meta.api_version.version == "1"


def test_the_second_contract(v2: cohere.ClientV2, searcher: Searcher) -> None:
    answer = v2.rerank(model="hashing", query=QUESTION, documents=DOCUMENTS)
    expected = ranked(searcher, DOCUMENTS)
    assert [one.index for one in answer.results] == [one.place for one in expected]
    assert [one.relevance_score for one in answer.results] == pytest.approx([one.score for one in expected], abs=1e-6)
    assert all(one.relevant_spans is None for one in answer.results)
    assert answer.meta is not None
    assert answer.meta.tokens is not None
    assert answer.meta.tokens.input_tokens == sum(searcher.encoder.count_tokens([QUESTION, *DOCUMENTS]))


def test_parts_of_documents_come_where_they_are_asked_for(v2: cohere.ClientV2, searcher: Searcher) -> None:
    text = f"🙂 {WEATHER} " * 30 + CLAIM
    parts = ranked(searcher, [text])[0].parts

    def spans(**asked: Any) -> Any:
        found = v2.rerank(model="hashing", query=QUESTION, documents=[text], relevant_spans=RerankRelevantSpans(**asked))
        return found.results[0].relevant_spans

    whole = [(one.start, one.end, one.score) for one in spans(mode="enabled", threshold=0)]
    assert whole == [(part.start, part.end, pytest.approx(part.score, abs=1e-6)) for part in parts]
    assert [(one.start, one.end) for one in spans(mode="enabled", threshold=0, max_spans=1)] == [(parts[0].start, parts[0].end)]
    assert CLAIM in text[parts[0].start : parts[0].end]
    assert [one.score for one in spans(mode="enabled", threshold=parts[0].score - 1e-6)] == [
        pytest.approx(parts[0].score, abs=1e-6)
    ]
    assert spans(mode="enabled", threshold=1) is None
    assert spans(mode="disabled") is None


def test_jinas_clients_find_what_they_read(client: TestClient) -> None:
    answer = client.post("/v1/rerank", json={"model": "hashing", "query": QUESTION, "documents": DOCUMENTS}).json()
    assert answer["model"] == "hashing"
    assert answer["usage"]["total_tokens"] > 10
    assert "document" not in answer["results"][0]


@pytest.mark.parametrize(
    ("asked", "status", "message"),
    [
        ({"query": ""}, 400, "query: the question is empty"),
        ({"query": 3}, 400, "query: Input should be a valid string"),
        ({"documents": []}, 400, "documents: there is no document to rank"),
        (
            {"documents": [CLAIM] * (MAX_DOCUMENTS + 1)},
            400,
            f"documents: {MAX_DOCUMENTS + 1} documents; at most {MAX_DOCUMENTS}",
        ),
        ({"documents": ["a" * (MAX_LENGTH + 1)]}, 400, "documents[0]: 100001 characters; at most"),
        ({"documents": [CLAIM, 3]}, 400, "documents: has no text at number 1"),
        ({"documents": [CLAIM, {"title": "a"}]}, 400, "documents: has no text at number 1"),
        ({"documents": CLAIM}, 400, "documents: is not a list of documents"),
        ({"top_n": 0}, 400, "top_n: Input should be greater than or equal to 1"),
        ({"model": "rerank-v3.5"}, 404, "model: there is no model 'rerank-v3.5' here: give hashing"),
        ({"rank_fields": ["title"]}, 400, "rank_fields: only `text` is read"),
        ({"max_chunks_per_doc": 0}, 400, "max_chunks_per_doc: Input should be greater"),
    ],
)
def test_an_error_is_told_in_the_shape_of_the_contract(
    v1: cohere.Client, asked: dict[str, Any], status: int, message: str
) -> None:
    with pytest.raises(ApiError) as raised:
        v1.rerank(**{"query": QUESTION, "documents": DOCUMENTS, **asked})
    assert raised.value.status_code == status
    assert raised.value.body.keys() == {"message"}
    assert raised.value.body["message"].startswith(message)


@pytest.mark.parametrize("path", ["/v1/rerank", "/v2/rerank"])
def test_a_body_that_cannot_be_read_is_refused_in_the_same_shape(client: TestClient, path: str) -> None:
    for sent, status, message in (
        ({"content": b"a", "headers": {"Content-Type": "text/plain"}}, 415, "send the body as JSON"),
        ({"content": b" " * 1_048_577}, 413, "the body is larger than 1048576 bytes"),
        ({"json": {"query": "a"}}, 400, "documents: is missing"),
        ({"json": {"query": "a", "documents": ["b"], "top_k": 3}}, 400, "top_k: is not known"),
        ({"content": rb'{"query": "a", "documents": ["b", "\ud83d"]}', "headers": JSON}, 400, "documents: holds half a"),
    ):
        response = client.post(path, **sent)
        assert response.status_code == status
        assert response.json().keys() == {"message"}
        assert response.json()["message"].startswith(message)
    wrong = client.get(path)
    assert (wrong.status_code, wrong.json()) == (405, {"message": "this address does not take GET; see /docs"})
