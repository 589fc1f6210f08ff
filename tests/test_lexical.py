"""What TantivyTerms does beside the promise of every engine: its folder. See test_term_engines.py for the rest."""

import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from index.forward import FILES
from index.lexical import TantivyTerms
from index.records import Ids, Ranking
from index.termfile import CacheUnusable


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An index of three passages at generation 4, made by a process that has ended."""
    folder = tmp_path / "lexical"
    engine = TantivyTerms.create(folder, "owner")
    engine.add([(1, ["fr:drone", "2023"]), (2, ["fr:kremlin"]), (3, ["fr:drone"])])
    engine.commit(4)
    return folder


def some(*numbers: int) -> Ids:
    return np.array(numbers, dtype=np.int64)


def drones(engine: TantivyTerms) -> list[int]:
    """The passages with a drone, and whether the counts of passages say the same."""
    view = engine.view()
    found: list[int] = view.matching(["fr:drone"], 9).ids.tolist()
    assert np.flatnonzero(view.scored([{"fr:drone": 1.0}], np.arange(20))[:, 0]).tolist() == sorted(found)
    return found


def test_what_was_committed_is_there_when_the_folder_is_opened_again(folder: Path) -> None:
    engine = TantivyTerms(folder, "owner")
    assert (engine.generation, sorted(drones(engine))) == (4, [1, 3])


def test_the_folder_of_another_index_is_not_used(folder: Path) -> None:
    with pytest.raises(CacheUnusable, match="made by another release or for another index"):
        TantivyTerms(folder, "another")


def test_the_folder_of_another_layout_is_not_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("index.termfile.LAYOUT", 99)
    with pytest.raises(CacheUnusable, match="made by another release or for another index"):
        TantivyTerms(folder, "owner")


def test_a_missing_folder_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(CacheUnusable, match="No such file"):
        TantivyTerms(tmp_path / "missing", "owner")


def test_creating_replaces_whatever_was_there(folder: Path) -> None:
    (folder / "foreign.txt").write_text("something else")
    (folder.parent / ".lexical-killed").mkdir()
    engine = TantivyTerms.create(folder, "owner")
    assert (engine.generation, drones(engine)) == (-1, [])
    assert not (folder / "foreign.txt").exists()
    assert [path.name for path in folder.parent.iterdir()] == ["lexical"]


def damages() -> dict[str, Callable[[bytes], bytes | None]]:
    return {
        "deleted": lambda content: None,
        "empty": lambda content: b"",
        "truncated": lambda content: content[: len(content) // 2],
        "zeros": lambda content: b"\0" * len(content),
        "one byte": lambda content: content[: len(content) // 3] + b"\xa5" + content[len(content) // 3 + 1 :],
    }


@pytest.mark.parametrize("how", damages())
@pytest.mark.parametrize(
    "kind", ["fast", "fieldnorm", "idx", "pos", "store", "term", "del", "meta.json", "filrouge.json", *FILES]
)
def test_damage_to_any_file_is_noticed(folder: Path, kind: str, how: str) -> None:
    engine = TantivyTerms(folder, "owner")
    engine.remove(some(1))
    engine.commit(5)
    (path,) = [path for path in folder.iterdir() if path.name.endswith(kind)]
    content = damages()[how](path.read_bytes())
    path.unlink()
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CacheUnusable):
        TantivyTerms(folder, "owner")


def test_a_process_that_ended_before_the_stamp_is_caught_up_from_the_older_one(folder: Path) -> None:
    stamp = (folder / "filrouge.json").read_bytes()
    engine = TantivyTerms(folder, "owner")
    changes: list[tuple[int, list[str]]] = [(4, ["fr:drone"])]
    engine.remove(some(1))
    engine.add(changes)
    engine.commit(5)
    (folder / "filrouge.json").write_bytes(stamp)
    again = TantivyTerms(folder, "owner")
    assert again.generation == 4
    again.remove(some(1))
    again.add(changes)
    again.commit(5)
    assert (again.generation, sorted(drones(again))) == (5, [3, 4])


def test_refreshing_shows_what_another_process_committed(folder: Path) -> None:
    mine, other = TantivyTerms(folder, "owner"), TantivyTerms(folder, "owner")
    before = mine.view()
    other.add([(4, ["fr:drone"])])
    other.commit(5)
    assert sorted(drones(mine)) == [1, 3]
    mine.refresh()
    assert (mine.generation, sorted(drones(mine))) == (5, [1, 3, 4])
    assert sorted(before.matching(["fr:drone"], 9).ids.tolist()) == [1, 3]


def test_refreshing_waits_for_the_stamp_of_a_commit(folder: Path) -> None:
    mine, other = TantivyTerms(folder, "owner"), TantivyTerms(folder, "owner")
    stamps = []
    for generation in (5, 6):
        stamps.append((folder / "filrouge.json").read_bytes())
        other.add([(generation, ["fr:drone"])])
        other.commit(generation)
    # The last commit is there and its stamp is not: which generation the folder shows is not known.
    for stamp in stamps:
        (folder / "filrouge.json").write_bytes(stamp)
        mine.refresh()
        assert (mine.generation, sorted(drones(mine))) == (4, [1, 3])


def test_refreshing_never_goes_back_while_the_index_is_made_anew(folder: Path) -> None:
    mine = TantivyTerms(folder, "owner")
    other = TantivyTerms.create(folder, "owner")
    mine.refresh()
    assert (mine.generation, sorted(drones(mine))) == (4, [1, 3])
    other.add([(5, ["fr:drone"])])
    other.commit(6)
    mine.refresh()
    assert (mine.generation, drones(mine)) == (6, [5])


def test_refreshing_from_a_deleted_folder_is_refused_and_what_is_open_stays(folder: Path) -> None:
    engine = TantivyTerms(folder, "owner")
    shutil.rmtree(folder)
    with pytest.raises(CacheUnusable):
        engine.refresh()
    assert (engine.generation, sorted(drones(engine))) == (4, [1, 3])


def test_a_commit_gives_the_lock_of_the_folder_back(folder: Path) -> None:
    engine = TantivyTerms(folder, "owner")
    engine.add([(4, ["fr:drone"])])
    engine.commit(5)
    # While a writer of tantivy's is open there can be no second.
    second = TantivyTerms(folder, "owner")
    second.add([(5, ["fr:drone"])])
    second.commit(6)
    assert sorted(drones(second)) == [1, 3, 4, 5]


def test_a_commit_of_nothing_only_moves_the_generation(folder: Path) -> None:
    engine = TantivyTerms(folder, "owner")
    engine.remove(some())
    engine.commit(9)
    stamp = json.loads((folder / "filrouge.json").read_text())
    assert (stamp["generation"], stamp["removed"], sorted(drones(TantivyTerms(folder, "owner")))) == (9, 0, [1, 3])


def test_an_index_is_stale_when_more_than_a_thousand_and_a_quarter_were_removed(tmp_path: Path) -> None:
    engine = TantivyTerms.create(tmp_path / "lexical", "owner")
    engine.add([(i, ["fr:drone"]) for i in range(1, 2001)])
    engine.commit(1)
    engine.remove(np.arange(1, 1001))
    engine.commit(2)
    at_a_thousand = engine.stale
    engine.remove(some(1001))
    engine.commit(3)
    assert (at_a_thousand, engine.stale, TantivyTerms(tmp_path / "lexical", "owner").stale) == (False, True, True)


@pytest.mark.parametrize("length", [1, 17, 40, 41, 55, 100, 1000])
def test_lengths_are_exact_up_to_forty_terms_and_then_rounded_down_by_up_to_an_eighth(tmp_path: Path, length: int) -> None:
    engine = TantivyTerms.create(tmp_path / "lexical", "owner")
    engine.add([(1, ["fr:drone"] + ["2023"] * (length - 1)), (2, ["f16"] * 30)])
    engine.commit(1)
    ((_, score),) = list(engine.view().matching(["fr:drone"], 1))

    def of_length(counted: float) -> float:
        return math.log(1 + 1.5 / 1.5) * 2.2 / (1 + 1.2 * (0.25 + 0.75 * counted / ((length + 30) / 2)))

    if length <= 40:
        assert score == pytest.approx(of_length(length), rel=1e-5)
    else:
        assert of_length(length) * (1 - 1e-5) <= score <= of_length(length * 7 / 8) * (1 + 1e-5)


def test_terms_are_looked_for_as_they_are_and_never_parsed(folder: Path) -> None:
    engine = TantivyTerms(folder, "owner")
    view = engine.view()
    for terms in (['AND ("'], ["terms:fr:drone"], ["*"], ["fr:drone OR 2023"], ["fr\0drone"], ["x" * 100_000]):
        assert list(view.matching(terms, 5)) == list(Ranking.empty())


def test_what_a_killed_process_had_begun_is_in_no_one_s_way(folder: Path) -> None:
    before = {path.name for path in folder.iterdir()}
    engine = TantivyTerms(folder, "owner")
    engine.remove(some(1))
    engine.commit(5)
    (deletes,) = [path for path in folder.iterdir() if path.name.endswith(".del") and path.name not in before]
    # The commit after the next writes a file of the same name again, where its segment is the same.
    begun = deletes.with_name(f"{deletes.name.partition('.')[0]}.{int(deletes.name.split('.')[1]) + 1}.del")
    begun.write_bytes(b"half")
    again = TantivyTerms(folder, "owner")
    again.remove(some(3))
    again.commit(6)
    assert (again.generation, drones(again)) == (6, [])
    assert begun.read_bytes() != b"half"
