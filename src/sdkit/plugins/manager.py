"""The manager: a pipeline's plugins, what they registered, and the calls to their hooks."""

from __future__ import annotations

import inspect
import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

import pluggy

from sdkit import hookspecs
from sdkit.errors import HookResultError, NameTakenError, SdkitError, UnknownNameError
from sdkit.plugins.blame import Owned, blame, wrong_result
from sdkit.plugins.checks import Implementations, command_names, hook_functions, plugin_name
from sdkit.plugins.registry import (
    Entry,
    NoiseSourceEntry,
    Registry,
    SamplerEntry,
    ScheduleEntry,
    validate_options,
)
from sdkit.plugins.trace import summary

if TYPE_CHECKING:
    import typer
    from pydantic import BaseModel, JsonValue

    from sdkit.graph import Executor, NodeType
    from sdkit.models import ModelFamily
    from sdkit.models.lora import LoraFormat
    from sdkit.prompts import PromptSyntax
    from sdkit.types import Guidance

Origin = Literal["built-in", "installed", "given"]
R = TypeVar("R")

log = logging.getLogger("sdkit.hooks")


@dataclass(frozen=True)
class PluginInfo:
    """An enabled plugin: its name, version ("" if unknown), where it came from and which hooks it implements."""

    name: str
    version: str
    origin: Origin
    hooks: tuple[str, ...]


class Manager:
    """A pipeline's plugins. Filled while it is built, read-only afterwards, shared by threads.

    `samplers`, `schedules`, `noise_sources`, `guidance`, `families`, `syntaxes`, `lora_formats`, `nodes`, `executors`:
    what was registered, by name. `option_models`: plugins' options by namespace.
    """

    def __init__(self, *, trace: bool = False) -> None:
        self.pluggy = pluggy.PluginManager("sdkit")
        self.pluggy.add_hookspecs(hookspecs)
        self.trace = trace
        self.specs = _hook_arguments()
        self._infos: list[PluginInfo] = []
        self._plugins: dict[str, object] = {}
        self._warned: set[tuple[str, str]] = set()
        self._calls: dict[str, tuple[_Implementation, ...]] = {}
        self.samplers: Registry[SamplerEntry] = Registry("sampler")
        self.schedules: Registry[ScheduleEntry] = Registry("schedule")
        self.noise_sources: Registry[NoiseSourceEntry] = Registry("noise source")
        self.guidance: Registry[Entry[Guidance]] = Registry("guidance")
        self.families: Registry[Entry[ModelFamily]] = Registry("model family")
        self.syntaxes: Registry[Entry[PromptSyntax]] = Registry("prompt syntax")
        self.lora_formats: Registry[Entry[LoraFormat]] = Registry("LoRA format")
        self.nodes: Registry[Entry[Callable[..., object] | NodeType]] = Registry("node type")
        self.executors: Registry[Entry[Callable[[], Executor]]] = Registry("executor")
        self.option_models: Registry[Entry[type[BaseModel]]] = Registry("options namespace")

    @property
    def infos(self) -> tuple[PluginInfo, ...]:
        """The plugins in the order in which they were added, farthest first."""
        return tuple(self._infos)

    @property
    def recorded(self) -> Mapping[str, str]:
        """The plugins that the record of a picture names, with their versions: all but sdkit's own, and but those that
        say `in_record = False`, because they change nothing, or nothing that the request does not say."""
        return {
            info.name: info.version
            for info in self._infos
            if info.origin != "built-in" and getattr(self._plugins[info.name], "in_record", True)
        }

    # ── filling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def add(self, plugin: object, *, name: str = "", version: str = "", origin: Origin = "given") -> None:
        """Add a plugin: a module, an object, or a class, which is instantiated. All of it or, on any error, nothing.

        Raises PluginHookError, NameTakenError, and whatever the plugin's own registration raises.
        """
        if inspect.isclass(plugin):
            plugin = plugin()
        name = self._free_name(plugin, name or plugin_name(plugin), origin)
        functions = hook_functions(plugin, name, self.specs)
        staged = self._collect(name, functions)
        self.pluggy.register(Implementations(functions), name)
        self.__dict__.update(staged)
        self._infos.append(PluginInfo(name, version, origin, tuple(sorted(functions))))
        self._plugins[name] = plugin
        self._calls.clear()

    def _free_name(self, plugin: object, name: str, origin: Origin) -> str:
        """A second object of a class that is there already gets a number; the same object twice is a mistake."""
        if name not in self._plugins:
            return name
        if origin != "given" or any(plugin is other for other in self._plugins.values()):
            raise NameTakenError(name, f"the plugin {name!r} is there already; leave one of the two out")
        number = 2
        while f"{name}#{number}" in self._plugins:
            number += 1
        return f"{name}#{number}"

    def _collect(self, owner: str, functions: Mapping[str, Callable[..., object]]) -> dict[str, object]:
        """Let a plugin register into copies of the registries, so that nothing is half-registered when it fails."""
        staged: dict[str, object] = {}
        for hook, (attribute, make_entry) in _COLLECTORS.items():
            function = functions.get(hook)
            if function is None:
                continue
            registry: Registry[Any] = getattr(self, attribute).copy()

            def register(
                name: str,
                target: object,
                *,
                override: bool = False,
                aliases: Sequence[str] = (),
                _registry: Registry[Any] = registry,
                _make: Callable[..., Entry[Any]] = make_entry,
                **declared: object,
            ) -> None:
                _registry.add(_make(name, owner, target, **declared), override=override, aliases=aliases)

            with blame(owner, hook):
                function(*([register] if self._takes_register(function) else []))
            staged[attribute] = registry
        return staged

    @staticmethod
    def _takes_register(function: Callable[..., object]) -> bool:
        return bool(inspect.signature(function).parameters)

    # ── calling ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def first(self, hook: str, **arguments: object) -> object:
        """Ask one plugin after another, nearest first; the first answer that is not None. None if nobody answers."""
        for owned in self._implementations(hook):
            answer = self._call(owned, arguments)
            if answer is not None:
                return answer
        return None

    def ask(self, hook: str, kind: type[R], **arguments: object) -> R | None:
        """Like `first`, but the answer must be of type `kind`. Raises HookResultError."""
        for owned in self._implementations(hook):
            answer = self._call(owned, arguments)
            if isinstance(answer, kind):
                return answer
            if answer is not None:
                raise wrong_result(owned.owner, hook, kind, answer)
        return None

    def answer(self, hook: str, kind: type[R], **arguments: object) -> R:
        """Like `ask`, but somebody must answer."""
        answer = self.ask(hook, kind, **arguments)
        if answer is None:
            raise SdkitError(f"no plugin answers the hook {hook!r}; a built-in one is missing")
        return answer

    def answers(self, hook: str, kind: type[R], **arguments: object) -> list[R]:
        """What each plugin answers, without the Nones, farthest first; an answer may be a tuple of several. Raises
        HookResultError for one of another type."""
        return [answer for _, answer in self.owned_answers(hook, kind, **arguments)]

    def owned_answers(self, hook: str, kind: type[R], **arguments: object) -> list[tuple[str, R]]:
        """Like `answers`, each with the name of its plugin."""
        made: list[tuple[str, R]] = []
        for owned in reversed(self._implementations(hook)):
            answer = self._call(owned, arguments)
            for each in cast("tuple[object, ...]", answer if isinstance(answer, tuple) else (answer,)):
                if isinstance(each, kind):
                    made.append((owned.owner, each))
                elif answer is not None:
                    raise wrong_result(owned.owner, hook, kind, each)
        return made

    def factories(self, hook: str, kind: type[Any] = object, **arguments: object) -> list[Owned]:
        """What each plugin's factory returned, without the Nones, farthest first: compose in this order.

        `kind`: what those functions must return. Raises HookResultError where something that is not a function came.
        """
        made: list[Owned] = []
        for owned in reversed(self._implementations(hook)):
            function = self._call(owned, arguments)
            if function is None:
                continue
            if not callable(function):
                raise HookResultError(
                    owned.owner,
                    f"plugin {owned.owner!r}: {hook} must return a function or None, not {type(function).__name__}",
                )
            made.append(Owned(owned.owner, hook, function, kind))
        return made

    def notify(self, hook: str, **arguments: object) -> None:
        """Tell every plugin, nearest first; the first error is raised after all were told, later ones become its
        notes."""
        first: BaseException | None = None
        for owned in self._implementations(hook):
            try:
                self._call(owned, arguments)
            except Exception as error:  # noqa: BLE001 - see the docstring
                if first is None:
                    first = error
                else:
                    first.add_note(f"then {owned.owner!r} failed in {hook} as well: {type(error).__name__}: {error}")
        if first is not None:
            raise first

    def tell(self, hook: str, **arguments: object) -> None:
        """Tell every plugin; an error is a warning, once per plugin, and never stops anything."""
        for owned in self._implementations(hook):
            try:
                self._call(owned, arguments)
            except Exception as error:  # noqa: BLE001 - see the docstring
                self.warn_once(owned.owner, hook, error)

    def warn_once(self, owner: str, hook: str, error: BaseException) -> None:
        """Warn about an error in a hook that must not stop a run, the first time that this plugin fails in it."""
        if (owner, hook) not in self._warned:
            self._warned.add((owner, hook))
            warnings.warn(
                f"plugin {owner!r} failed in {hook}: {type(error).__name__}: {error}", RuntimeWarning, stacklevel=3
            )

    def implements(self, hook: str) -> bool:
        """Whether any plugin implements the hook."""
        return bool(self._implementations(hook))

    def add_commands(self, cli: typer.Typer) -> None:
        """Let every plugin add its commands to the command line. Raises NameTakenError for one that is there."""
        owners: dict[str, str] = {}
        for owned in reversed(self._implementations("register_commands")):
            before = command_names(cli)
            self._call(owned, {"cli": cli})
            for name in command_names(cli) - before:
                if name in owners:
                    raise NameTakenError(
                        owned.owner,
                        f"plugin {owned.owner!r} adds the command {name!r}, which plugin {owners[name]!r} has added "
                        "already. Rename it, or disable one of the two.",
                    )
                owners[name] = owned.owner

    def validate_options(self, options: Mapping[str, Mapping[str, JsonValue]]) -> dict[type[BaseModel], BaseModel]:
        """Every plugin's options, filled from a request's. Raises RequestError naming namespace, option and nearest
        name."""
        for namespace in options:
            if namespace not in self.option_models:
                raise UnknownNameError(
                    "plugin with options", namespace, self.option_models, "Is the plugin installed and enabled?"
                )
        filled: dict[type[BaseModel], BaseModel] = {}
        for namespace, entry in self.option_models.items():
            model = entry.load()
            filled[model] = validate_options(model, options.get(namespace, {}), f"plugin {entry.owner!r} ({namespace})")
        return filled

    def _implementations(self, hook: str) -> tuple[_Implementation, ...]:
        """Nearest first: pluggy keeps them farthest first, trylast and tryfirst sorted in. Remembered, because this is
        called at every step."""
        calls = self._calls.get(hook)
        if calls is None:
            caller = cast("pluggy.HookCaller", getattr(self.pluggy.hook, hook))
            calls = self._calls[hook] = tuple(
                _Implementation(made.plugin_name, hook, made.function, tuple(made.argnames))
                for made in reversed(caller.get_hookimpls())
            )
        return calls

    def _call(self, owned: _Implementation, arguments: Mapping[str, object]) -> object:
        started = time.perf_counter() if self.trace else 0.0
        with blame(owned.owner, owned.hook):
            answer = owned.function(*[arguments[name] for name in owned.arguments])
        if self.trace:
            took = (time.perf_counter() - started) * 1e3
            shown = ", ".join(f"{name}={summary(arguments[name])}" for name in owned.arguments)
            log.info("%s · %s(%s) → %s  %.2f ms", owned.owner, owned.hook, shown, summary(answer), took)
        return answer


@dataclass(frozen=True)
class _Implementation:
    owner: str
    hook: str
    function: Callable[..., object]
    arguments: tuple[str, ...]


def _entry(name: str, owner: str, target: Any, *, summary: str = "") -> Entry[Any]:
    return Entry(name, owner, target, summary)


_COLLECTORS: dict[str, tuple[str, Callable[..., Entry[Any]]]] = {
    "register_samplers": ("samplers", SamplerEntry),
    "register_schedules": ("schedules", ScheduleEntry),
    "register_noise_sources": ("noise_sources", NoiseSourceEntry),
    "register_guidance": ("guidance", _entry),
    "register_model_families": ("families", _entry),
    "register_prompt_syntaxes": ("syntaxes", _entry),
    "register_lora_formats": ("lora_formats", _entry),
    "register_nodes": ("nodes", _entry),
    "register_executors": ("executors", _entry),
    "register_options": ("option_models", _entry),
}


def _hook_arguments() -> dict[str, tuple[str, ...]]:
    """Every hook of `sdkit.hookspecs` and the names of its arguments."""
    return {
        name: tuple(inspect.signature(spec).parameters)
        for name, spec in vars(hookspecs).items()
        if hasattr(spec, "sdkit_spec")
    }
