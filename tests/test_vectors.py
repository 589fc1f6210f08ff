"""What FaissVectors does beside every engine's promise: its file, and its segments. See test_vector_engines.py for the rest."""

import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from index.records import Ids
from index.vectors import FaissVectors

OWNER = "0a1b2c-3d4e5f"


def rows(count: int, dimension: int = 8, seed: int = 1) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors


def filled(count: int, generation: int = 3) -> FaissVectors:
    engine = FaissVectors(8)
    engine.add(numbers(1, count), rows(count))
    engine.commit(generation)
    return engine


def numbers(first: int, count: int) -> Ids:
    return np.arange(first, first + count, dtype=np.int64)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_saved_engine_comes_back_without_what_was_removed(tmp_path: Path) -> None:
    engine = filled(30)
    engine.remove(numbers(5, 3))
    engine.commit(4)
    engine.save(tmp_path, OWNER)
    loaded = FaissVectors.load(tmp_path, OWNER, 8, upto=4)
    assert (loaded.generation, len(loaded)) == (4, 27)
    question = rows(1, seed=9)[0]
    assert list(loaded.view().nearest(question, 30)) == list(engine.view().nearest(question, 30))
    assert names(tmp_path) == [f"vectors-{OWNER}-4.faiss"]


def test_a_loaded_engine_goes_on(tmp_path: Path) -> None:
    filled(30).save(tmp_path, OWNER)
    loaded = FaissVectors.load(tmp_path, OWNER, 8, upto=9)
    before = loaded.view()
    loaded.add(numbers(31, 40), rows(40, seed=2))
    loaded.remove(numbers(1, 2))
    loaded.commit(9)
    question = rows(1, seed=9)[0]
    assert sorted(loaded.view().nearest(question, 100).ids.tolist()) == list(range(3, 71))
    assert sorted(before.nearest(question, 100).ids.tolist()) == list(range(1, 31))


def test_an_empty_engine_is_saved_too(tmp_path: Path) -> None:
    engine = FaissVectors(8)
    engine.commit(2)
    engine.save(tmp_path, OWNER)
    loaded = FaissVectors.load(tmp_path, OWNER, 8, upto=2)
    assert (loaded.generation, len(loaded)) == (2, 0)


def test_loading_again_and_again_does_not_end_the_process(tmp_path: Path) -> None:
    filled(300).save(tmp_path, OWNER)
    # In a process of its own: memory freed twice ends it without an exception.
    script = f"""
import numpy as np
from pathlib import Path
from index.vectors import FaissVectors
question = np.ones(8, dtype=np.float32) / 8**0.5
for turn in range(20):
    engine = FaissVectors.load(Path({str(tmp_path)!r}), {OWNER!r}, 8, upto=3)
    view = engine.view()
    engine.add(np.arange(301, 401), np.tile(question, (100, 1)))
    engine.commit(4)
    del engine
    assert len(view.nearest(question, 400, np.arange(10, 30))) == 20
print("done")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@pytest.mark.parametrize(
    ("owner", "dimension", "upto"),
    [("0a1b2c-ffffff", 8, 3), (OWNER, 16, 3), (OWNER, 8, 2)],
    ids=["another owner", "another dimension", "a later generation"],
)
def test_a_file_that_is_another_s_is_left_alone(tmp_path: Path, owner: str, dimension: int, upto: int) -> None:
    filled(10).save(tmp_path, OWNER)
    loaded = FaissVectors.load(tmp_path, owner, dimension, upto)
    assert (loaded.generation, len(loaded)) == (-1, 0)


def test_without_a_folder_the_engine_is_empty(tmp_path: Path) -> None:
    assert FaissVectors.load(tmp_path / "missing", OWNER, 8, upto=3).generation == -1


def test_the_newest_file_up_to_a_generation_is_loaded(tmp_path: Path) -> None:
    for generation in (9, 10, 11):
        filled(generation, generation).save(tmp_path / str(generation), OWNER)
    for folder in ("9", "10"):
        path = tmp_path / folder / f"vectors-{OWNER}-{folder}.faiss"
        path.rename(tmp_path / "11" / path.name)
    assert [FaissVectors.load(tmp_path / "11", OWNER, 8, upto).generation for upto in (8, 9, 10, 99)] == [-1, 9, 10, 11]


def test_any_damage_to_the_file_is_noticed(tmp_path: Path) -> None:
    filled(20).save(tmp_path, OWNER)
    (path,) = tmp_path.iterdir()
    whole = path.read_bytes()
    damaged = [whole[:length] for length in (0, 3, 40, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\0", b"not vectors at all", b"\0" * len(whole)]
    damaged += [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(0, len(whole), 7)]
    for content in damaged:
        path.write_bytes(content)
        assert FaissVectors.load(tmp_path, OWNER, 8, upto=3).generation == -1
    path.write_bytes(whole)
    assert FaissVectors.load(tmp_path, OWNER, 8, upto=3).generation == 3


def test_an_older_whole_file_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    filled(20, generation=3).save(tmp_path, OWNER)
    (tmp_path / f"vectors-{OWNER}-4.faiss").write_bytes(b"half")
    assert FaissVectors.load(tmp_path, OWNER, 8, upto=4).generation == 3


def test_saving_sweeps_up_older_files_and_what_a_killed_process_had_begun(tmp_path: Path) -> None:
    engine = filled(10)
    engine.save(tmp_path, OWNER)
    engine.commit(4)
    (tmp_path / ".vectors-abc").write_bytes(b"half")
    (tmp_path / "lexical").mkdir()
    engine.save(tmp_path, OWNER)
    assert names(tmp_path) == ["lexical", f"vectors-{OWNER}-4.faiss"]


def test_a_save_that_fails_leaves_the_file_before(tmp_path: Path) -> None:
    engine = filled(10)
    engine.save(tmp_path, OWNER)
    engine.commit(4)
    # Where the new file would go stands a folder, so that it cannot be put there.
    (tmp_path / f"vectors-{OWNER}-4.faiss").mkdir()
    with pytest.raises(OSError, match="directory"):
        engine.save(tmp_path, OWNER)
    assert names(tmp_path) == [f"vectors-{OWNER}-3.faiss", f"vectors-{OWNER}-4.faiss"]
    assert FaissVectors.load(tmp_path, OWNER, 8, upto=4).generation == 3


def test_what_is_abandoned_is_as_if_it_had_never_been_added_or_removed() -> None:
    engine = filled(10)
    before = engine.view()
    engine.expect(5)
    engine.add(numbers(11, 5), rows(5, seed=2))
    engine.remove(numbers(3, 9))
    engine.abandon()
    engine.add(numbers(21, 2), rows(2, seed=3))
    engine.commit(4)
    assert (len(before.segments), len(engine)) == (1, 12)
    held = np.concatenate([segment.ids for segment in engine.view().segments])
    assert sorted(held.tolist()) == [*range(1, 11), 21, 22]


def test_more_or_fewer_may_come_than_were_expected() -> None:
    for expected in (0, 2, 50):
        engine = FaissVectors(8)
        engine.expect(expected)
        engine.add(numbers(1, 10), rows(10))
        engine.add(numbers(11, 10), rows(10, seed=2))
        engine.commit(1)
        (segment,) = engine.view().segments
        assert segment.ids.tolist() == list(range(1, 21))
        assert segment.index.reconstruct_n(0, 20).tolist() == np.concatenate([rows(10), rows(10, seed=2)]).tolist()


@pytest.mark.skipif(not Path("/proc/self/status").is_file(), reason="only Linux says how much memory a process had at most")
def test_many_vectors_are_held_once_while_they_are_added_and_saved(tmp_path: Path) -> None:
    script = f"""
        import re
        from pathlib import Path
        import numpy as np
        from index.vectors import FaissVectors
        def most():
            # Not getrusage, which begins with what the process before had.
            return 1024 * int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
        part = np.random.default_rng(1).standard_normal((1000, 1000), dtype=np.float32)
        warm = FaissVectors(1000)
        warm.add(np.arange(1000), part)
        warm.commit(1)
        warm.save(Path({str(tmp_path / "warm")!r}), {OWNER!r})
        before = most()
        engine = FaissVectors(1000)
        engine.expect(50_000)
        for at in range(0, 50_000, 1000):
            engine.add(np.arange(at, at + 1000), part)
        engine.commit(1)
        engine.save(Path({str(tmp_path / "many")!r}), {OWNER!r})
        print((most() - before) / (50_000 * 4000))
    """
    run = subprocess.run([sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, check=True)
    # It was five times what they weigh.
    assert 0.9 < float(run.stdout) < 1.5
    assert len(FaissVectors.load(tmp_path / "many", OWNER, 1000, upto=1)) == 50_000


def test_ids_and_vectors_must_go_together() -> None:
    engine = FaissVectors(8)
    with pytest.raises(ValueError, match=r"2 ids with vectors of shape \(3, 8\); dimension 8"):
        engine.add(numbers(1, 2), rows(3))
    with pytest.raises(ValueError, match=r"3 ids with vectors of shape \(3, 4\); dimension 8"):
        engine.add(numbers(1, 3), rows(3, dimension=4))


def test_segments_stay_few_and_hold_every_passage_once() -> None:
    engine = FaissVectors(8)
    for generation in range(1, 101):
        engine.add(numbers(generation * 10, 10), rows(10, seed=generation))
        engine.commit(generation)
    segments = engine.view().segments
    # Each is at least twice as large as the one after it: 1000 passages make at most log2(1000 / 10) + 1.
    assert len(segments) <= 7
    assert sorted(np.concatenate([segment.ids for segment in segments]).tolist()) == list(range(10, 1010))


def test_removed_passages_are_cleared_away_when_they_are_many() -> None:
    engine = filled(100)
    engine.remove(numbers(1, 20))
    engine.commit(4)
    assert (len(engine), engine.view().dead.tolist()) == (80, list(range(1, 21)))
    engine.remove(numbers(15, 10))
    engine.commit(5)
    assert (len(engine), engine.view().dead.tolist()) == (76, [])
