"""Evaluation goes through the same read walk as every door, and counts corpus items, not passages."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from embed import Encoder, bundled
from embed.encoder import Reading, Span
from embed.hashing import HashingEncoder
from embed.sample import sample_texts
from index import evaluate, measures
from index.errors import InvalidRequest, UnreadableDocument
from index.evaluate import Measures, Scored
from index.judgements import EvaluationSet, Question, load
from index.reader import Filters
from index.search import Searcher

SUBJECTS = ["drone", "Kremlin", "Belgorod", "Shanghai", "Borrell", "Bakhmout", "Telegram", "Poutine"]


@pytest.fixture
def chosen(tmp_path: Path) -> EvaluationSet:
    """Eight items in each language, the French ones of several passages, and a question on each in each language."""
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for n, subject in enumerate(SUBJECTS):
        other = SUBJECTS[(n + 1) % 8]
        sentences = [f"{subject} {'mot ' * 60}numéro {part} sur {other}." for part in range(1 + n % 4)]
        corpus.append({"_id": f"fr{n}", "title": f"Sur {subject}", "text": " ".join(sentences), "lang": "fr"})
        corpus.append({"_id": f"en{n}", "title": "", "text": f"About {subject}, not {other}.", "lang": "en"})
        queries.append({"_id": f"qfr{n}", "text": f"Que sait-on de {subject} ?", "lang": "fr"})
        queries.append({"_id": f"qen{n}", "text": f"What is known about {subject}?", "lang": "en"})
        qrels += [f"qfr{n}\tfr{n}\t3", f"qfr{n}\ten{n}\t1", f"qen{n}\ten{n}\t2"]
        if n < 3:
            qrels.append(f"qen{n}\tfr{n}\t1")
    folder = tmp_path / "petit"
    folder.mkdir()
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "qrels.tsv").write_text("\n".join(qrels) + "\n")
    return load(folder)


@pytest.fixture
def searcher(chosen: EvaluationSet, tmp_path: Path) -> Iterator[Searcher]:
    encoder = HashingEncoder()
    with Searcher(evaluate.prepare(chosen, tmp_path / "cache", encoder), encoder) as searcher:
        yield searcher


def by_search(searcher: Searcher, question: str, lang: str | None) -> dict[str, float]:
    """The items that a plain search finds, best first, each with its best passage's score."""
    found: dict[str, float] = {}
    for hit in searcher.search(question, k=100, filters=Filters(lang=lang)).hits:
        found.setdefault(hit.passage.entry.key, hit.score)
    return found


def test_every_direction_ranks_what_a_search_finds(chosen: EvaluationSet, searcher: Searcher) -> None:
    counts = {"fr-fr": 8, "en-en": 8, "fr-en": 8, "en-fr": 3, "fr-mix": 8, "en-mix": 8, "mix": 16}
    assert chosen.directions() == list(counts)
    for direction, count in counts.items():
        asked, _, searched = direction.rpartition("-")
        scored = evaluate.run(chosen, direction, searcher)
        # Questions that have no judgement in the direction are left out.
        assert len(scored) == count
        assert [one.question for one in scored] == chosen.judged(direction)
        for one in scored:
            assert asked in ("", one.question.lang)
            assert dict(one.items) == by_search(searcher, one.question.text, None if searched == "mix" else searched)
            assert [score for _, score in one.items] == sorted((score for _, score in one.items), reverse=True)
            assert {item[:2] for item, _ in one.items} == ({"fr", "en"} if searched == "mix" else {searched})


def test_an_item_of_several_passages_is_ranked_once_by_the_best(searcher: Searcher) -> None:
    hits = searcher.search("numéro 2 sur Borrell", k=100, filters=Filters(lang="fr")).hits
    assert len(hits) > len({hit.passage.entry.key for hit in hits}) == 8
    items = evaluate.rank_items(searcher, "numéro 2 sur Borrell", Filters(lang="fr"))
    assert len(items) == 8
    best = {key: max(hit.score for hit in hits if hit.passage.entry.key == key) for key, _ in items}
    assert dict(items) == best


@pytest.mark.parametrize("depth", [1, 2, 5, 8, 50])
def test_a_ranking_is_as_deep_as_asked_or_as_the_corpus(searcher: Searcher, depth: int) -> None:
    filters = Filters(lang="fr")
    whole = evaluate.rank_items(searcher, "Kremlin mot numéro", filters)
    assert evaluate.rank_items(searcher, "Kremlin mot numéro", filters, depth) == whole[:depth]
    assert len(whole) == 8


def test_measures_are_means_over_the_questions(chosen: EvaluationSet, searcher: Searcher) -> None:
    scored = evaluate.run(chosen, "fr-mix", searcher)
    rows = []
    for one in scored:
        ranked = [item for item, _ in one.items]
        grades = one.question.grades
        rows.append((measures.ndcg(ranked, grades), measures.recall(ranked, grades), measures.reciprocal_rank(ranked, grades)))
    found = evaluate.measure(scored)
    assert (found.ndcg10, found.recall10, found.mrr10) == pytest.approx(
        tuple(sum(column) / 8 for column in zip(*rows, strict=True))
    )
    assert found.n == 8


def test_measures_of_two_questions_by_hand() -> None:
    scored = [
        Scored(Question("q1", "?", "fr", {"a": 1}), [("a", 0.9), ("b", 0.8)]),
        Scored(Question("q2", "?", "fr", {"b": 1, "z": 1}), [("c", 0.9), ("b", 0.8)]),
    ]
    # The second question: 1/log2(3) of 1 + 1/log2(3); one of two found; at the second place; not at the first.
    found = evaluate.measure(scored)
    assert evaluate.as_row(found) == {"ndcg10": 0.6934, "recall10": 0.75, "mrr10": 0.75, "hit1": 0.5, "n": 2}
    assert evaluate.as_row(Measures(1 / 3, 2 / 3, 0.123456, 1.0, 3)) == {
        "ndcg10": 0.3333,
        "recall10": 0.6667,
        "mrr10": 0.1235,
        "hit1": 1.0,
        "n": 3,
    }


def test_nothing_cannot_be_measured() -> None:
    with pytest.raises(InvalidRequest, match="no judged questions to measure"):
        evaluate.measure([])


def test_a_direction_that_the_set_does_not_have_is_named(chosen: EvaluationSet, searcher: Searcher) -> None:
    with pytest.raises(InvalidRequest, match="no direction 'fr-de': give one of fr-fr, en-en, ") as caught:
        evaluate.run(chosen, "fr-de", searcher)
    assert caught.value.field == "direction"
    french = EvaluationSet(
        "petit", chosen.corpus, tuple(q for q in chosen.questions if q.lang == "fr"), {f"fr{n}": "fr" for n in range(8)}
    )
    with pytest.raises(InvalidRequest, match="petit has no judged questions en-en; it has fr-fr"):
        evaluate.run(french, "en-en", searcher)


def test_progress_counts_the_questions(chosen: EvaluationSet, searcher: Searcher) -> None:
    told: list[tuple[int, int]] = []
    evaluate.run(chosen, "en-fr", searcher, lambda done, total: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


class CountingEncoder(HashingEncoder):
    encoded = 0

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        # What the space of the model is measured on is no passage of the corpus.
        self.encoded += len(set(texts) - set(sample_texts(1000, seed=3)))
        return super().read_passages(texts, spans)


def test_a_corpus_is_indexed_once_for_a_model(chosen: EvaluationSet, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    first = CountingEncoder()
    folder = evaluate.prepare(chosen, cache, first)
    again = CountingEncoder()
    assert (evaluate.prepare(chosen, cache, again), again.encoded) == (folder, 0)
    assert first.encoded == 28
    assert evaluate.prepare(chosen, cache, HashingEncoder(64)) != folder
    with chosen.corpus.open("a") as file:
        file.write(json.dumps({"_id": "new", "text": "Nouveau.", "lang": "fr"}) + "\n")
    assert evaluate.prepare(load(chosen.corpus.parent), cache, again) != folder


def test_a_copy_of_a_set_can_be_evaluated_beside_it(chosen: EvaluationSet, tmp_path: Path) -> None:
    evaluate.prepare(chosen, tmp_path / "cache", HashingEncoder())
    copy = shutil.copytree(chosen.corpus.parent, tmp_path / "elsewhere" / "petit")
    with Searcher(evaluate.prepare(load(copy), tmp_path / "cache", HashingEncoder()), HashingEncoder()) as searcher:
        assert len(evaluate.run(chosen, "mix", searcher)) == 16


def test_a_date_that_cannot_be_read_does_not_keep_a_set_from_being_measured(chosen: EvaluationSet, tmp_path: Path) -> None:
    with chosen.corpus.open("a") as file:
        file.write(json.dumps({"_id": "old", "text": "Autrefois.", "lang": "fr", "date": "1997"}) + "\n")
    again = load(chosen.corpus.parent)
    with Searcher(evaluate.prepare(again, tmp_path / "cache", HashingEncoder()), HashingEncoder()) as searcher:
        assert "old" in [item for item, _ in evaluate.rank_items(searcher, "Autrefois", Filters())]


def test_a_corpus_that_cannot_be_indexed_whole_is_named(chosen: EvaluationSet, tmp_path: Path) -> None:
    with chosen.corpus.open("a") as file:
        file.write(json.dumps({"_id": "fr1", "text": "Encore.", "lang": "fr"}) + "\n")
    with pytest.raises(UnreadableDocument, match=r"petit/corpus\.jsonl, line 17: the id 'fr1' was used before"):
        evaluate.prepare(load(chosen.corpus.parent), tmp_path / "cache", HashingEncoder())


@pytest.mark.model
@pytest.mark.sets
@pytest.mark.quality
def test_the_ranking_of_piaf_is_at_least_that_of_fused_rankings_elsewhere(
    evaluation_set: Callable[[str], Path], model: Encoder
) -> None:
    piaf = load(evaluation_set("piaf_fr"))
    assert piaf.directions() == ["fr-fr"]
    with Searcher(evaluate.prepare(piaf, bundled.default_cache() / "evaluate", model), model) as searcher:
        found = evaluate.measure(evaluate.run(piaf, "fr-fr", searcher))
    assert found.n == 2768
    # The floor is what reciprocal rank fusion of the same weights with BM25 reaches.
    assert found.ndcg10 >= 0.84, found
