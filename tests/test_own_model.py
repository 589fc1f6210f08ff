"""The model of an index is found from what the index says of it."""

from dataclasses import replace
from pathlib import Path

import pytest

from embed import DEFAULT_MODEL, Encoder, ModelNotFound
from embed.hashing import HashingEncoder
from index import own_model
from index.own_model import own_encoder
from index.store import Store


@pytest.fixture
def loaded(monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What was asked of `embed.load`."""
    asked: list[tuple[object, ...]] = []

    def load(*arguments: object, threads: int | None) -> Encoder:
        asked.append(arguments if threads is None else (*arguments, threads))
        return HashingEncoder()

    monkeypatch.setattr(own_model, "load", load)
    return asked


def test_an_index_is_opened_with_its_own_model_in_its_own_arithmetic(seed_index: Path, loaded: list[object]) -> None:
    own_encoder(seed_index, None, "cpu", Path("cache"))
    own_encoder(seed_index, "hashing", threads=3)
    precision = HashingEncoder().card.precision
    assert loaded == [("hashing", "cpu", Path("cache"), precision), ("hashing", None, None, precision, 3)]


def test_another_model_that_is_named_is_taken_in_whatever_arithmetic_is_fastest(seed_index: Path, loaded: list[object]) -> None:
    own_encoder(seed_index, "owner/name")
    assert loaded == [("owner/name", None, None)]


def test_where_there_is_no_index_the_named_model_is_taken_or_the_default(tmp_path: Path, loaded: list[object]) -> None:
    own_encoder(tmp_path)
    own_encoder(tmp_path, "hashing", "cpu")
    assert loaded == [(DEFAULT_MODEL, None, None), ("hashing", "cpu", None)]
    assert not any(tmp_path.iterdir())


def test_a_folder_that_the_card_does_not_lead_to_is_asked_for(seed_index: Path, tmp_path: Path) -> None:
    folder = tmp_path / "index"
    folder.mkdir()
    with Store.open(seed_index) as store:
        card, space = replace(store.card(), name="my-folder"), store.space()
    assert space is not None
    Store.create(folder, card, lambda: space).close()
    with pytest.raises(ModelNotFound) as raised:
        own_encoder(folder)
    assert str(raised.value) == (
        f"{folder} was built with the model 'my-folder': say where it is with --model, or model= in Python"
    )
