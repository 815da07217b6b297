"""ComfyUI's modules as one pack sees them."""

from __future__ import annotations

import logging
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sdkit_comfy.packs.errors import NotProvidedAttribute, NotProvidedModule, not_provided
from sdkit_comfy.packs.placeholders import Missing
from sdkit_comfy.shims import ABSENT, MODULES, ROOTS, home_of

_LOG = logging.getLogger(__name__)


class Shim(ModuleType):
    """A module of ComfyUI's for one pack: what `sdkit_comfy.shims` has of it, and errors that name the pack for the
    rest. What the pack writes into it only the pack sees."""

    def __init__(self, name: str, provided: Provided) -> None:
        super().__init__(name)
        self.__dict__.update({"__path__": [], "_provided": provided})

    def __getattr__(self, name: str) -> Any:
        provided: Provided = self.__dict__["_provided"]
        path = f"{self.__name__}.{name}"
        if path in provided:
            return provided.module(path)
        home = home_of(self.__name__)
        if home is not None and (not name.startswith("__") or name == "__all__"):
            try:
                return getattr(import_module(home), name)
            except NotProvidedAttribute:
                raise
            except AttributeError:
                pass
        if name == "__file__":
            return str(Path.cwd().joinpath(*self.__name__.split(".")).with_suffix(".py"))
        if name.startswith("__"):
            raise AttributeError(name)
        if self.__name__ == "comfy" and name in ABSENT:
            return Missing(provided.pack, path)
        raise NotProvidedAttribute(not_provided(provided.pack, path))

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):
            pack = self.__dict__["_provided"].pack
            _LOG.warning("pack %r changes %s.%s; nothing but the pack sees that", pack, self.__name__, name)
        self.__dict__[name] = value


class Provided:
    """The modules that one pack imports, made when it does."""

    def __init__(self, pack: str) -> None:
        self.pack: Final = pack
        self._made: Final[dict[str, Shim]] = {}

    def has(self, name: str) -> bool:
        """Whether a module of this name is ComfyUI's, whether or not sdkit has it."""
        return name.partition(".")[0] in ROOTS

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and (
            home_of(name) is not None or any(each.startswith(f"{name}.") for each in MODULES)
        )

    def module(self, name: str) -> Shim:
        """The module of this name, which is there."""
        if name not in self._made:
            self._made[name] = Shim(name, self)
        return self._made[name]

    def imported(self, name: str, wanted: tuple[str, ...], *, strictly: bool) -> Any:
        """What `__import__` returns. `strictly`: raise NotProvidedModule for what is not there; otherwise a placeholder
        stands for it, which raises when it is used."""
        module = self._deepest(name, strictly)
        if not wanted:
            return self.module(name.partition(".")[0])
        if isinstance(module, Shim):
            missing = Missing(self.pack, name)
            for each in wanted:
                if each != "*" and isinstance(getattr(module, each, missing), Missing):
                    path = f"{name}.{each}"
                    if strictly:
                        raise NotProvidedModule(not_provided(self.pack, path))
                    module.__dict__[each] = Missing(self.pack, path)
        return module

    def _deepest(self, name: str, strictly: bool) -> Shim | Missing:
        parts = name.split(".")
        module: Any = self.module(parts[0]) if parts[0] in self else None
        if module is None:
            if strictly:
                raise NotProvidedModule(not_provided(self.pack, name))
            module = self.module(parts[0])
        for depth, part in enumerate(parts[1:], 2):
            path = ".".join(parts[:depth])
            if isinstance(module, Shim) and path not in self and part not in module.__dict__:
                if strictly:
                    raise NotProvidedModule(not_provided(self.pack, path))
                module.__dict__[part] = Missing(self.pack, path)
            module = getattr(module, part)
        return module
