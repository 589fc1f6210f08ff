"""What a question asks for, and whether it is one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.question import Kind, is_question, kind_of, names, questions

KINDS = [
    ("fr", "Quand le pont a-t-il rouvert ?", Kind.TIME),
    ("fr", "À quelle heure la sirène a-t-elle retenti ?", Kind.TIME),
    ("fr", "En quelle année l’usine a-t-elle fermé ?", Kind.TIME),
    ("fr", "Depuis quand attend-on ?", Kind.TIME),
    ("fr", "Combien de personnes manifestent ?", Kind.NUMBER),
    ("fr", "Quel est le bilan de l’attaque ?", Kind.NUMBER),
    ("fr", "quelle est la température à Brest", Kind.NUMBER),
    ("fr", "Où les réfugiés sont-ils accueillis ?", Kind.PLACE),
    ("fr", "Dans quelle ville la réunion se tient-elle ?", Kind.PLACE),
    ("fr", "Qui a signé l’accord ?", Kind.PERSON),
    ("fr", "Quels députés ont démissionné ?", Kind.PERSON),
    ("fr", "Quel diplomate a assisté à l’audience ?", Kind.PERSON),
    ("fr", "Quelle entreprise a vendu le terrain ?", Kind.PERSON),
    ("fr", "Pourquoi la route est-elle fermée ?", Kind.OTHER),
    ("fr", "Quel accord a été signé ?", Kind.OTHER),
    ("fr", "Ou est le pont ?", Kind.OTHER),
    ("en", "When did the bridge reopen?", Kind.TIME),
    ("en", "What time did the siren sound?", Kind.TIME),
    ("en", "In which year did the plant close?", Kind.TIME),
    ("en", "How many people are marching?", Kind.NUMBER),
    ("en", "How old is the bridge?", Kind.NUMBER),
    ("en", "What was the death toll of the attack?", Kind.NUMBER),
    ("en", "Where are refugees taken in?", Kind.PLACE),
    ("en", "In which city is the meeting held?", Kind.PLACE),
    ("en", "Who signed the deal?", Kind.PERSON),
    ("en", "Whose plane was it?", Kind.PERSON),
    ("en", "Which two French ministers resigned?", Kind.PERSON),
    ("en", "Which ambassadors were expelled?", Kind.PERSON),
    ("en", "How did the fire start?", Kind.OTHER),
    ("en", "Which deal was signed?", Kind.OTHER),
]


@pytest.mark.parametrize(("lang", "question", "kind"), KINDS)
def test_the_interrogative_and_its_noun_tell_what_is_asked_for(lang: str, question: str, kind: Kind) -> None:
    assert kind_of(question, lang) is kind


ASKED = [
    ("fr", "Qui a signé l’accord"),
    ("fr", "a qui appartient l'avion"),
    ("fr", "Le pont a-t-il rouvert"),
    ("fr", "c’est quoi un drone"),
    ("fr", "qu'a dit le maire"),
    ("fr", "ou en est le pont"),
    ("fr", "Donne-moi le bilan"),
    ("fr", "bilan ?"),
    ("fr", "Le pont est fermé ? »"),
    ("en", "who signed the deal"),
    ("en", "In which city is the meeting held"),
    ("en", "is the bridge open"),
    ("en", "tell me who signed the deal"),
    ("en", "toll?"),
]
NOT_ASKED = [
    ("fr", "bilan attaque Dnipro"),
    ("fr", "Le pont a rouvert mardi."),
    ("fr", "« Profonde préoccupation » du Kremlin"),
    ("fr", "Qu’ils s’en aillent !"),
    ("fr", "où va le monde…"),
    ("fr", "« »"),
    ("en", "death toll Dnipro"),
    ("en", "The bridge reopened on Tuesday."),
    ("en", "What a day!"),
    ("en", "…"),
]


@pytest.mark.parametrize(("lang", "text"), ASKED)
def test_a_question_needs_no_mark(lang: str, text: str) -> None:
    assert is_question(text, lang)


@pytest.mark.parametrize(("lang", "text"), NOT_ASKED)
def test_keywords_headlines_and_exclamations_ask_nothing(lang: str, text: str) -> None:
    assert not is_question(text, lang)


@pytest.mark.parametrize(
    ("text", "apart"),
    [
        ("Qui ?", ["Qui ?"]),
        ("Qui ? Où ?", ["Qui ?", "Où ?"]),
        ("Qui a signé ?? Et pourquoi", ["Qui a signé ??", "Et pourquoi"]),
        ("Who said « why not? » in May?", ["Who said « why not? » in May?"]),
        ("Qui a dit “où ?” hier ?", ["Qui a dit “où ?” hier ?"]),
        ('Who asked "who?" first? And when?', ['Who asked "who?" first?', "And when?"]),
        ("Qui ? !", ["Qui ?"]),
        ("bilan attaque", ["bilan attaque"]),
        ("", []),
        ("???", []),
    ],
)
def test_several_questions_are_told_apart(text: str, apart: list[str]) -> None:
    assert questions(text) == apart


NAMES = [
    (Kind.NUMBER, "Combien de morts en 2023 ?", "Douze personnes sont mortes.", True),
    (Kind.NUMBER, "Combien de morts en 2023 ?", "En 2023, 12 personnes sont mortes.", True),
    (Kind.NUMBER, "Combien de morts en 2023 ?", "En 2023, des personnes sont mortes.", False),
    (Kind.NUMBER, "How many died?", "Dozens of people died.", True),
    (Kind.NUMBER, "How many drones?", "The F-16s came.", False),
    (Kind.TIME, "Quand le pont a-t-il rouvert ?", "Il a rouvert mardi.", True),
    (Kind.TIME, "Quand le pont a-t-il rouvert ?", "Il a rouvert à 14 h 30.", True),
    (Kind.TIME, "Quand le pont a-t-il rouvert ?", "Il a rouvert au XIXe siècle.", True),
    (Kind.TIME, "Quand le pont rouvre-t-il ?", "Il rouvre aujourd’hui.", True),
    (Kind.TIME, "Quand le pont a-t-il rouvert mardi ?", "Il a rouvert mardi.", False),
    (Kind.TIME, "When did it reopen?", "It reopened at 7.30 p.m., he said.", True),
    (Kind.TIME, "When did it reopen?", "It reopened.", False),
    (Kind.TIME, "Quand le pont a-t-il rouvert ?", "Il a rouvert à 18 heures 30.", True),
    (Kind.TIME, "À quelle heure le pont a-t-il rouvert ?", "Il a rouvert mardi vers 18 heures.", True),
    (Kind.TIME, "À quelle heure le pont a-t-il rouvert ?", "Il est resté fermé trois heures.", False),
    (Kind.TIME, "A QUELLE HEURE ?", "Il a rouvert à midi.", True),
    (Kind.TIME, "What time did it reopen?", "It reopened at six o’clock.", True),
    (Kind.TIME, "At what time of year did it reopen?", "It reopened in May.", True),
    (Kind.TIME, "In which year did it reopen?", "It reopened in 1957.", True),
    (Kind.TIME, "Which day did it reopen?", "It reopened on Tuesday.", True),
    (Kind.PERSON, "Qui a signé l’accord à Paris ?", "Selon lui, c’est Josep Borrell qui signe.", True),
    (Kind.PERSON, "Qui a signé l’accord à Paris ?", "L’accord a été signé à Paris.", False),
    (Kind.PLACE, "Where is Gladkov?", "He said that Gladkov is in Moscow.", True),
    (Kind.PLACE, "Where is Gladkov?", "He said that Gladkov is away.", False),
    (Kind.OTHER, "Pourquoi ?", "En 2023, à Paris.", False),
]


@pytest.mark.parametrize(("kind", "question", "text", "named"), NAMES)
def test_a_sentence_names_what_is_asked_for_unless_the_question_did(kind: Kind, question: str, text: str, named: bool) -> None:
    assert names(kind, question, text) is named


@given(st.text(max_size=80), st.text(max_size=80), st.sampled_from(["fr", "en"]))
def test_any_text_is_asked_about(question: str, text: str, lang: str) -> None:
    assert isinstance(names(kind_of(question, lang), question, text), bool)
    assert isinstance(is_question(question, lang), bool)
    apart = questions(question)
    # Nothing is lost between them but white space and marks.
    kept = [character for one in apart for character in one if character.isalnum()]
    assert kept == [character for character in question if character.isalnum()]
