"""`latent_preview`: what samplers call after every step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sdkit_comfy.packs.calls import current

MAX_PREVIEW_RESOLUTION = 512


class LatentPreviewer:
    """Makes small pictures; sdkit's pipelines do it by themselves."""


def get_previewer(device: Any, latent_format: Any) -> None:
    """None: there is none for packs."""
    return


def prepare_callback(model: Any, steps: int, x0_output_dict: dict[str, Any] | None = None) -> Callable[..., None]:
    """A function `(step, denoised, x, steps)` that tells the run how far it is."""
    context = current().context

    def callback(step: int, x0: Any, x: Any, total_steps: int) -> None:
        if x0_output_dict is not None:
            x0_output_dict["x0"] = x0
        if context is not None:
            context.progress(step + 1, total_steps)

    return callback
