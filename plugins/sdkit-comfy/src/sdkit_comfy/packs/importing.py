"""Packs' code in a namespace of its own, and what its import statements find.

A pack's modules are executed with an `__import__` of their own, which Python asks for every import statement in them,
also for those in functions that run later. So ComfyUI's modules are there for packs, at any time and in any thread, and
for nobody else: `sys.modules` never has them, and nothing that is installed under such a name is hidden.
"""

from __future__ import annotations

import ast
import builtins
import importlib
import importlib.util
import inspect
import sys
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from sdkit_comfy.packs.placeholders import Missing
from sdkit_comfy.packs.provided import Provided

PACKAGE = "sdkit_comfy_packs"
"""The package that all packs are in, each under its name."""
_OFTEN_UNUSED = frozenset({"aiohttp"})
"""Packages that packs import for ComfyUI's server only; where they are not installed, packs load nevertheless."""


class PackLoader(SourceFileLoader):
    """Executes a module of a pack with the pack's builtins."""

    def __init__(self, namespace: Namespace, fullname: str, path: str) -> None:
        super().__init__(fullname, path)
        self.namespace: Final = namespace

    def exec_module(self, module: ModuleType) -> None:
        """Execute it."""
        code = self.get_code(module.__name__)
        assert code is not None
        module.__dict__["__builtins__"] = self.namespace.builtins
        exec(code, module.__dict__)


class Namespace:
    """One pack's modules. It is a finder on `sys.meta_path`, for names below its own package only.

    `builtins`: what the pack's modules see. `root`: the pack's folder, or its only file.
    """

    def __init__(self, pack: str, package: str, root: Path) -> None:
        self.pack: Final = pack
        self.package: Final = package
        self.root: Final = root
        self.builtins: Final[dict[str, object]] = {**vars(builtins), "__import__": self.importing}
        self.provided: Final = Provided(pack)
        self._folder: Final = root if root.is_dir() else root.parent
        self._outside: Sequence[str] = ()
        self._paths: Final[list[str]] = []
        self._by_hand: Final[dict[str, ModuleType]] = {}
        self._short: Final[dict[str, str]] = {}
        self._guarded: Final[dict[str, tuple[range, ...]]] = {}

    # ── finding the pack's modules ───────────────────────────────────────────────────────────────────────────────────

    def find_spec(self, fullname: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        """Python asks this of every finder for every module."""
        if fullname == self.package:
            if self.root.is_dir():
                init = self.root / "__init__.py"
                return importlib.util.spec_from_file_location(
                    fullname,
                    init,
                    loader=PackLoader(self, fullname, str(init)),
                    submodule_search_locations=[str(self.root)],
                )
            return importlib.util.spec_from_file_location(
                fullname, self.root, loader=PackLoader(self, fullname, str(self.root))
            )
        if not fullname.startswith(f"{self.package}."):
            return None
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and isinstance(spec.loader, SourceFileLoader):
            spec.loader = PackLoader(self, fullname, spec.loader.path)
        return spec

    @contextmanager
    def loading(self) -> Generator[None]:
        """While the pack is executed: what it adds to `sys.path` and, by hand, to `sys.modules` is kept for it alone;
        if it fails, nothing is left of it."""
        path, modules = [*sys.path], frozenset(sys.modules)
        self._outside = path
        sys.meta_path.insert(0, self)
        try:
            yield
        except BaseException:
            sys.meta_path.remove(self)
            for name in [*sys.modules]:
                if name == self.package or name.startswith(f"{self.package}."):
                    del sys.modules[name]
            raise
        finally:
            self._paths.extend(self._added_paths())
            self._outside = sys.path[:] = path
            for name in [each for each in [*sys.modules] if each not in modules]:
                if name.partition(".")[0] != PACKAGE and self._is_own(sys.modules[name]):
                    self._by_hand[name] = sys.modules.pop(name)

    def _added_paths(self) -> list[str]:
        return [each for each in sys.path if each not in self._outside] if self._outside else []

    def _is_own(self, module: object) -> bool:
        file = getattr(module, "__file__", None)
        return isinstance(file, str) and self.root.is_dir() and Path(file).resolve().is_relative_to(self.root)

    # ── import statements ────────────────────────────────────────────────────────────────────────────────────────────

    def importing(
        self,
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002 -- Python passes all of these by position
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> Any:
        """`__import__` of the pack's modules: `builtins.__import__` in all but what it finds."""
        wanted = tuple(fromlist or ())
        if level == 0:
            if self.provided.has(name):
                caller = inspect.currentframe()
                caller = None if caller is None else caller.f_back
                guarded = caller is not None and self._is_guarded(caller.f_code.co_filename, caller.f_lineno)
                return self.provided.imported(name, wanted, strictly=guarded)
            if name in {"importlib", "importlib.util"} and self.root.is_dir():
                return self._importlib(name, wanted)
            own = self._own(name)
            if own is not None:
                return self._imported_own(own, name, wanted)
        try:
            return builtins.__import__(name, globals, locals, wanted, level)
        except ModuleNotFoundError as error:
            root = name.partition(".")[0]
            if level == 0 and root in _OFTEN_UNUSED and error.name == root:
                return Missing(self.pack, name if wanted else root)
            raise

    def _own(self, name: str) -> str | None:
        """The full name of a module that the pack calls by a shorter one: it put its folder on `sys.path`, loaded the
        file by hand, or goes by `custom_nodes`."""
        root, _, rest = name.partition(".")
        if root in self._by_hand:
            return name
        if root in self._short:
            return self._short[root] + name.removeprefix(root)
        if root == "custom_nodes" and rest.partition(".")[0] == self.root.name:
            below = rest.partition(".")[2]
            return f"{self.package}.{below}" if below else self.package
        for path in (*self._added_paths(), *self._paths) if self.root.is_dir() else ():
            folder = Path(path).resolve()
            if folder.is_relative_to(self._folder) and PathFinder.find_spec(root, [path]) is not None:
                parts = folder.relative_to(self._folder).parts
                self._short[root] = ".".join((self.package, *parts, root))
                return self._short[root] + name.removeprefix(root)
        return None

    def _imported_own(self, own: str, name: str, wanted: tuple[str, ...]) -> Any:
        module = self._by_hand.get(own) or importlib.import_module(own)
        for each in wanted:
            if each != "*" and not hasattr(module, each) and hasattr(module, "__path__"):
                importlib.import_module(f"{own}.{each}")
        if wanted:
            return module
        root = own.removesuffix(name) + name.partition(".")[0]
        return self._by_hand.get(root) or sys.modules[root]

    def _importlib(self, name: str, wanted: tuple[str, ...]) -> Any:
        """`importlib`, such that what the pack loads by its hands is loaded as the pack's, too."""

        def import_module(name: str, package: str | None = None) -> Any:
            return self.importing(name, None, None, ("*",)) if not name.startswith(".") else _import(name, package)

        def spec_from_file_location(name: str, location: Any = None, **options: Any) -> ModuleSpec | None:
            spec = _spec(name, location, **options)
            if (
                spec is not None
                and spec.origin is not None
                and isinstance(spec.loader, SourceFileLoader)
                and Path(spec.origin).resolve().is_relative_to(self.root)
            ):
                spec.loader = PackLoader(self, name, spec.origin)
            return spec

        _import, _spec = importlib.import_module, importlib.util.spec_from_file_location
        util = _Over(importlib.util, spec_from_file_location=spec_from_file_location)
        over = _Over(importlib, import_module=import_module, util=util)
        return util if name == "importlib.util" and wanted else over

    def _is_guarded(self, file: str, line: int) -> bool:
        """Whether a line is in a `try` that goes on after errors, so that an import may fail there."""
        if file not in self._guarded:
            try:
                tree = ast.parse(Path(file).read_bytes())
            except (OSError, SyntaxError, ValueError):
                return True
            self._guarded[file] = tuple(
                range(each.body[0].lineno, (each.body[-1].end_lineno or 0) + 1)
                for each in ast.walk(tree)
                if isinstance(each, ast.Try) and each.handlers
            )
        return any(line in each for each in self._guarded[file])


class _Over(ModuleType):
    """A module with some attributes of its own; all others are another module's."""

    def __init__(self, module: ModuleType, **attributes: object) -> None:
        super().__init__(module.__name__)
        self.__dict__["_module"] = module
        self.__dict__.update(attributes)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_module"], name)
