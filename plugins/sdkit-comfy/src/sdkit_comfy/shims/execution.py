"""`execution`: what old packs import from ComfyUI's executor."""

from __future__ import annotations

from sdkit.graph import Blocked as ExecutionBlocker
from sdkit_comfy.packs.hidden import DynamicPrompt

__all__ = ["DynamicPrompt", "ExecutionBlocker"]
