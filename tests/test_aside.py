"""Work that another thread does meanwhile is done once, told as it ends, and never left behind."""

import threading

import pytest

from embed.stages import account, looked_up, stage
from index import aside as module
from index.aside import aside


@pytest.fixture(params=[1, 2])
def cores(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "cores", lambda: request.param)
    return int(request.param)


def test_what_was_found_comes_whichever_thread_found_it(cores: int) -> None:
    def work() -> tuple[str, int]:
        return "found", threading.get_ident()

    with aside(work) as found:
        what, where = found()
    assert what == "found"
    assert cores == 2 or where == threading.get_ident()


def test_it_is_done_beside_what_the_block_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    begun, go = threading.Event(), threading.Event()

    def work() -> bool:
        begun.set()
        return go.wait(10)

    with aside(work) as found:
        assert begun.wait(10)
        go.set()
        assert found()


def test_what_it_raises_is_raised_where_it_is_called_for(cores: int) -> None:
    def work() -> None:
        raise ValueError("no terms")

    with aside(work) as found, pytest.raises(ValueError, match="no terms"):
        found()


def test_when_the_block_fails_its_own_failure_is_told_and_no_work_goes_on(cores: int) -> None:
    ended = threading.Event()

    def work() -> None:
        ended.set()
        raise ValueError("of nobody's concern")

    def block() -> None:
        with aside(work):
            assert cores == 1 or ended.wait(10)
            raise KeyError("the block")

    with pytest.raises(KeyError, match="the block"):
        block()
    # On a single core it never begins.
    assert ended.is_set() == (cores == 2)


def test_where_all_threads_are_busy_it_is_done_by_whoever_calls_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "cores", lambda: 2)
    begun, go = threading.Semaphore(0), threading.Event()
    busy: list[threading.Thread] = []

    def occupied() -> bool:
        begun.release()
        return go.wait(30)

    def occupy() -> None:
        with aside(occupied) as found:
            found()

    workers = module._threads()._max_workers
    for _ in range(workers):
        busy.append(threading.Thread(target=occupy))
        busy[-1].start()
    for _ in range(workers):
        assert begun.acquire(timeout=10)
    try:
        with aside(threading.get_ident) as found:
            assert found() == threading.get_ident()
    finally:
        go.set()
        for thread in busy:
            thread.join(10)


def test_look_ups_count_and_only_the_waiting_takes_time(cores: int) -> None:
    begun = threading.Event()

    def work() -> None:
        begun.set()
        with stage("terms"):
            looked_up("filters", found=True)
            looked_up("filters", found=True)
            looked_up("questions", found=False)

    with account() as spent, stage("other"), aside(work) as found:
        assert cores == 1 or begun.wait(10)
        found()
    assert spent.lookups == {("filters", True): 2, ("questions", False): 1}
    assert ("terms" in spent.seconds) == (cores == 1)
    assert "other" in spent.seconds
