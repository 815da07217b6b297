"""Who imports whom. The rows of the house are in pyproject.toml, [tool.importlinter]; here is what it cannot say: the
built-in plugins and the packages in plugins/ use public names only, like anybody else's, and of one another only those
that they depend on."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests._sources import BUILTIN, PACKAGE, ROOT, parse

PINNED = (
    "sdkit",
    "sdkit.editing",
    "sdkit.graph",
    "sdkit.images",
    "sdkit.models",
    "sdkit.models.lora",
    "sdkit.names",
    "sdkit.plugins",
    "sdkit.prompts",
    "sdkit.sampling",
    "sdkit.testing",
)
"""Public packages: their `__all__` says what is public (see test_public_api)."""
OPEN = (
    "sdkit.errors",
    "sdkit.hookspecs",
    "sdkit.request",
    "sdkit.sampling.schedules",
    "sdkit.settings",
    "sdkit.types",
)
"""Public modules: every name without an underscore is public."""

PLUGIN_SOURCES = sorted([*BUILTIN.glob("**/*.py"), *ROOT.glob("plugins/*/src/**/*.py")])


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def sdkit_imports(path: Path) -> Iterator[tuple[str, str, int]]:
    """What a module imports from sdkit, wherever it does: module, name ("" for the module itself), line."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == "sdkit":
                    yield alias.name, "", node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{_name(path)}:{node.lineno}: a relative import"
            if node.module and node.module.split(".")[0] == "sdkit":
                for alias in node.names:
                    yield node.module, alias.name, node.lineno


def fault(module: str, name: str, home: str = "") -> str:
    """What is wrong with importing `name` from `module` in the plugin `home`; "" if it is public or the plugin's."""
    if module in OPEN:
        return "starts with an underscore" if name.startswith("_") else ""
    if home and f"{module}.".startswith(f"{home}."):
        return ""
    if module not in PINNED:
        return f"{module} is private"
    if not name or f"{module}.{name}" in (*OPEN, *PINNED):
        return ""
    return "" if name in importlib.import_module(module).__all__ else f"is not in {module}.__all__"


def home_of(path: Path) -> str:
    """The package of a built-in plugin that is more than one module; its modules may import one another."""
    is_package = path.is_relative_to(BUILTIN) and path.parent != BUILTIN
    return f"sdkit.builtin.{path.relative_to(BUILTIN).parts[0]}" if is_package else ""


@pytest.mark.parametrize("path", PLUGIN_SOURCES, ids=_name)
def test_plugins_import_public_names_only(path: Path) -> None:
    faults = [
        f"line {line}: {name or module} {problem}"
        for module, name, line in sdkit_imports(path)
        if (problem := fault(module, name, home_of(path)))
    ]
    assert faults == []


@pytest.mark.parametrize("path", sorted(ROOT.glob("plugins/*/src/*/")), ids=_name)
def test_plugin_packages_know_only_those_that_they_depend_on(path: Path) -> None:
    project = tomllib.loads((path.parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
    promised = {re.split(r"[<>=!~]", each)[0].replace("-", "_") for each in project["dependencies"]}
    others = {other.name for other in ROOT.glob("plugins/*/src/*/")} - {path.name}
    imported = {
        name.split(".")[0]
        for source in path.glob("**/*.py")
        for node in ast.walk(parse(source))
        for name in (
            [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", "") or ""]
        )
    }
    assert imported & others <= promised


def test_faults_are_found() -> None:
    assert fault("sdkit", "hookimpl") == ""
    assert fault("sdkit.types", "Step") == ""
    assert fault("sdkit.sampling", "no_such_name") == "is not in sdkit.sampling.__all__"
    assert fault("sdkit.sampling.noise", "SeededNoise") == "sdkit.sampling.noise is private"
    assert fault("sdkit.builtin.stages", "encode") == "sdkit.builtin.stages is private"
    assert fault("sdkit.builtin.commands.tables", "table") == "sdkit.builtin.commands.tables is private"
    assert fault("sdkit.builtin.commands.tables", "table", "sdkit.builtin.commands") == ""
    assert fault("sdkit.pipeline", "Pipeline") == "sdkit.pipeline is private"


def test_modules_import_only_from_the_rows_below() -> None:
    lint_imports = Path(sys.executable).parent / "lint-imports"
    done = subprocess.run(
        [lint_imports, "--no-logo", "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_dependencies_are_what_is_imported() -> None:
    """Also what is imported in functions and for types only: whoever type-checks against sdkit needs it."""
    distributions = packages_distributions()
    imported: set[str] = set()
    for path in PACKAGE.glob("**/*.py"):
        for node in ast.walk(parse(path)):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            imported |= {name.partition(".")[0] for name in names}
    third_party = imported - set(sys.stdlib_module_names) - {"sdkit"}
    needed = {distribution.lower() for name in third_party for distribution in distributions[name]}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    promised = [*project["dependencies"], *project["optional-dependencies"]["plot"]]
    assert needed == {re.split(r"[<>=!~]", requirement)[0].lower() for requirement in promised}
