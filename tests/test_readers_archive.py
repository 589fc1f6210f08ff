"""ZIP and tar archives, within bounds."""

import gzip
import io
import json
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from index.documents import Document, Facts, Failure
from index.errors import UnreadableDocument
from index.readers import archive, expand, read
from index.records import Entry

Write = Callable[..., Path]
FACTS = Facts("fr", "Europe/Paris", date(2023, 5, 23))
PAGE = "11h58 : Titre\nTexte."


def zipped(members: dict[str, bytes | str], **more: int) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in members.items():
            made.writestr(name, content)
    return file.getvalue()


def tarred(members: dict[str, bytes | str], mode: str = "w") -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode=mode) as made:  # type: ignore[call-overload]
        for name, content in members.items():
            data = content.encode() if isinstance(content, str) else content
            info = tarfile.TarInfo(name)
            info.size = len(data)
            info.type = tarfile.DIRTYPE if name.endswith("/") else tarfile.REGTYPE
            made.addfile(info, io.BytesIO(data))
    return file.getvalue()


PACKERS: dict[str, Callable[[dict[str, bytes | str]], bytes]] = {
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda members: tarred(members, "w:gz"),
    "tar.bz2": lambda members: tarred(members, "w:bz2"),
    "tar.xz": lambda members: tarred(members, "w:xz"),
}
each_packer = pytest.mark.parametrize("packer", PACKERS.values(), ids=PACKERS)
Pack = Callable[[dict[str, bytes | str]], bytes]


def unpacked(path: Path, facts: Facts = FACTS) -> tuple[list[tuple[str, str, str]], list[Failure]]:
    """Source, key and text of the entries of an archive, and what failed."""
    entries, failures = [], []
    for document in expand(Document(path, "a", facts)):
        if isinstance(document, Failure):
            failures.append(document)
            continue
        try:
            for found in read(document):
                if isinstance(found, Entry):
                    entries.append((found.source, found.key, found.text))
                else:
                    failures.append(found)
        except UnreadableDocument as error:
            failures.append(Failure(document.source, str(error)))
    return entries, failures


@each_packer
def test_the_documents_of_an_archive_are_read_each_under_its_own_name(write: Write, packer: Pack) -> None:
    line = json.dumps({"_id": "1", "text": "Un."})
    path = write("archive", packer({"fil/a.txt": PAGE, "b.jsonl": line, ".hidden": "x", "__MACOSX/x": "x", "fil/": ""}))
    entries, failures = unpacked(path)
    assert entries == [("a/fil/a.txt", "2023-05-23T11:58", "Texte."), ("a/b.jsonl", "1", "Un.")]
    assert failures == []


@each_packer
def test_a_manifest_in_an_archive_describes_its_folder(write: Write, packer: Pack) -> None:
    manifest = '[[document]]\nfile = "a.txt"\nsource = "le-fil"\ndate = 2020-01-02\n'
    entries, failures = unpacked(write("archive", packer({"fil/a.txt": PAGE, "b.txt": PAGE, "fil/manifest.toml": manifest})))
    assert [one[:2] for one in entries] == [("le-fil", "2020-01-02T11:58"), ("a/b.txt", "2023-05-23T11:58")]
    assert failures == []
    entries, failures = unpacked(write("archive", packer({"fil/a.txt": PAGE, "b.txt": PAGE, "fil/manifest.toml": "x"})))
    assert [one[0] for one in entries] == ["a/b.txt"]
    assert [one.source for one in failures] == ["a/fil", "a/fil/a.txt"]


@each_packer
@pytest.mark.parametrize("name", ["../a.txt", "/etc/a.txt", "fil/../../a.txt", "C:/a.txt", "fil\\a.txt"])
def test_a_name_that_leads_out_of_the_archive_is_refused_and_nothing_is_written(
    write: Write, packer: Pack, name: str, tmp_path: Path
) -> None:
    entries, failures = unpacked(write("box/archive", packer({name: PAGE, "b.txt": PAGE})))
    assert [one[0] for one in entries] == ["a/b.txt"]
    assert [one.reason for one in failures] == ["has a name that leads out of the archive"]
    assert [path.name for path in tmp_path.rglob("*")] == ["box", "archive"]


@each_packer
def test_an_archive_within_an_archive_is_not_opened(write: Write, packer: Pack) -> None:
    inner = {"b.zip": zipped({"x": "x"}), "c.tar": tarred({"x": "x"}), "d.txt.gz": gzip.compress(b"x")}
    entries, failures = unpacked(write("archive", packer({"a.txt": PAGE, **inner})))
    assert [one[0] for one in entries] == ["a/a.txt"]
    assert failures == [Failure(f"a/{name}", "is an archive within an archive: unpack it") for name in inner]


def test_links_and_devices_in_an_archive_are_not_followed(write: Write) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as made:
        for name, kind in (("link", tarfile.SYMTYPE), ("hard", tarfile.LNKTYPE), ("pipe", tarfile.FIFOTYPE)):
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, "link" if name == "link" else "/etc/passwd"
            made.addfile(info)
    entries, failures = unpacked(write("archive", file.getvalue()))
    assert (entries, failures) == (
        [],
        [
            Failure("a/link", "is a link, and is not followed"),
            Failure("a/hard", "is a link, and is not followed"),
            Failure("a/pipe", "is a device or a pipe, and no document"),
        ],
    )
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(write("b", ""), "w") as packed:
        packed.writestr(link, "/etc/passwd")
        filename = packed.filename
    assert unpacked(Path(str(filename)))[1] == [Failure("a/link", "is a link, and is not followed")]


@each_packer
def test_a_name_that_stands_twice_is_read_once_and_named(write: Write, packer: Pack) -> None:
    path = write("archive", packer({"a.txt": PAGE, "./a.txt": PAGE}))
    entries, failures = unpacked(path)
    assert [one[0] for one in entries] == ["a/a.txt"]
    assert [one.reason for one in failures] == ["is in the archive twice: the first was read"]


@pytest.mark.parametrize("packer", [pack for name, pack in PACKERS.items() if name != "tar"])
def test_a_bomb_is_left_at_its_bounds(write: Write, packer: Pack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "SMALL", 1024**2)
    monkeypatch.setattr(archive, "RATIO", 20)
    path = write("archive", packer({"a.txt": PAGE, "bomb.txt": b"0" * (64 * 1024**2), "c.txt": PAGE}))
    entries, failures = unpacked(path)
    assert [one[0] for one in entries] == ["a/a.txt"]
    assert [one.source for one in failures] == ["a"]
    assert failures[0].reason.startswith("grows to more than 20 times its size")


def test_a_bomb_of_many_files_is_left_at_its_bounds(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MEMBERS", 10)
    path = write("archive", zipped({f"{n}.txt": PAGE for n in range(20)}))
    with monkeypatch.context() as patch:
        patch.setattr(archive._Budget, "of", classmethod(lambda cls, path: cls(1024**2, 10)))
        entries, failures = unpacked(path)
    assert len(entries) == 10
    assert failures == [Failure("a", "holds more than 10 files: the rest is not read; unpack it")]


@each_packer
def test_an_archive_that_is_damaged_is_named_whole_or_in_part(write: Write, packer: Pack) -> None:
    # Letters that do not pack away.
    members: dict[str, bytes | str] = {
        f"{n}.txt": f"11h58 : Titre {n}\n" + " ".join(f"{n * m**3:x}" for m in range(300)) for n in range(20)
    }
    whole = packer(members)
    for damaged in (whole[: len(whole) // 2], whole[: len(whole) // 2] + bytes(300) + whole[len(whole) // 2 + 300 :]):
        entries, failures = unpacked(write("archive", damaged))
        assert failures
        assert len(entries) < 20 or b"\0" * 300 in damaged
        assert all("\n" not in failure.reason for failure in failures)


def test_an_encrypted_member_is_named(write: Write) -> None:
    data = bytearray(zipped({"a.txt": PAGE}))
    # The flag, in the member's own header and in the directory.
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert unpacked(write("archive", bytes(data)))[1] == [Failure("a/a.txt", "is encrypted: unpack it with its password")]


def test_an_office_document_is_not_taken_for_an_archive(write: Write) -> None:
    entries, failures = unpacked(write("a.docx", zipped({"[Content_Types].xml": "<x/>", "word/document.xml": "<x/>"})))
    assert (entries, failures) == ([], [Failure("a", "is an Office document or an e-book: save it as text or HTML")])


def test_nothing_of_an_archive_stays_on_the_disk(write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write("archive", zipped({"a.txt": PAGE, "b.txt": PAGE}))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    sizes = []
    for document in expand(Document(path, "a", FACTS)):
        assert isinstance(document, Document)
        sizes.append(len(list((tmp_path / "tmp").rglob("member*"))))
        assert document.origin == f"{path}!{document.source.removeprefix('a/')}"
    assert sizes == [1, 1]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_any_other_document_is_itself(write: Write) -> None:
    document = Document(write("a.txt", PAGE), "a", FACTS)
    assert list(expand(document)) == [document]
    with pytest.raises(UnreadableDocument):
        list(read(Document(write("b", zipped({"a": "x"})), "b", FACTS)))


@pytest.mark.parametrize("packer", [gzip.compress], ids=["gzip"])
def test_a_packed_document_is_read_like_another(write: Write, packer: Callable[[bytes], bytes]) -> None:
    page = (
        f"<!DOCTYPE html><html><body><article><h1>Titre</h1><p>{'Une phrase assez longue. ' * 20}</p></article></body></html>"
    )
    for name, content in (
        ("a.txt.gz", PAGE),
        ("a.html.gz", page),
        ("a.csv.gz", "id,text\n1,Un\n"),
        ("a.json.gz", '[{"text": "x"}]'),
    ):
        [entry] = read(Document(write(name, packer(content.encode())), "a", FACTS))
        assert isinstance(entry, Entry)
        assert [entry] == list(read(Document(write("plain", content), "a", FACTS)))


@pytest.mark.parametrize(("byte", "name"), [(b"\xfd", "in no encoding"), (b"", "that is empty")])
def test_a_zip_with_a_name_that_is_none_is_refused(write: Write, byte: bytes, name: str) -> None:
    made = zipped({"x": PAGE})
    entry = bytearray(made[made.index(b"PK\x01\x02") :])
    # The member claims that its name is UTF-8, and it is not; or that it has none.
    entry[9] |= 0x08
    entry[28] = len(byte)
    entry[46:47] = byte
    end = entry.index(b"PK\x05\x06")
    entry[end + 12] = end
    with pytest.raises(UnreadableDocument, match="is a ZIP archive that cannot be read"):
        list(archive.from_zip(Document(write("fil.zip", made[: made.index(b"PK\x01\x02")] + bytes(entry)), "fil.zip", FACTS)))


def test_a_tar_with_a_header_of_a_size_that_cannot_be_is_refused(write: Write) -> None:
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 20
    made = header.tobuf(tarfile.USTAR_FORMAT) + b"9999999999999999999999 path=x\n".ljust(512, b"\0") + b"\0" * 1024
    with pytest.raises(UnreadableDocument, match="is a tar archive that cannot be read to its end"):
        list(archive.from_tar(Document(write("fil.tar", made), "fil.tar", FACTS)))


def test_a_member_with_a_name_that_no_file_can_have_is_named_and_the_others_are_read(write: Write) -> None:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as made:
        for name in ("a.txt", "b.txt"):
            info = tarfile.TarInfo(name)
            info.size = len(PAGE)
            if name == "a.txt":
                info.pax_headers = {"path": "a.t\0xt"}
            made.addfile(info, io.BytesIO(PAGE.encode()))
    first, second = archive.from_tar(Document(write("fil.tar", file.getvalue()), "fil.tar", FACTS))
    assert isinstance(first, Failure)
    assert first.reason == "has a name that no file can have"
    assert isinstance(second, Document)
    assert second.source == "fil.tar/b.txt"
