"""Settings: arguments win over the environment, that over the file, that over the defaults."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from api.settings import InvalidSettings, Settings, load_settings
from embed import DEFAULT_MODEL
from embed.bundled import default_cache


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings of the developer's own."""
    for name in [name for name in os.environ if name.startswith("FILROUGE_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def refusal(**given: object) -> str:
    with pytest.raises(InvalidSettings) as raised:
        load_settings(**given)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_the_defaults() -> None:
    assert load_settings().model_dump() == {
        "index": Path(".filrouge"),
        "engine": "embedded",
        "uri": None,
        "milvus_token": None,
        "engine_timeout": 10.0,
        "model": DEFAULT_MODEL,
        "device": None,
        "cache": default_cache(),
        "tz": "Europe/Paris",
        "tier": "auto",
        "host": "127.0.0.1",
        "port": 8000,
        "workers": 1,
        "at_once": 4,
        "waiting": 128,
        "grace": 10,
        "threshold": None,
        "keys": Path("filrouge-keys.json"),
        "rate": None,
        "hosts": (),
        "origins": (),
        "proxies": (),
        "log": "problems",
        "log_questions": False,
    }


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("index", "news", Path("news")),
        ("engine", "milvus", "milvus"),
        ("uri", "http://127.0.0.1:19530", "http://127.0.0.1:19530"),
        ("milvus_token", "root:hush", SecretStr("root:hush")),
        ("engine_timeout", "2.5", 2.5),
        ("model", "hashing", "hashing"),
        ("device", "cpu", "cpu"),
        ("cache", "/srv/again", Path("/srv/again")),
        ("tz", "+02:00", "+02:00"),
        ("tier", "lists", "lists"),
        ("host", "::1", "::1"),
        ("port", "0", 0),
        ("workers", "3", 3),
        ("at_once", "8", 8),
        ("waiting", "0", 0),
        ("grace", "30", 30),
        ("threshold", "0.5", 0.5),
        ("keys", "/srv/keys.json", Path("/srv/keys.json")),
        ("rate", "60", 60),
        ("hosts", "Fil.example.org, filrouge.lan", ("fil.example.org", "filrouge.lan")),
        ("origins", "https://app.example.org http://[::1]:5173", ("https://app.example.org", "http://[::1]:5173")),
        ("proxies", "10.0.0.2,10.1.0.0/16", ("10.0.0.2", "10.1.0.0/16")),
        ("log", "json", "json"),
        ("log_questions", "true", True),
    ],
)
def test_every_setting_can_be_made_in_three_places(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str, written: str, meant: object
) -> None:
    write("filrouge.toml", f'{name} = "{written}"\n')
    assert getattr(load_settings(), name) == meant
    write("filrouge.toml", "")
    monkeypatch.setenv(f"FILROUGE_{name.upper()}", written)
    assert getattr(load_settings(), name) == meant
    monkeypatch.delenv(f"FILROUGE_{name.upper()}")
    assert getattr(load_settings(**{name: written}), name) == meant


def test_every_setting_is_in_the_test_above() -> None:
    mark = test_every_setting_can_be_made_in_three_places.pytestmark[0]
    assert [name for name, _, _ in mark.args[1]] == list(Settings.model_fields)


def test_arguments_win_over_the_environment_and_that_over_the_file(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    write("filrouge.toml", 'index = "file"\nmodel = "file"\nhost = "file"\n')
    monkeypatch.setenv("FILROUGE_INDEX", "environment")
    monkeypatch.setenv("FILROUGE_MODEL", "environment")
    settings = load_settings(index="argument")
    assert (settings.index, settings.model, settings.host) == (Path("argument"), "environment", "file")


def test_what_was_set_is_told_from_the_defaults(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    assert load_settings().model_fields_set == set()
    write("filrouge.toml", f'model = "{DEFAULT_MODEL}"\n')
    monkeypatch.setenv("FILROUGE_PORT", "9")
    assert load_settings(tz="UTC").model_fields_set == {"model", "port", "tz"}


def test_an_empty_variable_is_none(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    write("filrouge.toml", 'index = "news"\n')
    for name in ("INDEX", "CACHE", "TZ", "PORT", "DEVICE"):
        monkeypatch.setenv(f"FILROUGE_{name}", "")
    settings = load_settings()
    assert (settings.index, settings.cache, settings.tz) == (Path("news"), default_cache(), "Europe/Paris")
    assert settings.model_fields_set == {"index"}


def test_the_file_may_lie_elsewhere(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILROUGE_CONFIG", str(write("etc/news.toml", "port = 9000\n")))
    write("filrouge.toml", "port = 7000\n")
    assert load_settings().port == 9000
    monkeypatch.setenv("FILROUGE_CONFIG", "")
    assert load_settings().port == 7000


def test_a_tilde_is_the_home_folder(write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    write("filrouge.toml", 'index = "~/news"\ncache = "~/.cache/x"\n')
    settings = load_settings()
    assert (settings.index, settings.cache) == (tmp_path / "home/news", tmp_path / "home/.cache/x")


# What is refused


def test_a_file_that_is_named_and_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FILROUGE_CONFIG", "nowhere.toml")
    assert refusal() == "cannot read the settings: there is no file nowhere.toml"


def test_an_unknown_setting_is_refused_by_name(write: Callable[..., Path]) -> None:
    write("filrouge.toml", 'indx = "news"\n')
    known = "index, engine, uri, milvus_token, engine_timeout, model, device, cache, tz, tier, host, port, workers, at_once"
    known += ", waiting, grace, threshold, keys, rate, hosts, origins, proxies, log, log_questions"
    assert refusal() == f"filrouge.toml has the unknown setting 'indx'; known are {known}"


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("hosts", "https://fil.example.org"),
        ("hosts", "fil.example.org:80"),
        ("hosts", "*"),
        ("origins", "*"),
        ("origins", "https://app.example.org/"),
        ("origins", "app.example.org"),
        ("origins", "https://App.example.org"),
        ("origins", "null"),
        ("proxies", "*"),
        ("proxies", "10.0.0.1/16"),
        ("proxies", "proxy"),
    ],
)
def test_a_name_that_would_open_more_than_it_says_is_refused(write: Callable[..., Path], name: str, written: str) -> None:
    write("filrouge.toml", f'{name} = ["{written}"]\n')
    assert refusal().startswith(f"the setting '{name}' (FILROUGE_{name.upper()} or filrouge.toml): '{written}' is no ")


@pytest.mark.parametrize("content", ['index = "', "index", b"\xff\xfe\x00", "port = 1\nport = 2\n"])
def test_a_file_that_is_not_toml_is_refused(write: Callable[..., Path], content: Any) -> None:
    write("filrouge.toml", content)
    assert refusal().startswith("filrouge.toml is not TOML: ")


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "filrouge.toml").mkdir()
    assert refusal() == "cannot read the settings: there is no file filrouge.toml"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("port", "http", "Input should be a valid integer, unable to parse string as an integer"),
        ("port", "65536", "Input should be less than or equal to 65535"),
        ("port", "-1", "Input should be greater than or equal to 0"),
        ("workers", "0", "Input should be greater than or equal to 1"),
        ("at_once", "0", "Input should be greater than or equal to 1"),
        ("at_once", "33", "Input should be less than or equal to 32"),
        ("waiting", "-1", "Input should be greater than or equal to 0"),
        ("tz", "Mars/One", "no time zone 'Mars/One': give an IANA name such as Europe/Paris, or an offset such as +02:00"),
        ("tz", "../../etc", "no time zone '../../etc': give an IANA name such as Europe/Paris, or an offset such as +02:00"),
    ],
)  # fmt: skip
def test_a_value_that_cannot_be_is_refused_wherever_it_stands(
    write: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, name: str, value: str, why: str
) -> None:
    told = f"the setting '{name}' (FILROUGE_{name.upper()} or filrouge.toml): {why}"
    assert refusal(**{name: value}) == told
    monkeypatch.setenv(f"FILROUGE_{name.upper()}", value)
    assert refusal() == told
    monkeypatch.delenv(f"FILROUGE_{name.upper()}")
    write("filrouge.toml", f'{name} = "{value}"\n')
    assert refusal() == told


def test_a_table_in_place_of_a_value_is_refused(write: Callable[..., Path]) -> None:
    write("filrouge.toml", "[index]\nfolder = 1\n")
    assert refusal().startswith("the setting 'index' (FILROUGE_INDEX or filrouge.toml): ")


def test_every_setting_says_what_it_is_for() -> None:
    assert all(str(field.description).endswith(".") for field in Settings.model_fields.values())
