"""A damaged file of an index is noticed, made again or refused; it never gives a wrong result, nor a traceback.

Every file of an index is changed at one place, cut off, emptied, deleted, or replaced by that of another index. Then a search
must find what it found before, or be refused in a sentence. Where bytes change and nothing of the file's times does, as on a
disk that rots, the same is asked of what `filrouge verify` calls clean.
"""

import contextlib
import io
import json
import os
import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from api import cli
from embed.hashing import HashingEncoder
from index.backup import back_up
from index.errors import StorageError
from index.ingest import ingest
from index.store import Store
from index.vectors import FaissVectors
from tests.exact import forked, require_exact

CARD = HashingEncoder().card
ENTRIES = 40
KINDS = ("flipped", "cut off", "emptied", "swapped", "deleted")


def document(path: Path, about: str, numbers: range) -> Path:
    """Entries that are all different, with days, in two languages."""
    lines = [
        {
            "_id": f"{n}",
            "lang": "fr" if n % 3 else "en",
            "date": f"2023-05-{n % 28 + 1:02}T10:00:00+02:00",
            "title": f"{about} {n}",
            "text": f"Le Kremlin dément {n} fois : {about} {n * 7} drones abattus près de Kyiv. " * (1 + n % 4),
        }
        for n in numbers
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
    return path


def made(folder: Path, about: str, with_log: bool) -> str:
    """An index of two generations with both caches; the second may lie in the log beside the database."""
    index = folder / about
    ingest([document(folder / "docs" / about / "a.jsonl", about, range(ENTRIES // 2))], index, HashingEncoder())
    with Store.open(index) as holds_it_open:
        holds_it_open.generation()
        ingest([document(folder / "docs" / about / "b.jsonl", about, range(ENTRIES // 2, ENTRIES))], index, HashingEncoder())
        engine, space = FaissVectors(CARD.dimension), holds_it_open.space()
        assert space is not None
        for ids, langs, rows in holds_it_open.born_vectors(-1, 2):
            engine.add(ids, space.passages(rows, langs))
        engine.commit(2)
        engine.save(index / "cache", f"{holds_it_open.identity()[:12]}-{CARD.fingerprint}")
        if with_log:
            shutil.copytree(index, folder / f"{about} log", ignore=shutil.ignore_patterns("*-shm"))
            # The seal is of the time of the file.
            copy_times(index, folder / f"{about} log")
    return str(folder / f"{about} log" if with_log else index)


def copy_times(one: Path, other: Path) -> None:
    for path in one.rglob("*"):
        if (other / path.relative_to(one)).exists():
            times = path.stat()
            os.utime(other / path.relative_to(one), ns=(times.st_atime_ns, times.st_mtime_ns))


def asked(index: Path) -> dict[str, Any]:
    """What a search and a count find, or why they do not, from the command line."""
    found: dict[str, Any] = {}
    for name, arguments in (
        ("search", ["search", "Combien de drones près de Kyiv ?", "-k", "60"]),
        ("narrowed", ["search", "Kremlin 9", "-k", "60", "--lang", "fr", "--since", "2023-05-05", "--until", "2023-05-20"]),
        ("facets", ["facets"]),
    ):
        told = io.StringIO()
        with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()) as error:
            status = cli.main([*arguments, "--index", str(index), "--json", "--model", "hashing"])
        assert "Traceback" not in error.getvalue(), error.getvalue()
        if status:
            return {"refused": error.getvalue()}
        reply = json.loads(told.getvalue())
        found[name] = [(hit["entry_id"], hit["start"], hit["text"], round(hit["score"], 5)) for hit in reply.get("hits", [])]
        if name == "facets":
            found[name] = {key: value for key, value in reply.items() if key not in ("index", "known", "generation")}
    return dict(json.loads(json.dumps(found)))


def verified(index: Path) -> dict[str, Any]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()) as error:
        status = cli.main(["verify", "--index", str(index), "--json", "--model", "hashing"])
    assert "Traceback" not in error.getvalue(), error.getvalue()
    return {"status": status, **json.loads(told.getvalue())}


@dataclass
class Ground:
    """Two indexes, and what is found in each."""

    folder: Path
    plain: Path
    other: Path
    log: Path
    expected: dict[str, Any]
    others: dict[str, Any]


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("damage")
    plain, other, log = (
        Path(forked(partial(made, folder, about, with_log)).said[-1])
        for about, with_log in (("annonce", False), ("rapport", False), ("journal", True))
    )
    assert (log / "index.sqlite-wal").stat().st_size > 0
    for index in (plain, other):
        forked(partial(require_exact, index))
    expected, others = (forked(partial(asked, index)).said[-1] for index in (plain, other))
    assert len(expected["search"]) >= ENTRIES
    assert 0 < len(expected["narrowed"]) < len(expected["search"])
    return Ground(folder, plain, other, log, expected, others)


def damage(path: Path, kind: str, counterpart: Path | None, lot: random.Random) -> bool:
    """Damage a file; whether there was anything to damage."""
    content = bytearray(path.read_bytes())
    if kind == "deleted":
        path.unlink()
    elif kind == "swapped":
        if counterpart is None:
            return False
        shutil.copy(counterpart, path)
    elif not content:
        return False
    elif kind == "emptied":
        path.write_bytes(b"")
    elif kind == "cut off":
        path.write_bytes(content[: lot.randrange(1, len(content)) if len(content) > 1 else 0])
    else:
        # Where something is written, and not in the empty room of a page.
        place = next(p for _ in range(1000) if content[p := lot.randrange(len(content))] or len(set(content)) == 1)
        content[place] ^= 1 << lot.randrange(8)
        path.write_bytes(content)
    return True


def counterpart(path: Path, index: Path, other: Path) -> Path | None:
    """The file of the other index that stands for the same."""
    same = other / path.relative_to(index)
    return same if same.exists() else next(iter(sorted(other.rglob(f"*{path.suffix}"))), None) if path.suffix else None


def places(index: Path, flips: int) -> Iterator[tuple[Path, str]]:
    """Every file of an index with every kind of damage; the larger, the more often it is changed at one place."""
    for path in sorted(index.rglob("*")):
        if path.is_file():
            size = path.stat().st_size
            share = {"index.sqlite": 20, "index.sqlite-wal": 5}.get(path.name, 1)
            for kind in KINDS:
                for _ in range(share * flips if kind == "flipped" and size else 1):
                    yield path, kind


def damage_all(ground: Ground, flips: int, every: int = 1) -> Counter[str]:
    """Damage the index at many places, one at a time; how often a search was refused, and found the same."""
    lot, outcome = random.Random(7), Counter[str]()
    for number, (path, kind) in enumerate(places(ground.plain, flips)):
        if number % every:
            continue
        here = ground.folder / "damaged"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(ground.plain, here)
        copy_times(ground.plain, here)
        name = path.relative_to(ground.plain).as_posix()
        if not damage(here / name, kind, counterpart(path, ground.plain, ground.other), lot):
            continue
        found = forked(partial(asked, here)).said[-1]
        outcome[kind] += 1
        if "refused" in found:
            outcome["refused"] += 1
            assert found["refused"].startswith("filrouge: "), found
            assert name.startswith("index.sqlite"), (name, kind, found)
        else:
            # Another index in the place of one is that other index.
            swapped = kind == "swapped" and name == "index.sqlite"
            assert found == (ground.others if swapped else ground.expected), (name, kind)
            outcome["answered as before"] += 1
    return outcome


def test_a_damaged_file_is_made_again_or_refused_and_never_gives_a_wrong_result(ground: Ground) -> None:
    outcome = damage_all(ground, flips=1, every=7)
    assert outcome["refused"]
    assert outcome["answered as before"]


@pytest.mark.crash
def test_every_file_damaged_at_hundreds_of_places_never_gives_a_wrong_result(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = damage_all(ground, flips=6)
    with capsys.disabled():
        print(f"\ndamaged: {sum(outcome[kind] for kind in KINDS)} ({dict(outcome)})")
    assert sum(outcome[kind] for kind in KINDS) >= 200
    assert min(outcome[kind] for kind in KINDS) > 5


def rot(ground: Ground, count: int) -> Counter[str]:
    """Change bytes of the database, and nothing of its times."""
    lot, outcome = random.Random(11), Counter[str]()
    for _ in range(count):
        here = ground.folder / "rotten"
        shutil.rmtree(here, ignore_errors=True)
        shutil.copytree(ground.plain, here)
        damage(here / "index.sqlite", "flipped", None, lot)
        copy_times(ground.plain, here)
        clean = forked(partial(verified, here)).said[-1]
        found = forked(partial(asked, here)).said[-1]
        outcome["clean" if clean["status"] == 0 else "found by verify"] += 1
        if clean["status"] == 0:
            assert found == ground.expected
        elif "refused" not in found:
            # What is shown is what was written, if it is shown.
            texts = {(entry, text) for entry, _, text, _ in ground.expected["search"]}
            assert {(entry, text) for entry, _, text, _ in found["search"]} <= texts
    return outcome


def test_bytes_that_change_by_themselves_are_found_by_verify_and_shown_by_no_search(ground: Ground) -> None:
    assert rot(ground, 6)["found by verify"]


@pytest.mark.crash
def test_a_hundred_bytes_that_change_by_themselves_are_found_by_verify(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = rot(ground, 100)
    with capsys.disabled():
        print(f"\nchanged by themselves: {dict(outcome)}")
    assert outcome["found by verify"] > 50


@pytest.mark.parametrize("kind", ["cut off", "emptied", "deleted", "flipped", "swapped"])
def test_a_log_that_is_lost_or_damaged_is_told_and_repair_takes_what_is_left(ground: Ground, kind: str) -> None:
    here = ground.folder / f"log {kind}"
    shutil.copytree(ground.log, here)
    copy_times(ground.log, here)
    log = here / "index.sqlite-wal"
    if kind == "flipped":
        content = bytearray(log.read_bytes())
        content[len(content) // 2] ^= 1
        log.write_bytes(content)
    else:
        damage(log, kind, ground.plain / "index.sqlite", random.Random(1))
    found = forked(partial(asked, here)).said[-1]
    assert "index.sqlite-wal beside it was lost or damaged" in found["refused"]
    assert forked(partial(verified, here)).said[-1]["findings"][0]["place"] == "index.sqlite-wal"
    assert forked(lambda: cli.main(["repair", "--index", str(here), "--model", "hashing", "--json"])).said[-1] == 0
    assert forked(partial(verified, here)).said[-1]["findings"] == []
    assert len(forked(partial(require_exact, here)).said[-1]) in (ENTRIES // 2, 0)


def salvaged(ground: Ground, count: int) -> Counter[str]:
    """Damage the database, and write what is whole to a new index."""
    lot, outcome = random.Random(13), Counter[str]()
    with Store.open(ground.plain) as store:
        whole = {entry.id: entry.content_hash.hex() for _, entry in store.all_current()}
    for number in range(count):
        here, new = ground.folder / "torn", ground.folder / "salvaged"
        for folder in (here, new):
            shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(ground.plain, here)
        database = here / "index.sqlite"
        if number % 2:
            damage(database, "flipped", None, lot)
        else:
            # A page of the disk that cannot be read, or was written by another.
            content = bytearray(database.read_bytes())
            place = lot.randrange(1, len(content) // 4096) * 4096
            content[place : place + 4096] = lot.randbytes(4096)
            database.write_bytes(content)
        told = forked(partial(repaired, here, new)).said[-1]
        if told["status"] == 1 and not (new / "index.sqlite").exists():
            assert "nothing can be read" in told["error"] or "is not a filrouge index" in told["error"], told
            outcome["nothing left"] += 1
            continue
        kept = forked(partial(require_exact, new)).said[-1]
        assert kept.items() <= whole.items()
        assert len(kept) + len(told["lost"]) >= len(whole) or told["earlier"] or not kept, told
        outcome["all kept" if kept == whole else "in part"] += 1
    return outcome


def repaired(here: Path, into: Path) -> dict[str, Any]:
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(io.StringIO()) as error:
        status = cli.main(["repair", "--index", str(here), "--into", str(into), "--json", "--model", "hashing"])
    assert "Traceback" not in error.getvalue(), error.getvalue()
    return {"status": status, "error": error.getvalue(), **json.loads(told.getvalue())}


def test_what_is_whole_of_a_damaged_database_is_written_to_a_new_index(ground: Ground) -> None:
    assert salvaged(ground, 6).total() == 6


@pytest.mark.crash
def test_what_is_whole_of_sixty_damaged_databases_is_written_to_new_indexes(
    ground: Ground, capsys: pytest.CaptureFixture[str]
) -> None:
    outcome = salvaged(ground, 60)
    with capsys.disabled():
        print(f"\nwritten to new indexes: {dict(outcome)}")
    assert outcome["all kept"] + outcome["in part"] > 30


def test_a_damaged_index_is_not_backed_up(ground: Ground) -> None:
    here = ground.folder / "not backed up"
    shutil.copytree(ground.plain, here)
    with Store.open(here) as store, closing(sqlite3.connect(here / "index.sqlite")) as db:
        db.execute("UPDATE versions SET text = 'Autre' WHERE id = 3")
        db.commit()
        with pytest.raises(StorageError, match=r"no backup was made, since the index .* is damaged: entry .* version 3"):
            back_up(here, ground.folder / "never.filrouge")
        assert store.generation() == 2
    assert not (ground.folder / "never.filrouge").exists()
