"""Reading the project's own sources without importing them."""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "sdkit"
BUILTIN = PACKAGE / "builtin"


@dataclass(frozen=True)
class PluginPackage:
    """A package in plugins/: its folder, and its pyproject.toml."""

    folder: Path
    project: dict[str, object]


def plugin_packages() -> list[PluginPackage]:
    """Every package in plugins/."""
    return [
        PluginPackage(path.parent, tomllib.loads(path.read_text("utf-8"))["project"])
        for path in sorted(ROOT.glob("plugins/*/pyproject.toml"))
    ]


def parse(path: Path) -> ast.Module:
    """The syntax tree of a source file."""
    return ast.parse(path.read_text("utf-8"), str(path))


def hook_functions() -> dict[str, ast.FunctionDef]:
    """The hook specifications, by name, as they are written in hookspecs.py."""
    tree = parse(PACKAGE / "hookspecs.py")
    return {node.name: node for node in functions(tree) if any(named(d, "hookspec") for d in node.decorator_list)}


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Every function in a tree, methods and inner ones included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node


def named(decorator: ast.expr, name: str) -> bool:
    """Whether a decorator is `name`, `something.name`, or a call of one."""
    target = decorator.func if isinstance(decorator, ast.Call) else decorator
    return (isinstance(target, ast.Name) and target.id == name) or (
        isinstance(target, ast.Attribute) and target.attr == name
    )


def signature(node: ast.FunctionDef) -> str:
    """A function's signature on one line, spelt the same way however it was wrapped."""
    returns = f" -> {ast.unparse(node.returns)}" if node.returns else ""
    return f"def {node.name}({ast.unparse(node.args)}){returns}"
