"""`comfy_extras.nodes_…`: ComfyUI's further nodes; which of its files has which does not matter."""

from __future__ import annotations

from typing import Any

from sdkit_comfy.shims import nodes


def __getattr__(name: str) -> Any:
    return getattr(nodes, name)
