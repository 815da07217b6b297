"""A latent diffusion model: text encoder, noise predictor and VAE behind plain functions."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from sdkit.errors import ModelError
from sdkit.models.clip import clip_pixels
from sdkit.models.encoding import encode_chunks, pooled_features
from sdkit.models.placement import choose_device, choose_dtype, own_dtype
from sdkit.models.tokenizer import ClipTokenizer, plain_prompt
from sdkit.types import Embedding, ModelSpec, Prompt, TokenChunk

if TYPE_CHECKING:
    from torch import Tensor

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.networks.building import Part
    from sdkit.models.networks.clip import ClipImage, ClipText
    from sdkit.models.networks.unet import UNet
    from sdkit.models.networks.vae import Vae


@dataclass(frozen=True, eq=False)
class Networks:
    """The parts of a latent diffusion model; `image` is CLIP's image tower, which few files carry."""

    unet: Part[UNet]
    vae: Part[Vae]
    text: Part[ClipText]
    image: Part[ClipImage] | None = None

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the file that they are made from."""
        parts = (self.unet, self.vae, self.text, *((self.image,) if self.image else ()))
        return frozenset(key for part in parts for key in part.sources.values())


class LatentDiffusion:
    """A `DiffusionModel` of the Stable Diffusion kind. Thread-safe; each network is read at its first use.

    The noise predictor computes in `dtype`; text encoder and VAE always in float32. `latent_scale`: what the VAE's
    latents are multiplied by. The file stays open as long as the model is used.
    """

    def __init__(self, file: CheckpointFile, spec: ModelSpec, networks: Networks, *, latent_scale: float) -> None:
        self._file = file
        self._spec = spec
        self._networks: Networks | None = networks
        self._latent_scale = latent_scale
        self._device, self._dtype = networks.unet.device, networks.unet.dtype
        self._tokenizer: ClipTokenizer | None = None
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The file's stem."""
        return self._file.path.stem

    @property
    def spec(self) -> ModelSpec:
        """See `ModelSpec`."""
        return self._spec

    @property
    def device(self) -> torch.device:
        """Where all of it computes."""
        return self._device

    @property
    def dtype(self) -> torch.dtype:
        """In which the noise predictor computes."""
        return self._dtype

    def fingerprint(self) -> str:
        """SHA-256 of the file, hex; computed once."""
        return self._file.sha256()

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        """The prompt in windows of 77 tokens, padded with the end token."""
        tokenizer = self._tokenizer  # a name of its own: `unload` in another thread may forget it meanwhile
        if tokenizer is None:
            with self._lock:
                tokenizer = self._tokenizer = self._tokenizer or ClipTokenizer()
        return tokenizer.chunks(prompt)

    @torch.no_grad()
    def encode_text(self, prompt: Prompt, clip_skip: int = 1) -> Embedding:
        """One prompt → context `[1, 77·n, C]`, float32; clip_skip 1 is the last layer, 2 the one before."""
        (empty,) = self.tokenize(plain_prompt(""))
        return Embedding(encode_chunks(self._loaded.text(), self.tokenize(prompt), empty, clip_skip))

    @torch.no_grad()
    def predict(self, x: Tensor, timestep: float, embedding: Embedding) -> Tensor:
        """The noise predictor's raw output at scaled input `x`, `[B, C, H/f, W/f]`, float32."""
        unet = self._loaded.unet()
        context = embedding.context.to(self.device, self.dtype).expand(len(x), -1, -1)
        timesteps = torch.full((len(x),), timestep, device=self.device)
        return unet(x.to(self.device, self.dtype), timesteps, context).float()

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> Tensor:
        """`[B, 3, H, W]` in 0…1 → scaled latents `[B, C, H/f, W/f]`, the mode of the VAE's distribution."""
        vae = self._loaded.vae()
        return vae.encode(pixels.to(self.device, torch.float32) * 2 - 1) * self._latent_scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents → `[B, 3, H, W]` float32 in 0…1, on the CPU; NaN stays NaN."""
        vae = self._loaded.vae()
        pictures = vae.decode(latents.to(self.device, torch.float32) / self._latent_scale)
        return ((pictures + 1) / 2).clamp(0, 1).cpu()

    @torch.no_grad()
    def similarity(self, texts: tuple[str, ...], pixels: Tensor) -> Tensor:
        """Cosine similarity of CLIP's text and image features, `[len(texts), B]`, on the CPU.

        `pixels`: `[B, 3, H, W]` in 0…1, any size. Of a text, the first 75 tokens count. Raises ModelError if the file
        has no image tower.
        """
        networks = self._loaded
        if networks.image is None:
            raise ModelError(
                f"{self._file.path} carries no CLIP image tower, so texts and pictures cannot be compared with it. The "
                "model that ships with sdkit can: Pipeline.load()"
            )
        clip, tower = networks.image(), networks.text()
        chunks = [self.tokenize(plain_prompt(text))[0] for text in texts]
        words = clip.text_vectors(pooled_features(tower, chunks))
        pictures = clip.picture_vectors(clip_pixels(pixels.to(self.device), clip.architecture.side))
        return (words @ pictures.T).cpu()

    def to(self, device: str = "auto", dtype: str = "auto") -> LatentDiffusion:
        """This model on another device or in another dtype; itself if nothing changes. What stays the same is
        shared."""
        place = choose_device(device)
        networks = self._loaded
        wanted = choose_dtype(dtype) or own_dtype(networks.unet.stored, place)
        if (place, wanted) == (self.device, self.dtype):
            return self
        moved = Networks(
            networks.unet.to(place, wanted),
            networks.vae.to(place, torch.float32),
            networks.text.to(place, torch.float32),
            networks.image.to(place, torch.float32) if networks.image else None,
        )
        return LatentDiffusion(self._file, self._spec, moved, latent_scale=self._latent_scale)

    def unload(self) -> None:
        """Drop the weights; calls under way finish, further ones raise ModelError."""
        self._networks = None
        self._tokenizer = None

    @property
    def _loaded(self) -> Networks:
        networks = self._networks
        if networks is None:
            raise ModelError(f"the model {self.name!r} was unloaded; load it again")
        return networks
