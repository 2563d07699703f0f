"""Where the settings of the inference server and of the drift commands come from: one order for both.

A flag wins over the environment, the environment over a file of that name in the folder of connections, and
that over the default. The folder is a setting itself: the flag `--connections-dir` names it, or the variable
DRIFTLEAD_CONNECTIONS_DIR. What is empty counts as not set, in the environment and in a file.

The only module here that imports pydantic-settings: whoever reads documents alone must not pay for it.
"""

from pathlib import Path
from typing import Annotated, Any

from pydantic import AliasChoices, BeforeValidator, Field
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from driftlead_formats.connections import load_connections


def comma_list(text: str) -> tuple[str, ...]:
    """`a, b` is a and b; what is empty between commas does not count."""
    return tuple(name for part in text.split(",") if (name := part.strip()))


CommaList = Annotated[
    tuple[str, ...],
    NoDecode,  # pydantic-settings would read JSON
    BeforeValidator(lambda value: comma_list(value) if isinstance(value, str) else value),
]
"""A setting that is written as names separated by commas."""


class ConnectionFiles(EnvSettingsSource):
    """The files of connections, read by the rules of the environment: prefix, aliases, upper or lower case.

    It stands behind flags and environment, because one of these names the folder.
    """

    def __call__(self) -> dict[str, Any]:
        """What the files say of the fields."""
        folder = self.current_state.get("connections_dir")
        files = load_connections(Path(folder) if folder else None)
        self.env_vars = {name.lower(): value for name, value in files.items() if value}
        return super().__call__()


class ConnectedSettings(BaseSettings):
    """Settings that flags, environment, files of connections and defaults give, in this order."""

    model_config = SettingsConfigDict(
        env_prefix="DRIFTLEAD_", env_ignore_empty=True, populate_by_name=True, extra="ignore"
    )

    connections_dir: Path | None = Field(
        None,
        description="Folder with one file per variable (DSN, keys, endpoints), as mounted in pods",
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flag, environment, file in the folder of connections, default."""
        return init_settings, env_settings, ConnectionFiles(settings_cls)


def variable_names(settings: type[BaseSettings], field: str) -> list[str]:
    """The environment variables that a field is read from, the first is the documented one."""
    alias = settings.model_fields[field].validation_alias
    if isinstance(alias, AliasChoices):
        return [str(choice) for choice in alias.choices if str(choice).isupper()]
    return [f"{settings.model_config.get('env_prefix', '')}{field}".upper()]
