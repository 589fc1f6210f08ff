"""Lanes are handed out one at a time, by the shape that they computed last."""

import threading
import time

from embed.lanes import Lane, Lanes


def lanes(count: int) -> Lanes:
    return Lanes([Lane(model, None) for model in range(count)])


def used(some: Lanes, *shapes: tuple[int, ...]) -> list[int]:
    """Which lane each shape was given, one after the other."""
    found = []
    for shape in shapes:
        with some.taken(shape) as lane:
            assert lane.shape == shape
            found.append(lane.model)
    return found


def test_a_shape_goes_to_the_lane_that_had_it_last() -> None:
    some = lanes(3)
    assert used(some, (1, 16), (1, 32), (8, 16)) == [0, 1, 2]
    assert used(some, (8, 16), (1, 16), (1, 16), (1, 32)) == [2, 0, 0, 1]
    # A new one goes to the lane that was used longest ago.
    assert used(some, (4, 96), (8, 16), (4, 80), (1, 32)) == [2, 0, 1, 2]


def test_a_lane_that_is_taken_is_given_to_nobody_else() -> None:
    some = lanes(2)
    with some.taken((1, 16)) as first:
        with some.taken((1, 16)) as second:
            assert {first.model, second.model} == {0, 1}
        assert used(some, (1, 16), (1, 32)) == [second.model] * 2


def test_who_finds_none_free_waits() -> None:
    some = lanes(2)
    now, most, wrong = 0, 0, 0
    lock = threading.Lock()

    def compute(number: int) -> None:
        nonlocal now, most, wrong
        for _ in range(20):
            with some.taken((1, number % 3)) as lane:
                with lock:
                    now += 1
                    most = max(most, now)
                time.sleep(0.0005)
                wrong += lane.shape != (1, number % 3)
                with lock:
                    now -= 1

    threads = [threading.Thread(target=compute, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (now, most, wrong) == (0, 2, 0)


def test_a_lane_is_free_again_after_an_error() -> None:
    some = lanes(1)
    for _ in range(3):
        try:
            with some.taken((1, 16)):
                raise RuntimeError("no memory is left")
        except RuntimeError:
            continue
    assert used(some, (1, 16)) == [0]


def test_who_waits_comes_before_who_asks_again() -> None:
    some = lanes(1)
    order: list[str] = []
    waiting = threading.Event()

    def question() -> None:
        waiting.set()
        with some.taken((1, 16)):
            order.append("question")

    with some.taken((4, 96)):
        thread = threading.Thread(target=question)
        thread.start()
        waiting.wait(10)
        # It stands in the queue as soon as it has the lock.
        while not some._waiting:
            time.sleep(0.001)
    for _ in range(3):
        with some.taken((4, 96)):
            order.append("passages")
    thread.join()
    assert order == ["question", "passages", "passages", "passages"]
