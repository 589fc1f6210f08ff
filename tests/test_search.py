"""The read walk: filters before the cut, offsets that hold, and any question whatever."""

import contextlib
import json
import unicodedata
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed import Encoder
from embed.hashing import HashingEncoder
from index.errors import InvalidRequest
from index.evidence import understand
from index.ingest import ingest
from index.language import question_language
from index.lexicon import translated_words
from index.rarity import balanced
from index.reader import Filters, Reader
from index.records import Entry, Hit, Ranking, Window
from index.reread import READ, reread
from index.search import CANDIDATES, MAX_QUESTION, Searcher, check
from index.space import matches, word_spans
from index.store import Store
from index.terms import question_spellings

START = datetime(2023, 5, 22, tzinfo=UTC)
SUBJECTS = ("Le Kremlin", "La Pologne", "Un drone", "The Kremlin", "Kyiv", "A pilot")
ACTS = ("dément", "forme des pilotes", "attaque Belgorod", "denies the attack", "trains pilots", "is over Shanghai")


def lines(count: int) -> Iterator[dict[str, str]]:
    """Entries an hour apart, some known to the day and some undated, in two languages."""
    for n in range(count):
        line = {"_id": f"{n}", "text": f"{SUBJECTS[n % 6]} {ACTS[(n // 6 + n) % 6]}, {n}.", "lang": "fr" if n % 6 < 3 else "en"}
        moment = START + timedelta(hours=n)
        if n % 5 == 1:
            line["date"] = moment.date().isoformat()
        elif n % 5 != 2:
            line["published"] = moment.isoformat()
        yield line


@pytest.fixture(scope="module")
def searcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Searcher]:
    """240 entries in three sources, of one passage each."""
    home = tmp_path_factory.mktemp("search")
    (home / "fil").mkdir()
    for number, name in enumerate(("a", "b", "c")):
        some = [line for n, line in enumerate(lines(240)) if n % 3 == number]
        (home / "fil" / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in some))
    encoder = HashingEncoder()
    assert ingest([home / "fil"], home / "index", encoder).added == 240
    with Searcher(home / "index", encoder) as searcher:
        yield searcher


def everything(searcher: Searcher) -> dict[int, Entry]:
    assert isinstance(searcher.reader, Reader)
    with Store.open(searcher.reader.folder) as store:
        return {
            passage.id: entry for _, entry in store.all_current() for passage in store.passages_of(entry.id, store.generation())
        }


# Filters

BOUNDS = [START + timedelta(hours=hours, microseconds=nudge) for hours in (-1, 0, 5, 24, 100, 239, 300) for nudge in (-1, 0, 1)]
windows = st.tuples(st.none() | st.sampled_from(BOUNDS), st.none() | st.sampled_from(BOUNDS)).filter(
    lambda pair: pair[0] is None or pair[1] is None or pair[0] < pair[1]
)


@given(
    window=windows,
    lang=st.none() | st.sampled_from(["fr", "en"]),
    source=st.none() | st.sampled_from(["fil/a.jsonl", "fil/b.jsonl"]),
    k=st.sampled_from([1, 3, 20, 100]),
    question=st.sampled_from(["Que dit le Kremlin ?", "Who trains pilots?", "introuvable", "…"]),
)
@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_filters_are_applied_before_the_cut_and_equal_brute_force(
    searcher: Searcher,
    window: tuple[datetime | None, datetime | None],
    lang: str | None,
    source: str | None,
    k: int,
    question: str,
) -> None:
    filters = Filters(Window(*window), lang, source)
    passing = {
        i
        for i, entry in everything(searcher).items()
        if filters.window.contains(entry) and lang in (None, entry.lang) and source in (None, entry.source)
    }
    found = searcher.search(question, k, filters)
    assert (found.filters, found.generation) == (filters, 1)
    assert {hit.passage.id for hit in found.hits} <= passing
    assert len(found.hits) == min(k, len(passing))
    if k == 100 and len(passing) <= 100:
        assert {hit.passage.id for hit in found.hits} == passing
    # The order of what passes is that of the same passages without a filter; the first ten of them are read again.
    snapshot = searcher.reader.snapshot()
    unread = searcher.rank(question, 1000, Filters(), snapshot).unread
    kept = np.isin(unread.ids, list(passing))
    order = unread.ids[kept].tolist()
    ranked = [hit.passage.id for hit in found.hits]
    assert ranked[READ:] == [i for i in order if i in set(ranked[READ:])]
    if len(passing) <= CANDIDATES:
        # Of more, some are no candidates: too far down by vector and by terms alike.
        asked = understand(question, searcher.encoder, snapshot)
        assert ranked == reread(asked, Ranking(unread.ids[kept], unread.scores[kept]), snapshot)[0].ids.tolist()[:k]


@pytest.mark.parametrize("source", ["nowhere.txt", "", "fil/%", "FIL/A.JSONL", "fil/a.jsonl\0"])
def test_a_source_that_the_index_does_not_have_is_an_error_and_not_an_empty_list(searcher: Searcher, source: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        searcher.search("Kremlin", filters=Filters(source=source))
    assert (caught.value.field, str(caught.value)) == ("source", f"no source '{source}' in this index")


# Ranking


def test_a_hit_says_what_each_ranking_said_of_it(searcher: Searcher) -> None:
    question = "Le Kremlin dément"
    found = searcher.search(question, k=100)
    snapshot = searcher.reader.snapshot()
    reading = searcher.encoder.read_query(question, word_spans(question))
    ids = sorted(everything(searcher))
    codes = searcher.reader.store.words(ids)
    late = matches(snapshot.space.question_words(reading.words, "fr"), [codes[i] for i in ids]).mean(axis=1)
    spellings = question_spellings(question, "fr")
    words = balanced(spellings, snapshot.terms, translated_words(spellings, "fr"))
    rankings = {
        "dense": snapshot.vectors.nearest(snapshot.space.question(reading.vector, "fr"), 300),
        "words": Ranking.best(np.array(ids), late),
        "lexical": snapshot.terms.matching({term: weight for word in words for term, weight in word.terms.items()}, 300),
        "translated": snapshot.terms.matching(
            {term: weight for word in words for term, weight in word.translated.items()}, 300
        ),
    }
    assert (found.question, found.lang, found.card) == (question, "fr", searcher.encoder.card)
    assert [hit.rank for hit in found.hits] == list(range(1, 101))
    scores = [hit.score for hit in found.hits]
    assert scores == sorted(scores, reverse=True)
    assert all(0 <= score <= 1 for score in scores)
    said = {name: dict(ranking) for name, ranking in rankings.items()}
    for hit in found.hits:
        i = hit.passage.id
        assert {name: vote.score for name, vote in hit.ranks.items()} == pytest.approx(
            {name: scores[i] for name, scores in said.items() if i in scores}, abs=1e-5
        )
        for name in ("dense", "lexical", "translated"):
            if name in hit.ranks:
                assert hit.ranks[name].rank == rankings[name].ids.tolist().index(i) + 1


def test_a_passage_found_by_one_ranking_is_scored_by_all(searcher: Searcher) -> None:
    snapshot = searcher.reader.snapshot()
    question = "Shanghai 12"
    shallow = searcher.rank(question, 3, Filters(), snapshot)
    deep = searcher.rank(question, 1000, Filters(), snapshot)
    voted = [set(shallow.votes[name].ids.tolist()) for name in ("dense", "lexical", "translated")]
    assert set(shallow.fused.ids.tolist()) == set.union(*voted)
    assert 3 < len(shallow.fused) <= 9
    scores = dict(deep.fused)
    assert {i: scores[i] for i, _ in shallow.fused} == pytest.approx(dict(shallow.fused), abs=2e-6)


def test_the_best_of_a_few_is_the_best_of_many(searcher: Searcher) -> None:
    ids = [[hit.passage.id for hit in searcher.search("Who trains pilots?", k=k).hits] for k in (1, 5, 100)]
    assert (ids[0], ids[1]) == (ids[2][:1], ids[2][:5])


# Offsets

TEXTS = [
    "L’été dernier, « les élus » ont dit : « Où est-ce ? » Personne n’a répondu. Çà et là, rien.",
    unicodedata.normalize("NFD", "L’été dernier, les élus ont été réélus à Besançon. Ç’a été décidé. Où ça ?"),
    "🙂 Un 👩‍👩‍👧 arrive 🇫🇷. Le 𝒳 et le ﬁn\u00a0! Puis\u202f: 1\u202f000 drones…\nDeuxième ligne 🚀.\r\nTroisième.",
    "\u202bمرحبا\u202c. Texte mêlé à l’arabe\u200b ! Fin\u2028Ligne\u0085autre.",
    "a\u0301\u0302\u0303 accents empilés. x\ufe0f\u20e3 7️⃣ touches. \0 nul. Fin.",
    "Mot " * 400 + "très long. " + "é" * 900 + " fini. " + "🙂" * 300,
]


def assert_offsets(hits: tuple[Hit, ...], originals: dict[str, str]) -> None:
    for hit in hits:
        passage = hit.passage
        original = originals[passage.entry.key]
        assert passage.entry.text == original
        assert original[passage.start : passage.end] == passage.text
        assert passage.text.strip() == passage.text != ""


def indexed(home: Path, originals: dict[str, str], encoder: Encoder) -> Path:
    lines = [{"_id": key, "title": "Titre 🙂 é", "text": text, "lang": "fr"} for key, text in originals.items()]
    (home / "a.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))
    report = ingest([home / "a.jsonl"], home / "index", encoder)
    assert (report.added, report.failures) == (len(originals), [])
    return home / "index"


def test_every_hit_lies_at_its_offsets_in_its_entry(tmp_path: Path) -> None:
    originals = {f"{n}": text for n, text in enumerate(TEXTS)}
    folder = indexed(tmp_path, originals, HashingEncoder(token_limit=32))
    with Searcher(folder, HashingEncoder(token_limit=32)) as searcher:
        hits = searcher.search("les élus à Besançon", k=100).hits
        assert_offsets(hits, originals)
        assert {hit.passage.entry.key for hit in hits} == set(originals)
        # Together the passages of an entry have every letter of it, in order.
        for key, original in originals.items():
            spans = sorted((hit.passage.start, hit.passage.end) for hit in hits if hit.passage.entry.key == key)
            assert "".join("".join(original[a:b].split()) for a, b in spans) == "".join(original.split())


@pytest.mark.model
def test_every_hit_of_the_real_model_lies_at_its_offsets(tmp_path: Path, model: Encoder) -> None:
    originals = {f"{n}": text for n, text in enumerate(TEXTS)}
    with Searcher(indexed(tmp_path, originals, model), model) as searcher:
        for question in ("les élus à Besançon", "1 000 drones", "🙂"):
            hits = searcher.search(question, k=100).hits
            assert_offsets(hits, originals)
            assert {hit.passage.entry.key for hit in hits} == set(originals)


letters = st.text(st.sampled_from("aéeE\u0301 .!?«»\u00a0\u202f’'-\n🙂👩\u200d1hM:;,"), min_size=1, max_size=120)


@given(texts=st.lists(letters.filter(lambda text: text.strip() != ""), min_size=1, max_size=4))
@settings(max_examples=15, deadline=None)
def test_offsets_hold_for_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    originals = {f"{n}": text for n, text in enumerate(texts)}
    encoder = HashingEncoder(token_limit=12)
    with Searcher(indexed(tmp_path_factory.mktemp("any"), originals, encoder), encoder) as searcher:
        hits = searcher.search("é 🙂", k=100).hits
        assert_offsets(hits, originals)
        # Where two texts say the same, one is shown, and names the other.
        twins = [searcher.reader.store.entry(twin, 1).key for hit in hits for twin in hit.twins]
        assert {*(hit.passage.entry.key for hit in hits), *twins} == set(originals)


def test_entries_of_a_live_blog_are_the_lines_of_the_page(seeds: Path, tmp_path: Path) -> None:
    ingest([seeds], tmp_path / "index", HashingEncoder())
    content = next(seeds.glob("*.txt")).read_text()
    with Searcher(tmp_path / "index", HashingEncoder()) as searcher:
        hits = searcher.search("Belgorod", k=100).hits
        assert {hit.passage.entry.key for hit in hits} == {
            "lead",
            *(f"2023-05-23T{clock}" for clock in ("11:58", "07:58", "07:44", "06:35", "06:25")),
        }
        for hit in hits:
            assert hit.passage.text in content
            assert hit.passage.entry.text[hit.passage.start : hit.passage.end] == hit.passage.text


# Requests that cannot be answered

REFUSED = [
    ("Kremlin", 0, Filters(), "k", "k is 0; ask for 1 to 100 hits"),
    ("Kremlin", -1, Filters(), "k", "k is -1; ask for 1 to 100 hits"),
    ("Kremlin", 101, Filters(), "k", "k is 101; ask for 1 to 100 hits"),
    ("", 10, Filters(), "query", "the question is empty"),
    (" \n\t\u00a0", 10, Filters(), "query", "the question is empty"),
    ("x" * 1_000_000, 10, Filters(), "query", "the question has 1000000 characters; at most 4000 are read"),
    ("Kremlin", 10, Filters(lang="de"), "lang", "no language 'de' to filter by: give fr or en"),
    ("Kremlin", 10, Filters(lang=""), "lang", "no language '' to filter by: give fr or en"),
    (
        *("Kremlin", 10, Filters(Window(START + timedelta(days=1), START))),
        *("until", "the window ends before it begins: since must be earlier than until"),
    ),
    (
        *("Kremlin", 10, Filters(Window(START, START))),
        *("until", "the window ends before it begins: since must be earlier than until"),
    ),
    ("Kremlin", 10, Filters(source="a\udcff"), "source", "the name of the source holds half a character, which none does"),
]


@pytest.mark.parametrize(("question", "k", "filters", "field", "message"), REFUSED, ids=[f"{n}" for n in range(len(REFUSED))])
def test_a_request_that_cannot_be_answered_names_its_field(
    searcher: Searcher, question: str, k: int, filters: Filters, field: str, message: str
) -> None:
    for ask in (searcher.search, check):
        with pytest.raises(InvalidRequest) as caught:
            ask(question, k, filters)
        assert (caught.value.field, str(caught.value)) == (field, message)


ODD = [
    "?", "!?…«»", "a", "é", "🙂", "le la les", "the of and", "qui", 'AND ("', "title:", 'title:"drone', "(((", "*", "dro*",
    "-drone", "+Kremlin -Belgorod", "drone~2", "Kremlin^9", "[a TO b]", "\\", "'; DROP TABLE entries; --", "%", "_",
    "fr:kremlin", "\ud800", "Kremlin \udfff dément", "\0", "Kremlin\0dément", "\u200b", "\u202e", "e\u0301", "x" * MAX_QUESTION,
    "a " * 2000,    "\u037a", "ﷺ", "1 000", "11h58", "F-16s", "\r\n.", "\x7f", "\ufeff", "👩‍👩‍👧",
]  # fmt: skip


@pytest.mark.parametrize("question", ODD, ids=ascii)
def test_any_question_is_answered(searcher: Searcher, question: str) -> None:
    found = searcher.search(question, k=5)
    assert (min(len(found.hits), found.total or 0), found.lang) == (min(5, found.total or 0), question_language(question))
    assert all(np.isfinite(hit.score) for hit in found.hits)
    assert len(searcher.search(question, k=5, literal=True).hits) == 5


@pytest.mark.model
def test_any_question_is_answered_with_the_real_model(tmp_path: Path, model: Encoder) -> None:
    with Searcher(indexed(tmp_path, {"a": "Le Kremlin dément. Un drone attaque."}, model), model) as searcher:
        for question in ("?", "é", "le la les", 'AND ("', "\ud800", "Kremlin\0dément", "🙂", "x" * MAX_QUESTION):
            found = searcher.search(question, k=5)
            assert (len(found.hits), bool(np.isfinite(found.hits[0].score))) == (1, True)


@given(question=st.text(st.characters(exclude_categories=()), min_size=1, max_size=40).filter(lambda text: text.strip() != ""))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_question(searcher: Searcher, question: str) -> None:
    assert len(searcher.search(question, k=3, literal=True).hits) == 3
    # Some are operators that make no sense, which is said of the query and nothing else.
    with contextlib.suppress(InvalidRequest):
        assert searcher.search(question, k=3).reading is not None


# The questions that the project was made for

QUESTIONS = {
    "Qui a revendiqué l'attaque de Belgorod ?": "2023-05-23T06:25",
    "Who claimed the Belgorod attack?": "2023-05-23T06:25",
    "Où se trouve le Premier ministre russe ?": "2023-05-23T06:35",
    "Where is the Russian prime minister and whom will he meet?": "2023-05-23T06:35",
    "Which country has started training Ukrainian pilots on F-16s?": "lead",
    "Quel pays forme des pilotes ukrainiens ?": "lead",
    "What did the Kremlin say about the incursion?": "2023-05-23T11:58",
    "Were there casualties in the drone attacks?": "2023-05-23T07:58",
    "Qu'a dit Dmitri Peskov ?": "2023-05-23T11:58",
    "What share does China have in Russian energy exports?": "2023-05-23T06:35",
}


@pytest.mark.model
def test_nine_of_ten_questions_find_the_right_entry_first(seeds: Path, tmp_path: Path, model: Encoder) -> None:
    ingest([seeds], tmp_path / "index", model)
    with Searcher(tmp_path / "index", model) as searcher:
        first = {question: searcher.search(question).hits[0].passage for question in QUESTIONS}
        assert sum(first[question].entry.key == key for question, key in QUESTIONS.items()) >= 9, first
        pilots = searcher.search("Who is training Ukrainian pilots on F-16s?").hits[0].passage
        assert "La Pologne a commencé à entraîner des pilotes ukrainiens" in pilots.text


@pytest.mark.parametrize("filters", [Filters(), Filters(lang="en"), Filters(Window(START, START + timedelta(hours=50)), "fr")])
def test_everything_that_passes_the_filters_is_ranked_and_begins_as_a_search_does(searcher: Searcher, filters: Filters) -> None:
    question = "Who denies the attack on Belgorod?"
    ranked = searcher.everything(question, filters, searcher.reader.snapshot())
    passing = searcher.reader.snapshot().allowed(filters)
    wanted = everything(searcher) if passing is None else passing.tolist()
    assert sorted(ranked.fused.ids.tolist()) == sorted(wanted)
    deep = searcher.rank(question, 1000, filters, searcher.reader.snapshot())
    assert list(ranked.fused) == list(deep.fused)
    best = {hit.passage.id: hit.score for hit in searcher.search(question, 10, filters).hits}
    assert list(best.values()) == pytest.approx([dict(ranked.fused)[i] for i in best])
