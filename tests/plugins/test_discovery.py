"""Finding plugins: settings are honoured before anything is imported, and what cannot be imported says how to go on."""

from __future__ import annotations

import sys
from importlib import metadata
from pathlib import Path

import pytest

from sdkit.errors import PluginLoadError
from sdkit.plugins import discovery
from sdkit.plugins.discovery import installed_plugins, load_manager
from sdkit.settings import Settings

PLUGIN = """
import sdkit

@sdkit.hookimpl
def sample_step(step):
    pass
"""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a plugin look installed: a module on the path and its entry point. Built-ins are left out."""
    points: list[metadata.EntryPoint] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(discovery, "BUILTINS", ())
    monkeypatch.setattr(
        metadata, "entry_points", lambda group: metadata.EntryPoints(points) if group == "sdkit" else ()
    )

    def add(name: str, source: str = PLUGIN) -> str:
        module = f"installed_{name}"
        (tmp_path / f"{module}.py").write_text(source)
        points.append(metadata.EntryPoint(name, module, "sdkit"))
        monkeypatch.delitem(sys.modules, module, raising=False)
        return module

    return add


def names(settings: Settings, *given: object) -> list[tuple[str, str]]:
    return [(info.name, info.origin) for info in load_manager(given, settings=settings).infos]


def test_installed_plugins_come_sorted_by_name_and_given_ones_after_them(install) -> None:
    install("zebra")
    install("ant")
    given = install("given")
    assert names(Settings(plugins_deny=("given",)), given) == [
        ("ant", "installed"),
        ("zebra", "installed"),
        ("installed_given", "given"),
    ]


@pytest.mark.parametrize(
    ("settings", "enabled"),
    [
        (Settings(plugins=("none",)), []),
        (Settings(plugins=("ant",)), ["ant"]),
        (Settings(plugins_deny=("ant",)), ["zebra"]),
        (Settings(plugins=("ant",), plugins_deny=("ant",)), []),
    ],
)
def test_what_is_not_enabled_is_not_imported(install, settings: Settings, enabled: list[str]) -> None:
    modules = {name: install(name) for name in ("ant", "zebra")}
    assert [name for name, _ in names(settings)] == enabled
    assert [name for name, module in modules.items() if module in sys.modules] == enabled


def test_listing_imports_nothing(install) -> None:
    module = install("ant", "raise RuntimeError('imported')")
    (found,) = installed_plugins(Settings())
    assert (found.name, found.target, found.enabled) == ("ant", module, True)


def test_a_plugin_that_fails_on_import_names_itself_the_cause_and_the_way_on(install) -> None:
    install("broken", "import does_not_exist")
    with pytest.raises(
        PluginLoadError, match=r"plugin 'broken': .*ModuleNotFoundError: No module named 'does_not_exist'"
    ) as caught:
        load_manager(settings=Settings())
    assert caught.value.__notes__ == ["to go on without it, set SDKIT_PLUGINS_DENY=broken"]


def test_a_plugin_that_is_given_and_installed_counts_once_as_given(install) -> None:
    module = install("both")
    assert names(Settings(), module) == [(module, "given")]


def test_two_managers_share_nothing(install) -> None:
    install("ant")
    first, second = load_manager(settings=Settings()), load_manager(settings=Settings())
    first.add(sys.modules["installed_ant"], name="again")
    assert len(second.infos) == 1
