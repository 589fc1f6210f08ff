"""Settings: from the environment, then from a file, then the defaults. The only reader of either."""

import os
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from embed import DEFAULT_MODEL
from embed.bundled import default_cache
from index import dates
from index.errors import FilrougeError, InvalidRequest

CONFIG_FILE = "filrouge.toml"
AT_ONCE, WAITING = 4, 128
"""Two cores answer 16 clients 1.4 times as fast when they work on 4 requests at once as on 16: see ARCHITECTURE.md."""
MOST_AT_ONCE = 32
"""The threads that requests are answered in are 40: some must be left for who asks whether the process is alive."""


class Settings(BaseSettings):
    """Every setting, as `FILROUGE_NAME` in the environment or `name = …` in `filrouge.toml`; an empty variable is none."""

    model_config = SettingsConfigDict(env_prefix="FILROUGE_", env_ignore_empty=True, extra="forbid")

    index: Annotated[Path, Field(description="Folder of the index, where `--index` is not given.")] = Path(".filrouge")
    model: Annotated[
        str, Field(description="Embedding model: the default's name, a sentence-transformers folder, or a hub id.")
    ] = DEFAULT_MODEL
    device: Annotated[
        str | None, Field(description="Torch device, such as `cpu` or `cuda:0`; unset takes a GPU when there is one.")
    ] = None
    cache: Annotated[Path, Field(description="Folder for what can be made again: models, evaluation indexes.")] = Field(
        default_factory=default_cache
    )
    tz: Annotated[str, Field(description="Time zone of documents whose zone is not known.")] = "Europe/Paris"
    host: Annotated[str, Field(description="Address that `filrouge serve` listens on.")] = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535, description="Port that it listens on; 0 takes a free one.")] = 8000
    workers: Annotated[int, Field(ge=1, le=64, description="Processes that answer there.")] = 1

    at_once: Annotated[int, Field(ge=1, le=MOST_AT_ONCE, description="Requests that a worker works on at once.")] = AT_ONCE
    waiting: Annotated[int, Field(ge=0, le=10_000, description="Requests that may wait there; any more are refused.")] = WAITING
    threshold: Annotated[
        float | None,
        Field(
            ge=0, le=1, description="Confidence from which on a question counts as answered; unset is what was measured best."
        ),
    ] = None

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            dates.zone(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("index", "cache")
    @classmethod
    def _home(cls, value: Path) -> Path:
        # A shell does this to options, and nothing does it to the file.
        return value.expanduser()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments win over the environment, and that over the file."""
        path = _config_file()
        return (
            init_settings,
            env_settings,
            TomlConfigSettingsSource(settings_cls, toml_file=path if path.is_file() else None),
        )


class InvalidSettings(FilrougeError):
    """A setting is unknown or has a value that it cannot have."""


def _config_file() -> Path:
    return Path(os.environ.get("FILROUGE_CONFIG") or CONFIG_FILE)


def load_settings(**given: Any) -> Settings:
    """The settings, with `given` on top. Raises `InvalidSettings` naming the setting and what is wrong with it."""
    path = _config_file()
    try:
        if not path.is_file() and (path.exists() or os.environ.get("FILROUGE_CONFIG")):
            raise InvalidSettings(f"cannot read the settings: there is no file {path}")
        return Settings(**given)
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(str(part) for part in first["loc"])
        if first["type"] == "extra_forbidden":
            known = ", ".join(Settings.model_fields)
            raise InvalidSettings(f"{path} has the unknown setting '{name}'; known are {known}") from error
        why = first["msg"].removeprefix("Value error, ")
        raise InvalidSettings(f"the setting '{name}' (FILROUGE_{name.upper()} or {path.name}): {why}") from error
    except OSError as error:
        raise InvalidSettings(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise InvalidSettings(f"{path} is not TOML: {error}") from error
