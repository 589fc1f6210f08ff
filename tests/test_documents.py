"""Which files there are to index, and what a manifest says of them."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from index.documents import Document, Facts, Failure, described, find
from index.errors import InvalidManifest

Write = Callable[..., Path]


def sources(*paths: Path, given: Facts | None = None) -> list[str]:
    return [found.source for found in find(paths, given or Facts())]


def failures(*paths: Path) -> list[Failure]:
    return [found for found in find(paths, Facts()) if isinstance(found, Failure)]


def test_the_seed_is_described_by_its_manifest(seeds: Path) -> None:
    path = seeds / "000_43b67c511cce9011.txt"
    document = Document(path, "seeds/000_43b67c511cce9011.txt", Facts(lang="fr", tz="Europe/Paris", day=date(2023, 5, 23)))
    assert list(find([seeds], Facts())) == [document]
    assert list(find([path], Facts())) == [document]


def test_a_file_has_the_same_public_name_however_it_is_reached(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write("fils/a.txt", "x")
    monkeypatch.chdir(tmp_path / "fils")
    reached = [
        path,
        path.parent,
        Path("a.txt"),
        Path(),
        Path("../fils"),
        Path("../fils/a.txt"),
        tmp_path / "fils/../fils/a.txt",
    ]
    assert [sources(one) for one in reached] == [["fils/a.txt"]] * len(reached)


def test_files_below_a_folder_are_named_from_the_folder_above(write: Write, tmp_path: Path) -> None:
    for name in ("fils/b.txt", "fils/a.txt", "fils/2023/mai/c.txt", "fils/2023/d.jsonl", "fils/É.txt", "fils/a b.txt"):
        write(name, "x")
    assert sources(tmp_path / "fils") == [
        "fils/a b.txt",
        "fils/a.txt",
        "fils/b.txt",
        "fils/É.txt",
        "fils/2023/d.jsonl",
        "fils/2023/mai/c.txt",
    ]
    assert sources(tmp_path / "fils" / "2023") == ["2023/d.jsonl", "2023/mai/c.txt"]


def test_paths_are_taken_in_the_order_given(write: Write, tmp_path: Path) -> None:
    one, other = write("b/x.txt", "x"), write("a/y.txt", "y")
    assert sources(one, tmp_path / "a", other) == ["b/x.txt", "a/y.txt", "a/y.txt"]


def test_hidden_files_and_manifests_are_no_documents(write: Write, tmp_path: Path) -> None:
    for name in ("f/.hidden.txt", "f/.git/config", "f/a.txt", "f/sub/.DS_Store", "f/sub/b.txt"):
        write(name, "x")
    write("f/manifest.toml", "")
    assert sources(tmp_path / "f") == ["f/a.txt", "f/sub/b.txt"]


def test_a_manifest_named_as_a_document_is_refused(write: Write) -> None:
    # As a shell does that is given seeds/*.
    manifest, path = write("f/manifest.toml", ""), write("f/a.txt", "x")
    assert list(find([path, manifest], Facts())) == [
        Document(path, "f/a.txt", Facts()),
        Failure(str(manifest), "is a manifest, which describes the documents beside it: name its folder"),
    ]


def test_a_link_is_known_by_its_own_name(write: Write, tmp_path: Path) -> None:
    target = write("elsewhere/target.txt", "x")
    (tmp_path / "f").mkdir()
    (tmp_path / "f" / "link.txt").symlink_to(target)
    assert sources(tmp_path / "f") == sources(tmp_path / "f" / "link.txt") == ["f/link.txt"]


def test_a_missing_path_and_an_empty_folder_are_failures(write: Write, tmp_path: Path) -> None:
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    write("hidden/.a.txt", "x")
    path = write("f/a.txt", "x")
    missing = tmp_path / "missing"
    assert list(find([missing, tmp_path / "empty", tmp_path / "hidden", path], Facts())) == [
        Failure(str(missing), "no such file or folder"),
        Failure(str(tmp_path / "empty"), "the folder holds no documents"),
        Failure(str(tmp_path / "hidden"), "the folder holds no documents"),
        Document(path, "f/a.txt", Facts()),
    ]


def test_a_path_that_no_file_system_takes_is_a_failure() -> None:
    assert failures(Path("a\0b"), Path("x" * 5000)) == [
        Failure("a\0b", "no such file or folder"),
        Failure("x" * 5000, "cannot be read: File name too long"),
    ]


def test_what_is_not_a_file_is_named_and_not_waited_for(write: Write, tmp_path: Path) -> None:
    write("f/a.txt", "x")
    os.mkfifo(tmp_path / "f" / "pipe")
    (tmp_path / "f" / "broken").symlink_to(tmp_path / "nowhere")
    reason = "is not a file, or a link to a file that is not there"
    assert failures(tmp_path / "f") == [
        Failure(str(tmp_path / "f" / "broken"), reason),
        Failure(str(tmp_path / "f" / "pipe"), reason),
    ]
    assert sources(tmp_path / "f")[0] == "f/a.txt"


def test_a_name_that_is_not_text_is_named_as_well_as_can_be(tmp_path: Path) -> None:
    folder = tmp_path / "f"
    folder.mkdir()
    name = os.fsdecode(b"caf\xe9.txt")
    (folder / name).write_text("x")
    failure = Failure(f"{folder}/caf?.txt", "has a name that is not UTF-8: rename it")
    assert list(find([folder], Facts())) == [failure]
    assert list(find([folder / name], Facts())) == [failure]


def test_a_folder_that_vanishes_on_the_way_is_a_failure(write: Write, tmp_path: Path) -> None:
    write("f/a.txt", "x")
    write("f/later/b.txt", "x")
    found = find([tmp_path / "f"], Facts())
    assert isinstance(next(found), Document)
    shutil.rmtree(tmp_path / "f" / "later")
    assert list(found) == [Failure(str(tmp_path / "f" / "later"), "cannot be read: No such file or directory")]


CHILD = """
import os, sys
from pathlib import Path
from index.documents import Facts, find
os.setuid(65534)
for found in find([Path("open"), Path("open/shut")], Facts()):
    print(found.source, getattr(found, "reason", ""))
"""


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="takes another user's place")
def test_a_folder_that_may_not_be_read_is_a_failure() -> None:
    # Not below the test's own folder, which another user cannot enter at all.
    top = Path(tempfile.mkdtemp())
    try:
        top.chmod(0o755)
        (top / "open" / "shut").mkdir(parents=True)
        (top / "open" / "a.txt").write_text("x")
        (top / "open" / "shut").chmod(0)
        # Its names may be read, and nothing behind them.
        (top / "open" / "listed").mkdir()
        (top / "open" / "listed" / "b.txt").write_text("x")
        (top / "open" / "listed").chmod(0o744)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
        done = subprocess.run(
            [sys.executable, "-c", CHILD], cwd=top, env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.splitlines() == [
            "open/a.txt ",
            "open/listed manifest.toml cannot be read: Permission denied",
            "open/shut cannot be read: Permission denied",
            "open/shut cannot be read: Permission denied",
        ]
    finally:
        shutil.rmtree(top)


MANIFEST = """
[[document]]
file = "a.txt"
source = "Le fil du mardi"
title = "Guerre en Ukraine"
lang = "fr"
tz = "Europe/Paris"
date = 2023-05-23
url = "https://example.org/a"
"""


def test_every_key_of_a_manifest_is_read(write: Write, tmp_path: Path) -> None:
    path = write("f/a.txt", "x")
    write("f/manifest.toml", MANIFEST)
    facts = Facts("fr", "Europe/Paris", date(2023, 5, 23), "Guerre en Ukraine", "https://example.org/a")
    assert list(find([tmp_path / "f"], Facts("en", "UTC", date(2000, 1, 1), "x", "y"))) == [
        Document(path, "Le fil du mardi", facts)
    ]


def test_what_is_given_holds_for_what_no_manifest_says(write: Write, tmp_path: Path) -> None:
    paths = [write("f/a.txt", "x"), write("f/b.txt", "x"), write("f/sub/a.txt", "x")]
    write("f/manifest.toml", '[[document]]\nfile = "a.txt"\nlang = "fr"\n')
    given = Facts(tz="Europe/Paris", day=date(2023, 5, 23))
    # A manifest describes its own folder, not those below.
    assert list(find([tmp_path / "f"], given)) == [
        Document(paths[0], "f/a.txt", Facts("fr", "Europe/Paris", date(2023, 5, 23))),
        Document(paths[1], "f/b.txt", given),
        Document(paths[2], "f/sub/a.txt", given),
    ]


def test_a_document_that_a_manifest_names_and_is_not_there_is_a_failure(write: Write, tmp_path: Path) -> None:
    path = write("f/b.txt", "x")
    write("f/manifest.toml", '[[document]]\nfile = "a.txt"\n')
    assert list(find([tmp_path / "f"], Facts())) == [
        Failure("f/a.txt", "manifest.toml names it, and it is not there"),
        Document(path, "f/b.txt", Facts()),
    ]


KEYS = "file, source, title, lang, tz, date, url"


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        ("[document", "manifest.toml is not TOML: Expected"),
        (b"\xff\xfe", "manifest.toml is not TOML: 'utf-8' codec can't decode"),
        ("[[documents]]", "manifest.toml has the unknown key 'documents'; it holds [[document]] tables only"),
        ('title = "x"', "manifest.toml has the unknown key 'title'; it holds [[document]] tables only"),
        ("document = 3", "manifest.toml: write each document as [[document]]"),
        ('document = ["a.txt"]', "manifest.toml: write each document as [[document]]"),
        ('[document]\nfile = "a.txt"', "manifest.toml: write each document as [[document]]"),
        (
            '[[document]]\nfile = "a.txt"\nlanguage = "fr"',
            f"manifest.toml, document 1 has the unknown key 'language'; known are {KEYS}",
        ),
        ('[[document]]\nfile = "a.txt"\nlang = 3', "manifest.toml, document 1: lang = 3 is not a str"),
        ('[[document]]\nfile = "a.txt"\ndate = "2023-05-23"', "manifest.toml, document 1: date = '2023-05-23' is not a date"),
        (
            '[[document]]\nfile = "a.txt"\ndate = 2023-05-23T11:58:00',
            "manifest.toml, document 1: date = datetime.datetime(2023, 5, 23, 11, 58) is not a date",
        ),
        (
            '[[document]]\nfile = "a.txt"\n[[document]]\nfile = "b.txt"\ntz = "Europe/Pariss"',
            "manifest.toml, document 2: no time zone 'Europe/Pariss': "
            "give an IANA name such as Europe/Paris, or an offset such as +02:00",
        ),
        ("[[document]]", "manifest.toml, document 1: file = '' is not the name of a file in this folder"),
        ('[[document]]\nfile = ""', "manifest.toml, document 1: file = '' is not the name of a file in this folder"),
        (
            '[[document]]\nfile = "../a.txt"',
            "manifest.toml, document 1: file = '../a.txt' is not the name of a file in this folder",
        ),
        ('[[document]]\nfile = "sub/a.txt"', "manifest.toml, document 1: file = 'sub/a.txt' is not the name of"),
        ("[[document]]\nfile = 'sub\\a.txt'", "manifest.toml, document 1: file = 'sub\\\\a.txt' is not the name of"),
        ('[[document]]\nfile = ".."', "manifest.toml, document 1: file = '..' is not the name of a file in this folder"),
        ('[[document]]\nfile = "a.txt"\n[[document]]\nfile = "a.txt"', "manifest.toml describes 'a.txt' twice"),
    ],
)
def test_a_manifest_that_is_wrong_says_where(write: Write, tmp_path: Path, manifest: str | bytes, reason: str) -> None:
    path = write("f/a.txt", "x")
    write("f/b.txt", "x")
    write("f/manifest.toml", manifest)
    for named in (tmp_path / "f", path):
        [failure] = find([named], Facts())
        assert isinstance(failure, Failure)
        assert failure.source == str(named)
        assert failure.reason.startswith(reason)
        assert "\n" not in failure.reason


def test_a_wrong_manifest_leaves_out_its_own_folder_only(write: Write, tmp_path: Path) -> None:
    for name in ("f/a.txt", "f/bad/b.txt", "f/bad/deeper/c.txt", "f/good/d.txt"):
        write(name, "x")
    write("f/bad/manifest.toml", "[document")
    found = list(find([tmp_path / "f"], Facts()))
    assert [one.source for one in found] == ["f/a.txt", str(tmp_path / "f/bad"), "f/bad/deeper/c.txt", "f/good/d.txt"]
    assert isinstance(found[1], Failure)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_a_date_at_the_end_of_the_calendar_is_refused(write: Write, tmp_path: Path, day: str) -> None:
    path = write("f/a.txt", "x")
    write("f/manifest.toml", f'[[document]]\nfile = "a.txt"\ndate = {day}')
    assert failures(tmp_path / "f") == [Failure(str(path), f"the date {day} is out of reach: years 2 to 9998")]


def test_parts_of_saved_pages_are_passed_over_in_a_folder_and_read_when_named(
    write: Callable[..., Path], tmp_path: Path
) -> None:
    for name in ("page.html", "page_files/a.js", "page_files/style.CSS", "page_files/photo.jpg", "page_files/frame.html"):
        write(f"docs/{name}", "x")
    found = [one.source for one in find([tmp_path / "docs"], Facts())]
    assert found == ["docs/page.html", "docs/page_files/frame.html"]
    assert [one.source for one in find([tmp_path / "docs/page_files/a.js"], Facts())] == ["page_files/a.js"]


def test_a_manifest_that_nests_without_end_is_refused() -> None:
    with pytest.raises(InvalidManifest, match=r"manifest\.toml is not TOML"):
        described(b"e=" + b"[" * 3000)
