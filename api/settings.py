"""Settings: from the environment, then from a file, then the defaults. The only reader of either."""

import os
from ipaddress import ip_network
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from embed import DEFAULT_MODEL
from embed.bundled import default_cache
from index import dates
from index.errors import FilrougeError, InvalidRequest
from index.milvus import TIMEOUT, Server
from index.tiers import Tier

if TYPE_CHECKING:
    # What opens an index is loaded by commands that do.
    from index.place import Place

CONFIG_FILE = "filrouge.toml"
AT_ONCE, WAITING = 4, 128
"""Two cores answer 16 clients 1.4 times as fast when they work on 4 requests at once as on 16: see ARCHITECTURE.md."""
MOST_AT_ONCE = 32
"""The threads that requests are answered in are 40: some must be left for who asks whether the process is alive."""


Names = Annotated[tuple[str, ...], NoDecode]
"""A list in the file, and in the environment a text with commas or spaces between."""


class Settings(BaseSettings):
    """Every setting, as `FILROUGE_NAME` in the environment or `name = …` in `filrouge.toml`; an empty variable is none."""

    model_config = SettingsConfigDict(env_prefix="FILROUGE_", env_ignore_empty=True, extra="forbid")

    index: Annotated[Path, Field(description="Folder of the index, where `--index` is not given.")] = Path(".filrouge")
    engine: Annotated[
        Literal["embedded", "milvus"], Field(description="Where questions are asked: in the folder, or on a Milvus server.")
    ] = "embedded"
    uri: Annotated[
        str | None, Field(description="Address of the Milvus server, as `http://127.0.0.1:19530`, or a file of Milvus Lite.")
    ] = None
    milvus_token: Annotated[
        SecretStr | None, Field(description="What it asks for: `user:password`, or a key. It is never shown.")
    ] = None
    engine_timeout: Annotated[float, Field(gt=0, le=3600, description="Seconds that it may take for one request.")] = TIMEOUT
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
    tier: Annotated[
        Literal["auto", "exact", "quantised", "lists"],
        Field(description="What vectors are held in: `auto` chooses by their number and the memory that is free."),
    ] = "auto"
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

    keys: Annotated[
        Path, Field(description="File of the keys that `filrouge keys` makes; keys are asked for as soon as there is one.")
    ] = Path("filrouge-keys.json")
    rate: Annotated[
        int | None,
        Field(
            ge=0,
            le=1_000_000,
            description="Requests a minute from one key, or from one address without a key; 0 is no limit. "
            "Unset is none on the loopback, and 600 elsewhere.",
        ),
    ] = None
    hosts: Annotated[Names, Field(description="Names by which the server may be called, such as that of a proxy.")] = Field(
        default_factory=tuple
    )
    origins: Annotated[Names, Field(description="Origins whose web pages may ask, such as `https://app.example.org`.")] = Field(
        default_factory=tuple
    )
    proxies: Annotated[
        Names,
        Field(description="Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are believed."),
    ] = Field(default_factory=tuple)
    log: Annotated[
        Literal["problems", "requests", "json"],
        Field(description="What `filrouge serve` writes down: what goes wrong, also a line for each request, or that as JSON."),
    ] = "problems"
    log_questions: Annotated[bool, Field(description="Whether these lines have the questions.")] = False

    @property
    def secret(self) -> str:
        """The token of the Milvus server; empty where there is none."""
        return self.milvus_token.get_secret_value() if self.milvus_token else ""

    @property
    def place(self) -> "Place":
        """Where questions are asked. Raises `InvalidSettings` for a server without an address."""
        if self.engine == "embedded":
            return self.index
        if not self.uri:
            raise InvalidSettings("the engine milvus needs the address of a server: give it with --uri, or the setting uri")
        return Server(self.uri, self.secret, self.engine_timeout)

    @property
    def asked_tier(self) -> Tier | None:
        """The tier that was asked for, if one was."""
        return None if self.tier == "auto" else self.tier

    @field_validator("tz")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            dates.zone(value)
        except InvalidRequest as error:
            raise ValueError(str(error)) from error
        return value

    @field_validator("hosts", "origins", "proxies", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        # In the environment they are one text.
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("hosts")
    @classmethod
    def _names(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            if urlsplit(f"//{name}").hostname != name.lower() or name == "*":
                raise ValueError(f"'{name}' is no name of a host: write it without scheme and port, as filrouge.example.org")
        return tuple(name.lower() for name in value)

    @field_validator("origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for origin in value:
            parts = urlsplit(origin)
            if (
                parts.scheme not in ("http", "https")
                or not parts.netloc
                or origin != f"{parts.scheme}://{parts.netloc}".lower()
            ):
                raise ValueError(
                    f"'{origin}' is no origin: write it as https://app.example.org, in small letters and without a path"
                )
        return value

    @field_validator("proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for proxy in value:
            try:
                ip_network(proxy)
            except ValueError as error:
                raise ValueError(f"'{proxy}' is no address or network of a proxy: write 10.0.0.2 or 10.0.0.0/24") from error
        return value

    @field_validator("index", "cache", "keys")
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
