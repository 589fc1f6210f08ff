"""The promise of `Encoder`, over every encoder; and the card."""

import itertools
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from embed import Encoder, ModelCard, load
from embed.encoder import clean

TEXTS = [
    "Le Kremlin a exprimé sa « profonde préoccupation ».",
    "Poland has started training Ukrainian pilots on F-16s.",
    "",
    "   \n\t ",
    "🙂",
    "la e\u0301lection, une de\u0301composition",
    "zéro\x00octet",
    "demi \ud83d caractère \udc00",
    "日本語とкириллица",
    "\u0301",
    "</s> <s> <pad> <unk> [CLS]",
]


@pytest.fixture(scope="module", params=["hashing", "small", pytest.param("default", marks=pytest.mark.model)])
def each(request: pytest.FixtureRequest) -> Encoder:
    """Every encoder there is; `small` is a real sentence-transformers model with weights of no meaning."""
    if request.param == "hashing":
        return load("hashing")
    if request.param == "small":
        folder: Path = request.getfixturevalue("small_model")
        return load(str(folder), "torch")
    encoder: Encoder = request.getfixturevalue("model")
    return encoder


def test_passages_become_one_row_of_length_1_each(each: Encoder) -> None:
    vectors = each.encode_passages(TEXTS)
    assert (vectors.shape, vectors.dtype.name) == ((len(TEXTS), each.card.dimension), "float32")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(len(TEXTS)), abs=1e-5)


@pytest.mark.parametrize("text", TEXTS)
def test_a_question_becomes_one_vector_of_length_1(each: Encoder, text: str) -> None:
    vector = each.encode_query(text)
    assert (vector.shape, vector.dtype.name) == ((each.card.dimension,), "float32")
    assert float(np.linalg.norm(vector)) == pytest.approx(1, abs=1e-5)


def test_no_texts_become_no_rows(each: Encoder) -> None:
    vectors = each.encode_passages([])
    assert (vectors.shape, vectors.dtype.name) == ((0, each.card.dimension), "float32")
    assert each.count_tokens([]) == []


def test_the_same_text_gives_the_same_vector(each: Encoder) -> None:
    assert np.array_equal(each.encode_passages(TEXTS), each.encode_passages(TEXTS))
    assert np.array_equal(each.encode_query(TEXTS[0]), each.encode_query(TEXTS[0]))


def test_rows_stand_in_the_order_of_their_texts(each: Encoder) -> None:
    # Encoders sort by length inside; more texts than a batch holds, of mixed lengths.
    texts = [f"drone {'la ' * (number * 7 % 20)} {number}" for number in range(40)]
    together = each.encode_passages(texts)
    for number in (0, 1, 33, 39):
        assert together[number] == pytest.approx(each.encode_passages([texts[number]])[0], abs=1e-4)


def test_any_sequence_of_texts_will_do(each: Encoder) -> None:
    assert np.array_equal(each.encode_passages(tuple(TEXTS[:2])), each.encode_passages(TEXTS[:2]))
    assert each.count_tokens(tuple(TEXTS[:2])) == each.count_tokens(TEXTS[:2])


def test_different_texts_become_different_vectors(each: Encoder) -> None:
    vectors = each.encode_passages(["le drone", "la mot", "Kremlin", "le drone le Kremlin", "élection"])
    cosines = vectors @ vectors.T
    assert cosines[~np.eye(5, dtype=bool)].max() < 0.999


def test_a_nul_and_half_a_character_count_as_what_they_are_replaced_by(each: Encoder) -> None:
    dirty, cleaned = ["zéro\x00octet", "demi \ud83d la"], ["zéro octet", "demi \ufffd la"]
    assert np.array_equal(each.encode_passages(dirty), each.encode_passages(cleaned))
    assert each.count_tokens(dirty) == each.count_tokens(cleaned)


def test_a_text_of_100000_characters_is_cut_at_the_limit(each: Encoder) -> None:
    word = "drones "
    text = (word * (100_000 // len(word) + 1))[:100_000]
    assert each.count_tokens([text])[0] > each.card.token_limit
    vectors = each.encode_passages([text, text + " le Kremlin, la fin"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert vectors[0] == pytest.approx(vectors[1], abs=1e-5)


def test_one_word_of_100000_letters_is_a_text_like_another(each: Encoder) -> None:
    assert float(np.linalg.norm(each.encode_query("é" * 100_000))) == pytest.approx(1, abs=1e-5)
    assert each.count_tokens(["é" * 100_000])[0] >= 1


def test_tokens_are_counted_text_by_text_without_prefix_and_special_tokens(each: Encoder) -> None:
    counts = each.count_tokens(["", "le drone", "le drone le drone", "le", "le drone"])
    assert counts == [0, 2, 4, 1, 2]
    assert all(type(count) is int for count in counts)


def test_several_threads_at_once_change_nothing(each: Encoder) -> None:
    # Long texts: cutting them off is what a count in another thread could switch off.
    texts = [f"mot {number} {'drone ' * 100}" for number in range(6)]
    alone = [(each.encode_passages([text])[0], each.encode_query(text), each.count_tokens([text])) for text in texts]

    def work(number: int) -> None:
        vector, query, count = alone[number % len(texts)]
        text = texts[number % len(texts)]
        for _ in range(3):
            assert each.encode_passages([text])[0] == pytest.approx(vector, abs=1e-5)
            assert each.count_tokens([text]) == count
            assert each.encode_query(text) == pytest.approx(query, abs=1e-5)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, number) for number in range(6)]:
            done.result()


def test_a_count_in_one_thread_does_not_undo_the_cutting_in_another(small_model: Path) -> None:
    encoder = load(str(small_model), "torch")
    text = "mot " * 6000
    with ThreadPoolExecutor(4) as pool:
        encodings = [pool.submit(encoder.encode_passages, [text, text]) for _ in range(40)]
        counts = [pool.submit(encoder.count_tokens, [text, "le drone"]) for _ in range(40)]
        rest = [pool.submit(encoder.count_tokens, [text]) for _ in range(40)]
        assert {encoding.result().shape for encoding in encodings} == {(2, 32)}
        assert {tuple(count.result()) for count in counts} == {(6001, 2)}
        assert {tuple(count.result()) for count in rest} == {(6001,)}


def test_a_question_and_a_passage_get_their_own_prefixes(small_model: Path) -> None:
    encoder = load(str(small_model), "torch")
    assert (encoder.card.query_prefix, encoder.card.passage_prefix) == ("query: ", "passage: ")
    passage, query = encoder.encode_passages(["le drone"])[0], encoder.encode_query("le drone")
    assert float(passage @ query) < 0.999
    assert encoder.encode_query("") == pytest.approx(encoder._encode(["query: "])[0], abs=1e-5)  # type: ignore[attr-defined]


@pytest.mark.model
def test_the_default_model_reads_french_and_english_alike(model: Encoder) -> None:
    passages = model.encode_passages(
        [
            "La Pologne a commencé à entraîner des pilotes ukrainiens sur des F16.",
            "Poland has started to train Ukrainian pilots on F16s.",
            "Recette de la pâte à crêpes : farine, œufs, lait.",
        ]
    )
    for question in ("Who is training Ukrainian pilots on F-16s?", "Qui forme les pilotes ukrainiens ?"):
        french, english, crepes = (passages @ model.encode_query(question)).tolist()
        assert min(french, english) > crepes + 0.05


CARD = ModelCard("demo", "1", 4, 16, "query: ", "passage: ", "float32", "MIT")


def test_a_card_survives_its_json() -> None:
    card = ModelCard("modèle « démo »", "r\n1", 4, 16, licence="Apache-2.0")
    assert ModelCard.from_json(card.to_json()) == card
    assert "\n" not in card.to_json()
    assert json.loads(CARD.to_json()) == {
        "name": "demo",
        "revision": "1",
        "dimension": 4,
        "token_limit": 16,
        "query_prefix": "query: ",
        "passage_prefix": "passage: ",
        "precision": "float32",
        "licence": "MIT",
    }


def test_everything_but_the_licence_is_in_the_fingerprint() -> None:
    others = [
        ModelCard("other", "1", 4, 16, "query: ", "passage: ", "float32", "MIT"),
        ModelCard("demo", "2", 4, 16, "query: ", "passage: ", "float32", "MIT"),
        ModelCard("demo", "1", 5, 16, "query: ", "passage: ", "float32", "MIT"),
        ModelCard("demo", "1", 4, 17, "query: ", "passage: ", "float32", "MIT"),
        ModelCard("demo", "1", 4, 16, "", "passage: ", "float32", "MIT"),
        ModelCard("demo", "1", 4, 16, "query: ", "", "float32", "MIT"),
        ModelCard("demo", "1", 4, 16, "query: ", "passage: ", "int8", "MIT"),
    ]
    for one, other in itertools.combinations([CARD, *others], 2):
        assert one.fingerprint != other.fingerprint
    assert CARD.fingerprint == ModelCard("demo", "1", 4, 16, "query: ", "passage: ", "float32", "GPL-3.0").fingerprint


def test_a_fingerprint_is_the_same_in_every_release() -> None:
    # It is written beside every vector: another one would refuse every index there is.
    assert CARD.fingerprint == "35b340acf67e"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ""),
        ("L’été « déjà » 🙂", "L’été « déjà » 🙂"),
        ("e\u0301", "e\u0301"),
        ("\ufeffdébut", "\ufeffdébut"),
        ("a\x00b", "a b"),
        ("\ud83d\ude42", "🙂"),
        ("\ud83d", "\ufffd"),
        ("\udc00fin", "\ufffdfin"),
        ("\ud83d\ud83d\ude42", "\ufffd🙂"),
    ],
)
def test_a_text_is_cleaned_only_of_what_no_tokenizer_takes(text: str, expected: str) -> None:
    assert clean(text) == expected
