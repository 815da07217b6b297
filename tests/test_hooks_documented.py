"""Every hook has a section in the hook reference, with its exact signature."""

from __future__ import annotations

import ast

import pytest

from tests._pages import Page
from tests._sources import ROOT, hook_functions, signature

REFERENCE = ROOT / "docs" / "hooks.md"


@pytest.fixture(scope="module")
def documented() -> dict[str, str]:
    """The signatures that the reference shows, by hook: the first function in the first code block of its section."""
    found: dict[str, str] = {}
    for title, blocks in Page(REFERENCE).sections():
        if not title.startswith("`"):
            continue
        name = title.strip("`").partition("(")[0]
        for block in blocks:
            shown = [node for node in ast.parse(block.code).body if isinstance(node, ast.FunctionDef)]
            if block.language == "python" and shown and name not in found:
                found[name] = signature(shown[0])
    return found


@pytest.mark.parametrize("hook", hook_functions())
def test_hook_is_documented(hook: str, documented: dict[str, str]) -> None:
    spec = signature(hook_functions()[hook])
    assert hook in documented, (
        f"docs/hooks.md has no section '## `{hook}`' that shows its signature in a Python block:\n{spec}: ..."
    )
    assert documented[hook] == spec


def test_nothing_else_is_documented_as_a_hook(documented: dict[str, str]) -> None:
    assert set(documented) <= set(hook_functions())


def test_every_hook_says_its_kind() -> None:
    kinds = ("Kind: collect.", "Kind: first.", "Kind: factory.", "Kind: notify.")
    silent = [
        name
        for name, node in hook_functions().items()
        if not any(kind in " ".join((ast.get_docstring(node) or "").split()) for kind in kinds)
    ]
    assert silent == []
