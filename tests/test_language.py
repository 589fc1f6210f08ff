"""French or English?"""

from concurrent.futures import ThreadPoolExecutor

import pytest

from index.language import entry_language, question_language

FRENCH = [
    "Qui a revendiqué l'attaque de Belgorod ?",
    "Où se trouve le Premier ministre russe ?",
    "Quel pays forme des pilotes ukrainiens ?",
    "Qu'a dit Dmitri Peskov ?",
    "QU’A DIT DMITRI PESKOV ?",
    "ou est le premier ministre russe",
    "Combien de drones ?",
    "Ou\u0300 a e\u0301te\u0301 initie\u0301e la Re\u0301volution industrielle ?",
]
ENGLISH = [
    "Who claimed the Belgorod attack?",
    "Where is the Russian prime minister and whom will he meet?",
    "Which country has started training Ukrainian pilots on F-16s?",
    "What did the Kremlin say about the incursion?",
    "Were there casualties in the drone attacks?",
    "What share does China have in Russian energy exports?",
    "WHO CLAIMED THE ATTACK?",
    "how many drones",
]


def test_questions_are_told_apart() -> None:
    assert [question_language(text) for text in FRENCH] == ["fr"] * len(FRENCH)
    assert [question_language(text) for text in ENGLISH] == ["en"] * len(ENGLISH)


@pytest.mark.parametrize(
    "text", ["", "   ", "?", "F-16", "11h58", "🙂", "\x00", "\ud83d", "日本語", "Wer hat das getan?", "a" * 1_000_000]
)
def test_a_question_is_french_or_english_whatever_it_is(text: str) -> None:
    assert question_language(text) in {"fr", "en"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Le Kremlin a exprimé mardi sa « profonde préoccupation ».", "fr"),
        ("LE KREMLIN A EXPRIMÉ SA PROFONDE PRÉOCCUPATION", "fr"),
        ("The Kremlin expressed “deep concern” on Tuesday.", "en"),
        ("Der Kreml hat am Dienstag seine tiefe Besorgnis geäußert.", "de"),
        ("Le Kremlin\na exprimé\r\nsa profonde préoccupation", "fr"),
        ("Quand a e\u0301te\u0301 cre\u0301e\u0301e la RSSM ?", "fr"),
        ("\x00Le Kremlin a exprimé sa préoccupation\ud83d", "fr"),
        ("Le Kremlin a exprimé sa préoccupation. " * 10_000, "fr"),
        # A third language only when the guess is a sure one.
        ("Nouveaux CD de Debian disponibles", "fr"),
        ("Remove tables", "en"),
        ("Guten Morgen", "de"),
        ("Buongiorno a tutti", "it"),
        # Nothing to tell it from.
        ("", "und"),
        ("12:30", "und"),
        ("🙂🙂🙂", "und"),
        ("« … » – 1 000", "und"),
        ("ok", "und"),
        ("\ud83d\udc00", "und"),
        ("1" * 1000 + " Le Kremlin a exprimé", "und"),
    ],
    ids=range(19),
)
def test_an_entry_has_the_language_it_is_written_in(text: str, expected: str) -> None:
    assert entry_language(text) == expected


def test_several_threads_find_the_same() -> None:
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(question_language, (FRENCH + ENGLISH) * 20)) == (["fr"] * 8 + ["en"] * 8) * 20


def test_an_entry_is_read_beyond_its_first_words() -> None:
    # Eighty characters of names and figures, as many entries begin.
    lead = "Live Belgorod, 23 mai 2023, 11:58 - Kyiv Post, Reuters, AFP, BBC News, Sky News : "
    assert len(lead) > 80
    text = "la situation reste tendue dans la région, où les habitants attendent toujours de pouvoir rentrer chez eux."
    assert entry_language(lead + text) == "fr"
