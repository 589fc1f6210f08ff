"""Embedding beside reading: what waits for what, and what is never done twice."""

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from embed.encoder import Reading, Span
from embed.hashing import HashingEncoder
from index.embedding import Batch, Embedder, passages
from index.records import Entry
from index.space import space_of
from index.store import Origin, Store


class Gated(HashingEncoder):
    """Embeds when the gate is open, and counts what; fails at a text that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.texts: list[str] = []

    def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
        assert self.gate.wait(30)
        self.texts.extend(texts)
        if any("panne" in text for text in texts):
            raise RuntimeError("the encoder broke")
        return super().read_passages(texts, spans)


@pytest.fixture
def encoder() -> Gated:
    return Gated()


@pytest.fixture
def embedder(tmp_path: Path, encoder: Gated) -> Iterator[Embedder]:
    space = space_of(HashingEncoder())
    with Store.create(tmp_path, encoder.card, lambda: space) as store:
        embedder = Embedder(store, encoder, space, None)
        yield embedder
        encoder.gate.set()
        embedder.close()


def add(batch: Batch, *texts: str) -> None:
    for text in texts:
        entry = Entry("fil.txt", text, "", text, "fr")
        cut_up = passages(entry, HashingEncoder())
        batch.origins["fil.txt"] = Origin("fil.txt", "fil.txt", "UTC")
        batch.entries.append((entry, [passage for passage, _ in cut_up]))
        batch.texts.update((passage.vector_hash, text) for passage, text in cut_up)


def test_who_asks_goes_on_and_the_batch_is_done_later(embedder: Embedder, encoder: Gated) -> None:
    batch = Batch()
    add(batch, "Un.", "Deux.")
    embedder.ask(batch)
    assert (batch.texts, batch.vectors, batch.done) == ({}, {}, False)
    encoder.gate.set()
    changes = batch.changes()
    assert (batch.done, batch.whole) == (True, True)
    assert changes.vectors is not None
    assert set(changes.vectors) == {passage.vector_hash for _, some in changes.entries for passage in some}
    assert (len(changes.vectors), embedder.embedded) == (2, 2)


def test_a_text_is_embedded_once_in_a_batch_and_the_one_before_it(embedder: Embedder, encoder: Gated) -> None:
    first = Batch()
    add(first, "Un.", "Deux.")
    embedder.ask(first)
    add(first, "Un.", "Trois.")
    embedder.ask(first)
    second = Batch(before=first.vectors)
    add(second, "Deux.", "Quatre.")
    embedder.ask(second)
    encoder.gate.set()
    assert len(first.changes().vectors or {}) == 3
    # The store has the other by then.
    assert len(second.changes().vectors or {}) == 1
    assert sorted(encoder.texts) == ["Deux.", "Quatre.", "Trois.", "Un."]


def test_what_goes_wrong_is_told_to_who_wants_the_batch(embedder: Embedder, encoder: Gated) -> None:
    encoder.gate.set()
    batch = Batch()
    add(batch, "Une panne.")
    embedder.ask(batch)
    with pytest.raises(RuntimeError, match="the encoder broke"):
        batch.changes()
    # It is done, in that nothing more will come of it.
    assert (batch.done, batch.whole) == (True, False)


def test_what_was_not_begun_is_left_at_the_end(embedder: Embedder, encoder: Gated) -> None:
    batches = [Batch(), Batch()]
    for batch, text in zip(batches, ("Un.", "Deux."), strict=True):
        add(batch, text)
        embedder.ask(batch)
    closing = threading.Thread(target=embedder.close)
    closing.start()
    encoder.gate.set()
    closing.join(30)
    assert not closing.is_alive()
    assert encoder.texts == ["Un."]


def test_no_text_is_nothing_to_wait_for(embedder: Embedder) -> None:
    batch = Batch(withdrawn=["gone"])
    embedder.ask(batch)
    assert batch.done
    assert (batch.coming, list(batch.changes().withdrawn)) == ([], ["gone"])
