"""The model's own encoders and decoder as the last answer to `encode`, `encode_image` and `decode`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sdkit.hookspecs import hookimpl

if TYPE_CHECKING:
    import torch

    from sdkit.images import Image
    from sdkit.types import Embedding, Latents, Prompt, Run


@hookimpl
def encode(prompt: Prompt, run: Run) -> Embedding:
    """The model's text encoder."""
    return run.model.encode_text(prompt, run.request.clip_skip or 1)


@hookimpl
def encode_image(image: Image, run: Run) -> torch.Tensor:
    """The model's VAE encoder."""
    return run.model.encode_image(image.pixels[None])


@hookimpl
def decode(latents: Latents, run: Run) -> torch.Tensor:
    """The model's VAE decoder."""
    return run.model.decode(latents.tensor)
