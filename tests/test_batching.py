"""Questions of many clients, encoded together."""

import queue
import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from embed import batching
from embed.batching import BatchingEncoder
from embed.encoder import Reading, Span
from embed.errors import EncoderBusy
from embed.hashing import HashingEncoder


class Gated(HashingEncoder):
    """Notes every batch of questions, and computes none before its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.started = threading.Event()
        self.batches: list[list[str]] = []

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        self.batches.append(list(texts))
        self.started.set()
        assert self.gate.wait(timeout=30)
        if "raise" in texts:
            raise ValueError("no such question")
        return super().read_queries(texts, spans)


def test_a_question_has_the_vector_that_the_encoder_gives_it() -> None:
    plain = HashingEncoder()
    with BatchingEncoder(plain) as encoder:
        assert np.array_equal(encoder.encode_query("Kremlin"), plain.encode_query("Kremlin"))
        assert encoder.card == plain.card
        assert encoder.count_tokens(["a b", ""]) == [2, 0]
        assert np.array_equal(encoder.encode_passages(["x", "y"]), plain.encode_passages(["x", "y"]))


def test_questions_that_arrive_during_a_batch_form_the_next_one() -> None:
    gated = Gated()
    asked = [f"question {number}" for number in range(8)]
    with BatchingEncoder(gated) as encoder, ThreadPoolExecutor(9) as clients:
        first = clients.submit(encoder.encode_query, "first")
        assert gated.started.wait(timeout=30)
        others = [clients.submit(encoder.encode_query, text) for text in asked]
        while encoder.waiting < len(asked):
            pass
        gated.gate.set()
        found = [other.result(timeout=30) for other in others]
        assert np.array_equal(first.result(timeout=30), gated.encode_passages(["first"])[0])
    assert gated.batches[0] == ["first"]
    assert sorted(gated.batches[1]) == asked
    assert len(gated.batches) == 2
    assert np.array_equal(np.stack(found), gated.encode_passages(asked))


def assert_same(found: Reading, expected: Reading) -> None:
    assert np.array_equal(found.vector, expected.vector)
    assert np.array_equal(found.words, expected.words)


def test_a_question_has_the_reading_that_the_encoder_gives_it() -> None:
    plain = HashingEncoder()
    with BatchingEncoder(plain) as encoder:
        for spans in ([], [(0, 2)], [(3, 10), (0, 2), (3, 10)]):
            assert_same(encoder.read_query("Le Kremlin", spans), plain.read_query("Le Kremlin", spans))
        for read, expected in (
            (encoder.read_passages, plain.read_passages),
            (encoder.read_queries, plain.read_queries),
        ):
            texts, each = ["Le Kremlin", "x"], [[(3, 10)], []]
            for one, other in zip(read(texts, each), expected(texts, each), strict=True):
                assert_same(one, other)
        assert np.array_equal(encoder.encode_queries(["x", "y"]), plain.encode_queries(["x", "y"]))


def test_one_question_with_several_spans_is_read_once_for_each_of_them_and_its_vector_is_one_of_them() -> None:
    gated = Gated()
    asked: list[list[Span]] = [[], [(0, 2)], [(3, 10)], [], [(0, 2)]]
    with BatchingEncoder(gated) as encoder, ThreadPoolExecutor(6) as clients:
        first = clients.submit(encoder.encode_query, "first")
        assert gated.started.wait(timeout=30)
        others = [clients.submit(encoder.read_query, "Le Kremlin", spans) for spans in asked]
        while encoder.waiting < len(asked):
            pass
        gated.gate.set()
        found = [other.result(timeout=30) for other in others]
        first.result(timeout=30)
        # A list of spans is remembered as well as a tuple, and a vector alone is a reading without spans.
        assert np.array_equal(encoder.encode_query("Le Kremlin"), found[0].vector)
        assert_same(encoder.read_query("Le Kremlin", ((0, 2),)), found[1])
    assert gated.batches == [["first"], ["Le Kremlin"] * 3]
    for one, spans in zip(found, asked, strict=True):
        assert_same(one, HashingEncoder().read_query("Le Kremlin", spans))


def test_no_batch_is_larger_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_BATCH", 3)
    gated = Gated()
    with BatchingEncoder(gated) as encoder, ThreadPoolExecutor(8) as clients:
        first = clients.submit(encoder.encode_query, "first")
        assert gated.started.wait(timeout=30)
        others = [clients.submit(encoder.encode_query, str(number)) for number in range(7)]
        while encoder.waiting < 7:
            pass
        gated.gate.set()
        for one in (first, *others):
            one.result(timeout=30)
    assert [len(batch) for batch in gated.batches] == [1, 3, 3, 1]


def test_a_question_asked_again_is_not_computed_again() -> None:
    gated = Gated()
    gated.gate.set()
    with BatchingEncoder(gated) as encoder:
        first = encoder.encode_query("encore")
        assert np.array_equal(encoder.encode_query("encore"), first)
    assert gated.batches == [["encore"]]


def test_only_the_latest_questions_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "REMEMBERED", 2)
    gated = Gated()
    gated.gate.set()
    with BatchingEncoder(gated) as encoder:
        for text in ("a", "b", "a", "c", "a", "b"):
            encoder.encode_query(text)
    assert gated.batches == [["a"], ["b"], ["c"], ["b"]]


def test_one_question_too_many_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batching, "MAX_WAITING", 2)
    gated = Gated()
    with BatchingEncoder(gated) as encoder, ThreadPoolExecutor(3) as clients:
        held = [clients.submit(encoder.encode_query, "first")]
        assert gated.started.wait(timeout=30)
        held += [clients.submit(encoder.encode_query, text) for text in ("second", "third")]
        while encoder.waiting < 2:
            pass
        with pytest.raises(EncoderBusy, match=r"^2 questions are waiting; try again in a moment$"):
            encoder.encode_query("fourth")
        gated.gate.set()
        for one in held:
            one.result(timeout=30)


def test_a_failure_reaches_those_who_asked_and_nobody_after_them() -> None:
    gated = Gated()
    gated.gate.set()
    with BatchingEncoder(gated) as encoder:
        with pytest.raises(ValueError, match="no such question"):
            encoder.encode_query("raise")
        assert np.array_equal(encoder.encode_query("after"), gated.encode_passages(["after"])[0])


def test_closing_answers_what_was_asked() -> None:
    gated = Gated()
    encoder = BatchingEncoder(gated)
    with ThreadPoolExecutor(2) as clients:
        asked = clients.submit(encoder.encode_query, "last")
        assert gated.started.wait(timeout=30)
        closing = clients.submit(encoder.close)
        gated.gate.set()
        closing.result(timeout=30)
        assert np.array_equal(asked.result(timeout=30), gated.encode_passages(["last"])[0])


class TwoLanes(HashingEncoder):
    """Computes two batches side by side, each when the first question in it is let through."""

    lanes = 2

    def __init__(self) -> None:
        super().__init__()
        self.batches: queue.Queue[list[str]] = queue.Queue()
        self.gates: defaultdict[str, threading.Event] = defaultdict(threading.Event)

    def read_queries(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        self.batches.put(list(texts))
        assert self.gates[texts[0]].wait(timeout=30)
        return super().read_queries(texts, spans)


def test_lanes_work_side_by_side_and_each_takes_its_share_of_those_who_ask() -> None:
    two = TwoLanes()
    with BatchingEncoder(two) as encoder, ThreadPoolExecutor(12) as clients:
        asked = {}
        # The second does not wait for the first.
        for text in ("a", "b"):
            asked[text] = clients.submit(encoder.encode_query, text)
            assert two.batches.get(timeout=30) == [text]
        for text in "cdefghij":
            asked[text] = clients.submit(encoder.encode_query, text)
            while encoder.waiting < len(asked) - 2:
                pass
        # Nine ask, of whom one is being answered: the lane that is free takes five, in the order of their coming.
        two.gates["a"].set()
        assert two.batches.get(timeout=30) == list("cdefg")
        two.gates["b"].set()
        assert two.batches.get(timeout=30) == list("hij")
        two.gates["c"].set()
        two.gates["h"].set()
        found = {text: one.result(timeout=30) for text, one in asked.items()}
    assert all(np.array_equal(vector, HashingEncoder().encode_query(text)) for text, vector in found.items())


def test_closing_two_lanes_answers_what_was_asked() -> None:
    two = TwoLanes()
    encoder = BatchingEncoder(two)
    with ThreadPoolExecutor(6) as clients:
        asked = [clients.submit(encoder.encode_query, text) for text in "ab"]
        assert sorted(two.batches.get(timeout=30) for _ in asked) == [["a"], ["b"]]
        asked += [clients.submit(encoder.encode_query, text) for text in "cde"]
        while encoder.waiting < 3:
            pass
        closing = clients.submit(encoder.close)
        for text in "abcde":
            two.gates[text].set()
        closing.result(timeout=30)
        for one, text in zip(asked, "abcde", strict=True):
            assert np.array_equal(one.result(timeout=30), HashingEncoder().encode_query(text))
