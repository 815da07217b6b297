"""ComfyUI's LATENT, a dictionary, and sdkit's `LatentBatch`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch

from sdkit.editing import LatentBatch

Latent = dict[str, Any]
"""`samples`, unscaled, `[B, C, h, w]`; perhaps `noise_mask`, `[B', 1, H, W]`, `batch_index`, and what packs keep."""


def samples_of(latent: Latent) -> torch.Tensor:
    """The latents, `[B, C, h, w]`."""
    return latent["samples"]


def with_samples(latent: Latent, samples: torch.Tensor) -> Latent:
    """The same with other latents; mask and numbers stay."""
    return {**latent, "samples": samples}


def to_batch(latent: Latent) -> LatentBatch:
    """The dictionary as a batch."""
    mask: torch.Tensor | None = latent.get("noise_mask")
    numbers = cast("Sequence[int] | None", latent.get("batch_index"))
    return LatentBatch(
        latent["samples"],
        None if mask is None else mask.reshape((-1, 1, *mask.shape[-2:])),
        None if numbers is None else tuple(numbers),
    )


def from_batch(batch: LatentBatch, like: Latent | None = None) -> Latent:
    """The batch as a dictionary, with what else is in `like`."""
    latent: Latent = {key: value for key, value in (like or {}).items() if key not in ("noise_mask", "batch_index")}
    latent["samples"] = batch.samples
    if batch.noise_mask is not None:
        latent["noise_mask"] = batch.noise_mask
    if batch.batch_index is not None:
        latent["batch_index"] = list(batch.batch_index)
    return latent
