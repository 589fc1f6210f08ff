"""Words and terms: French and English typography, the same for passages and questions."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from index.terms import fold, passage_terms, question_terms, without_accents, words


def forms(text: str) -> list[str]:
    return [word.form for word in words(text)]


def places(text: str) -> list[str]:
    return [text[word.start : word.end] for word in words(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # Elision, with both apostrophes and the one that Unicode calls a letter.
        ("l'attaque", ["attaque"]),
        ("l’attaque", ["attaque"]),
        ("lʼattaque", ["attaque"]),
        ("L’ATTAQUE", ["attaque"]),
        ("qu'il", ["il"]),
        ("jusqu’à", ["à"]),
        ("lorsqu’elle puisqu'un quoiqu’on", ["elle", "un", "on"]),
        ("presqu’île", ["île"]),
        ("qu’est-ce", ["est", "ce"]),
        ("n’a-t-il", ["il"]),
        ("d'aujourd'hui", ["aujourdhui"]),
        ("aujourd’hui", ["aujourdhui"]),
        ("Aujourdʼhui", ["aujourdhui"]),
        ("prud’hommes", ["prudhommes"]),
        ("O’Brien", ["obrien"]),
        ("o'clock", ["oclock"]),
        ("rock’n’roll", ["rock", "roll"]),
        # What an apostrophe ends.
        ("Russia's", ["russia"]),
        ("Russia’s", ["russia"]),
        ("pilots’ ‘words’", ["pilots", "words"]),
        ("ʼtwas", ["twas"]),
        ("ʼ", []),
        ("ʼʼʼ a", ["a"]),
        ("x'ʼy", ["x", "y"]),
        # Ligatures and compatibility forms.
        ("cœur Œuvre œ", ["coeur", "oeuvre", "oe"]),
        ("ex æquo Æ", ["ex", "aequo", "ae"]),
        ("ﬁn", ["fin"]),
        ("Ｆｕｌｌ", ["full"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        # Composed and decomposed.
        ("e\u0301te\u0301", ["été"]),
        ("ÉTÉ", ["été"]),
        ("garc\u0327on", ["garçon"]),
        # Hyphens of three kinds.
        ("porte-parole", ["porte", "parole"]),
        ("porte‑parole porte‐parole", ["porte", "parole", "porte", "parole"]),
        ("a-t-il", ["il"]),
        ("T-shirt", ["shirt"]),
        ("- tiret -", ["tiret"]),
        ("vingt-et-un-", ["vingt", "et", "un"]),
        # Numbers.
        ("1 000", ["1000"]),
        ("1\u00a0000", ["1000"]),
        ("1\u202f000\u202f000", ["1000000"]),
        ("1,000 1.000", ["1000", "1000"]),
        ("3,5 3.5", ["3.5", "3.5"]),
        ("10 000,50", ["10000", "50"]),
        ("en 2023, 400", ["en", "2023", "400"]),
        ("2022-2023", ["2022", "2023"]),
        ("1er 2e 20h", ["1er", "2e", "20h"]),
        ("100km", ["100km"]),
        # Times.
        ("11h58", ["11h58"]),
        ("11 h 58", ["11h58"]),
        ("11\u00a0h\u00a058", ["11h58"]),
        ("11\u202fh\u202f58", ["11h58"]),
        ("11H58", ["11h58"]),
        ("11:58", ["11h58"]),
        ("7h05 7:05 07:05", ["07h05", "07h05", "07h05"]),
        ("11.58am 11:58 am 11.58 a.m.", ["11h58", "11h58", "11h58"]),
        ("1.58pm 1:58\u00a0p.m. 01:58PM", ["13h58", "13h58", "13h58"]),
        ("12:05am 12:05pm", ["00h05", "12h05"]),
        ("25h61", ["25h61"]),
        ("13:05 pm", ["13h05", "pm"]),
        ("11:580", ["11", "580"]),
        # Codes.
        ("F-16", ["16", "f16"]),
        ("F16", ["f16"]),
        ("F-16s", ["16", "f16"]),
        ("F16s", ["f16"]),
        ("l’A320-200", ["a320", "200", "a320200"]),
        ("Covid-19", ["covid", "19", "covid19"]),
        ("S-400", ["400", "s400"]),
        # Initials.
        ("U.S.", ["us"]),
        ("O.N.U.", ["onu"]),
        ("l’O.N.U.", ["onu"]),
        ("d'O.N.G.", ["ong"]),
        ("qu’U.S.", ["us"]),
        ("U.S.A", ["usa"]),
        ("U.S.A.", ["usa"]),
        ("the U.S.A today", ["the", "usa", "today"]),
        ("fin.Début", ["fin", "début"]),
        # What is no word.
        ("", []),
        (" … – « » 🙂 _ ", []),
        ("\x00\ud83d", []),
        ("snake_case", ["snake", "case"]),
        ("🙂drone🙂", ["drone"]),
    ],
)
def test_a_text_falls_into_words(text: str, expected: list[str]) -> None:
    assert forms(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("l’Œuvre de 11 h 58", ["Œuvre", "de", "11 h 58"]),
        ("« L'armée » a\u00a0dit", ["armée", "a", "dit"]),
        ("e\u0301lus 🙂 d’Oie", ["e\u0301lus", "Oie"]),
        ("l’O.N.U. et les F-16s", ["O.N.U.", "et", "les", "16s", "F-16s"]),
        ("d’aujourd’hui", ["aujourd’hui"]),
        ("porte-parole de Russia’s", ["porte", "parole", "de", "Russia"]),
        ("x'ʼy", ["x", "y"]),
        ("à 1:58 p.m., 1 000", ["à", "1:58 p.m.", "1 000"]),
    ],
)
def test_offsets_point_at_the_word_without_what_was_elided(text: str, expected: list[str]) -> None:
    assert places(text) == expected


def test_a_text_made_to_be_slow_is_read_like_another() -> None:
    # Each took the square of its length, or the recursion limit.
    assert forms("a'" * 20_000 + "fin")[-1] == "fin"
    assert forms("l'" * 20_000 + "fin") == ["fin"]
    assert forms("a" + "1" * 100_000) == ["a" + "1" * 100_000]
    assert len(forms("xy-" * 20_000 + "z1")) == 20_002


@pytest.mark.parametrize(
    ("question", "passage", "lang"),
    [
        ("Qui a revendiqué l'attaque ?", "revendiqué l’attaque", "fr"),
        ("les F-16s", "des F16", "fr"),
        ("the F-16s", "un F-16", "fr"),
        ("à 11 h 58", "11:58", "en"),
        ("à 13h58", "at 1.58pm", "en"),
        ("1000 drones", "1 000 drones", "fr"),
        ("L'ONU", "l’O.N.U.", "fr"),
        ("U.S.A.", "USA", "en"),
        ("elections", "élections", "fr"),
        ("l'ete\u0301 prochain", "prochain", "fr"),
        ("soeur", "sœurs", "fr"),
        ("PILOTES UKRAINIENS", "pilote ukrainien", "fr"),
        ("Ukrainian pilots", "a Ukrainian pilot", "en"),
        ("Kremlin's reaction", "Kremlin reactions", "en"),
    ],
)
def test_a_question_finds_what_is_spelled_otherwise(question: str, passage: str, lang: str) -> None:
    wanted = set(passage_terms(passage, lang))
    for asked in ("fr", "en"):
        assert wanted <= set(question_terms(question, asked))


def test_terms_carry_the_language_whose_rules_were_used() -> None:
    assert passage_terms("Les attaques des drones", "fr") == ["fr:attaqu", "fr:dron"]
    assert passage_terms("The attacks of the drones", "en") == ["en:attack", "en:drone"]
    assert passage_terms("Die Angriffe der Drohnen", "de") == ["die", "angriffe", "der", "drohnen"]
    assert passage_terms("Les F-16 à 11h58", "fr") == ["16", "f16", "11h58"]


def test_a_passages_terms_are_repeated_and_a_questions_are_not() -> None:
    assert passage_terms("drone, drone et drones", "fr") == ["fr:dron", "fr:dron", "fr:dron"]
    assert question_terms("drone drone", "fr") == ["fr:dron", "en:drone", "drone"]


def test_stop_words_of_the_questions_language_are_left_out_everywhere() -> None:
    assert question_terms("Où est la Pologne ?", "fr") == ["fr:pologn", "en:pologn", "pologne"]
    assert question_terms("Who is the president?", "en") == ["en:presid", "fr:president", "president"]
    # An English stop word is an ordinary word of a French question, and still no English term.
    assert question_terms("the", "fr") == ["fr:the", "the"]


def test_stop_words_are_known_by_their_letters_without_accents() -> None:
    assert passage_terms("À où été déjà", "fr") == ["fr:deja"]


@pytest.mark.parametrize("text", ["", "   ", "🙂", "ʼ", "\u0301", "ﾞ", "le la les", "\x00"])
def test_a_text_without_words_has_no_terms(text: str) -> None:
    assert (passage_terms(text, "fr"), question_terms(text, "fr")) == ([], [])


def test_several_threads_stem_alike() -> None:
    texts = [f"attaques {number} préoccupations nationales constitutionnellement" * 20 for number in range(8)]
    alone = [passage_terms(text, "fr") for text in texts]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(passage_terms, texts, ["fr"] * 8)) == alone


def test_folding_keeps_accents_and_drops_case() -> None:
    assert [fold("ÉTÉ"), fold("e\u0301"), fold("L’Œil"), fold("ß")] == ["été", "é", "loeil", "ss"]
    assert [without_accents("préoccupé"), without_accents("e\u0301"), without_accents("garçon Øre")] == [
        "preoccupe",
        "e",
        "garcon Øre",
    ]
