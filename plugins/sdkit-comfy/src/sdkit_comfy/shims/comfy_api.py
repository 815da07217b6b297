"""`comfy_api.latest`: what V3 packs start from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdkit_comfy.packs.calls import current
from sdkit_comfy.shims import comfy_api_io as IO
from sdkit_comfy.shims import comfy_api_ui as UI
from sdkit_comfy.shims import comfy_api_values as Input

__all__ = ["IO", "UI", "ComfyAPI", "ComfyAPISync", "ComfyExtension", "Input"]


class ComfyExtension:
    """A V3 pack."""

    async def on_load(self) -> None:
        """Called once, before the nodes are asked for."""

    async def get_node_list(self) -> Sequence[type]:
        """The pack's nodes."""
        raise NotImplementedError(f"{type(self).__name__} has no get_node_list")


class _Execution:
    async def set_progress(
        self, value: float, max_value: float, node_id: Any = None, preview_image: Any = None
    ) -> None:
        """Tell the run."""
        context = current().context
        if context is not None:
            context.progress(value, max_value, preview_image)


class ComfyAPI:
    """What a node may ask of the program that it runs in."""

    def __init__(self) -> None:
        self.execution = _Execution()


class _ExecutionSync:
    def set_progress(self, value: float, max_value: float, node_id: Any = None, preview_image: Any = None) -> None:
        """Tell the run."""
        context = current().context
        if context is not None:
            context.progress(value, max_value, preview_image)


class ComfyAPISync:
    """The same without waiting."""

    def __init__(self) -> None:
        self.execution = _ExecutionSync()
