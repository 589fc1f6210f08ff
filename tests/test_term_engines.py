"""One promise, every engine of terms: each is compared with brute force over the same passages, ids and scores."""

import contextlib
import math
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import index.lexical
from index.engine import ExactTerms, Said, TermEngine, TermView
from index.lexical import TantivyTerms
from tests import milvus_engines
from tests.engine_cases import UNKNOWN, Everything, assert_best, engines, ids_of, read_while_writing, subsets

Passages = dict[int, tuple[str, ...]]
VOCABULARY = ("fr:drone", "fr:kremlin", "en:drone", "2023", "f16", "fr:élu")
TERM_ENGINES = {"exact": 0, "tantivy": 4096, "tantivy, over-fetching": 0, "milvus": 0}
"""Each with the number of allowed ids up to which tantivy looks them up one by one."""
REPLACING = [kind for kind in TERM_ENGINES if kind != "milvus"]
"""On a server no passage is replaced: it dies, and another one is born."""


@contextlib.contextmanager
def term_engine(kind: str) -> Iterator[TermEngine]:
    with tempfile.TemporaryDirectory() as name, pytest.MonkeyPatch.context() as patch:
        patch.setattr(index.lexical, "_FEW", TERM_ENGINES[kind])
        if kind == "milvus":
            yield milvus_engines.Terms()
        else:
            yield ExactTerms() if kind == "exact" else TantivyTerms.create(Path(name) / "lexical", "owner")


@pytest.fixture(params=engines(TERM_ENGINES))
def terms(request: pytest.FixtureRequest) -> Iterator[TermEngine]:
    with term_engine(request.param) as engine:
        yield engine


def bm25(shown: Passages, counted: Sequence[tuple[str, ...]], terms: Sequence[str]) -> Everything:
    """BM25 of `shown` passages, with statistics over the `counted` ones."""
    mean = sum(len(passage) for passage in counted) / len(counted) if counted else 1.0
    found = []
    for i, passage in shown.items():
        score = 0.0
        for term in set(terms) & set(passage):
            holders = sum(term in other for other in counted)
            rarity = math.log(1 + (len(counted) - holders + 0.5) / (holders + 0.5))
            often = passage.count(term)
            score += rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(passage) / mean))
        if set(terms) & set(passage):
            found.append((i, score))
    return found


def assert_scored(view: TermView, shown: Passages) -> None:
    """What `view` says of each passage, word by word, is BM25 with its own numbers of holders."""
    ids, total = ids_of([*shown, UNKNOWN]), len(shown)
    mean = sum(map(len, shown.values())) / max(total, 1) or 1.0
    words: list[dict[str, float]] = [{"fr:drone": 1.0, "en:drone": 0.5}, {"2023": 0.25}, {}, {"nowhere": 1.0}]
    found = view.scored(words, ids)
    assert found.shape == (len(ids), len(words))
    for row, i in enumerate(ids.tolist()):
        passage = shown.get(i, ())
        for column, word in enumerate(words):
            score = 0.0
            for term, weight in word.items():
                holders, often = min(view.frequencies([term])[0], total), passage.count(term)
                rarity = math.log(1 + (total - holders + 0.5) / (holders + 0.5))
                score += weight * rarity * often * 2.2 / (often + 1.2 * (0.25 + 0.75 * len(passage) / mean))
            assert found[row, column] == pytest.approx(score, rel=1e-4, abs=1e-5)


QUESTIONS: tuple[list[str], ...] = (
    ["fr:drone"],
    ["fr:drone", "2023", "fr:drone", "nowhere"],
    list(VOCABULARY),
    ["nowhere"],
    [],
)
passage = st.lists(st.sampled_from(VOCABULARY), min_size=1, max_size=8).map(tuple)
# One commit: passages removed before any are added, passages added or replaced by id, passages removed after.
term_commits = st.lists(
    st.tuples(
        st.lists(st.integers(1, 20), max_size=4),
        st.dictionaries(st.integers(1, 20), passage, max_size=8),
        st.lists(st.integers(1, 20), max_size=4),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("kind", engines(TERM_ENGINES))
@given(commits=st.lists(st.dictionaries(st.integers(1, 20), passage, max_size=8), min_size=1, max_size=4))
@settings(max_examples=20, deadline=None)
def test_terms_agree_with_brute_force_as_passages_come(kind: str, commits: list[Passages]) -> None:
    with term_engine(kind) as engine:
        held: Passages = {}
        taken = [(engine.view(), dict(held), -1)]
        for generation, changes in enumerate(commits, start=1):
            added = {generation * 20 + i: passage for i, passage in changes.items()}
            engine.add(list(added.items()))
            taken.append((engine.view(), dict(held), engine.generation))
            engine.commit(generation)
            held |= added
            taken.append((engine.view(), dict(held), generation))
        assert engine.generation == len(commits)
        for view, then, generation in taken:
            assert view.generation == generation
            for question in QUESTIONS:
                everything = bm25(then, list(then.values()), question)
                for among in subsets(list(then)):
                    for k in (1, 3, 200):
                        assert_best(view.matching(question, k, among), everything, k, among)
            assert_scored(view, then)


@pytest.mark.parametrize("kind", REPLACING)
@given(commits=term_commits)
@settings(max_examples=20, deadline=None)
def test_terms_agree_with_brute_force_after_removals_and_replacements(
    kind: str, commits: list[tuple[list[int], Passages, list[int]]]
) -> None:
    """Tantivy's tolerance is exact: what was removed still counts in its statistics while its segment has a passage left.

    A commit makes a segment, and fewer than eight are not merged.
    """
    with term_engine(kind) as engine:
        held: Passages = {}
        segments: list[Passages] = []
        taken = []
        for generation, (before, changes, after) in enumerate(commits, start=1):
            engine.remove(ids_of(before))
            engine.add(list(changes.items()))
            engine.remove(ids_of(after))
            engine.commit(generation)
            held = {i: p for i, p in (held | changes).items() if i not in after and (i in changes or i not in before)}
            segments.append(changes)
            owner = {i: number for number, added in enumerate(segments) for i in added}
            alive = {owner[i] for i in held}
            counted = [p for number in alive for p in segments[number].values()]
            taken.append((engine.view(), dict(held), list(held.values()) if kind == "exact" else counted))
        for view, then, counted in taken:
            for question in QUESTIONS:
                everything = bm25(then, counted, question)
                for among in subsets(list(then)):
                    for k in (1, 3, 200):
                        assert_best(view.matching(question, k, among), everything, k, among)
            assert_scored(view, then)


def test_a_term_engine_without_passages_finds_nothing(terms: TermEngine) -> None:
    assert terms.generation == -1
    assert list(terms.view().matching(["fr:drone"], 5)) == []
    terms.add([(1, ["fr:drone"])])
    terms.commit(1)
    terms.remove(ids_of([1]))
    terms.commit(2)
    assert list(terms.view().matching(["fr:drone"], 5)) == []
    assert list(terms.view().matching(["fr:drone"], 5, ids_of([1]))) == []


def test_a_removed_passage_is_no_longer_found(terms: TermEngine) -> None:
    terms.add([(1, ["fr:drone"]), (2, ["fr:drone", "2023"]), (3, ["2023"])])
    terms.commit(1)
    terms.remove(ids_of([1, UNKNOWN]))
    terms.commit(2)
    assert terms.view().matching(["fr:drone"], 5).ids.tolist() == [2]


@pytest.mark.parametrize("kind", REPLACING)
def test_a_passage_added_again_is_replaced(kind: str) -> None:
    with term_engine(kind) as terms:
        replaced(terms)


def replaced(terms: TermEngine) -> None:
    terms.add([(1, ["fr:drone"]), (2, ["2023"])])
    terms.commit(1)
    terms.add([(1, ["fr:kremlin"]), (2, ["2023"]), (2, ["f16"])])
    terms.commit(2)
    view = terms.view()
    found = {term: view.matching([term], 5).ids.tolist() for term in ("fr:drone", "fr:kremlin", "2023", "f16")}
    assert found == {"fr:drone": [], "fr:kremlin": [1], "2023": [], "f16": [2]}


@pytest.mark.parametrize("kind", REPLACING)
def test_of_equal_matches_those_with_the_smallest_ids_are_found(kind: str) -> None:
    with term_engine(kind) as terms:
        for generation, first in enumerate((300, 200, 100), start=1):
            terms.add([(i, ["fr:drone"]) for i in range(first, first + 30)])
            terms.commit(generation)
        view = terms.view()
        assert view.matching(["fr:drone"], 3).ids.tolist() == [100, 101, 102]
        assert view.matching(["fr:drone"], 3, np.arange(110, 330)).ids.tolist() == [110, 111, 112]


def test_no_matches_are_asked_for_and_none_are_found(terms: TermEngine) -> None:
    terms.add([(1, ["fr:drone"])])
    terms.commit(1)
    assert list(terms.view().matching(["fr:drone"], 0)) == []
    assert list(terms.view().matching(["fr:drone"], 0, ids_of([1]))) == []


def test_a_passage_without_terms_is_never_found(terms: TermEngine) -> None:
    terms.add([(1, []), (2, ["fr:drone"])])
    terms.commit(1)
    # It counts as a passage: two of them, one with the term, of 1 term where the mean is a half.
    ((found, score),) = list(terms.view().matching(["fr:drone"], 5))
    expected = math.log(1 + 1.5 / 1.5) * 2.2 / (1 + 1.2 * (0.25 + 0.75 / 0.5))
    assert found == 2
    assert score == pytest.approx(expected, rel=1e-5)


def test_many_threads_match_terms_while_one_writes(terms: TermEngine) -> None:
    held: Passages = {}

    def change(generation: int) -> Callable[[], None]:
        lot = np.random.default_rng(generation)
        added = {generation * 20 + i: tuple(lot.choice(VOCABULARY, size=1 + i % 7).tolist()) for i in range(20)}
        terms.add(list(added.items()))
        terms.commit(generation)
        held.update(added)
        view, everything = terms.view(), bm25(held, list(held.values()), ["fr:drone", "f16"])
        among = ids_of([i for i in held if i % 2])

        def check() -> None:
            assert view.generation == generation
            assert_best(view.matching(["fr:drone", "f16"], 10), everything, 10, None)
            assert_best(view.matching(["fr:drone", "f16"], 10, among), everything, 10, among)

        return check

    read_while_writing(change, count=8)


@settings(max_examples=25, deadline=None)
@given(weights=st.dictionaries(st.sampled_from(["a", "b", "c", "zz"]), st.sampled_from([0.15, 0.3, 0.7, 1.0, 2.0]), max_size=4))
def test_weighted_terms_count_as_their_weights_say(weights: dict[str, float]) -> None:
    passages = [(1, ["a", "b"]), (2, ["b", "b", "c"]), (3, ["c"]), (4, ["a", "a", "a", "c"]), (5, ["d"])]
    exact = ExactTerms()
    with tempfile.TemporaryDirectory() as folder:
        tantivy = TantivyTerms.create(Path(folder) / "lexical", "owner")
        for engine in (exact, tantivy):
            engine.add(passages)
            engine.commit(1)
        for among in (None, ids_of([2, 4, 5])):
            assert_best(tantivy.view().matching(weights, 9, among), list(exact.view().matching(weights, 9)), 9, among)
    once = exact.view().matching(["a", "b"], 9)
    twice = exact.view().matching({"a": 2.0, "b": 2.0}, 9)
    assert dict(twice) == pytest.approx({i: 2 * score for i, score in once})


@pytest.mark.parametrize("kind", engines(TERM_ENGINES))
def test_frequencies_count_the_passages_that_hold_a_term(kind: str) -> None:
    with term_engine(kind) as engine:
        assert (len(engine.view()), engine.view().frequencies(["a"])) == (0, [0])
        engine.add([(1, ["a", "b"]), (2, ["b", "b", "c"]), (3, ["b"])])
        engine.commit(1)
        before = engine.view()
        assert (len(before), before.frequencies(["b", "a", "nowhere", "b"])) == (3, [3, 1, 0, 3])
        assert before.frequencies([]) == []
        engine.add([(4, ["a"])])
        engine.commit(2)
        assert (len(before), before.frequencies(["a"])) == (3, [1])
        assert (len(engine.view()), engine.view().frequencies(["a"])) == (4, [2])


@pytest.mark.parametrize("kind", REPLACING)
def test_phrases_are_found_in_the_part_that_says_them_and_follow_every_change(kind: str) -> None:
    with term_engine(kind) as engine:
        assert engine.view().saying(["a"], "text").tolist() == []
        said = {1: Said(["le", "titre"], ["a", "b", "a", "c"]), 2: Said([], ["b", "a"]), 3: Said(["a"], [])}
        engine.add([(1, ["x"]), (2, []), (3, ["y"]), (4, ["x"])], said)
        engine.commit(1)
        before = engine.view()
        found = {
            "a b": [1], "b a": [1, 2], "a": [1, 2], "a c": [1], "b c": [], "a b a c": [1], "c": [1], "z": [], "a z": [], "": [],
        }  # fmt: skip
        for words, ids in found.items():
            assert before.saying(words.split(), "text").tolist() == ids, words
        assert before.saying(["titre"], "title").tolist() == [1]
        assert before.saying(["a"], "title").tolist() == [3]
        assert before.saying(["titre", "a"], "title").tolist() == []
        # What is replaced or removed says nothing any more.
        engine.add([(1, ["x"])], {1: Said([], ["b", "a"])})
        engine.remove(ids_of([2]))
        engine.commit(2)
        assert engine.view().saying(["b", "a"], "text").tolist() == [1]
        assert engine.view().saying(["c"], "text").tolist() == []
        assert before.saying(["b", "a"], "text").tolist() == [1, 2]


removed_commits = st.lists(
    st.tuples(st.lists(passage, max_size=8), st.lists(st.integers(1, 24), max_size=4)), min_size=1, max_size=4
)


@pytest.mark.milvus
@given(commits=removed_commits)
@settings(max_examples=20, deadline=None)
def test_a_server_counts_nothing_that_was_removed(commits: list[tuple[list[tuple[str, ...]], list[int]]]) -> None:
    engine = milvus_engines.Terms()
    held: Passages = {}
    taken: list[tuple[TermView, Passages]] = []
    following = 1
    for generation, (added, removed) in enumerate(commits, start=1):
        fresh = dict(enumerate(added, start=following))
        following += len(fresh)
        engine.add(list(fresh.items()))
        engine.commit(2 * generation - 1)
        engine.remove(ids_of(removed))
        engine.commit(2 * generation)
        held = {i: p for i, p in (held | fresh).items() if i not in removed}
        taken.append((engine.view(), dict(held)))
    for view, then in taken:
        assert len(view) == len(then)
        for question in QUESTIONS:
            everything = bm25(then, list(then.values()), question)
            for among in subsets(list(then)):
                for k in (1, 3, 200):
                    assert_best(view.matching(question, k, among), everything, k, among)


@pytest.mark.milvus
def test_a_server_finds_phrases_in_the_part_that_says_them_and_remembers_what_was() -> None:
    engine = milvus_engines.Terms()
    said = {1: Said(["le", "titre"], ["a", "b", "a", "c"]), 2: Said([], ["b", "a"]), 3: Said(["a"], [])}
    engine.add([(1, ["x"]), (2, []), (3, ["y"]), (4, ["x"])], said)
    engine.commit(1)
    before = engine.view()
    found = {"a b": [1], "b a": [1, 2], "a": [1, 2], "a c": [1], "b c": [], "a b a c": [1], "z": [], "": []}
    for words, ids in found.items():
        assert before.saying(words.split(), "text").tolist() == ids, words
    assert before.saying(["titre"], "title").tolist() == [1]
    assert before.saying(["titre", "a"], "title").tolist() == []
    engine.remove(ids_of([1]))
    engine.commit(2)
    assert engine.view().saying(["b", "a"], "text").tolist() == [2]
    assert before.saying(["b", "a"], "text").tolist() == [1, 2]


@pytest.mark.milvus
def test_a_server_scores_long_passages_as_tantivy_does(tmp_path: Path) -> None:
    """Lengths above 40 are rounded by both, so that an index ranks the same wherever it is."""
    lot = np.random.default_rng(3)
    passages = [(i, [f"t{n}" for n in lot.integers(0, 30, size=int(lot.integers(1, 700)))]) for i in range(1, 120)]
    tantivy, milvus = TantivyTerms.create(tmp_path / "lexical", "owner"), milvus_engines.Terms()
    for engine in (tantivy, milvus):
        engine.add(passages)
        engine.commit(1)
    for question in (["t1"], ["t2", "t3", "t29"], {"t4": 0.3, "t5": 2.0}):
        ours, theirs = milvus.view().matching(question, 10), tantivy.view().matching(question, 10)
        assert ours.ids.tolist() == theirs.ids.tolist()
        assert ours.scores.tolist() == pytest.approx(theirs.scores.tolist(), rel=1e-5)
