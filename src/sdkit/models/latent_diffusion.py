"""A latent diffusion model: text encoder, noise predictor and VAE behind plain functions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING

import torch

from sdkit.errors import ModelError
from sdkit.models.clip import clip_pixels
from sdkit.models.embeddings import check_inversions
from sdkit.models.encoding import check_clip_skip, encode_chunks, pooled_features
from sdkit.models.encoding_cache import EncodingCache
from sdkit.models.fingerprint import Fingerprint
from sdkit.models.inputs import InputCache
from sdkit.models.networks.building import lacking
from sdkit.models.patching import MOST_BYTES, MOST_MODELS, check_targets, copied_bytes
from sdkit.models.placement import choose_device, choose_dtype, own_dtype
from sdkit.models.recent import Recent
from sdkit.models.tokenizer import ClipTokenizer, plain_prompt
from sdkit.types import CallPatches, Embedding, ModelSpec, Patch, Prompt, TokenChunk

if TYPE_CHECKING:
    from torch import Tensor, nn

    from sdkit.models.checkpoint import CheckpointFile
    from sdkit.models.diffusion_family import Architecture, TextEncoder
    from sdkit.models.hashes import HashCache
    from sdkit.models.network_parts import Networks
    from sdkit.models.networks.building import LoadTiming, Part

_log = logging.getLogger(__name__)


class LatentDiffusion:
    """A `DiffusionModel` of the Stable Diffusion kind. Thread-safe; each network is read at its first use.

    The noise predictor computes in `dtype`; text encoders and VAE always in float32. The file stays open as long as the
    model is used.
    """

    def __init__(self, file: CheckpointFile, architecture: Architecture, networks: Networks) -> None:
        self._file = file
        self._fingerprint = Fingerprint(file)
        self._architecture = architecture
        self._spec = architecture.spec
        self._networks: Networks | None = networks
        self._device, self._dtype = networks.unet.device, networks.unet.dtype
        self._inputs = InputCache(architecture, self._device, self._dtype)
        self._encodings = EncodingCache()
        self._tokenizer: ClipTokenizer | None = None
        self._sound: set[str] = set()  # networks whose first result was finite
        self._lock = threading.Lock()
        self._derived: Recent[LatentDiffusion] = Recent(MOST_MODELS, MOST_BYTES)

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

    @property
    def architecture(self) -> Architecture:
        """What its networks look like."""
        return self._architecture

    @property
    def timings(self) -> Mapping[str, LoadTiming]:
        """How long it took to fill each network, of those that were used so far, in seconds, and their bytes."""
        parts = self.networks.parts.items()
        return MappingProxyType({name: part.timing for name, part in parts if part.timing is not None})

    @property
    def file(self) -> CheckpointFile:
        """The file, or the view of several, that its weights are in."""
        return self._file

    @property
    def metadata(self) -> Mapping[str, str]:
        """What its file says of itself."""
        return self._file.metadata

    @property
    def sources(self) -> Mapping[str, tuple[CheckpointFile, str]]:
        """Where every weight is stored, by network and name: the file, and the key in it. Patches change none of it."""
        parts = self.networks.parts.items()
        return {f"{part}.{name}": (own.file, key) for part, own in parts for name, key in own.sources.items()}

    def fingerprint(self) -> str:
        """SHA-256 of the file, hex; computed once. Of several files, that of their hashes."""
        return self._fingerprint()

    def use_hashes(self, hashes: HashCache) -> None:
        """Look the file's hash up in this cache, and keep it there."""
        self._fingerprint.use(hashes)

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        """The prompt in windows of 77 tokens, as the first text encoder sees it."""
        return self._windows(prompt, self._texts[0])

    @torch.no_grad()
    def encode_text(self, prompt: Prompt, clip_skip: int | None = None) -> Embedding:
        """One prompt → context `[1, 77·n, C]` and its summary, float32; clip_skip 1 is the last layer, 2 the one
        before, None the one that the family was trained with.

        The features of several text encoders stand side by side; the summary is that of the last one. A prompt that was
        encoded lately is not encoded again. Raises RequestError for a layer that is not there, or a textual inversion
        that was made for another family.
        """
        skip = self._spec.defaults.clip_skip if clip_skip is None else clip_skip
        said = prompt.dialect, prompt.segments, skip
        return self._encodings.get(said, lambda: self._encoded(prompt, skip))

    def _encoded(self, prompt: Prompt, skip: int) -> Embedding:
        widths = {text.kind.name: text.architecture.transformer.width for text in self._texts}
        for warning in check_inversions(prompt, widths):
            _log.warning(warning)
        features: list[Tensor] = []
        summary: Tensor | None = None
        for text in self.networks.texts:
            encoder = text.encoder
            check_clip_skip(skip, encoder.architecture.transformer.layers + encoder.left_out)
            (empty,) = self._windows(plain_prompt(""), encoder)
            found, summary = encode_chunks(
                text.tower(),
                self._windows(prompt, encoder),
                empty,
                skip=max(0, skip - 1 - encoder.left_out),
                norm=encoder.kind.norm,
                dialect=prompt.dialect,
            )
            self._check_first(encoder.kind.part, text.tower, found)
            features.append(found)
        length = min(found.shape[1] for found in features)  # a textual inversion can have more vectors for one of them
        return Embedding(torch.cat([found[:, :length] for found in features], dim=-1), summary)

    @torch.no_grad()
    def predict(self, x: Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None) -> Tensor:
        """The noise predictor's raw output at scaled input `x`, `[B, C, H/f, W/f]`, float32.

        Where the model reads further channels and `embedding.channels` is None, an inpainting model is shown a blank
        picture that is masked all over, and one that edits pictures zeros. Where it is told the picture's size and
        `embedding.size` is None, it is told that of the latents.
        """
        unet = self.networks.unet
        network = unet()
        inputs = self._inputs.get(embedding, x.shape)
        x = x.to(self.device, self.dtype)
        if inputs.channels is not None:
            x = torch.cat((x, inputs.channels), dim=1)
        timesteps = torch.full((len(x),), timestep, device=self.device)
        output = network(x, timesteps, inputs.context, inputs.summary, inputs.guidance, patches).float()
        self._check_first("unet", unet, output)
        return output

    @torch.no_grad()
    def encode_image(self, pixels: Tensor) -> Tensor:
        """`[B, 3, H, W]` in 0…1 → scaled latents `[B, C, H/f, W/f]`, the mode of the VAE's distribution."""
        vae = self.networks.vae()
        return vae.encode(pixels.to(self.device, torch.float32) * 2 - 1) * self._architecture.kind.latent_scale

    @torch.no_grad()
    def decode(self, latents: Tensor) -> Tensor:
        """Scaled latents → `[B, 3, H, W]` float32 in 0…1, on the CPU; NaN stays NaN."""
        vae = self.networks.vae
        pictures = vae().decode(latents.to(self.device, torch.float32) / self._architecture.kind.latent_scale)
        self._check_first("vae", vae, pictures)
        return ((pictures + 1) / 2).clamp(0, 1).cpu()

    @torch.no_grad()
    def similarity(self, texts: tuple[str, ...], pixels: Tensor) -> Tensor:
        """Cosine similarity of CLIP's text and image features, `[len(texts), B]`, on the CPU.

        `pixels`: `[B, 3, H, W]` in 0…1, any size. Of a text, the first 75 tokens count. Raises ModelError if the file
        has no image tower.
        """
        networks = self.networks
        if networks.image is None:
            raise ModelError(
                f"{self._file.path} carries no CLIP image tower, so texts and pictures cannot be compared with it. The "
                "model that ships with sdkit can: Pipeline.load()"
            )
        clip, tower = networks.image(), networks.text()
        first = self._architecture.texts[0]
        chunks = [self._windows(plain_prompt(text), first)[0] for text in texts]
        words = clip.text_vectors(pooled_features(tower, chunks))
        pictures = clip.picture_vectors(clip_pixels(pixels.to(self.device), clip.architecture.side))
        return (words @ pictures.T).cpu()

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """See `DiffusionModel.weights`."""
        return self.networks.weights

    def patched(self, patches: Sequence[Patch]) -> LatentDiffusion:
        """A model with changed weights, computed now; see `DiffusionModel.patched`."""
        if not patches:
            return self
        networks = self.networks
        weights = networks.weights
        check_targets(patches, weights, self.name)

        def make() -> LatentDiffusion:
            derived = self._with(networks.patched(patches))
            if derived.networks.texts == networks.texts:
                derived._encodings = self._encodings
            return derived

        size = copied_bytes(patches, weights, self.dtype.itemsize)
        return self._derived.get(tuple(patch.key for patch in patches), make, size)

    def to(self, device: str = "auto", dtype: str = "auto") -> LatentDiffusion:
        """This model on another device or in another dtype; itself if nothing changes. What stays the same is
        shared."""
        place = choose_device(device)
        networks = self.networks
        wanted = choose_dtype(dtype) or own_dtype(networks.unet.stored, place)
        if (place, wanted) == (self.device, self.dtype):
            return self
        return self._with(networks.to(place, wanted))

    def sharing(self, other: LatentDiffusion) -> LatentDiffusion:
        """This model with those networks of another one that are of the same weights, so that they are in memory once.
        Raises ModelError if the other one was unloaded."""
        return self._with(self.networks.sharing(other.networks))

    def unload(self) -> None:
        """Drop the weights; calls under way finish, further ones raise ModelError."""
        self._networks = None
        self._tokenizer = None
        self._derived.clear()
        self._encodings.clear()
        self._inputs = InputCache(self._architecture, self._device, self._dtype)

    def _with(self, networks: Networks) -> LatentDiffusion:
        """A model of the same file with these networks."""
        made = LatentDiffusion(self._file, self._architecture, networks)
        made._fingerprint, made._tokenizer = self._fingerprint, self._tokenizer
        return made

    @property
    def _texts(self) -> tuple[TextEncoder, ...]:
        """What is known of its text encoders. Raises ModelError if there are none."""
        if not self._architecture.texts:
            raise lacking("text encoder", self._file)
        return self._architecture.texts

    @property
    def networks(self) -> Networks:
        """Its networks. Raises ModelError if it was unloaded."""
        networks = self._networks
        if networks is None:
            raise ModelError(f"the model {self.name!r} was unloaded; load it again")
        return networks

    def _windows(self, prompt: Prompt, encoder: TextEncoder) -> tuple[TokenChunk, ...]:
        tokenizer = self._tokenizer  # a name of its own: `unload` in another thread may forget it meanwhile
        if tokenizer is None:
            with self._lock:
                tokenizer = self._tokenizer = self._tokenizer or ClipTokenizer()
        kind, width = encoder.kind, encoder.architecture.transformer.width
        return tokenizer.chunks(prompt, padding=kind.padding, encoder=kind.name, width=width)

    def _check_first(self, name: str, part: Part[nn.Module], output: Tensor) -> None:
        """At a network's first result, look whether it is finite; if not, look for the weight that is not. Raises
        WeightsError if there is one."""
        if name in self._sound:
            return
        if not output.isfinite().all():
            part.check_all()
        self._sound.add(name)
