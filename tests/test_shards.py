"""Documents cut into shards, and the files that come of them."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from embed.hashing import HashingEncoder
from index import shards
from index.documents import Facts
from index.embedding import passages
from index.errors import StorageError, UnreadableVectors
from index.ingest import ingest
from index.shards import Shard, ShardVectors
from index.space import Space, space_of
from index.store import Store

FACTS = Facts(lang="fr")
CARD = HashingEncoder().card


@pytest.fixture(scope="module")
def space() -> Space:
    return space_of(HashingEncoder())


def lines(*texts: str) -> str:
    return "".join(json.dumps({"_id": str(n), "text": text, "lang": "fr"}) + "\n" for n, text in enumerate(texts))


def planned(folder: Path, target: int = shards.TARGET) -> list[Shard]:
    return list(shards.plan([folder], FACTS, CARD, target))


def texts(shard: Shard) -> list[str]:
    return [entry.text for part in shard.parts for entry in shards._entries(part)]


def test_a_large_document_is_cut_and_every_entry_is_in_one_shard(write: Callable[..., Path]) -> None:
    said = [f"Phrase numéro {n}, assez longue pour compter." for n in range(50)]
    page = write("fil/a.jsonl", lines(*said))
    found = planned(page.parent, 200)
    assert len(found) > 5
    assert [text for shard in found for text in texts(shard)] == said
    assert len({shard.name for shard in found}) == len(found)


def test_small_documents_share_a_shard(write: Callable[..., Path], seeds: Path) -> None:
    for n in range(5):
        write(f"fil/{n}.txt", f"Un texte, le {n}e.\n")
    assert [len(shard.parts) for shard in planned(write("fil/5.txt", "Le dernier.\n").parent)] == [6]
    assert planned(seeds)[0].name.endswith(".vectors")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 59))
def test_one_new_document_leaves_most_shards_as_they_were(tmp_path_factory: pytest.TempPathFactory, place: int) -> None:
    folder = tmp_path_factory.mktemp("fil")
    for n in range(60):
        (folder / f"{n:03}.txt").write_text(f"Texte {n}. " * 20, encoding="utf-8")
    before = {shard.name for shard in planned(folder, 1500)}
    (folder / f"{place:03}b.txt").write_text("Un nouveau. " * 20, encoding="utf-8")
    after = {shard.name for shard in planned(folder, 1500)}
    assert len(before) > 10
    # Its own, and those up to the next place at which shards end wherever the one before did.
    assert len(after - before) <= len(after) // 2


def test_a_name_follows_content_model_and_language(write: Callable[..., Path]) -> None:
    page = write("fil/a.txt", "Le texte.\n")
    (first,) = planned(page.parent)
    (moved,) = planned(write("autre/b.txt", "Le texte.\n").parent)
    assert moved.name == first.name
    (edited,) = planned(write("autre/b.txt", "Le  texte.\n").parent)
    (english,) = shards.plan([page], Facts(lang="en"), CARD)
    assert len({first.name, edited.name, english.name, Shard(first.parts, "another").name}) == 4


def test_what_cannot_be_read_is_in_no_shard(write: Callable[..., Path], space: Space) -> None:
    write("fil/vide.txt", "")
    write("fil/sans.jsonl", '{"text": "Sans nom."}')
    page = write("fil/texte.txt", "Le texte.\n")
    (shard,) = planned(page.parent)
    assert texts(shard) == ["Le texte."]
    assert shards.make(shard, page.parent.parent, HashingEncoder(), space) == 1


def test_an_index_from_shards_is_the_one_that_would_have_been_made(
    write: Callable[..., Path], tmp_path: Path, space: Space
) -> None:
    said = [f"Phrase numéro {n % 30}, dite {n} fois." for n in range(60)]
    page, files = write("fil/a.jsonl", lines(*said)), tmp_path / "shards"
    write("fil/b.txt", "11h58 : Un titre\nUn texte.\n")
    shards.prepare(files)
    encoder = HashingEncoder()
    found = planned(page.parent, 300)
    assert sum(shards.make(shard, files, encoder, space) for shard in found) == 61
    assert all(shards.is_made(shard, files) for shard in found)
    ingest([page.parent], tmp_path / "local", encoder, FACTS)
    with (
        Store.open(tmp_path / "local") as store,
        ShardVectors([files / shard.name for shard in reversed(found)], CARD) as vectors,
    ):
        own = store.space()
        assert own is not None
        vectors.require(own)
        # In whatever order they are asked for, over whichever files.
        wanted = [passage.vector_hash for _, entry in store.all_current() for passage, _ in passages(entry, encoder)]
        carried = vectors.find([*reversed(wanted), b"unknown"])
        kept = {key: one for batch in store.all_vectors() for key, one in batch.items()}
        assert set(carried) == set(kept) == set(wanted)
        for key, one in kept.items():
            assert np.array_equal(carried[key].vector, one.vector)
            assert np.array_equal(carried[key].words, one.words)
    with ShardVectors([files / shard.name for shard in found], CARD) as vectors:
        report = ingest([page.parent], tmp_path / "backfilled", encoder, FACTS, carried=vectors)
    assert (report.embedded, report.passages) == (0, 61)


def test_a_damaged_shard_is_named_with_what_to_do(write: Callable[..., Path], tmp_path: Path, space: Space) -> None:
    page = write("fil/a.txt", "Le texte.\n")
    (shard,) = planned(page.parent)
    shards.make(shard, tmp_path, HashingEncoder(), space)
    file = tmp_path / shard.name
    (entry,) = (entry for part in shard.parts for entry in shards._entries(part))
    ((passage, _),) = passages(entry, HashingEncoder())
    data = bytearray(file.read_bytes())
    at = data.find(passage.vector_hash)
    data[at + 30] ^= 1
    file.write_bytes(data)
    with (
        ShardVectors([file], CARD) as vectors,
        pytest.raises(UnreadableVectors, match=rf"{shard.name} is damaged.*delete it and run the same command again"),
    ):
        vectors.find([passage.vector_hash])


def test_what_a_killed_process_left_is_swept_up_and_what_is_being_written_is_not(tmp_path: Path) -> None:
    old, new = tmp_path / ".a.vectors.1", tmp_path / ".b.vectors.2"
    for file in (old, new):
        file.write_bytes(b"half")
    long_ago = time.time() - 2 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    shards.prepare(tmp_path)
    assert list(tmp_path.iterdir()) == [new]


def test_a_folder_that_cannot_be_made_is_a_sentence(write: Callable[..., Path]) -> None:
    with pytest.raises(StorageError, match=r"cannot write to .*: Not a directory"):
        shards.prepare(write("file", "x") / "shards")
