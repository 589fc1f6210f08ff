"""A file has its place for good, whole or not at all."""

import os
from pathlib import Path

import pytest

from index import durable


def test_a_file_is_on_the_disk_before_it_has_its_name_and_its_name_before_it_is_promised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, target = tmp_path / ".part", tmp_path / "file"
    part.write_text("new")
    target.write_text("old")
    told: list[tuple[str, bool]] = []
    sync = os.fsync

    def fsync(handle: int) -> None:
        told.append((Path(os.readlink(f"/proc/self/fd/{handle}")).name, part.exists()))
        sync(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    durable.put(part, target)
    assert told == [(".part", True), (tmp_path.name, False)]
    assert target.read_text() == "new"


def test_a_file_that_cannot_be_brought_to_the_disk_does_not_get_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, target = tmp_path / ".part", tmp_path / "file"
    part.write_text("new")
    target.write_text("old")

    def fsync(handle: int) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="no"):
        durable.put(part, target)
    assert target.read_text() == "old"
