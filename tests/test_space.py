"""Where French and English vectors are compared, and words as signs."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed import Encoder, ModelCard
from embed.encoder import Reading, Span, Vectors
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import space as module
from index.space import KINDS, Codes, Space, content_spans, estimate, matches, space_of, word_spans

LANGS = ("fr", "en")


def drawn(seed: int, *shape: int) -> Vectors:
    rows: Vectors = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return rows


def unit(rows: Vectors) -> Vectors:
    result: Vectors = rows / np.linalg.norm(rows, axis=-1, keepdims=True)
    return result


def space_with(dimension: int, length: float = 0.3, seed: int = 0) -> Space:
    """A space whose eight means are all different."""
    means = iter(length * unit(drawn(seed, len(KINDS) * len(LANGS), dimension)))
    return Space({kind: {lang: next(means) for lang in LANGS} for kind in KINDS})


def signs_of(codes: Codes, dimension: int) -> Vectors:
    """The signs that codes stand for, as -1 and 1."""
    bits = np.unpackbits(codes, axis=1, count=dimension)
    return 2 * bits.astype(np.float32) - 1


# Means


def test_passages_lose_the_mean_of_their_own_language() -> None:
    space, vectors = space_with(16), unit(drawn(1, 4, 16))
    found = space.passages(vectors, ["fr", "en", "en", "fr"])
    means = space.means["passage"]
    expected = unit(vectors - np.stack([means["fr"], means["en"], means["en"], means["fr"]]))
    assert (found.shape, found.dtype.name) == ((4, 16), "float32")
    assert found == pytest.approx(expected, abs=1e-6)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(4), abs=1e-6)


def test_a_question_loses_the_mean_of_questions() -> None:
    space, vector = space_with(16), unit(drawn(1, 16))
    for lang in LANGS:
        found = space.question(vector, lang)
        assert (found.shape, found.dtype.name) == ((16,), "float32")
        assert found == pytest.approx(unit(vector - space.means["question"][lang]), abs=1e-6)


def test_a_third_language_loses_the_mean_of_both() -> None:
    space, vectors = space_with(16), unit(drawn(1, 3, 16))
    halves: dict[str, Vectors] = {
        kind: np.mean([means["fr"], means["en"]], axis=0, dtype=np.float32) for kind, means in space.means.items()
    }
    both = Space({kind: dict.fromkeys(LANGS, half) for kind, half in halves.items()})
    for lang in ("und", "de", ""):
        assert space.passages(vectors, [lang] * 3) == pytest.approx(both.passages(vectors, ["fr"] * 3), abs=1e-6)
        assert space.question(vectors[0], lang) == pytest.approx(both.question(vectors[0], "en"), abs=1e-6)
        assert np.array_equal(space.codes(vectors, lang), both.codes(vectors, "fr"))
        assert space.question_words(vectors, lang) == pytest.approx(both.question_words(vectors, "en"), abs=1e-6)


def test_the_corners_of_two_languages_become_one() -> None:
    # Each text is what it says and its language's mean, which is most of it.
    corners = {"fr": unit(drawn(1, 32)), "en": unit(drawn(2, 32))}
    said = 0.2 * unit(drawn(3, 8, 32))
    space = Space(dict.fromkeys(KINDS, corners))
    french, english = (unit(corners[lang] + said) for lang in LANGS)
    # Before, any French text is nearer to a French one than to its translation.
    assert (french @ french.T).min() > (french @ english.T).max()
    # What is said is shortened with its text, so that a little of the mean is left.
    found = space.passages(french, ["fr"] * 8) @ space.passages(english, ["en"] * 8).T
    assert found.argmax(axis=1).tolist() == list(range(8))


def test_what_is_all_mean_still_has_length_1() -> None:
    space = space_with(16, length=1)
    mean = space.means["passage"]["fr"]
    first = np.eye(16, dtype=np.float32)[0]
    assert np.array_equal(space.passages(mean[np.newaxis], ["fr"]), first[np.newaxis])
    assert np.array_equal(space.question(space.means["question"]["en"], "en"), first)


def test_a_space_survives_its_json() -> None:
    space = space_with(13)
    text = space.to_json()
    found = Space.from_json(text)
    assert {kind: list(means) for kind, means in found.means.items()} == {kind: list(LANGS) for kind in KINDS}
    for kind, lang in product(KINDS, LANGS):
        assert np.array_equal(found.means[kind][lang], space.means[kind][lang])
        assert found.means[kind][lang].dtype == np.float32
    assert (found.dimension, found.to_json()) == (13, text)
    # Bytes of little-endian float32, whatever the machine.
    small = Space({kind: dict.fromkeys(LANGS, np.array([1, -2], dtype=">f4")) for kind in KINDS})
    assert json.loads(small.to_json()) == {kind: dict.fromkeys(LANGS, "AACAPwAAAMA=") for kind in KINDS}


# Words


@pytest.mark.parametrize(("dimension", "width"), [(384, 48), (8, 1), (9, 2), (13, 2), (1, 1)])
def test_codes_are_the_signs_of_rotated_words_less_their_mean(dimension: int, width: int) -> None:
    space, vectors = space_with(dimension), drawn(1, 5, dimension)
    found = space.codes(vectors, "en")
    assert (found.shape, found.dtype.name) == ((5, width), "uint8")
    rotated = (vectors - space.means["passage word"]["en"]) @ module._rotation(dimension)
    assert np.array_equal(signs_of(found, dimension), np.where(rotated > 0, 1, -1))
    # What fills the last byte is zeros.
    assert not np.unpackbits(found, axis=1)[:, dimension:].any()


def test_rows_of_zeros_are_left_out() -> None:
    space, vectors = space_with(16), drawn(1, 4, 16)
    vectors[[0, 2]] = 0
    assert np.array_equal(space.codes(vectors, "fr"), space.codes(vectors[[1, 3]], "fr"))
    assert np.array_equal(space.question_words(vectors, "fr"), space.question_words(vectors[[1, 3]], "fr"))
    for nothing in (np.zeros((3, 16), dtype=np.float32), np.zeros((0, 16), dtype=np.float32)):
        assert (space.codes(nothing, "fr").shape, space.codes(nothing, "fr").dtype.name) == ((0, 2), "uint8")
        assert space.question_words(nothing, "fr").shape == (0, 16)


def test_the_words_of_a_question_are_rotated_less_their_mean_and_of_length_1() -> None:
    space, vectors = space_with(48), 7 * drawn(1, 5, 48)
    found = space.question_words(vectors, "en")
    expected = unit(vectors - space.means["question word"]["en"])
    assert (found.shape, found.dtype.name) == ((5, 48), "float32")
    assert found @ module._rotation(48).T == pytest.approx(expected, abs=1e-5)
    assert np.linalg.norm(found, axis=1) == pytest.approx(np.ones(5), abs=1e-5)


@pytest.mark.parametrize("dimension", [1, 13, 384])
def test_the_rotation_keeps_lengths_and_angles(dimension: int) -> None:
    rotation = module._rotation(dimension)
    assert (rotation.shape, rotation.dtype.name) == ((dimension, dimension), "float32")
    assert rotation @ rotation.T == pytest.approx(np.eye(dimension), abs=1e-5)


def test_the_rotation_is_the_same_in_every_process_and_in_every_release() -> None:
    code = "from index.space import _rotation; print(_rotation(3).round(4).tolist())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    # The signs in every index were made with it.
    assert done.stdout == f"{module._rotation(3).round(4).tolist()}\n"
    assert module._rotation(3) == pytest.approx(np.array(ROTATION), abs=1e-4)


ROTATION = [[0.58684, -0.48538, 0.64809], [0.74547, 0.63631, -0.19845], [0.31606, -0.59959, -0.73525]]


def test_the_estimate_from_signs_is_close_to_the_cosine() -> None:
    dimension = 384
    space = Space({kind: dict.fromkeys(LANGS, np.zeros(dimension, dtype=np.float32)) for kind in KINDS})
    question, other = unit(drawn(1, 500, dimension)), unit(drawn(2, 500, dimension))
    wanted = np.linspace(-1, 1, 500, dtype=np.float32)[:, np.newaxis]
    across = unit(other - (other * question).sum(axis=1, keepdims=True) * question)
    passage: Vectors = (wanted * question + np.sqrt(1 - wanted**2) * across).astype(np.float32)
    rotated, codes = space.question_words(question, "fr"), space.codes(passage, "fr")
    found = np.array([matches(rotated[[n]], [codes[[n]]]).item() for n in range(500)])
    # For directions drawn by lot the factor is the mean of |x| of a normal variable, and the variance is below 1 / 384.
    error = found / np.sqrt(2 / np.pi) - wanted[:, 0]
    assert abs(error.mean()) < 4 / np.sqrt(384 * 500)
    assert error.std() < 1 / np.sqrt(384)
    assert np.abs(error).max() < 4.5 / np.sqrt(384)


# Matches


def plainly(question: Vectors, codes: Sequence[Codes]) -> list[list[float]]:
    dimension = question.shape[1]
    found = []
    for passage in codes:
        row = []
        for word in question:
            best = -np.inf
            for signs in signs_of(passage, dimension):
                best = max(best, sum(float(a) * float(b) for a, b in zip(word, signs, strict=True)) / dimension**0.5)
            row.append(best)
        found.append(row)
    return found


@given(
    dimension=st.sampled_from([1, 7, 8, 12]),
    words=st.integers(1, 4),
    passages=st.lists(st.integers(1, 5), min_size=1, max_size=6),
    seed=st.integers(0, 2**32 - 1),
)
def test_matches_are_those_of_a_plain_loop(dimension: int, words: int, passages: list[int], seed: int) -> None:
    lot = np.random.default_rng(seed)
    question = unit(lot.standard_normal((words, dimension)).astype(np.float32))
    codes = [np.packbits(lot.integers(0, 2, (count, dimension), dtype=np.uint8), axis=1) for count in passages]
    found = matches(question, codes)
    assert (found.shape, found.dtype.name) == ((len(passages), words), "float32")
    assert found == pytest.approx(np.array(plainly(question, codes)), abs=1e-5)


def test_a_passage_with_the_words_of_the_question_matches_them_better_than_another() -> None:
    encoder = HashingEncoder(dimension=384)
    space = estimate(encoder)
    asked, texts = "qui forme des pilotes", ["Varsovie forme des pilotes", "la recette des crêpes", "forme"]
    question = space.question_words(encoder.read_query(asked, word_spans(asked)).words, "fr")
    readings = encoder.read_passages(texts, [word_spans(text) for text in texts])
    found = matches(question, [space.codes(one.words, "fr") for one in readings])
    # qui, forme, des, pilotes: each column's best is where the word stands.
    assert found.shape == (3, 4)
    assert found[:, 1].argsort().tolist()[0] == 1
    assert min(found[0, 1], found[2, 1]) > found[1, 1] + 0.4
    assert found[0, 3] > found[[1, 2], 3].max() + 0.4
    assert found[0, 2] == pytest.approx(found[1, 2])


def test_words_stand_where_they_do_in_the_text() -> None:
    text = "🙂 Qu’a dit l’Élysée, à 18h30 ?"
    assert [text[start:end] for start, end in word_spans(text)] == ["a", "dit", "Élysée", "à", "18h30"]
    assert word_spans("?! 🙂 …") == word_spans("") == []


def test_stop_words_of_the_language_are_left_out_unless_there_is_nothing_else() -> None:
    text = "Le texte dit the end."
    assert [text[start:end] for start, end in content_spans(text, "fr")] == ["texte", "dit", "the", "end"]
    assert [text[start:end] for start, end in content_spans(text, "en")] == ["Le", "texte", "dit", "end"]
    assert content_spans("Il est là", "fr") == word_spans("Il est là") != []
    assert content_spans("", "fr") == []


# The space of a model


def test_the_space_of_a_model_is_the_mean_of_texts_of_each_language() -> None:
    encoder = HashingEncoder()
    space = estimate(encoder)
    texts = sample_texts(96, seed=3)
    expected: dict[str, dict[str, Vectors]] = {kind: {} for kind in KINDS}
    for first, lang in enumerate(LANGS):
        own = texts[first::2]
        for kind, spans in (
            ("question", [word_spans(text) for text in own]),
            ("passage", [content_spans(text, lang) for text in own]),
        ):
            expected[kind][lang] = encoder.encode_passages(own).mean(axis=0)
            words = np.concatenate([one.words for one in encoder.read_passages(own, spans)])
            # The longest French texts go beyond the limit of the model.
            assert ((~words.any(axis=1)).sum() > 0) == (lang == "fr")
            expected[f"{kind} word"][lang] = words[words.any(axis=1)].mean(axis=0)
    assert (space.dimension, set(space.means)) == (256, set(KINDS))
    for kind, lang in product(KINDS, LANGS):
        assert space.means[kind][lang] == pytest.approx(expected[kind][lang], abs=1e-6)
        assert (space.means[kind][lang].shape, space.means[kind][lang].dtype.name) == ((256,), "float32")
    assert space.to_json() == estimate(HashingEncoder()).to_json() == space_of(HashingEncoder()).to_json()


def test_questions_have_means_of_their_own() -> None:
    class Doubling(HashingEncoder):
        """Reads a question otherwise than a passage, as models with prefixes do."""

        def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
            return [Reading(2 * one.vector, 2 * one.words) for one in super().read_queries(texts, spans)]

    plain, doubled = estimate(HashingEncoder()), estimate(Doubling())
    for kind, lang in product(KINDS, LANGS):
        times = 2 if kind.startswith("question") else 1
        assert np.array_equal(doubled.means[kind][lang], times * plain.means[kind][lang])


def test_a_model_that_gives_no_words_has_a_space_without_them() -> None:
    class Wordless(HashingEncoder):
        def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
            return [Reading(one.vector, 0 * one.words) for one in super().read_passages(texts, spans)]

    plain, wordless = estimate(HashingEncoder()), estimate(Wordless())
    for kind, lang in product(KINDS, LANGS):
        gone = 0 if kind.endswith("word") else 1
        assert np.array_equal(wordless.means[kind][lang], gone * plain.means[kind][lang])
    assert wordless.codes(np.zeros((4, 256), dtype=np.float32), "fr").shape == (0, 32)


def measured(folder: Path, name: str, revision: str, space: Space) -> None:
    means = json.loads(space.to_json())
    (folder / f"{name}.space.json").write_text(json.dumps({"revision": revision, "means": means}), encoding="utf-8")


def test_a_model_has_the_means_that_were_measured_with_its_own_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_FOLDER", tmp_path)
    encoder, known = HashingEncoder(), space_with(256)
    assert space_of(encoder).to_json() == estimate(encoder).to_json()
    measured(tmp_path, "hashing", encoder.card.revision, known)
    assert space_of(encoder).to_json() == known.to_json()
    measured(tmp_path, "hashing", "other weights", known)
    assert space_of(encoder).to_json() == estimate(encoder).to_json()


def test_a_model_whose_name_is_a_path_is_not_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Named(HashingEncoder):
        @property
        def card(self) -> ModelCard:
            return replace(super().card, name="../hashing")

    (tmp_path / "index").mkdir()
    monkeypatch.setattr(module, "_FOLDER", tmp_path / "index")
    measured(tmp_path, "hashing", "1", space_with(256))
    assert space_of(Named()).to_json() == estimate(HashingEncoder()).to_json()


@pytest.mark.model
def test_the_languages_of_the_default_model_are_brought_together(model: Encoder) -> None:
    space = space_of(model)
    french = ["La Pologne entraîne des pilotes ukrainiens.", "Recette de la pâte à crêpes.", "Le train est en retard."]
    english = ["Poland trains Ukrainian pilots.", "A recipe for pancake batter.", "The train is late."]
    vectors = model.encode_passages(french + english)
    centred = space.passages(vectors, ["fr"] * 3 + ["en"] * 3)
    same, across = centred[:3] @ centred[3:].T, centred[:3] @ centred[:3].T
    # A translation is nearer than another text of the same language, by far.
    assert min(same.diagonal()) > max(across[~np.eye(3, dtype=bool)]) + 0.2


def test_many_passages_are_compared_as_each_alone() -> None:
    lot = np.random.default_rng(2)
    codes = [lot.integers(0, 256, (int(lot.integers(1, 90)), 6), dtype=np.uint8) for _ in range(120)]
    # One has more words than are compared at a time.
    codes.insert(60, lot.integers(0, 256, (3000, 6), dtype=np.uint8))
    question = lot.standard_normal((5, 48)).astype(np.float32)
    alone = np.concatenate([matches(question, [one]) for one in codes])
    assert matches(question, codes) == pytest.approx(alone, abs=1e-5)
