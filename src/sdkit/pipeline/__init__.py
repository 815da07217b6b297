"""The pipeline: wires the stages, owns the step loop. No maths, no files. Workspaces: where graphs run.

Names are loaded when first used: a workspace that runs nothing imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sdkit.pipeline.pipeline import Pipeline
    from sdkit.pipeline.workspace import Workspace, run

__all__ = ["Pipeline", "Workspace", "run"]

_HOMES = {
    "Pipeline": "sdkit.pipeline.pipeline",
    "Workspace": "sdkit.pipeline.workspace",
    "run": "sdkit.pipeline.workspace",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
