"""Evaluation sets: what a folder holds, and which directions it can measure."""

import gzip
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from index.errors import UnreadableDocument
from index.judgements import EvaluationSet, Question, load

Write = Callable[..., Path]


def lines(*rows: Mapping[str, object]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


CORPUS = lines(
    {"_id": "c1", "text": "Bonjour.", "lang": "fr", "date": "2023-05-23"},
    {"_id": "c2", "title": "T", "text": "Hello.", "lang": "en"},
)
QUERIES = lines(
    {"_id": "q1", "text": "Qui ?", "lang": "fr", "answers": ["x"]},
    {"_id": "q2", "text": "Who?", "lang": "en"},
    {"_id": "q3", "text": "Rien ?", "lang": "fr"},
)
QRELS = "query-id\tcorpus-id\tscore\nq1\tc1\t2\nq1\tc2\t1\nq2\tc1\t0\nq2\tc2\t3\n\n"


@pytest.fixture
def make(write: Write, tmp_path: Path) -> Callable[..., Path]:
    def make(
        corpus: str | bytes | None = CORPUS, queries: str | bytes | None = QUERIES, qrels: str | bytes | None = QRELS
    ) -> Path:
        for name, content in (("corpus.jsonl", corpus), ("queries.jsonl", queries), ("qrels.tsv", qrels)):
            if content is not None:
                write(f"un_jeu/{name}", content)
        return tmp_path / "un_jeu"

    return make


def test_a_set_is_read_whole(make: Callable[..., Path]) -> None:
    folder = make()
    assert load(folder) == EvaluationSet(
        name="un_jeu",
        corpus=folder / "corpus.jsonl",
        questions=(
            Question("q1", "Qui ?", "fr", {"c1": 2, "c2": 1}, ("x",)),
            Question("q2", "Who?", "en", {"c1": 0, "c2": 3}),
            Question("q3", "Rien ?", "fr", {}),
        ),
        langs={"c1": "fr", "c2": "en"},
    )


def test_answers_that_are_not_texts_are_passed_over(make: Callable[..., Path]) -> None:
    queries = lines(
        {"_id": "q1", "text": "Qui ?", "answers": ["a", 3, None, "b"]}, {"_id": "q2", "text": "Who?", "answers": "a"}
    )
    assert [one.answers for one in load(make(queries=queries)).questions] == [("a", "b"), ()]


def test_questions_that_the_corpus_does_not_answer_stand_in_a_file_of_their_own(
    make: Callable[..., Path], write: Write
) -> None:
    folder = make()
    assert load(folder).unanswerable == ()
    write("un_jeu/queries_unanswerable.jsonl", lines({"_id": "u1", "text": "Où ?", "lang": "fr", "answers": ["là"]}))
    chosen = load(folder)
    assert chosen.unanswerable == (Question("u1", "Où ?", "fr", {}, ("là",)),)
    # They are judged in no direction.
    assert [one.id for one in chosen.judged("mix")] == ["q1", "q2"]
    write("un_jeu/queries_unanswerable.jsonl", lines({"_id": "u1"}))
    with pytest.raises(UnreadableDocument, match=r"queries_unanswerable\.jsonl, line 1: 'text' is missing"):
        load(folder)


def test_a_set_may_be_gzipped_and_begin_with_a_byte_order_mark_and_lack_the_header(make: Callable[..., Path]) -> None:
    folder = make(corpus=None, queries="\ufeff" + QUERIES, qrels="q1\tc1\t2\r\nq2\tc2\t3\r\n")
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(CORPUS.encode()))
    found = load(folder)
    assert found.corpus == folder / "corpus.jsonl.gz"
    assert found.langs == {"c1": "fr", "c2": "en"}
    assert [question.grades for question in found.questions] == [{"c1": 2}, {"c2": 3}, {}]


def test_a_direction_has_the_questions_and_judgements_of_its_languages(make: Callable[..., Path]) -> None:
    found = load(make())
    assert {direction: [(q.id, q.grades) for q in found.judged(direction)] for direction in found.directions()} == {
        "fr-fr": [("q1", {"c1": 2})],
        "en-en": [("q2", {"c2": 3})],
        "fr-en": [("q1", {"c2": 1})],
        "fr-mix": [("q1", {"c1": 2, "c2": 1})],
        "en-mix": [("q2", {"c2": 3})],
        "mix": [("q1", {"c1": 2, "c2": 1}), ("q2", {"c2": 3})],
    }
    assert found.judged("en-fr") == []


@pytest.mark.parametrize(
    ("questions", "passages", "directions"),
    [
        (["fr"], ["fr"], ["fr-fr"]),
        (["en"], ["en"], ["en-en"]),
        (["en"], ["fr"], ["en-fr"]),
        (["fr"], ["fr", "en"], ["fr-fr", "fr-en", "mix"]),
        (["fr", "en"], ["en"], ["en-en", "fr-en", "mix"]),
        (["fr", "en"], ["fr", "en"], ["fr-fr", "en-en", "fr-en", "en-fr", "fr-mix", "en-mix", "mix"]),
        ([None], [None], ["mix"]),
        (["de"], ["de"], ["mix"]),
        (["fr"], ["de"], ["fr-mix"]),
    ],
)
def test_the_directions_of_a_set_are_those_that_differ(
    make: Callable[..., Path], questions: list[str | None], passages: list[str | None], directions: list[str]
) -> None:
    corpus = lines(*({"_id": f"c{n}", "text": "t", "lang": lang} for n, lang in enumerate(passages)))
    queries = lines(*({"_id": f"q{n}", "text": "t", "lang": lang} for n, lang in enumerate(questions)))
    qrels = "".join(f"q{q}\tc{c}\t1\n" for q in range(len(questions)) for c in range(len(passages)))
    assert load(make(corpus, queries, qrels)).directions() == directions


def test_the_fingerprint_is_of_the_corpus(make: Callable[..., Path]) -> None:
    before = load(make()).fingerprint()
    assert (len(before), load(make(queries=QUERIES + "\n")).fingerprint()) == (16, before)
    assert load(make(corpus=CORPUS + "\n")).fingerprint() != before


WRONG: dict[str, tuple[dict[str, str | bytes | None], str]] = {
    "no corpus": ({"corpus": None}, "is no evaluation set: it has no corpus.jsonl"),
    "no questions": ({"queries": None}, "is no evaluation set: it has no queries.jsonl"),
    "no judgements": ({"qrels": None}, "is no evaluation set: it has no qrels.tsv"),
    "nothing judged": (
        {"qrels": "query-id\tcorpus-id\tscore\nz\tc1\t1\nq1\tc1\t0\n"},
        "qrels.tsv judges none of the questions",
    ),
    "a broken corpus": ({"corpus": CORPUS + "{oops\n"}, "corpus.jsonl, line 3: Expecting property name"),
    "a list": ({"corpus": "[1]\n"}, "corpus.jsonl, line 1: 'list' object"),
    "no id": ({"corpus": lines({"text": "t"})}, "corpus.jsonl, line 1: '_id' is missing or not text"),
    "a number for an id": ({"queries": lines({"_id": 1, "text": "t"})}, "queries.jsonl, line 1: '_id' is missing or not text"),
    "no text": ({"queries": "\n\n" + lines({"_id": "q1"})}, "queries.jsonl, line 3: 'text' is missing or not text"),
    "two columns": ({"qrels": QRELS + "q1\tc1\n"}, r"qrels.tsv, line 7: not query, corpus item, grade: 'q1\\tc1'"),
    "four columns": ({"qrels": QRELS + "q1\t0\tc1\t1\n"}, "qrels.tsv, line 7: not query, corpus item, grade:"),
    "no grade": ({"qrels": QRELS + "q1\tc1\tgood\n"}, "qrels.tsv, line 7: not query, corpus item, grade:"),
    "an odd digit": ({"qrels": QRELS + "q1\tc1\t²\n"}, "qrels.tsv, line 7: not query, corpus item, grade:"),
    "questions in another encoding": ({"queries": QUERIES.encode() + b'{"\xe9'}, "queries.jsonl, line 4: is not UTF-8"),
    "judgements in another encoding": ({"qrels": b"q1\tc1\t1\nq\xe9\tc1\t1\n"}, "qrels.tsv, line 2: is not UTF-8"),
    "a deep line": ({"queries": QUERIES + "[" * 100_000 + "\n"}, "queries.jsonl, line 4: "),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_does_not_fit_the_layout_is_named(make: Callable[..., Path], case: str) -> None:
    changes, message = WRONG[case]
    with pytest.raises(UnreadableDocument, match=message.replace(".", r"\.")):
        load(make(**changes))


def test_a_corpus_that_breaks_off_is_named(make: Callable[..., Path]) -> None:
    folder = make(corpus=None)
    (folder / "corpus.jsonl.gz").write_bytes(gzip.compress(CORPUS.encode())[:-12])
    with pytest.raises(UnreadableDocument, match=r"corpus\.jsonl\.gz cannot be read to its end: "):
        load(folder)


def test_a_folder_that_is_not_there_is_no_set(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDocument, match=r"nowhere is no evaluation set: it has no corpus\.jsonl"):
        load(tmp_path / "nowhere")
