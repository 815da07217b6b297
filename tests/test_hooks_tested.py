"""Every hook has a test that registers an implementation of it and sees it work: `@pytest.mark.hook("name")`."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import pytest

from tests._sources import ROOT, functions, hook_functions, named, parse


def marked_hooks(path: Path) -> set[str]:
    """The hooks that a test module claims to test: marks on test functions, classes and the module itself."""
    tree = parse(path)
    marks: list[ast.expr] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and node.name.startswith("test_")):
            marks += node.decorator_list
        elif isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["pytestmark"]:
            marks += node.value.elts if isinstance(node.value, ast.List) else [node.value]
    return {
        argument.value
        for mark in marks
        if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.hook"
        for argument in mark.args
        if isinstance(argument, ast.Constant) and isinstance(argument.value, str)
    }


def implemented_hooks(path: Path) -> set[str]:
    """The hooks that a test module implements."""
    return {node.name for node in functions(parse(path)) if any(named(d, "hookimpl") for d in node.decorator_list)}


@pytest.fixture(scope="module")
def tested() -> dict[str, list[Path]]:
    """Which test modules test which hook."""
    modules = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("plugins/*/tests/**/test_*.py")]
    found: defaultdict[str, list[Path]] = defaultdict(list)
    for path in modules:
        for hook in marked_hooks(path):
            found[hook].append(path)
    return found


def test_every_hook_is_tested(tested: dict[str, list[Path]]) -> None:
    untested = sorted(set(hook_functions()) - set(tested))
    assert untested == [], "these hooks have no test marked with @pytest.mark.hook(name)"


def test_marks_name_hooks(tested: dict[str, list[Path]]) -> None:
    assert sorted(set(tested) - set(hook_functions())) == []


def test_marked_modules_implement_the_hook(tested: dict[str, list[Path]]) -> None:
    """A test of a hook writes its own implementation; a test of a plugin's has the plugin's package beside it."""
    empty = [
        f"{path.relative_to(ROOT)} marks {hook}, and implements it nowhere"
        for hook, paths in sorted(tested.items())
        for path in paths
        if path.is_relative_to(ROOT / "tests") and hook not in implemented_hooks(path)
    ]
    assert empty == []
