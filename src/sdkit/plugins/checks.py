"""What a plugin must look like before pluggy sees it.

pluggy itself leaves arguments with defaults unfilled, fails on keyword-only ones at call time only, runs properties
while it looks for hooks, ignores misspelt hook names, compares plugins by `==`, and leaves a plugin half-registered
when one of its hooks is wrong (all seen in pluggy 1.7). So the hooks are collected and checked here, and pluggy is
given a plain object that has nothing else.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import TYPE_CHECKING, Any, cast

from sdkit.errors import PluginHookError, nearest

if TYPE_CHECKING:
    import typer

MARK = "sdkit_impl"
"""The attribute that `pluggy.HookimplMarker("sdkit")` sets on a function."""


class Implementations:
    """A plugin as pluggy gets it: its hook functions as attributes, equal to nothing but itself."""

    def __init__(self, functions: Mapping[str, Callable[..., object]]) -> None:
        self.__dict__.update(functions)


def hook_functions(plugin: object, name: str, specs: Mapping[str, tuple[str, ...]]) -> dict[str, Callable[..., object]]:
    """The functions of a plugin that are marked with `@sdkit.hookimpl`, by hook, checked against the specifications.

    `specs`: hook → names of its arguments. Raises PluginHookError on the first fault.
    """
    functions: dict[str, Callable[..., object]] = {}
    for attribute in dir(plugin):
        static: object = inspect.getattr_static(plugin, attribute, None)
        if isinstance(static, (staticmethod, classmethod)):
            static = cast("Callable[..., object]", static.__func__)
        if not inspect.isroutine(static):  # properties and other descriptors must not run
            continue
        options = getattr(static, MARK, None)
        if options is None:
            continue
        function = getattr(plugin, attribute)
        _check(function, attribute, options, name, specs)
        functions[attribute] = function
    if not functions:
        raise PluginHookError(
            name,
            f"plugin {name!r} implements no hook; mark its functions with @sdkit.hookimpl ({_what(plugin)} was given)",
        )
    return functions


def _check(
    function: Callable[..., object],
    hook: str,
    options: Mapping[str, Any],
    plugin: str,
    specs: Mapping[str, tuple[str, ...]],
) -> None:
    where = f"plugin {plugin!r}, hook {hook!r} ({_location(function)})"
    if hook not in specs:
        near = nearest(hook, specs)
        advice = f"Did you mean {' or '.join(map(repr, near))}?" if near else "sdkit.hookspecs lists the hooks."
        raise PluginHookError(plugin, f"{where}: there is no such hook. {advice}")
    if options.get("wrapper") or options.get("hookwrapper"):
        raise PluginHookError(
            plugin,
            f"{where}: sdkit takes no pluggy wrappers; use a factory hook such as wrap_{hook}, or nearer registration",
        )
    if options.get("specname"):
        raise PluginHookError(plugin, f"{where}: specname is not supported; name the function {options['specname']!r}")
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in (parameter.POSITIONAL_ONLY, parameter.POSITIONAL_OR_KEYWORD):
            raise PluginHookError(
                plugin,
                f"{where}: argument {str(parameter)!r} would never be filled; hooks have plain positional arguments",
            )
        if parameter.default is not parameter.empty:
            raise PluginHookError(
                plugin,
                f"{where}: argument {parameter.name!r} has a default, so it would never be filled; take it away",
            )
        if parameter.name not in specs[hook]:
            raise PluginHookError(
                plugin,
                f"{where}: there is no argument {parameter.name!r}; the hook is {hook}({', '.join(specs[hook])})",
            )


def command_names(cli: typer.Typer) -> Counter[str]:
    """How often each name is a command or a group of commands of the app; Typer lets the last one win."""
    from typer.main import get_command_name

    names = [
        command.name or (command.callback and get_command_name(command.callback.__name__))
        for command in cli.registered_commands
    ]
    names += [
        group.name or (group.typer_instance and group.typer_instance.info.name) for group in cli.registered_groups
    ]
    return Counter(name for name in names if isinstance(name, str))


def plugin_name(plugin: object) -> str:
    """A plugin's name for people: its `name`, the module's or the class's name."""
    named = inspect.getattr_static(plugin, "name", None)
    if isinstance(named, str) and named:
        return named
    if isinstance(plugin, ModuleType):
        return plugin.__name__
    return type(plugin).__name__


def _what(plugin: object) -> str:
    return f"the module {plugin.__name__!r}" if isinstance(plugin, ModuleType) else f"a {type(plugin).__name__}"


def _location(function: Callable[..., object]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    if code is None:
        return "built in C"
    return f"{code.co_filename}:{code.co_firstlineno}"
