"""Workflows in ComfyUI's API format, run with sdkit: each node as the call that does the same here."""

# ruff: noqa: N802 - methods are called as the nodes are

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import torch

from sdkit import Pipeline
from sdkit.images import read_image
from sdkit.sampling import average, combine, concat, with_area, with_mask, with_range, zero_out
from sdkit.types import Area, Conditioning, DiffusionModel, Embedding, Latents

Branch = tuple[Embedding, ...]


@dataclass
class Evaluation:
    """The first call of the noise predictor: its rows in order."""

    contexts: torch.Tensor
    x: torch.Tensor
    output: torch.Tensor


class Watched:
    """A model that remembers the calls of its noise predictor, and of those made from it, since `calls` was emptied."""

    def __init__(self, model: DiffusionModel, calls: list[Evaluation] | None = None) -> None:
        self._model = model
        self.calls: list[Evaluation] = [] if calls is None else calls

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def patched(self, patches: Any) -> Watched:
        return Watched(self._model.patched(patches), self.calls)

    def predict(self, x: torch.Tensor, timestep: float, embedding: Embedding) -> torch.Tensor:
        output = self._model.predict(x, timestep, embedding)
        self.calls.append(Evaluation(embedding.context, x, output))
        return output


@dataclass
class Sampling:
    """What one sampler node did: both branches, the first evaluation, the latents after it (scaled)."""

    positive: Branch
    negative: Branch
    first: Evaluation
    latents: torch.Tensor


@dataclass
class Workflow:
    """One workflow; `outputs` of a node are made when first asked for."""

    nodes: Mapping[str, Any]
    pipe: Pipeline
    model: Watched
    inputs: Path
    samplings: list[Sampling] = field(default_factory=list[Sampling])
    made: dict[str, tuple[Any, ...]] = field(default_factory=dict[str, tuple[Any, ...]])

    def run(self) -> None:
        """Make every node's outputs, in the order of the file."""
        for node in sorted(self.nodes, key=int):
            self.outputs(node)

    def outputs(self, node: str) -> tuple[Any, ...]:
        """What a node puts out."""
        if node not in self.made:
            kind = self.nodes[node]["class_type"]
            given = {name: self._value(value) for name, value in self.nodes[node]["inputs"].items()}
            function = cast("Callable[..., tuple[Any, ...]]", getattr(self, kind))
            self.made[node] = function(**given)
        return self.made[node]

    def _value(self, value: Any) -> Any:
        if isinstance(value, list) and len(cast("list[Any]", value)) == 2 and isinstance(value[0], str):
            return self.outputs(value[0])[value[1]]
        return value

    # ── loading ──────────────────────────────────────────────────────────────────────────────────────────────────────

    def CheckpointLoaderSimple(self, ckpt_name: str) -> tuple[Any, ...]:
        assert ckpt_name.startswith(self.pipe.model.name)
        return (), {}, None

    def CLIPSetLastLayer(self, clip: dict[str, Any], stop_at_clip_layer: int) -> tuple[Any, ...]:
        return ({**clip, "clip_skip": -stop_at_clip_layer},)

    def LoraLoader(
        self, model: tuple[Any, ...], clip: dict[str, Any], lora_name: str, strength_model: float, strength_clip: float
    ) -> tuple[Any, ...]:
        spec = {"name": lora_name, "strength": strength_model, "text_strength": strength_clip}
        return (*model, spec), {**clip, "loras": (*clip.get("loras", ()), spec)}

    def LoadImage(self, image: str) -> tuple[Any, ...]:
        from PIL import Image as pillow

        with pillow.open(self.inputs / image) as picture:
            if "A" not in picture.getbands():
                return read_image(self.inputs / image), torch.zeros(64, 64)
            alpha = torch.tensor(list(picture.getchannel("A").tobytes()), dtype=torch.float32)
            return read_image(self.inputs / image), 1 - alpha.view(picture.height, picture.width) / 255

    def EmptyLatentImage(self, width: int, height: int, batch_size: int) -> tuple[Any, ...]:
        return (torch.zeros(batch_size, 4, height // 8, width // 8),)

    # ── text ─────────────────────────────────────────────────────────────────────────────────────────────────────────

    def CLIPTextEncode(self, clip: dict[str, Any], text: str) -> tuple[Any, ...]:
        return (self.pipe.encode(text, prompt_syntax="comfy", **clip).positive,)

    def ConditioningCombine(self, conditioning_1: Branch, conditioning_2: Branch) -> tuple[Any, ...]:
        return (combine(conditioning_1, conditioning_2),)

    def ConditioningConcat(self, conditioning_to: Branch, conditioning_from: Branch) -> tuple[Any, ...]:
        return (concat(conditioning_to, conditioning_from),)

    def ConditioningAverage(
        self, conditioning_to: Branch, conditioning_from: Branch, conditioning_to_strength: float
    ) -> tuple[Any, ...]:
        return (average(conditioning_to, conditioning_from, conditioning_to_strength),)

    def ConditioningZeroOut(self, conditioning: Branch) -> tuple[Any, ...]:
        return (zero_out(conditioning),)

    def ConditioningSetArea(
        self, conditioning: Branch, width: int, height: int, x: int, y: int, strength: float
    ) -> tuple[Any, ...]:
        """In pixels of the picture, which the case's latents tell."""
        sizes = [node["inputs"] for node in self.nodes.values() if node["class_type"] == "EmptyLatentImage"]
        wide, high = sizes[0]["width"], sizes[0]["height"]
        return (with_area(conditioning, Area(y / high, x / wide, height / high, width / wide), strength),)

    def ConditioningSetAreaPercentage(
        self, conditioning: Branch, width: float, height: float, x: float, y: float, strength: float
    ) -> tuple[Any, ...]:
        return (with_area(conditioning, Area(y, x, height, width), strength),)

    def ConditioningSetMask(
        self, conditioning: Branch, mask: torch.Tensor, strength: float, set_cond_area: str
    ) -> tuple[Any, ...]:
        return (with_mask(conditioning, mask, strength, bounds=set_cond_area != "default"),)

    def ConditioningSetTimestepRange(self, conditioning: Branch, start: float, end: float) -> tuple[Any, ...]:
        return (with_range(conditioning, self.pipe.model.spec, start, end),)

    # ── pictures ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def VAEEncode(self, pixels: Any, vae: None) -> tuple[Any, ...]:
        return (self.pipe.encode_image(pixels).tensor,)

    def VAEDecode(self, samples: torch.Tensor, vae: None) -> tuple[Any, ...]:
        return (torch.stack([image.pixels for image in self.pipe.decode(Latents(samples))]),)

    # ── sampling ─────────────────────────────────────────────────────────────────────────────────────────────────────

    def KSampler(self, latent_image: torch.Tensor, seed: int, **given: Any) -> tuple[Any, ...]:
        return self._sampled(latent_image, seed, **given)

    def KSamplerAdvanced(
        self,
        latent_image: torch.Tensor,
        noise_seed: int,
        add_noise: str,
        start_at_step: int,
        end_at_step: int,
        return_with_leftover_noise: str,
        **given: Any,
    ) -> tuple[Any, ...]:
        steps = given["steps"]
        end = end_at_step if end_at_step < steps else None
        leftover = return_with_leftover_noise == "enable" and end is not None
        more = {"add_noise": add_noise == "enable", "start_step": start_at_step, "end_step": end}
        return self._sampled(latent_image, noise_seed, **given, **more, leftover_noise=leftover)

    def _sampled(
        self,
        latents: torch.Tensor,
        seed: int,
        *,
        model: tuple[Any, ...],
        positive: Branch,
        negative: Branch,
        sampler_name: str,
        scheduler: str,
        cfg: float,
        **more: Any,
    ) -> tuple[Any, ...]:
        self.model.calls.clear()
        sampled = self.pipe.sample(
            Conditioning(positive, negative),
            latents=latents,
            seeds=tuple(range(seed, seed + len(latents))),
            noise="comfy",
            sampler=sampler_name,
            schedule=scheduler,
            guidance_scale=cfg,
            loras=model,
            **more,
        )
        self.samplings.append(Sampling(positive, negative, self.model.calls[0], sampled.tensor))
        return (sampled.tensor,)
