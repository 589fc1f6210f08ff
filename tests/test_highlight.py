"""The question's words in a passage."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.highlight import highlights, wanted_terms


def marked(text: str, lang: str, question: str, asked_in: str) -> list[str]:
    return [text[start:end] for start, end in highlights(text, lang, wanted_terms(question, asked_in))]


@pytest.mark.parametrize(
    ("text", "question", "expected"),
    [
        ("L’attaque de l'usine", "attaques d’usines", ["attaque", "usine"]),
        ("Les pilotes d’F-16s", "F16", ["F-16s"]),
        ("À 11 h 58, 1 000 drones", "11h58 : 1000 drones ?", ["11 h 58", "1 000", "drones"]),
        ("Le cœur de la Ville", "COEUR VILLE", ["cœur", "Ville"]),
        ("Aujourd’hui, rien.", "aujourd'hui", ["Aujourd’hui"]),
        ("Le, la, les et de.", "le la les", []),
        ("", "attaque", []),
        ("Rien de tel.", "attaque", []),
    ],
)
def test_words_are_marked_whole_and_never_with_their_article(text: str, question: str, expected: list[str]) -> None:
    assert marked(text, "fr", question, "fr") == expected


def test_a_translation_is_marked_too() -> None:
    assert marked("Des ministres ont démissionné.", "fr", "Which ministers resigned?", "en") == ["ministres", "démissionné"]
    assert marked("Firefighters were wounded.", "en", "Combien de pompiers blessés ?", "fr") == ["Firefighters", "wounded"]


def test_a_code_of_several_marked_parts_is_marked_once() -> None:
    assert marked("Un 1F-11 vole.", "fr", "1F-11", "fr") == ["1F-11"]


letters = st.text(st.sampled_from("aéL’'d16-F hœ\u0301 🙂."), max_size=40)


@given(text=letters, question=letters, lang=st.sampled_from(["fr", "en", "de", "und"]))
def test_marks_lie_in_the_text_in_order_and_never_overlap(text: str, question: str, lang: str) -> None:
    at = 0
    for start, end in highlights(text, lang, wanted_terms(question, "fr")):
        assert at <= start < end <= len(text)
        at = end
