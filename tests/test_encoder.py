"""The promise of `Encoder`, over every encoder; and the card."""

import itertools
import json
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed import Encoder, ModelCard, load
from embed.encoder import Span, Vectors, clean, means, placed

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


def cosines(some: Vectors, others: Vectors) -> Vectors:
    """Row by row."""
    product: Vectors = (some * others).sum(axis=1) / np.linalg.norm(some, axis=1) / np.linalg.norm(others, axis=1)
    return product


def words_of(text: str) -> list[Span]:
    return [word.span() for word in re.finditer(r"\S+", text)]


SPANS = [words_of(text) for text in TEXTS]


def test_a_reading_has_the_vector_of_the_text_and_a_row_for_each_span(each: Encoder) -> None:
    for read, encode in ((each.read_passages, each.encode_passages), (each.read_queries, each.encode_queries)):
        readings = read(TEXTS, SPANS)
        assert np.array_equal(np.stack([one.vector for one in readings]), encode(TEXTS))
        assert [one.words.shape for one in readings] == [(len(spans), each.card.dimension) for spans in SPANS]
        assert {(one.vector.dtype.name, one.words.dtype.name) for one in readings} == {("float32", "float32")}
        assert all(np.isfinite(one.words).all() for one in readings)
        assert read([], []) == []
        (one,) = read(["le drone"], [[]])
        assert (one.words.shape, one.words.dtype.name) == ((0, each.card.dimension), "float32")


@pytest.mark.parametrize(("text", "spans"), list(zip(TEXTS, SPANS, strict=True)))
def test_one_question_is_read_like_several(each: Encoder, text: str, spans: list[Span]) -> None:
    one, (among,) = each.read_query(text, spans), each.read_queries([text], [spans])
    assert np.array_equal(one.vector, each.encode_query(text))
    assert np.array_equal(one.vector, among.vector)
    assert np.array_equal(one.words, among.words)


def test_a_span_has_the_same_row_whatever_else_is_asked_for(each: Encoder) -> None:
    text = "le drone, la mot: Kremlin"
    (all_of,) = each.read_passages([text], [words_of(text)])
    for row, span in zip(all_of.words, words_of(text), strict=True):
        assert row.any()
        (alone,) = each.read_passages([text], [[span]])
        assert np.array_equal(alone.words, row[np.newaxis])
    (turned,) = each.read_passages([text], [words_of(text)[::-1]])
    assert np.array_equal(turned.words, all_of.words[::-1])


def test_what_is_not_seen_has_a_row_of_zeros(each: Encoder) -> None:
    text = "drones la " * 50_000
    end = len("drones la " * each.card.token_limit)
    spans = [(0, 6), (7, 9), (end, end + 6), (499_990, 499_996), (600_000, 600_005), (0, 0), (3, 3), (499_993, 499_993)]
    for reading in (each.read_passages([text], [spans])[0], each.read_query(text, spans)):
        assert reading.words.any(axis=1).tolist() == [True, True, False, False, False, False, False, False]
    (reading,) = each.read_passages(["", " "], [[(0, 0), (0, 3)], [(0, 1)]])[:1]
    assert reading.words.any(axis=1).tolist() == [False, False]


def test_a_text_has_the_same_words_alone_and_among_others(each: Encoder) -> None:
    texts = [f"drone {'la ' * (number * 7 % 20)} {number} Kremlin" for number in range(40)]
    spans = [words_of(text) for text in texts]
    for text, some, among in zip(texts, spans, each.read_passages(texts, spans), strict=True):
        (alone,) = each.read_passages([text], [some])
        assert cosines(alone.words, among.words) == pytest.approx(np.ones(len(some)), abs=1e-3)
        assert float(alone.vector @ among.vector) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize(
    ("dirty", "spans", "cleaned", "same"),
    [
        ("zéro\x00la drone", [(0, 4), (5, 7), (8, 13)], "zéro la drone", [(0, 4), (5, 7), (8, 13)]),
        ("demi \ud83d la drone", [(0, 4), (7, 9), (10, 15)], "demi \ufffd la drone", [(0, 4), (7, 9), (10, 15)]),
        # Two halves of a character are two code points of the text, and one of what the model reads.
        ("Oui \ud83d\ude42 la drone", [(0, 3), (7, 9), (10, 15)], "Oui 🙂 la drone", [(0, 3), (6, 8), (9, 14)]),
    ],
)
def test_spans_stand_where_they_do_in_a_text_that_no_tokenizer_takes(
    each: Encoder, dirty: str, spans: list[Span], cleaned: str, same: list[Span]
) -> None:
    (found,), (expected,) = each.read_passages([dirty], [spans]), each.read_passages([cleaned], [same])
    assert np.array_equal(found.words, expected.words)
    assert found.words.any(axis=1).all()
    assert np.array_equal(each.read_query(dirty, spans).words, each.read_query(cleaned, same).words)


@pytest.mark.parametrize("name", ["small", pytest.param("default", marks=pytest.mark.model)])
def test_the_row_of_a_span_is_the_mean_of_its_tokens(name: str, request: pytest.FixtureRequest) -> None:
    encoder: Encoder = (
        request.getfixturevalue("model") if name == "default" else load(str(request.getfixturevalue("small_model")), "torch")
    )
    text = "le drone de Kremlin passage le mot"
    spans = words_of(text)
    counts = np.array(encoder.count_tokens([text[start:end] for start, end in spans]), dtype=np.float32)
    assert encoder.count_tokens([text]) == [counts.sum()]
    for read in (lambda some: encoder.read_passages([text], [some])[0], lambda some: encoder.read_query(text, some)):
        words = read(spans).words
        mean = (counts[:, np.newaxis] * words).sum(axis=0) / counts.sum()
        assert read([(0, len(text))]).words[0] == pytest.approx(mean, abs=1e-5)
        # A part of a token is the token, and words that stand apart are not the same.
        assert np.array_equal(read([(4, 6)]).words, read([(3, 8)]).words) == (counts[1] == 1)
        assert cosines(words[[0]], words[[5]]).item() < 0.9999
    passage, query = encoder.read_passages([text], [spans])[0], encoder.read_query(text, spans)
    assert cosines(passage.words, query.words).max() < 0.9999


def test_several_threads_read_their_own_words(each: Encoder) -> None:
    texts = [f"mot {number} {'drone ' * 20}" for number in range(6)]
    alone = [each.read_passages([text], [words_of(text)])[0] for text in texts]

    def work(number: int) -> None:
        for _ in range(3):
            (found,) = each.read_passages([texts[number]], [words_of(texts[number])])
            assert found.words == pytest.approx(alone[number].words, abs=1e-4)
            assert each.count_tokens([texts[number]])[0] > 20

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(work, number) for number in range(6)]:
            done.result()


@st.composite
def tokenized(draw: st.DrawFn) -> tuple[list[Span], list[Span]]:
    """Tokens in the order of a text, some of no text and some of the same place, and spans anywhere."""
    bounds = draw(st.lists(st.integers(0, 30), max_size=16).map(sorted))
    tokens = [pair for start, end in zip(bounds[::2], bounds[1::2], strict=False) for pair in [(start, end)] * (1 + end % 2)]
    tokens = [(0, 0), *tokens, (0, 0)]
    spans = draw(st.lists(st.tuples(st.integers(0, 32), st.integers(0, 32)).map(lambda ends: (min(ends), max(ends)))))
    return tokens, spans


@given(tokenized())
def test_means_are_those_that_a_plain_loop_finds(case: tuple[list[Span], list[Span]]) -> None:
    tokens, spans = case
    states = np.random.default_rng(len(tokens)).standard_normal((len(tokens), 3)).astype(np.float32)
    expected = np.zeros((len(spans), 3))
    for row, (start, end) in enumerate(spans):
        touching = [state for state, (first, last) in zip(states, tokens, strict=True) if max(first, start) < min(last, end)]
        if touching:
            expected[row] = np.mean(touching, axis=0, dtype=np.float64)
    found = means(states, tokens, spans)
    assert (found.shape, found.dtype.name) == ((len(spans), 3), "float32")
    assert found == pytest.approx(expected, abs=1e-6)


@given(st.lists(st.sampled_from(["a", "é", "\ud83d", "\ude42", "🙂", "\0"]), max_size=12).map("".join), st.integers(0, 12))
def test_a_place_in_a_text_is_found_again_in_the_cleaned_one(text: str, at: int) -> None:
    cut = min(at, len(text))
    (before, after), (whole,) = placed(text, [(0, cut), (cut, len(text))], "p: "), placed(text, [(0, len(text))])
    # Where the cut goes through a character, that one belongs to what is before.
    halved = text[:cut][-1:] == "\ud83d" and text[cut:][:1] == "\ude42"
    assert ("p: " + clean(text))[slice(*before)] == clean(text[: cut + halved])
    assert ("p: " + clean(text))[slice(*after)] == clean(text[cut + halved :])
    assert whole == (0, len(clean(text)))


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
    assert encoder.encode_query("") == pytest.approx(encoder._encode(["query: "], "")[0], abs=1e-5)  # type: ignore[attr-defined]


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
