"""What is tried again when decoding fails, so that nobody gets a black picture, or none, without being told."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace

import torch

from sdkit.errors import NonFiniteError
from sdkit.types import Latents, Run

log = logging.getLogger("sdkit.pipeline")


def decode_safely(decode: Callable[[Latents], torch.Tensor], latents: Latents, run: Run) -> torch.Tensor:
    """Decode; out of memory → picture by picture; NaN → once more in float32. What helped is noted in `run.recovered`.

    Raises NonFiniteError if the pixels are not finite in float32 either.
    """
    pixels = _all_at_once(decode, latents)
    if pixels is None:  # only here, out of the except block, is the memory of the first attempt free again
        pixels = torch.cat([decode(_part(latents, index)) for index in range(len(latents.tensor))])
        _recovered(run, "decoded picture by picture, because all at once did not fit into memory")
    if bool(torch.isfinite(pixels).all()):
        return pixels
    if run.model.dtype != torch.float32 and bool(torch.isfinite(latents.tensor).all()):
        pixels = run.model.to(str(run.model.device), "float32").decode(latents.tensor)
        if bool(torch.isfinite(pixels).all()):
            _recovered(run, f"decoded again in float32, because {run.model.dtype} gave NaN or infinity")
            return pixels
    raise NonFiniteError("the decoder's pixels are NaN or infinite; the latents or the VAE's weights are damaged")


def _all_at_once(decode: Callable[[Latents], torch.Tensor], latents: Latents) -> torch.Tensor | None:
    """The pixels; None if they do not fit into memory and there is more than one picture to split."""
    try:
        return decode(latents)
    except torch.OutOfMemoryError:
        if len(latents.tensor) == 1:
            raise
        return None


def _part(latents: Latents, index: int) -> Latents:
    return replace(latents, tensor=latents.tensor[index : index + 1], seeds=latents.seeds[index : index + 1])


def _recovered(run: Run, how: str) -> None:
    run.recovered.append(how)
    log.warning("%s", how)
