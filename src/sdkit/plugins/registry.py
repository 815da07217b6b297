"""Registries: names → what plugins registered under them, with owners, imported when first used."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from sdkit.errors import NameTakenError, PluginLoadError, RequestError, UnknownNameError, nearest

if TYPE_CHECKING:
    from pydantic import BaseModel, JsonValue

    from sdkit.types import NoiseKind, Sampler  # noqa: F401 - as a string, below

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
class SamplerEntry(Entry["Sampler"]):
    """A registered sampler and what it declared; see `sdkit.hookspecs.RegisterSampler`."""

    noise: NoiseKind = "none"
    order: float = 1
    evaluations: float = 1
    options: type[BaseModel] | None = None

    def check_options(self, options: Mapping[str, JsonValue]) -> dict[str, Any]:
        """The sampler's keyword arguments, validated. Raises RequestError naming the option and the nearest one."""
        if self.options is None:
            if options:
                raise RequestError(f"sampler {self.name!r} has no options, so {next(iter(options))!r} cannot be set")
            return {}
        checked = validate_options(self.options, options, f"sampler {self.name!r}")
        return {name: getattr(checked, name) for name in self.options.model_fields}


E = TypeVar("E", bound="Entry[Any]")


class Registry(Mapping[str, E]):
    """Names of one kind → entries. Read-only for everybody but the manager that fills it."""

    def __init__(self, kind: str, entries: Mapping[str, E] | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, E] = dict(entries or {})

    def __getitem__(self, name: str) -> E:
        try:
            return self._entries[name]
        except KeyError:
            raise UnknownNameError(self.kind, name, self._entries) from None

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __repr__(self) -> str:
        return f"<Registry of {self.kind}: {', '.join(self._entries)}>"

    def copy(self) -> Registry[E]:
        """A registry of its own with the same entries, to be changed and then taken over whole."""
        return Registry(self.kind, self._entries)

    def add(self, entry: E, *, override: bool) -> None:
        """Add an entry. Raises NameTakenError if the name has another owner and `override` is not set."""
        taken = self._entries.get(entry.name)
        if taken is not None and not override:
            raise NameTakenError(
                entry.owner,
                f"plugin {entry.owner!r} registers the {self.kind} {entry.name!r}, which plugin {taken.owner!r} has "
                "registered already. Disable one of the two, or register with override=True if replacing is meant.",
            )
        self._entries[entry.name] = entry


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
