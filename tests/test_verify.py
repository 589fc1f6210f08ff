"""An index is verified whole, and nothing is written."""

import hashlib
import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from embed.encoder import Reading, Span
from embed.hashing import HashingEncoder
from index import lock
from index.errors import ModelMismatch, NotAnIndex
from index.ingest import ingest
from index.lexical import TantivyTerms
from index.search import Searcher
from index.store import Changes, Store
from index.sums import seal_generations
from index.vectors import FaissVectors
from index.verify import verify


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twenty entries of two generations, with both caches."""
    path = tmp_path / "fil" / "a.jsonl"
    path.parent.mkdir()
    for count in (20, 18):
        lines = [{"_id": f"{n}", "lang": "fr", "text": f"Le Kremlin dément le drone {n}."} for n in range(count)]
        path.write_text("".join(f"{json.dumps(line)}\n" for line in lines))
        ingest([path], tmp_path / "index", HashingEncoder())
    save_vectors(tmp_path / "index")
    return tmp_path / "index"


def save_vectors(folder: Path) -> None:
    with Store.open(folder) as store:
        engine, space = FaissVectors(store.card().dimension), store.space()
        assert space is not None
        for ids, langs, rows in store.born_vectors(-1, store.generation()):
            engine.add(ids, space.passages(rows, langs))
        engine.commit(store.generation())
        engine.save(folder / "cache", f"{store.identity()[:12]}-{store.card().fingerprint}")


def state(folder: Path) -> dict[str, tuple[str, int]]:
    """Every file with its content and time."""
    return {
        path.relative_to(folder).as_posix(): (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_there_is_nothing_wrong_with_an_index_that_was_just_made_and_nothing_is_written(folder: Path) -> None:
    before = state(folder)
    found = verify(folder, HashingEncoder)
    assert (found.generation, found.findings, found.notes) == (2, [], [])
    assert found.checked == {
        "sources": 1,
        "entries": 20,
        "versions": 20,
        "passages": 20,
        "vectors": 20,
        "generations": 3,
        "passages asked of the caches": 18,
        "passages embedded again": 18,
    }
    assert state(folder) == before


def test_an_index_is_verified_while_others_read_and_write_it(folder: Path) -> None:
    with Searcher(folder, HashingEncoder()), lock.writing(folder):
        assert verify(folder, HashingEncoder).findings == []


def test_of_a_large_index_some_passages_are_asked_about_and_it_is_said_how_many(folder: Path) -> None:
    found = verify(folder, HashingEncoder, sample=5)
    assert (found.checked["passages asked of the caches"], found.checked["passages embedded again"]) == (5, 5)
    assert "passages embedded again" not in verify(folder).checked


def offences(folder: Path, model: Callable[[], HashingEncoder] | None = None) -> list[tuple[str, str]]:
    return [(one.place, one.offence) for one in verify(folder, model).findings]


def test_a_term_cache_that_does_not_find_a_passage_is_found_out(folder: Path) -> None:
    with Store.open(folder) as store:
        terms = TantivyTerms(folder / "cache" / "lexical", store.identity())
        terms.add([(3, ["fr:autre"])])
        terms.commit(2)
    assert ("cache/lexical", "does not find passage 3 by '2'") in offences(folder)
    with Store.open(folder) as store:
        terms = TantivyTerms(folder / "cache" / "lexical", store.identity())
        terms.remove(np.array([4], dtype=np.int64))
        terms.commit(2)
    assert ("cache/lexical", "holds 17 passages of 18") in offences(folder)


def test_a_vector_cache_with_another_vector_is_found_out(folder: Path) -> None:
    with Store.open(folder) as store:
        engine, space = FaissVectors(store.card().dimension), store.space()
        assert space is not None
        for ids, langs, rows in store.born_vectors(-1, 2):
            rows[4] = rows[5]
            engine.add(ids, space.passages(rows, langs))
        engine.commit(2)
        engine.save(folder / "cache", f"{store.identity()[:12]}-{store.card().fingerprint}")
    assert offences(folder) == [("cache/vectors", "has not the vector of passage 5")]


def test_a_model_that_makes_other_vectors_is_found_out(folder: Path) -> None:
    class Changed(HashingEncoder):
        def read_passages(self, texts: Sequence[str], spans: Sequence[Sequence[Span]]) -> list[Reading]:
            return super().read_passages([text.replace("drone 7", "avion 7") for text in texts], spans)

    assert offences(folder, Changed) == [("passage 8", "'hashing' makes another vector or other words of it")]
    with pytest.raises(ModelMismatch):
        verify(folder, lambda: HashingEncoder(64))


def test_damaged_caches_are_named_and_those_of_another_index_noted(folder: Path, tmp_path: Path) -> None:
    (vectors,) = (folder / "cache").glob("vectors-*.faiss")
    other = vectors.with_name(vectors.name.replace("vectors-", "vectors-0"))
    shutil.copy(vectors, other)
    assert offences(folder) == [(f"cache/{other.name}", "is damaged")]
    other.unlink()
    content = bytearray(vectors.read_bytes())
    content[len(content) // 2] ^= 1
    vectors.write_bytes(content)
    assert offences(folder) == [(f"cache/{vectors.name}", "is damaged")]
    vectors.unlink()
    (folder / "cache" / "lexical" / "meta.json").write_text("{}")
    assert offences(folder)[0][0] == "cache/lexical"
    shutil.rmtree(folder / "cache")
    found = verify(folder, HashingEncoder)
    assert (found.findings, found.notes) == ([], ["there is no term cache; the next to write or search makes one"])


def test_caches_that_are_behind_are_no_fault(folder: Path, tmp_path: Path) -> None:
    with Store.open(folder) as store:
        store.commit(Changes(withdrawn=list(store.keys("fil/a.jsonl").values())[:2]), store.card())
    found = verify(folder, HashingEncoder)
    assert found.findings == []
    assert found.notes == [
        "the term cache is of generation 2, and is brought up by the next to write or search",
        "the vector cache is of generation 2, and is brought up by the next to write or search",
    ]


def test_vectors_of_no_passage_are_no_fault(folder: Path) -> None:
    with Store.open(folder) as store:
        (encoded,) = (batch for batch in store.all_vectors())
        store.add_vectors({b"of nothing": next(iter(encoded.values()))}, store.card().fingerprint)
    found = verify(folder, HashingEncoder)
    assert found.findings == []
    assert found.notes[0].startswith("1 vectors are of no passage")


def test_a_vector_under_the_hash_of_another_text_is_found_out(folder: Path) -> None:
    with Store.open(folder) as store, closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        keys = [key for (key,) in db.execute("SELECT vector_hash FROM passages WHERE id IN (3, 4) ORDER BY id")]
        db.execute("UPDATE passages SET vector_hash = ? WHERE id = 3", (keys[1],))
        with store.writing() as own:
            # As if it had been committed so.
            seal_generations(own, 1)
    assert ("passage 3", "its vector is kept under the hash of another text") in offences(folder)


def test_what_is_no_index_is_refused(tmp_path: Path, folder: Path) -> None:
    with pytest.raises(NotAnIndex, match="no index in"):
        verify(tmp_path)
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(NotAnIndex, match="was written by a newer filrouge"):
        verify(folder)
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 2")
    with pytest.raises(NotAnIndex, match="was written by an earlier filrouge"):
        verify(folder)
    (folder / "index.sqlite").write_bytes(b"no database" * 500)
    assert [place for place, _ in offences(folder)] == ["index.sqlite"]


READ_ONLY = """
mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} || exit 77
cd {root}
{python} -m api.cli verify --index {folder} --model hashing || exit 1
{python} -m api.cli search Kremlin --index {folder} --model hashing --json || exit 1
{python} -m api.cli index {folder}/../fil --index {folder} --model hashing && exit 1
exit 0
"""


@pytest.mark.parametrize("sealed", [True, False])
def test_an_index_on_a_disk_that_cannot_be_written_is_verified_and_searched(
    folder: Path, environment: dict[str, str], sealed: bool
) -> None:
    if not sealed:
        (folder / "index.seal").unlink()
    root = Path(__file__).resolve().parent.parent
    script = READ_ONLY.format(folder=folder, root=root, python=sys.executable)
    try:
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120
        )
    except FileNotFoundError:
        pytest.skip("there is no unshare")
    if done.returncode == 77 or "unshare failed" in done.stderr or os.geteuid() != 0:
        pytest.skip("this user may not mount a disk")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "nothing is wrong with generation 2" in done.stdout
    assert json.loads(done.stdout.splitlines()[-1])["hits"]
    assert done.stderr.strip().splitlines()[-1] == f"filrouge: cannot write to the index {folder}: Read-only file system"


def test_the_command_says_what_is_wrong_and_ends_with_one(
    folder: Path, filrouge: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    clean = filrouge("verify", "--index", folder)
    assert (clean.returncode, clean.stderr) == (0, "")
    assert clean.stdout.startswith("nothing is wrong with generation 2: 1 sources, 20 entries")
    with closing(sqlite3.connect(folder / "index.sqlite", isolation_level=None)) as db:
        db.execute("UPDATE versions SET text = replace(text, 'drone', 'avion') WHERE id = 3")
        (entry_id,) = db.execute("SELECT entry_id FROM versions WHERE id = 3").fetchone()
    wrong = filrouge("verify", "--index", folder)
    assert (wrong.returncode, wrong.stderr) == (1, "")
    assert wrong.stdout.splitlines() == [
        f"entry {entry_id}, version 3: its text, title, time, language or address is not what was written; "
        "restore a backup with filrouge restore, or write what is whole to a new index with filrouge repair --into DIR",
        "1 findings",
    ]
    told = json.loads(filrouge("verify", "--index", folder, "--json", "--no-model").stdout)
    assert [one["place"] for one in told["findings"]] == [f"entry {entry_id}, version 3"]
