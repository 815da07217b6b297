"""The model families in the box."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    from sdkit.hookspecs import RegisterModelFamily


@hookimpl
def register_model_families(register: RegisterModelFamily) -> None:
    """The kinds of Stable Diffusion and what is built like them, the embedded model included."""
    register("sd1", "sdkit.models:sd1", summary="Stable Diffusion 1.x and models built like it")
    register("sd2", "sdkit.models:sd2", summary="Stable Diffusion 2.x and models built like it")
    register("sdxl", "sdkit.models:sdxl", summary="Stable Diffusion XL, distilled and inpainting versions too")
    register("sdxl_refiner", "sdkit.models:sdxl_refiner", summary="Stable Diffusion XL refiner")
