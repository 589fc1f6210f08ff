"""The lexicon: what a term is called in the other language."""

import gzip
from pathlib import Path

import pytest

import index.lexicon
from index.lexicon import WEIGHTS, compile_lines, translated_terms, translations
from index.terms import passage_terms, question_terms


def test_a_pair_gives_a_line_each_way_with_the_weight_of_its_rank() -> None:
    lines = list(compile_lines([("drone", "drones", 1, 2), ("drone", "bourdon", 3, 9)]))
    assert lines == ["en:drone\tfr:dron 0.7\tfr:bourdon 0.4", "fr:dron\ten:drone 0.5"]


def test_a_translation_of_several_words_gives_each_its_share_and_a_headword_of_several_is_left_out() -> None:
    assert list(compile_lines([("firefighter", "sapeur-pompier", 1, 1)])) == [
        "en:firefight\tfr:pompi 0.35\tfr:sapeur 0.35",
    ]
    assert list(compile_lines([("fire brigade", "pompiers", 1, 1)])) == ["fr:pompi\ten:brigad 0.35\ten:fire 0.35"]


def test_the_better_of_two_pairs_counts_and_ranks_past_the_fourth_do_not() -> None:
    assert list(compile_lines([("drones", "drone", 4, 5), ("drone", "drones", 2, 5), ("drone", "engin", 5, 5)])) == [
        "en:drone\tfr:dron 0.5"
    ]


def test_the_lexicon_that_is_shipped_is_whole_and_sorted() -> None:
    lines = gzip.decompress((Path(index.lexicon.__file__).parent / "lexicon.tsv.gz").read_bytes()).decode().splitlines()
    heads = [line.split("\t")[0] for line in lines]
    assert heads == sorted(set(heads))
    assert len(heads) > 50_000
    for line in lines:
        head, *found = line.split("\t")
        for one in found:
            term, weight = one.rsplit(" ", 1)
            assert 0 < float(weight) <= WEIGHTS[1]
            # A number or a code belongs to no language, and needs no bridge to itself.
            assert term[:3] != head[:3] or ":" not in term[:3]


@pytest.mark.parametrize(
    ("question", "lang", "expected"),
    [
        ("Who won the presidential election?", "en", "L’élection présidentielle"),
        ("Which ministers resigned?", "en", "Des ministres démissionnent"),
        ("Combien de pompiers sont blessés ?", "fr", "A firefighter was wounded"),
        ("La grève des chemins de fer", "fr", "A railway strike"),
    ],
)
def test_a_question_finds_the_words_of_the_other_language(question: str, lang: str, expected: str) -> None:
    other = "fr" if lang == "en" else "en"
    found = translated_terms(question, lang)
    assert found & set(passage_terms(expected, other)), found


def test_what_the_question_finds_by_itself_is_not_among_its_translations() -> None:
    for question, lang in (
        ("Le cortège du président", "fr"),
        ("The prime minister of France", "en"),
        ("", "fr"),
        ("1 000", "en"),
    ):
        assert not translated_terms(question, lang) & set(question_terms(question, lang))


@pytest.mark.parametrize("term", ["en:zzzzzz", "", "f16", "fr:", "\t", "en:dron\t"])
def test_a_term_without_translations_has_none(term: str) -> None:
    assert translations(term) == {}


def test_every_line_is_found_by_its_term() -> None:
    # They are looked for by halving, so their order matters.
    packed = (Path(index.lexicon.__file__).with_name("lexicon.tsv.gz")).read_bytes()
    lines = gzip.decompress(packed).decode().splitlines()
    assert len(lines) > 50_000
    assert lines == sorted(lines)
    for line in (lines[0], *lines[1:-1:97], lines[-1]):
        head, *rest = line.split("\t")
        assert [f"{term} {weight:g}" for term, weight in translations(head).items()] == rest
    assert translations("") == translations("zz:zz") == translations("\U0010ffff") == {}
