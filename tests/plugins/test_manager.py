"""The manager: pluggy's traps closed, registration all or nothing, calls in the promised order."""

from __future__ import annotations

import dataclasses
import types
import warnings

import pytest
from pydantic import BaseModel, Field

import sdkit
from sdkit.errors import (
    HookResultError,
    NameTakenError,
    PluginHookError,
    PluginLoadError,
    RequestError,
    SdkitError,
    UnknownNameError,
)
from sdkit.plugins import Manager


def manager_with(*plugins: object) -> Manager:
    manager = Manager()
    for plugin in plugins:
        manager.add(plugin)
    return manager


def test_a_misspelt_hook_is_an_error_that_names_the_nearest() -> None:
    class Plugin:
        @sdkit.hookimpl
        def sample_stp(self, step, run): ...

    with pytest.raises(
        PluginHookError, match=r"'Plugin'.*'sample_stp'.*test_manager.py:\d+.*Did you mean 'sample_step'"
    ):
        manager_with(Plugin())


def test_an_argument_with_a_default_is_an_error_because_it_would_never_be_filled() -> None:
    class Plugin:
        @sdkit.hookimpl
        def sample_step(self, step, run=None): ...

    with pytest.raises(PluginHookError, match="'run' has a default"):
        manager_with(Plugin())


def test_a_keyword_only_argument_is_an_error_at_registration() -> None:
    class Plugin:
        @sdkit.hookimpl
        def sample_step(self, *, step): ...

    with pytest.raises(PluginHookError, match="'step' would never be filled"):
        manager_with(Plugin())


def test_an_unknown_argument_is_an_error_that_shows_the_signature() -> None:
    class Plugin:
        @sdkit.hookimpl
        def sample_step(self, step, pipeline): ...

    with pytest.raises(PluginHookError, match=r"no argument 'pipeline'; the hook is sample_step\(step, run\)"):
        manager_with(Plugin())


def test_pluggy_wrappers_are_refused_with_the_way_out() -> None:
    class Plugin:
        @sdkit.hookimpl(wrapper=True)
        def decode(self, latents, run):
            return (yield)

    with pytest.raises(PluginHookError, match="wrap_decode"):
        manager_with(Plugin())


def test_properties_do_not_run_at_registration() -> None:
    class Plugin:
        @property
        def expensive(self) -> int:
            raise AssertionError("a property ran")

        @sdkit.hookimpl
        def sample_step(self, step): ...

    assert manager_with(Plugin()).infos[0].hooks == ("sample_step",)


def test_a_plugin_without_hooks_is_an_error() -> None:
    with pytest.raises(PluginHookError, match=r"'empty' implements no hook.*@sdkit.hookimpl"):
        manager_with(types.ModuleType("empty"))


def test_equal_plugins_are_two_plugins() -> None:
    @dataclasses.dataclass
    class Loud:
        factor: float

        @sdkit.hookimpl
        def sample_step(self, step): ...

    manager = manager_with(Loud(1.0), Loud(1.0))
    assert [info.name for info in manager.infos] == ["Loud", "Loud#2"]


def test_the_same_plugin_twice_is_an_error() -> None:
    class Plugin:
        @sdkit.hookimpl
        def sample_step(self, step): ...

    plugin = Plugin()
    with pytest.raises(NameTakenError, match="there already"):
        manager_with(plugin, plugin)


class Samplers:
    """Registers samplers under the given names, then perhaps fails."""

    def __init__(self, name: str, *names: str, fail: bool = False, override: bool = False) -> None:
        self.name, self.names, self.fail, self.override = name, names, fail, override

    @sdkit.hookimpl
    def register_samplers(self, register) -> None:
        for name in self.names:
            register(name, "nowhere:nothing", order=2, override=self.override)
        if self.fail:
            raise RuntimeError("after registering")


@pytest.mark.hook("register_samplers")
def test_a_taken_name_names_both_owners_and_leaves_nothing_behind() -> None:
    manager = manager_with(Samplers("first", "fast"))
    with pytest.raises(NameTakenError, match=r"'second' registers the sampler 'fast'.*'first' has registered already"):
        manager.add(Samplers("second", "new", "fast"))
    assert list(manager.samplers) == ["fast"]
    assert [info.name for info in manager.infos] == ["first"]


def test_override_replaces_and_changes_the_owner() -> None:
    manager = manager_with(Samplers("first", "fast"), Samplers("second", "fast", override=True))
    assert manager.samplers["fast"].owner == "second"
    assert manager.samplers["fast"].order == 2


def test_a_plugin_that_fails_while_registering_leaves_nothing_behind() -> None:
    manager = Manager()
    with pytest.raises(RuntimeError, match="after registering") as caught:
        manager.add(Samplers("half", "one", fail=True))
    assert not manager.samplers
    assert not manager.infos
    assert "raised by plugin 'half' in its hook 'register_samplers'" in caught.value.__notes__


def test_a_dotted_name_is_imported_when_used_and_its_failure_names_the_owner() -> None:
    entry = manager_with(Samplers("lazy", "fast")).samplers["fast"]
    with pytest.raises(PluginLoadError, match="'lazy': cannot import 'nowhere:nothing'"):
        entry.load()


def test_an_unknown_name_suggests_the_nearest_ones() -> None:
    manager = manager_with(Samplers("plugin", "euler", "heun"))
    with pytest.raises(UnknownNameError, match=r"no sampler named 'eular'. Did you mean 'euler'?") as caught:
        manager.samplers["eular"]
    assert caught.value.nearest == ("euler",)


class Answering:
    """Answers `preview` with its own name, or passes."""

    def __init__(self, name: str, answer: object) -> None:
        self.name, self.answer = name, answer

    @sdkit.hookimpl
    def preview(self) -> object:
        return self.answer


def test_the_nearest_plugin_is_asked_first_and_none_passes() -> None:
    manager = manager_with(Answering("far", "far"), Answering("near", "near"), Answering("passing", None))
    assert manager.first("preview", step=None, run=None) == "near"


def test_an_answer_of_a_wrong_type_names_the_plugin_and_both_types() -> None:
    with pytest.raises(HookResultError, match="'odd': preview must return str, not int"):
        manager_with(Answering("odd", 3)).answer("preview", str, step=None, run=None)


def test_nobody_answering_is_an_error() -> None:
    with pytest.raises(SdkitError, match="no plugin answers"):
        Manager().answer("preview", str, step=None, run=None)


class Telling:
    """Writes its name down when told, then perhaps fails."""

    def __init__(self, name: str, log: list[str], error: Exception | None = None) -> None:
        self.name, self.log, self.error = name, log, error

    @sdkit.hookimpl
    def progress(self) -> None:
        self.log.append(self.name)
        if self.error:
            raise self.error


def test_notify_reaches_everybody_then_raises_the_first_error() -> None:
    log: list[str] = []
    manager = manager_with(
        Telling("far", log, KeyError("second")), Telling("middle", log), Telling("near", log, ValueError("first"))
    )
    with pytest.raises(ValueError, match="first") as caught:
        manager.notify("progress", event=None, run=None)
    assert log == ["near", "middle", "far"]
    assert caught.value.__notes__ == [
        "raised by plugin 'near' in its hook 'progress'",
        "then 'far' failed in progress as well: KeyError: 'second'",
    ]


def test_tell_warns_once_per_plugin_and_goes_on() -> None:
    log: list[str] = []
    manager = manager_with(Telling("broken", log, ValueError("no")), Telling("fine", log))
    with pytest.warns(RuntimeWarning, match="'broken' failed in progress: ValueError: no"):
        manager.tell("progress", event=None, run=None)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        manager.tell("progress", event=None, run=None)
    assert log == ["fine", "broken"] * 2


class Wrapping:
    """A factory that puts its name around what the inner function returns."""

    def __init__(self, name: str, returns: object = ...) -> None:
        self.name, self.returns = name, returns

    @sdkit.hookimpl
    def wrap_encode(self) -> object:
        if self.returns is not ...:
            return self.returns
        return lambda inner: lambda text: f"{self.name}({inner(text)})"


def test_factories_come_farthest_first_so_that_the_nearest_is_outermost() -> None:
    manager = manager_with(Wrapping("far"), Wrapping("passing", None), Wrapping("near"))
    inner = str.upper
    for factory in manager.factories("wrap_encode", run=None):
        inner = factory(inner)
    assert inner("x") == "near(far(X))"


def test_a_factory_that_returns_no_function_is_an_error() -> None:
    with pytest.raises(HookResultError, match="'odd': wrap_encode must return a function or None, not int"):
        manager_with(Wrapping("odd", 3)).factories("wrap_encode", run=None)


def test_trylast_makes_a_near_plugin_far() -> None:
    class Last(Answering):
        @sdkit.hookimpl(trylast=True)
        def preview(self) -> object:
            return "last"

    assert manager_with(Answering("far", "far"), Last("last", None)).first("preview", step=None, run=None) == "far"


class Options(BaseModel):
    """Options of a plugin, for the tests."""

    factor: float = Field(default=0.5, ge=0, le=1)


class Optional:
    """Registers `Options` under a namespace."""

    name = "loud"

    @sdkit.hookimpl
    def register_options(self, register) -> None:
        register("loud", Options)


@pytest.mark.hook("register_options")
def test_options_are_filled_validated_and_defaulted() -> None:
    manager = manager_with(Optional())
    assert manager.validate_options({"loud": {"factor": 0.75}}) == {Options: Options(factor=0.75)}
    assert manager.validate_options({}) == {Options: Options(factor=0.5)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"lowd": {}}, "no plugin with options named 'lowd'. Did you mean 'loud'?"),
        ({"loud": {"factr": 1}}, r"'loud' \(loud\) has no option 'factr'. Did you mean 'factor'?"),
        ({"loud": {"factor": 7}}, "option 'factor': Input should be less than or equal to 1, not 7"),
    ],
)
def test_wrong_options_name_namespace_option_and_the_nearest(options: dict, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        manager_with(Optional()).validate_options(options)
