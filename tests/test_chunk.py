"""Entries to passages."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from embed import Encoder, load
from index import chunk
from index.chunk import PASSAGE_TOKENS, context, cut


def count_words(texts: Sequence[str]) -> list[int]:
    return [len(text.split()) for text in texts]


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def count_bytes(texts: Sequence[str]) -> list[int]:
    """As a tokenizer without a vocabulary does: an emoji of one character costs four."""
    return [len(text.encode()) for text in texts]


def parts(text: str, limit: int, title: str = "") -> list[str]:
    return [text[start:end] for start, end in cut(title, text, count_words, limit)]


def test_a_short_entry_is_one_passage() -> None:
    assert parts("Un deux. Trois quatre.", 64) == ["Un deux. Trois quatre."]


def test_paragraphs_that_fit_stand_together_with_their_line_break() -> None:
    assert parts("  Un deux.\n\nTrois quatre. \n", 64) == ["Un deux.\n\nTrois quatre."]


@pytest.mark.parametrize("text", ["", "   ", "\n\u00a0\r\n"])
def test_a_text_without_letters_has_no_passages(text: str) -> None:
    assert cut("Titre", text, count_words, 64) == []


def test_a_passage_ends_between_sentences() -> None:
    assert parts("Un deux trois. Quatre cinq six. Sept huit neuf. Dix onze.", 14) == [
        "Un deux trois. Quatre cinq six.",
        "Sept huit neuf. Dix onze.",
    ]


def test_passages_of_an_entry_are_about_equally_long() -> None:
    # Ten sentences of 4 in passages of at most 16: three, and the last is no scrap of one sentence.
    text = " ".join(f"Ici on lit {number}." for number in range(10))
    assert count_words(parts(text, 24)) == [12, 16, 12]


def test_no_passage_is_longer_than_chosen_even_if_the_model_reads_more() -> None:
    text = " ".join(f"Voici la phrase numéro {number}." for number in range(200))
    counts = count_words(parts(text, 8192))
    assert max(counts) <= PASSAGE_TOKENS
    assert sum(counts) == 1000
    assert len(counts) == -(-1000 // PASSAGE_TOKENS)


def test_a_title_takes_room_from_the_text() -> None:
    text = "Un deux trois. Quatre cinq six. Sept huit."
    assert parts(text, 16) == [text]
    assert parts(text, 16, "Titre de quatre mots") == ["Un deux trois.", "Quatre cinq six.", "Sept huit."]


def test_a_title_takes_at_most_half_of_the_room() -> None:
    text = "Un deux trois quatre. Cinq six sept huit."
    assert parts(text, 16, "mot " * 40) == ["Un deux trois quatre.", "Cinq six sept huit."]


def test_a_sentence_too_long_is_cut_behind_a_clause() -> None:
    assert parts("Un deux trois quatre cinq, six sept huit neuf dix.", 14) == [
        "Un deux trois quatre cinq,",
        "six sept huit neuf dix.",
    ]
    # The comma is nearer to the middle, and the semicolon ends more.
    assert parts("Un deux trois ; quatre cinq, six sept huit neuf.", 14) == [
        "Un deux trois ;",
        "quatre cinq, six sept huit neuf.",
    ]


def test_a_quotation_too_long_is_cut_between_its_sentences() -> None:
    assert parts("« Un deux trois. Quatre cinq six. Sept huit », dit-il.", 14) == [
        "« Un deux trois. Quatre cinq six.",
        "Sept huit », dit-il.",
    ]


def test_a_sentence_without_any_mark_is_cut_between_words() -> None:
    text = " ".join(["mot"] * 20)
    found = parts(text, 14)
    assert " ".join(found) == text
    assert max(count_words(found)) <= 6


def test_a_word_too_long_is_cut_between_letters() -> None:
    text = "x" * 50
    spans = cut("", text, count_characters, 14)
    assert "".join(text[start:end] for start, end in spans) == text
    assert max(end - start for start, end in spans) <= 7


def test_a_character_that_is_too_long_by_itself_stands_alone() -> None:
    assert [end - start for start, end in cut("", "🙂🙂🙂", count_bytes, 3)] == [1, 1, 1]


def test_white_space_that_costs_tokens_is_counted() -> None:
    # Line by line these are 20 tokens; together with the breaks between them they are 39.
    text = "\n".join("a" * 20)
    spans = cut("", text, count_characters, 28)
    assert [end - start for start, end in spans] == [19, 19]


@pytest.mark.parametrize("limit", [1, 2, 3, 8, 9, 16])
def test_any_limit_will_do(limit: int) -> None:
    text = "Le Kremlin a dit : « Oui. Non. » Puis rien, ou presque."
    spans = cut("Un titre", text, count_words, limit)
    assert "".join(text[start:end] for start, end in spans).replace(" ", "") == text.replace(" ", "")


def test_the_model_reads_the_title_and_offsets_do_not_count_it() -> None:
    text = "Il a dit non."
    [(start, end)] = cut("Le Kremlin réagit", text, count_words, 64)
    assert (start, end) == (0, len(text))
    assert context("Le Kremlin réagit", text[start:end]) == "Le Kremlin réagit\nIl a dit non."


def test_a_title_that_is_a_paragraph_leaves_room_for_the_text() -> None:
    title = "Le Kremlin réagit à l’incursion. " * 100
    read = context(title, "Il a dit non.")
    assert read == f"{title[:200]}\nIl a dit non."
    assert context(title[:200], "Il a dit non.") == read


@pytest.mark.model
@pytest.mark.parametrize("title", ["", "Le Kremlin réagit", "Un titre qui n’en finit pas, " * 60])
def test_the_default_model_sees_all_of_what_it_is_given(model: Encoder, title: str, seeds: Path) -> None:
    text = next(seeds.glob("*.txt")).read_text(encoding="utf-8") * 4
    text += "\n" + "mot 🙂 " * 2000 + "\n" + "x" * 3000 + "\n" + "\n".join(f"{n}." for n in range(600))
    spans = cut(title, text, model.count_tokens, model.card.token_limit)
    passages = [text[start:end] for start, end in spans]
    assert "".join("".join(passages).split()) == "".join(text.split())
    read = model.count_tokens([model.card.passage_prefix + context(title, passage) for passage in passages])
    # With <s> and </s>.
    assert max(read) + 2 <= model.card.token_limit
    assert max(model.count_tokens(passages)) <= PASSAGE_TOKENS


def test_a_model_of_few_tokens_sees_all_of_what_it_is_given(small_model: Path) -> None:
    encoder = load(str(small_model), "torch")
    text = "Le Kremlin : « Oui, le drone ! La mot. » Oui. " * 30
    title = "le drone"
    spans = cut(title, text, encoder.count_tokens, encoder.card.token_limit)
    read = encoder.count_tokens([encoder.card.passage_prefix + context(title, text[a:b]) for a, b in spans])
    assert max(read) + 2 <= encoder.card.token_limit == 64
    # Nor is it cut finer than needed.
    assert len(spans) <= 1.5 * encoder.count_tokens([text])[0] / (64 - chunk._RESERVE - 2)
