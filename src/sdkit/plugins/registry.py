"""Registries: names → what plugins registered under them, with owners, imported when first used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar, cast

from sdkit.errors import NameTakenError, PluginLoadError, RequestError, UnknownNameError, nearest
from sdkit.names import suggestion

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue

    from sdkit.types import MakeNoiseSource, NoiseKind, Sampler, Schedule  # noqa: F401 - as strings, below

T = TypeVar("T")


@dataclass(frozen=True)
class Entry(Generic[T]):
    """Something registered: under which name, by which plugin, and how to get at it."""

    name: str
    owner: str
    target: T | str
    summary: str = ""

    def load(self) -> T:
        """What was registered; a `"module:attribute"` string is imported now. Raises PluginLoadError."""
        if isinstance(self.target, str):
            return cast("T", import_dotted(self.target, self.owner))
        return self.target


@dataclass(frozen=True)
class OptionsEntry(Entry[T]):
    """Something registered that has options: keyword arguments, described by a pydantic model."""

    KIND: ClassVar[str]

    options: type[BaseModel] | None = None

    def check_options(self, options: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The keyword arguments, validated. Raises RequestError naming the option and the nearest one."""
        whose = f"{self.KIND} {self.name!r}"
        if self.options is None:
            if options:
                raise RequestError(f"{whose} has no options, so {next(iter(options))!r} cannot be set")
            return {}
        checked = validate_options(self.options, options, whose)
        return {name: getattr(checked, name) for name in self.options.model_fields}


@dataclass(frozen=True)
class SamplerEntry(OptionsEntry["Sampler"]):
    """A registered sampler and what it declared; see `sdkit.hookspecs.RegisterSampler`."""

    KIND: ClassVar[str] = "sampler"

    noise: NoiseKind = "none"
    order: float = 1
    evaluations: float = 1
    uncond: bool = False
    discard_penultimate: bool = False
    adaptive: bool = False


@dataclass(frozen=True)
class ScheduleEntry(OptionsEntry["Schedule"]):
    """A registered schedule; see `sdkit.hookspecs.RegisterSchedule`."""

    KIND: ClassVar[str] = "schedule"


@dataclass(frozen=True)
class NoiseSourceEntry(OptionsEntry["MakeNoiseSource"]):
    """A registered noise source; see `sdkit.hookspecs.RegisterNoiseSource`."""

    KIND: ClassVar[str] = "noise source"

    shared: bool = False


E = TypeVar("E", bound="Entry[Any]")


class Registry(Mapping[str, E]):
    """Names of one kind → entries. Read-only for everybody but the manager that fills it."""

    def __init__(
        self, kind: str, entries: Mapping[str, E] | None = None, aliases: Mapping[str, str] | None = None
    ) -> None:
        self.kind = kind
        self._entries: dict[str, E] = dict(entries or {})
        self._aliases: dict[str, str] = dict(aliases or {})

    def __getitem__(self, name: str) -> E:
        """The entry of this name or alias. Raises UnknownNameError, which suggests the nearest."""
        try:
            return self._entries[self._aliases.get(name, name)]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries, suggestion(self.kind, name, self._entries)) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._aliases

    def __iter__(self) -> Iterator[str]:
        """The names; aliases are left out."""
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def aliases(self) -> Mapping[str, str]:
        """Other names → the names that they stand for."""
        return self._aliases

    def __repr__(self) -> str:
        return f"<Registry of {self.kind}: {', '.join(self._entries)}>"

    def copy(self) -> Registry[E]:
        """A registry of its own with the same entries, to be changed and then taken over whole."""
        return Registry(self.kind, self._entries, self._aliases)

    def add(self, entry: E, *, override: bool, aliases: Sequence[str] = ()) -> None:
        """Add an entry. Raises NameTakenError if the name or an alias has another owner and `override` is not set."""
        for name in (entry.name, *aliases):
            if name in self and not override:
                taken = self[name]
                raise NameTakenError(
                    entry.owner,
                    f"plugin {entry.owner!r} registers the {self.kind} {name!r}, which plugin {taken.owner!r} has "
                    "registered already. Disable one of the two, or register with override=True if replacing is meant.",
                )
        self._aliases.pop(entry.name, None)
        self._entries[entry.name] = entry
        self._aliases.update(dict.fromkeys(aliases, entry.name))


def import_dotted(target: str, owner: str) -> object:
    """Import `"package.module"` or `"package.module:attribute"`. Raises PluginLoadError naming the owner."""
    module_name, _, attribute = target.partition(":")
    try:
        found: object = importlib.import_module(module_name)
        for part in attribute.split(".") if attribute else ():
            found = getattr(found, part)
    except Exception as error:
        raise PluginLoadError(
            owner, f"plugin {owner!r}: cannot import {target!r}: {type(error).__name__}: {error}"
        ) from error
    return found


def validate_options(model: type[BaseModel], values: Mapping[str, JsonValue], whose: str) -> BaseModel:
    """Fill a pydantic model from JSON values. Raises RequestError naming the option, what came and what is allowed."""
    from pydantic import ValidationError

    for name in values:
        if name not in model.model_fields:
            near = nearest(name, model.model_fields)
            advice = f"Did you mean {near[0]!r}?" if near else f"It has: {', '.join(model.model_fields) or 'none'}."
            raise RequestError(f"{whose} has no option {name!r}. {advice}")
    try:
        return model(**values)
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in fault["loc"])
        what = fault["msg"].removeprefix("Value error, ")
        raise RequestError(f"{whose}, option {where!r}: {what}, not {fault['input']!r}") from None
