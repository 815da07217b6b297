"""The model families in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterModelFamily


@hookimpl
def register_model_families(register: RegisterModelFamily) -> None:
    """Stable Diffusion 1 and what is built like it, the embedded model included."""
    register("sd1", "sdkit.models:sd1", summary="Stable Diffusion 1.x and models built like it")
