"""The prompt syntaxes in the box."""

from __future__ import annotations

from sdkit.builtin import prompts
from sdkit.plugins import Manager
from sdkit.prompts import a1111, comfy, plain


def test_the_syntaxes_are_registered_and_load() -> None:
    manager = Manager()
    manager.add(prompts)
    assert sorted(manager.syntaxes) == ["a1111", "comfy", "plain"]
    assert manager.syntaxes["plain"].load() is plain
    assert manager.syntaxes["comfy"].load() is comfy
    assert manager.syntaxes["a1111"].load() is a1111
    assert "(red:1.3)" in manager.syntaxes["comfy"].summary
