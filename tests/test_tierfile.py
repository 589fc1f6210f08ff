"""Whatever happens to the files of a tier is noticed before one of its vectors is compared."""

import json
import shutil
from pathlib import Path
from typing import Any

import faiss
import numpy as np
import pytest

from index import tierfile
from index.quantised import Quantised, build
from index.tierfile import DamagedTier, Manifest

COUNT, DIMENSION = 300, 16


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made(tmp_path_factory.mktemp("cache"), "aa", seed=1)


def made(cache: Path, owner: str, seed: int, generation: int = 3) -> Path:
    vectors = np.random.default_rng(seed).standard_normal((COUNT, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    wanted = Manifest(owner, generation, "lists", DIMENSION, COUNT, "lists")
    return build(cache, wanted, [(np.arange(COUNT), vectors)])


@pytest.fixture
def folder(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / original.name))


def refused(folder: Path) -> str:
    with pytest.raises(DamagedTier) as caught:
        Quantised(folder, DIMENSION)
    return str(caught.value)


def test_an_intact_tier_is_opened(folder: Path) -> None:
    assert len(Quantised(folder, DIMENSION)) == COUNT
    assert sorted(path.name for path in folder.iterdir()) == ["ids", "lists", "manifest.json", "rows", "sketches"]


@pytest.mark.parametrize("name", ["ids", "rows", "sketches", "lists", "manifest.json"])
def test_every_kind_of_damage_to_every_file_is_noticed(folder: Path, name: str) -> None:
    path = folder / name
    whole = path.read_bytes()
    damaged = [whole[:length] for length in (0, 1, len(whole) // 2, len(whole) - 1)]
    damaged += [whole + b"\0", b"not vectors", b"\0" * len(whole)]
    step = max(1, len(whole) // 40)
    damaged += [whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(0, len(whole), step)]
    for content in damaged:
        path.write_bytes(content)
        assert refused(folder)
    path.unlink()
    assert refused(folder).startswith(f"{name}: ")
    path.write_bytes(whole)
    assert len(Quantised(folder, DIMENSION)) == COUNT


@pytest.mark.parametrize("name", ["ids", "rows", "sketches", "lists", "manifest.json"])
def test_a_file_of_another_index_in_its_place_is_noticed(folder: Path, tmp_path: Path, name: str) -> None:
    other = made(tmp_path / "other", "bb", seed=2)
    if (other / name).read_bytes() == (folder / name).read_bytes():
        # Both count from 0, and no wrong result comes of that.
        assert name == "ids"
        return
    shutil.copy(other / name, folder / name)
    assert refused(folder)


def test_a_tier_of_an_earlier_release_is_opened(folder: Path) -> None:
    """Its lists hold sketches, where those of this one hold codes."""
    tier = Quantised(folder, DIMENSION)
    rows = np.memmap(folder / tierfile.ROWS, dtype=np.float16, mode="r", shape=(COUNT, DIMENSION)).astype(np.float32)
    lists: Any = faiss.index_factory(DIMENSION, f"IVF{tier.manifest.lists},RaBitQfs", faiss.METRIC_INNER_PRODUCT)
    lists.cp.min_points_per_centroid = 1
    lists.train(rows)
    lists.add(rows)
    made_then = folder.rename(folder.with_name(".tier-then"))
    (made_then / tierfile.MANIFEST).unlink()
    faiss.write_index(lists, str(made_then / tierfile.LISTS))
    earlier = Quantised(tierfile.put(made_then, tier.manifest), DIMENSION)
    assert earlier.manifest.files[tierfile.LISTS] != tier.manifest.files[tierfile.LISTS]
    for row in rows[:20]:
        assert earlier.nearest(row, 1) == tier.nearest(row, 1)


def test_a_whole_folder_under_another_name_is_noticed(folder: Path) -> None:
    for name in ("tier-bb-3", "tier-aa-4"):
        there = folder.rename(folder.with_name(name))
        assert refused(there) == "it is another index's, or of another generation"
        there.rename(folder)


LIES = {
    "count": COUNT - 1,
    "dimension": DIMENSION * 2,
    "tier": "quantised",
    "recall": {"all": 0.5},
    "generation": 9,
    "owner": "bb",
    "candidates": 0,
    "surprise": 1,
}


@pytest.mark.parametrize("part", LIES)
def test_a_manifest_that_lies_is_noticed_even_when_its_checksum_is_right(folder: Path, part: str) -> None:
    body = json.loads((folder / tierfile.MANIFEST).read_text())
    body.pop("crc32")
    body[part] = LIES[part]
    (folder / tierfile.MANIFEST).write_text(json.dumps({**body, "crc32": tierfile._sealed(body)}))
    assert refused(folder)


def test_a_tier_of_another_dimension_is_refused(folder: Path) -> None:
    with pytest.raises(DamagedTier, match="another dimension"):
        Quantised(folder, DIMENSION + 1)


def test_a_new_tier_takes_the_place_of_older_ones_and_of_what_a_killed_process_had_begun(tmp_path: Path) -> None:
    made(tmp_path, "aa", seed=1)
    (tmp_path / ".tier-killed").mkdir()
    (tmp_path / "vectors-aa-3.faiss").touch()
    there = made(tmp_path, "aa", seed=1, generation=5)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tier-aa-5", "vectors-aa-3.faiss"]
    # What is mapped stays readable when its files go.
    tier = Quantised(there, DIMENSION)
    made(tmp_path, "aa", seed=1, generation=6)
    assert len(tier.nearest(np.eye(DIMENSION, dtype=np.float32)[0], 5)) == 5


def test_folders_are_found_by_owner_and_generation_the_newest_first(tmp_path: Path) -> None:
    for name in ("tier-aa-9", "tier-aa-10", "tier-bb-11", "tier-aa-x", "tier-aa-12"):
        (tmp_path / name).mkdir()
    assert [path.name for path in tierfile.folders(tmp_path, "aa", 11)] == ["tier-aa-10", "tier-aa-9"]
    assert [path.name for path in tierfile.folders(tmp_path, "aa")] == ["tier-aa-12", "tier-aa-10", "tier-aa-9"]
    assert tierfile.folders(tmp_path / "missing", "aa") == []
