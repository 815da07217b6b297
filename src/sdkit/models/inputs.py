"""What the noise predictor reads beside the latents, prepared once per embedding and not in every step."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

import torch
import torch.nn.functional as F
from torch import Tensor

from sdkit.errors import ModelError
from sdkit.models.summary import summary_vector
from sdkit.types import Embedding, SizeConditioning

if TYPE_CHECKING:
    from sdkit.models.diffusion_family import Architecture

BLANK = (0.8223, -0.6876, 0.6364, 0.1380)
"""What an inpainting model sees as the masked picture where there is none: a blank one, in unscaled latents."""

GUIDANCE = 8.5
"""The guidance scale that a latent consistency model is told, diffusers' default."""


@dataclass(frozen=True, eq=False)
class Inputs:
    """For one embedding and one shape of latents: `context` `[B, T, C]`, `summary` `[B, S]` or None, and `channels`
    `[B, c, h, w]` or None, which go behind the latents', all on the device and in the dtype of the network."""

    context: Tensor
    summary: Tensor | None
    channels: Tensor | None
    guidance: Tensor | None


class InputCache:
    """Prepares inputs, and keeps the latest of each embedding as long as the embedding itself lives. Thread-safe.

    Embeddings are told apart as objects, not by what is in them; nobody changes their tensors.
    """

    def __init__(self, architecture: Architecture, device: torch.device, dtype: torch.dtype) -> None:
        self._architecture = architecture
        self._device, self._dtype = device, dtype
        self._kept: WeakKeyDictionary[Embedding, tuple[torch.Size, Inputs]] = WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, embedding: Embedding, shape: torch.Size) -> Inputs:
        """The inputs for latents of this shape, `[B, C, h, w]`. Raises ModelError for an embedding that lacks what the
        model needs, or has channels that do not fit."""
        with self._lock:
            kept = self._kept.get(embedding)
        if kept is not None and kept[0] == shape:
            return kept[1]
        inputs = self._prepare(embedding, shape)
        with self._lock:
            self._kept[embedding] = (shape, inputs)
        return inputs

    def _prepare(self, embedding: Embedding, shape: torch.Size) -> Inputs:
        batch = shape[0]
        channels = self._channels(embedding, shape)
        return Inputs(
            context=embedding.context.to(self._device, self._dtype).expand(batch, -1, -1),
            summary=self._summary(embedding, shape),
            channels=None if channels is None else channels.to(self._device, self._dtype).expand(batch, -1, -1, -1),
            guidance=self._guidance(batch),
        )

    def _summary(self, embedding: Embedding, shape: torch.Size) -> Tensor | None:
        numbers, factor = self._architecture.kind.numbers, self._architecture.vae.factor
        if not numbers:
            return None
        if embedding.pooled is None:
            raise ModelError(
                f"{self._architecture.kind.title} needs the pooled text beside the context, and this embedding has "
                "none; encode the prompt with this model"
            )
        size = embedding.size or SizeConditioning(shape[-2] * factor, shape[-1] * factor)
        vector = summary_vector(embedding.pooled.to(self._device), size, numbers)
        if vector.shape[1] != self._architecture.unet.summary:
            raise ModelError(
                f"{self._architecture.kind.title} needs a summary of {self._architecture.unet.summary} channels, but "
                f"the pooled text of shape {list(embedding.pooled.shape)} gives {vector.shape[1]}; encode the prompt "
                "with this model"
            )
        return vector.to(self._dtype).expand(shape[0], -1)

    def _channels(self, embedding: Embedding, shape: torch.Size) -> Tensor | None:
        latents = self._architecture.vae.latent_channels
        count = self._architecture.unet.in_channels - latents
        given = embedding.channels
        if not count:
            return None
        height, width = shape[-2:]
        if given is None:
            if count == latents:
                return torch.zeros(1, latents, height, width)
            blank = torch.tensor(BLANK[:latents] + (0.0,) * (latents - len(BLANK)))
            return torch.cat((torch.ones(1), blank))[None, :, None, None].expand(1, count, height, width)
        if given.shape[1] != count or given.shape[0] not in (1, shape[0]):
            raise ModelError(
                f"the model reads {count} channels beside the latents, of 1 or {shape[0]} pictures, but the embedding "
                f"has channels of shape {list(given.shape)}"
            )
        if given.shape[-2:] != shape[-2:]:
            return F.interpolate(given.float(), size=(height, width), mode="bilinear")
        return given

    def _guidance(self, batch: int) -> Tensor | None:
        width = self._architecture.unet.guidance
        if not width:
            return None
        half = width // 2
        steps = torch.arange(half, dtype=torch.float32, device=self._device)
        angles = 1000 * (GUIDANCE - 1) * torch.exp(steps * (-math.log(10_000) / (half - 1)))
        return torch.cat((angles.sin(), angles.cos()))[None].to(self._dtype).expand(batch, -1)
