"""What spans and offsets promise, on texts of any kind."""

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from embed.hashing import HashingEncoder
from index.chunk import _RESERVE, PASSAGE_TOKENS, CountTokens, cut
from index.sentences import Span, sentences
from index.terms import fold, passage_terms, question_terms, without_accents, words

PIECES = """Le la L’armée l'attaque lʼo aujourd’hui qu’il D'AUJOURD'HUI Kremlin été ÉLYSÉE Œuvre cœur garçon naïf
e\u0301te\u0301 A\u0300 M. Mme. Dr. J.-P. art. 5 U.S. l’O.N.U. e.g. F-16 F-16s F16 A320-200 Covid-19 porte-parole a-t-il
11h58 11:58 1.58pm 1\u202f000 1\u00a0000 3,5 2023 « » “ ” ‘ ’ ' " ( ) [ ] . ! ? … ... , ; : – — - _ 🙂 👩‍🚀 🇫🇷 日本語 кириллица
\u0301 ﾞ ʼ Russia's don't the with pilots Who x'ʼy ʼtwas \u200b \ufeff \x00""".split()
SPACES = [" ", " ", " ", "  ", "\n", "\r\n", "\n\n", "\u00a0", "\u202f", "\t", "\u2028", "", "\x0b", "\x85"]


@st.composite
def written(draw: st.DrawFn) -> str:
    """French and English news as pages have it, and what pages should not have."""
    piece = (
        st.sampled_from(PIECES)
        | st.text(max_size=6)
        | st.builds(lambda c, n: c * n, st.sampled_from("aé.🙂»x1-'"), st.integers(1, 80))
    )
    pairs = draw(st.lists(st.tuples(piece, st.sampled_from(SPACES)), max_size=60))
    return "".join(piece + space for piece, space in pairs)


def covered(text: str, spans: Sequence[Span]) -> None:
    """Spans lie within the text, in order and apart, begin and end with letters, and leave out white space only."""
    at = 0
    for start, end in spans:
        assert at <= start < end <= len(text)
        assert not text[at:start].strip()
        assert not text[start].isspace()
        assert not text[end - 1].isspace()
        at = end
    assert not text[at:].strip()


@given(written())
@example("Sommaire ............... 12. « Oui. » Non")
@settings(max_examples=300, deadline=None)
def test_sentences_cover_every_letter_once_and_in_order(text: str) -> None:
    spans = sentences(text)
    covered(text, spans)
    assert all("\n" not in text[start:end] and "\r" not in text[start:end] for start, end in spans)


def count_characters(texts: Sequence[str]) -> list[int]:
    return [len(text) for text in texts]


def count_bytes(texts: Sequence[str]) -> list[int]:
    return [len(text.encode("utf-8", "surrogatepass")) for text in texts]


def count_odd_words(texts: Sequence[str]) -> list[int]:
    """A counter for which a whole costs more than its parts, as happens where tokens are merged across words."""
    return [3 * len(text.split()) + len(text) // 5 for text in texts]


@pytest.mark.parametrize("count", [HashingEncoder().count_tokens, count_characters, count_bytes, count_odd_words])
@given(text=written(), title=st.sampled_from(["", "Titre", "Un titre bien plus long que d’autres"]), limit=st.integers(1, 150))
@settings(max_examples=150, deadline=None)
def test_passages_cover_every_letter_once_and_keep_to_the_limit(count: CountTokens, text: str, title: str, limit: int) -> None:
    spans = cut(title, text, count, limit)
    covered(text, spans)
    room = max(limit - _RESERVE, limit // 2, 1)
    taken = min(count([title])[0], room // 2) if title else 0
    budget = max(min(room - taken, PASSAGE_TOKENS), 1)
    for start, end in spans:
        assert count([text[start:end]])[0] <= budget or end - start == 1


@given(text=written(), title=st.sampled_from(["", "Titre"]))
@settings(max_examples=50, deadline=None)
def test_the_same_text_is_cut_in_the_same_places(text: str, title: str) -> None:
    once, again = (cut(title, text, count_characters, 60) for _ in range(2))
    assert once == again


@given(written())
@settings(max_examples=300, deadline=None)
def test_offsets_of_words_point_at_the_word(text: str) -> None:
    for word in words(text):
        assert 0 <= word.start < word.end <= len(text)
        found = text[word.start : word.end]
        assert not found[0].isspace()
        assert not found[-1].isspace()
        assert word.form
        # The letters of the form are those of the text; times, numbers and plurals of codes are respelled.
        if not any(character.isdigit() for character in word.form):
            assert fold(found).replace(".", "").replace("-", "") == word.form


@given(written())
@settings(max_examples=300, deadline=None)
def test_words_end_in_order(text: str) -> None:
    # A code such as F-16 follows its parts.
    ends = [word.end for word in words(text)]
    assert ends == sorted(ends)


@given(text=written(), lang=st.sampled_from(["fr", "en", "de", "und"]))
@settings(max_examples=300, deadline=None)
def test_every_term_of_a_passage_is_a_term_of_the_same_question(text: str, lang: str) -> None:
    wanted = passage_terms(text, lang)
    assert set(wanted) <= set(question_terms(text, lang))
    assert all(term.removeprefix(f"{lang}:") for term in wanted)
    assert len(question_terms(text, lang)) == len(set(question_terms(text, lang)))


@given(text=written(), lang=st.sampled_from(["fr", "en"]), asked=st.sampled_from(["fr", "en"]))
@settings(max_examples=200, deadline=None)
def test_a_question_in_the_other_language_misses_its_own_stop_words_only(text: str, lang: str, asked: str) -> None:
    missed = set(passage_terms(text, lang)) - set(question_terms(text, asked))
    stopped = {
        term
        for word in words(text)
        for term in passage_terms(text[word.start : word.end], lang)
        if not passage_terms(text[word.start : word.end], asked)
    }
    assert missed <= stopped


@given(written())
@settings(max_examples=200, deadline=None)
def test_case_and_the_kind_of_apostrophe_change_no_term(text: str) -> None:
    plain = text.replace("ʼ", "’").replace("\u0301", "")
    assert passage_terms(plain.replace("’", "'"), "fr") == passage_terms(plain, "fr")


@given(st.text("abcdéàçœ", min_size=1, max_size=12))
@settings(max_examples=100, deadline=None)
def test_a_word_without_its_accents_is_itself(word: str) -> None:
    assert without_accents(without_accents(word)) == without_accents(word)
    assert len(without_accents(word)) == len(word)
