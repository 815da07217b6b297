"""The prompt syntaxes in the box."""

from __future__ import annotations

from sdkit.builtin import prompts
from sdkit.plugins import Manager
from sdkit.prompts import comfy, plain


def test_both_syntaxes_are_registered_and_load() -> None:
    manager = Manager()
    manager.add(prompts)
    assert sorted(manager.syntaxes) == ["comfy", "plain"]
    assert manager.syntaxes["plain"].load() is plain
    assert manager.syntaxes["comfy"].load() is comfy
    assert "(red:1.3)" in manager.syntaxes["comfy"].summary
