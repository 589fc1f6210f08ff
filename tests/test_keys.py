"""Keys: what the file holds, who may change it, and when a server sees that it was changed."""

import json
import os
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from api import keys
from api.cli import main
from api.keys import KEY, InvalidKeys, Key, Keyring, Scope, add, read, revoke, rotate

HOUR = timedelta(hours=1)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "filrouge-keys.json"


def test_a_key_is_256_bits_of_chance_and_the_file_has_only_its_hash(file: Path) -> None:
    made = {add(file, f"reader{number}", Scope.READ) for number in range(3)}
    assert len(made) == 3
    assert all(KEY.fullmatch(key) for key in made)
    written = file.read_text(encoding="utf-8")
    assert not any(key in written or key.removeprefix("filrouge_") in written for key in made)
    assert [one["name"] for one in json.loads(written)["keys"]] == ["reader0", "reader1", "reader2"]


def test_nobody_else_may_read_the_file_whatever_the_umask(file: Path) -> None:
    before = os.umask(0)
    try:
        add(file, "reader", Scope.READ)
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        rotate(file, "reader")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o620, 0o602, 0o666])
def test_a_file_that_others_may_write_to_is_refused(file: Path, mode: int) -> None:
    add(file, "reader", Scope.READ)
    file.chmod(mode)
    with pytest.raises(InvalidKeys, match=f"others may write to the keys in {file}: run chmod 600 {file}"):
        read(file)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b'{"keys": [{}]}', b'{"keys": [], "more": 1}', b"\xff", b'{"keys": [{"name": "a", "scope": "all"}]}'],
)
def test_a_file_that_holds_no_keys_is_refused_and_left_as_it_is(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    file.chmod(0o600)
    for use in (lambda: read(file), lambda: add(file, "reader", Scope.READ), lambda: Keyring(file)):
        with pytest.raises(InvalidKeys, match="holds no keys: "):
            use()
    assert file.read_bytes() == content


@pytest.mark.parametrize("name", ["", " ", "a b", "-a", "a/b", "é", "a\n", "a" * 65, ".."])
def test_a_name_that_could_not_stand_in_a_log_is_refused(file: Path, name: str) -> None:
    with pytest.raises(InvalidKeys, match="is no name of a key"):
        add(file, name, Scope.READ)
    assert not file.exists()


def test_a_second_key_of_a_name_is_refused(file: Path) -> None:
    add(file, "reader", Scope.READ)
    before = file.read_bytes()
    with pytest.raises(InvalidKeys, match="there is a key 'reader' already"):
        add(file, "reader", Scope.ADMIN)
    assert file.read_bytes() == before


def test_a_key_cannot_have_expired_when_it_is_made(file: Path) -> None:
    with pytest.raises(InvalidKeys, match="the key would have expired at 2020-01-01"):
        add(file, "reader", Scope.READ, datetime(2020, 1, 1, tzinfo=UTC))


def test_a_scope_grants_what_the_lesser_ones_do() -> None:
    assert {scope: len(scope.grants) for scope in Scope} == {Scope.READ: 1, Scope.WRITE: 2, Scope.ADMIN: 3}
    assert Scope.READ.grants < Scope.WRITE.grants < Scope.ADMIN.grants


def test_a_key_is_found_by_itself_alone(file: Path) -> None:
    mine, other = add(file, "mine", Scope.READ), add(file, "other", Scope.ADMIN)
    ring = Keyring(file)
    assert [ring.find(key).name for key in (mine, other)] == ["mine", "other"]  # type: ignore[union-attr]
    for wrong in ("", mine[:-1], mine + "x", mine.upper(), "filrouge_", read(file)[0].sha256, "\udcff", "é" * 99):
        assert ring.find(wrong) is None


def test_a_rotated_key_opens_nothing_and_the_new_one_what_it_did(file: Path) -> None:
    ends = datetime.now(UTC).replace(microsecond=0) + HOUR
    old = add(file, "bot", Scope.WRITE, ends)
    ring = Keyring(file)
    new = rotate(file, "bot")
    assert ring.find(old) is None
    found = ring.find(new)
    assert found is not None
    assert (found.scope, found.expires) == (Scope.WRITE, ends)


def test_a_running_server_sees_each_change_at_the_next_request(file: Path) -> None:
    ring = Keyring(file)
    before, first, after = ring.asked, add(file, "a", Scope.READ), ring.asked
    assert (before, after) == (False, True)
    second = add(file, "b", Scope.READ)
    assert ring.find(first)
    assert ring.find(second)
    revoke(file, "a")
    assert ring.find(first) is None
    assert ring.find(second)
    revoke(file, "b")
    assert ring.find(second) is None
    # A file without keys is not the same as none.
    assert ring.asked
    assert file.exists()


def test_a_file_that_goes_leaves_nobody_with_a_key_and_the_need_of_one(file: Path) -> None:
    key = add(file, "a", Scope.READ)
    ring = Keyring(file)
    assert ring.asked
    file.unlink()
    assert ring.find(key) is None
    assert ring.asked


def test_a_file_that_is_damaged_lets_nobody_in_until_it_is_mended(file: Path) -> None:
    key = add(file, "a", Scope.READ)
    ring = Keyring(file)
    whole = file.read_bytes()
    file.write_bytes(whole[:-10])
    for _ in range(2):
        with pytest.raises(InvalidKeys):
            ring.find(key)
    file.write_bytes(whole)
    assert ring.find(key)


def test_where_keys_are_always_asked_for_a_missing_file_opens_nothing(file: Path) -> None:
    ring = Keyring(file, always=True)
    assert (ring.asked, ring.find("filrouge_" + "a" * 43), ring.valid()) == (True, None, [])


def test_an_expired_key_is_known_and_not_valid(file: Path) -> None:
    now = datetime.now(UTC)
    ended = Key(name="a", scope=Scope.READ, sha256="0" * 64, created=now - 2 * HOUR, expires=now)
    still = ended.model_copy(update={"name": "b", "expires": now + HOUR})
    keys._write(file, [ended, still])
    assert (ended.expired(), still.expired()) == (True, False)
    assert Keyring(file).valid() == [still]


def test_a_change_that_fails_half_way_leaves_the_file_as_it_was(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = add(file, "a", Scope.READ)

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        for change in (lambda: add(file, "b", Scope.READ), lambda: rotate(file, "a"), lambda: revoke(file, "a")):
            with pytest.raises(InvalidKeys, match=r"cannot write the keys to .*: No space left on device"):
                change()
    assert Keyring(file).find(key)
    assert sorted(path.name for path in file.parent.iterdir()) == [file.name, f"{file.name}.lock"]


def test_of_keys_made_at_the_same_time_none_is_lost(file: Path) -> None:
    threads = [threading.Thread(target=add, args=(file, f"k{number}", Scope.READ)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key.name for key in read(file)} == {f"k{number}" for number in range(12)}


# The command


def test_the_command_makes_lists_rotates_and_revokes(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chosen = ["--keys", str(file)]
    assert main(["keys", "add", "reader", "--scope", "read", "--expires", "2999-01-01", *chosen]) == 0
    shown = capsys.readouterr()
    first = shown.out.strip()
    assert KEY.fullmatch(first)
    assert "only time" in shown.err
    assert main(["keys", "list", *chosen]) == 0
    listed = capsys.readouterr().out
    assert all(word in listed for word in ("reader", "read", "2998-12-31"))  # midnight in Paris
    assert main(["keys", "list", "--json", *chosen]) == 0
    told = capsys.readouterr().out
    assert read(file)[0].sha256 not in told
    assert [one["name"] for one in json.loads(told)["keys"]] == ["reader"]
    assert main(["keys", "rotate", "reader", "--json", *chosen]) == 0
    second = json.loads(capsys.readouterr().out)["key"]
    assert Keyring(file).find(first) is None
    assert Keyring(file).find(second)
    assert main(["keys", "revoke", "reader", *chosen]) == 0
    capsys.readouterr()
    assert main(["keys", "list", *chosen]) == 0
    assert capsys.readouterr().out == f"no keys in {file}\n"


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        (["add"], "which key? filrouge keys add NAME"),
        (["add", "reader"], "what may be done with the key? give --scope read"),
        (["rotate", "nobody"], "there is no key 'nobody' in "),
        (["revoke", "reader", "--scope", "read"], "--scope and --expires are for keys add"),
        (["add", "reader", "--scope", "read", "--expires", "soon"], "'soon' is not a date or time"),
    ],
)
def test_what_the_command_cannot_do_it_says(file: Path, capsys: pytest.CaptureFixture[str], typed: list[str], why: str) -> None:
    assert main(["keys", *typed, "--keys", str(file)]) == 1
    assert why in capsys.readouterr().err
    assert not file.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
@pytest.mark.parametrize("there", ["no file", "no key", "an expired key"])
def test_an_address_that_others_reach_is_not_listened_on_without_a_valid_key(
    seed_index: Path, file: Path, capsys: pytest.CaptureFixture[str], host: str, there: str
) -> None:
    if there != "no file":
        add(file, "reader", Scope.READ)
        over = datetime(2020, 1, 1, tzinfo=UTC)
        keys._write(file, [one.model_copy(update={"expires": over}) for one in read(file) if there == "an expired key"])
    assert main(["serve", "--host", host, "--port", "0", "--index", str(seed_index), "--keys", str(file)]) == 1
    told = capsys.readouterr().err
    assert f"{host} can be reached from other machines, and {file} has no valid key" in told
    assert "filrouge keys add NAME --scope read" in told
