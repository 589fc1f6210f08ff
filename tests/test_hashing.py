"""The encoder that tests use where the meaning of a text does not matter."""

import subprocess
import sys

import numpy as np
import pytest

from embed import ModelCard
from embed.hashing import HashingEncoder


def test_the_card_says_what_it_is() -> None:
    assert HashingEncoder(64, 32).card == ModelCard("hashing", "1", 64, 32, licence="MIT")


def test_the_same_text_gives_the_same_vector_in_another_process() -> None:
    code = "from embed.hashing import HashingEncoder; print(HashingEncoder(8).encode_query('Le Kremlin réagit').tolist())"
    # Python's own hash() differs from process to process.
    printed = {
        subprocess.run(
            [sys.executable, "-c", code], env={"PYTHONHASHSEED": seed}, capture_output=True, text=True, check=True
        ).stdout
        for seed in ("1", "2")
    }
    assert printed == {f"{HashingEncoder(8).encode_query('Le Kremlin réagit').tolist()}\n"}


def test_the_vector_of_a_known_text_is_known() -> None:
    # " a " is its only word and its only trigram; of its CRC-32, 0x8084e5dc, the highest bit says + and 0xdc % 8 says place 4.
    assert HashingEncoder(8).encode_query("a").tolist() == [0, 0, 0, 0, 1, 0, 0, 0]


def test_texts_that_share_words_are_near() -> None:
    encoder = HashingEncoder()
    texts = ["Le Kremlin réagit à l’incursion", "Le Kremlin a réagi", "Recette de crêpes", "le kremlin RÉAGIT à l’incursion"]
    same, near, far, folded = (encoder.encode_passages(texts) @ encoder.encode_query(texts[0])).tolist()
    assert same == pytest.approx(1, abs=1e-6)
    assert folded == pytest.approx(1, abs=1e-6)
    assert same > near > far


def test_words_beyond_the_limit_are_not_seen() -> None:
    encoder = HashingEncoder(token_limit=3)
    assert np.array_equal(encoder.encode_query("un deux trois"), encoder.encode_query("un deux trois quatre"))
    assert not np.array_equal(encoder.encode_query("un deux trois"), encoder.encode_query("un deux quatre"))
    assert encoder.count_tokens(["un deux trois quatre"]) == [4]


def test_a_word_has_the_vector_of_a_text_that_consists_of_it() -> None:
    encoder = HashingEncoder()
    text, spans = "Le Kremlin, l’armée", [(3, 10), (0, 2), (14, 19), (0, 19)]
    for reading in (*encoder.read_passages([text], [spans]), encoder.read_query(text, spans)):
        assert np.array_equal(reading.words, encoder.encode_passages(["Kremlin", "Le", "armée", text]))


def test_words_beyond_the_limit_and_spans_without_a_word_have_rows_of_zeros() -> None:
    text = " un  deux\ttrois quatre"
    spans = [(1, 3), (5, 9), (10, 15), (16, 22), (3, 5), (9, 10), (6, 6), (30, 40), (13, 18)]
    seen = {3: [1, 1, 1, 0, 0, 0, 0, 0, 1], 1: [1, 0, 0, 0, 0, 0, 0, 0, 0], 4: [1, 1, 1, 1, 0, 0, 0, 0, 1]}
    for limit, rows in seen.items():
        reading = HashingEncoder(token_limit=limit).read_query(text, spans)
        assert reading.words.any(axis=1).astype(int).tolist() == rows
