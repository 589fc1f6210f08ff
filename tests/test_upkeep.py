"""The commands that look after an index."""

import json
import sqlite3
import subprocess
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

Filrouge = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def folder(tmp_path: Path, filrouge: Filrouge) -> Path:
    """Three entries."""
    lines = [{"_id": f"{n}", "lang": "fr", "text": f"Le Kremlin dément le drone {n}."} for n in range(3)]
    (tmp_path / "a.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))
    assert filrouge("index", "a.jsonl", "--index", "index").returncode == 0
    return tmp_path / "index"


def change(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        assert db.execute(statement).rowcount > 0


def test_a_backup_is_made_lost_to_and_brought_back_from_the_command_line(folder: Path, filrouge: Filrouge) -> None:
    made = filrouge("backup", "copy", "--index", "index")
    assert (made.returncode, made.stdout) == (0, "3 entries, 3 passages of generation 1 written to copy\n")
    told = json.loads(filrouge("backup", "other", "--index", "index", "--json").stdout)
    assert told == {"file": "other", "generation": 1, "entries": 3, "passages": 3, "bytes": told["bytes"]}
    refused = filrouge("restore", "copy", "--index", "index")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "filrouge: index holds an index: restore into another folder, or replace it with --replace\n"
    back = filrouge("restore", "copy", "--index", "index", "--replace")
    assert (back.returncode, back.stdout) == (0, "3 entries, 3 passages of generation 1 are back in index\n")
    new = json.loads(filrouge("restore", "copy", "--index", "new", "--json").stdout)
    assert (new["file"], new["entries"]) == ("copy", 3)


def test_vectors_that_are_damaged_are_mended_by_the_command_that_is_named(folder: Path, filrouge: Filrouge) -> None:
    change(folder, "UPDATE vectors SET vector = zeroblob(length(vector)) WHERE id = 2")
    refused = filrouge("search", "Kremlin", "--index", "index")
    assert (refused.returncode, "filrouge repair" in refused.stderr) == (1, True)
    mended = filrouge("repair", "--index", "index", "--json")
    assert json.loads(mended.stdout) == {"model": "hashing", "embedded": 1, "lists": False, "cleared": 0, "generation": 1}
    assert filrouge("verify", "--index", "index").returncode == 0
    assert len(json.loads(filrouge("search", "Kremlin", "--index", "index", "--json").stdout)["hits"]) == 3


def test_a_text_that_is_damaged_is_named_and_the_others_are_written_to_a_new_index(folder: Path, filrouge: Filrouge) -> None:
    change(folder, "UPDATE versions SET text = replace(text, 'drone', 'avion') WHERE id = 2")
    refused = filrouge("repair", "--index", "index")
    assert refused.returncode == 1
    assert "is damaged where nothing can be made again" in refused.stderr
    assert "version 2: its text, title, time, language or address is not what was written" in refused.stderr
    done = filrouge("repair", "--index", "index", "--into", "new")
    source = f"{folder.parent.name}/a.jsonl"
    assert (done.returncode, done.stdout) == (
        1,
        f"2 entries, 2 versions, 2 passages written to new, 0 of them embedded again\nlost: {source}: 1\n",
    )
    told = json.loads(filrouge("repair", "--index", "index", "--into", "again", "--json").stdout)
    assert (told["entries"], told["lost"], told["earlier"]) == (2, [f"{source}: 1"], 0)
    assert filrouge("verify", "--index", "new").returncode == 0


def test_what_is_missing_is_said_in_a_sentence(tmp_path: Path, filrouge: Filrouge) -> None:
    for arguments in (["verify"], ["repair"], ["backup", "copy"], ["repair", "--into", "new"]):
        refused = filrouge(*arguments, "--index", "nowhere")
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.startswith("filrouge: no index in nowhere")
    refused = filrouge("restore", "nowhere", "--index", "new")
    assert refused.stderr == "filrouge: cannot read nowhere: No such file or directory\n"
    assert list(tmp_path.iterdir()) == []
