"""sdkit: image generation with Stable Diffusion, as a library.

::

    import sdkit

    pipe = sdkit.Pipeline.load()
    result = pipe("a red circle on a blue background", seed=7)
    result.images[0].save("circle.png")

Importing sdkit is quick and imports no torch; names are loaded when first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.errors import SdkitError
    from sdkit.graph import node
    from sdkit.hookspecs import hookimpl
    from sdkit.images import Image
    from sdkit.pipeline import Pipeline, Workspace, run
    from sdkit.request import Request
    from sdkit.types import CancelToken, Result, Step

__version__ = "0.1.0"

__all__ = [
    "CancelToken",
    "Image",
    "Pipeline",
    "Request",
    "Result",
    "SdkitError",
    "Step",
    "Workspace",
    "__version__",
    "hookimpl",
    "node",
    "run",
]

_HOMES = {
    "CancelToken": "sdkit.types",
    "Image": "sdkit.images",
    "Pipeline": "sdkit.pipeline",
    "Request": "sdkit.request",
    "Result": "sdkit.types",
    "SdkitError": "sdkit.errors",
    "Step": "sdkit.types",
    "Workspace": "sdkit.pipeline",
    "hookimpl": "sdkit.hookspecs",
    "node": "sdkit.graph",
    "run": "sdkit.pipeline",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'sdkit' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
