"""Where the time of a request goes: every second in one stage, in whichever thread."""

import contextvars
import threading
import time
from pathlib import Path

import pytest

from embed.hashing import HashingEncoder
from embed.stages import STAGES, account, looked_up, stage
from index.answer import ask
from index.counts import count
from index.reader import Filters
from index.search import Searcher


def sleep(name: str, seconds: float = 0.02) -> None:
    with stage(name):  # type: ignore[arg-type]
        time.sleep(seconds)


def test_a_stage_within_another_takes_its_time_from_it() -> None:
    began = time.perf_counter()
    with account() as spent, stage("other"):
        time.sleep(0.02)
        with stage("understand"):
            sleep("encode", 0.04)
        sleep("encode", 0.04)
    whole = time.perf_counter() - began
    assert list(spent.seconds) == ["other", "understand", "encode"]
    assert spent.seconds["encode"] >= 0.08
    assert spent.seconds["understand"] < 0.02 <= spent.seconds["other"]
    assert sum(spent.seconds.values()) == pytest.approx(whole, abs=0.005)


def test_an_open_stage_can_be_settled_up_to_now_and_goes_on() -> None:
    with account() as spent, stage("other"):
        time.sleep(0.01)
        spent.settle()
        first = spent.seconds["other"]
        assert first >= 0.01
        time.sleep(0.01)
    assert spent.seconds["other"] >= first + 0.01


def test_without_an_account_nothing_is_kept_and_everything_runs() -> None:
    @stage("read")
    def double(value: int) -> int:
        return 2 * value

    looked_up("filters", found=False)
    assert double(3) == 6
    with account() as spent:
        assert double(4) == 8
    assert list(spent.seconds) == ["read"]


def test_a_stage_that_fails_is_left() -> None:
    with account() as spent, stage("other"):
        with pytest.raises(ValueError, match="no"), stage("read"):
            raise ValueError("no")
        time.sleep(0.01)
    assert spent.seconds["other"] >= 0.01 > spent.seconds["read"]


def test_a_thread_that_is_given_the_context_writes_to_the_same_account_and_others_do_not() -> None:
    with account() as spent:
        context = contextvars.copy_context()
        threads = [threading.Thread(target=context.run, args=(sleep, "read")), threading.Thread(target=sleep, args=("count",))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(spent.seconds) == ["read"]


def test_a_thread_that_ends_after_its_request_was_given_up_fails_nobody() -> None:
    with account() as spent:
        spent.enter("other")
        spent.enter("read")
        spent.leave()
        spent.leave()
        spent.leave()
        sleep("count")
    assert spent.seconds["count"] >= 0.02


def test_a_question_goes_through_the_stages_and_the_caches_say_what_they_had(seed_index: Path) -> None:
    with Searcher(seed_index, HashingEncoder()) as searcher:
        searched = Filters(lang="fr")
        for remembered in (False, True):
            with account() as spent:
                searcher.search("Who claimed the attack on Belgorod?", 3, searched)
            stages = {"understand", "encode", "nearest", "terms", "weigh", "read"} | ({"filter"} if not remembered else set())
            assert set(spent.seconds) == stages
            assert set(spent.lookups) == {("filters", remembered)} | ({("filters", True)})
        with account() as spent:
            ask(searcher, "Who claimed the attack on Belgorod?")
        assert spent.seconds["read"] > 0
        with account() as spent:
            count(searcher)
        assert set(spent.seconds) == {"count"}
    assert set(spent.seconds) <= set(STAGES)
