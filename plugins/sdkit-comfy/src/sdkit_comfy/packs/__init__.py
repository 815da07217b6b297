"""Packs of custom nodes that were written for ComfyUI: found, loaded as they are, and run as nodes of sdkit.

Packs are code: none is loaded unless it is enabled by its name. Names are loaded when first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit_comfy.packs.errors import NotProvidedError, PackError
    from sdkit_comfy.packs.finding import find_packs
    from sdkit_comfy.packs.loading import Pack, load_pack
    from sdkit_comfy.packs.plugin import Packs

__all__ = ["NotProvidedError", "Pack", "PackError", "Packs", "find_packs", "load_pack"]

_HOMES = {
    "NotProvidedError": "sdkit_comfy.packs.errors",
    "Pack": "sdkit_comfy.packs.loading",
    "PackError": "sdkit_comfy.packs.errors",
    "Packs": "sdkit_comfy.packs.plugin",
    "find_packs": "sdkit_comfy.packs.finding",
    "load_pack": "sdkit_comfy.packs.loading",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit_comfy.packs' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
