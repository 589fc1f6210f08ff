"""Where sentences begin and end."""

import pytest

from index.sentences import clauses, sentences


def split(text: str) -> list[str]:
    return [text[start:end] for start, end in sentences(text)]


@pytest.mark.parametrize(
    "text",
    [
        # One sentence each.
        "M. Peskov a réagi.",
        "M.\u00a0Peskov a réagi.",
        "Mme Dupont et Mme. Durand, Mlle. Petit, Mgr. X et le Dr. Y sont là.",
        "Selon le Pr. Martin et Me. Leroy, c’est non.",
        "Mr. Smith, Mrs. Jones, Ms. Fox, Sgt. Pepper and Gov. Bush met Sen. Sanders.",
        "J. Borrell et J.-P. Raffarin, J. K. Rowling.",
        "The U.S. President met the U.K. Prime Minister.",
        "L’art. 5 du traité, p. 12, vol. 3, n° 4, no. 7 et al. 2.",
        "Le 3 janv. 2023, le 4 févr. 2023, on Sept. 5 and Dec. 6.",
        "Il a coûté 3.5 millions, soit 1.000 de plus.",
        "Voir www.lemonde.fr et F.16.",
        "Il dit non… puis oui.",
        "Vraiment ?! dit-il.",
        "« Oui. Cela suffit. Merci », a-t-il dit.",
        "« Il a dit “oui”. « Non. Non. » Puis rien », a-t-il dit.",
        "Il a répondu : « Non. Jamais. »",
        "(Voir M. Peskov.)",
        "1. Premier point",
        "Av. J.-C. et apr. J.-C. sont des dates.",
        "Sans point final",
        "e.g. Poland, i.e. NATO",
        "...",
        "🙂",
    ],
)
def test_a_sentence_stays_whole(text: str) -> None:
    assert split(text) == [text]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Oui. Non. Peut-être.", ["Oui.", "Non.", "Peut-être."]),
        ("Oui ! Non ? Si… Bon... Fin", ["Oui !", "Non ?", "Si…", "Bon...", "Fin"]),
        ("Oui\u202f! Non\u00a0? Si", ["Oui\u202f!", "Non\u00a0?", "Si"]),
        ("Vraiment ?! Oui !!! Non", ["Vraiment ?!", "Oui !!!", "Non"]),
        ("« Oui. » Il part.", ["« Oui. »", "Il part."]),
        ("« Oui.\u00a0» Il part.", ["« Oui.\u00a0»", "Il part."]),
        ("Il part. « Oui », dit-elle.", ["Il part.", "« Oui », dit-elle."]),
        ("Il part. (Elle reste.) Fin.", ["Il part.", "(Elle reste.)", "Fin."]),
        ("Il part. – Non. — Si.", ["Il part.", "– Non.", "— Si."]),
        ('He said "no." Then he left.', ['He said "no."', "Then he left."]),
        ("He said “no.” Then he left.", ["He said “no.”", "Then he left."]),
        ("Il est 11 h. Le ministre part.", ["Il est 11 h.", "Le ministre part."]),
        ("La route fait 10 km. Elle est belle.", ["La route fait 10 km.", "Elle est belle."]),
        ("Il y a l’art. Puis le sport.", ["Il y a l’art.", "Puis le sport."]),
        ("En sept. Il part.", ["En sept.", "Il part."]),
        ("Le score est de 3. Puis il part.", ["Le score est de 3.", "Puis il part."]),
        ("En 2023. Puis en 2024.", ["En 2023.", "Puis en 2024."]),
        ("Fin. Élections. Œuvre. À bas.", ["Fin.", "Élections.", "Œuvre.", "À bas."]),
        ("Fin. 3 morts.", ["Fin.", "3 morts."]),
        ("Ligne un\nLigne deux", ["Ligne un", "Ligne deux"]),
        ("Un\r\nDeux\rTrois\u2028Quatre\u2029Cinq", ["Un", "Deux", "Trois", "Quatre", "Cinq"]),
        ("« Oui.\nNon. »", ["« Oui.", "Non. »"]),
        # An opening mark that nothing closes keeps nothing together.
        ("Il dit : « Oui. Non. Fin.", ["Il dit : « Oui.", "Non.", "Fin."]),
        ("Fin ». Oui. Non.", ["Fin ».", "Oui.", "Non."]),
        ("Voilà 🙂. Oui.", ["Voilà 🙂.", "Oui."]),
        ("  Oui.   Non.  ", ["Oui.", "Non."]),
        ("", []),
        (" \n\t\r\n\u00a0", []),
    ],
)
def test_sentences_end_where_a_reader_would_say(text: str, expected: list[str]) -> None:
    assert split(text) == expected


def test_a_quotation_of_several_sentences_stays_with_its_speaker() -> None:
    text = (
        "« Je suis heureux. Elle prendra du temps, mais le plus tôt sera le mieux », a-t-il dit. "
        "Il a ajouté : « Non. Jamais. » Puis il est parti."
    )
    assert split(text) == [
        "« Je suis heureux. Elle prendra du temps, mais le plus tôt sera le mieux », a-t-il dit.",
        "Il a ajouté : « Non. Jamais. »",
        "Puis il est parti.",
    ]


def test_a_sentence_too_long_is_cut_inside_its_quotation() -> None:
    text = "Avant. « Un. Deux. Trois », dit-il. Après."
    start, end = sentences(text)[1]
    assert [text[a:b] for a, b in clauses(text, start, end)] == ["« Un.", "Deux.", "Trois », dit-il."]


@pytest.mark.parametrize(
    "text",
    [
        "Sommaire " + "." * 100_000 + "12",
        "Oui. »" + " " * 100_000 + "a",
        "Oui." + " " * 100_000 + "a",
        "?!" * 50_000 + "x",
        "a" * 100_000 + ". A" + "b" * 100_000,
        "« " + "M. Peskov a dit. Oui. " * 10_000 + "»",
        "« Oui. Non. » Il part. " * 20_000 + "Fin",
    ],
    ids=["dots", "spaces behind a quotation", "spaces", "marks", "long words", "long quotation", "many quotations"],
)
def test_a_text_made_to_be_slow_is_read_like_another(text: str) -> None:
    # A row of full stops took time that doubled with every two of them.
    found = sentences(text)
    assert (found[0][0], found[-1][1]) == (0, len(text))
