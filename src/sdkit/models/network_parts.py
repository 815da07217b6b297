"""The networks of a model, made from a checkpoint and its architecture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch

from sdkit.models.checkpoint import release
from sdkit.models.kinds import UNET, VAE
from sdkit.models.networks.building import Absent, Part
from sdkit.models.networks.clip import ClipImage, ClipText
from sdkit.models.networks.unet import UNet
from sdkit.models.networks.vae import Vae

if TYPE_CHECKING:
    from torch import nn

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.diffusion_family import Architecture, TextEncoder
    from sdkit.types import Patch


@dataclass(frozen=True, eq=False)
class TextPart:
    """A text tower and how it is used."""

    encoder: TextEncoder
    tower: Part[ClipText]

    def patched(self, patches: Sequence[Patch]) -> TextPart:
        """This tower with changed weights; itself if none is changed."""
        tower = self.tower.patched(self.encoder.kind.part, patches)
        return self if tower is self.tower else TextPart(self.encoder, tower)

    def sharing(self, others: Sequence[TextPart]) -> TextPart:
        """The one of the others that is of the same weights, else itself."""
        return next((other for other in others if other.encoder == self.encoder and self.tower.same(other.tower)), self)


@dataclass(frozen=True, eq=False)
class Networks:
    """The parts of a latent diffusion model; `image` is CLIP's image tower, which few files carry."""

    unet: Part[UNet]
    vae: Part[Vae]
    texts: tuple[TextPart, ...]
    image: Part[ClipImage] | None = None

    @property
    def text(self) -> Part[ClipText]:
        """The first text tower."""
        return self.texts[0].tower

    @property
    def parts(self) -> Mapping[str, Part[nn.Module]]:
        """All of them by name: unet, vae, text_encoder, text_encoder_2, image_tower."""
        found: dict[str, Part[nn.Module]] = {"unet": self.unet, "vae": self.vae}
        found |= {text.encoder.kind.part: text.tower for text in self.texts}
        return found | ({"image_tower": self.image} if self.image else {})

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the checkpoint that they are made from."""
        return frozenset(key for part in self.parts.values() for key in part.sources.values())

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """The shapes of the noise predictor's and the text encoders' weights, by network, module and parameter."""
        parts = {"unet": self.unet, **{text.encoder.kind.part: text.tower for text in self.texts}}
        return {f"{network}.{name}": shape for network, part in parts.items() for name, shape in part.shapes.items()}

    def patched(self, patches: Sequence[Patch]) -> Networks:
        """These networks with changed weights, computed now; those that no patch changes are shared."""
        texts = tuple(text.patched(patches) for text in self.texts)
        return replace(self, unet=self.unet.patched("unet", patches), texts=texts)

    def to(self, device: torch.device, dtype: torch.dtype) -> Networks:
        """These networks on another device, or with the noise predictor in another dtype. What stays the same is
        shared."""
        return Networks(
            self.unet.to(device, dtype),
            self.vae.to(device, torch.float32),
            tuple(TextPart(text.encoder, text.tower.to(device, torch.float32)) for text in self.texts),
            self.image.to(device, torch.float32) if self.image else None,
        )

    def sharing(self, other: Networks) -> Networks:
        """These networks; the other's own where they are of the same weights."""
        return Networks(
            other.unet if self.unet.same(other.unet) else self.unet,
            other.vae if self.vae.same(other.vae) else self.vae,
            tuple(text.sharing(other.texts) for text in self.texts),
            other.image if self.image and other.image and self.image.same(other.image) else self.image,
        )


def make_networks(file: CheckpointFile, found: Architecture, device: torch.device, dtype: torch.dtype) -> Networks:
    """The networks, unfilled: each is read at its first use. The noise predictor computes in `dtype`, the others in
    float32: SDXL's VAE overflows in float16.

    Raises WeightsError if weights are missing, of the wrong shape, or not finite.
    """
    full = torch.float32
    image, first = found.image, found.texts[0].prefix if found.texts else ""
    unet: Part[UNet] = (
        Absent("U-Net", file, device, dtype)
        if "unet" in found.absent
        else Part(lambda: UNet(found.unet), file, UNET, device, dtype)
    )
    vae: Part[Vae] = (
        Absent("VAE", file, device, full)
        if "vae" in found.absent
        else Part(lambda: Vae(found.vae), file, VAE, device, full)
    )
    networks = Networks(
        unet=unet,
        vae=vae,
        texts=tuple(TextPart(text, _text_part(text, file, device)) for text in found.texts),
        image=Part(lambda: ClipImage(image), file, first, device, full) if image else None,
    )
    for part in networks.parts.values():
        part.check_beginnings()
    release(file)  # a look at the beginnings brings large parts of the file into memory
    return networks


def _text_part(text: TextEncoder, file: CheckpointFile, device: torch.device) -> Part[ClipText]:
    return Part(lambda: ClipText(text.architecture), file, text.prefix, device, torch.float32)
