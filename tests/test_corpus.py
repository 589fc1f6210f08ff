"""An index asked from Python: what comes is what the walks give."""

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from embed.hashing import HashingEncoder
from index import open_index
from index.answer import ask, newest
from index.corpus import Corpus
from index.errors import FilrougeError, InvalidRequest, NotAnIndex, NotFound
from index.reader import Filters
from index.records import Window
from index.search import Searcher

PARIS = ZoneInfo("Europe/Paris")
SOURCE = "seeds/000_43b67c511cce9011.txt"
QUESTION = "Qui a revendiqué l’attaque de Belgorod ?"


@pytest.fixture(scope="module")
def fil(seed_index: Path) -> Iterator[Corpus]:
    with open_index(seed_index) as fil:
        yield fil


def test_a_search_finds_what_the_searcher_finds(fil: Corpus, seed_index: Path) -> None:
    window = Window(datetime(2023, 5, 23, 7, tzinfo=PARIS), datetime(2023, 5, 24, tzinfo=PARIS))
    with Searcher(seed_index, HashingEncoder()) as searcher:
        results = searcher.search(QUESTION, 3, Filters(window, "fr", SOURCE))
    found = fil.search(QUESTION, 3, lang="fr", since="2023-05-23T07:00", until=date(2023, 5, 24), source=SOURCE)
    assert found.results == results
    assert tuple(found) == results.hits
    assert len(found) == 3


def test_operators_filter_unless_they_are_words_and_pages_follow_one_another(fil: Corpus) -> None:
    query = '"Légion Liberté" Belgorod'
    first = fil.search(query, 2)
    second = fil.search(query, 2, cursor=first.results.next)
    assert (first.results.total, len(second), second.results.next) == (3, 1, None)
    assert {hit.passage.id for hit in (*first, *second)} == {hit.passage.id for hit in fil.search(query)}
    assert all("Légion Liberté" in f"{hit.entry.title} {hit.text}" for hit in (*first, *second))
    assert len(fil.search(query, literal=True)) > 3
    asked = "Qui a attaqué Belgorod ? title:Kremlin"
    assert {hit.entry.title for hit in fil.ask(asked).hits} < {hit.entry.title for hit in fil.ask(asked, literal=True).hits}


def test_a_time_in_a_question_narrows_unless_it_is_told_not_to(fil: Corpus) -> None:
    asked = "Qui a attaqué Belgorod à 7 h 44 le 23 mai 2023 ?"
    kept, wide = fil.ask(asked, threshold=0), fil.ask(asked, threshold=0, times=False)
    assert len(kept.hits) < len(wide.hits)


@pytest.mark.parametrize(
    "since",
    [
        "2023-05-23T07:44",
        "2023-05-23T05:44Z",
        datetime(2023, 5, 23, 7, 44),
        datetime(2023, 5, 23, 5, 44, tzinfo=UTC),
        datetime(2023, 5, 23, 7, 44, tzinfo=PARIS),
    ],
)
def test_a_time_may_be_a_text_or_a_datetime_and_is_of_the_zone_of_the_index(fil: Corpus, since: str | datetime) -> None:
    found = fil.search(QUESTION, 10, since=since)
    assert {hit.entry.published for hit in found if not hit.entry.day_only} == {
        datetime(2023, 5, 23, hour, minute, tzinfo=PARIS) for hour, minute in ((7, 44), (7, 58), (11, 58))
    }


def test_an_answer_is_that_of_the_walk(fil: Corpus, seed_index: Path) -> None:
    now = datetime(2023, 5, 23, 12, tzinfo=PARIS)
    with Searcher(seed_index, HashingEncoder()) as searcher:
        answer = ask(searcher, f"{QUESTION[:-2]} ce matin ?", 2, now=now, threshold=0)
    reply = fil.ask(f"{QUESTION[:-2]} ce matin ?", 2, now="2023-05-23T12:00", threshold=0)
    assert reply.answer == answer
    assert reply.answer.narrowing.window is not None
    assert fil.ask(QUESTION, now="newest").answer.now == newest(fil.searcher)


def test_what_was_known_can_be_asked_for_with_a_moment(fil: Corpus) -> None:
    known = fil.search(QUESTION).results.known
    assert known is not None
    then = fil.search(QUESTION, as_of=known)
    assert then.results == replace(fil.search(QUESTION).results, as_of=known)
    assert fil.entry(then[0].entry.id, as_of=known.isoformat()).entry == then[0].entry
    assert fil.ask(QUESTION, as_of=known).answer.now == known.replace(microsecond=0)
    with pytest.raises(InvalidRequest) as raised:
        fil.search(QUESTION, as_of="2001-01-01")
    assert raised.value.field == "as_of"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"k": 0}, "k"),
        ({"lang": "de"}, "lang"),
        ({"since": "hier"}, "since"),
        ({"since": "2023-05-24", "until": date(2023, 5, 23)}, "until"),
        ({"source": "nowhere"}, "source"),
        ({"as_of": "then"}, "as_of"),
    ],
)
def test_what_cannot_be_is_named(fil: Corpus, asked: dict[str, object], field: str) -> None:
    for door in (fil.search, fil.ask):
        with pytest.raises(InvalidRequest) as raised:
            door(QUESTION, **asked)  # type: ignore[arg-type]
        assert raised.value.field == field


def test_an_entry_that_is_not_there_is_an_error(fil: Corpus) -> None:
    with pytest.raises(NotFound):
        fil.entry("nothing")


def test_a_folder_without_an_index_is_told_before_a_model_is_loaded(tmp_path: Path) -> None:
    with pytest.raises(NotAnIndex, match="make one with filrouge index"):
        open_index(str(tmp_path), model="no such model")


def test_a_closed_index_says_so_and_keeps_what_it_found(seed_index: Path) -> None:
    fil = open_index(str(seed_index), "hashing")
    assert repr(fil) == f"index {seed_index}: 6 entries, 11 passages, generation 1, model hashing"
    found = fil.search(QUESTION, 1)
    fil.close()
    fil.close()
    assert repr(fil) == f"index {seed_index}, closed"
    assert found[0].text in found[0].entry.text
    for ask_again in (lambda: fil.search(QUESTION), fil.sources, lambda: fil.entry("x")):
        with pytest.raises(FilrougeError, match="was closed: open it again"):
            ask_again()


def test_several_threads_may_ask_at_once(fil: Corpus) -> None:
    alone = fil.search(QUESTION).results
    with ThreadPoolExecutor(8) as threads:
        assert all(found.results == alone for found in threads.map(lambda _: fil.search(QUESTION), range(32)))


def test_a_program_of_three_lines_asks(seed_index: Path) -> None:
    program = (
        f"from index import open_index\nwith open_index({str(seed_index)!r}) as fil:\n    print(fil.search('Belgorod', k=1))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.startswith("1 hit for “Belgorod”, generation 1\n1.  0.")
