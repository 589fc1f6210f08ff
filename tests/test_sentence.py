"""sentence-transformers models of other kinds than the default one."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from embed import EmbedError, ModelCard, ModelNotFound, load
from embed.models import KnownModel
from embed.sentence import SentenceEncoder


def test_vectors_are_those_of_sentence_transformers_with_the_prefixes(small_model: Path) -> None:
    ours, theirs = load(str(small_model), "torch"), SentenceTransformer(str(small_model), device="cpu")
    texts = ["le drone", "Le Kremlin a dit : « Oui »", ""]
    passages = theirs.encode(["passage: " + text for text in texts], prompt="", normalize_embeddings=True)
    assert ours.encode_passages(texts) == pytest.approx(passages, abs=1e-6)
    query = theirs.encode("query: le drone", prompt="", normalize_embeddings=True)
    assert ours.encode_query("le drone") == pytest.approx(query, abs=1e-6)


def test_the_words_of_a_text_are_the_means_of_the_states_that_sentence_transformers_gives(small_model: Path) -> None:
    ours, theirs = load(str(small_model), "torch"), SentenceTransformer(str(small_model), device="cpu")
    texts = ["le drone de Kremlin", "drones", "Oui, le mot « drone » : 18h30", "le " * 100]
    spans = [[match.span() for match in re.finditer(r"\w+", text)] for text in texts]
    for prefix, readings in (("passage: ", ours.read_passages(texts, spans)), ("query: ", ours.read_queries(texts, spans))):
        for text, some, reading in zip(texts, spans, readings, strict=True):
            states = theirs.encode(prefix + text, prompt="", output_value="token_embeddings").numpy()
            tokens = theirs.tokenizer(prefix + text, truncation=True, max_length=64, return_offsets_mapping=True)
            assert len(tokens["offset_mapping"]) == len(states) <= 64
            for (start, end), row in zip(some, reading.words, strict=True):
                touching = [
                    state
                    for state, (first, last) in zip(states, tokens["offset_mapping"], strict=True)
                    if max(first, start + len(prefix)) < min(last, end + len(prefix))
                ]
                assert row == pytest.approx(np.mean(touching, axis=0) if touching else np.zeros(32), abs=1e-5)
    # The last text is longer than the model reads.
    seen = [bool(row.any()) for row in readings[3].words]
    assert seen == sorted(seen, reverse=True)
    assert set(seen) == {True, False}


@pytest.mark.parametrize("side", ["left", "right"])
def test_padding_is_no_part_of_the_words(small_model: Path, side: str) -> None:
    texts = ["le drone", "la mot de Kremlin passage le drone le drone le drone", "Oui"]
    spans = [[match.span() for match in re.finditer(r"\w+", text)] for text in texts]
    encoder = SentenceEncoder(small_model, "small", KnownModel(), "1", "cpu")
    encoder.model.tokenizer.padding_side = side

    def padded(texts: list[str], **options: object) -> list[dict[str, torch.Tensor]]:
        """States that say where they stand: the nth of a text is n, and what is padded is -1."""
        found = []
        encoded = encoder.model.tokenizer(texts, padding=True, return_tensors="pt")
        for mask in encoded["attention_mask"]:
            places = torch.where(mask.bool(), mask.cumsum(0) - 1, -1).float()
            found.append(
                {
                    "sentence_embedding": torch.ones(32),
                    "token_embeddings": places[:, None].repeat(1, 32),
                    "attention_mask": mask,
                }
            )
        return found

    encoder.model.encode = padded
    for text, some, reading in zip(texts, spans, encoder.read_passages(texts, spans), strict=True):
        offsets = encoder.model.tokenizer("passage: " + text, return_offsets_mapping=True)["offset_mapping"]
        for (start, end), row in zip(some, reading.words, strict=True):
            places = [n for n, (first, last) in enumerate(offsets) if max(first, start + 9) < min(last, end + 9)]
            assert row.tolist() == pytest.approx([np.mean(places)] * 32, abs=1e-5)


def test_a_default_prompt_of_the_model_is_not_added_to_ours(small_model: Path, tmp_path: Path) -> None:
    shutil.copytree(small_model, tmp_path / "model")
    (tmp_path / "model" / "config_sentence_transformers.json").write_text(
        '{"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "query"}'
    )
    ours = load(str(tmp_path / "model"), "torch")
    assert np.array_equal(ours.encode_passages(["le drone"]), load(str(small_model), "torch").encode_passages(["le drone"]))


def test_a_revision_given_by_the_caller_is_the_cards(small_model: Path) -> None:
    encoder = SentenceEncoder(small_model, "small", KnownModel("Q: ", "P: ", "MIT"), revision="r1")
    assert encoder.card == ModelCard("small", "r1", 32, 64, "query: ", "passage: ", "float32", "MIT")


def test_a_bag_of_words_is_a_model_like_another(static_model: Path) -> None:
    encoder = load(str(static_model), "torch")
    assert encoder.card == ModelCard("static-model", encoder.card.revision, 16, 512)
    texts = ["le drone", "", " \n", "la 🙂", "demi \ud83d", "drone " * 20_000]
    vectors = encoder.encode_passages(texts)
    assert (vectors.shape, vectors.dtype.name) == ((6, 16), "float32")
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(6), abs=1e-5)
    assert float(np.linalg.norm(encoder.encode_query(""))) == pytest.approx(1, abs=1e-5)
    assert encoder.count_tokens(["le drone", "", "drone " * 20_000]) == [2, 0, 20_001]
    # Its tokenizer does not say where tokens stand.
    readings = encoder.read_passages(texts, [[(0, 2), (3, 8)], [], [], [(0, 2)], [], [(0, 5)]])
    assert np.array_equal(np.stack([one.vector for one in readings]), vectors)
    assert [one.words.tolist() for one in readings] == [np.zeros((rows, 16)).tolist() for rows in (2, 0, 0, 1, 0, 1)]
    assert encoder.read_query("le drone", [(0, 2)]).words.tolist() == [[0] * 16]
    assert encoder.read_passages([], []) == []


def test_weights_in_half_precision_are_computed_in_the_precision_of_the_card(small_model: Path, tmp_path: Path) -> None:
    SentenceTransformer(str(small_model), device="cpu").half().save(str(tmp_path / "half"))
    encoder = load(str(tmp_path / "half"), "torch")
    assert encoder.card.precision == "float32"
    vectors = encoder.encode_passages(["le drone", "Kremlin", "la mot la mot"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.ones(3), abs=1e-6)
    # Not a number of 11 bits among them, as half precision would give.
    assert not np.array_equal(vectors, vectors.astype(np.float16).astype(np.float32))


def test_a_model_without_a_limit_of_its_own_keeps_to_its_positions(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    (folder / "sentence_bert_config.json").unlink()
    config = (folder / "tokenizer_config.json").read_text()
    (folder / "tokenizer_config.json").write_text(config.replace('"model_max_length": 64,', ""))
    encoder = load(str(folder), "torch")
    assert encoder.card.token_limit == 64
    assert encoder.encode_passages(["drone " * 20_000]).shape == (1, 32)


def test_a_model_whose_commit_is_not_known_is_refused_and_not_taken_for_another(small_model: Path) -> None:
    # A path in the place of a hub id: no commit belongs to it.
    with pytest.raises(ModelNotFound, match="cannot open the model"):
        SentenceEncoder(str(small_model), "small", KnownModel())


def test_a_model_that_gives_no_numbers_is_an_error_and_not_a_vector(static_model: Path, tmp_path: Path) -> None:
    broken = SentenceTransformer(str(static_model), device="cpu")
    with torch.no_grad():
        next(broken.parameters())[:] = float("nan")
    broken.save(str(tmp_path / "broken"))
    encoder = load(str(tmp_path / "broken"), "torch")
    with pytest.raises(EmbedError) as caught:
        encoder.encode_query("le drone")
    assert str(caught.value) == "the model 'broken' gave vectors that are not numbers"
