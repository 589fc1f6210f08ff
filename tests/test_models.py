"""`load`: by name, folder and hub id."""

import shutil
from collections.abc import Callable
from pathlib import Path

import huggingface_hub.constants
import pytest

from embed import EmbedError, ModelCard, ModelNotFound, WeightsDamaged, bundled, load
from embed.hashing import HashingEncoder

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Path], None]:
    """A hub that cannot be reached; returns how to put a model in its cache, under an id and a commit."""
    home = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("SENTENCE_TRANSFORMERS_HOME", str(home))

    def put(hub_id: str, commit: str, model: Path) -> None:
        repository = home / f"models--{hub_id.replace('/', '--')}"
        (repository / "refs").mkdir(parents=True, exist_ok=True)
        (repository / "refs" / "main").write_text(commit)
        shutil.copytree(model, repository / "snapshots" / commit)

    return put


def test_hashing_is_a_name() -> None:
    assert isinstance(load("hashing"), HashingEncoder)


@pytest.mark.model
def test_the_default_model_has_the_card_of_multilingual_e5_small() -> None:
    card = ModelCard("multilingual-e5-small", bundled.REVISION, 384, 512, "query: ", "passage: ", "float32", "MIT")
    assert load("multilingual-e5-small", "torch").card == card


def test_a_folder_is_loaded_under_its_own_name(small_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    card = load(str(small_model), "torch").card
    assert card == ModelCard("small-model", card.revision, 32, 64, "query: ", "passage: ", "float32", "")
    assert card.revision.startswith("sha256-")
    monkeypatch.chdir(small_model)
    assert load(".", "torch").card == card


def test_the_same_name_with_other_weights_is_another_model(small_model: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "small-model"
    shutil.copytree(small_model, copy)
    assert load(str(copy), "torch").card == load(str(small_model), "torch").card
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert load(str(copy), "torch").card.fingerprint != load(str(small_model), "torch").card.fingerprint


def test_a_hub_model_is_known_by_its_commit(hub: Callable[[str, str, Path], None], small_model: Path) -> None:
    hub("owner/small", COMMIT, small_model)
    assert load("owner/small", "torch").card == ModelCard("owner/small", COMMIT, 32, 64, "query: ", "passage: ", "float32", "")


def test_what_a_hub_models_page_says_is_on_its_card(hub: Callable[[str, str, Path], None], small_model: Path) -> None:
    hub("intfloat/multilingual-e5-base", COMMIT, small_model)
    assert load("intfloat/multilingual-e5-base", "torch").card.licence == "MIT"


def test_prefixes_of_the_models_own_configuration_win(
    hub: Callable[[str, str, Path], None], small_model: Path, tmp_path: Path
) -> None:
    plain, own = tmp_path / "plain", tmp_path / "own"
    shutil.copytree(small_model, plain)
    (plain / "config_sentence_transformers.json").unlink()
    shutil.copytree(small_model, own)
    (own / "config_sentence_transformers.json").write_text('{"prompts": {"query": "Q ", "document": "D "}}')
    hub("Snowflake/snowflake-arctic-embed-m-v2.0", COMMIT, plain)
    hub("intfloat/multilingual-e5-base", COMMIT, plain)
    hub("intfloat/multilingual-e5-large", COMMIT, own)
    prefixes = [
        (load(name, "torch").card.query_prefix, load(name, "torch").card.passage_prefix)
        for name in (
            "Snowflake/snowflake-arctic-embed-m-v2.0",
            "intfloat/multilingual-e5-base",
            "intfloat/multilingual-e5-large",
            str(plain),
        )
    ]
    assert prefixes == [("query: ", ""), ("query: ", "passage: "), ("Q ", "D "), ("", "")]


@pytest.mark.parametrize(
    "name", ["", "no such model", "/no/such/folder", "./missing", "~/models/e5", "a/b/c", "a\x00b", "é" * 300]
)
def test_a_name_that_leads_nowhere_is_refused_in_one_sentence(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        load(name, "torch")
    assert str(caught.value) == f"no model '{name}': give multilingual-e5-small, a folder, or a hub id like owner/name"


def test_a_hub_id_that_cannot_be_had_is_refused_in_one_sentence(hub: Callable[[str, str, Path], None]) -> None:
    with pytest.raises(ModelNotFound) as caught:
        load("no-such/model", "torch")
    message = str(caught.value)
    assert message.startswith("cannot open the model 'no-such/model': ")
    assert message.endswith("; give a sentence-transformers folder or a hub id")
    assert "\n" not in message


def test_a_hub_id_that_cannot_be_one_is_refused(hub: Callable[[str, str, Path], None]) -> None:
    with pytest.raises(ModelNotFound, match="cannot open the model 'a b/c': "):
        load("a b/c", "torch")


def _empty(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.unlink() if path.is_file() else path.rmdir()


def _cut(name: str) -> Callable[[Path], None]:
    def cut(folder: Path) -> None:
        data = (folder / name).read_bytes()
        (folder / name).write_bytes(data[: len(data) // 2])

    return cut


@pytest.mark.parametrize(
    "damage",
    [
        _empty,
        _cut("model.safetensors"),
        _cut("tokenizer.json"),
        _cut("config.json"),
        _cut("modules.json"),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "no.such.Module"}]'),
    ],
    ids=["empty", "weights", "tokenizer", "config", "modules", "no weights", "unknown module"],
)
def test_a_folder_that_holds_no_whole_model_is_refused_in_one_sentence(
    damage: Callable[[Path], None], small_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "model"
    shutil.copytree(small_model, folder)
    damage(folder)
    with pytest.raises(ModelNotFound) as caught:
        load(str(folder), "torch")
    message = str(caught.value)
    assert message.startswith(f"cannot open the model '{folder}': ")
    assert message.endswith("; give a sentence-transformers folder or a hub id")
    assert "\n" not in message


@pytest.mark.parametrize("device", ["nonsense", "cuda:99", "xpu"])
def test_a_device_that_is_not_there_is_refused_by_its_name(device: str, small_model: Path) -> None:
    with pytest.raises(EmbedError) as caught:
        load(str(small_model), device=device)
    message = str(caught.value)
    assert message.startswith(f"no device '{device}' here: ")
    assert message.endswith("; give cpu, or leave it out for the best there is")
    assert "\n" not in message


def test_a_damaged_folder_in_the_cache_is_named_with_its_repair(small_model: Path, tmp_path: Path) -> None:
    folder = tmp_path / "models" / f"multilingual-e5-small-{bundled.REVISION}"
    shutil.copytree(small_model, folder)
    (folder / "model.safetensors").unlink()
    with pytest.raises(WeightsDamaged) as caught:
        load(device="torch", cache=tmp_path)
    assert str(caught.value) == f"the model in {folder} is damaged: delete this folder, and it is made again"


def test_without_the_wheel_the_default_model_comes_from_the_hub(
    hub: Callable[[str, str, Path], None], small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "weights_file", lambda: None)
    hub("intfloat/multilingual-e5-small", COMMIT, small_model)
    card = load(device="torch", cache=tmp_path / "cache").card
    assert card == ModelCard("multilingual-e5-small", COMMIT, 32, 64, "query: ", "passage: ", "float32", "MIT")
    assert not (tmp_path / "cache").exists()


def test_without_the_wheel_a_folder_made_before_is_taken(
    small_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundled, "weights_file", lambda: None)
    shutil.copytree(small_model, tmp_path / "models" / f"multilingual-e5-small-{bundled.REVISION}")
    assert load(device="torch", cache=tmp_path).card.revision == bundled.REVISION
