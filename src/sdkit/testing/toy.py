"""A model with no weights: closed formulas behind the interface of a real one, so that tests take milliseconds.

It draws a disc, whose colour and place follow from the words of the prompt, on a plain ground. Guidance, seeds,
batches, img2img, masks and similarity all do what they do with a real model; only the networks are formulas.
"""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch

from sdkit.errors import ModelError
from sdkit.models.patching import check_targets
from sdkit.models.recent import Recent
from sdkit.sigmas import flow_sigmas, scaled_linear_sigmas
from sdkit.types import Defaults, Embedding, ModelSpec, Patch, PredictionType, TokenChunk

if TYPE_CHECKING:
    from sdkit.types import CallPatches, Prompt

WIDTH = 12
CHUNK = 77
FACTOR = 8


class ToyModel:
    """A stand-in for a loaded model, for tests: `Pipeline(ToyModel())`. Latents are `[B, 4, H/8, W/8]`.

    `prediction`: what the "network" outputs. `evaluations` counts its calls, `rows` how many pictures went through it.
    Its weights, for patches: `unet.colours.weight`, `[4, 4]`, mixes the channels of what it draws, and
    `text_encoder.words.weight`, `[12, 12]`, the features of each word; both are the identity.
    """

    def __init__(
        self, name: str = "toy", prediction: PredictionType = "eps", width: int = 32, height: int = 32
    ) -> None:
        self._name = name
        sigmas = flow_sigmas() if prediction == "flow" else scaled_linear_sigmas()
        defaults = Defaults(width, height, steps=6, sampler="euler", schedule="normal", guidance_scale=3.0)
        self._spec = ModelSpec("toy", prediction, sigmas, defaults, has_image_tower=True)
        self._loaded = True
        self._weights = {"unet.colours.weight": torch.eye(4), "text_encoder.words.weight": torch.eye(WIDTH)}
        self._changed: frozenset[str] = frozenset()
        self._derived: Recent[ToyModel] = Recent(most=8)
        self.evaluations = 0
        self.rows = 0
        self.texts_encoded = 0

    @property
    def name(self) -> str:
        return self._name

    @property
    def spec(self) -> ModelSpec:
        return self._spec

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def dtype(self) -> torch.dtype:
        return torch.float32

    def fingerprint(self) -> str:
        """Nothing: there is no file."""
        return ""

    def tokenize(self, prompt: Prompt) -> tuple[TokenChunk, ...]:
        """One token per word, ids from a hash."""
        words = [(word, part.weight) for part in prompt.segments for word in part.text.split()]
        chunks = [words[i : i + CHUNK] for i in range(0, len(words), CHUNK)] or [[]]
        return tuple(
            TokenChunk(
                ids=tuple(_hash(word) % 49152 for word, _ in chunk) + (0,) * (CHUNK - len(chunk)),
                weights=tuple(weight for _, weight in chunk) + (1.0,) * (CHUNK - len(chunk)),
                texts=tuple(word for word, _ in chunk) + ("",) * (CHUNK - len(chunk)),
            )
            for chunk in chunks
        )

    def encode_text(self, prompt: Prompt, clip_skip: int) -> Embedding:
        """`[1, 77·n, 12]`: a fixed vector per word; the layer that is read only scales it."""
        self._check_loaded()
        self.texts_encoded += 1
        rows = [
            [math.sin((id_ + 1) * (column + 1) * 0.7) * weight if text else 0.0 for column in range(WIDTH)]
            for chunk in self.tokenize(prompt)
            for id_, weight, text in zip(chunk.ids, chunk.weights, chunk.texts, strict=True)
        ]
        context = torch.tensor(rows)[None] / clip_skip
        return Embedding(self._mixed("text_encoder.words.weight", context))

    def predict(
        self, x: torch.Tensor, timestep: float, embedding: Embedding, patches: CallPatches | None = None
    ) -> torch.Tensor:
        """What a network trained on one picture per prompt would say, softened so that it depends on `x`, too."""
        self._check_loaded()
        if patches is not None:
            raise ModelError(
                f"the toy model {self._name!r} has no layers and blocks that could be patched; use Pipeline.load(), or "
                "a model from sdkit.testing.random_checkpoint"
            )
        self.evaluations += 1
        self.rows += len(x)
        sigma = self._sigma(timestep)
        target = self._target(_summary(embedding.context), x)
        if self._spec.prediction == "flow":
            denoised = target + 0.1 * torch.tanh(x - target)
            return (x - denoised) / sigma
        scale = math.sqrt(sigma**2 + 1)
        noisy = x * scale
        shrink = 0.25 / (0.25 + sigma**2)  # the posterior mean for Gaussian data of std 0.5 around the target
        denoised = target + shrink * (noisy - target)
        eps = (noisy - denoised) / sigma
        return eps if self._spec.prediction == "eps" else (noisy / (sigma**2 + 1) - denoised) * scale / sigma

    def encode_image(self, pixels: torch.Tensor) -> torch.Tensor:
        """Mean colour of every 8×8 patch, −1…1, and their mean."""
        self._check_loaded()
        colours = torch.nn.functional.avg_pool2d(pixels, FACTOR) * 2 - 1
        return torch.cat([colours, colours.mean(1, keepdim=True)], 1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """The first three channels as colours, enlarged."""
        self._check_loaded()
        pixels = (latents[:, :3].float() + 1) / 2
        return torch.nn.functional.interpolate(pixels, scale_factor=FACTOR, mode="nearest").clamp(0, 1)

    def similarity(self, texts: tuple[str, ...], pixels: torch.Tensor) -> torch.Tensor:
        """Cosine of the picture's latents with those that each text stands for."""
        from sdkit.types import Prompt, Segment

        latents = self.encode_image(pixels)
        summaries = [_summary(self.encode_text(Prompt(text, (Segment(text),)), 1).context) for text in texts]
        targets = torch.cat([self._target(summary, latents[:1]) for summary in summaries]).flatten(1)
        return torch.nn.functional.cosine_similarity(targets[:, None], latents.flatten(1)[None], dim=-1)

    @property
    def weights(self) -> Mapping[str, tuple[int, ...]]:
        """The two of them."""
        return {name: tuple(weight.shape) for name, weight in self._weights.items()}

    def patched(self, patches: Sequence[Patch]) -> ToyModel:
        """A toy with changed weights; it counts for itself. Kept like a real model's."""
        if not patches:
            return self
        check_targets(patches, self._weights, self._name)

        def make() -> ToyModel:
            twin = copy.copy(self)
            twin._weights, twin._derived = dict(self._weights), Recent(most=8)
            for patch in patches:
                for name in patch.targets:
                    twin._weights[name] = patch.apply(name, twin._weights[name])
            twin._changed = self._changed.union(*(patch.targets for patch in patches))
            return twin

        return self._derived.get(tuple(patch.key for patch in patches), make)

    def to(self, device: str, dtype: str) -> ToyModel:
        """Itself; it lives on the CPU. Raises ModelError for anything else."""
        if device != "cpu":
            raise ModelError(f"the toy model lives on the CPU, not on {device!r}")
        return self

    def unload(self) -> None:
        """Forget the formulas."""
        self._loaded = False

    def _target(self, summary: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
        """The latents that a prompt stands for: a disc on a ground."""
        features = torch.tanh(summary).to(like.dtype)
        height, width = like.shape[-2:]
        y = torch.linspace(-1, 1, height, dtype=like.dtype)[None, :, None] - features[:, 8, None, None] * 0.4
        x = torch.linspace(-1, 1, width, dtype=like.dtype)[None, None, :] - features[:, 9, None, None] * 0.4
        disc = torch.sigmoid((0.5 - (x**2 + y**2)) * 12)[:, None]
        drawn = disc * features[:, :4, None, None] + (1 - disc) * features[:, 4:8, None, None]
        return self._mixed("unet.colours.weight", drawn.movedim(1, -1)).movedim(-1, 1)

    def _mixed(self, name: str, features: torch.Tensor) -> torch.Tensor:
        return features @ self._weights[name].to(features.dtype).T if name in self._changed else features

    def _sigma(self, timestep: float) -> float:
        sigmas = self._spec.sigmas
        if self._spec.prediction == "flow":
            return max(timestep / 1000, 1e-4)
        low = min(max(int(timestep), 0), len(sigmas) - 1)
        high = min(low + 1, len(sigmas) - 1)
        part = timestep - low
        return math.exp((1 - part) * math.log(sigmas[low]) + part * math.log(sigmas[high]))

    def _check_loaded(self) -> None:
        if not self._loaded:
            raise ModelError(f"the model {self._name!r} was unloaded; load it again")


def _summary(context: torch.Tensor) -> torch.Tensor:
    """`[B, 12]`: the words together. Like attention, it does not notice when a context is repeated."""
    return context.sum(1) * (CHUNK / context.shape[1]) / 4


def _hash(word: str) -> int:
    return int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
