"""Settings: SDKIT_* environment variables, then a TOML file, then defaults.

The file is the one that SDKIT_CONFIG names, else `config.toml` in the user's configuration folder for sdkit
(`~/.config/sdkit` on Linux). Nothing is read at import: `Settings.load()` reads, and objects carry what they were
given.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import (
    BaseSettings,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from sdkit.errors import SettingsError, nearest

Names = Annotated[tuple[str, ...], NoDecode]
Paths = Annotated[tuple[Path, ...], NoDecode]


class Settings(BaseSettings):
    """What a user sets once for all programs. Every field is an SDKIT_ variable too: `models` is SDKIT_MODELS."""

    model_config = SettingsConfigDict(env_prefix="SDKIT_", extra="forbid", frozen=True, use_attribute_docstrings=True)

    models: Path = Field(default_factory=lambda: Path(platformdirs.user_data_dir("sdkit", appauthor=False)) / "models")
    """Folder of model files, with `checkpoints`, `loras`, `vae`, `embeddings` … in it; ComfyUI's and A1111's trees will
    do, and so will the folder of such a program."""
    device: str = "auto"
    """`auto`, `cpu`, `cuda`, `cuda:1`, `mps` …"""
    dtype: str = "auto"
    """`auto`, `float32`, `float16` or `bfloat16`."""
    plugins: Names = ("all",)
    """Names of the installed plugins to enable, comma-separated; `all` or `none`."""
    plugins_deny: Names = ()
    """Names of installed plugins never to import, comma-separated."""
    trace_hooks: bool = False
    """Print every hook call, tensors summarised, to standard error."""
    pickles: bool = False
    """Read pickled models (`.ckpt`, `.pt`, `.bin`), too, by torch's weights-only loader. Only files that you trust."""
    more_models: Paths = ()
    """Further folders like `models`, which are looked into after it, separated as in PATH."""
    extra_model_paths: Paths = ()
    """Files that name further folders in the form of ComfyUI's `extra_model_paths.yaml`, separated as in PATH."""
    cache: Path = Field(default_factory=lambda: Path(platformdirs.user_cache_dir("sdkit", appauthor=False)))
    """Folder for what can be computed again, such as the hashes of model files."""

    @field_validator("plugins", "plugins_deny", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value

    @field_validator("more_models", "extra_model_paths", mode="before")
    @classmethod
    def _split_paths(cls, value: object) -> object:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(os.pathsep) if part.strip())
        return value

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls, toml_file=config_file())

    @classmethod
    def load(cls) -> Settings:
        """The settings in force now. Raises SettingsError, naming the variable, field or file at fault."""
        if os.environ.get("SDKIT_CONFIG") and not config_file().exists():
            raise SettingsError(f"there is no settings file {str(config_file())!r}, which SDKIT_CONFIG names")
        try:
            return cls()
        except ValidationError as error:
            fault = error.errors(include_url=False)[0]
            name = ".".join(str(part) for part in fault["loc"])
            if fault["type"] == "extra_forbidden":
                near = nearest(name, cls.model_fields)
                advice = f"Did you mean {near[0]!r}?" if near else f"There are: {', '.join(cls.model_fields)}."
                raise SettingsError(f"{config_file()}: there is no setting {name!r}. {advice}") from None
            raise SettingsError(
                f"setting {name!r} (SDKIT_{name.upper()} or {config_file()}): {fault['msg']}, not {fault['input']!r}"
            ) from None
        except (OSError, ValueError) as error:  # tomllib's errors are ValueErrors
            raise SettingsError(f"cannot read {config_file()}: {error}") from error

    def enables(self, plugin: str) -> bool:
        """Whether an installed plugin of this name may be imported."""
        if plugin in self.plugins_deny or self.plugins == ("none",):
            return False
        return self.plugins == ("all",) or plugin in self.plugins


def config_file() -> Path:
    """Where the settings file is looked for."""
    named = os.environ.get("SDKIT_CONFIG")
    return Path(named) if named else Path(platformdirs.user_config_dir("sdkit", appauthor=False)) / "config.toml"
