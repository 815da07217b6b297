"""What the pipeline knows of a model: its facts, and the functions that its networks stand behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, Protocol

if TYPE_CHECKING:
    import torch

    from sdkit.types.conditioning import Embedding
    from sdkit.types.network import CallPatches
    from sdkit.types.patches import Patch
    from sdkit.types.prompts import Prompt, TokenChunk

PredictionType = Literal["eps", "v", "flow"]
"""What the network was trained to output: the noise, the velocity (arXiv:2202.00512), or the flow
(arXiv:2209.03003)."""


@dataclass(frozen=True)
class Defaults:
    """What a model family uses where the request says None."""

    width: int
    height: int
    steps: int
    sampler: str
    schedule: str
    guidance_scale: float
    clip_skip: int = 1


@dataclass(frozen=True)
class ModelSpec:
    """What the pipeline must know of a model.

    `sigmas`: noise std at each training timestep, ascending; of a distilled model, at each of the few that it knows,
    which are the last of every `timestep_stride`. `latent_factor`: pixels per latent along a side; widths and heights
    must be multiples of it. `latent_scale`: what latents were multiplied by after the VAE's encoder, for unit variance.
    `input_channels`: of the noise predictor; more than `latent_channels` where it sees a mask or another picture, too
    (inpainting: 9, instruct-pix2pix: 8). `finishes_only`: it was trained on the last part of the way, and goes on from
    another model's latents (SDXL's refiner). `has_image_tower`: whether it can compare texts with pictures.
    """

    family: str
    prediction: PredictionType
    sigmas: tuple[float, ...] = field(repr=False)
    defaults: Defaults
    latent_channels: int = 4
    input_channels: int = 4
    finishes_only: bool = False
    latent_factor: int = 8
    latent_scale: float = 1.0
    timestep_stride: int = 1
    has_image_tower: bool = False


class DiffusionModel(Protocol):
    """What a model family's `load` returns: the networks behind plain functions. Immutable during runs, thread-safe."""

    @property
    def name(self) -> str:
        """Short name, for people: the file's stem."""
        ...

    @property
    def spec(self) -> ModelSpec: ...

    @property
    def device(self) -> torch.device: ...

    @property
    def dtype(self) -> torch.dtype:
        """In which the noise predictor computes."""
        ...

    def fingerprint(self) -> str:
        """SHA-256 of the weights file, hex; computed once. Of several files, that of their hashes; "" where the weights
        came from no file."""
        ...

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        """The prompt as the text encoder will see it, chunk by chunk."""
        ...

    def encode_text(self, prompt: Prompt, clip_skip: int) -> Embedding:
        """One prompt → context `[1, T, C]`; clip_skip 1 is the last layer."""
        ...

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        """The network's raw output, `[B, C, H/f, W/f]`, at scaled input `x`; float32 whatever the weights' dtype.

        `patches`: functions for its inside; the argument is left out where there are none. Raises ModelError for a
        model that has no such inside.
        """
        ...

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """`[B, 3, H, W]` in 0…1 → scaled latents `[B, C, H/f, W/f]`, the mode of the VAE's distribution."""
        ...

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Scaled latents → `[B, 3, H, W]` float32 in 0…1, on the CPU."""
        ...

    def similarity(self, texts: tuple[str, ...], pixels: torch.Tensor) -> torch.Tensor:
        """Cosine similarity of CLIP's text and image features: `[len(texts), B]`. Raises ModelError without image
        tower."""
        ...

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """The shape of every weight that can be patched, by name: network, module and parameter in the original
        layout's names, such as `unet.input_blocks.1.1.proj_in.weight`."""
        ...

    def patched(self, patches: Sequence[Patch]) -> DiffusionModel:
        """A model with changed weights, which shares the others; this one stays as it is. Itself without patches.

        The last ones are kept by the patches' keys. Raises ModelError for a patch of a weight that is not there.
        """
        ...

    def to(self, device: str, dtype: str) -> DiffusionModel:
        """This model on another device or in another dtype; itself if nothing changes."""
        ...

    def unload(self) -> None:
        """Drop the weights. Further calls raise ModelError."""
        ...
