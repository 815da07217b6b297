"""Settings: where they come from, which wins, and what is said of bad ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdkit.errors import SettingsError
from sdkit.settings import Settings, config_file


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "config.toml"
    path.touch()
    monkeypatch.setenv("SDKIT_CONFIG", str(path))
    return path


@pytest.mark.usefixtures("config")
def test_without_anything_the_defaults_are_in_force() -> None:
    settings = Settings.load()
    assert (settings.device, settings.dtype, settings.trace_hooks) == ("auto", "auto", False)
    assert (settings.plugins, settings.plugins_deny) == (("all",), ())
    assert settings.models.name == "models"
    assert settings.models.parent.name == "sdkit"


def test_environment_beats_file_beats_default(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config.write_text('device = "cuda"\ndtype = "float16"\nplugins = ["a", "b"]\n', encoding="utf-8")
    monkeypatch.setenv("SDKIT_DEVICE", "cpu")
    monkeypatch.setenv("SDKIT_MODELS", "/somewhere/models")
    monkeypatch.setenv("SDKIT_TRACE_HOOKS", "1")
    settings = Settings.load()
    assert (settings.device, settings.dtype) == ("cpu", "float16")
    assert settings.plugins == ("a", "b")
    assert settings.models == Path("/somewhere/models")
    assert settings.trace_hooks is True
    assert Settings(device="mps").device == "mps", "what is given in code beats both"


@pytest.mark.usefixtures("config")
@pytest.mark.parametrize(
    ("allow", "deny", "enabled"),
    [
        (None, None, {"wildcards", "restart", "comfy"}),
        ("all", "restart", {"wildcards", "comfy"}),
        ("wildcards, restart", None, {"wildcards", "restart"}),
        (" wildcards ,,", "", {"wildcards"}),
        ("wildcards,restart", "restart", {"wildcards"}),
        ("none", None, set[str]()),
        ("none", "restart", set[str]()),
        ("all", "wildcards,restart, comfy", set[str]()),
    ],
)
def test_allow_and_deny_lists(
    monkeypatch: pytest.MonkeyPatch, allow: str | None, deny: str | None, enabled: set[str]
) -> None:
    for name, value in (("SDKIT_PLUGINS", allow), ("SDKIT_PLUGINS_DENY", deny)):
        if value is not None:
            monkeypatch.setenv(name, value)
    settings = Settings.load()
    assert {name for name in ("wildcards", "restart", "comfy") if settings.enables(name)} == enabled


def test_deny_lists_may_be_lists_in_the_file(config: Path) -> None:
    config.write_text('plugins_deny = ["restart"]', encoding="utf-8")
    assert not Settings.load().enables("restart")
    assert Settings.load().enables("wildcards")


def test_bad_values_name_variable_file_and_value(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDKIT_TRACE_HOOKS", "perhaps")
    with pytest.raises(
        SettingsError, match=r"setting 'trace_hooks' \(SDKIT_TRACE_HOOKS or .*config\.toml\): .*'perhaps'"
    ):
        Settings.load()
    monkeypatch.delenv("SDKIT_TRACE_HOOKS")
    config.write_text("device = 3", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"setting 'device' \(SDKIT_DEVICE or .*valid string, not 3"):
        Settings.load()


def test_settings_that_do_not_exist_suggest_the_nearest(config: Path) -> None:
    config.write_text('devise = "cpu"', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"config\.toml: there is no setting 'devise'. Did you mean 'device'\?"):
        Settings.load()
    config.write_text('colour = "red"', encoding="utf-8")
    with pytest.raises(SettingsError, match=r"there is no setting 'colour'. There are: models, device, "):
        Settings.load()


def test_a_file_that_was_named_and_is_missing_is_said(config: Path) -> None:
    config.unlink()
    with pytest.raises(SettingsError, match=r"there is no settings file '.*config\.toml', which SDKIT_CONFIG names"):
        Settings.load()


def test_a_damaged_file_is_named(config: Path) -> None:
    config.write_text("device = ", encoding="utf-8")
    with pytest.raises(SettingsError, match=r"cannot read .*config\.toml: Invalid value"):
        Settings.load()
    config.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"cannot read .*config\.toml: .*utf-8"):
        Settings.load()


def test_the_file_is_where_the_variable_says(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert config_file() == config
    monkeypatch.delenv("SDKIT_CONFIG")
    assert config_file().parts[-2:] == ("sdkit", "config.toml")


@pytest.mark.usefixtures("config")
def test_unknown_variables_of_others_do_not_disturb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SDKIT_SOMETHING_ELSE", "x")
    monkeypatch.setenv("DEVICE", "nonsense")
    assert Settings.load().device == "auto"
