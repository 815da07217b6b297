"""What is tried again when decoding fails, so that nobody gets a black picture, or none, without being told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch

from sdkit.errors import NonFiniteError
from sdkit.types import Latents, Run


def decode_safely(decode: Callable[[Latents], torch.Tensor], latents: Latents, run: Run) -> torch.Tensor:
    """Decode; out of memory → picture by picture; NaN → once more in float32. What helped is noted in `run.recovered`.

    Raises NonFiniteError if the pixels are not finite in float32 either.
    """
    try:
        pixels = decode(latents)
    except torch.OutOfMemoryError:
        if len(latents.tensor) == 1:
            raise
        parts = [decode(_part(latents, index)) for index in range(len(latents.tensor))]
        pixels = torch.cat(parts)
        run.recovered.append("decoded picture by picture, because all at once did not fit into memory")
    if bool(torch.isfinite(pixels).all()):
        return pixels
    if run.model.dtype != torch.float32 and bool(torch.isfinite(latents.tensor).all()):
        pixels = run.model.to(str(run.model.device), "float32").decode(latents.tensor)
        if bool(torch.isfinite(pixels).all()):
            run.recovered.append(f"decoded again in float32, because {run.model.dtype} gave NaN or infinity")
            return pixels
    raise NonFiniteError("the decoder's pixels are NaN or infinite; the latents or the VAE's weights are damaged")


def _part(latents: Latents, index: int) -> Latents:
    return replace(latents, tensor=latents.tensor[index : index + 1], seeds=latents.seeds[index : index + 1])
